// Attacks of modules that may be deployed: each call must end in its code, after exactly the fuel that the
// vectors say, and leave nothing behind. Endless ones burn their whole slice.
import { dataAt, go, returnI32 } from '../probe.fixture.js'
import { methodsOf } from '../test-contracts.fixture.js'
import {
  attack,
  callTo,
  coded,
  endless,
  names,
  repeated,
  times,
  top,
  zero,
} from './attack-builders.fixture.js'
import { effectAttacks } from './effect-attacks.fixture.js'
import { many, type HostileCall } from './hostile-case.fixture.js'

const bulk: readonly HostileCall[] = [
  attack(1, 'memory.fill of 2^32-1 bytes', 'OUT_OF_FUEL', `(memory.fill ${zero} ${zero} ${top})`),
  attack(1, 'memory.copy of 2^32-1 bytes', 'OUT_OF_FUEL', `(memory.copy ${zero} ${zero} ${top})`),
  attack(1, 'memory.fill beyond the end', 'TRAPPED', `(memory.fill ${zero} ${zero} (i32.const 65537))`),
  attack(1, 'memory.copy from beyond the end', 'TRAPPED', `(memory.copy ${zero} ${top} (i32.const 2))`),
  attack(
    1,
    'copies for ever',
    'OUT_OF_FUEL',
    endless(`(memory.copy ${zero} (i32.const 1) (i32.const 65535))`),
  ),
]

const memory: readonly HostileCall[] = [
  attack(2, 'grows for ever', 'OUT_OF_FUEL', endless('(drop (memory.grow (i32.const 1)))')),
  attack(2, 'grows by nothing', 'OK', returnI32('(memory.grow (i32.const 0))'), '', {
    returned: '01000000',
  }),
  attack(2, 'grows by nothing, then traps', 'TRAPPED', '(drop (memory.grow (i32.const 0))) unreachable'),
  attack(2, 'grows by 2^32-1 pages', 'OK', returnI32(`(memory.grow ${top})`), '', { returned: 'ffffffff' }),
  attack(
    2,
    'no maximum: 64 pages and not one more',
    'OK',
    `(drop (memory.grow (i32.const 63))) ${returnI32('(memory.grow (i32.const 1))')}`,
    '',
    { returned: 'ffffffff' },
  ),
  attack(
    2,
    'touches the last byte of 64 pages',
    'TRAPPED',
    '(drop (memory.grow (i32.const 63))) (i32.store8 (i32.const 4194303) (i32.const 1)) (i32.store8 (i32.const 4194304) (i32.const 1))',
  ),
]

const wide = many(90, 'i64 ')
const recursion: readonly HostileCall[] = [
  attack(3, 'recursion', 'STACK_EXHAUSTED', '(call $deep)', '(func $deep (call $deep))'),
  attack(
    3,
    'recursion with wide frames',
    'STACK_EXHAUSTED',
    '(call $deep)',
    `(func $deep (local ${wide}) (call $deep) (local.set 0 (i64.const 1)))`,
  ),
  attack(
    3,
    'recursion through a table',
    'STACK_EXHAUSTED',
    '(call $deep (i64.const 1))',
    `(type $t (func (param i64))) (table 1 1 funcref) (elem (i32.const 0) $deep)
     (func $deep (type $t) (call_indirect (type $t) (local.get 0) ${zero}))`,
  ),
  attack(
    3,
    'recursion that computes on return',
    'STACK_EXHAUSTED',
    '(drop (call $deep (i32.const 1)))',
    '(func $deep (param i32) (result i32) (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))',
  ),
]

const compiled: readonly HostileCall[] = [
  attack(
    4,
    '100 locals, cleared at each of many entries',
    'OUT_OF_FUEL',
    endless('(call $wide)'),
    `(func $wide (local ${many(100, 'i64 ')}))`,
  ),
  attack(
    4,
    '32 parameters, passed for ever',
    'OUT_OF_FUEL',
    endless(`(call $wide ${many(32, '(i64.const 1) ')})`),
    `(func $wide (param ${many(32, 'i64 ')}))`,
  ),
  coded(
    5,
    '200 nested blocks, left at once',
    'OK',
    [],
    [...repeated(200, [0x02, 0x40]), ...[0x0c, 0xc7, 0x01], ...repeated(201, [0x0b])],
  ),
  coded(
    6,
    '99 locals in 198 nested loops',
    'OUT_OF_FUEL',
    [1, 99, 0x7f],
    [
      ...repeated(198, [0x03, 0x40]),
      ...[0x20, 98, 0x41, 1, 0x6a, 0x21, 0, 0x0c, 0],
      ...repeated(199, [0x0b]),
    ],
  ),
  attack(
    7,
    'a branch table of 1,024 entries, taken for ever',
    'OUT_OF_FUEL',
    endless(`(block (br_table ${many(1_025, '0 ')} (local.get $n)))`),
  ),
  attack(
    8,
    'a straight line of 10,000 instructions, for ever',
    'OUT_OF_FUEL',
    endless(many(5_000, '(local.set $n (i32.const 1))')),
  ),
]

