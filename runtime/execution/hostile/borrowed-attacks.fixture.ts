// Attacks that others were hit by: the hostile tests of Soroban by their names, and what the audit of the
// table of attacks found missing in the corpus.
import { dataAt, returnI32 } from '../probe.fixture.js'
import { attack, callTo, endless, names, times, top, zero } from './attack-builders.fixture.js'
import {
  many,
  refused,
  refusedBytes,
  type HostileCall,
  type RefusedModule,
} from './hostile-case.fixture.js'
import { moduleOf } from './static-attacks.fixture.js'

const lengthOf = (index: string): string => `(import "wardchain_v1" "${index}" (func (result i32)))`

export const borrowedAttacks: readonly RefusedModule[] = [
  refused(1, 'table.size', 'OPCODE_FORBIDDEN', '(table 1 1 funcref) (func (drop (table.size 0)))'),
  refused(
    1,
    'table.set',
    'OPCODE_FORBIDDEN',
    '(table 1 1 funcref) (func (table.set 0 (i32.const 0) (ref.null func)))',
  ),
  refused(2, 'a second memory', 'MULTIPLE_MEMORIES', '(memory 1)'),
  refused(
    4,
    '101 functions of 100 locals',
    'LIMIT_LOCALS_TOTAL',
    many(101, `(func (local ${many(100, 'i32 ')}))`),
  ),
  refused(
    9,
    'elements beyond the table',
    'SEGMENT_OUT_OF_BOUNDS',
    '(table 1 1 funcref) (elem (i32.const 1) 0) (func)',
  ),
  refused(11, 'a table that may grow to 1,001 entries', 'LIMIT_TABLE_ENTRIES', '(table 1 1001 funcref)'),
  refused(
    11,
    '201 exports',
    'LIMIT_EXPORTS',
    `(func $f) ${Array.from({ length: 200 }, (_, index) => `(export "f${index}" (func $f))`).join(' ')}`,
  ),
  refusedBytes(11, '65 KiB of custom sections to keep', 'LIMIT_CUSTOM_BYTES', () =>
    moduleOf([
      [5, [1, 0, 1]],
      [7, [1, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0]],
      [0, [9, ...Buffer.from('wardchain'), ...new Uint8Array(65 * 1024)]],
    ]),
  ),
  refused(14, 'exports a function that is not there', 'UNKNOWN_FUNCTION', '(export "go" (func 7))'),
  refused(
    14,
    'exports one name twice',
    'DUPLICATE_EXPORT',
    '(func $f) (export "go" (func $f)) (export "go" (func $f))',
  ),
  refused(
    14,
    'exports the name under which we reset a global',
    'EXPORT_RESERVED',
    '(func (export "__g0"))',
  ),
  refused(15, 'imports a host function twice', 'IMPORT_DUPLICATE', many(2, lengthOf('input_len'))),
  refused(
    20,
    'a float as result of an entry point',
    'FLOAT_AT_BOUNDARY',
    '(func (export "go") (result f32) (f32.const 0))',
  ),
  refused(20, "the host's sine", 'IMPORT_UNKNOWN', '(import "Math" "sin" (func (param f64) (result f64)))'),
  refused(
    21,
    'randomness of WASI',
    'IMPORT_UNKNOWN',
    '(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))',
  ),
  refused(24, 'takes from an empty stack', 'TYPE_MISMATCH', '(func i32.add drop)'),
  refused(24, 'leaves a value on the stack', 'TYPE_MISMATCH', '(func (i32.const 1))'),
  refused(24, 'a reference of the host', 'TYPE_FORBIDDEN', '(func (param externref))'),
  refused(24, 'a table of references of the host', 'TYPE_FORBIDDEN', '(table 1 1 externref)'),
  refused(24, 'a constant that computes', 'CONSTANT_EXPRESSION', '(global i32 (i32.eqz (i32.const 0)))'),
  refused(24, 'a constant of another type', 'TYPE_MISMATCH', '(global i32 (i64.const 0))'),
  refused(
    24,
    'a constant of a later global',
    'UNKNOWN_GLOBAL',
    '(global i32 (global.get 1)) (global i32 (i32.const 0))',
  ),
  refused(26, 'an imported memory', 'IMPORT_KIND', '(import "env" "memory" (memory 1))', ''),
]

/** Recursion that takes some 300 KiB of metered stack and comes back: alone it fits. */
const deep = `(func $deep (param $n i32) (local ${many(90, 'i64 ')})
  (if (local.get $n) (then (call $deep (i32.sub (local.get $n) (i32.const 1))))) (local.set 1 (i64.const 1)))`
const deepLeaf = 'hostile/deep-leaf'

const stack: readonly HostileCall[] = [
  attack(3, '300 KiB of stack', 'OK', '(call $deep (i32.const 360))', deep),
  {
    kind: 'call',
    attack: 3,
    name: '300 KiB of stack in each of two frames',
    code: 'STACK_EXHAUSTED',
    contracts: {
      'hostile/deep-caller': {
        body: `(func $deep (param $n i32) (local ${many(90, 'i64 ')})
            (if (local.get $n)
              (then (call $deep (i32.sub (local.get $n) (i32.const 1))))
              (else (drop ${callTo(deepLeaf, 'go', '0', 0)})))
            (local.set 1 (i64.const 1)))
          (func (export "go") (call $deep (i32.const 360))) ${names(deepLeaf)}`,
        manifest: { calls: [deepLeaf] },
      },
      [deepLeaf]: { body: `${deep} (func (export "go") (call $deep (i32.const 360)))` },
    },
  },
]

