// Timers: due times in the result, order, cancelling, roll-back, and that they are state.
import t from 'tap'
import { blockFuelMax, codeOfStatus, entityKind, recordKind } from '../protocol/index.js'
import { choreRowsPerBlock } from './chores.js'
import { createModuleCache, replayTransaction, rewind, undoOf } from './index.js'
import { i32Of, Probes, returnI32, type Probe } from './probe.fixture.js'
import { budgetBurst, budgetPerSecond } from './rule-budget.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import {
  admissionOf,
  genesisTime,
  hex,
  observationOf,
  patientOf,
  ports,
  signerOf,
  World,
} from './world.fixture.js'

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

t.test('a timer in the past is due a second later, so that none makes block after block due', async (t) => {
  const probes = new Probes({ 'acme/clock': clock })
  probes.go('acme/clock', at(1))
  const { time } = probes.world
  t.equal(probes.world.last?.result.nextDueTime, time + 1_000)
  t.equal(probes.world.block([], { time: time + 999 }).receipts.length, 0)
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
      (func (export "go")
        (call $timer_set (i64.const 5) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
      (func (export "ring") (local $n i32)
        (loop $on (br_if $on
          (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 60000000)))))`,
    manifest: { methods: [...methodsOf({ go: 'call' }), ...methodsOf({ ring: 'timer' }, bound)] },
  }
  const aliases = Array.from({ length: 9 }, (_, index) => `acme/busy-${index}`)
  const { world, caller } = new Probes(Object.fromEntries(aliases.map((alias) => [alias, busy])))
  const set = world.block(aliases.map((alias) => world.call(caller, alias, 'go', new Uint8Array(0))))
  t.equal(
    set.receiptsDecoded.every(({ status }) => codeOfStatus(status) === 'OK'),
    true,
  )
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

/** Sets nine timers that use nearly their bound of 500 M; each sets itself again, due at once. */
const restless: Probe = {
  body: `(data (i32.const 512) "ring")
    (func $arm (call $timer_set (i64.const 5) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
    (func (export "go") (local $n i32)
      (loop $more (call $arm)
        (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9)))))
    (func (export "ring") (local $n i32) (call $arm)
      (loop $on (br_if $on
        (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 60000000)))))`,
  manifest: { methods: [...methodsOf({ go: 'call' }), ...methodsOf({ ring: 'timer' }, 500_000_000)] },
}

t.test(
  'timers that set themselves again spend one budget, and then make blocks due at its rate',
  async (t) => {
    const probes = new Probes({ 'acme/restless': restless, 'acme/clock': clock })
    const { world } = probes
    t.equal(probes.go('acme/restless').code, 'OK')
    const began = world.time
    const first = world.block([])
    t.ok(first.result.fuelUsed >= budgetBurst, 'the burst is used up')
    t.ok(first.result.fuelUsed < budgetBurst + 500_000_000, 'and overdrawn by one run at most')
    const second = world.block([], { time: world.time + 1 })
    t.equal(second.receipts.length, 0)
    t.ok(second.result.nextDueTime > world.time, 'all are due later, not now')
    let used = first.result.fuelUsed
    for (let blocks = 0; blocks < 24; blocks += 1) {
      const time = Math.max(world.time + 1, Number(world.last?.result.nextDueTime))
      used += world.block([], { time }).result.fuelUsed
    }
    t.ok(used > first.result.fuelUsed, 'they go on')
    const allowed = budgetBurst + ((world.time - began) / 1_000) * budgetPerSecond + 500_000_000
    t.ok(used <= allowed, `${used} of ${allowed}`)
    probes.go('acme/clock', at(1))
    t.equal(world.block([]).receiptsDecoded[0].target?.alias, 'acme/clock', 'nobody else waits for it')
  },
)

t.test('failing timers quarantine their alias; its other timers wait until that is lifted', async (t) => {
  const due = genesisTime + 3_000_000
  const methods = methodsOf({ onAny: 'record', cancel: 'call', fail: 'timer', calm: 'timer' })
  const rule = contractOf(
    {
      alias: 'acme/rule',
      subscriptions: [{ kind: recordKind.observation, codes: [], method: 'onAny', priority: 1 }],
      methods,
    },
    `(data (i32.const 512) "failcalm")
     (func $set (param $due i64) (param $at i32)
       (call $timer_set (local.get $due) (local.get $at) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
     (func (export "onAny") (call $set (i64.const 1) (i32.const 512)) (call $set (i64.const ${due}) (i32.const 516))
       (call $result_read (i32.const 64)) (call $return_set (i32.const 64) (i32.const 32)))
     (func (export "cancel") (call $input_read (i32.const 0)) ${returnI32('(call $timer_cancel (i32.const 0))')})
     (func (export "fail") (unreachable)) (func (export "calm"))`,
  )
  const monitors = ['a', 'b', 'c'].map((name) => signerOf(name, entityKind.source))
  const patients = ['lisa', 'otto', 'paul'].map(patientOf)
  const world = new World({ signers: monitors, contracts: [...systemContracts, genesisContract(rule)] })
  world.block([world.append(monitors[0], patients.map(admissionOf))])
  const set = world.block(
    monitors.map((monitor, index) => world.append(monitor, [observationOf(patients[index], '8867-4', 80)])),
  )
  const failed = world.block([])
  const codes = ({ receiptsDecoded }: typeof failed): (string | undefined)[] =>
    receiptsDecoded.map(({ status }) => codeOfStatus(status))
  t.same(codes(failed), ['TRAPPED', 'TRAPPED', 'TRAPPED'])
  t.same(
    failed.receiptsDecoded.flatMap(({ events }) => events.map(({ topic }) => topic)),
    ['rule-quarantined'],
  )
  const parked = world.block([], { time: due + 5 })
  t.equal(parked.receipts.length, 0)
  t.equal(parked.result.nextDueTime, 0, 'no block is due for timers that wait')
  const calm = set.receiptsDecoded[1].returned as Uint8Array
  world.block([world.call(monitors[0], 'acme/rule', 'cancel', calm)])
  t.equal(i32Of(world.last?.receiptsDecoded[0].returned as Uint8Array), 1, 'what waits can be cancelled')
  const lift = Buffer.concat([Buffer.from([7, 9, 0, 0, 0]), Buffer.from('acme/rule')])
  const lifted = world.block([world.call(monitors[0], 'ward/governance', 'command', lift)])
  t.equal(lifted.result.nextDueTime, world.time, 'due at once')
  t.same(codes(world.block([])), ['OK', 'OK'])
  t.equal(world.last?.result.nextDueTime, 0)
})

t.test('many timers of an alias wake in slices when its quarantine is lifted', async (t) => {
  const each = 250
  const rule = contractOf(
    {
      alias: 'acme/rule',
      subscriptions: [{ kind: recordKind.observation, codes: [], method: 'onAny', priority: 1 }],
      methods: methodsOf({ onAny: 'record', fail: 'timer' }, 50_000_000),
    },
    `(data (i32.const 512) "fail")
     (func (export "onAny") (local $n i32)
       (loop $more
         (call $timer_set (i64.const 1) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0))
         (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${each})))))
     (func (export "fail") (unreachable))`,
  )
  const monitors = ['a', 'b', 'c'].map((name) => signerOf(name, entityKind.source))
  const patients = Array.from({ length: 9 }, (_, index) => patientOf(`patient ${index}`))
  const world = new World({ signers: monitors, contracts: [...systemContracts, genesisContract(rule)] })
  world.block([world.append(monitors[0], patients.map(admissionOf))])
  for (let round = 0; round < 3; round += 1) {
    const of = patients.slice(round * 3, round * 3 + 3)
    const bundles = monitors.map((monitor, index) =>
      world.append(monitor, [observationOf(of[index], '8867-4', 80)]),
    )
    world.block(bundles, { time: world.time + 1 })
  }
  const rows = (table: number, partition: string): number =>
    world.chain.scan('$timer', table, Buffer.from(partition), 0n, 1n << 62n, 9_999).length
  const timers = 9 * each
  t.equal(rows(0, ''), timers)
  let run = world.block([], { time: world.time + 2_000 }).receipts.length
  while (world.last?.result.nextDueTime !== 0) run += world.block([]).receipts.length
  t.equal(rows(1, 'acme/rule'), timers - run, 'all that did not fail are parked')
  const lift = Buffer.concat([Buffer.from([7, 9, 0, 0, 0]), Buffer.from('acme/rule')])
  const lifted = world.block([world.call(monitors[0], 'ward/governance', 'command', lift)])
  t.equal(rows(0, ''), choreRowsPerBlock)
  t.equal(lifted.result.nextDueTime, world.time, 'the rest in the following blocks')
  // They fail again: what is awake is parked, and the rest stays as it is.
  run += world.block([]).receipts.length
  while (world.last?.result.nextDueTime !== 0) run += world.block([]).receipts.length
  t.equal(rows(0, ''), 0)
  t.equal(rows(1, 'acme/rule'), timers - run, 'none is lost')
})

t.test('timers that wait for a budget make no more blocks due than it can pay runs', async (t) => {
  const crowd: Probe = {
    ...restless,
    body: restless.body.replace('(i32.const 9)', '(i32.const 400)').replace('60000000', '12000000'),
  }
  const probes = new Probes({ 'acme/crowd': crowd })
  const { world } = probes
  t.equal(probes.go('acme/crowd').code, 'OK')
  world.block([])
  const began = world.time
  const blocks = 60
  let empty = 0
  for (let block = 0; block < blocks; block += 1) {
    const time = Math.max(world.time + 1, Number(world.last?.result.nextDueTime))
    if (world.block([], { time }).receipts.length === 0) empty += 1
  }
  const perSecond = blocks / ((world.time - began) / 1_000)
  t.ok(perSecond < 5, `${perSecond} blocks a second of block time`)
  t.ok(empty < blocks / 2, `${empty} of ${blocks} run nothing`)
})
