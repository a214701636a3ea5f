// The rewriter's outer form: golden bytes, appended names, what is stripped and what is kept, start
// functions.

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { fuelScheduleV1, instrument, INSTRUMENTER_VERSION, readModule } from './index.js'
import { randomModule } from './random-module.js'
import { assemble, instantiate, load, meter, runMetered } from './wat.fixture.js'

const vectorsPath = 'runtime/module/vectors/instrumented.json'

interface Vector {
  readonly name: string
  readonly raw: string
  readonly sha256: string
  readonly bytes: number
  readonly kind: string
  readonly fuelUsed: number
}

interface Vectors {
  readonly instrumenterVersion: number
  readonly scheduleVersion: number
  readonly vectors: readonly Vector[]
}

const texts: readonly (readonly [name: string, text: string])[] = [
  ['empty', '(module (func (export "run") (param i32)))'],
  [
    'recursion',
    `(module (func $fib (export "run") (param i32) (result i32) (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0)) (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
      (call $fib (i32.sub (local.get 0) (i32.const 2))))))))`,
  ],
  [
    'floats',
    `(module (memory 1) (func (export "run") (param i32) (local f64) (loop
      (local.set 1 (f64.add (local.get 1) (f64.sqrt (f64.convert_i32_s (local.get 0)))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (f64.store (i32.const 0) (local.get 1))))`,
  ],
  [
    'memory',
    `(module (memory 1 9) (func (export "run") (param i32) (drop (memory.grow (i32.const 1)))
      (memory.fill (i32.const 0) (i32.const 1) (local.get 0)) (memory.copy (i32.const 9) (i32.const 0) (local.get 0))))`,
  ],
  ...Array.from(
    { length: 12 },
    (_, seed) => [`random ${seed}`, randomModule({ seed, hasFloats: true })] as const,
  ),
]

function makeVector(name: string, raw: Uint8Array): Vector {
  const metered = meter(raw)
  const { kind, fuelUsed } = runMetered(instantiate(metered), 'run', [9], 1_000_000)
  const sha256 = createHash('sha256').update(metered).digest('hex')
  return { name, raw: Buffer.from(raw).toString('base64'), sha256, bytes: metered.length, kind, fuelUsed }
}

t.test('golden vectors: bytes and fuel', async (t) => {
  if (!existsSync(vectorsPath)) {
    const vectors = texts.map(([name, text]) => makeVector(name, assemble(text)))
    const all: Vectors = {
      instrumenterVersion: INSTRUMENTER_VERSION,
      scheduleVersion: fuelScheduleV1.version,
      vectors,
    }
    writeFileSync(vectorsPath, `${JSON.stringify(all, null, 2)}\n`)
    t.fail('the vectors were missing and have been written: look at them, then run again')
  }
  const golden = JSON.parse(readFileSync(vectorsPath, 'utf8')) as Vectors
  t.equal(golden.instrumenterVersion, INSTRUMENTER_VERSION)
  t.equal(golden.scheduleVersion, fuelScheduleV1.version)
  t.ok(golden.vectors.length >= texts.length)
  for (const vector of golden.vectors) {
    t.same(makeVector(vector.name, Buffer.from(vector.raw, 'base64')), vector, vector.name)
  }
})

t.test('appended names and nothing moved', async (t) => {
  const bytes =
    assemble(`(module (import "h" "f" (func (param i32))) (global (mut i32) (i32.const 3)) (global i64 (i64.const 4))
    (memory (export "memory") 1) (data (i32.const 0) "abc") (func (export "run") (call 0 (global.get 0))))`)
  const metered = readModule(meter(bytes))
  const raw = readModule(bytes)
  if (!metered.ok || !raw.ok) return void t.fail('readable')
  const names = metered.value.exports.map((item) => item.name)
  t.same(names, ['memory', 'run', '__fuel', '__stack', '__fault', '__g0'])
  t.same(
    metered.value.exports.slice(0, 2).map(({ kind, index }) => [kind, index]),
    [
      [2, 0],
      [0, 1],
    ],
  )
  t.same(metered.value.functions, raw.value.functions)
  t.equal(metered.value.globals.length, 5)
  t.same(
    metered.value.globals.slice(2).map(({ value, mutable }) => [value, mutable]),
    [
      [0x7e, true],
      [0x7f, true],
      [0x7f, true],
    ],
  )
})

t.test('custom sections: ours stay, others go', async (t) => {
  const custom = (name: string): number[] => [0, name.length + 3, name.length, ...Buffer.from(name), 1, 2]
  const base = assemble('(module (func))')
  const bytes = Uint8Array.from([
    ...base,
    ...custom('name'),
    ...custom('wardchain.abi'),
    ...custom('sourceMappingURL'),
  ])
  const module = new WebAssembly.Module(meter(bytes))
  t.equal(WebAssembly.Module.customSections(module, 'wardchain.abi').length, 1)
  t.equal(WebAssembly.Module.customSections(module, 'name').length, 0)
  t.equal(WebAssembly.Module.customSections(module, 'sourceMappingURL').length, 0)
})

t.test('a start function runs on the fuel that the options give', async (t) => {
  const { module, facts } = load(
    assemble(
      '(module (global (export "g") (mut i32) (i32.const 0)) (func (global.set 0 (i32.const 5))) (start 0))',
    ),
  )
  const options = { schedule: fuelScheduleV1, memoryPagesMax: 64 }
  t.throws(() => instantiate(instrument(module, facts, options)), 'none by default')
  const exports = instantiate(
    instrument(module, facts, { ...options, fuelInitial: 10, stackInitial: 1000 }),
  )
  t.equal((exports['g'] as WebAssembly.Global<number>).value, 5)
  t.equal((exports['__fuel'] as WebAssembly.Global<bigint>).value, 8n)
})

t.test('another schedule gives other bytes', async (t) => {
  const { module, facts } = load(assemble('(module (func (export "f") (drop (i32.const 1))))'))
  const doubled = { ...fuelScheduleV1, plain: 2 }
  const exports = instantiate(instrument(module, facts, { schedule: doubled, memoryPagesMax: 64 }))
  t.equal(runMetered(exports, 'f', [], 100).fuelUsed, 4)
})
