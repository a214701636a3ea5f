// `ward network recover`: the way back after more validators are lost for good than the network tolerates.
// One makes the manifest at a surviving node, institution keys sign it away from every node, and every node
// that votes is given it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import {
  bytesToHex,
  decodeRecovery,
  encodeRecovery,
  encodeRecoveryFields,
  hexToBytes,
  recoverySigningBytes,
  type RecoveryManifest,
} from '../../runtime/protocol/index.js'
import { quorumOf } from '../../runtime/protocol/certificate.js'
import { sha256 } from '../../host/keys/crypto.js'
import type { NetworkJson, NetworkNodeJson } from '../../host/api/network-json.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, must, type NodeChoice } from './connect.js'
import { addSignature } from './institution-key.js'
import { nodeCalled, seatOf } from './network-nodes.js'
import { forkVerdict } from './recovery-fork.js'
import { visibleText } from './visible-text.js'

interface MakeOptions extends NodeChoice {
  validator: string[]
  lost: string[]
  lostKeysDestroyed?: boolean
  ignore: string[]
  reason: string
  out: string
}

const collect = (value: string, before: string[]): string[] => [...before, value]

const help = `
Only when more validators are lost for good than the network tolerates (\`ward status\`: QUORUM_LOST):
  1. \`recover make\` at the surviving node with the greatest height, observers included
  2. \`recover sign\` once for each institution key, on a computer where that key lies
  3. \`recover apply\` at every node that voted before or shall vote; the others follow by themselves
A lost validator that comes back is told, stops (OLD_EPOCH), and follows when it is given the manifest too.`

export function addRecoverCommands(network: Command): void {
  const recover = network
    .command('recover')
    .description('go on after the loss of too many validators: a manifest of the institution keys')
    .addHelpText('after', help)
  withNode(recover.command('make').description('write the manifest for the institution keys to sign'))
    .requiredOption('--validator <name>', 'listed node that votes from now on (repeat)', collect, [])
    .option('--lost <name>', 'validator that is lost for good (repeat)', collect, [])
    .option('--lost-keys-destroyed', 'you state that nobody named with --lost can ever sign again')
    .option('--ignore <name>', 'do not believe the height that this node claims (repeat)', collect, [])
    .requiredOption('--reason <text>', 'for the record, up to 200 letters')
    .requiredOption('--out <file>', 'manifest file')
    .action(runMake)
  recover
    .command('show')
    .description('what a manifest says, and who signed it')
    .argument('<file>', 'manifest')
    .action((file: string) => void process.stdout.write(describe(read(file))))
  recover
    .command('sign')
    .description('add the signature of an institution key; its password is asked')
    .argument('<file>', 'manifest; it is written anew')
    .requiredOption('--key <file>', 'key file as `ward image key` makes it')
    .action(runSign)
  withNode(recover.command('apply').description('give a node the manifest: it goes on in the new epoch'))
    .argument('<file>', 'manifest with enough signatures')
    .action(runApply)
}

const withNode = (command: Command): Command =>
  command.option('--dir <folder>', "the node's folder").option('--api <url>', 'address of its local API')

const noKeys =
  'This chain was founded without institution keys, so nobody can sign a manifest: it goes on only with enough of its ' +
  'validators. Nothing final is lost. Bring them back: their disks in another machine, or `ward restore` of a backup.'

async function runMake(options: MakeOptions): Promise<void> {
  if (existsSync(options.out))
    throw new CommandError('FILE_EXISTS', `${options.out} exists. Nothing was changed.`)
  const network = must(await connect(options).network())
  if (network.institution === null) throw new CommandError('NO_INSTITUTION_KEYS', noKeys)
  const validators = options.validator.map((name) => seatOf(network, name))
  const lost = options.lost.map((name) => nodeCalled(network, name).entity)
  assertUnforkable(network, validators, lost, options.lostKeysDestroyed === true)
  assertHighest(network, options.ignore)
  const bytes = (hex: string): Uint8Array => hexToBytes(hex) ?? new Uint8Array(0)
  const signedPart = encodeRecoveryFields({
    chainId: bytes(network.chainId),
    epoch: network.epoch + 1,
    baseHeight: network.height,
    baseHash: bytes(network.blockHash),
    certificate: bytes(network.certificate),
    validators: validators.map(({ entity, voteKey }) => ({
      entity: bytes(entity),
      voteKey: bytes(voteKey),
    })),
    reason: options.reason,
  })
  const file = encodeRecovery({ signedPart, signatures: [] })
  const made = decodeRecovery(file)
  if (!made.ok) usage(`the manifest would be malformed: ${made.detail ?? ''}`)
  writeFileSync(options.out, file, { flag: 'wx', mode: 0o644 })
  process.stdout.write(describe(made.value, network.nodes))
  process.stdout.write(
    `written to ${options.out}. Next: enough holders of institution keys each compare the fingerprint and run ` +
      `\`ward network recover sign ${options.out} --key <file>\`, then \`apply\` at every node that votes.\n`,
  )
}

