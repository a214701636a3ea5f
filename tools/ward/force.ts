// `ward network validator force`: the whole set of validators at once, for what a single change is refused:
// one of four is burnt and there is no spare. One makes the order at a node, institution keys sign it away
// from every node, and an administrator puts it on the chain. The network must still agree: after the loss
// of a quorum it is `ward network recover`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import {
  bytesToHex,
  equalBytes,
  errorTable,
  faultsTolerated,
  hasQuorum,
  hexToBytes,
  quorumOf,
  type KeyQuorum,
  type Validator,
} from '../../runtime/protocol/index.js'
import { sha256 } from '../../host/keys/crypto.js'
import type { Json } from '../../host/api/node-port.js'
import type { NetworkJson, NetworkNodeJson } from '../../host/api/network-json.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, must, type NodeChoice } from './connect.js'
import {
  bytesToForce,
  countForce,
  decodeForceOrder,
  encodeForceOrder,
  type ForceOrder,
} from './force-order.js'
import { addSignature } from './institution-key.js'
import { assertReachable, reachableOf, seatOf } from './network-nodes.js'
import { confirm, withSigner, type Signer, type SigningOptions } from './rule-signing.js'
import { visibleText } from './visible-text.js'

interface MakeOptions extends NodeChoice {
  validator: string[]
  evenIfNetworkStops?: boolean
  out: string
}

const collect = (value: string, before: string[]): string[] => [...before, value]

const help = `
For a change that the chain refuses (QUORUM_AT_RISK: from four validators to three), while the network still
agrees. Where it does not (\`ward status\`: QUORUM_LOST), use \`ward network recover\`.
  1. \`force make\` at any node, naming every validator of the new set
  2. \`force sign\` once for each institution key, on a computer where that key lies; \`force show\` at a node
     tells the names that belong to the entities
  3. \`force apply\` at any node, as an administrator; it takes effect two blocks later
On a chain without institution keys two administrators give \`force apply\` with the same file within seven days.
An order is good once and only while the set in force is the one it was made for.`

export function addForceCommands(validator: Command): void {
  const force = validator
    .command('force')
    .description('set all validators at once, signed by institution keys')
    .addHelpText('after', help)
  withNode(force.command('make').description('write the order for the institution keys to sign'))
    .requiredOption('--validator <name>', 'listed node that votes afterwards (repeat)', collect, [])
    .option('--even-if-network-stops', 'make it although too few of the new set are reachable now')
    .requiredOption('--out <file>', 'order file')
    .action(make)
  withNode(force.command('show').description('what an order says, who signed it, and if it still holds'))
    .argument('<file>', 'order')
    .action(show)
  force
    .command('sign')
    .description('add the signature of an institution key; its password is asked')
    .argument('<file>', 'order; it is written anew')
    .requiredOption('--key <file>', 'key file as `ward image key` makes it')
    .action(sign)
  withNode(force.command('apply').description('put the signed order on the chain'))
    .argument('<file>', 'order with enough signatures')
    .requiredOption('--as <person>', 'administrator who signs')
    .option('--yes', 'sign without asking')
    .action(apply)
}

const withNode = (command: Command): Command =>
  command.option('--dir <folder>', "the node's folder").option('--api <url>', 'address of its local API')

async function make(options: MakeOptions): Promise<void> {
  if (existsSync(options.out))
    throw new CommandError('FILE_EXISTS', `${options.out} exists. Nothing was changed.`)
  const network = must(await connect(options).network())
  if (new Set(options.validator).size !== options.validator.length) usage('a validator is named twice')
  if (options.validator.length === 0) usage('--validator <name>: name every validator of the new set')
  const next = options.validator.map((name) => seatOf(network, name))
  const order: ForceOrder = {
    chainId: bytesOf(network.chainId),
    epoch: network.epoch,
    current: network.validators.map(seatBytes),
    next: next.map(seatBytes),
    signatures: [],
  }
  if (isSameSet(order.current, order.next)) usage('this is the set in force')
  assertAgrees(network)
  if (options.evenIfNetworkStops !== true) assertNextAgrees(network, order.next)
  writeFileSync(options.out, encodeForceOrder(order), { flag: 'wx', mode: 0o644 })
  process.stdout.write(describe(order, network))
  const { institution } = network
  const signers =
    institution === null
      ? 'This chain has no institution keys: next, `ward network validator force apply` as an administrator.'
      : `Next: ${institution.threshold} of ${institution.keys.length} holders of institution keys each compare the ` +
        `fingerprint and run \`ward network validator force sign ${options.out} --key <file>\`, then \`force apply\`.`
  process.stdout.write(`written to ${options.out}. ${signers}\n`)
}

