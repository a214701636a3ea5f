// Benches over a real network: four validators, or seven, a workstation and a gateway as processes on this
// machine.

import type { Outcome, NodeStatus } from '../../host/api/node-port.js'
import { must } from '../ward/connect.js'
import { Watcher } from '../story/scene.js'
import { sleep } from '../story/network.js'
import { storyShape, type StoryShape } from '../story/plan.js'
import { quantile, rounded, type Bench, type BenchLine } from './bench-line.js'
import { CpuProbe, signatureCheckUs } from './cpu-breakdown.js'
import { parts } from './cpu-shares.js'
import { createLoadNetwork, normalSet, type LoadNetwork, type Reading } from './load.js'

const validatorsOf = (load: LoadNetwork): string[] =>
  load.network.plan.nodes.filter(({ role }) => role === 'validator').map(({ name }) => name)

const validatorsOnly = (validators: number): StoryShape => ({ validators, followers: false })

async function withNetwork(
  devices: number,
  shape: StoryShape,
  run: (load: LoadNetwork) => Promise<BenchLine[]>,
  environment?: Record<string, string>,
): Promise<BenchLine[]> {
  const load = await createLoadNetwork(devices, shape, 0, environment)
  try {
    return await run(load)
  } finally {
    await load.close()
  }
}

/** Signed transactions final at a node so far. */
async function signedFinal(load: LoadNetwork, node: string): Promise<number> {
  const response = await fetch(`${load.network.urlOf(node)}/metrics`)
  const match = /^wardchain_signed_final_total (\d+)/m.exec(await response.text())
  return Number(match?.[1] ?? 0)
}

/** CPU seconds that the validators used so far, all together: no neighbour on this machine changes them. */
async function cpuSeconds(load: LoadNetwork): Promise<number> {
  let sum = 0
  for (const name of validatorsOf(load)) {
    const response = await fetch(`${load.network.urlOf(name)}/metrics`)
    const match = /^wardchain_process_cpu_seconds_total ([\d.]+)/m.exec(await response.text())
    sum += Number(match?.[1] ?? 0)
  }
  return sum
}

interface LoadShape {
  name: string
  readings: readonly Reading[]
  transactionCount: number
  unit: string
}

/**
 * Closed loop: batches go round-robin to the validators; at most `inFlightMax` transactions are not yet
 * final. Answers how many became final.
 */
async function sendAll(load: LoadNetwork, bundles: readonly Uint8Array[]): Promise<number> {
  const validators = validatorsOf(load)
  const batchCount = 200
  const inFlightMax = 4_000
  const before = await signedFinal(load, 'validator-1')
  const deadline = performance.now() + 120_000
  let sent = 0
  let final = 0
  while (final < bundles.length && performance.now() < deadline) {
    if (sent < bundles.length && sent - final < inFlightMax) {
      const batch = bundles.slice(sent, sent + batchCount)
      const node = validators[(sent / batchCount) % validators.length]
      const view = must(await load.network.api(node).submitMany(batch))
      if (view.refused.length > 0) throw new Error(`refused: ${view.refused[0].code}`)
      sent += batch.length
      if (sent - final < inFlightMax) continue
    }
    // Asking costs the node a millisecond: not more often than a block is made.
    await sleep(100)
    final = (await signedFinal(load, 'validator-1')) - before
  }
  return final
}

/**
 * The first thousands of transactions run in code that the engine has not compiled yet, at twice the cost; a
 * node runs for months, so they are sent before the clock starts.
 */
const warmCount = 3_000

function signedBundles(
  load: LoadNetwork,
  shape: LoadShape,
  patients: Uint8Array[],
  count: number,
): Uint8Array[] {
  const time = Date.now()
  return Array.from({ length: count }, (_, index) => {
    const readings = shape.readings.length === 1 ? [normalSet[index % normalSet.length]] : shape.readings
    return load.devices[index % load.devices.length].bundle(
      patients[index % patients.length],
      readings,
      time + index,
    )
  })
}

