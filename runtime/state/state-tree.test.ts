import fc from 'fast-check'
import t from 'tap'
import { bytesToHex, equalBytes } from '../protocol/bytes.js'
import {
  applyToTree,
  compareWrites,
  encodePointKey,
  MemoryPages,
  StateTree,
  verifyProof,
  type StateWrite,
} from './index.js'
import { naiveStateRoot, sha256, testSalt } from './naive-tree.fixture.js'

type Model = Map<string, Map<string, Uint8Array>>

const keyOf = (number: number): Uint8Array =>
  encodePointKey(new Uint8Array([number >>> 16, number >>> 8, number]))

function applyToModel(model: Model, writes: readonly StateWrite[]): void {
  for (const { store, key, value } of writes) {
    const entries = model.get(store) ?? new Map<string, Uint8Array>()
    model.set(store, entries)
    if (value === undefined) entries.delete(bytesToHex(key))
    else entries.set(bytesToHex(key), value)
  }
}

/** Sorted, each key once (the last write wins). */
function toWriteSet(writes: readonly StateWrite[]): StateWrite[] {
  const byKey = new Map(writes.map((write) => [write.store + bytesToHex(write.key), write]))
  return [...byKey.values()].sort(compareWrites)
}

interface Bed {
  tree: StateTree
  pages: MemoryPages
  model: Model
}

function createBed(): Bed {
  const pages = new MemoryPages()
  return { tree: StateTree.open(pages, sha256, testSalt), pages, model: new Map() }
}

function applyBatch(bed: Bed, writes: StateWrite[]): void {
  const update = bed.tree.update(writes)
  bed.pages.apply(update.pageWrites, update.redo)
  bed.tree.accept(update)
  applyToModel(bed.model, writes)
}

/** Both kinds of proof for some keys, and no proof for a wrong claim. */
function proofFailures(bed: Bed, stores: string[], keys: number[]): string[] {
  const failures: string[] = []
  const { root } = bed.tree
  for (const store of stores) {
    for (const number of keys) {
      const key = keyOf(number)
      const value = bed.model.get(store)?.get(bytesToHex(key))
      const proof = bed.tree.prove(store, key)
      const claim = { root, leafSalt: testSalt, store, key, value }
      if (!verifyProof(claim, proof, sha256).ok) failures.push(`true claim refused: ${store} ${number}`)
      const wrong = value === undefined ? new Uint8Array([1]) : undefined
      if (verifyProof({ ...claim, value: wrong }, proof, sha256).ok) failures.push(`false claim: ${number}`)
    }
  }
  return failures
}

const anyWrite = fc.record({
  store: fc.constantFrom('ward/policy', 'ward/alerts', '$record'),
  key: fc.nat(120).map(keyOf),
  value: fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined, freq: 3 }),
})

t.test('random batches give the root of the definition, and proofs of both kinds', async (t) => {
  const batches = fc.array(fc.array(anyWrite, { maxLength: 150 }).map(toWriteSet), { maxLength: 8 })
  fc.assert(
    fc.property(batches, fc.array(fc.nat(140), { maxLength: 10 }), (batches, probes) => {
      const bed = createBed()
      for (const batch of batches) {
        applyBatch(bed, batch)
        if (!equalBytes(bed.tree.root, naiveStateRoot(bed.model))) return false
      }
      const reopened = StateTree.open(bed.pages, sha256, testSalt, { pageCacheBytesMax: 0 })
      if (!equalBytes(reopened.root, bed.tree.root)) return false
      const stores = ['ward/policy', '$record', 'ward/absent']
      return proofFailures({ ...bed, tree: reopened }, stores, probes).length === 0
    }),
    { numRuns: 120 },
  )
  t.pass('120 runs')
})