/** Without a quorum of the set in force nothing becomes final, this order neither. */
function assertAgrees(network: NetworkJson): void {
  const { validators } = network
  const count = reachableOf(
    network,
    validators.map(({ entity }) => entity),
  )
  if (count >= quorumOf(validators.length)) return
  throw new CommandError(
    'QUORUM_LOST',
    `Of ${validators.length} validators only ${count} are reachable, and ${quorumOf(validators.length)} must agree to put ` +
      'an order on the chain. Nothing was written. Bring them back; if they are lost for good, use `ward network recover`.',
  )
}

/** A quorum of the new set is reachable, and who is new in it has caught up: the chain cannot know either. */
function assertNextAgrees(network: NetworkJson, next: readonly Validator[]): void {
  const entities = next.map(({ entity }) => bytesToHex(entity))
  const anyway = 'If you mean it, add --even-if-network-stops.'
  assertReachable(entities.length, reachableOf(network, entities), `Nothing was written. ${anyway}`)
  const behind = network.nodes.filter(
    ({ entity, height }) =>
      entities.includes(entity) &&
      !network.validators.some((voting) => voting.entity === entity) &&
      (height ?? 0) + blocksBehindMax < network.height,
  )
  if (behind.length === 0) return
  const names = behind.map(({ name }) => visibleText(name)).join(', ')
  throw new CommandError('NOT_AT_TIP', `${errorTable.NOT_AT_TIP.sentence} (${names}) ${anyway}`)
}

/** As old as the chain lets a readiness be that a node signs for a single change. */
const blocksBehindMax = 64

async function show(file: string, options: NodeChoice): Promise<void> {
  const order = read(file)
  const isAlone = options.dir === undefined && options.api === undefined
  const network = isAlone ? undefined : must(await connect(options).network())
  process.stdout.write(describe(order, network))
  if (network === undefined) return
  process.stdout.write(`${faultOf(order, network) ?? 'it holds: this is the set in force now'}\n`)
}

async function sign(file: string, options: { key: string }): Promise<void> {
  const order = read(file)
  process.stderr.write(describe(order))
  const signatures = await addSignature(options.key, bytesToForce(order), order.signatures)
  writeFileSync(file, encodeForceOrder({ ...order, signatures: signatures.all }))
  process.stdout.write(`signed by ${signatures.by}; ${signatures.all.length} in all\n`)
}

async function apply(file: string, options: SigningOptions): Promise<void> {
  const order = read(file)
  await withSigner(options, async (signer) => {
    const network = must(await signer.client.network())
    process.stderr.write(describe(order, network))
    const fault = faultOf(order, network)
    if (fault !== undefined) throw new CommandError('FORCE_OUTDATED', `${fault}. Nothing was signed.`)
    assertSigned(order, network)
    await confirm('Set these validators?', options)
    const args = {
      validators: order.next.map(({ entity, voteKey }) => ({
        entity: bytesToHex(entity),
        voteKey: bytesToHex(voteKey),
      })),
      signatures: order.signatures.map(({ key, signature }) => ({
        key: bytesToHex(key),
        signature: bytesToHex(signature),
      })),
    } satisfies Json
    const { height } = await signer.sign({
      type: 'call',
      target: 'ward/governance',
      method: 'setValidators',
      args,
    })
    const isNoted = network.institution === null && !(await isTaken(signer, order))
    process.stdout.write(
      isNoted
        ? `block ${height}: not in force. The first administrator's word is noted; a second one gives the same command ` +
            'with the same file within seven days\n'
        : `block ${height}: these ${order.next.length} vote from block ${height + 2} on\n`,
    )
  })
}

