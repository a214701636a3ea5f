// The list of what a node does not propose: bounded, kept over starts, and never in the way of a full disk.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { bundlesMax, canHaveLedTo, HeldBack, type HeldBlock } from './held-back.js'

function folderOf(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-held-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

const hashOf = (number: number): string => number.toString(16).padStart(64, '0')

const blockOf = (height: number, first: number, count: number): HeldBlock => ({
  ...{ since: 1_000 * height, reason: 'EXECUTOR_DIED', height },
  bundles: Array.from({ length: count }, (_, index) => ({ hash: hashOf(first + index), transaction: '' })),
})

t.test('the oldest are let go beyond the bound, and not before', async (t) => {
  const held = new HeldBack()
  held.add(blockOf(1, 0, 10))
  held.add(blockOf(2, 10, bundlesMax - 10))
  t.equal(held.count, bundlesMax)
  t.ok(held.has(hashOf(0)), 'all of them fit')
  t.same(
    held.add(blockOf(3, bundlesMax, 1)),
    Array.from({ length: 10 }, (_, index) => hashOf(index)),
  )
  t.equal(held.count, bundlesMax - 9, 'the oldest block went')
  t.same([held.has(hashOf(9)), held.has(hashOf(10)), held.has(hashOf(bundlesMax))], [false, true, true])
})

t.test('it outlives the process; what is dropped is gone', async (t) => {
  const file = path.join(folderOf(t), 'held-back.json')
  const held = new HeldBack(file)
  held.add(blockOf(1, 0, 2))
  held.add({ ...blockOf(2, 1, 2), reason: 'RESULT_SPLIT' })
  held.learn(hashOf(2), 'aa')
  t.same(held.drop([hashOf(0), hashOf(7)]), [hashOf(0)], 'what is not held back is not dropped')
  const again = new HeldBack(file, (error) => t.fail(String(error)))
  t.match(again.blocks, [
    { height: 1, reason: 'EXECUTOR_DIED', bundles: [{ hash: hashOf(1) }] },
    { height: 2, reason: 'RESULT_SPLIT', bundles: [{ hash: hashOf(2), transaction: 'aa' }] },
  ])
  t.same(again.drop([hashOf(1), hashOf(2)]), [hashOf(1), hashOf(2)])
  t.equal(new HeldBack(file).count, 0)
})

t.test('what blocks take out is written beside them, together, and never over a newer list', async (t) => {
  const file = path.join(folderOf(t), 'held-back.json')
  const held = new HeldBack(file)
  held.add(blockOf(1, 0, 500))
  const { ino } = statSync(file)
  for (let index = 0; index < 400; index += 1) held.dropSoon([hashOf(index)])
  t.equal(statSync(file).ino, ino, 'nobody waited for the disk')
  t.equal(held.count, 100)
  await held.settled()
  t.equal(new HeldBack(file).count, 100)
  held.dropSoon([hashOf(400)])
  held.add(blockOf(2, 500, 1))
  t.equal(new HeldBack(file).count, 100, 'what comes is there at once')
  await held.settled()
  t.equal(new HeldBack(file).count, 100)
  t.same(readdirSync(path.dirname(file)), ['held-back.json'])
})

t.test('a disk that refuses it is told once, and written when there is room', async (t) => {
  const folder = path.join(folderOf(t), 'not-yet')
  const file = path.join(folder, 'held-back.json')
  let troubles = 0
  const held = new HeldBack(file, () => (troubles += 1))
  held.add(blockOf(1, 0, 1))
  held.add(blockOf(2, 1, 1))
  t.same([held.count, held.isSaved, troubles], [2, false, 1], 'held back in memory meanwhile')
  mkdirSync(folder)
  held.saveAgain()
  await held.settled()
  t.equal(held.isSaved, true)
  t.equal(new HeldBack(file).count, 2)
})

t.test('a damaged list is told and holds nothing back', async (t) => {
  const file = path.join(folderOf(t), 'held-back.json')
  for (const text of ['{', '{"version":1}', '{"blocks":[{"bundles":[{"hash":"../x"}]}]}']) {
    writeFileSync(file, text)
    let troubles = 0
    const held = new HeldBack(file, () => (troubles += 1))
    t.same([held.count, troubles], [0, 1], text)
  }
})

t.test('a timer that ended the executor speaks against no transaction of the block', async (t) => {
  const names = { height: 7, contract: 'acme/deep', address: hashOf(9), method: 'go', depth: 0 }
  const ran = (transaction: string, cause: string) => ({ ...names, transaction, cause })
  const bundles = [1, 2].map((number) => ({ hash: hashOf(number), transaction: hashOf(100 + number) }))
  const [own, timers, derived] = [hashOf(101), hashOf(500), hashOf(501)]
  t.ok(canHaveLedTo(ran(own, own), bundles), 'a signed one')
  t.ok(canHaveLedTo(ran(derived, hashOf(102)), bundles), 'what a signed one set off')
  t.notOk(canHaveLedTo(ran(timers, ''), bundles), 'a timer')
  t.notOk(canHaveLedTo(ran(derived, timers), bundles), 'what was carried over')
  t.notOk(canHaveLedTo(ran(timers, ''), []), 'a block of due work alone')
  t.ok(canHaveLedTo(undefined, bundles), 'no contract is known')
  t.ok(canHaveLedTo(ran('', ''), bundles), 'a module that was made ready')
  t.ok(canHaveLedTo(ran(timers, ''), [{ hash: hashOf(1), transaction: '' }]), 'ids that are not known')
})
