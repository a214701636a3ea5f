// Random modules: valid stays valid, results stay equal, fuel is what the plain interpreter counts, at
// success and at every trap and at every size of the slice; and bytes of any kind never make the pipeline
// throw. The seeds lie in `vectors/fuzz-seeds.json`, one list for each property: the first of every run, then
// each that has found a fault. A failure names seed and path: `{"seed": n, "path": "..."}` there replays it.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { fuelScheduleV1, moduleLimits, prepareModule, readModule, validateModule } from './index.js'
import { floatAreas, randomModule } from './random-module.js'
import { createInterpreter } from './reference-interpreter.fixture.js'
import { assemble, instantiate, load, meter, runMetered, testPolicy, type Exports } from './wat.fixture.js'

const SLICE = 10_000_000
const runCount = 150

type Property = 'results' | 'floats' | 'fuel' | 'bytesEqual' | 'anyBytes' | 'flippedBytes'
const seeds = JSON.parse(readFileSync('runtime/module/vectors/fuzz-seeds.json', 'utf8')) as Record<
  Property,
  readonly { seed: number; path?: string }[]
>

/** The property under every stored seed; with a path only the case that it leads to. */
function holds<T>(name: Property, property: fc.IProperty<T>, numRuns = runCount): void {
  for (const stored of seeds[name]) fc.assert(property, { ...stored, numRuns })
}

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

/** What a module gives raw and metered: `same` compares the memories. */
function agrees(raw: Uint8Array, value: number, same: (raw: Buffer, metered: Buffer) => boolean): boolean {
  const metered = meter(raw)
  if (!WebAssembly.validate(raw) || !WebAssembly.validate(metered)) return false
  if (!prepareModule(raw, testPolicy, fuelScheduleV1).ok) return false
  const rawExports = instantiate(raw)
  const meteredExports = instantiate(metered)
  const expected = runRaw(rawExports, value)
  const outcome = runMetered(meteredExports, 'run', [value], SLICE)
  const isSame = outcome.kind === 'values' ? outcome.value === expected : outcome.kind === expected
  return isSame && same(memoryBytes(rawExports), memoryBytes(meteredExports))
}

t.test('valid modules stay valid and give equal results', async (t) => {
  holds(
    'results',
    fc.property(fc.nat(), fc.integer(), (seed, value) =>
      agrees(assemble(randomModule({ seed, hasFloats: false })), value, (raw, metered) =>
        raw.equals(metered),
      ),
    ),
  )
  t.end()
})

/** Floats and NaNs that were compared, and NaNs whose bits the metered side made canonical. */
const compared = { floats: 0, nans: 0, changed: 0 }

/** Bit for bit, but for a NaN whose bits the specification leaves free: metered it is canonical. */
function sameFloats(raw: Buffer, metered: Buffer): boolean {
  if (raw.length !== metered.length) return false
  for (const type of ['f32', 'f64'] as const) {
    const [start, end] = floatAreas[type]
    const width = type === 'f32' ? 4 : 8
    for (let at = start; at < end; at += 8) {
      const [first, second] = [raw, metered].map((memory) => memory.subarray(at, at + width))
      const value = type === 'f32' ? first.readFloatLE() : first.readDoubleLE()
      if (first.some((byte) => byte !== 0)) compared.floats++
      if (Number.isNaN(value)) compared.nans++
      // What arithmetic gave is quiet: only a signalling NaN of a constant may have other bits.
      if (Number.isNaN(value) && !isCanonical(second) && isQuiet(second)) return false
      if (first.equals(second)) continue
      if (!Number.isNaN(value) || !isCanonical(second)) return false
      compared.changed++
      second.copy(first)
    }
  }
  return raw.equals(metered)
}

/** The canonical NaN, of either sign. */
const isCanonical = (bytes: Buffer): boolean =>
  bytes.length === 4
    ? (bytes.readUInt32LE() & 0x7fffffff) === 0x7fc00000
    : (bytes.readBigUInt64LE() & 0x7fffffffffffffffn) === 0x7ff8000000000000n

const isQuiet = (bytes: Buffer): boolean =>
  bytes.length === 4 ? (bytes[2] & 0x40) !== 0 : (bytes[6] & 0x08) !== 0

t.test('floats: raw and metered are equal bit for bit, NaNs where their bits are not free', async (t) => {
  holds(
    'floats',
    fc.property(fc.nat(), fc.integer(), (seed, value) =>
      agrees(assemble(randomModule({ seed, hasFloats: true, floatsApart: true })), value, sameFloats),
    ),
    2 * runCount,
  )
  t.ok(compared.floats > 100, `${compared.floats} floats`)
  t.ok(compared.nans > 20, `${compared.nans} NaNs`)
  t.ok(compared.changed > 5, `${compared.changed} of them were made canonical`)
  t.end()
})

t.test('fuel is exact against the plain interpreter', async (t) => {
  holds(
    'fuel',
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
  )
  t.end()
})

t.test('instrumenting twice gives the same bytes, and floats stay valid', async (t) => {
  holds(
    'bytesEqual',
    fc.property(fc.nat(), (seed) => {
      const raw = assemble(randomModule({ seed, hasFloats: true }))
      const metered = meter(raw)
      return (
        WebAssembly.validate(metered) &&
        Buffer.from(metered).equals(Buffer.from(meter(Uint8Array.from(raw))))
      )
    }),
  )
  t.end()
})

t.test('any bytes give a value or a refusal', async (t) => {
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  holds(
    'anyBytes',
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, hasHeader) => {
      const result = prepareModule(
        hasHeader ? Uint8Array.from([...header, ...bytes]) : bytes,
        testPolicy,
        fuelScheduleV1,
      )
      return result.ok || (result.offset >= 0 && result.detail.length > 0)
    }),
    3_000,
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
  holds(
    'flippedBytes',
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
    1_000,
  )
  t.ok(admitted > 50, 'some flips stay valid')
  t.end()
})
