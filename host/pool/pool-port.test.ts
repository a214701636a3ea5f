// What the pool asks of the executor and tells the network, with the executor's answers given.
import t from 'tap'
import { bytesToHex, encodePayload, type ErrorCode, type Lane } from '../../runtime/protocol/index.js'
import type { Block } from '../../consensus/net/ports.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import { bundlesMax, type HeldBlock } from '../executor/held-back.js'
import type { AdmitReply, CommitReply, SenderCredit } from '../executor/messages.js'
import { sha256 } from '../keys/crypto.js'
import { PoolPort } from './pool-port.js'
import { WakeTimer } from './wake-timer.js'

const kib = 1_024

/** Answers `admit` by the first byte of a bundle: its id, and `refusals` of what it would refuse by now. */
function port(now: () => number) {
  const refusals = new Map<string, ErrorCode>()
  const dropped: [string, ErrorCode][] = []
  const credits = new Map<string, SenderCredit>()
  const lanes = new Map<string, Lane>()
  const ends = new Map<string, number>()
  const asked: number[] = []
  const admit = (bundle: Uint8Array): AdmitReply => {
    const id = `${bundle[0]}`
    const code = refusals.get(id)
    if (code) return { ok: false, id, code, detail: '' }
    const slot = `key${id}:0:1`
    const sender = `sender${id}`
    const credit = credits.get(id) ?? { cost: 1, left: 100, burst: 100, perSecond: 10 }
    const validUntil = ends.get(id) ?? null
    return { ok: true, id, lane: lanes.get(id) ?? 2, slot, sender, sequence: 1, validUntil, credit }
  }
  const hooks = { build: (): Promise<unknown> => Promise.resolve() }
  /** What `refusals` names is left out; the payload says with its bytes what is in. */
  const build = async (bundles: Uint8Array[]) => {
    const replies = bundles.map(admit)
    await hooks.build()
    const taken = bundles.filter((_, index) => replies[index].ok).map((bytes) => bytes[0])
    const left = replies.filter((reply) => !reply.ok)
    return { payload: Uint8Array.from(taken), transactionRoots: [], count: taken.length, dropped: left }
  }
  const executor = {
    call: async (method: string, { bundles }: { bundles: Uint8Array[] }) => {
      asked.push(bundles.length)
      if (method === 'build') return build(bundles)
      return bundles.map(admit)
    },
  } as unknown as Pick<ExecutorClient, 'call'>
  const pool = new PoolPort(executor, now, (id, code) => dropped.push([id, code]))
  const wakes: number[] = []
  pool.later = (ms) => wakes.push(ms)
  let height = 0
  /** One block, made and final: the ids in it; null when there is nothing to propose. */
  const block = async (): Promise<number[] | null> => {
    height += 1
    const request = { height, view: 0, time: now(), due: false, emergency: false, bytesMax: 3 * kib * kib }
    const built = await pool.buildPayload(request)
    if (built === null) return null
    const ids = [...built.payload]
    const receipts = ids.map((id) => ({ id: `${id}` }))
    const keyChanges = { windows: [], revoked: [] }
    pool.settle({ height, blockTime: now(), receipts, keyChanges } as unknown as CommitReply)
    return ids
  }
  return { pool, refusals, dropped, asked, credits, lanes, ends, wakes, hooks, block }
}

const bundle = (id: number, length = 100): Uint8Array => new Uint8Array(length).fill(id)
/** A block of these, held back. */
const heldOf = (bundles: Uint8Array[]): HeldBlock => ({
  ...{ since: 0, reason: 'EXECUTOR_DIED', height: 1 },
  bundles: bundles.map((bytes) => ({ hash: bytesToHex(sha256(bytes)), transaction: '' })),
})
const idsOf = (bundles: readonly Uint8Array[]): number[] => bundles.map((bytes) => bytes[0])

t.test('a block of an epoch that ended is taken back, but for what is final meanwhile', async (t) => {
  const { pool, refusals } = port(() => 0)
  refusals.set('2', 'SEQUENCE_REUSED')
  const payload = encodePayload({ lanes: [[], [bundle(1)], [bundle(2), bundle(3)], [], []] })
  await pool.takeBack({ payload } as Block)
  await pool.takeBack({ payload } as Block)
  await pool.takeBack({ payload: new Uint8Array([1, 2, 3]) } as Block)
  t.same(idsOf(pool.resend('all', 512 * kib)).sort(), [1, 3])
})