t.test(
  'pages that wait: after every update the stored ones and the records give the same tree',
  async (t) => {
    const batch = fc.array(anyWrite, { maxLength: 60 }).map(toWriteSet)
    fc.assert(
      fc.property(
        fc.array(batch, { maxLength: 12 }),
        fc.nat(9_000),
        fc.array(fc.nat(11), { maxLength: 4 }),
        (batches, bytesMax, cuts) => {
          const bed = createBed()
          const options = { redoBytesMax: bytesMax, pageCacheBytesMax: 3_000 }
          let tree = StateTree.open(bed.pages, sha256, testSalt, options)
          for (const [index, writes] of batches.entries()) {
            // As after a crash: what waited in memory is gone.
            if (cuts.includes(index)) tree = StateTree.open(bed.pages, sha256, testSalt, options)
            tree.update(toWriteSet([{ store: '$record', key: keyOf(9), value: keyOf(index) }]))
            applyBatch({ ...bed, tree }, writes)
            const reopened = StateTree.open(bed.pages, sha256, testSalt)
            if (!equalBytes(reopened.root, naiveStateRoot(bed.model))) return false
            if (!equalBytes(tree.root, reopened.root)) return false
            if (!equalBytes(tree.root, rootOneByOne(bed.pages))) return false
          }
          const rest = tree.flush()
          bed.pages.apply(rest.pageWrites, rest.redo)
          tree.accept(rest)
          if ([...bed.pages.redoRecords()].length > 0) return false
          const outlined = StateTree.fromOutline(bed.pages, sha256, testSalt, tree.outline())
          if (outlined === undefined) return false
          return (
            proofFailures({ ...bed, tree: outlined }, ['ward/policy', '$record'], [0, 1, 2, 119]).length ===
            0
          )
        },
      ),
      { numRuns: 150 },
    )
    const bed = createBed()
    const tree = StateTree.open(bed.pages, sha256, testSalt, { redoBytesMax: 20_000 })
    const writes = Array.from({ length: 200 }, (_, n) => ({ store: 'a/b', key: keyOf(n), value: keyOf(n) }))
    applyBatch({ ...bed, tree }, toWriteSet(writes))
    const changed = tree.update([{ store: 'a/b', key: keyOf(7), value: keyOf(8) }])
    t.same(changed.pageWrites, [], 'a page that keeps its place waits')
    bed.pages.apply(changed.pageWrites, changed.redo)
    tree.accept(changed)
    bed.pages.apply([], { sequence: 9, record: new Uint8Array([1]), dropFrom: 0, dropTo: 0 })
    const open = (): StateTree => StateTree.open(bed.pages, sha256, testSalt)
    t.throws(open, { code: 'TREE_PAGE_MISMATCH' }, 'records with a gap, or that are none, are not played')
    bed.pages.apply([], { sequence: 9, record: undefined, dropFrom: 0, dropTo: 10 })
    t.notSame(open().root, tree.root, 'without its record the tree is an older one, which the root shows')
  },
)

t.test('pages whose paths share their first six bytes are found in their order again', async (t) => {
  const alike = (bytes: Uint8Array): Uint8Array => new Uint8Array(sha256(bytes)).fill(7, 0, 6)
  const pages = new MemoryPages()
  const tree = StateTree.open(pages, alike, testSalt, { redoBytesMax: 20_000 })
  const apply = (writes: StateWrite[]): void => {
    const update = tree.update(toWriteSet(writes))
    pages.apply(update.pageWrites, update.redo)
    tree.accept(update)
  }
  apply(Array.from({ length: 200 }, (_, n) => ({ store: 'a/b', key: keyOf(n), value: keyOf(n) })))
  t.ok([...pages.pages()].length > 10, 'several pages')
  t.same(StateTree.open(pages, alike, testSalt).root, tree.root)
  apply([3, 80, 150].map((n) => ({ store: 'a/b', key: keyOf(n), value: keyOf(n + 1) })))
  t.same(StateTree.open(pages, alike, testSalt).root, tree.root, 'with redo records beside them')
})

/** Each record played by itself, in order, over the pages that the one before it left. */
function rootOneByOne(pages: MemoryPages): Uint8Array {
  const copy = new MemoryPages()
  copy.apply([...pages.pages()])
  for (const { record } of pages.redoRecords()) {
    copy.apply([], { sequence: 0, record, dropFrom: 0, dropTo: 0 })
    const rest = StateTree.open(copy, sha256, testSalt).flush()
    copy.apply(rest.pageWrites, rest.redo)
  }
  return StateTree.open(copy, sha256, testSalt).root
}

t.test('after a crash the pages that waited are written over several updates', async (t) => {
  const bed = createBed()
  const options = { redoBytesMax: 2 ** 20 }
  let tree = StateTree.open(bed.pages, sha256, testSalt, options)
  const writesOf = (from: number, count: number, fill: number): StateWrite[] =>
    Array.from({ length: count }, (_, n) => ({
      ...{ store: 'a/b', key: keyOf(from + n), value: new Uint8Array([fill]) },
    }))
  applyBatch({ ...bed, tree }, toWriteSet(writesOf(0, 20_000, 0)))
  for (let fill = 1; fill <= 10; fill += 1) {
    applyBatch({ ...bed, tree }, toWriteSet(writesOf(1_500 * fill, 1_000, fill)))
  }
  tree = StateTree.open(bed.pages, sha256, testSalt, options)
  const kept = [...bed.pages.redoRecords()].length
  t.ok(kept > 5, 'a record for each update')
  for (let update = 0; [...bed.pages.redoRecords()].some(({ sequence }) => sequence < kept); update += 1) {
    const { pageWrites } = tree.update(writesOf(update, 1, 99))
    t.ok(pageWrites.length <= 1_001, `${pageWrites.length} of some 1,800 pages`)
    applyBatch({ ...bed, tree }, writesOf(update, 1, 99))
    // Another crash changes nothing: what was not written yet is still in the records.
    if (update === 1) tree = StateTree.open(bed.pages, sha256, testSalt, options)
    t.same(StateTree.open(bed.pages, sha256, testSalt).root, tree.root)
  }
  t.same(tree.root, naiveStateRoot(bed.model))
})

