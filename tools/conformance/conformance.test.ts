// The runner: our own core set always, the official scripts where they lie beside the repository, and proof
// that a wrong result is found.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createAssembler } from './assembler.js'
import { codeOfMessage } from './trap-kinds.js'
import { parseWast } from './wast-forms.js'
import { runWast, type WastReport } from './wast-runner.js'
import { parseValue } from './wast-values.js'

const assembler = await createAssembler()
const official = '../shared/data/wasm-spec/core'

function run(text: string): WastReport {
  return runWast(Buffer.from(text), assembler)
}

t.test('our core set passes', async (t) => {
  const report = runWast(readFileSync('tools/conformance/vectors/core.wast'), assembler)
  t.same(report.failures, [])
  t.equal(report.modules, 4)
  t.equal(report.passed, report.assertions - 1)
  t.same([...report.skipped.values()], [1], 'one malformed text')
})

t.test('wrong scripts fail', async (t) => {
  const module = `(module (func (export "f") (param f32) (result f32) (f32.sqrt (local.get 0)))
    (func (export "g") (result i32) (i32.const 1)) (func (export "z") (drop (i32.div_s (i32.const 1) (i32.const 0)))) (func $h (export "h") (call $h)))`
  const wrong = [
    '(assert_return (invoke "g") (i32.const 2))',
    '(assert_return (invoke "g"))',
    '(assert_return (invoke "f" (f32.const 4)) (f32.const -2))',
    '(assert_return (invoke "f" (f32.const -1)) (f32.const -nan))',
    '(assert_return (invoke "f" (f32.const 4)) (f32.const nan:canonical))',
    '(assert_trap (invoke "g") "unreachable")',
    '(assert_exhaustion (invoke "g") "call stack exhausted")',
    '(assert_trap (invoke "z") "integer overflow")',
    '(assert_trap (invoke "z") "unreachable")',
    '(assert_trap (invoke "z") "out of bounds memory access")',
    '(assert_trap (invoke "z") "words that no script has")',
    '(assert_trap (invoke "h") "integer divide by zero")',
    '(assert_exhaustion (invoke "z") "call stack exhausted")',
    '(assert_return (invoke "h"))',
    '(assert_trap (invoke "h") "unreachable")',
    '(assert_invalid (module (func)) "type mismatch")',
    '(assert_unlinkable (module (func)) "unknown import")',
    '(module (func (result i32)))',
  ]
  for (const command of wrong) t.equal(run(`${module} ${command}`).failures.length, 1, command)
})

t.test('the runtime has a code for every trap that a script may name', async (t) => {
  const trap = (body: string, message: string): void => {
    const module = `(module (memory 1) (table 2 funcref) (func $i (param i32)) (elem (i32.const 0) $i)
      (func (export "f") ${body}))`
    const report = run(`${module} (assert_trap (invoke "f") "${message}")`)
    t.same([report.passed, report.failures], [1, []], message)
  }
  trap('unreachable', 'unreachable')
  trap('(drop (i64.rem_u (i64.const 1) (i64.const 0)))', 'integer divide by zero')
  trap('(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))', 'integer overflow')
  trap('(drop (i32.trunc_f64_s (f64.const nan)))', 'invalid conversion to integer')
  trap('(drop (i32.load (i32.const 65533)))', 'out of bounds memory access')
  trap('(memory.fill (i32.const 65535) (i32.const 0) (i32.const 2))', 'out of bounds memory access')
  trap('(call_indirect (i32.const 0))', 'indirect call type mismatch')
  trap('(call_indirect (i32.const 1))', 'uninitialized element 1')
  trap('(call_indirect (i32.const 9))', 'undefined element')
  trap('(drop (table.get 0 (i32.const 9)))', 'out of bounds table access')
  t.equal(codeOfMessage('call stack exhausted'), 'STACK_EXHAUSTED')
  t.equal(codeOfMessage('integer overflow'), 'TRAPPED')
})

t.test('a refused feature is skipped by name', async (t) => {
  const report = run(
    '(module (func (export "f") (drop (i32x4.splat (i32.const 0))))) (assert_return (invoke "f"))',
  )
  t.same([...report.skipped.keys()], ['refused feature: SIMD (module)', 'refused feature: SIMD'])
})

