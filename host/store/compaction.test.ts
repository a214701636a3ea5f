// Disk that comes back: payloads are pruned, and the file is made small while blocks go on.
import { existsSync, mkdirSync, copyFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { StateTree } from '../../runtime/state/index.js'
import {
  applyNext,
  buildBlock,
  createBed,
  leafSalt,
  openBed,
  temporaryFolder,
  utf8,
  type Bed,
} from './chain-store.fixture.js'
import { verifyChainStore } from './index.js'
import { sha256 } from './sodium.js'

const payloadBytes = 20_000

/** A block with a payload that is worth pruning. */
function applyLarge(bed: Bed): void {
  const height = (bed.store.applied()?.height ?? -1) + 1
  const block = buildBlock(bed, height)
  bed.store.applyBlock({ ...block, payload: new Uint8Array(payloadBytes).fill(height) })
  bed.tree.accept(bed.tree.update(block.writes.state))
}

async function copied(bed: Bed): Promise<void> {
  while (bed.store.compactionState === 'copying') await new Promise((resolve) => setTimeout(resolve, 5))
}

t.test('payloads below a height go, everything else stays; it goes on where it was cut off', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let count = 0; count < 40; count += 1) applyLarge(bed)
  const before = bed.store.blockAt(10)
  t.equal(bed.store.firstPayload(), 0)
  t.equal(bed.store.prune(30, 12), 12)
  t.equal(bed.store.firstPayload(), 12)
  await bed.store.close()
  const again = openBed(folder, bed.dataKey)
  t.equal(again.store.prune(30, 100), 18)
  t.equal(again.store.prune(30, 100), 0, 'nothing is left to do')
  t.equal(again.store.prune(10, 100), 0, 'nothing comes back')
  const pruned = again.store.blockAt(10)
  t.same({ ...pruned, payload: undefined }, { ...before, payload: undefined }, 'all but the payload')
  t.equal(pruned?.payload.length, 0)
  t.equal(again.store.blockAt(30)?.payload.length, payloadBytes)
  t.equal(again.store.firstBlock(), 0)
  t.same(verifyChainStore(again.store, { hash: sha256, leafSalt }).findings, [])
  t.ok(again.store.space().freeBytes > 29 * payloadBytes, 'pages are free inside the file')
  const { fileBytes } = again.store.space()
  for (let count = 0; count < 20; count += 1) applyLarge(again)
  const grown = again.store.space().fileBytes - fileBytes
  t.ok(
    grown < 5 * payloadBytes,
    `free pages are filled first: the file grew by ${grown} bytes in 20 blocks`,
  )
  t.equal(again.store.prune(1_000, 1_000), 30, 'never above the tip')
  await again.store.close()
})

t.test('a compaction gives disk back while blocks are applied, and loses none of them', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let count = 0; count < 60; count += 1) applyLarge(bed)
  bed.store.prune(55, 100)
  const before = bed.store.space()
  bed.store.beginCompaction()
  t.throws(() => bed.store.finishCompaction(), { code: 'STORE_CLOSED' }, 'not before the copy is made')
  for (let count = 0; count < 5; count += 1) applyLarge(bed)
  bed.store.putNote('made meanwhile', utf8('a note'))
  bed.store.putNote('made and removed', utf8('a note'))
  bed.store.putNote('made and removed', undefined)
  const reader = bed.store.snapshotReader()
  await copied(bed)
  for (let count = 0; count < 5; count += 1) applyLarge(bed)
  bed.store.prune(60, 100)
  t.equal(reader.height, 64)
  bed.store.finishCompaction()
  t.throws(() => reader.applied(), { code: 'SNAPSHOT_EXPIRED' }, 'a reader of the old file ends')
  const after = bed.store.space()
  t.ok(after.fileBytes < before.fileBytes / 2, `${before.fileBytes} bytes -> ${after.fileBytes}`)
  t.equal(after.fileBytes, statSync(join(folder, 'chain.lmdb')).size)
  t.equal(bed.store.applied()?.height, 69)
  t.same(bed.store.note('made meanwhile'), utf8('a note'))
  t.equal(bed.store.note('made and removed'), undefined)
  t.same(StateTree.open(bed.store, sha256, leafSalt).root, bed.tree.root)
  t.same(verifyChainStore(bed.store, { hash: sha256, leafSalt }).findings, [])
  applyLarge(bed)
  t.equal(bed.store.blockAt(70)?.payload.length, payloadBytes, 'and goes on')
  await bed.store.close()
  const again = openBed(folder, bed.dataKey)
  t.equal(again.store.applied()?.height, 70)
  t.equal(again.store.firstPayload(), 60)
  t.same(again.tree.root, again.store.applied()?.stateRoot)
  await again.store.close()
})

