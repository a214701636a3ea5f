// `version-switch`: on a running network of four real validators under load, one transaction switches three
// rules, one of them with a migration that goes on for many blocks. What was skipped, lost or mixed?
import type { ApiClient } from '../../host/api/client.js'
import type { ReceiptView } from '../../host/api/node-port.js'
import { sha256 } from '../../host/keys/crypto.js'
import { derivedId } from '../../runtime/execution/triggers.js'
import {
  bytesToHex,
  decodeManifest,
  encodeManifest,
  hexToBytes,
  type GenesisContract,
} from '../../runtime/protocol/index.js'
import { buildTally } from '../example-tally.js'
import { deployAndApprove, deployVersions, type Deployment } from '../story/deploy.js'
import { encodeText, sleep } from '../story/network.js'
import { must } from '../ward/connect.js'
import { activateCall } from '../ward/governance-calls.js'
import { readContract } from '../ward/system-contracts.js'
import { quantile, type Bench, type BenchLine } from './bench-line.js'
import { createLoadNetwork, normalSet, type LoadNetwork, type Reading } from './load.js'
import { countSwitch, faultsOf, type SwitchRecords } from './switch-judge.js'
import type { JudgedReading, RuleRun, VersionSet } from './version-check.js'

const desk = 'validator-1'
/** Its chain is judged: not the node that the load and the switch were given to. */
const witness = 'validator-3'
const validators = ['validator-1', 'validator-2', 'validator-3', 'validator-4']
const readingsBefore = 600
const readingsAfter = 1_200
const batchCount = 40
const inFlightMax = 400
const askedAtOnce = 8
/** Of all three rules. */
const ruleMethod = 'onRecords'
/** The tally, the third, listens to every reading of the set. */
const ruleNames = ['ward-deterioration', 'ward-sepsis-screen']

interface SentReading {
  id: string
  patient: Uint8Array
}

interface Switched {
  receipt: ReceiptView
  sent: number
}

/** The same code under a new version number: another manifest, so another address. */
function nextVersion({ manifest, code }: GenesisContract): GenesisContract {
  const decoded = decodeManifest(manifest)
  if (!decoded.ok) throw new Error(decoded.code)
  return { manifest: encodeManifest({ ...decoded.value, version: `${decoded.value.version}-next` }), code }
}

const setOf = (deployments: readonly Deployment[]): VersionSet =>
  new Map(deployments.map(({ alias, address }) => [alias, address]))

/** Blocks as validator-1 announces them, and heights at which some node saw a view above 0. */
interface BlockLog {
  heights: number[]
  seenAt: number[]
  viewChanges: Set<number>
  stop(): void
}

async function watchBlocks(load: LoadNetwork): Promise<BlockLog> {
  const log: BlockLog = { heights: [], seenAt: [], viewChanges: new Set(), stop: () => undefined }
  const unsubscribe = await load.network.freshApi(desk).subscribe((event) => {
    if (event.type !== 'block') return
    log.heights.push(event.height)
    log.seenAt.push(performance.now())
  })
  const look = async (): Promise<void> => {
    for (const { status } of await load.network.statuses()) {
      if (status.view > 0) log.viewChanges.add(status.height + 1)
    }
  }
  const poll = setInterval(() => void look().catch(() => undefined), 100)
  log.stop = () => {
    clearInterval(poll)
    unsubscribe()
  }
  return log
}

/** Readings that all three rules subscribe to: each must be judged by all of them. */
function heardByAll(): Reading[] {
  const codes = ruleNames.map((name) => {
    const manifest = decodeManifest(readContract(name).manifest)
    return new Set(manifest.ok ? manifest.value.subscriptions.flatMap((entry) => entry.codes) : [])
  })
  return normalSet.filter(({ code }) => codes.every((known) => known.has(code)))
}

/** Sends readings, at most `inFlightMax` not final yet, until `enough` says so. */
async function sendReadings(
  load: LoadNetwork,
  patients: readonly Uint8Array[],
  enough: (count: number) => boolean,
): Promise<SentReading[]> {
  const client = load.network.api(desk)
  const heard = heardByAll()
  const sent: SentReading[] = []
  const time = Date.now()
  while (!enough(sent.length)) {
    const oldest = sent.at(-inFlightMax)
    if (oldest !== undefined && !(await client.transaction(oldest.id)).ok) {
      await sleep(20)
      continue
    }
    const batch = Array.from({ length: batchCount }, (_, index) => {
      const at = sent.length + index
      const reading = [heard[at % heard.length]]
      return load.devices[at % load.devices.length].bundle(
        patients[at % patients.length],
        reading,
        time + at,
      )
    })
    const node = validators[(sent.length / batchCount) % validators.length]
    const view = must(await load.network.api(node).submitMany(batch))
    if (view.refused.length > 0) throw new Error(`refused: ${view.refused[0].code}`)
    // Nothing was refused: ids come in the order of the batch.
    for (const id of view.accepted) sent.push({ id, patient: patients[sent.length % patients.length] })
  }
  return sent
}