t.test('one large transaction does not keep the others from peers that missed them', async (t) => {
  const { pool } = port(() => 0)
  await pool.admit([bundle(1, 600 * kib)])
  t.same(idsOf(pool.resend('all', 512 * kib)), [1], 'alone it is not forgotten')
  await pool.admit([bundle(2), bundle(3, 500 * kib), bundle(4)])
  const sent = pool.resend('all', 512 * kib)
  t.same(idsOf(sent), [2, 4], 'what does not fit its share waits')
  t.same(idsOf(pool.resend('all', 800 * kib)), [1, 2, 4], 'with room for it')
  t.same(pool.resend('emergency', 512 * kib), [])
})

t.test('before a leader is blamed, what has waited long is asked about again', async (t) => {
  let now = 0
  const { pool, refusals, dropped, asked } = port(() => now)
  await pool.admit([bundle(1), bundle(2), bundle(3)])
  now = 3_000
  await pool.recheck()
  t.same(asked, [3], 'nobody has waited long')
  now = 11_000
  await pool.admit([bundle(4)])
  refusals.set('1', 'KEY_UNKNOWN').set('2', 'VALID_TOO_LONG').set('3', 'SENDER_MISMATCH')
  t.ok(pool.hasOverdue(10_000))
  await pool.recheck()
  t.same(asked, [3, 1, 3], 'only the old ones')
  t.same(dropped, [
    ['1', 'KEY_UNKNOWN'],
    ['3', 'SENDER_MISMATCH'],
  ])
  t.equal(pool.size, 2, 'what time heals stays')
  refusals.set('2', 'EXPIRED')
  await pool.recheck()
  t.notOk(pool.hasOverdue(10_000))
})

t.test('asking again is bounded', async (t) => {
  let now = 0
  const { pool, asked } = port(() => now)
  await pool.admit(Array.from({ length: 65 }, (_, index) => bundle(index + 1)))
  now = 60_000
  await pool.recheck()
  t.same(asked, [16, 16, 16, 16, 1, 16, 16, 16, 16], 'in chunks: others have their turn between them')
})

t.test('what is held back takes no place of those that are asked about again', async (t) => {
  let now = 0
  const { pool, refusals, dropped } = port(() => now)
  const held = Array.from({ length: 64 }, (_, index) => bundle(index + 1))
  pool.held.add(heldOf(held))
  await pool.admit([...held, bundle(65)])
  now = 11_000
  refusals.set('65', 'KEY_UNKNOWN')
  t.ok(pool.hasOverdue(10_000))
  await pool.recheck()
  t.same(dropped, [['65', 'KEY_UNKNOWN']])
  t.notOk(pool.hasOverdue(10_000), 'nobody is blamed')
})

t.test('however many held ones expire in a block, the list changes once', async (t) => {
  const { pool, dropped, ends, block } = port(() => 5_000)
  const held = Array.from({ length: 100 }, (_, index) => bundle(index + 1))
  for (const [id] of held) ends.set(`${id}`, id === 100 ? 5_001 : 5_000)
  pool.held.add(heldOf(held))
  await pool.admit([...held, bundle(101)])
  const dropSoon = pool.held.dropSoon.bind(pool.held)
  const changes: number[] = []
  pool.held.dropSoon = (hashes) => {
    if (hashes.length > 0) changes.push(hashes.length)
    dropSoon(hashes)
  }
  t.same(await block(), [101])
  t.same([changes, dropped.length, pool.held.count, pool.size], [[99], 99, 1, 1])
})

t.test('a held one that is brought again when it is over leaves the list', async (t) => {
  const { pool, refusals } = port(() => 0)
  const held = [1, 2, 3, 4].map((id) => bundle(id))
  pool.held.add(heldOf(held))
  refusals.set('1', 'EXPIRED').set('2', 'SEQUENCE_REUSED').set('3', 'KEY_UNKNOWN')
  await pool.admit(held)
  t.equal(pool.held.count, 2, 'a node that is behind may not know the key yet')
})

