// The contract policy: every code, and both sides of every limit.

import t from 'tap'
import {
  fuelScheduleV1,
  functionType,
  moduleLimits,
  prepareModule,
  type ModulePolicy,
  type ModuleRefusalCode,
} from './index.js'
import { assemble, moduleWithBody, testPolicy } from './wat.fixture.js'

const memory = '(memory (export "memory") 1)'

function prepare(fields: string, policy: ModulePolicy = testPolicy): ReturnType<typeof prepareModule> {
  return prepareModule(assemble(`(module ${fields})`), policy, fuelScheduleV1)
}

const refusals: readonly (readonly [ModuleRefusalCode, string, RegExp])[] = [
  ['OPCODE_FORBIDDEN', `${memory} (table 1 1 funcref) (func (drop (table.size 0)))`, /table\.size/],
  [
    'OPCODE_FORBIDDEN',
    `${memory} (table 1 1 funcref) (func (drop (table.get 0 (i32.const 0))))`,
    /table\.get/,
  ],
  ['OPCODE_FORBIDDEN', `${memory} (func (drop (ref.is_null (ref.null func))))`, /ref\.null/],
  ['TYPE_FORBIDDEN', `${memory} (func (param externref))`, /Reference types/],
  ['TYPE_FORBIDDEN', `${memory} (func (local funcref))`, /Reference types/],
  ['TYPE_FORBIDDEN', `${memory} (table 1 1 externref)`, /tables of functions/],
  ['TYPE_FORBIDDEN', `${memory} (global funcref (ref.null func))`, /Reference types/],
  ['START_SECTION', `${memory} (func) (start 0)`, /--exportStart _initialize/],
  [
    'IMPORT_UNKNOWN',
    `(import "env" "seed" (func (result f64))) ${memory}`,
    /`Math\.random` is not available/,
  ],
  [
    'IMPORT_UNKNOWN',
    `(import "env" "Date.now" (func (result f64))) ${memory}`,
    /`Date\.now` is not available/,
  ],
  ['IMPORT_UNKNOWN', `(import "env" "abort" (func)) ${memory}`, /--use abort=/],
  ['IMPORT_UNKNOWN', `(import "env" "console.log" (func)) ${memory}`, /`console` is not available/],
  ['IMPORT_UNKNOWN', `(import "wardchain_v1" "nothing" (func)) ${memory}`, /`nothing` is not among/],
  [
    'IMPORT_UNKNOWN',
    `(import "other" "input_len" (func (result i32))) ${memory}`,
    /from wardchain_v1 only/,
  ],
  [
    'IMPORT_SIGNATURE',
    `(import "wardchain_v1" "input_len" (func (param i32))) ${memory}`,
    /\(i32\) -> \(\)/,
  ],
  [
    'IMPORT_DUPLICATE',
    `(import "wardchain_v1" "input_len" (func (result i32)))
     (import "wardchain_v1" "input_len" (func (result i32))) ${memory}`,
    /imported twice/,
  ],
  ['IMPORT_KIND', '(import "env" "memory" (memory 1)) (export "memory" (memory 0))', /--importMemory/],
  ['IMPORT_KIND', `(import "env" "g" (global i32)) ${memory}`, /Only functions/],
  ['EXPORT_RESERVED', `${memory} (global (export "__fuel") i32 (i32.const 0))`, /reserved/],
  ['EXPORT_RESERVED', `${memory} (global (export "__g12") i32 (i32.const 0))`, /reserved/],
  ['EXPORT_KIND', `${memory} (table (export "table") 1 1 funcref)`, /--exportTable/],
  ['NAME_NOT_ASCII', `${memory} (func (export "\\c3\\a9"))`, /ASCII/],
  ['MEMORY_MISSING', '(func)', /exports its memory/],
  ['MEMORY_MISSING', '(memory 1)', /exports its memory/],
  ['FLOAT_AT_BOUNDARY', `${memory} (func (export "f") (param f64))`, /decimals/],
  ['FLOAT_AT_BOUNDARY', `(import "wardchain_v1" "input_len" (func (result f32))) ${memory}`, /decimals/],
  ['SEGMENT_PASSIVE', `${memory} (data "a")`, /active/],
  ['SEGMENT_PASSIVE', `${memory} (elem func 0) (func)`, /active/],
  ['SEGMENT_OUT_OF_BOUNDS', `${memory} (data (i32.const 65536) "a")`, /beyond/],
  ['SEGMENT_OUT_OF_BOUNDS', `${memory} (data (i32.const -1) "a")`, /beyond/],
  ['SEGMENT_OUT_OF_BOUNDS', `${memory} (table 1 1 funcref) (elem (i32.const 1) 0) (func)`, /beyond/],
]

t.test('refusals', async (t) => {
  for (const [code, fields, sentence] of refusals) {
    await t.test(`${code}: ${fields.slice(0, 60)}`, async (t) => {
      const result = prepare(fields)
      if (result.ok) return void t.fail('refusal expected')
      t.equal(result.code, code, result.detail)
      t.match(result.detail, sentence)
    })
  }
})

const many = (count: number, text: string): string => text.repeat(count)
const params = (count: number): string => `(param ${many(count, 'i32 ')})`