/**
 * What judged a reading: the receipts of its own block, and for rules that are not among them the derived
 * transactions that either version would have made of it, in whatever block they ran. Null: not final.
 */
async function judgedReading(
  client: ApiClient,
  { id, patient }: SentReading,
  sets: readonly VersionSet[],
): Promise<JudgedReading | null> {
  const answer = await client.transaction(id)
  if (!answer.ok || answer.value.receipt.code !== 'OK') return null
  const { height, derived = [] } = answer.value.receipt
  const runs: RuleRun[] = derived.map((run) => ({
    alias: run.target?.slice(0, run.target.lastIndexOf('.')) ?? '',
    address: run.address ?? '',
    height: run.height,
  }))
  for (const [alias, address] of sets.flatMap((set) => [...set])) {
    if (runs.some((run) => run.alias === alias && run.address === address)) continue
    const parent = hexToBytes(id) ?? new Uint8Array(32)
    const version = hexToBytes(address) ?? new Uint8Array(32)
    const late = derivedId(sha256, { parent, address: version, method: ruleMethod, patient })
    const found = await client.transaction(bytesToHex(late))
    if (found.ok) runs.push({ alias, address, height: found.value.receipt.height })
  }
  return { height, runs }
}

/** In the order of sending; null for one that never became final. */
async function judgedReadings(
  load: LoadNetwork,
  sent: readonly SentReading[],
  sets: readonly VersionSet[],
): Promise<(JudgedReading | null)[]> {
  const client = load.network.api(witness)
  const last = sent.at(-1)?.id ?? ''
  const isFinal = async (): Promise<boolean> => (await client.transaction(last)).ok
  await load.network.until('the last reading is final', 120_000, isFinal)
  // Nothing is on its way any more: what was carried over has run.
  await load.network.converge(120_000)
  const found: (JudgedReading | null)[] = []
  for (let start = 0; start < sent.length; start += askedAtOnce) {
    const some = sent.slice(start, start + askedAtOnce)
    found.push(...(await Promise.all(some.map((reading) => judgedReading(client, reading, sets)))))
  }
  return found
}

/** Versions that are active before the switch, and those that are deployed and approved for it. */
async function prepareVersions(load: LoadNetwork): Promise<{ former: VersionSet; next: Deployment[] }> {
  const { network } = load
  const [one, two] = await buildTally()
  const rules = ruleNames.map(readContract)
  const former = new Map(setOf(await deployVersions(network, desk, [one])))
  for (const { alias, versions } of must(await network.api(desk).versions()).aliases) {
    const active = versions.find((version) => version.active)
    const isRule = alias === 'ward/deterioration' || alias === 'ward/sepsis-screen'
    if (isRule && active !== undefined) former.set(alias, active.address)
  }
  const next = await deployAndApprove(network, desk, [...rules.map(nextVersion), two])
  return { former, next }
}

async function measure(load: LoadNetwork): Promise<BenchLine[]> {
  const { network } = load
  const { former, next } = await prepareVersions(load)
  const patients: Uint8Array[] = []
  for (let index = 0; index < 10; index += 1) patients.push(await load.admit())
  const admin = await network.signIn(desk, 'admin')
  const log = await watchBlocks(load)
  let switched: Switched | undefined
  let switching: Promise<void> | undefined
  const activate = async (sent: number): Promise<void> => {
    const addresses = next.map(({ address }) => address)
    switched = { receipt: await switchAll(load, admin, addresses), sent }
  }
  const sent = await sendReadings(load, patients, (count) => {
    if (count >= readingsBefore) switching ??= activate(count)
    return switched !== undefined && count >= switched.sent + readingsAfter
  })
  await switching
  const sets = [former, setOf(next)]
  const readings = await judgedReadings(load, sent, sets)
  log.stop()
  if (switched === undefined) throw new Error('the activation is not final')
  const records = await recordsOf(load, log, sent, readings, sets[1])
  return linesOf(records, switched, log, { former, next: sets[1] })
}

