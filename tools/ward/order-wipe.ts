// `ward network wipe | wipe-withdraw | wipe-confirm`: the wipe of a remote node. Two administrators order it;
// the node obeys by itself, reports that it begins, and leaves a certificate; an administrator who has read
// the certificate says on the chain that the wipe has ended.
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import {
  checkCertificate,
  decodeCertificateFile,
  encodeCertificateFile,
  type CertificateFile,
} from '../../host/appliance/sanitisation-certificate.js'
import type { Json, ReceiptView } from '../../host/api/node-port.js'
import type { NetworkJson, NetworkNodeJson, WipeJson } from '../../host/api/network-json.js'
import { sha256 } from '../../host/keys/crypto.js'
import { bytesToHex, errorTable, hexToBytes, utf8 } from '../../runtime/protocol/index.js'
import { ask } from './ask.js'
import { CommandError, exitStatus } from './command-error.js'
import { findPerson, must } from './connect.js'
import { assertQuorum, nodeCalled } from './network-nodes.js'
import { confirm, withSigner, type Signer, type SigningOptions } from './rule-signing.js'
import { visibleText } from './visible-text.js'

interface OrderOptions extends SigningOptions {
  reason?: string
  evenIfNetworkStops?: boolean
}

interface ConfirmOptions extends SigningOptions {
  certificate: string
  unsigned?: boolean
}

const orderHelp = `
Both administrators give this command, each with an own password, within seven days and while both are
administrators: otherwise the second order is a first one. The first one's reason stands. At the second
order no peer gives the node its key shares any more, and it cannot be taken back. A running node wipes itself
at once, keys first, and leaves a certificate of sanitisation beside its folder or in its journal; a sealed
one does so at its next unlock. What is final is kept by the other nodes.
The node must still be listed: one that was removed hears nothing. Remove it after its wipe. Of a validator
the others must go on without it, or this is refused.
Asks for the password and for a phrase, "wipe <name>".`

const confirmHelp = `
Checked before anything is signed: the certificate is of this node and of this order, its wipe ended, what was
read back is destroyed, and the node's own key signed it. A wipe that was cut off ends without a signature;
--unsigned takes such a certificate, and then you alone vouch for it. The chain keeps its SHA-256.
A node that was cut off from the network could not tell that it began. Its list entry still says "to be wiped":
then two administrators confirm within seven days, each with this command and the same certificate.`

export function addOrderWipeCommands(network: Command): void {
  const sub = (name: string, what: string): Command =>
    network
      .command(name)
      .description(what)
      .argument('<name>', 'node as `ward network list` shows it')
      .option('--dir <folder>', 'folder of the node to ask')
      .option('--api <url>', 'address of its local API')
      .requiredOption('--as <person>', 'administrator who signs')
  sub('wipe', 'order that a node destroys itself; acts when a second administrator orders the same')
    .option('--reason <text>', 'for the chain, up to 200 bytes; needed by the first administrator')
    .option('--even-if-network-stops', 'order it although too few validators are left to go on')
    .addHelpText('after', orderHelp)
    .action(order)
  sub('wipe-withdraw', 'take back an order that no second administrator has joined').action(withdraw)
  sub('wipe-confirm', 'say on the chain that a wipe has ended, by the certificate that the node left')
    .requiredOption('--certificate <file>', 'the certificate of sanitisation')
    .option('--unsigned', 'take a certificate without a signature')
    .option('--yes', 'sign without asking')
    .addHelpText('after', confirmHelp)
    .action(confirmEnd)
}

/** What `ward network list` adds to a node's line. */
export function wipeWords({ state, certificate, reason }: WipeJson): string {
  const because = reason === undefined || reason === '' ? '' : `: ${visibleText(reason)}`
  if (state === 'requested') return `, one administrator asks for its wipe${because}`
  if (state === 'ordered') return `, to be wiped${because}`
  if (state === 'begun') return ', wipes itself; its certificate is not confirmed yet'
  if (state === 'ended') return `, wiped; certificate ${certificate ?? ''}`
  return state === 'unknown' ? ', orders of a wipe cannot be read' : ''
}

async function order(name: string, options: OrderOptions): Promise<void> {
  await withSigner(options, async (signer) => {
    const network = must(await signer.client.network())
    const node = nodeCalled(network, name)
    const { wipe, entity } = node
    const isSecond = wipe.state === 'requested'
    const reason = isSecond ? (wipe.reason ?? '') : options.reason
    if (reason === undefined) {
      throw new CommandError('USAGE', 'The first administrator gives a --reason.', exitStatus.usage)
    }
    if (options.evenIfNetworkStops !== true) assertOthersGoOn(network, node)
    assertState(node, ['none', 'requested', 'ended', 'unknown'])
    if (isSecond) await tellRequest(signer, wipe, options.as)
    await phrase(node)
    const { height } = await call(signer, 'orderWipe', { node: entity, reason })
    const after = must(await signer.client.network()).nodes.find((other) => other.entity === entity)
    process.stdout.write(`${visibleText(name)}: block ${height}. ${orderedWords(after?.wipe)}\n`)
  })
}