t.test('an update that forgets: no record and no page keeps what was removed', async (t) => {
  const bed = createBed()
  const options = { redoBytesMax: 2 ** 20 }
  let tree = StateTree.open(bed.pages, sha256, testSalt, options)
  const entry = { store: 'a/b', key: keyOf(70) }
  const secret = new TextEncoder().encode('HIV positive')
  const valueHash = sha256(new Uint8Array([...testSalt, ...entry.key, ...secret]))
  const mentions = (): string[] =>
    [
      ...Array.from(bed.pages.redoRecords(), ({ record }) => ['record', record] as const),
      ...Array.from(bed.pages.pages(), ({ page }) => ['page', page] as const),
    ].flatMap(([what, bytes]) => (bytesToHex(bytes).includes(bytesToHex(valueHash)) ? [what] : []))
  const others = Array.from({ length: 300 }, (_, n) => ({ store: 'a/b', key: keyOf(n), value: keyOf(n) }))
  const blank = [{ store: 'a/b', key: keyOf(1), value: new Uint8Array([1]) }]
  const remove = (forgets: boolean): void => {
    const update = tree.update([{ ...entry, value: undefined }], forgets)
    bed.pages.apply(update.pageWrites, update.redo)
    tree.accept(update)
  }
  applyBatch({ ...bed, tree }, toWriteSet(others))
  for (const forgets of [false, true, true]) {
    applyBatch({ ...bed, tree }, [{ ...entry, value: keyOf(7) }])
    applyBatch({ ...bed, tree }, [{ ...entry, value: secret }])
    remove(forgets)
    applyBatch({ ...bed, tree }, blank)
    if (!forgets) t.same(mentions(), ['record'], 'otherwise it stays until 1 MiB of other changes')
    else t.same(mentions(), [])
    tree = StateTree.open(bed.pages, sha256, testSalt, options)
  }
  applyBatch({ ...bed, tree }, [{ ...entry, value: secret }])
  const rest = tree.flush()
  bed.pages.apply(rest.pageWrites, rest.redo)
  tree.accept(rest)
  t.same(mentions(), ['page'])
  remove(true)
  t.same(mentions(), ['page'], 'the page waits')
  tree = StateTree.open(bed.pages, sha256, testSalt, options)
  applyBatch({ ...bed, tree }, blank)
  t.same(mentions(), [], 'a crash between does not make it stay')
})

t.test('batch borders and insert-then-delete do not show in the root', async (t) => {
  fc.assert(
    fc.property(fc.array(anyWrite, { maxLength: 200 }), fc.nat(200), (writes, cut) => {
      const together = createBed()
      applyBatch(together, toWriteSet(writes))
      const apart = createBed()
      applyBatch(apart, toWriteSet(writes.slice(0, cut)))
      applyBatch(apart, toWriteSet(writes.slice(cut)))
      return equalBytes(together.tree.root, apart.tree.root)
    }),
    { numRuns: 100 },
  )
  const bed = createBed()
  const writes = Array.from({ length: 3_000 }, (_, n) => ({ store: 'a/b', key: keyOf(n), value: keyOf(n) }))
  applyBatch(bed, toWriteSet(writes.slice(0, 100)))
  const before = bytesToHex(bed.tree.root)
  applyBatch(bed, toWriteSet(writes.slice(100)))
  t.not(bytesToHex(bed.tree.root), before)
  applyBatch(bed, toWriteSet(writes.slice(100).map((write) => ({ ...write, value: undefined }))))
  t.equal(bytesToHex(bed.tree.root), before)
  applyBatch(bed, toWriteSet(writes.map((write) => ({ ...write, value: undefined }))))
  t.equal(bytesToHex(bed.tree.root), '00'.repeat(32), 'an empty state has the empty root')
  t.equal([...bed.pages.pages()].length, 0, 'no page is left behind')
})

