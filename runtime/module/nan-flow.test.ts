// Canonical NaN: wherever bits can be seen, a NaN of arithmetic is the positive canonical one; and where
// they cannot, nothing is inserted.

import t from 'tap'
import { assemble, instantiate, load, meter, runMetered } from './wat.fixture.js'

const SLICE = 1_000_000
const NEGATIVE_NAN = '(f64.const -nan:0x8000000001111)'
const CANONICAL = 0x7ff8000000000000n

function points(body: string): number {
  const { facts } = load(
    assemble(`(module (memory 1) (global $g (mut f64) (f64.const 0))
    (func $callee (param f64)) (func (export "f") (param f64 f64) (result i32) (local f64) ${body}))`),
  )
  return facts[1].nanPoints.length
}

t.test('bits that can be seen are canonical', async (t) => {
  const shown = (expression: string, locals = ''): bigint => {
    const bytes = assemble(`(module (memory 1) (global $g (mut f64) (f64.const 0))
      (func $same (param f64) (result f64) (local.get 0))
      (func (export "f") (result i64) (local f64 f64) ${locals} (i64.reinterpret_f64 ${expression})))`)
    return BigInt.asUintN(64, runMetered(instantiate(meter(bytes)), 'f', [], SLICE).value as bigint)
  }
  const nan = `(f64.add ${NEGATIVE_NAN} (f64.const 1))`
  t.equal(shown(nan), CANONICAL)
  t.equal(shown(`(f64.mul ${nan} (f64.const 2))`), CANONICAL)
  t.equal(shown(`(f64.neg ${nan})`), CANONICAL | (1n << 63n), 'a sign that was set is kept')
  t.equal(shown(`(f64.abs ${nan})`), CANONICAL)
  t.equal(shown(`(f64.copysign ${nan} (f64.const -1))`), CANONICAL | (1n << 63n))
  t.equal(
    shown(`(f64.copysign (f64.const 1) ${nan})`),
    0x3ff0000000000000n,
    'the sign of a NaN is positive',
  )
  t.equal(shown(`(call $same ${nan})`), CANONICAL)
  t.equal(shown(`(block (result f64) (br 0 ${nan}))`), CANONICAL)
  t.equal(shown(`(if (result f64) (i32.const 1) (then ${nan}) (else (f64.const 1)))`), CANONICAL)
  t.equal(shown(`(select ${nan} (f64.const 1) (i32.const 1))`), CANONICAL)
  t.equal(shown('(local.get 0)', `(local.set 0 ${nan})`), CANONICAL)
  t.equal(shown('(local.get 1)', `(local.set 0 ${nan}) (local.set 1 (local.get 0))`), CANONICAL)
  t.equal(shown(`(local.tee 0 ${nan})`), CANONICAL)
  t.equal(shown('(global.get $g)', `(global.set $g ${nan})`), CANONICAL)
  t.equal(shown('(f64.load (i32.const 0))', `(f64.store (i32.const 0) ${nan})`), CANONICAL)
  t.equal(shown(`(f64.promote_f32 (f32.demote_f64 ${NEGATIVE_NAN}))`), CANONICAL)
  const min = `(f64.min ${NEGATIVE_NAN} (f64.const 1))`
  t.equal(shown(min), CANONICAL)
  t.equal(shown(NEGATIVE_NAN), 0xfff8000000001111n, 'a constant is no arithmetic')
  t.equal(shown('(local.get 0)', `(local.set 0 ${NEGATIVE_NAN})`), 0xfff8000000001111n)
})

t.test('nothing is inserted where bits cannot be seen', async (t) => {
  t.equal(points('(f64.lt (f64.add (local.get 0) (local.get 1)) (f64.const 1))'), 0)
  t.equal(points('(i32.trunc_sat_f64_s (f64.mul (local.get 0) (f64.sqrt (local.get 1))))'), 0)
  t.equal(points('(drop (f64.add (local.get 0) (local.get 1))) (i32.const 1)'), 0)
  t.equal(
    points('(local.set 2 (f64.add (local.get 0) (local.get 1))) (f64.lt (local.get 2) (local.get 0))'),
    0,
  )
  t.equal(points('(f64.store (i32.const 0) (f64.load (i32.const 8))) (i32.const 1)'), 0)
})

t.test('once where they can', async (t) => {
  const sum = '(f64.add (local.get 0) (f64.mul (local.get 1) (local.get 0)))'
  t.equal(points(`(f64.store (i32.const 0) ${sum}) (i32.const 1)`), 1)
  t.equal(points(`(call $callee ${sum}) (i32.const 1)`), 1)
  // A sum in a loop is made canonical where it is read at last, not in every round.
  const loop = `(loop (local.set 2 (f64.add (local.get 2) (local.get 0))) (br_if 0 (f64.lt (local.get 2) (local.get 1))))
    (f64.store (i32.const 0) (local.get 2)) (i32.const 1)`
  const { facts, module } = load(
    assemble(`(module (memory 1) (func (param f64 f64) (result i32) (local f64) ${loop}))`),
  )
  t.equal(facts[0].nanPoints.length, 1)
  t.ok(facts[0].nanPoints[0].at > module.bodies[0].codeStart + 18, 'behind the loop')
})
