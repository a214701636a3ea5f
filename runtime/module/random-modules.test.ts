// Random modules: valid stays valid, results stay equal, fuel is what the plain interpreter counts, at
// success and at every trap and at every size of the slice; and bytes of any kind never make the pipeline
// throw.

import fc from 'fast-check'
import t from 'tap'
import { fuelScheduleV1, moduleLimits, prepareModule, readModule, validateModule } from './index.js'
import { randomModule } from './random-module.js'
import { createInterpreter } from './reference-interpreter.fixture.js'
import { assemble, instantiate, load, meter, runMetered, testPolicy, type Exports } from './wat.fixture.js'

const SLICE = 10_000_000
const runs = { numRuns: 150, seed: 20_261_122 }

function memoryBytes(exports: Exports): Buffer {
  return Buffer.from((exports['memory'] as WebAssembly.Memory).buffer)
}

function runRaw(exports: Exports, value: number): unknown {
  try {
    return (exports['run'] as (value: number) => unknown)(value)
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error
    return 'trap'
  }
}

t.test('valid modules stay valid and give equal results', async (t) => {
  fc.assert(
    fc.property(fc.nat(), fc.integer(), (seed, value) => {
      const raw = assemble(randomModule({ seed, hasFloats: false }))
      const metered = meter(raw)
      if (!WebAssembly.validate(raw) || !WebAssembly.validate(metered)) return false
      if (!prepareModule(raw, testPolicy, fuelScheduleV1).ok) return false
      const rawExports = instantiate(raw)
      const meteredExports = instantiate(metered)
      const expected = runRaw(rawExports, value)
      const outcome = runMetered(meteredExports, 'run', [value], SLICE)
      const isSame = outcome.kind === 'values' ? outcome.value === expected : outcome.kind === expected
      return isSame && memoryBytes(rawExports).equals(memoryBytes(meteredExports))
    }),
    runs,
  )
  t.end()
})

t.test('fuel is exact against the plain interpreter', async (t) => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (seed, value, share) => {
        const raw = assemble(randomModule({ seed, hasFloats: false }))
        const { module } = load(raw)
        const metered = meter(raw)
        const interpret = (fuel: number): ReturnType<ReturnType<typeof createInterpreter>['call']> =>
          createInterpreter(module, fuelScheduleV1, moduleLimits.memoryPagesMax).call('run', [value], fuel)
        const whole = interpret(SLICE)
        // The exact amount, one less, and a random share of it.
        for (const fuel of [
          SLICE,
          whole.fuelUsed,
          whole.fuelUsed - 1,
          Math.floor(whole.fuelUsed * share),
        ]) {
          if (fuel < 0) continue
          const expected = interpret(fuel)
          const outcome = runMetered(instantiate(metered), 'run', [value], fuel)
          if (outcome.kind !== expected.kind || outcome.fuelUsed !== expected.fuelUsed) {
            throw new Error(
              `at ${fuel}: ${JSON.stringify(expected, String)} but ${JSON.stringify(outcome, String)}`,
            )
          }
          if (expected.kind === 'values' && outcome.value !== expected.values[0]) return false
        }
        return true
      },
    ),
    runs,
  )
  t.end()
})

t.test('instrumenting twice gives the same bytes, and floats stay valid', async (t) => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const raw = assemble(randomModule({ seed, hasFloats: true }))
      const metered = meter(raw)
      return (
        WebAssembly.validate(metered) &&
        Buffer.from(metered).equals(Buffer.from(meter(Uint8Array.from(raw))))
      )
    }),
    runs,
  )
  t.end()
})

t.test('any bytes give a value or a refusal', async (t) => {
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, hasHeader) => {
      const result = prepareModule(
        hasHeader ? Uint8Array.from([...header, ...bytes]) : bytes,
        testPolicy,
        fuelScheduleV1,
      )
      return result.ok || (result.offset >= 0 && result.detail.length > 0)
    }),
    { numRuns: 3000 },
  )
  t.end()
})

/** Refusals that the engine does not share: features and limits that it admits and we do not. */
const ourOwnRefusals = new Set([
  'OPCODE_FORBIDDEN',
  'TYPE_FORBIDDEN',
  'FLAGS_MALFORMED',
  'CONSTANT_EXPRESSION',
  'OPCODE_UNKNOWN',
])

t.test('flipped bytes: the validator agrees with the engine', async (t) => {
  let admitted = 0
  fc.assert(
    fc.property(fc.nat(200), fc.nat(), fc.nat(255), (seed, place, byte) => {
      const raw = assemble(randomModule({ seed, hasFloats: true }))
      raw[8 + (place % (raw.length - 8))] = byte
      const read = readModule(raw)
      const result = read.ok ? validateModule(read.value) : read
      const isEngineValid = WebAssembly.validate(raw)
      if (result.ok) {
        admitted++
        const { module, facts } = load(raw)
        return isEngineValid && module.bodies.length === facts.length && WebAssembly.validate(meter(raw))
      }
      return !isEngineValid || ourOwnRefusals.has(result.code)
    }),
    { numRuns: 1000, seed: 7 },
  )
  t.ok(admitted > 50, 'some flips stay valid')
  t.end()
})
