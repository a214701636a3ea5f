// Timers: due times in the result, order, cancelling, roll-back, and that they are state.
import t from 'tap'
import { blockFuelMax, codeOfStatus } from '../protocol/index.js'
import { createModuleCache, replayTransaction, rewind, undoOf } from './index.js'
import { i32Of, Probes, returnI32, type Probe } from './probe.fixture.js'
import { methodsOf } from './test-contracts.fixture.js'
import { genesisTime, hex, ports } from './world.fixture.js'

/** Sets a timer at the u64 of its argument, or cancels the 32-byte id of its argument. */
const clock: Probe = {
  body: `(data (i32.const 512) "ring")
    (func (export "go")
      (call $input_read (i32.const 0))
      (call $timer_set (i64.load (i32.const 0)) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 8) (i64.const 0))
      (call $result_read (i32.const 64)) (call $return_set (i32.const 64) (i32.const 32)))
    (func (export "cancel")
      (call $input_read (i32.const 0))
      ${returnI32('(call $timer_cancel (i32.const 0))')})
    (func (export "setAndFail")
      (call $timer_set (i64.const 1) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 8) (i64.const 0)) (unreachable))
    (func (export "setOther")
      (call $timer_set (i64.const 1) (i32.const 512) (i32.const 3) (i32.const 0) (i32.const 8) (i64.const 0)))
    (func (export "ring")
      (call $input_read (i32.const 0)) (call $event_emit (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 8)))`,
  manifest: {
    methods: methodsOf({ go: 'call', cancel: 'call', setAndFail: 'call', setOther: 'call', ring: 'timer' }),
  },
}

const at = (time: number): Uint8Array => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(time))
  return bytes
}

t.test('a due timer makes a block due, and runs once, in order of due time', async (t) => {
  const probes = new Probes({ 'acme/clock': clock })
  const { world } = probes
  const times = [10_000, 5_000, 7_000].map((delay) => genesisTime + delay)
  for (const time of times) t.equal(probes.go('acme/clock', at(time)).code, 'OK')
  t.equal(world.last?.result.nextDueTime, times[1], 'the earliest is announced')
  t.equal(world.block([], { time: times[1] - 1 }).receipts.length, 0, 'not a moment too early')
  // The cache is memory: timers are state.
  world.cache = createModuleCache()
  const first = world.block([], { time: times[1] })
  t.equal(first.receiptsDecoded.length, 1)
  t.equal(first.receiptsDecoded[0].target?.method, 'ring')
  t.equal(first.result.nextDueTime, times[2])
  const rest = world.block([], { time: times[0] + 1 })
  t.same(
    rest.receiptsDecoded.map(({ events }) => hex(events[0].content)),
    [times[2], times[0]].map((time) => hex(at(time))),
  )
  t.equal(rest.result.nextDueTime, 0)
  t.equal(
    rest.receiptsDecoded.every(({ cause }) => cause?.length === 32),
    true,
  )
})

t.test('a cancelled timer does not run; a failed frame sets none', async (t) => {
  const probes = new Probes({ 'acme/clock': clock, 'acme/thief': { ...clock } })
  const { world } = probes
  const { returned } = probes.go('acme/clock', at(genesisTime + 60_000))
  t.equal(i32Of(probes.go('acme/thief', returned, 100_000_000, 'cancel').returned), 0, 'not its own')
  t.equal(i32Of(probes.go('acme/clock', returned, 100_000_000, 'cancel').returned), 1)
  t.equal(i32Of(probes.go('acme/clock', returned, 100_000_000, 'cancel').returned), 0)
  t.equal(world.last?.result.nextDueTime, 0)
  t.equal(probes.go('acme/clock', at(1), 100_000_000, 'setAndFail').code, 'TRAPPED')
  t.equal(world.last?.result.nextDueTime, 0)
  t.equal(probes.go('acme/clock', at(1), 100_000_000, 'setOther').code, 'METHOD_UNKNOWN')
  t.equal(probes.go('acme/clock', at(0)).code, 'ARGUMENT_INVALID')
  t.equal(probes.go('acme/clock', new Uint8Array(8).fill(255)).code, 'ARGUMENT_INVALID')
})

t.test('a timer in the past is due in the next block', async (t) => {
  const probes = new Probes({ 'acme/clock': clock })
  probes.go('acme/clock', at(1))
  t.equal(probes.world.last?.result.nextDueTime, probes.world.time)
  const block = probes.world.block([])
  t.same(
    block.receiptsDecoded.map(({ status }) => codeOfStatus(status)),
    ['OK'],
  )
})