t.test('a large tree in many pages: proofs, evictions, reopening', async (t) => {
  const bed = createBed()
  const writes = Array.from({ length: 5_000 }, (_, n) => ({ store: 's/a', key: keyOf(n), value: keyOf(n) }))
  applyBatch(bed, toWriteSet(writes))
  const tight = StateTree.open(bed.pages, sha256, testSalt, { pageCacheBytesMax: 20_000 })
  t.same(tight.root, naiveStateRoot(bed.model))
  const probes = Array.from({ length: 120 }, (_, n) => n * 83)
  t.same(proofFailures({ ...bed, tree: tight }, ['s/a'], probes), [])
  const small = writes.slice(0, 40).map((write) => ({ ...write, value: new Uint8Array([1, 2]) }))
  applyBatch({ ...bed, tree: tight }, toWriteSet(small))
  t.same(tight.root, naiveStateRoot(bed.model))
  t.equal(tight.leafCount('s/a'), 5_000)
})

t.test('an update changes nothing until it is accepted', async (t) => {
  const bed = createBed()
  applyBatch(bed, [{ store: 's/a', key: keyOf(1), value: keyOf(1) }])
  const before = bytesToHex(bed.tree.root)
  const dropped = bed.tree.update([{ store: 's/a', key: keyOf(2), value: keyOf(2) }])
  t.equal(bytesToHex(bed.tree.root), before)
  const taken = bed.tree.update([{ store: 's/a', key: keyOf(3), value: keyOf(3) }])
  t.notSame(dropped.root, taken.root)
  bed.pages.apply(taken.pageWrites)
  bed.tree.accept(taken)
  t.same(bed.tree.root, taken.root)
  t.throws(() => bed.tree.accept(dropped), { code: 'ASSERTION_FAILED' })
  t.throws(() => bed.tree.update([...twice(keyOf(9))]), { code: 'ASSERTION_FAILED' })
})

function twice(key: Uint8Array): StateWrite[] {
  return [1, 2].map((byte) => ({ store: 's/a', key, value: new Uint8Array([byte]) }))
}

t.test('an older, missing or doubled page is noticed', async (t) => {
  const bed = createBed()
  const writes = Array.from({ length: 200 }, (_, n) => ({ store: 's/a', key: keyOf(n), value: keyOf(n) }))
  applyBatch(bed, toWriteSet(writes))
  const old = [...bed.pages.pages()]
  const tree = StateTree.open(bed.pages, sha256, testSalt, { pageCacheBytesMax: 0 })
  applyBatch({ ...bed, tree }, [{ store: 's/a', key: keyOf(5), value: new Uint8Array(1) }])
  const changed = old.find(({ id, page }) => !equalBytes(bed.pages.page(id) ?? page, page))
  t.ok(changed, 'one page changed')
  if (changed === undefined) return
  bed.pages.apply([changed])
  t.throws(() => tree.prove('s/a', keyOf(5)), { code: 'TREE_PAGE_MISMATCH' })
  t.notSame(StateTree.open(bed.pages, sha256, testSalt).root, tree.root, 'reopening gives another root')
  bed.pages.apply([{ id: changed.id, page: undefined }])
  t.throws(() => tree.prove('s/a', keyOf(5)), { code: 'TREE_PAGE_MISSING' })
  const root = new Uint8Array([3, ...Buffer.from('s/a'), 0, 0])
  bed.pages.apply([{ id: root, page: old[0].page }])
  t.throws(() => StateTree.open(bed.pages, sha256, testSalt), { code: 'TREE_PAGE_MISMATCH' })
})

t.test('mutated proofs are refused', async (t) => {
  const bed = createBed()
  const writes = Array.from({ length: 300 }, (_, n) => ({ store: 's/a', key: keyOf(n), value: keyOf(n) }))
  applyBatch(bed, toWriteSet(writes))
  applyBatch(bed, [{ store: 's/b', key: keyOf(1), value: keyOf(1) }])
  for (const [store, number] of [
    ['s/a', 7],
    ['s/a', 100_000],
    ['s/a', 100_003],
    ['s/b', 2],
    ['s/none', 1],
  ] as const) {
    const key = keyOf(number)
    const value = bed.model.get(store)?.get(bytesToHex(key))
    const claim = { root: bed.tree.root, leafSalt: testSalt, store, key, value }
    const proof = bed.tree.prove(store, key)
    t.ok(verifyProof(claim, proof, sha256).ok, `${store} ${number}`)
    const accepted: number[] = []
    for (let bit = 0; bit < proof.length * 8; bit += 1) {
      const mutated = proof.slice()
      mutated[bit >> 3] ^= 1 << (bit & 7)
      if (verifyProof(claim, mutated, sha256).ok) accepted.push(bit)
    }
    t.same(accepted, [], 'no flipped bit is accepted')
    t.notOk(verifyProof(claim, proof.slice(0, -1), sha256).ok, 'truncated')
    t.notOk(verifyProof(claim, new Uint8Array([...proof, 0]), sha256).ok, 'spare byte')
  }
})

