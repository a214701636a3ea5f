// `worst-compile`: what the dearest modules cost that are still admitted (`worst-shapes.fixture.ts`). Judged
// is what a node waits for: check, rewrite and compile in the tier that it compiles with, all functions at
// once (a node compiles them as they are called), by processor time, for a busy machine's clock says little.
// Above 250 ms (runtime reference, class 8) the bench prints FAIL with the shape and ends with exit status 1.
// `worst-optimise` judges the same way what the optimising tier takes for one function: it takes one at a
// time, when it is hot, beside the thread that runs it.
import { setFlagsFromString } from 'node:v8'
import { fuelScheduleV1, prepareModule } from './index.js'
import { testPolicy } from './wat.fixture.js'
import { worstModule, worstShapes, type WorstShape } from './worst-shapes.fixture.js'

const boundMs = 250
const roundCount = 7
/** Before the measured ones: a node has checked modules before the vendor's comes. */
const warmRounds = 2

interface Times {
  /** Clock and processor. */
  readonly wall: number
  readonly cpu: number
}

/** Never the same bytes twice: the engine keeps what it compiled. */
let serial = 0

function timesOf(shape: WorstShape, copies: number): Times & { readonly bytes: number } {
  const bytes = worstModule(shape, shape.count, copies, ++serial)
  const usage = process.cpuUsage()
  const start = performance.now()
  const prepared = prepareModule(bytes, testPolicy, fuelScheduleV1)
  if (!prepared.ok) throw new Error(`${shape.name}: ${prepared.code} ${prepared.detail}`)
  new WebAssembly.Module(prepared.value.instrumented)
  const wall = performance.now() - start
  const { user, system } = process.cpuUsage(usage)
  return { wall, cpu: (user + system) / 1000, bytes: bytes.length }
}

/** The lower quartile: all modules of a shape cost the same, and what else runs on the machine only adds. */
const quartile = (values: readonly number[]): number =>
  Math.round([...values].sort((a, b) => a - b)[values.length >> 2])

interface ShapeLine {
  readonly name: string
  /** Milliseconds by the clock, the lower quartile of the rounds. */
  readonly value: number
  readonly unit: 'ms'
  readonly cpu: number
  readonly p99: number
  readonly input: string
}

function measure(bench: string, copiesOf: (shape: WorstShape) => number): ShapeLine[] {
  return worstShapes.map((shape) => {
    const copies = copiesOf(shape)
    for (let round = 0; round < warmRounds; round++) timesOf(shape, copies)
    const rounds = Array.from({ length: roundCount }, () => timesOf(shape, copies))
    return {
      name: `${bench} ${shape.name}`,
      value: quartile(rounds.map(({ wall }) => wall)),
      unit: 'ms',
      cpu: quartile(rounds.map(({ cpu }) => cpu)),
      p99: Math.round(Math.max(...rounds.map(({ wall }) => wall))),
      input: `${rounds[0].bytes} bytes, ${copies} functions, lower quartile of ${roundCount} modules`,
    }
  })
}

/** The dearest by processor time; beyond the bound a plain word and an exit status. */
function judged(bench: string, lines: readonly ShapeLine[], subject: string) {
  const worst = lines.reduce((most, line) => (line.cpu > most.cpu ? line : most))
  const shape = worst.name.slice(bench.length + 1)
  const verdict = worst.cpu <= boundMs ? 'PASS' : 'FAIL'
  if (verdict === 'FAIL') {
    process.exitCode = 1
    const text = `${worst.cpu} ms of processor time (${worst.value} ms by the clock), at most ${boundMs} ms are allowed`
    process.stderr.write(`FAIL ${bench}: ${shape}: ${text}\n`)
  }
  const input = `${verdict}: ${subject}, ${shape}; at most ${boundMs} ms of processor time`
  return [...lines, { name: bench, value: worst.value, unit: 'ms', cpu: worst.cpu, input }]
}

function worstCompile() {
  setFlagsFromString('--no-wasm-lazy-compilation')
  setFlagsFromString('--liftoff-only')
  return judged(
    'worst-compile',
    measure('worst-compile', ({ copies }) => copies),
    'the dearest module',
  )
}

function worstOptimise() {
  setFlagsFromString('--no-wasm-lazy-compilation')
  setFlagsFromString('--no-liftoff-only')
  setFlagsFromString('--no-liftoff')
  const lines = judged(
    'worst-optimise',
    measure('worst-optimise', () => 1),
    'the dearest function',
  )
  setFlagsFromString('--liftoff')
  return lines
}

export const benches = [
  { name: 'worst-compile', run: async () => worstCompile() },
  { name: 'worst-optimise', run: async () => worstOptimise() },
]