/** A text for a count, and the limit that the count meets. */
type LimitCase = readonly [code: ModuleRefusalCode, limit: number, fields: (count: number) => string]

const limitCases: readonly LimitCase[] = [
  ['LIMIT_LOCALS', 100, (n) => `${memory} (func (param i32) (local ${many(n - 1, 'i32 ')}))`],
  [
    'LIMIT_LOCALS_TOTAL',
    10_000,
    (n) => `${memory} ${many(100, `(func (local ${many(99, 'i32 ')}))`)} ${fillLocals(n - 9_900)}`,
  ],
  [
    'LIMIT_LOCALS_CONTROL',
    50_000,
    (n) => `${memory} (func (local ${many(100, 'i32 ')}) ${many(n / 100, '(block)')})`,
  ],
  [
    'LIMIT_LOCALS_CONTROL_TOTAL',
    5_000_000,
    (n) =>
      `${memory} ${many(99, `(func (local ${many(100, 'i32 ')}) ${many(500, '(block)')})`)}
       (func ${many(50, 'i32.const 0 ')} ${many(1_000, 'br 0 ')}) ${n > 5_000_000 ? '(func (local i32) (block))' : ''}`,
  ],
  ['LIMIT_CONTROL', 500, (n) => `${memory} (func ${many(n, '(block)')})`],
  [
    'LIMIT_FLOW_TOTAL',
    65_536,
    (n) => `${memory} (func) ${many(128, `(func ${many(512, '(br 0)')})`)}
    ${n > 65_536 ? '(func (br 0))' : ''}`,
  ],
  ['LIMIT_PARAMETERS', 32, (n) => `${memory} (func ${params(n)})`],
  [
    'LIMIT_PARAMETERS_TOTAL',
    10_000,
    (n) => `${memory} ${many(312, `(func ${params(32)})`)} (func ${params(n - 9_984)})`,
  ],
  ['LIMIT_RESULTS', 1, (n) => `${memory} (func (result ${many(n, 'i32 ')}) ${many(n, '(i32.const 0)')})`],
  ['LIMIT_BRANCH_TABLE', 1_024, (n) => `${memory} (func (br_table ${many(n + 1, '0 ')} (i32.const 0)))`],
  [
    'LIMIT_BRANCH_TABLE_TOTAL',
    8_192,
    (n) =>
      `${memory} (func ${many(8, `(block (br_table ${many(1025, '0 ')} (i32.const 0)))`)} ${restTable(n - 8_192)})`,
  ],
  ['LIMIT_FUNCTIONS', 5_000, (n) => `${memory} ${many(n, '(func)')}`],
  ['LIMIT_TYPES', 500, (n) => `${memory} ${many(n, '(type (func))')}`],
  ['LIMIT_GLOBALS', 256, (n) => `${memory} ${many(n, '(global i32 (i32.const 0))')}`],
  ['LIMIT_EXPORTS', 200, (n) => `${memory} (func) ${numbered(n - 1, (i) => `(export "f${i}" (func 0))`)}`],
  ['LIMIT_NAME_BYTES', 64, (n) => `${memory} (func (export "${many(n, 'x')}"))`],
  ['LIMIT_TABLES', 1, (n) => `${memory} ${many(n, '(table 1 1 funcref)')}`],
  ['LIMIT_TABLE_ENTRIES', 1_000, (n) => `${memory} (table ${n} ${n} funcref)`],
  ['LIMIT_TABLE_ENTRIES', 1_000, (n) => `${memory} (table 1 ${n} funcref)`],
  [
    'LIMIT_ELEMENT_SEGMENTS',
    16,
    (n) => `${memory} (table 1 1 funcref) (func) ${many(n, '(elem (i32.const 0) 0)')}`,
  ],
  ['LIMIT_DATA_SEGMENTS', 512, (n) => `${memory} ${many(n, '(data (i32.const 0) "a")')}`],
  [
    'LIMIT_DATA_BYTES',
    262_144,
    (n) => `(memory (export "memory") 5) (data (i32.const 0) "${many(n, 'a')}")`,
  ],
  ['LIMIT_MEMORY_PAGES', 64, (n) => `(memory (export "memory") ${n})`],
]

function numbered(count: number, text: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => text(index)).join(' ')
}

function fillLocals(count: number): string {
  return `(func (local ${many(Math.min(count, 100), 'i32 ')})) ${count > 100 ? '(func (local i32))' : ''}`
}

function restTable(count: number): string {
  return count > 0 ? `(br_table ${many(count + 1, '0 ')} (i32.const 0))` : ''
}

t.test('both sides of each limit', async (t) => {
  for (const [code, limit, fields] of limitCases) {
    await t.test(`${code} ${limit}`, async (t) => {
      const step = code === 'LIMIT_LOCALS_CONTROL' ? 100 : 1
      const within = prepare(fields(limit))
      t.ok(within.ok, within.ok ? 'admitted at the limit' : within.detail)
      const beyond = prepare(fields(limit + step))
      t.equal(beyond.ok ? 'admitted' : beyond.code, code)
    })
  }
})