async function heightOf(load: LoadNetwork, node: string): Promise<number> {
  return must((await load.network.api(node).status()) as Outcome<NodeStatus>).height
}

/**
 * Where the processor time goes, under the same load once more and with a profiler in each validator. Its
 * own thread counts as `native`: on a crowded machine that was more than all else, so compare the other parts
 * with each other, and the sum with nothing. `disk` holds what LMDB waits at the end of a transaction.
 */
async function breakdown(
  load: LoadNetwork,
  shape: LoadShape,
  patients: Uint8Array[],
  probe: CpuProbe,
): Promise<BenchLine> {
  const validators = validatorsOf(load)
  const bundles = signedBundles(load, shape, patients, shape.transactionCount)
  const before = await heightOf(load, validators[0])
  let final = 0
  const times = await probe.during(async () => {
    final = await sendAll(load, bundles)
  })
  const blocks = (await heightOf(load, validators[0])) - before
  const perTransaction = (us: number): number => Math.round(us / final / validators.length)
  const perBlock = (us: number): number => Math.round(us / blocks / validators.length / 100) / 10
  const words = [...parts, 'native' as const]
    .map((part) => `${part} ${perTransaction(times[part])} us (${perBlock(times[part])} ms a block)`)
    .join(', ')
  const checkUs = signatureCheckUs()
  return {
    name: `${shape.name}-breakdown`,
    value: perTransaction(times.all),
    unit: 'us CPU per transaction and validator',
    baseline: `one signature check here and now: ${Math.round(checkUs)} us`,
    ratio: rounded(perTransaction(times.all) / checkUs),
    input: `${final} transactions in ${blocks} blocks, ${perTransaction(times.main)} us of it on the main thread; ${words}`,
  }
}

async function throughput(load: LoadNetwork, shape: LoadShape, patients: Uint8Array[]): Promise<BenchLine> {
  const validators = validatorsOf(load)
  const warm = Math.round(warmCount / shape.readings.length)
  const bundles = signedBundles(load, shape, patients, warm + shape.transactionCount)
  await sendAll(load, bundles.slice(0, warm))
  const cpuBefore = await cpuSeconds(load)
  const start = performance.now()
  const final = await sendAll(load, bundles.slice(warm))
  const seconds = (performance.now() - start) / 1_000
  const cpuUs = ((await cpuSeconds(load)) - cpuBefore) * 1e6
  const perReplica = Math.round(cpuUs / final / validators.length)
  const perSecond = (final / seconds) * (shape.unit === 'readings/s' ? shape.readings.length : 1)
  return {
    name: shape.name,
    value: Math.round(perSecond),
    unit: shape.unit,
    // What one validator could take with a core of its own.
    cpu: Math.round(((perSecond / (final / seconds)) * 1e6) / perReplica),
    baseline: 'signature checks alone: 4,700/s on such a machine',
    ratio: rounded(final / seconds / 4_700),
    input: `${validators.length} validators and the sender on this machine, ${load.devices.length} devices, ${final} transactions after ${warm}, both rules on; ${perReplica} us CPU per transaction and validator`,
  }
}

const throughputBench = (name: string, validators: number, transactionCount: number): Bench => ({
  name,
  run: async () => {
    const probe = new CpuProbe()
    try {
      return await throughputLines(name, validators, transactionCount, probe)
    } finally {
      probe.close()
    }
  },
})

