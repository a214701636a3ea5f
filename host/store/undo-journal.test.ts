// Undo journals: kept with their block, bounded by count and by bytes, gone with an erasure for good.
import t, { type Test } from 'tap'
import {
  buildBlock,
  createBed,
  leafSalt,
  patientOf,
  temporaryFolder,
  type Bed,
} from './chain-store.fixture.js'
import { openChainStore, verifyChainStore } from './index.js'
import { createScratchHash, sha256 } from './sodium.js'
import { StateTree } from '../../runtime/state/index.js'
import { table } from './tables.js'
import type { UndoLimits } from './undo-journal.js'

const journalOf = (height: number): Uint8Array => new Uint8Array(200).fill(height)

function reopen(bed: Bed, undo: Partial<UndoLimits>): Bed {
  const store = openChainStore(bed.folder, bed.dataKey, { undo })
  return { ...bed, store, tree: StateTree.open(store, createScratchHash(), leafSalt) }
}

function apply(bed: Bed, erasedPatients?: Uint8Array[], hasJournal = true): number {
  const height = (bed.store.applied()?.height ?? -1) + 1
  const block = buildBlock(bed, height)
  const erasure = erasedPatients === undefined ? {} : { erasedPatients }
  bed.store.applyBlock({
    ...block,
    ...erasure,
    ...(height === 0 || !hasJournal ? {} : { undo: journalOf(height) }),
  })
  bed.tree.accept(bed.tree.update(block.writes.state))
  return height
}

const kept = (t: Test, { store }: Bed, upTo: number): number[] =>
  Array.from({ length: upTo + 1 }, (_, height) => height).filter((height) => {
    const journal = store.undoAt(height)
    if (journal !== undefined) t.same(journal, journalOf(height))
    return journal !== undefined
  })

t.test('the last blocks are kept, by count and by bytes', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  let bed = await createBed(folder)
  await bed.store.close()
  bed = reopen(bed, { blocksMax: 3 })
  t.equal(bed.store.undoFirst(), 1, 'nothing to take back yet')
  for (let height = 0; height <= 5; height += 1) apply(bed)
  t.same(kept(t, bed, 5), [3, 4, 5])
  t.equal(bed.store.undoFirst(), 3)
  await bed.store.close()
  bed = reopen(bed, { bytesMax: 600 })
  t.same(kept(t, bed, 5), [3, 4, 5], 'over a restart')
  apply(bed)
  t.same(kept(t, bed, 6), [5, 6], 'two of 244 bytes fit into 600')
  t.equal(bed.store.undoFirst(), 5)
  t.same(verifyChainStore(bed.store, { hash: sha256, leafSalt }).findings, [])
  await bed.store.close()
})

t.test('an erasure drops every journal, and what was copied before it opens no more', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 4; height += 1) apply(bed)
  const { environment } = bed.store
  const copies = [...environment.range(Buffer.from([table.undo]), Buffer.from([table.undo + 1]))].map(
    ({ storedKey, record }) => ({ storedKey: Buffer.from(storedKey), record: Buffer.from(record) }),
  )
  t.equal(copies.length, 4)
  const erasing = apply(bed, [patientOf(1)])
  t.same(kept(t, bed, erasing), [])
  t.equal(bed.store.undoFirst(), erasing + 1)
  environment.putRecords(copies)
  t.throws(() => bed.store.undoAt(3), { code: 'STORE_DAMAGED' }, 'the key went with the erasure')
  const after = apply(bed)
  t.equal(bed.store.undoFirst(), after)
  t.same(bed.store.undoAt(after), journalOf(after))
  const slice = apply(bed, undefined, false)
  t.equal(bed.store.undoFirst(), slice + 1, 'a block without one cannot be gone back over')
  t.equal(bed.store.undoAt(after), undefined)
  t.equal(bed.store.undoFirst(), apply(bed))
  await bed.store.close()
})

t.test('a journal of another height is not taken for this one', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 2; height += 1) apply(bed)
  const { environment } = bed.store
  const [first, second] = [
    ...environment.range(Buffer.from([table.undo]), Buffer.from([table.undo + 1])),
  ].map(({ storedKey, record }) => ({ storedKey: Buffer.from(storedKey), record: Buffer.from(record) }))
  environment.putRecords([{ storedKey: first.storedKey, record: second.record }])
  t.throws(() => bed.store.undoAt(1), { code: 'RECORD_ALTERED' })
  await bed.store.close()
})
