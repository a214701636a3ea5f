// A view of any version that was ever deployed, for a signed-in person: by alias, by alias@version, or by its
// address. Nothing of the answer, nor why there is none, is told before the policy allowed everything that
// the view looked at.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  bytesToHex,
  hexToBytes,
  ok,
  refused,
  type ErrorCode,
  type Manifest,
} from '../../runtime/protocol/index.js'
import { decodeToJson, encodeJson } from '../api/borsh-json.js'
import type { Outcome, Pinned, ViewQuestion, ViewView } from '../api/node-port.js'
import type { ContractReply, Frozen, FrozenReply } from '../executor/messages.js'
import { pinnedOf, type NodeReads } from './node-reads.js'
import type { ReplayGate } from './replay-gate.js'
import type { RunningNode } from './running-node.js'

const turnMs = 50
const waitMsMax = 5_000

interface ViewPorts {
  node: RunningNode
  reads: Pick<NodeReads, 'mayRead'>
  gate: ReplayGate
}

export async function viewFor(
  reader: Uint8Array,
  question: ViewQuestion,
  { node, reads, gate }: ViewPorts,
): Promise<Outcome<Pinned & ViewView>> {
  const contract = await contractOf(node, question.target)
  if (!contract.ok) return contract
  const { address, manifest } = contract.value
  const method = manifest.methods.find(({ name, kind }) => name === question.method && kind === 'view')
  if (method === undefined) return refused('METHOD_UNKNOWN', viewsText(manifest, question.method))
  const args = encodeJson(method.input, question.args)
  if (!args.ok) return refused('REQUEST_MALFORMED', `args: ${args.detail ?? ''}`)
  const query = {
    target: address,
    method: method.name,
    args: args.value,
    caller: reader,
    isForPerson: true,
  }
  // It runs on the thread that makes blocks: one at a time, and then blocks have their turn.
  const run = await whenFree(gate, bytesToHex(reader), () => node.executor.call('view', query))
  if (!('value' in run)) return refused('VIEW_BUSY', `in ${Math.ceil(run.retryMs / 1_000)} s`)
  const answer = run.value
  for (const { patient, kind } of answer.touched) {
    const subject = hexToBytes(patient) ?? new Uint8Array(16)
    const { allowed, missing } = await reads.mayRead(reader, subject, kind)
    if (!allowed) return refused('READ_NOT_GRANTED', missing)
  }
  if (!answer.ok) return refused(answer.code as ErrorCode, answer.detail)
  const { returned, fuelUsed, frozenSince, frozen } = answer
  const decoded = decodeToJson(method.output, returned)
  const known = await node.executor.call('contract', { target: manifest.alias })
  return ok({
    ...pinnedOf(answer.pin),
    ...{ alias: manifest.alias, version: manifest.version, address: bytesToHex(address) },
    active: known !== null && bytesToHex(known.address) === bytesToHex(address),
    method: method.name,
    returned: decoded.ok ? decoded.value : bytesToHex(returned),
    fuelUsed,
    frozenSince: frozenSince === null ? null : placeOf(frozenSince),
    frozen: frozen.map(frozenView),
  })
}

/** Waits for its turn, but not for long: whoever asks gets an answer. */
async function whenFree<T>(
  gate: ReplayGate,
  person: string,
  work: () => Promise<T>,
): Promise<{ value: T } | { retryMs: number }> {
  for (let waitedMs = 0; ; waitedMs += turnMs) {
    const run = await gate.run(person, work)
    if ('value' in run || waitedMs >= waitMsMax) return run
    await sleep(turnMs)
  }
}

const placeOf = ({ height, time }: Frozen) => ({ height, time })

const frozenView = ({ alias, version, address, ...place }: FrozenReply) => ({
  ...{ alias, version, address: bytesToHex(address) },
  ...placeOf(place),
})

/** Two deployments may bear one version text: then only the address tells which is meant. */
async function contractOf(node: RunningNode, target: string): Promise<Outcome<ContractReply>> {
  const [name, number] = target.split('@')
  let wanted: string | Uint8Array = name
  if (number !== undefined) {
    const { aliases } = await node.executor.call('versions', { alias: name })
    const versions = aliases.flatMap((entry) => entry.versions)
    const found = versions.filter(({ manifest }) => manifest.version === number)
    if (found.length > 1) {
      const list = found.map(({ address }) => bytesToHex(address)).join(', ')
      return refused('REQUEST_MALFORMED', `target: ${target} names ${found.length} versions: ${list}`)
    }
    if (found.length === 0) return refused('CONTRACT_UNKNOWN', target)
    wanted = found[0].address
  } else if (/^[0-9a-f]{64}$/.test(name)) {
    wanted = hexToBytes(name) ?? name
  }
  const contract = await node.executor.call('contract', { target: wanted })
  return contract === null ? refused('CONTRACT_UNKNOWN', target) : ok(contract)
}

function viewsText({ alias, version, methods }: Manifest, asked: string): string {
  const views = methods.filter(({ kind }) => kind === 'view').map(({ name }) => name)
  const list = views.length === 0 ? 'no views' : `the views ${views.join(', ')}`
  return `${alias}@${version} has no view ${asked}; it has ${list}`
}
