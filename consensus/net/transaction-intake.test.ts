// Who forges is not listened to; nothing of anybody is held.
import t from 'tap'
import { forgedBurst, forgedDebtMax, forgedPerSecond, intakeBytesMax } from './limits.js'
import type { Reception } from './ports.js'
import { TransactionIntake } from './transaction-intake.js'

/** Bundles say with their first byte how they are received. */
const kinds: readonly Reception[] = ['normal', 'known', 'refused', 'forged']

function start(answer: () => Promise<void> = () => Promise.resolve()) {
  const clock = { now: 0 }
  const looked: string[] = []
  const intake = new TransactionIntake(
    async (bundles, from) => {
      looked.push(from)
      await answer()
      return bundles.map(([kind]) => kinds[kind])
    },
    () => clock.now,
  )
  const take = (from: string, kind: Reception, count: number, length = 1) => {
    const bundle = new Uint8Array(length).fill(kinds.indexOf(kind))
    return intake.take(
      from,
      Array.from({ length: count }, () => bundle),
    )
  }
  return { clock, looked, take }
}

t.test('some forgeries are free; beyond them a peer is not looked at until time has passed', async (t) => {
  const { clock, looked, take } = start()
  t.match(await take('forger', 'forged', forgedBurst), { ok: true })
  t.match(await take('forger', 'forged', 1), { ok: true, receptions: ['forged'] }, 'the last free one')
  t.match(await take('forger', 'normal', 1), { ok: false, code: 'FORGED_TRANSACTIONS' })
  t.match(await take('honest', 'normal', 1), { ok: true, receptions: ['normal'] }, 'nobody else pays')
  clock.now = 1_000 / forgedPerSecond
  t.match(await take('forger', 'normal', 1), { ok: true })
  await take('forger', 'forged', 1_000_000)
  clock.now += (1_000 * forgedDebtMax) / forgedPerSecond - 1
  t.match(await take('forger', 'normal', 1), { ok: false }, 'debt is remembered')
  clock.now += 1
  t.match(await take('forger', 'normal', 1), { ok: true }, 'and bounded')
  t.equal(looked.length, 6, 'what was refused was not looked at')
})

t.test('what an honest peer may bring costs nothing, however much of it is refused', async (t) => {
  const { looked, take } = start()
  for (let turn = 0; turn < 20; turn += 1) {
    await take('relay', 'known', 1_000)
    await take('relay', 'refused', 1_000)
  }
  t.match(await take('relay', 'normal', 1), { ok: true })
  t.equal(looked.length, 41)
})

t.test('what one peer has waiting for a slow pool is bounded, over all its connections', async (t) => {
  let answer = (): void => undefined
  const slow = new Promise<void>((resolve) => (answer = resolve))
  const { looked, take } = start(() => slow)
  const mib = 1024 * 1024
  const waiting = Array.from({ length: intakeBytesMax / mib }, () => take('peer', 'normal', 1, mib))
  t.match(await take('peer', 'normal', 1), { ok: false, code: 'TRANSACTIONS_TOO_MANY' })
  const other = take('other', 'normal', 1)
  t.equal(looked.length, intakeBytesMax / mib + 1)
  answer()
  await Promise.all([...waiting, other])
  t.match(await take('peer', 'normal', 1), { ok: true })
})