/** What the witness's own chain says, asked height by height. */
async function recordsOf(
  load: LoadNetwork,
  log: BlockLog,
  sent: readonly SentReading[],
  readings: readonly (JudgedReading | null)[],
  next: VersionSet,
): Promise<SwitchRecords> {
  const client = await load.network.signIn(witness, 'nurse')
  const from = Math.min(...log.heights)
  const { height: to, aliases } = must(await client.versions())
  const present: number[] = []
  for (let height = from; height <= to; height += 1) {
    const query = { kind: 'observation', by: 'arrival', limit: 1, pinned: height } as const
    const answer = await client.records(query)
    // A height without a block is refused; one that cannot be read counts as missing too.
    if (answer.ok && answer.value.height === height && answer.value.blockTime > 0) present.push(height)
  }
  const switchedAt = new Map<string, number[]>()
  for (const { alias, versions } of aliases) {
    const version = versions.find(({ address }) => address === next.get(alias))
    if (version !== undefined) switchedAt.set(alias, version.activatedAt)
  }
  const byId = new Map(sent.map(({ id }, index) => [id, readings[index]]))
  return { from, to, present, acknowledged: sent.map(({ id }) => id), readings: byId, switchedAt }
}

/** On a machine that is busy with the load the answer may come later than the API waits. */
async function switchAll(load: LoadNetwork, admin: ApiClient, addresses: string[]): Promise<ReceiptView> {
  const password = encodeText(load.network.person('admin').password)
  const answer = await admin.propose(activateCall(addresses), password)
  if (answer.ok) return answer.value
  if (answer.code !== 'NOT_FINAL_IN_TIME' || answer.detail === undefined) return must(answer)
  const id = answer.detail
  await load.network.until('the switch is final', 120_000, async () => (await admin.transaction(id)).ok)
  return must(await admin.transaction(id)).receipt
}

function linesOf(
  records: SwitchRecords,
  switched: Switched,
  log: BlockLog,
  { former, next }: { former: VersionSet; next: VersionSet },
): BenchLine[] {
  const { height, derived = [] } = switched.receipt
  const failed = derived.find(({ code }) => code !== 'OK')
  if (failed !== undefined) throw new Error(`the switch failed: ${failed.code} ${failed.detail}`)
  const counts = countSwitch(records, former, next)
  const faults = faultsOf(counts)
  const intervals = log.seenAt.slice(1).map((at, index) => at - log.seenAt[index])
  const around = intervals.filter((_, index) => Math.abs(log.heights[index + 1] - height) <= 2)
  const late = [...log.viewChanges].filter((changed) => Math.abs(changed - height) <= 2)
  const input =
    `4 validators on this machine, ${records.acknowledged.length} readings, every height ${records.from} to ` +
    `${records.to} asked of ${witness}, ${counts.before} before and ${counts.after} after one switch of ` +
    `${next.size} rules, one with a migration in slices; ${counts.carriedOver} judged in a later block than their own`
  return [
    {
      ...{ name: 'version-switch', value: counts.skipped, unit: 'blocks skipped', input },
      ...(faults.length === 0 ? {} : { fault: faults.join(' ') }),
    },
    { name: 'version-switch-lost', value: counts.lost, unit: 'transactions lost', input },
    { name: 'version-switch-mixed', value: counts.mixed, unit: 'readings judged by a mixture', input },
    { name: 'version-switch-unjudged', value: counts.unjudged, unit: 'readings not judged once', input },
    { name: 'version-switch-apart', value: counts.apart, unit: 'aliases that switched apart', input },
    {
      name: 'version-switch-pause',
      value: Math.round(Math.max(...around)),
      unit: 'ms',
      p50: Math.round(quantile(intervals, 0.5)),
      p99: Math.round(quantile(intervals, 0.99)),
      baseline: 'p50 and p99: time between blocks of the whole run',
      input: `longest time between two blocks next to the switch; ${late.length} of ${log.viewChanges.size} view changes there`,
    },
  ]
}

async function run(): Promise<BenchLine[]> {
  const load = await createLoadNetwork(8, { validators: 4, followers: false })
  try {
    return await measure(load)
  } finally {
    await load.close()
  }
}

export const benches: Bench[] = [{ name: 'version-switch', run }]