function throughputLines(
  name: string,
  validators: number,
  transactionCount: number,
  probe: CpuProbe,
): Promise<BenchLine[]> {
  return withNetwork(
    8,
    validatorsOnly(validators),
    async (load) => {
      const patients: Uint8Array[] = []
      for (let index = 0; index < 20; index += 1) patients.push(await load.admit())
      const one = {
        name,
        readings: normalSet.slice(0, 1),
        transactionCount,
        unit: 'transactions/s',
      }
      const seven = {
        name: `${name}-readings`,
        readings: normalSet,
        transactionCount: Math.round(transactionCount / 3),
        unit: 'readings/s',
      }
      return [
        await throughput(load, one, patients),
        await throughput(load, seven, patients),
        await breakdown(load, one, patients, probe),
      ]
    },
    probe.environment(),
  )
}

const septicReadings: Reading[] = [
  { code: '8310-5', value: 386n, scale: 1, unit: 'Cel' },
  { code: '8480-6', value: 80n, scale: 0, unit: 'mm[Hg]' },
]

const alertLatencyBench = (name: string, shape: StoryShape): Bench => ({
  name,
  run: () =>
    withNetwork(1, shape, async (load) => {
      const validators = validatorsOf(load)
      const watcher = await Watcher.start(load.nurse)
      const alerts: number[] = []
      const finals: number[] = []
      for (let index = 0; index < 40; index += 1) {
        const patient = await load.admit()
        await load.wound(patient)
        await sleep(100)
        const known = watcher.alerts.size
        const sent = Date.now()
        const bundle = load.devices[0].bundle(patient, septicReadings, sent)
        must(await load.network.api(validators[index % validators.length]).submitSigned(bundle))
        finals.push(Date.now() - sent)
        await load.network.until('the alert', 20_000, async () =>
          Promise.resolve(watcher.alerts.size > known),
        )
        const seen = Math.min(...[...watcher.alerts.values()].slice(known).map((entry) => entry.seen))
        alerts.push(seen - sent)
      }
      watcher.close()
      const input = `${validators.length} validators, light load: one septic set after another, sent at a validator, alert event seen on the workstation`
      return [
        latencyLine(name, alerts, input),
        latencyLine(name.replace('alert', 'final'), finals, 'the same, answer of the sender'),
      ]
    }),
})

function latencyLine(name: string, samples: number[], input: string): BenchLine {
  const [p50, p99] = [quantile(samples, 0.5), quantile(samples, 0.99)]
  return { name, value: p50, unit: 'ms', p50, p99, input: `${samples.length} samples; ${input}` }
}

const leaderFailover: Bench = {
  name: 'leader-failover',
  run: () =>
    withNetwork(1, storyShape, async (load) => {
      const validators = validatorsOf(load)
      const patient = await load.admit()
      const killed: number[] = []
      const frozen: number[] = []
      for (let round = 0; round < 8; round += 1) {
        const { network } = load
        const { leader } = must((await network.api('workstation').status()) as Outcome<NodeStatus>)
        const survivor = validators.find((name) => name !== leader) ?? validators[0]
        const isKill = round % 2 === 0
        if (isKill) await network.processes.kill(leader)
        else network.processes.freeze(leader)
        const begun = Date.now()
        const bundle = load.devices[0].bundle(patient, normalSet, begun)
        must(await network.api(survivor).submitSigned(bundle))
        const samples = isKill ? killed : frozen
        samples.push(Date.now() - begun)
        if (isKill) {
          network.processes.start(network.node(leader))
          await network.unlock(leader)
        } else {
          network.processes.thaw(leader)
        }
        await network.converge(30_000)
        await sleep(1_500)
      }
      const input = 'transaction submitted at once, final elsewhere'
      return [
        latencyLine('leader-failover', killed, `leader killed with SIGKILL, ${input}`),
        latencyLine('leader-failover-frozen', frozen, `leader frozen with SIGSTOP, ${input}`),
      ]
    }),
}

export const benches: Bench[] = [
  throughputBench('network-throughput', 4, 6_000),
  alertLatencyBench('alert-latency', storyShape),
  leaderFailover,
  throughputBench('seven-validators-throughput', 7, 3_000),
  alertLatencyBench('seven-validators-alert-latency', { validators: 7, followers: true }),
]
