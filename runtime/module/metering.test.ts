// What the meters do: fuel by hand-counted blocks, stack height in bytes, growth, lengths, traps told
// apart.

import t from 'tap'
import { FAULT_EXPORT, FUEL_MAX, fuelScheduleV1, instrument, STACK_BYTES_MAX } from './index.js'
import { FRAME_BYTES_FIXED } from './rewrite-function.js'
import { assemble, instantiate, load, meter, runMetered, type Exports } from './wat.fixture.js'

const SLICE = 1_000_000

function compile(fields: string, imports: Record<string, Record<string, unknown>> = {}): Exports {
  return instantiate(meter(assemble(`(module ${fields})`)), imports)
}

t.test('a straight line costs the sum of its instructions', async (t) => {
  const exports = compile(
    '(func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))',
  )
  t.same(runMetered(exports, 'f', [4], 3), {
    kind: 'values',
    value: 5,
    fuelUsed: 3,
    stackLeft: STACK_BYTES_MAX,
  })
  t.equal(runMetered(exports, 'f', [4], 2).kind, 'fuel')
  t.equal(runMetered(exports, 'f', [4], 2).fuelUsed, 2, 'an exhausted slice is used up')
  t.equal(runMetered(exports, 'f', [4], 0).fuelUsed, 0)
})

t.test('a block that traps midway is charged whole, and no other', async (t) => {
  const exports = compile(`(memory 1)
    (func (export "f") (param i32) (result i32)
      (if (result i32) (i32.load (local.get 0))
        (then (i32.const 1)) (else (i32.add (i32.const 2) (i32.const 3)))))`)
  // local.get 1, load 2, if 2; then 1; else 3.
  t.equal(runMetered(exports, 'f', [-1], SLICE).kind, 'trap')
  t.equal(runMetered(exports, 'f', [-1], SLICE).fuelUsed, 5)
  t.equal(runMetered(exports, 'f', [0], SLICE).fuelUsed, 8)
  t.equal(runMetered(exports, 'f', [-1], 4).kind, 'fuel', 'fuel is missing before the load can trap')
})

t.test('what is charged in a local is settled before anything can see it', async (t) => {
  const seen: bigint[] = []
  const exports: Exports = compile(
    `(import "h" "see" (func $see))
     (func (export "f") (param i32) (if (local.get 0) (then (local.set 0 (i32.const 1)))) (call $see)
       (if (local.get 0) (then (local.set 0 (i32.const 1)) (local.set 0 (i32.const 1)))))`,
    { h: { see: () => seen.push((exports['__fuel'] as WebAssembly.Global<bigint>).value) } },
  )
  // Entry 1 + 2, first arm 2, call 4, then 1 + 2, second arm 4.
  t.equal(runMetered(exports, 'f', [1], 100).fuelUsed, 16)
  t.equal(runMetered(exports, 'f', [0], 100).fuelUsed, 10)
  t.same(seen, [91n, 93n], 'the host sees an exact counter')
})

t.test('an endless loop without a trap in it ends with its fuel', async (t) => {
  const exports = compile('(func (export "f") (loop (br 0)))')
  const outcome = runMetered(exports, 'f', [], SLICE)
  t.equal(outcome.kind, 'fuel')
  t.equal(outcome.fuelUsed, SLICE)
})

t.test('recursion ends at the stack meter, in bytes', async (t) => {
  const exports = compile(`(global $depth (export "depth") (mut i32) (i32.const 0))
    (func $f (export "f") (param i64) (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
      (call $f (local.get 0)))`)
  // Parameter 8 bytes, operands at most 8.
  const frame = FRAME_BYTES_FIXED + 16
  const outcome = runMetered(exports, 'f', [1n], SLICE, 10 * frame)
  t.equal(outcome.kind, 'stack')
  t.equal((exports['depth'] as WebAssembly.Global<number>).value, 10)
  t.equal(outcome.stackLeft, -frame)
  t.equal(outcome.fuelUsed, 10 * 9, 'the frame that did not fit has entered no block')
})

