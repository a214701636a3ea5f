// `metered-ratio`: metered against unmetered run time over the kernel set. `instrument`: the deployment
// pipeline. Runs are interleaved and the shortest of a few counts, so that a busy machine does not decide.

import { instantiateSync } from '@assemblyscript/loader'
import {
  FUEL_EXPORT,
  fuelScheduleV1,
  instrument,
  prepareModule,
  readModule,
  STACK_BYTES_MAX,
  STACK_EXPORT,
  validateModule,
} from './index.js'
import { compileKernels, speedKernels } from './kernels.fixture.js'
import { testPolicy } from './wat.fixture.js'

interface BenchLine {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly p50?: number
  readonly p99?: number
  readonly baseline?: string
  readonly ratio?: number
  readonly input?: string
}

const PAIRS = 21
const RUNS_PER_PAIR = 5
const WARM_ROUNDS = 6
const INSTRUMENT_ROUNDS = 200
const INSTRUMENT_WARM_ROUNDS = 50

type Kernel = (size: number) => number

function timeMs(run: () => unknown): number {
  const start = performance.now()
  run()
  return performance.now() - start
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

interface Side {
  readonly module: WebAssembly.Module
  fresh(): Record<string, Kernel>
}

/**
 * The unmetered baseline: the compiler's own output, run by its own loader. It holds no charge instruction.
 */
function unmeteredSide(raw: Uint8Array): Side {
  const module = new WebAssembly.Module(raw)
  return { module, fresh: () => initialized(instantiateSync<Record<string, Kernel>>(module, {}).exports) }
}

function meteredSide(raw: Uint8Array): Side {
  const prepared = prepareModule(raw, testPolicy, fuelScheduleV1)
  if (!prepared.ok) throw new Error(prepared.detail)
  const module = new WebAssembly.Module(prepared.value.instrumented)
  const fresh = (): Record<string, Kernel> => {
    const { exports } = new WebAssembly.Instance(module, {})
    ;(exports[FUEL_EXPORT] as WebAssembly.Global<bigint>).value = 2n ** 60n
    ;(exports[STACK_EXPORT] as WebAssembly.Global<number>).value = STACK_BYTES_MAX
    return initialized(exports as Record<string, Kernel>)
  }
  return { module, fresh }
}

function initialized(exports: Record<string, Kernel>): Record<string, Kernel> {
  exports['_initialize'](0)
  return exports
}

/**
 * A pair: the shortest of a few runs of each side, taken in turn, so that a neighbour who takes the
 * processor away spoils a run and not the pair. Fresh instances, for the stub runtime never frees.
 */
function pairOf(
  name: string,
  size: number,
  unmetered: Side,
  metered: Side,
): { raw: number; metered: number } {
  const pair = { raw: Infinity, metered: Infinity }
  for (let run = 0; run < RUNS_PER_PAIR; run++) {
    const rawKernel = unmetered.fresh()[name]
    const meteredKernel = metered.fresh()[name]
    pair.raw = Math.min(
      pair.raw,
      timeMs(() => rawKernel(size)),
    )
    pair.metered = Math.min(
      pair.metered,
      timeMs(() => meteredKernel(size)),
    )
  }
  return pair
}

function ratioLine(name: string, size: number, unmetered: Side, metered: Side): BenchLine {
  // The first rounds let the optimising tier finish.
  for (let round = 0; round < WARM_ROUNDS; round++) pairOf(name, size, unmetered, metered)
  const pairs = Array.from({ length: PAIRS }, () => pairOf(name, size, unmetered, metered))
  const ratios = pairs.map((pair) => pair.metered / pair.raw)
  const ofPairs = (side: 'raw' | 'metered', share: number): number =>
    quantile(
      pairs.map((pair) => pair[side]),
      share,
    )
  return {
    name: `metered-ratio/${name}`,
    value: round3(quantile(ratios, 0.5)),
    unit: 'ratio',
    p50: round3(ofPairs('metered', 0.5)),
    p99: round3(ofPairs('metered', 0.99)),
    baseline: `unmetered ${round3(ofPairs('raw', 0.5))} ms`,
    ratio: round3(ofPairs('metered', 0) / ofPairs('raw', 0)),
    input: `${name}(${size}); value: median of ${PAIRS} pairs, each the best of ${RUNS_PER_PAIR} runs in turn; ratio: best of all`,
  }
}

async function meteredRatio(): Promise<BenchLine[]> {
  const raw = await compileKernels()
  const unmetered = unmeteredSide(raw)
  const metered = meteredSide(raw)
  const lines = speedKernels.map(([name, size]) => ratioLine(name, size, unmetered, metered))
  const median = (of: (line: BenchLine) => number): number => quantile(lines.map(of), 0.5)
  return [
    ...lines,
    {
      name: 'metered-ratio',
      value: median((line) => line.value),
      unit: 'ratio',
      baseline: 'unmetered',
      ratio: median((line) => line.ratio ?? line.value),
      input: 'median of 5 kernels',
    },
  ]
}

function round3(value: number): number {
  return Math.round(value * 1000) / 1000
}

async function instrumentSpeed(): Promise<BenchLine[]> {
  const raw = await compileKernels()
  const elapsedMs: number[] = []
  let bytes = 0
  for (let round = 0; round < INSTRUMENT_ROUNDS; round++) {
    elapsedMs.push(
      timeMs(() => {
        const read = readModule(raw)
        if (!read.ok) throw new Error(read.detail)
        const facts = validateModule(read.value)
        if (!facts.ok) throw new Error(facts.detail)
        bytes = instrument(read.value, facts.value, { schedule: fuelScheduleV1, memoryPagesMax: 64 }).length
      }),
    )
  }
  const first = elapsedMs[0]
  // A deployment is rare, a replay of the chain is not: the steady rate is what the bench is for.
  elapsedMs.splice(0, INSTRUMENT_WARM_ROUNDS)
  const p50 = quantile(elapsedMs, 0.5)
  const rate = raw.length / p50 / 1000
  return [
    {
      name: 'instrument',
      value: round3(rate),
      unit: 'MB/s',
      p50: round3(p50),
      p99: round3(quantile(elapsedMs, 0.99)),
      input: `read, validate and rewrite ${raw.length} bytes to ${bytes}, ms; first of all ${round3(first ?? 0)} ms`,
    },
  ]
}

export const benches: readonly { readonly name: string; run(): Promise<BenchLine[]> }[] = [
  { name: 'metered-ratio', run: meteredRatio },
  { name: 'instrument', run: instrumentSpeed },
]
