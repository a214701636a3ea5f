// Attacks by what a contract may do to the chain: rows of its store, words, events, NaN bits, records.
import { dataAt } from '../probe.fixture.js'
import { attack, endless, top, zero } from './attack-builders.fixture.js'
import type { HostileCall } from './hostile-case.fixture.js'

/** Rows under one order: searched for at the far end, hidden, and written again (each step was once slow). */
const rows: readonly HostileCall[] = [
  attack(
    15,
    'rows of one order for ever',
    'OUT_OF_FUEL',
    endless(`(call $ordered_put ${zero} ${zero} ${zero} (i64.const 5) ${zero} (i32.const 4))`),
    '',
    { fuelLimit: 50_000_000 },
  ),
  attack(
    15,
    'removes the row behind the last one for ever',
    'OUT_OF_FUEL',
    endless(
      `(call $ordered_put ${zero} ${zero} ${zero} (i64.const 5) ${zero} (i32.const 4)) (drop (call $ordered_remove ${zero} ${zero} ${zero} (i64.const 5) ${top}))`,
    ),
    '',
    { fuelLimit: 50_000_000 },
  ),
  attack(
    15,
    'scans over rows that it has removed',
    'OUT_OF_FUEL',
    endless(`(call $ordered_put ${zero} ${zero} ${zero} (i64.const 5) ${zero} (i32.const 4))
       (drop (call $ordered_remove ${zero} ${zero} ${zero} (i64.const 5) (local.get $n)))
       (drop (call $state_scan ${zero} ${zero} ${zero} (i64.const 0) (i64.const -1) (i32.const 100)))
       (local.set $n (i32.add (local.get $n) (i32.const 1)))`),
    '',
    { fuelLimit: 50_000_000 },
  ),
]

const words: readonly HostileCall[] = [
  attack(
    19,
    'an abort with control characters and torn UTF-8',
    'CONTRACT_ABORTED',
    `(call $abort (i32.const 9) ${zero} (i32.const 6) (i32.const -1))`,
    dataAt(0, '\\00\\1b[\\ff\\fe\\c3'),
  ),
  attack(
    19,
    'an abort with 1 KiB of text',
    'CONTRACT_ABORTED',
    `(call $abort (i32.const 9) ${zero} (i32.const 1024) (i32.const 1))`,
  ),
  attack(
    19,
    'an abort with a code that is none',
    'ARGUMENT_INVALID',
    `(call $abort (i32.const 65536) ${zero} ${zero} ${zero})`,
  ),
  attack(
    20,
    'a NaN payload in the return value',
    'OK',
    `(local f64) (local.set 0 (f64.add (f64.const nan:0x8000000001111) (f64.const -nan:0x8000000002222)))
     (f64.store ${zero} (local.get 0)) (f32.store (i32.const 8) (f32.demote_f64 (local.get 0)))
     (f64.store (i32.const 12) (f64.copysign (f64.const 1) (f64.sub (local.get 0) (local.get 0))))
     (call $return_set ${zero} (i32.const 20))`,
    '',
    { returned: '000000000000f87f' + '0000c07f' + '000000000000f03f' },
  ),
  attack(
    20,
    'the bits of 0/0, folded and not',
    'OK',
    `(local f64) (i64.store ${zero} (i64.reinterpret_f64 (f64.div (f64.const 0) (f64.const 0))))
     (i64.store (i32.const 8) (i64.reinterpret_f64 (f64.div (local.get 0) (local.get 0)))) (call $return_set ${zero} (i32.const 16))`,
    '',
    { returned: '000000000000f87f' + '000000000000f87f' },
  ),
  attack(
    21,
    'asks for the time twice',
    'OK',
    `(local $difference i64)
     (call $context_read ${zero}) (call $context_read (i32.const 256))
     (local.set $difference (i64.sub (i64.load (i32.const 8)) (i64.load (i32.const 264))))
     (memory.fill ${zero} ${zero} (i32.const 512)) (i64.store ${zero} (local.get $difference))
     (call $return_set ${zero} (i32.const 8))`,
    '',
    { returned: '0000000000000000' },
  ),
  attack(
    23,
    'logs until it may not',
    'LIMIT_EXCEEDED',
    endless(`(call $log_write ${zero} (i32.const 1024))`),
  ),
  attack(
    23,
    'explains until it may not',
    'LIMIT_EXCEEDED',
    endless(`(call $explain ${zero} (i32.const 1024))`),
  ),
  attack(
    23,
    'emits events until it may not',
    'LIMIT_EXCEEDED',
    endless('(call $event_emit (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))'),
    dataAt(0, 'e'),
  ),
]

const parsers: readonly HostileCall[] = [
  attack(
    25,
    'a record whose body says 2^32-1 bytes',
    'ARGUMENT_INVALID',
    '(i32.store8 (i32.const 0) (i32.const 2)) (i32.store (i32.const 30) (i32.const -1)) (call $record_emit (i32.const 0) (i32.const 34))',
    '',
    { manifest: { emits: [{ kind: 2, codes: [] }] } },
  ),
  attack(
    25,
    'a record of a kind that is none',
    'ARGUMENT_INVALID',
    '(i32.store8 (i32.const 0) (i32.const 255)) (call $record_emit (i32.const 0) (i32.const 34))',
    '',
    { manifest: { emits: [{ kind: 2, codes: [] }] } },
  ),
  attack(
    25,
    'a kernel command that is torn, from nobody who may',
    'COMMAND_NOT_ALLOWED',
    '(drop (call $kernel_command (i32.const 0) (i32.const 3)))',
  ),
  attack(
    26,
    'reads what its last instance left',
    'OK',
    `(i32.store (i32.const 8) (i32.load (i32.const 4))) (i32.store (i32.const 4) (i32.const 7)) (global.set $g (i32.add (global.get $g) (i32.const 1)))
     (i32.store (i32.const 12) (global.get $g)) (call $return_set (i32.const 8) (i32.const 8))`,
    '(global $g (mut i32) (i32.const 0))',
    { returned: '0000000001000000' },
  ),
]

export const effectAttacks: readonly HostileCall[] = [...rows, ...words, ...parsers]