t.test('every way out of a function gives its frame back', async (t) => {
  const exports = compile(`(func $nothing (local ${'i64 '.repeat(70)}))
    (func $exits (param i32) (result i32) (call $nothing)
      (if (i32.eq (local.get 0) (i32.const 1)) (then (return (i32.const 1))))
      (drop (br_if 0 (i32.const 2) (i32.eq (local.get 0) (i32.const 2))))
      (block (result i32) (br_table 0 1 (i32.const 3) (i32.eq (local.get 0) (i32.const 3)))) drop
      (i32.const 4))
    (func $pair (param i32) (result i32 i64)
      (br_if 0 (call $exits (local.get 0)) (i64.const 7) (local.get 0)))
    (func (export "f") (param i32) (result i32) (call $pair (local.get 0)) drop)`)
  for (const [value, expected] of [
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
  ] as const) {
    const outcome = runMetered(exports, 'f', [value], SLICE)
    t.equal(outcome.value, expected)
    t.equal(outcome.stackLeft, STACK_BYTES_MAX)
  }
})

t.test('a small leaf is not metered for stack, a large one is', async (t) => {
  const exports = compile(`(func (export "small") (param i64))
    (func (export "large") (local ${'i64 '.repeat(60)}))`)
  t.equal(runMetered(exports, 'small', [1n], SLICE, 0).kind, 'values')
  t.equal(runMetered(exports, 'large', [], SLICE, 0).kind, 'stack')
})

t.test('bulk operations pay for their length first', async (t) => {
  const exports = compile(`(memory 1) (func (export "fill") (param i32)
    (memory.fill (i32.const 0) (i32.const 7) (local.get 0)))
    (func (export "copy") (param i32) (memory.copy (i32.const 0) (i32.const 8) (local.get 0)))`)
  const base = 3 + fuelScheduleV1.bulk
  for (const name of ['fill', 'copy']) {
    t.equal(runMetered(exports, name, [0], SLICE).fuelUsed, base)
    t.equal(runMetered(exports, name, [1], SLICE).fuelUsed, base + 1)
    t.equal(runMetered(exports, name, [8], SLICE).fuelUsed, base + 1)
    t.equal(runMetered(exports, name, [9], SLICE).fuelUsed, base + 2)
    const beyond = runMetered(exports, name, [-1], 2 ** 40)
    t.equal(beyond.kind, 'trap', 'out of bounds')
    t.equal(beyond.fuelUsed, base + 2 ** 29, 'and paid for, as unsigned')
    t.equal(runMetered(exports, name, [-1], SLICE).kind, 'fuel')
  }
})

t.test('growth pays by page, -1 beyond the maximum pays the base', async (t) => {
  const exports = compile(
    '(memory 1 3) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))',
  )
  const base = 1 + fuelScheduleV1.memoryGrow
  const grow = (pages: number): unknown[] => {
    const { value, fuelUsed } = runMetered(exports, 'grow', [pages], SLICE)
    return [value, fuelUsed]
  }
  t.same(grow(3), [-1, base])
  t.same(grow(-1), [-1, base])
  t.same(grow(1), [1, base + fuelScheduleV1.memoryGrowPage])
  t.same(grow(0), [2, base])
  t.same(grow(2), [-1, base])
  t.same(grow(1), [2, base + fuelScheduleV1.memoryGrowPage])
  t.equal((exports[FAULT_EXPORT] as WebAssembly.Global<number>).value, 0)
  t.equal(runMetered(exports, 'grow', [0], base - 1).kind, 'fuel')
})

t.test('a memory without a maximum gets one', async (t) => {
  const { module, facts } = load(
    assemble(
      '(module (memory (export "memory") 1) (func (export "f") (result i32) (memory.grow (i32.const 9))))',
    ),
  )
  const bytes = instrument(module, facts, { schedule: fuelScheduleV1, memoryPagesMax: 5 })
  const exports = instantiate(bytes)
  t.equal(runMetered(exports, 'f', [], SLICE).value, -1)
  t.throws(() => (exports['memory'] as WebAssembly.Memory).grow(5), 'the engine holds the maximum too')
})