const entries: readonly HostileCall[] = [
  attack(
    9,
    '512 overlapping data segments',
    'OK',
    returnI32('(i32.load8_u (i32.const 9))'),
    many(512, '(data (i32.const 9) "z")'),
    { returned: '7a000000' },
  ),
  attack(
    10,
    'an _initialize of 9 million fuel, paid in each frame',
    'OK',
    '',
    `(func (export "_initialize") ${times(1_000_000, '')})`,
    { fuelLimit: 20_000_000 },
  ),
  attack(
    11,
    '256 globals, 16 element segments and 1,000 table entries',
    'OK',
    '',
    `${many(256, '(global (mut i32) (i32.const 0))')} (table 1000 1000 funcref) (func $f) ${many(16, '(elem (i32.const 0) $f)')}`,
  ),
  attack(
    12,
    'a trap in the middle of a block',
    'TRAPPED',
    '(drop (i32.load (i32.const -4))) (drop (i32.const 1)) (drop (i32.const 2))',
  ),
  attack(12, 'unreachable', 'TRAPPED', '(drop (i32.const 1)) unreachable'),
  attack(
    12,
    'a call that traps',
    'TRAPPED',
    '(call $f) (drop (i32.const 2))',
    '(func $f (drop (i32.div_s (i32.const 1) (i32.const 0))))',
  ),
  attack(12, 'an endless loop without a call', 'OUT_OF_FUEL', endless('')),
  attack(
    12,
    'a host function that stops the frame',
    'CONTRACT_ABORTED',
    `(call $abort (i32.const 7) ${zero} ${zero} ${zero}) (drop (i32.const 2))`,
  ),
]

const fuel: readonly HostileCall[] = [
  attack(
    13,
    'a call with a slice of 2^64-1',
    'OK',
    returnI32(callTo('hostile/nobody', 'go', '-1')),
    names('hostile/nobody'),
    { returned: '97ffffff' },
  ),
  attack(
    13,
    'a call with a slice of -2^63',
    'OK',
    returnI32(callTo('hostile/nobody', 'go', '-9223372036854775808')),
    names('hostile/nobody'),
    { returned: '97ffffff' },
  ),
  attack(
    13,
    'a timer with fuel of 2^64-1',
    'METHOD_UNKNOWN',
    `(call $timer_set (i64.const 1) ${zero} (i32.const 2) ${zero} ${zero} (i64.const -1))`,
    dataAt(0, 'go'),
  ),
  attack(
    13,
    'a timer due in 2^64-1 ms',
    'ARGUMENT_INVALID',
    `(call $timer_set (i64.const -1) ${zero} (i32.const 4) ${zero} ${zero} (i64.const 0))`,
    `${dataAt(0, 'wake')} (func (export "wake"))`,
    { manifest: { methods: methodsOf({ go: 'call', wake: 'timer' }) } },
  ),
  attack(
    15,
    'a write with too little fuel for it',
    'OUT_OF_FUEL',
    `(call $state_set ${zero} ${zero} (i32.const 4) ${zero} (i32.const 4))`,
    '',
    { fuelLimit: 60_000 + 10_000 },
  ),
  attack(15, 'a host function for ever', 'OUT_OF_FUEL', endless('(drop (call $fuel_left))')),
  attack(
    15,
    'a digest of 64 KiB for ever',
    'OUT_OF_FUEL',
    endless(`(call $sha256 ${zero} (i32.const 65536))`),
  ),
]