t.test('any bytes as a proof give a value or a code', async (t) => {
  const claim = {
    root: new Uint8Array(32),
    leafSalt: testSalt,
    store: 'a/b',
    key: keyOf(1),
    value: undefined,
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (proof) => {
      const checked = verifyProof(claim, proof, sha256)
      return checked.ok || checked.code.startsWith('PROOF_')
    }),
  )
  t.ok(
    verifyProof(claim, StateTree.open(new MemoryPages(), sha256, testSalt).prove('a/b', keyOf(1)), sha256)
      .ok,
  )
})

t.test('applyToTree needs no object', async (t) => {
  const pages = new MemoryPages()
  const first = applyToTree(pages, [{ store: 'a/b', key: keyOf(1), value: keyOf(1) }], sha256, testSalt)
  pages.apply(first.pageWrites)
  const second = applyToTree(pages, [{ store: 'a/b', key: keyOf(1), value: undefined }], sha256, testSalt)
  t.same(second.root, new Uint8Array(32))
})

t.test('a tree opens from its outline as it opens from its pages', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(anyWrite, { maxLength: 40 }), { maxLength: 4 }), (batches) => {
      const bed = createBed()
      for (const batch of batches) applyBatch(bed, toWriteSet(batch))
      const outline = bed.tree.outline()
      const reopened = StateTree.fromOutline(bed.pages, sha256, testSalt, outline)
      if (reopened === undefined) throw new Error('no outline')
      t.same(reopened.root, bed.tree.root)
      t.same(proofFailures({ ...bed, tree: reopened }, ['ward/policy', 'none'], [0, 1, 2, 119]), [])
      const more = toWriteSet([{ store: '$record', key: keyOf(500), value: new Uint8Array([1]) }])
      t.same(reopened.update(more).root, bed.tree.update(more).root)
    }),
    { numRuns: 25, seed: 20_261_122 },
  )
  const bed = createBed()
  const writes = Array.from({ length: 900 }, (_, index) => ({
    store: index % 3 === 0 ? 'a/b' : '$record',
    key: keyOf(index),
    value: new Uint8Array([index]),
  }))
  applyBatch(bed, toWriteSet(writes))
  const outline = bed.tree.outline()
  const open = (bytes: Uint8Array): StateTree | undefined =>
    StateTree.fromOutline(bed.pages, sha256, testSalt, bytes)
  t.equal(open(outline)?.leafCount('$record'), 600)
  // Nothing else passes for it: cut, lengthened or changed bytes are no outline, or give another root.
  t.equal(open(outline.subarray(0, outline.length - 1)), undefined)
  t.equal(open(new Uint8Array([...outline, 0])), undefined)
  t.equal(open(new Uint8Array(0)), undefined)
  for (let at = 0; at < outline.length; at += 37) {
    const changed = outline.slice()
    changed[at] ^= 1
    const tree = open(changed)
    const isSame = tree !== undefined && equalBytes(tree.root, bed.tree.root)
    // A leaf count is no part of a hash; the page's own says the true one when it is loaded.
    if (isSame) t.not(tree.leafCount('$record') + tree.leafCount('a/b'), 900)
  }
})

t.test(
  'pages of a proposal that was dropped stay as they were, whatever is accepted after it',
  async (t) => {
    const pages = new MemoryPages()
    const tree = StateTree.open(pages, sha256, testSalt)
    const writesOf = (from: number, count: number, fill: number): StateWrite[] =>
      Array.from({ length: count }, (_, index) => ({
        store: 'a',
        key: encodePointKey(new Uint8Array([from + index])),
        value: new Uint8Array([fill]),
      })).sort((left, right) => left.key[1] - right.key[1])
    const take = (writes: StateWrite[]): void => {
      const update = tree.update(writes)
      pages.apply(update.pageWrites)
      tree.accept(update)
    }
    take(writesOf(0, 200, 1))
    const dropped = tree.update(writesOf(0, 200, 2))
    const before = dropped.pageWrites.map(({ page }) => page?.slice())
    for (let fill = 3; fill < 8; fill += 1) take(writesOf(fill, 150, fill))
    t.same(
      dropped.pageWrites.map(({ page }) => page?.slice()),
      before,
    )
    t.same(StateTree.open(pages, sha256, testSalt).root, tree.root, 'and the pages of the tree are whole')
  },
)