t.test('modules of later proposals are skipped by the name of their feature', async (t) => {
  const modules = {
    memory64: '(memory i64 1)',
    'multi-memory': '(memory 1) (memory 1)',
    'threads and atomics': '(memory 1 2 shared)',
    'exception handling': '(tag (param i32))',
    'tail calls': '(func $f (return_call $f))',
    'garbage collection': '(type (struct (field i32)))',
    'typed function references': '(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))',
    'relaxed SIMD': '(func (param v128) (drop (f32x4.relaxed_min (local.get 0) (local.get 0))))',
    'extended constant expressions':
      '(import "a" "g" (global $g i32)) (memory 1) (global (mut i32) (i32.add (global.get $g) (i32.const 1)))',
    'wide arithmetic': '(func (drop (i64.mul_wide_s (i64.const 0) (i64.const 0))))',
  }
  for (const [feature, fields] of Object.entries(modules)) {
    const report = run(`(module ${fields}) (assert_return (invoke "f"))`)
    t.same(
      [...report.skipped.keys()],
      [`refused feature: ${feature} (module)`, `refused feature: ${feature}`],
    )
    t.same(report.failures, [], feature)
  }
  for (const fields of [
    '(global $g i32 (i32.const 1)) (global i32 (global.get $g))',
    '(memory 1) (data (i32.sub (i32.const 2) (i32.const 1)) "a")',
    '(memory 1) (data (offset (i32.mul (i32.const 2) (i32.const 1))) "a")',
    '(table 3 funcref) (func $f) (elem (table 0) (offset i32.const 1 i32.const 1 i32.add) $f)',
  ]) {
    const report = run(`(module ${fields})`)
    t.same([...report.skipped.keys()], ['refused feature: extended constant expressions (module)'], fields)
  }
  const add = '(module (global i32 (i32.const 1)) (func (drop (i32.add (i32.const 1) (i32.const 1)))))'
  t.same([run(add).skipped.size, run(add).failures], [0, []], 'sums in a body are no such feature')
  const plain = run('(module (func (export "return_call") (result i32) (no.such)))')
  t.same(
    [...plain.skipped.keys()],
    ['text not understood by the assembler (module)'],
    'no feature, no excuse',
  )
})

t.test('faults of texts reach our reader as binaries', async (t) => {
  const faults = [
    ['(func (export \\"\\\\ff\\\\fe\\"))', 'malformed UTF-8 encoding'],
    ['(func) (import \\"\\" \\"\\" (func))', 'import after function'],
    ['(module (func $a) (func $b) (start $a) (start $b))', 'multiple start sections'],
    ['(memory 0 0x1_0000_0000)', 'i32 constant out of range'],
    ['(func (i64.const -0x8000000000000001) drop)', 'constant out of range'],
  ]
  for (const [text, fault] of faults) {
    const report = run(`(assert_malformed (module quote "${text}") "${fault}")`)
    t.same([report.passed, report.failures], [1, []], fault)
  }
  const sound = run(
    '(assert_malformed (module quote "(func (i32.const 7) drop) (bad)") "constant out of range")',
  )
  t.match(sound.failures[0]?.detail, /admits a binary with the fault/, 'a fault that is none is found out')
})

t.test('constants are rounded exactly', async (t) => {
  const value = (text: string): unknown => parseValue(parseWast(Buffer.from(`(${text})`))[0])
  const single = new DataView(new ArrayBuffer(8))
  for (const text of [
    '0.1',
    '1e38',
    '3.5e-45',
    '16777217',
    '1.17549435e-38',
    '7e-46',
    '0.00001_5',
    '123_456.75e2',
  ]) {
    single.setFloat32(0, Number(text.replaceAll('_', '')))
    t.same(value(`f32.const ${text}`), { type: 'f32', bits: single.getInt32(0) }, text)
    single.setFloat64(0, Number(text.replaceAll('_', '')))
    t.same(value(`f64.const ${text}`), { type: 'f64', bits: single.getBigInt64(0) }, text)
  }
  t.same(value('f32.const 0x1.000001p+0'), { type: 'f32', bits: 0x3f800000 }, 'a tie goes to even')
  t.same(value('f32.const 0x1.000003p+0'), { type: 'f32', bits: 0x3f800002 }, 'a tie goes to even')
  t.same(value('f32.const 0x1.ffffffp+127'), { type: 'f32', bits: 0x7f800000 }, 'beyond the largest')
  t.same(value('f32.const -0x1p-150'), { type: 'f32', bits: -0x80000000 }, 'half of the smallest')
})

t.test(
  'the official scripts',
  { skip: existsSync(official) ? false : `${official} is absent` },
  async (t) => {
    let passed = 0
    for (const name of readdirSync(official).filter((name) => name.endsWith('.wast'))) {
      const report = runWast(readFileSync(join(official, name)), assembler)
      t.same(report.failures, [], name)
      for (const reason of report.skipped.keys()) {
        t.match(reason, /^refused feature: text format .*: /, name)
        t.notMatch(reason, /refuses the text$/, `${name}: the fault has a name`)
      }
      passed += report.passed
    }
    t.ok(passed >= 26_250, `${passed} assertions passed`)
  },
)
