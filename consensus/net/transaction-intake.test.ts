// Who brings what is refused waits; nobody else does, and an alarm behind it only a moment.
import t from 'tap'
import { refusalBurst, refusalDebtMax, refusalsPerSecond, urgentWaitMsMax } from './limits.js'
import type { Reception } from './ports.js'
import { RefusalPace, TransactionIntake } from './transaction-intake.js'

t.test('the bucket: a burst is free, debt is bounded, time fills it', async (t) => {
  const pace = new RefusalPace()
  pace.charge(refusalBurst, 1_000)
  t.equal(pace.waitMs(1_000), 0)
  pace.charge(refusalsPerSecond, 1_000)
  t.equal(pace.waitMs(1_000), 1_000)
  t.equal(pace.waitMs(1_500), 500)
  t.equal(pace.waitMs(2_000), 0)
  pace.charge(1_000_000, 2_000)
  t.equal(pace.waitMs(2_000), (1_000 * refusalDebtMax) / refusalsPerSecond)
  t.notOk(pace.isFull(3_000))
  t.ok(pace.isFull(60_000))
})

/** Bundles say with their first byte how they are received. */
const kinds: readonly Reception[] = ['normal', 'known', 'late', 'over', 'refused']

function start() {
  let now = 0
  const rests: number[] = []
  let sleepers: { due: number; wake: () => void }[] = []
  const looked: { from: string; count: number }[] = []
  const intake = new TransactionIntake(
    async (bundles, from) => {
      looked.push({ from, count: bundles.length })
      return bundles.map(([kind]) => kinds[kind])
    },
    () => now,
    (ms) => {
      rests.push(ms)
      return ms === 0 ? Promise.resolve() : new Promise((wake) => sleepers.push({ due: now + ms, wake }))
    },
  )
  const bundlesOf = (kind: Reception, count: number): Uint8Array[] =>
    Array.from({ length: count }, () => new Uint8Array([kinds.indexOf(kind)]))
  return {
    looked,
    bundlesOf,
    rests,
    wakeAt: (ms: number) => {
      now = ms
      for (const { due, wake } of sleepers) if (due <= now) wake()
      sleepers = sleepers.filter(({ due }) => due > now)
    },
    take: (
      from: string,
      kind: Reception,
      count: number,
      options: { isMember?: boolean; queueClass?: 0 | 1 } = {},
    ) => intake.take({ from, isMember: false, queueClass: 1, bundles: bundlesOf(kind, count), ...options }),
  }
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

t.test('a flood of refused ones is looked at later, in order; others are looked at now', async (t) => {
  const { looked, take, rests, wakeAt } = start()
  t.same(await take('flooder', 'refused', 1), ['refused'])
  await take('flooder', 'refused', refusalBurst + refusalsPerSecond / 100)
  const kept = [take('flooder', 'normal', 2), take('flooder', 'normal', 3)]
  await turns()
  t.equal(looked.length, 2, 'nothing more of the flooder yet')
  t.same(await take('honest', 'normal', 1), ['normal'], 'nobody else waits')
  t.same(rests, [20], 'for as long as its debt lasts')
  wakeAt(60_000)
  await Promise.all(kept)
  t.same(
    looked.slice(3).map(({ count }) => count),
    [2, 3],
    'then in order',
  )
})

t.test(
  'what honest peers bring late or twice never slows them; members are not judged by credit',
  async (t) => {
    const { looked, take } = start()
    for (let turn = 0; turn < 20; turn += 1) {
      await take('relay', 'known', 1_000)
      await take('member', 'over', 1_000, { isMember: true })
    }
    await take('relay', 'late', 4 * refusalBurst)
    await take('relay', 'normal', 1)
    t.equal(looked.length, 42)
  },
)

t.test('an alarm behind a flood waits a moment only', async (t) => {
  const { looked, take, rests, wakeAt } = start()
  await take('gateway', 'over', 1_000_000)
  const slow = take('gateway', 'normal', 7)
  const alarm = take('gateway', 'normal', 1, { queueClass: 0 })
  await turns()
  t.same(rests, [(1_000 * refusalDebtMax) / refusalsPerSecond, urgentWaitMsMax])
  wakeAt(urgentWaitMsMax)
  t.same(await alarm, ['normal'])
  t.same(
    looked.map(({ count }) => count),
    [1_000_000, 1],
    'before what came ahead of it',
  )
  wakeAt(60_000)
  t.same(
    await slow,
    Array.from({ length: 7 }, () => 'normal'),
  )
})
