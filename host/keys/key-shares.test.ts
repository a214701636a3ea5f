// Any threshold of shares gives the secret back, fewer or wrong ones do not; a crash loses nothing of them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { createKeyslotFile } from '../store/index.js'
import { randomBytes } from './crypto.js'
import {
  choicesOf,
  decodeAnswer,
  decodeAsk,
  decodeHostMessage,
  encodeAsk,
  encodeDeal,
  encodeGiven,
  encodeHeld,
  encodeProbe,
  encodeReady,
  encodeRefusal,
  joinShares,
  splitSecret,
  thresholdOf,
} from './key-shares.js'
import { ShareKeeper } from './share-keeper.js'

t.test('shares', async (t) => {
  t.same([0, 1, 2, 10].map(thresholdOf), [2, 2, 3, 11], 'f + 1, never one alone')
  const secret = randomBytes(32)
  const shares = await splitSecret(secret, 6, 3)
  for (const choice of choicesOf(shares, 3)) t.same(await joinShares(choice), secret)
  t.notSame(await joinShares(shares.slice(0, 2)), secret, 'two know nothing')
  const lie = [shares[0], shares[1], Uint8Array.from(shares[2]).fill(1, 0, 8)]
  t.notSame(await joinShares(lie), secret, 'a lie gives another secret, which no keyslot takes')
  t.equal([...choicesOf([1, 2, 3, 4], 2)].length, 6)
  t.same([...choicesOf([1], 2)], [], 'too few')
})

t.test('messages come back as they went; any bytes give a message or nothing', async (t) => {
  const deal = { generation: 7, visitingKey: randomBytes(32), share: randomBytes(33) }
  t.same(decodeHostMessage(encodeDeal(deal)), { kind: 'deal', ...deal })
  t.same(decodeHostMessage(encodeHeld(7)), { kind: 'held', generation: 7 })
  t.same(decodeAsk(encodeAsk(9)), { generation: 9, isProbe: false })
  t.same(decodeAsk(encodeProbe(9)), { generation: 9, isProbe: true })
  t.same(decodeAnswer(encodeGiven(deal.share)), { share: deal.share })
  t.same(decodeAnswer(encodeReady()), { ready: true })
  t.same(decodeAnswer(encodeRefusal('throttled')), { refusal: 'throttled' })
  t.same(decodeAnswer(new Uint8Array(0)), { refusal: 'unknown' })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      decodeHostMessage(bytes)
      decodeAsk(bytes)
      decodeAnswer(bytes)
    }),
  )
})

t.test('the keeper', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-shares-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const cost = { passes: 1, memoryKiB: 8 }
  const dataKey = await createKeyslotFile(path.join(folder, 'keyslots'), randomBytes(8), { cost })
  const file = path.join(folder, 'shares.sealed')
  const keeper = new ShareKeeper(file, dataKey)
  const node = randomBytes(32)
  const dealOf = (generation: number) => {
    return { node, generation, visitingKey: randomBytes(32), share: randomBytes(33) }
  }
  const deals = [1, 2, 3].map(dealOf)
  for (const deal of deals) t.ok(keeper.keep(deal))
  t.notOk(keeper.keep(dealOf(1)), 'a deal of before')
  t.equal(keeper.count, 2, 'the newest two')
  const key = (index: number): string => bytesToHex(deals[index].visitingKey)
  t.notOk(keeper.knows(key(0)))
  t.same(keeper.find(key(1), 2)?.share, deals[1].share)
  t.equal(keeper.find(key(2), 2), undefined, 'the key of another deal')
  t.ok(keeper.owe({ node, generation: 3, releasedAt: 5 }))
  const again = new ShareKeeper(file, dataKey)
  t.match(again.owed, [{ generation: 3, releasedAt: 5 }], 'owed after a crash')
  t.same(again.find(key(2), 3)?.share, deals[2].share)
  again.paid(again.owed[0])
  again.forget(node)
  t.equal(new ShareKeeper(file, dataKey).count, 0)
  t.equal(new ShareKeeper(file, dataKey).owed.length, 0)
  t.notOk(readFileSync(file).includes(Buffer.from(deals[2].share)), 'sealed')

  // A damaged file is no reason to keep a node shut.
  t.ok(new ShareKeeper(file, dataKey).keep(deals[2]))
  const whole = readFileSync(file)
  const bent = Buffer.from(whole)
  bent[0] ^= 1
  const damages = { cut: whole.subarray(0, -1), 'all but its head cut': whole.subarray(0, 10), bent }
  const names = ['shares.sealed.damaged', 'shares.sealed.damaged-2', 'shares.sealed.damaged-3']
  for (const [what, bytes] of Object.entries(damages)) {
    writeFileSync(file, bytes)
    const told: string[] = []
    const kept = new ShareKeeper(file, dataKey, (damage) => told.push(path.basename(damage.file)))
    t.equal(kept.count, 0, what)
    t.same(told, [names.shift()], 'told where it lies')
    t.ok(kept.keep(deals[2]) && new ShareKeeper(file, dataKey).count === 1, 'and it goes on')
  }
  const newer = Buffer.from(whole)
  newer[8] = 9
  writeFileSync(file, newer)
  t.throws(() => new ShareKeeper(file, dataKey), { code: 'STORE_NEWER_VERSION' })
  t.same(readFileSync(file), newer, 'not touched')
})