/** Without institution keys two administrators say it: the chain tells by the set, two due blocks later. */
async function isTaken({ client }: Signer, order: ForceOrder): Promise<boolean> {
  for (let look = 0; look < looksMax; look += 1) {
    const { validators } = must(await client.network())
    if (isSameSet(validators.map(seatBytes), order.next)) return true
    await new Promise((resolve) => setTimeout(resolve, lookMs))
  }
  return false
}

const looksMax = 20
const lookMs = 250

/** Why the chain would not take it, or not mean by it what its signers meant. */
function faultOf(order: ForceOrder, network: NetworkJson): string | undefined {
  if (bytesToHex(order.chainId) !== network.chainId) return 'it is an order for another chain'
  if (order.epoch !== network.epoch)
    return `it was made in epoch ${order.epoch}, this is ${network.epoch}: make it again`
  return isSameSet(order.current, network.validators.map(seatBytes))
    ? undefined
    : 'the set in force is not the one it was made for: make it again'
}

function assertSigned(order: ForceOrder, { institution }: NetworkJson): void {
  if (institution === null) return
  const quorum = { threshold: institution.threshold, keys: institution.keys.map(bytesOf) }
  const count = countForce(order, quorum)
  if (hasQuorum(quorum, count)) return
  const { sentence } = errorTable.INSTITUTION_KEYS_NEEDED
  throw new CommandError(
    'INSTITUTION_KEYS_NEEDED',
    `${sentence} (${count} of ${quorum.threshold}: \`ward network validator force sign\`)`,
  )
}

function read(file: string): ForceOrder {
  return decodeForceOrder(new Uint8Array(readFileSync(file)), file)
}

/** With a network the nodes have names and signatures are checked; a key holder's computer knows neither. */
function describe(order: ForceOrder, network?: NetworkJson): string {
  const { chainId, epoch, current, next, signatures } = order
  const line = (what: string, { entity, voteKey }: Validator): string =>
    `  ${what}: ${nameOf(entity, network?.nodes)}${bytesToHex(entity).slice(0, 16)} with key ${bytesToHex(voteKey).slice(0, 16)}`
  const isIn = (set: readonly Validator[], member: Validator): boolean =>
    set.some(
      (other) => equalBytes(other.entity, member.entity) && equalBytes(other.voteKey, member.voteKey),
    )
  const institution = network?.institution ?? null
  const quorum: KeyQuorum | undefined =
    institution === null
      ? undefined
      : { threshold: institution.threshold, keys: institution.keys.map(bytesOf) }
  const lines = [
    `chain ${bytesToHex(chainId)}, epoch ${epoch}`,
    ...next.map((member) => line(isIn(current, member) ? 'votes' : 'votes, NEW', member)),
    ...current.filter((member) => !isIn(next, member)).map((member) => line('votes NO MORE', member)),
    `afterwards ${quorumOf(next.length)} of ${next.length} must agree, ${faultsTolerated(next.length)} may fail`,
    `fingerprint ${bytesToHex(sha256(bytesToForce(order))).slice(0, 32)} (the same before and after signing)`,
    ...signatures.map(({ key }) => `  carries a signature of ${bytesToHex(key).slice(0, 16)}`),
    ...(quorum ? [`good signatures ${countForce(order, quorum)} of ${quorum.threshold} needed`] : []),
  ]
  return `${lines.join('\n')}\n`
}

function nameOf(entity: Uint8Array, known: readonly NetworkNodeJson[] = []): string {
  const name = known.find((node) => node.entity === bytesToHex(entity))?.name
  return name === undefined ? '' : `${visibleText(name)} `
}

const bytesOf = (hex: string): Uint8Array => hexToBytes(hex) ?? new Uint8Array(0)

const seatBytes = ({ entity, voteKey }: { entity: string; voteKey: string }): Validator => ({
  entity: bytesOf(entity),
  voteKey: bytesOf(voteKey),
})

const isSameSet = (left: readonly Validator[], right: readonly Validator[]): boolean =>
  left.length === right.length &&
  left.every(
    ({ entity, voteKey }, at) =>
      equalBytes(entity, right[at].entity) && equalBytes(voteKey, right[at].voteKey),
  )

function usage(message: string): never {
  throw new CommandError('USAGE', message, exitStatus.usage)
}