t.test('what the list lets go for want of room is proposed again', async (t) => {
  const { pool, block } = port(() => 0)
  pool.held.add(heldOf([bundle(1)]))
  await pool.admit([bundle(1)])
  t.equal(await block(), null, 'held back')
  const full = Array.from({ length: bundlesMax - 1 }, (_, index) => ({
    ...{ hash: index.toString(16).padStart(64, '0'), transaction: '' },
  }))
  pool.held.add({ ...heldOf([]), bundles: full })
  t.equal(pool.held.count, bundlesMax)
  const payload = encodePayload({ lanes: [[], [], [bundle(2)], [], []] })
  pool.setAside({ header: { height: 9 }, payload } as unknown as Block)
  t.same([await block(), pool.held.count], [[1], bundlesMax])
})

t.test('the pool is full for one key, not for the next', async (t) => {
  const { pool } = port(() => 0)
  const large = 7 * kib * kib
  t.match(await pool.admit([bundle(1, large)]), [{ ok: false, code: 'POOL_FULL' }])
  t.match(await pool.admit([bundle(2, 6 * kib * kib)]), [{ ok: true }])
})

t.test('credit: what waits spends it too, and the refusal says when to come back', async (t) => {
  const { pool, credits } = port(() => 0)
  credits.set('1', { cost: 40, left: 100, burst: 100, perSecond: 10 })
  t.match(await pool.admit([bundle(1)]), [{ ok: true }])
  t.match(await pool.admit([bundle(1)]), [{ ok: true, known: true }], 'known is not charged again')
  credits.set('2', { cost: 101, left: 100, burst: 200, perSecond: 10 })
  t.match(await pool.admit([bundle(2)]), [
    { ok: false, code: 'CREDIT_EXHAUSTED', detail: 'retry in 100 ms' },
  ])
  credits.set('3', { cost: 10, left: 5, burst: 200, perSecond: 0 })
  t.match(await pool.admit([bundle(3)]), [
    { code: 'CREDIT_EXHAUSTED', detail: 'no credit comes back under this grant' },
  ])
})

t.test('credit: an emergency may overdraw by a quarter of the allowance, and no further', async (t) => {
  const { pool, credits, lanes } = port(() => 0)
  for (const id of ['1', '2']) lanes.set(id, 1)
  credits.set('1', { cost: 35, left: 10, burst: 100, perSecond: 10 })
  t.match(await pool.admit([bundle(1)]), [{ ok: true }])
  credits.set('2', { cost: 36, left: 10, burst: 100, perSecond: 10 })
  t.match(await pool.admit([bundle(2)]), [{ code: 'CREDIT_EXHAUSTED', detail: 'retry in 2600 ms' }])
})

t.test('what lacks credit waits on, as it does on other nodes; no leader is blamed for it', async (t) => {
  let now = 0
  const { pool, credits, refusals, dropped, asked } = port(() => now)
  await pool.admit([bundle(1), bundle(2)])
  now = 11_000
  refusals.set('1', 'CREDIT_EXHAUSTED')
  credits.set('2', { cost: 1, left: 49, burst: 100, perSecond: 10 })
  t.ok(pool.hasOverdue(10_000), 'before anybody asked')
  await pool.recheck()
  t.same(dropped, [])
  t.equal(pool.size, 2)
  t.notOk(pool.hasOverdue(10_000))
  now = 13_000
  await pool.recheck()
  t.same(asked, [2, 2], 'others have their turn to be asked about')
  now = 15_000
  refusals.clear()
  credits.clear()
  await pool.recheck()
  t.notOk(pool.hasOverdue(10_000), 'the leader has its time from here on')
  now = 21_001
  t.ok(pool.hasOverdue(10_000), 'with credit it was left out')
  await pool.admit([bundle(3)])
  now = 40_000
  refusals.set('1', 'CREDIT_EXHAUSTED').set('2', 'CREDIT_EXHAUSTED')
  await pool.recheck()
  t.ok(pool.hasOverdue(10_000), 'a poor sender hides no censorship of another')
})

t.test('how a transaction travels follows its lane; what is refused is told apart', async (t) => {
  const { pool, lanes, refusals } = port(() => 0)
  for (const lane of [0, 1, 2, 3, 4] as const) lanes.set(`${lane + 1}`, lane)
  const urgencies = await pool.receive([1, 2, 3, 4, 5].map((id) => bundle(id)))
  t.same(urgencies, ['urgent', 'urgent', 'normal', 'low', 'low'])
  const honest: ErrorCode[] = ['CREDIT_EXHAUSTED', 'SEQUENCE_REUSED', 'EXPIRED', 'KEY_UNKNOWN', 'POOL_FULL']
  honest.forEach((code, index) => refusals.set(`${index + 6}`, code))
  const refused = await pool.receive(honest.map((_, index) => bundle(index + 6)))
  t.same(new Set(refused), new Set(['refused']), 'an honest peer may bring these')
  const forgeries: ErrorCode[] = ['SIGNATURE_INVALID', 'BUNDLE_MALFORMED', 'BODY_MISMATCH']
  forgeries.forEach((code, index) => refusals.set(`${index + 20}`, code))
  t.same(await pool.receive([1, 20, 21, 22].map((id) => bundle(id))), [
    'known',
    'forged',
    'forged',
    'forged',
  ])
})