t.test('due timers that do not fit run in the next block, which is due at once', async (t) => {
  const bound = 500_000_000
  const busy: Probe = {
    body: `(data (i32.const 512) "ring")
      (func (export "go") (local $n i32)
        (loop $more
          (call $timer_set (i64.const 5) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0))
          (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9)))))
      (func (export "ring") (local $n i32)
        (loop $on (br_if $on
          (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 60000000)))))`,
    manifest: { methods: [...methodsOf({ go: 'call' }), ...methodsOf({ ring: 'timer' }, bound)] },
  }
  const probes = new Probes({ 'acme/busy': busy })
  t.equal(probes.go('acme/busy').code, 'OK')
  const { world } = probes
  const first = world.block([])
  t.ok(first.receipts.length > 0 && first.receipts.length < 9, `${first.receipts.length} ran`)
  t.ok(first.result.fuelUsed <= blockFuelMax)
  t.equal(first.result.nextDueTime, world.time)
  const second = world.block([])
  t.equal(first.receipts.length + second.receipts.length, 9)
  t.equal(second.result.nextDueTime, 0)
  const ids = [...first.receiptsDecoded, ...second.receiptsDecoded].map(({ cause }) =>
    hex(cause as Uint8Array),
  )
  t.equal(new Set(ids).size, 9, 'each once')
})

t.test('a timer run replays: on the state before its block, with its frames', async (t) => {
  const probes = new Probes({ 'acme/clock': clock })
  const { world } = probes
  const due = genesisTime + 5_000
  probes.go('acme/clock', at(due))
  const place = { height: world.height + 1, time: due }
  const input = world.propose([], place)
  const outcome = world.try([], place)
  if (!outcome.ok) throw new Error(outcome.code)
  const undo = undoOf(world.chain, outcome.writeSet, place.height)
  const { receipts, receiptsDecoded } = world.block([], { time: due })
  probes.go('acme/clock', at(due + 60_000))
  const later = world.try([])
  t.ok(later.ok)
  const [{ transactionId }] = receiptsDecoded
  // Only the timer's own block is taken back here: the block after it wrote other keys, or the same later.
  const state = rewind(world.chain, [undo], place.height)
  const replayed = replayTransaction(input, state, transactionId, world.cache, ports)
  t.ok(replayed.ok && replayed.replay)
  if (!replayed.ok || !replayed.replay) return
  t.equal(hex(replayed.replay.receiptBytes), hex(receipts[0]))
  const [enter] = replayed.replay.events
  t.ok(enter.type === 'frame' && enter.method === 'ring' && enter.trigger === 2)
  const emitted = replayed.replay.events.find(
    (event) => event.type === 'host' && event.name === 'event_emit',
  )
  if (emitted?.type !== 'host') throw new Error('the timer emits')
  const named = emitted.named.map(({ name, value }) => [
    name,
    Buffer.from(value as Uint8Array).toString('hex'),
  ])
  t.same(named, [
    ['topic', Buffer.from('ring').toString('hex')],
    ['event', hex(at(due))],
  ])
})

t.test(
  'timers of one contract are bounded, and a failed frame beyond the bound leaves them as they were',
  async (t) => {
    const many: Probe = {
      body: `(data (i32.const 512) "ring")
      (func (export "go") (local $n i32)
        (call $input_read (i32.const 0))
        (loop $more
          (call $timer_set (i64.const 1800000000000) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0))
          (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.load (i32.const 0))))))
      (func (export "ring"))`,
      manifest: { methods: [...methodsOf({ go: 'call' }), ...methodsOf({ ring: 'timer' })] },
    }
    const probes = new Probes({ 'acme/many': many, 'acme/other': many })
    const set = (alias: string, count: number): { code: string; detail: string | undefined } => {
      const argument = Buffer.alloc(4)
      argument.writeUInt32LE(count)
      return probes.go(alias, argument, 400_000_000)
    }
    for (let round = 0; round < 2; round += 1) t.equal(set('acme/many', 5_000).code, 'OK')
    const full = set('acme/many', 1)
    t.same([full.code, full.detail], ['LIMIT_EXCEEDED', 'timers of this contract'])
    t.equal(set('acme/other', 1).code, 'OK', 'another contract has a bound of its own')
  },
)