t.test('nesting', async (t) => {
  const nested = (depth: number): Uint8Array => {
    const blocks = new Array<number[]>(depth).fill([0x02, 0x40])
    return moduleWithBody([...blocks.flat(), ...new Array<number>(depth + 1).fill(0x0b)])
  }
  t.ok(prepareModule(nested(200), testPolicy, fuelScheduleV1).ok)
  const beyond = prepareModule(nested(201), testPolicy, fuelScheduleV1)
  t.equal(beyond.ok ? '' : beyond.code, 'LIMIT_NESTING')
})

t.test('limits on bytes', async (t) => {
  // Bodies of `nop`s: 32,768 bytes with the local count and the end.
  const body = (bytes: number): string => `(func ${many(bytes - 2, 'nop ')})`
  t.ok(prepare(`${memory} ${body(32_768)}`).ok)
  const beyond = prepare(`${memory} ${body(32_769)}`)
  t.equal(beyond.ok ? '' : beyond.code, 'LIMIT_BODY_BYTES')
  // A custom section fills the module up to its limit.
  const filled = (bytes: number): Uint8Array => {
    const base = assemble(`(module ${memory})`)
    const length = bytes - base.length - 4
    const out = new Uint8Array(bytes)
    out.set(base)
    out.set([0, (length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14, 1, 0x78], base.length)
    return out
  }
  t.ok(prepareModule(filled(moduleLimits.moduleBytesMax), testPolicy, fuelScheduleV1).ok)
  const large = prepareModule(filled(moduleLimits.moduleBytesMax + 1), testPolicy, fuelScheduleV1)
  t.equal(large.ok ? '' : large.code, 'LIMIT_MODULE_BYTES')
  const small: ModulePolicy = { ...testPolicy, limits: { ...moduleLimits, instrumentedBytesMax: 90 } }
  const grown = prepare(`${memory} ${body(40)}`, small)
  t.equal(grown.ok ? '' : grown.code, 'LIMIT_INSTRUMENTED_BYTES')
})

t.test('the growth of a body is bounded', async (t) => {
  const calls = (count: number): Uint8Array =>
    moduleWithBody([...new Array<number[]>(count).fill([0x10, 0]).flat(), 0x0b])
  t.ok(prepareModule(calls(3_250), testPolicy, fuelScheduleV1).ok)
  const beyond = prepareModule(calls(3_300), testPolicy, fuelScheduleV1)
  t.equal(beyond.ok ? '' : beyond.code, 'LIMIT_INSTRUMENTED_BODY_BYTES')
})

t.test('limits on imports and custom sections', async (t) => {
  const imports = new Map(
    Array.from({ length: 40 }, (_, index) => [`f${index}`, functionType('')] as const),
  )
  const policy: ModulePolicy = { ...testPolicy, imports }
  const text = (count: number): string => numbered(count, (i) => `(import "wardchain_v1" "f${i}" (func))`)
  t.ok(prepare(`${text(32)} ${memory}`, policy).ok)
  const beyond = prepare(`${text(33)} ${memory}`, policy)
  t.equal(beyond.ok ? '' : beyond.code, 'LIMIT_IMPORTS')
  const custom = (name: string, bytes: number): Uint8Array => {
    const length = name.length + 1 + bytes
    const head = [0, (length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14, name.length]
    const base = assemble(`(module ${memory})`)
    return Uint8Array.from([...base, ...head, ...Buffer.from(name), ...new Uint8Array(bytes)])
  }
  const name = 'wardchain.abi'
  const max = moduleLimits.customBytesMax - name.length - 1
  t.ok(prepareModule(custom(name, max), testPolicy, fuelScheduleV1).ok)
  const large = prepareModule(custom(name, max + 1), testPolicy, fuelScheduleV1)
  t.equal(large.ok ? '' : large.code, 'LIMIT_CUSTOM_BYTES')
  const others = prepareModule(custom('name', max + 1), testPolicy, fuelScheduleV1)
  t.ok(others.ok, 'other custom sections are stripped, whatever their length')
  if (others.ok) t.ok(others.value.instrumented.length < 500)
})

t.test('what a prepared module says of itself', async (t) => {
  const result = prepare(`(import "wardchain_v1" "input_read" (func $read (param i32)))
    (memory (export "memory") 2 90) (data (i32.const 8) "abcdefghi")
    (global $a (mut i32) (i32.const 1)) (global i64 (i64.const 1)) (global (mut f64) (f64.const 1))
    (func $raise (export "raise") (call $read (i32.const 0)))
    (func (export "_initialize")) (func (export "add") (param i32) (result i32) (local.get 0))`)
  if (!result.ok) return void t.fail(result.detail)
  const { value } = result
  t.same(value.methods, ['raise', '_initialize'])
  t.same(value.globalExports, ['__g0', '__g2'])
  t.equal(value.memoryPagesInitial, 2)
  t.equal(value.memoryPagesMax, 64)
  t.equal(value.dataBytes, 9)
  t.equal(value.instancePrice, 100_000 + 2 * 4_000 + 3 * 10 + 2)
  t.ok(value.deployPrice > fuelScheduleV1.deploy)
})