const sizes: readonly HostileCall[] = [
  attack(
    1,
    'memory.init of 2^32-1 bytes',
    'OUT_OF_FUEL',
    `(memory.init 0 ${zero} ${zero} ${top})`,
    dataAt(0, 'abc'),
  ),
  attack(
    9,
    '60,000 bytes of data, paid in each frame',
    'OK',
    returnI32('(i32.load8_u (i32.const 59999))'),
    dataAt(0, many(60_000, 'z')),
    { returned: '7a000000' },
  ),
  attack(
    11,
    '190 exports, each an object of the engine',
    'OK',
    '',
    `(func $f) ${Array.from({ length: 190 }, (_, index) => `(export "f${index}" (func $f))`).join(' ')}`,
  ),
  attack(
    14,
    'writes each of its own globals, the first and the last',
    'OUT_OF_FUEL',
    endless('(global.set $first (i64.const -1)) (global.set $last (i64.const -1))'),
    `(global $first (mut i64) (i64.const 0)) ${many(200, '(global (mut i64) (i64.const 1))')} (global $last (mut i64) (i64.const 0))`,
  ),
]

/** 32 bytes that name nothing: nobody gets at what belongs to others by guessing. */
const forged = dataAt(64, many(32, '\\5a'))
const forgery: readonly HostileCall[] = [
  attack(
    16,
    'cancels a timer by a forged id',
    'OK',
    returnI32('(call $timer_cancel (i32.const 64))'),
    forged,
    {
      returned: '00000000',
    },
  ),
  attack(
    16,
    'reads a record by a forged id',
    'OK',
    returnI32('(call $record_get (i32.const 64))'),
    forged,
    {
      returned: 'ffffffff',
      manifest: { reads: [{ kind: 2, codes: [] }] },
    },
  ),
  attack(16, 'calls a forged address', 'OK', returnI32(callTo('5a'.repeat(32))), names('5a'.repeat(32)), {
    returned: '97ffffff',
  }),
]

/** Four rows {order u64, sequence u32, value}, the orders from the least to the greatest. */
const inOrder =
  '04000000' +
  ['01', '03', '05', '07']
    .map((order) => `${order}00000000000000` + '00000000' + '01000000' + order)
    .join('')

const chattyLeaf = 'hostile/chatty-leaf'
const effects: readonly HostileCall[] = [
  {
    kind: 'call',
    attack: 18,
    name: '64 frames beside each other, and one more',
    code: 'FRAMES_EXCEEDED',
    fuelLimit: 20_000_000,
    contracts: {
      'hostile/fan-out': {
        body: `(func (export "go") ${endless(`(drop ${callTo('hostile/leaf', 'go', '0', 0)})`)}) ${names('hostile/leaf')}`,
        manifest: { calls: ['hostile/leaf'] },
      },
    },
  },
  attack(
    21,
    'rows written in any order are found in one',
    'OK',
    `(call $put (i64.const 7)) (call $put (i64.const 3)) (call $put (i64.const 5)) (call $put (i64.const 1))
     (drop (call $state_scan ${zero} ${zero} ${zero} (i64.const 0) (i64.const -1) (i32.const 4)))
     (call $result_read (i32.const 1024)) (call $return_set (i32.const 1024) (call $result_len))
     (call $drop (i64.const 1)) (call $drop (i64.const 3)) (call $drop (i64.const 5)) (call $drop (i64.const 7))`,
    `(func $drop (param $order i64) (drop (call $ordered_remove ${zero} ${zero} ${zero} (local.get $order) ${zero})))
     (func $put (param $order i64) (i64.store (i32.const 512) (local.get $order))
       (call $ordered_put ${zero} ${zero} ${zero} (local.get $order) (i32.const 512) (i32.const 1)))`,
    { returned: inOrder },
  ),
  {
    kind: 'call',
    attack: 23,
    name: 'logs, explains and aborts in frames below, again and again',
    code: 'OK',
    fuelLimit: 50_000_000,
    handles: true,
    contracts: {
      'hostile/chatty': {
        body: `(func (export "go") ${times(
          40,
          `(drop ${callTo(chattyLeaf)}) (call $log_write ${zero} (i32.const 100))`,
        )}) ${names(chattyLeaf)}`,
        manifest: { calls: [chattyLeaf] },
      },
      [chattyLeaf]: {
        body: `(func (export "go") ${times(10, `(call $log_write ${zero} (i32.const 1024)) (call $explain ${zero} (i32.const 1024))`)}
          (call $abort (i32.const 9) ${zero} (i32.const 1024) (i32.const 1)))`,
      },
    },
  },
  attack(
    25,
    'a record with a tag that is none',
    'ARGUMENT_INVALID',
    '(i32.store8 (i32.const 0) (i32.const 2)) (i32.store8 (i32.const 29) (i32.const 7)) (call $record_emit (i32.const 0) (i32.const 34))',
    '',
    { manifest: { emits: [{ kind: 2, codes: [] }] } },
  ),
]

export const borrowedCalls: readonly HostileCall[] = [...stack, ...sizes, ...forgery, ...effects]