const orderedWords = (wipe: WipeJson | undefined): string =>
  wipe?.state === 'requested'
    ? 'Asked for; acts when a second administrator orders the same. `ward network wipe-withdraw` takes it back.'
    : 'Ordered by two administrators: it wipes itself, or does so at its next unlock. Then `ward network wipe-confirm`.'

function assertOthersGoOn(network: NetworkJson, { entity }: NetworkNodeJson): void {
  const count = network.validators.length
  if (network.validators.some((voting) => voting.entity === entity)) {
    assertQuorum(network, count, undefined, entity)
  }
}

/** The chain refuses all of it as well, without saying why in words. */
function assertState({ name, wipe }: NetworkNodeJson, states: readonly WipeJson['state'][]): void {
  if (states.includes(wipe.state)) return
  const text = `${errorTable.WIPE_STATE.sentence} (${visibleText(name)}: ${wipe.state})`
  throw new CommandError('WIPE_STATE', text)
}

async function tellRequest({ client }: Signer, wipe: WipeJson, as: string): Promise<void> {
  const { requestedBy = '', reason = '' } = wipe
  const people = must(await client.people())
  const first = people.find(({ entity }) => entity === requestedBy)?.label ?? requestedBy
  process.stderr.write(`Asked for by ${visibleText(first)}: ${visibleText(reason)}\n`)
  if ((await findPerson(client, as)).entity !== requestedBy) return
  throw new CommandError(
    'SECOND_PERSON_REQUIRED',
    'You asked for this wipe yourself: a second administrator orders the same, within seven days (later take ' +
      'it back with `ward network wipe-withdraw` and ask anew). Nothing was signed.',
  )
}

/** Nothing answers it but who asks: no option, so that no line of a script's history does it again. */
async function phrase({ name, host, port, entity }: NetworkNodeJson): Promise<void> {
  const text = `wipe ${visibleText(name)}`
  process.stderr.write(
    `Everything on ${visibleText(name)} (${visibleText(host)}:${port}, entity ${entity.slice(0, 16)}) will be destroyed.\n`,
  )
  const typed = await ask(`Type "${text}" to go on`)
  if (typed.trim() === text) return
  throw new CommandError('PHRASE_WRONG', `"${text}" was asked for. Nothing was signed.`)
}

async function withdraw(name: string, options: SigningOptions): Promise<void> {
  await withSigner(options, async (signer) => {
    const node = nodeCalled(must(await signer.client.network()), name)
    assertState(node, ['requested', 'unknown'])
    await call(signer, 'withdrawWipe', { node: node.entity })
    process.stdout.write(`${visibleText(name)}: the order was taken back; nothing was destroyed\n`)
  })
}

async function confirmEnd(name: string, options: ConfirmOptions): Promise<void> {
  const file = decodeCertificateFile(readFileSync(options.certificate, 'utf8'))
  await withSigner(options, async (signer) => {
    const { nodes } = must(await signer.client.network())
    const { voteKey } = file.certificate.node
    // A node that came back with a new identity has the same name, and one that is wiped may be removed.
    const node = nodes.find((known) => known.name === name && known.voteKey === voteKey)
    if (!node) throw unfit(options, `it is of no node called ${visibleText(name)}`)
    assertState(node, ['ordered', 'begun', 'unknown'])
    assertProves(file, node, options)
    const certificate = bytesToHex(sha256(utf8(encodeCertificateFile(file))))
    await confirm(`Confirm that ${visibleText(name)} was wiped, certificate ${certificate}?`, options)
    await call(signer, 'confirmWipe', { node: node.entity, certificate })
    const after = must(await signer.client.network()).nodes.find(({ entity }) => entity === node.entity)
    const words = after?.wipe.state === 'ordered' ? secondConfirms : 'is on the chain'
    process.stdout.write(`${visibleText(name)}: wiped; certificate ${certificate} ${words}\n`)
  })
}

const secondConfirms =
  'is noted. The node could not tell that it began: this takes effect when a second administrator confirms the same certificate.'

/** A certificate of another wipe, of an unfinished one or with a false signature confirms nothing. */
function assertProves(file: CertificateFile, node: NetworkNodeJson, options: ConfirmOptions): void {
  const { state, verification, revocationHeight } = file.certificate
  const isSigned = checkCertificate(file, hexToBytes(node.voteKey))
  if (!isSigned && options.unsigned !== true) {
    throw unfit(options, 'it is unsigned. Was the wipe cut off? Then add --unsigned')
  }
  if (state !== 'ended') throw unfit(options, 'its wipe has not ended. Start the node once more')
  if (verification.result !== 'passed') throw unfit(options, 'not everything was found destroyed')
  if (revocationHeight !== null && revocationHeight !== node.wipe.height) {
    throw unfit(options, `it obeys an order of block ${revocationHeight}, not this one`)
  }
}

const unfit = ({ certificate }: ConfirmOptions, why: string): CommandError =>
  new CommandError('CERTIFICATE_INVALID', `${visibleText(certificate)}: ${why}. Nothing was signed.`)

const call = ({ sign }: Signer, method: string, args: Json): Promise<ReceiptView> =>
  sign({ type: 'call', target: 'ward/appliance', method, args })
