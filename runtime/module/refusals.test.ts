// Every refusal of reader and validator: its code and, where it matters to a vendor, the offset.

import t, { type Test } from 'tap'
import { readModule, validateModule, type ModuleRefusalCode, type ModuleResult } from './index.js'
import { assemble } from './wat.fixture.js'

const preamble = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]

function check(bytes: Uint8Array): ModuleResult<unknown> {
  const read = readModule(bytes)
  return read.ok ? validateModule(read.value) : read
}

function refuses(t: Test, bytes: Uint8Array, code: ModuleRefusalCode, offset?: number): void {
  const result = check(bytes)
  if (result.ok) return void t.fail(`${code} expected, but the module is admitted`)
  t.equal(result.code, code, result.detail)
  if (offset !== undefined) t.equal(result.offset, offset, `${code} at its offset`)
  t.match(result.detail, /^.{10,}\.$/, 'a sentence')
  t.notOk(WebAssembly.validate(bytes), `the engine agrees on ${code}`)
}

const binary = (...bytes: number[]): Uint8Array => Uint8Array.from([...preamble, ...bytes])

t.test('malformed', async (t) => {
  refuses(t, Uint8Array.from([1, 2, 3]), 'NOT_WASM', 0)
  refuses(t, Uint8Array.from([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]), 'VERSION_UNSUPPORTED', 4)
  refuses(t, binary(1, 5, 0), 'UNEXPECTED_END', 10)
  refuses(t, binary(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0), 'INTEGER_MALFORMED')
  refuses(t, binary(0, 2, 1, 0xff), 'NAME_MALFORMED')
  refuses(t, binary(1, 2, 1, 0x61), 'TYPE_MALFORMED', 11)
  refuses(t, binary(1, 4, 1, 0x60, 1, 0x7f), 'UNEXPECTED_END')
  refuses(t, binary(1, 5, 1, 0x60, 1, 0x11, 0), 'TYPE_MALFORMED', 13)
  refuses(t, binary(20, 1, 0), 'SECTION_UNKNOWN', 8)
  refuses(t, binary(3, 1, 0, 1, 1, 0), 'SECTION_ORDER', 11)
  refuses(t, binary(1, 1, 0, 1, 1, 0), 'SECTION_ORDER', 11)
  refuses(t, binary(1, 2, 0, 0), 'SECTION_LENGTH', 11)
  refuses(t, binary(1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0), 'COUNT_MISMATCH')
  refuses(t, binary(12, 1, 1), 'COUNT_MISMATCH')
  refuses(t, binary(5, 3, 1, 8, 0), 'FLAGS_MALFORMED', 11)
  refuses(t, binary(2, 4, 1, 0, 0, 9), 'FLAGS_MALFORMED')
  const withBody = (...body: number[]): Uint8Array =>
    binary(1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, body.length + 2, 1, body.length, ...body)
  refuses(t, withBody(0, 0xff, 0x0b), 'OPCODE_UNKNOWN', 23)
  refuses(t, withBody(2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 2, 0x7f, 0x0b), 'LOCALS_MALFORMED')
  refuses(t, withBody(0, 0x0b, 0x0b), 'BODY_LENGTH', 24)
  refuses(t, withBody(0, 0x01), 'UNEXPECTED_END')
  refuses(t, withBody(1, 0xd1, 0x86, 0x03, 0x7f, 0x0b), 'LIMIT_LOCALS')
})

const invalid: readonly (readonly [ModuleRefusalCode, string])[] = [
  ['TYPE_MISMATCH', '(func (result i32) (i64.const 0))'],
  ['TYPE_MISMATCH', '(func i32.add drop)'],
  ['TYPE_MISMATCH', '(func (i32.const 1) (if (then) (else (i32.const 1))))'],
  ['TYPE_MISMATCH', '(func (result i32) (if (result i32) (i32.const 1) (then (i32.const 1))))'],
  ['TYPE_MISMATCH', '(func (i32.const 1))'],
  ['TYPE_MISMATCH', '(func (drop (select (i32.const 0) (i64.const 0) (i32.const 0))))'],
  ['TYPE_MISMATCH', '(global i32 (i64.const 0))'],
  ['TYPE_MISMATCH', '(func (block (result i32) (br_table 0 1 (i32.const 1) (i32.const 0))) drop)'],
  ['UNKNOWN_TYPE', '(func (type 7))'],
  ['UNKNOWN_FUNCTION', '(func (call 7))'],
  ['UNKNOWN_FUNCTION', '(export "f" (func 7))'],
  ['UNKNOWN_FUNCTION', '(start 7)'],
  ['UNKNOWN_TABLE', '(func (call_indirect (i32.const 0)))'],
  ['UNKNOWN_TABLE', '(elem (i32.const 0) 0) (func)'],
  ['UNKNOWN_MEMORY', '(func (drop (i32.load (i32.const 0))))'],
  ['UNKNOWN_MEMORY', '(data (i32.const 0) "a")'],
  ['UNKNOWN_GLOBAL', '(func (drop (global.get 0)))'],
  ['UNKNOWN_GLOBAL', '(global i32 (i32.const 0)) (global i32 (global.get 0))'],
  ['UNKNOWN_LOCAL', '(func (local i32) (drop (local.get 1)))'],
  ['UNKNOWN_LABEL', '(func (br 1))'],
  [
    'UNKNOWN_SEGMENT',
    '(memory 1) (data "a") (func (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 0)))',
  ],
  ['ALIGNMENT_TOO_LARGE', '(memory 1) (func (drop (i32.load align=8 (i32.const 0))))'],
  ['GLOBAL_IMMUTABLE', '(global i32 (i32.const 0)) (func (global.set 0 (i32.const 1)))'],
  ['CONSTANT_EXPRESSION', '(import "a" "b" (global (mut i32))) (global i32 (global.get 0))'],
  ['CONSTANT_EXPRESSION', '(global i32 (i32.eqz (i32.const 0)))'],
  ['DUPLICATE_EXPORT', '(func) (export "f" (func 0)) (export "f" (func 0))'],
  ['LIMITS_INVALID', '(memory 2 1)'],
  ['LIMITS_INVALID', '(memory 65537)'],
  ['START_SIGNATURE', '(func (param i32)) (start 0)'],
  ['UNDECLARED_REFERENCE', '(func (drop (ref.func 0)))'],
  ['MULTIPLE_MEMORIES', '(memory 1) (memory 1)'],
]

t.test('invalid', async (t) => {
  for (const [code, fields] of invalid) {
    await t.test(`${code}: ${fields}`, async (t) => refuses(t, assemble(`(module ${fields})`), code))
  }
})

t.test('a data segment used without a data count', async (t) => {
  const bytes = binary(
    ...[1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1],
    ...[10, 14, 1, 12, 0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0, 0x0b, 11, 4, 1, 1, 1, 0x61],
  )
  refuses(t, bytes, 'DATA_COUNT_MISSING')
})

t.test('proposals are named', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['(func (return_call 0))', /tail calls/],
    ['(memory 1) (func (drop (i32.atomic.load (i32.const 0))))', /threads/],
    ['(func (drop (i32x4.splat (i32.const 0))))', /SIMD/],
    ['(func (param v128))', /SIMD/],
  ]
  for (const [fields, family] of cases) {
    const result = check(assemble(`(module ${fields})`))
    if (result.ok) return void t.fail('refusal expected')
    t.match(result.code, /FORBIDDEN/)
    t.match(result.detail, family)
  }
  t.end()
})