/** The old set must not be able to go on beside the new one: `recovery-fork.ts` says when it could. */
function assertUnforkable(
  network: NetworkJson,
  next: readonly { entity: string }[],
  lost: readonly string[],
  areDestroyed: boolean,
): void {
  const old = network.validators.map(({ entity }) => entity)
  const seats = next.map(({ entity }) => entity)
  if (lost.some((entity) => seats.includes(entity))) usage('a lost validator cannot vote from now on')
  const { mayFork, outside } = forkVerdict(old, seats, areDestroyed ? lost : [])
  if (!mayFork) return
  throw new CommandError(
    'RECOVERY_MAY_FORK',
    `${outside} of ${old.length} validators do not vote from now on and may still sign; ${quorumOf(old.length)} ` +
      'could go on without this network, with members that have not been told yet. Nothing was written. Make sure that ' +
      'the vote keys of all that are lost are destroyed (`ward wipe`, or the media), name each of them with --lost, ' +
      'then say so with --lost-keys-destroyed.',
  )
}

/** The base is the highest final block that is left, or what was acknowledged above it would be lost. */
function assertHighest(network: NetworkJson, ignored: readonly string[]): void {
  const doubted = ignored.map((name) => nodeCalled(network, name).entity)
  const higher = network.nodes.filter(
    ({ entity, height }) => (height ?? 0) > network.height && !doubted.includes(entity),
  )
  if (higher.length === 0) return
  const names = higher.map(({ name, height }) => `${visibleText(name)} (${height})`).join(', ')
  throw new CommandError(
    'NOT_AT_TIP',
    `${names} claim more than the ${network.height} ` +
      'blocks of this node. Nothing was written. Wait until it has caught up, or make the manifest there. ' +
      'If a node cannot show those blocks, its claim is false: leave it out with --ignore <name>.',
  )
}

async function runSign(file: string, options: { key: string }): Promise<void> {
  const manifest = read(file)
  process.stderr.write(describe(manifest))
  const bytes = recoverySigningBytes(manifest.signedPart)
  const signatures = await addSignature(options.key, bytes, manifest.signatures)
  writeFileSync(file, encodeRecovery({ ...manifest, signatures: signatures.all }))
  process.stdout.write(`signed by ${signatures.by}; ${signatures.all.length} in all\n`)
}

async function runApply(file: string, options: NodeChoice): Promise<void> {
  const manifest = read(file)
  const bytes = encodeRecovery(manifest)
  const { epoch, baseHeight, isNew } = must(await connect(options).recover(bytes))
  process.stdout.write(
    isNew
      ? `epoch ${epoch} begins above block ${baseHeight}: this node goes on in it, with the others once they have it too\n`
      : `this node has taken this manifest before (epoch ${epoch}, above block ${baseHeight})\n`,
  )
}

function read(file: string): RecoveryManifest {
  const decoded = decodeRecovery(new Uint8Array(readFileSync(file)))
  if (decoded.ok) return decoded.value
  throw new CommandError(decoded.code, `${file} is no recovery manifest (${decoded.detail ?? ''})`)
}

/** `known`: nodes whose names can be told; a key holder's computer knows none. */
function describe(
  { fields, signedPart, signatures }: RecoveryManifest,
  known: readonly NetworkNodeJson[] = [],
): string {
  const nameOf = (entity: Uint8Array): string => {
    const name = known.find((node) => node.entity === bytesToHex(entity))?.name
    return name === undefined ? '' : `${visibleText(name)} `
  }
  const { chainId, epoch, baseHeight, baseHash, validators, reason } = fields
  const lines = [
    `chain ${bytesToHex(chainId)}`,
    `epoch ${epoch} begins above block ${baseHeight} ${bytesToHex(baseHash).slice(0, 16)}`,
    ...validators.map(
      ({ entity, voteKey }) =>
        `  votes: ${nameOf(entity)}${bytesToHex(entity).slice(0, 16)} with key ${bytesToHex(voteKey).slice(0, 16)}`,
    ),
    `reason: ${visibleText(reason)}`,
    `fingerprint ${bytesToHex(sha256(signedPart)).slice(0, 32)} (the same before and after signing)`,
    ...signatures.map(({ key }) => `  carries a signature of ${bytesToHex(key).slice(0, 16)}`),
  ]
  return `${lines.join('\n')}\n`
}

function usage(message: string): never {
  throw new CommandError('USAGE', message, exitStatus.usage)
}
