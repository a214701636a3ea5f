// `worst-compile`: what the dearest modules cost that are still admitted: check, rewrite and compile, with
// the engine's lazy compilation off, so that all of it is counted. The bound is 250 ms (runtime reference,
// class 8).
import { setFlagsFromString } from 'node:v8'
import { fuelScheduleV1, prepareModule } from './index.js'
import { assemble, testPolicy } from './wat.fixture.js'

const many = (count: number, text: string): string => Array.from({ length: count }, () => text).join(' ')
const functions = (count: number, body: string): string => many(count, `(func (param i32) ${body})`)

/** Each close to a limit of module-limits.ts: one step more and it is refused. */
const shapes: readonly [name: string, text: string][] = [
  ['straight lines', functions(16, many(4_500, '(local.set 0 (i32.add (local.get 0) (i32.const 1)))'))],
  ['calls', functions(20, many(1_500, '(call 0 (local.get 0))'))],
  ['branches', functions(24, many(2_400, '(block (br_if 0 (local.get 0)))'))],
  ['loops', functions(24, many(1_800, '(loop (br_if 0 (local.get 0)))'))],
  ['small functions', functions(4_999, '(block (br_if 0 (local.get 0)))')],
  ['float arithmetic', functions(16, many(1_500, '(drop (f64.mul (f64.const 1.5) (f64.const 2.5)))'))],
  [
    'branch tables',
    functions(8, `${many(20, 'block')} local.get 0 br_table ${many(1_024, '0')} ${many(20, 'end')}`),
  ],
]

const roundCount = 5

function timesMs(bytes: Uint8Array): number {
  const start = performance.now()
  const prepared = prepareModule(bytes, testPolicy, fuelScheduleV1)
  if (!prepared.ok) throw new Error(`${prepared.code} ${prepared.detail}`)
  new WebAssembly.Module(prepared.value.instrumented)
  return performance.now() - start
}

function worstCompile() {
  setFlagsFromString('--no-wasm-lazy-compilation')
  const lines = shapes.map(([name, text]) => {
    const bytes = assemble(`(module (memory (export "memory") 1) ${text} (func (export "_initialize")))`)
    const rounds = Array.from({ length: roundCount }, () => timesMs(bytes)).sort((a, b) => a - b)
    return {
      name: `worst-compile ${name}`,
      value: Math.round(rounds[0]),
      unit: 'ms',
      p50: Math.round(rounds[roundCount >> 1]),
      p99: Math.round(rounds[roundCount - 1]),
      input: `${bytes.length} bytes, shortest of ${roundCount}`,
    }
  })
  const worst = Math.max(...lines.map((line) => line.value))
  return [...lines, { name: 'worst-compile', value: worst, unit: 'ms', input: 'the dearest shape' }]
}

export const benches = [{ name: 'worst-compile', run: async () => worstCompile() }]