t.test('slices end by bytes; what is written while a copy is made comes over in steps', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height < 4; height += 1) {
    const block = buildBlock(bed, height)
    bed.store.applyBlock({ ...block, payload: new Uint8Array(3 * 2 ** 20).fill(height) })
    bed.tree.accept(bed.tree.update(block.writes.state))
  }
  t.equal(bed.store.prune(4, 100), 2, 'no more than a few MiB in one transaction')
  t.equal(bed.store.prune(4, 100), 2)
  const written = (text: string): { name: string; value: Uint8Array }[] =>
    Array.from({ length: 3_000 }, (_, index) => ({
      name: `note ${index}`,
      value: utf8(`${text} ${index}`),
    }))
  bed.store.putNotes(written('first'))
  bed.store.beginCompaction()
  bed.store.putNotes(written('second'))
  let rounds = 0
  for (; bed.store.compactionState === 'copying'; rounds += 1) {
    bed.store.putNote(`note ${rounds}`, utf8('third'))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  bed.store.putNote('note 2999', undefined)
  bed.store.finishCompaction()
  for (const { name, value } of written('second').slice(rounds, -1)) {
    if (Buffer.compare(bed.store.note(name) ?? utf8(''), value) !== 0) t.fail(name)
  }
  for (let index = 0; index < Math.min(rounds, 2_999); index += 1)
    t.same(bed.store.note(`note ${index}`), utf8('third'))
  t.equal(bed.store.note('note 2999'), undefined)
  t.same(verifyChainStore(bed.store, { hash: sha256, leafSalt }).findings, [])
  await bed.store.close()
})

t.test('a crash at any moment of a compaction leaves a whole store', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let count = 0; count < 10; count += 1) applyNext(bed)
  const crashed = (name: string, extra: string): string => {
    const target = join(folder, name)
    mkdirSync(target)
    for (const file of ['chain.lmdb', 'patients.key']) copyFileSync(join(folder, file), join(target, file))
    if (existsSync(join(folder, extra))) copyFileSync(join(folder, extra), join(target, extra))
    return target
  }
  bed.store.beginCompaction()
  const inCopying = crashed('while copying', 'chain.lmdb.compact')
  writeFileSync(join(inCopying, 'chain.lmdb.compact'), 'a piece of a copy')
  await copied(bed)
  applyNext(bed)
  const afterCopying = crashed('copied, not in place', 'chain.lmdb.compact')
  // The cuts inside the switch: the copy is whole and not renamed; renamed, with the lock files of before.
  const caughtUp = crashed('caught up, not renamed', 'none')
  const locks = ['chain.lmdb-lock', 'chain.lmdb.compact-lock']
  const renamed = crashed('renamed, locks left', locks[0])
  copyFileSync(join(folder, locks[0]), join(renamed, locks[1]))
  bed.store.finishCompaction()
  copyFileSync(join(folder, 'chain.lmdb'), join(caughtUp, 'chain.lmdb.compact'))
  copyFileSync(join(folder, 'chain.lmdb'), join(renamed, 'chain.lmdb'))
  const inPlace = crashed('in place', 'chain.lmdb.compact')
  await bed.store.close()
  for (const [target, height] of [
    [inCopying, 9],
    [afterCopying, 10],
    [caughtUp, 10],
    [renamed, 10],
    [inPlace, 10],
  ] as const) {
    const again = openBed(target, bed.dataKey)
    t.equal(again.store.applied()?.height, height)
    t.same(again.tree.root, again.store.applied()?.stateRoot)
    t.notOk(
      readdirSync(target).some((name) => name.includes('compact')),
      'nothing of the copy is left',
    )
    applyNext(again)
    t.same(verifyChainStore(again.store, { hash: sha256, leafSalt }).findings, [], 'and it goes on')
    await again.store.close()
  }
})

t.test('a store that is closed while it is copied closes in order', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let count = 0; count < 20; count += 1) applyLarge(bed)
  bed.store.beginCompaction()
  await bed.store.close()
  t.notOk(readdirSync(folder).some((name) => name.includes('compact')))
  const again = openBed(folder, bed.dataKey)
  t.equal(again.store.applied()?.height, 19)
  await again.store.close()
})

t.test('the first blocks after a compaction may free and need many pages', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  const grow = (bytes: number): void => {
    const height = (bed.store.applied()?.height ?? -1) + 1
    const block = buildBlock(bed, height)
    bed.store.applyBlock({ ...block, payload: new Uint8Array(bytes).fill(height) })
    bed.tree.accept(bed.tree.update(block.writes.state))
  }
  for (let count = 0; count < 60; count += 1) grow(130_000)
  for (const _again of [1, 2]) {
    bed.store.beginCompaction()
    await copied(bed)
    bed.store.finishCompaction()
    // Without the small transactions before it, the engine ended the process here.
    bed.store.prune(bed.store.firstPayload() + 30, 30)
    grow(2_000_000)
    grow(2_000_000)
  }
  t.equal(bed.store.applied()?.height, 63)
  t.same(verifyChainStore(bed.store, { hash: sha256, leafSalt }).findings, [])
  await bed.store.close()
})