const pointers: readonly HostileCall[] = [
  attack(16, 'a pointer and a length of 2^32-1', 'MEMORY_OUT_OF_BOUNDS', `(call $log_write ${top} ${top})`),
  attack(
    16,
    'a range that wraps around 2^32',
    'MEMORY_OUT_OF_BOUNDS',
    `(call $log_write ${top} (i32.const 2))`,
  ),
  attack(
    16,
    'a length without a byte at the end of memory',
    'OK',
    '(call $log_write (i32.const 65536) (i32.const 0))',
  ),
  attack(
    16,
    'a result read over its own input',
    'OK',
    `(call $sha256 ${zero} (i32.const 64)) (call $result_read (i32.const 16)) (call $sha256 ${zero} (i32.const 64)) (call $result_read ${zero}) (call $return_set ${zero} (i32.const 32))`,
  ),
  attack(
    16,
    'key and value that overlap',
    'OK',
    `(call $state_set ${zero} ${zero} (i32.const 8) (i32.const 4) (i32.const 8)) (drop (call $state_get ${zero} ${zero} (i32.const 8))) (call $result_read (i32.const 1)) (call $return_set (i32.const 0) (i32.const 9))`,
    dataAt(0, 'abcdefghijkl'),
    { returned: Buffer.from('aefghijkl').toString('hex') },
  ),
  attack(
    16,
    'a result read beyond the memory',
    'MEMORY_OUT_OF_BOUNDS',
    `(call $sha256 ${zero} ${zero}) (call $result_read (i32.const 65505))`,
  ),
]

const depthChain: HostileCall['contracts'] = Object.fromEntries(
  Array.from({ length: 9 }, (_, index) => {
    const next = `hostile/d${index + 1}`
    const body = go(index === 8 ? '' : `(drop ${callTo(next, 'go', '0', 0)})`, names(next))
    return [`hostile/d${index}`, { body, manifest: { calls: [next] } }]
  }),
)

const calls: readonly HostileCall[] = [
  attack(
    17,
    'calls itself through the host',
    'OK',
    returnI32(callTo('hostile/calls-itself-through-the-host')),
    names('hostile/calls-itself-through-the-host'),
    { returned: '8fffffff', handles: true, manifest: { calls: ['hostile/calls-itself-through-the-host'] } },
  ),
  attack(
    17,
    'exports what looks like a callback',
    'OK',
    `(call $sha256 ${zero} (i32.const 8))`,
    '(func (export "malloc") (param i32) (result i32) unreachable) (func (export "__wbindgen_malloc") (param i32) (result i32) unreachable)',
  ),
  { kind: 'call', attack: 18, name: 'nine frames deep', code: 'DEPTH_EXCEEDED', contracts: depthChain },
  {
    ...attack(
      18,
      'opens frames for ever',
      'OUT_OF_FUEL',
      endless(`(drop ${callTo('hostile/leaf')})`),
      names('hostile/leaf'),
      { manifest: { calls: ['hostile/leaf'] }, fuelLimit: 20_000_000 },
    ),
    ...{ handles: true },
  },
  {
    kind: 'call',
    attack: 18,
    name: 'two contracts that call each other',
    code: 'REENTRANCY_DENIED',
    contracts: {
      'hostile/ping': {
        body: go(`(drop ${callTo('hostile/pong', 'go', '0', 0)})`, names('hostile/pong')),
        manifest: { calls: ['hostile/pong'] },
      },
      'hostile/pong': {
        body: go(`(drop ${callTo('hostile/ping', 'go', '0', 0)})`, names('hostile/ping')),
        manifest: { calls: ['hostile/ping'] },
      },
    },
  },
  {
    kind: 'call',
    attack: 18,
    name: 'more pages over all frames than there may be',
    code: 'LIMIT_EXCEEDED',
    fuelLimit: 20_000_000,
    contracts: pagesChain(),
  },
]

/** Frames of 64 initial pages inside each other: the fifth would pass 256. */
function pagesChain(): HostileCall['contracts'] {
  return Object.fromEntries(
    Array.from({ length: 5 }, (_, index) => {
      const next = `hostile/p${index + 1}`
      const grows = `(drop (memory.grow (i32.const 63)))`
      const body = go(index === 4 ? '' : `${grows} (drop ${callTo(next, 'go', '0', 0)})`, names(next))
      return [`hostile/p${index}`, { body, manifest: { calls: [next] } }]
    }),
  )
}

/** Called by other cases. */
export const victims = { 'hostile/leaf': { body: go('') } }

export const runningAttacks: readonly HostileCall[] = [
  ...bulk,
  ...memory,
  ...recursion,
  ...compiled,
  ...entries,
  ...fuel,
  ...pointers,
  ...calls,
  ...effectAttacks,
]