t.test('prices that depend on the instruction', async (t) => {
  const cost = (body: string, type = ''): number =>
    runMetered(
      compile(`(type $t (func (param i32))) (table 1 1 funcref) (elem (i32.const 0) 1) (memory 1)
      (func (export "f") ${type} ${body}) (func $g (param i32)) (func $h (local ${'i32 '.repeat(10)}))`),
      'f',
      [],
      SLICE,
    ).fuelUsed
  t.equal(cost(''), 0)
  t.equal(cost('nop (block nop)'), 0)
  t.equal(cost('(drop (i32.div_s (i32.const 1) (i32.const 1)))'), 2 + 4 + 1)
  t.equal(cost('(drop (f64.div (f64.const 1) (f64.const 1)))'), 2 + 4 + 1)
  t.equal(cost('(drop (f64.sqrt (f64.const 1)))'), 1 + 4 + 1)
  t.equal(cost('(i32.store (i32.const 0) (i32.const 1))'), 2 + 2)
  t.equal(cost('(br 0)'), 2)
  t.equal(cost('(return)'), 2)
  t.equal(cost('(br_if 0 (i32.const 1))'), 3)
  t.equal(cost(`(br_table ${'0 '.repeat(17)} (i32.const 1))`), 1 + 4 + 2)
  t.equal(cost('(call $g (i32.const 1))'), 1 + 4)
  t.equal(cost('(call $h)'), 4 + 2, 'two locals above eight')
  t.equal(cost('(call_indirect (type $t) (i32.const 1) (i32.const 0))'), 2 + 14 + 1)
  t.equal(
    cost('(br 0) (drop (i32.div_s (i32.const 1) (i32.const 1)))'),
    2,
    'what is never reached costs nothing',
  )
})

t.test('a host error leaves an exact counter', async (t) => {
  const exports = compile(
    '(import "h" "f" (func $f)) (func (export "g") (drop (i32.const 1)) (call $f) (drop (i32.const 1)))',
    {
      h: {
        f: () => {
          throw new WebAssembly.RuntimeError('host')
        },
      },
    },
  )
  const outcome = runMetered(exports, 'g', [], 100)
  t.equal(outcome.kind, 'trap')
  t.equal(outcome.fuelUsed, 2 + 4, 'the block with the call, and not the one behind it')
})

t.test('unreachable and a failing call pay before they end', async (t) => {
  const exports = compile(`(table 2 2 funcref) (type $t (func))
    (func (export "u") (drop (i32.const 1)) unreachable)
    (func (export "c") (call_indirect (type $t) (i32.const 1)))`)
  t.same([runMetered(exports, 'u', [], 100).kind, runMetered(exports, 'u', [], 100).fuelUsed], ['trap', 3])
  t.same([runMetered(exports, 'c', [], 100).kind, runMetered(exports, 'c', [], 100).fuelUsed], ['trap', 15])
})

t.test('the largest slice does not overflow, no charge wraps', async (t) => {
  const exports = compile(
    '(memory 1) (func (export "f") (memory.fill (i32.const 0) (i32.const 0) (i32.const -1)))',
  )
  const meterGlobal = exports['__fuel'] as WebAssembly.Global<bigint>
  for (const fuel of [FUEL_MAX, 0n, 12n, 2n ** 29n]) {
    meterGlobal.value = fuel
    ;(exports['__stack'] as WebAssembly.Global<number>).value = STACK_BYTES_MAX
    t.throws(() => (exports['f'] as () => void)())
    t.ok(meterGlobal.value < fuel && meterGlobal.value > -(2n ** 40n), `${fuel} left ${meterGlobal.value}`)
  }
})
