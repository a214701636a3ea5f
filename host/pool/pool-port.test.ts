// What the pool asks of the executor and tells the network, with the executor's answers given.
import t from 'tap'
import type { ErrorCode, Lane } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { AdmitReply, SenderCredit } from '../executor/messages.js'
import { PoolPort } from './pool-port.js'

const kib = 1_024

/** Answers `admit` by the first byte of a bundle: its id, and `refusals` of what it would refuse by now. */
function port(now: () => number) {
  const refusals = new Map<string, ErrorCode>()
  const dropped: [string, ErrorCode][] = []
  const credits = new Map<string, SenderCredit>()
  const lanes = new Map<string, Lane>()
  const asked: number[] = []
  const admit = (bundle: Uint8Array): AdmitReply => {
    const id = `${bundle[0]}`
    const code = refusals.get(id)
    if (code) return { ok: false, id, code, detail: '' }
    const slot = `key${id}:0:1`
    const sender = `sender${id}`
    const credit = credits.get(id) ?? { cost: 1, left: 100, burst: 100, perSecond: 10 }
    return { ok: true, id, lane: lanes.get(id) ?? 2, slot, sender, sequence: 1, validUntil: null, credit }
  }
  const executor = {
    call: (_method: string, { bundles }: { bundles: Uint8Array[] }) => {
      asked.push(bundles.length)
      return Promise.resolve(bundles.map(admit))
    },
  } as unknown as Pick<ExecutorClient, 'call'>
  const pool = new PoolPort(executor, now, (id, code) => dropped.push([id, code]))
  return { pool, refusals, dropped, asked, credits, lanes }
}

const bundle = (id: number, length = 100): Uint8Array => new Uint8Array(length).fill(id)
const idsOf = (bundles: readonly Uint8Array[]): number[] => bundles.map((bytes) => bytes[0])

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
  refusals.set('6', 'SIGNATURE_INVALID').set('7', 'CREDIT_EXHAUSTED').set('8', 'SEQUENCE_REUSED')
  t.same(await pool.receive([1, 6, 7, 8].map((id) => bundle(id))), ['known', 'refused', 'over', 'late'])
})