t.test(
  'an import gets on beside emergencies that wait without end, and its leader is not blamed',
  async (t) => {
    let now = 0
    const { pool, lanes, block } = port(() => now)
    for (let id = 1; id <= 200; id += 1) lanes.set(`${id}`, id <= 100 ? 4 : 1)
    await pool.admit(Array.from({ length: 100 }, (_, index) => bundle(index + 1)))
    let imported = 0
    for (let id = 101; id <= 200; id += 1) {
      await pool.admit([bundle(id)])
      const ids = (await block()) ?? []
      t.ok(ids.includes(id), 'no emergency waits for an import')
      imported += ids.length - 1
      now += 200
      t.notOk(pool.hasOverdue(30_000))
    }
    t.equal(imported, 40, 'four of sixteen in each two of twenty seconds')
    now += 1_000
    t.equal((await block())?.length, 16, 'when they are over, a block as before')
  },
)

t.test('emergencies hide no leader that leaves an order out', async (t) => {
  let now = 0
  const { pool, lanes, block, refusals } = port(() => now)
  lanes.set('1', 3)
  await pool.admit([bundle(1)])
  refusals.set('1', 'VALID_TOO_LONG') // stands for a leader that never takes it
  for (let id = 2; id <= 4; id += 1) {
    lanes.set(`${id}`, 1)
    await pool.admit([bundle(id)])
    await block()
    now += 5_000
  }
  refusals.clear()
  t.ok(pool.hasOverdue(10_000))
})

t.test('an emergency that no block can take holds up nobody, and is tried again', async (t) => {
  let now = 10_000
  const { pool, lanes, refusals, block, wakes } = port(() => now)
  lanes.set('1', 1).set('3', 3)
  await pool.admit([bundle(1)])
  refusals.set('1', 'CREDIT_EXHAUSTED')
  t.match(pool.waiting(), { normal: true, emergency: true })
  t.equal(await block(), null)
  t.equal(wakes.length, 1, 'it is looked at again although nothing comes')
  t.match(pool.waiting(), { normal: false, emergency: false })
  await pool.admit([bundle(2), bundle(3)])
  t.match(pool.waiting(), { normal: true, emergency: false })
  t.same(await block(), [2, 3], 'the lanes below go on')
  refusals.clear()
  now += 249
  t.equal(await block(), null)
  t.ok(wakes[1] > 0)
  now += 1
  t.match(pool.waiting(), { emergency: true })
  t.same(await block(), [1], 'with credit it is in the next')
})

t.test('what comes while a build gives nothing is told to the core once more', async (t) => {
  const { pool, lanes, refusals, hooks, block, wakes } = port(() => 10_000)
  lanes.set('1', 1).set('2', 1)
  await pool.admit([bundle(1)])
  refusals.set('1', 'CREDIT_EXHAUSTED')
  hooks.build = () => pool.admit([bundle(2)])
  t.equal(await block(), null)
  t.same(wakes, [1], 'at once')
  t.match(pool.waiting(), { emergency: true })
})

t.test('one timer for all who ask, at the earliest moment', async (t) => {
  let now = 0
  let woken = 0
  const timers: { run: () => void; at: number }[] = []
  const start = (run: () => void, ms: number) => {
    const timer = { run, at: now + ms }
    timers.push(timer)
    return () => void timers.splice(timers.indexOf(timer), 1)
  }
  const timer = new WakeTimer(
    () => (woken += 1),
    () => now,
    start,
  )
  for (let ms = 500; ms > 0; ms -= 100) timer.in(ms)
  timer.in(300)
  t.same(
    timers.map(({ at }) => at),
    [100],
  )
  now = 100
  timers.pop()?.run()
  t.equal(woken, 1)
  timer.in(700)
  t.equal(timers.length, 1, 'and again')
})
