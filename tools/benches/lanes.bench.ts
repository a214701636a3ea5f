// Does an import that saturates the network keep an alarm waiting? Latency of emergency and clinical
// transactions, alone and beside the import, in one run on one network of real processes.
import { must } from '../ward/connect.js'
import { sleep } from '../story/network.js'
import { quantile, rounded, type Bench, type BenchLine } from './bench-line.js'
import { codeBlue, createLoadNetwork, normalSet, type LoadNetwork, type Reading } from './load.js'

const validators = ['validator-1', 'validator-2', 'validator-3', 'validator-4']
const sampleCount = 100
/** Emergencies that come alone, so far apart that the one before has no effect on how imports go. */
const loneCount = 40
const loneGapMs = 1_000
/** Imports that wait at any time: many blocks full. */
const backlogMax = 2_000
const batchCount = 100

/** One after the other, round the validators: what a bedside sees between signing and the final answer. */
async function latencies(
  load: LoadNetwork,
  patient: Uint8Array,
  readings: Reading[],
  { count, gapMs } = { count: sampleCount, gapMs: 0 },
): Promise<number[]> {
  const samples: number[] = []
  for (let index = 0; index < count; index += 1) {
    const bundle = load.devices[0].bundle(patient, readings, Date.now())
    const sent = performance.now()
    must(await load.network.api(validators[index % 4]).submitSigned(bundle))
    samples.push(performance.now() - sent)
    // Not in step with the blocks.
    await sleep(gapMs + ((index * 7) % 40))
  }
  return samples
}

async function metric(load: LoadNetwork, name: string): Promise<number> {
  const text = await (await fetch(`${load.network.urlOf(validators[0])}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

/** Keeps a backlog of imports at every validator until it is told to stop; gives how many became final. */
class Import {
  private stopped = false
  private readonly running: Promise<void>
  private sent = 0
  isFull = false

  constructor(
    private readonly load: LoadNetwork,
    private readonly patients: Uint8Array[],
  ) {
    this.running = this.run()
  }

  private async run(): Promise<void> {
    const { network, services } = this.load
    const before = await metric(this.load, 'wardchain_signed_final_total')
    let final = 0
    while (!this.stopped) {
      if (this.sent - final < backlogMax) {
        const bundles = Array.from({ length: batchCount }, (_, index) =>
          services[index % services.length].bundle(
            this.patients[index % this.patients.length],
            [normalSet[index % normalSet.length]],
            Date.now() + index,
          ),
        )
        const api = network.api(validators[(this.sent / batchCount) % validators.length])
        const view = must(await api.submitMany(bundles))
        if (view.refused.length > 0) throw new Error(`refused: ${view.refused[0].code}`)
        this.sent += batchCount
      } else {
        this.isFull = true
        // Reading metrics costs the node more than a transaction does.
        await sleep(250)
      }
      final = (await metric(this.load, 'wardchain_signed_final_total')) - before
    }
  }

  async stop(): Promise<void> {
    this.stopped = true
    await this.running
  }
}

function line(name: string, alone: number[], beside: number[], input: string): BenchLine {
  const [before, p99] = [quantile(alone, 0.99), quantile(beside, 0.99)]
  return {
    ...{ name, value: rounded(p99), unit: 'ms', p50: rounded(quantile(beside, 0.5)), p99: rounded(p99) },
    baseline: `alone p50 ${rounded(quantile(alone, 0.5))} ms, p99 ${rounded(before)} ms`,
    ratio: rounded(p99 / before),
    input,
  }
}

const lanes: Bench = {
  name: 'lanes',
  run: async () => {
    const load = await createLoadNetwork(1, { validators: 4, followers: false }, 4)
    try {
      const patients: Uint8Array[] = []
      for (let index = 0; index < 8; index += 1) patients.push(await load.admit())
      // The first blocks compile modules and fill caches.
      await latencies(load, patients[0], [codeBlue])
      const emergencyAlone = await latencies(load, patients[0], [codeBlue])
      const clinicalAlone = await latencies(load, patients[0], normalSet.slice(0, 1))
      const imports = new Import(load, patients)
      await load.network.until('the import fills the pools', 60_000, async () => {
        return imports.isFull && (await metric(load, 'wardchain_pool_transactions')) > backlogMax / 2
      })
      const from = { final: await metric(load, 'wardchain_signed_final_total'), at: performance.now() }
      const emergency = await latencies(load, patients[0], [codeBlue])
      const lone = await latencies(load, patients[0], [codeBlue], { count: loneCount, gapMs: loneGapMs })
      const clinical = await latencies(load, patients[0], normalSet.slice(0, 1))
      const seconds = (performance.now() - from.at) / 1_000
      const sampled = 2 * sampleCount + loneCount
      const final = (await metric(load, 'wardchain_signed_final_total')) - from.final - sampled
      await imports.stop()
      const rate = Math.round(final / seconds)
      const input = `samples beside an import of ${rate} transactions/s with a backlog, 4 validators`
      return [
        line('lanes-emergency', emergencyAlone, emergency, `${sampleCount} ${input}; target: ratio 2`),
        line(
          'lanes-lone-emergency',
          emergencyAlone,
          lone,
          `${loneCount} ${input}, a second apart; target: ratio 2`,
        ),
        line('lanes-clinical', clinicalAlone, clinical, `${sampleCount} ${input}; target: ratio 4`),
      ]
    } finally {
      await load.close()
    }
  },
}

export const benches: Bench[] = [lanes]
