// The authenticated state: one subtree for each store, and a top tree from store name to sub-root. The
// state root is a function of the key-value set alone; see README.md for the hashing rules.
import type { Hash } from '../protocol/hash.js'
import { assert } from '../protocol/result.js'
import type { StateWrite } from './store-interface.js'
import { Bucket, emptyBucket, SubtreeWriter, type SubtreeContext, type TreeNode } from './subtree.js'
import { comparePaths, emptyRoot, hashBytes, hashText, pathBit, TreeHasher } from './tree-hash.js'
import { TreeError, type PageWrite, type TreePages, type TreeUpdate } from './tree-interface.js'
import { listBuckets, noChanges, TreeOpening } from './tree-opening.js'
import { PageCache } from './page-cache.js'
import { PagePool } from './page-pool.js'
import { PendingPages, type PageChanges, type PagePlan } from './pending-pages.js'
import { decodeRedo, type StoreChanges } from './redo-record.js'
import { mergeRecords, pagesBehind, type KeptRecord } from './redo-replay.js'
import { toChanges } from './sorted-changes.js'
import { pageId, pageIdBytes } from './page-id.js'
import { cellOffset, findLeaf, isPage, pageHashOffset, pageLeafCount } from './tree-page.js'
import { decodeOutline, encodeOutline } from './tree-outline.js'
import { proveStore, type ProofSource } from './tree-proof.js'
import { FrozenTree, hashInPage, type TreePlace } from './tree-walk.js'

export interface StateTreeOptions {
  /** Bytes of pages kept in memory beside the forks. 64 MiB hold about 5e5 leaves. */
  pageCacheBytesMax?: number
  /**
   * Bytes of redo records that the store keeps. 0: an update writes every page that it changes. Otherwise a
   * page waits until the record that first changed it must go, and as many pages may wait in memory, about 1
   * KiB each, as 64 goes into this.
   */
  redoBytesMax?: number
}

interface StateTreeUpdate extends TreeUpdate {
  readonly base: Roots
  readonly roots: Roots
  readonly buckets: ReadonlyMap<string, Bucket | undefined>
  readonly plan: PagePlan
}

/** What applying changes gave. */
interface Applied extends PageChanges {
  roots: Roots
}

/** Immutable: the tree at one height. */
interface Roots {
  readonly stores: ReadonlyMap<string, TreeNode>
  readonly top: TreeNode
}

/** Pages of the tree that are kept as they were read. */
export const pageCacheBytesDefault = 64 * 2 ** 20

export class StateTree {
  readonly #pages: TreePages
  readonly #hasher: TreeHasher
  readonly #cache: PageCache
  readonly #pool = new PagePool()
  readonly #scratch = new Uint8Array(2 * hashBytes)
  #pending: PendingPages
  #roots: Roots

  private constructor(
    pages: TreePages,
    hasher: TreeHasher,
    cache: PageCache,
    stores: ReadonlyMap<string, TreeNode>,
    redoBytesMax = 0,
  ) {
    this.#pages = pages
    this.#hasher = hasher
    this.#cache = cache
    this.#pending = new PendingPages(redoBytesMax)
    this.#roots = { stores, top: this.#topAfter(emptyBucket, stores, [...stores.keys()]) }
  }

  /**
   * Reads every page once (about 5 microseconds each when sealed), makes the changes of the redo records and
   * builds the forks above. The caller compares `root` with the certified one. Throws TreeError when pages
   * overlap.
   */
  static open(
    pages: TreePages,
    hash: Hash,
    leafSalt: Uint8Array,
    options: StateTreeOptions = {},
  ): StateTree {
    const hasher = new TreeHasher(hash, leafSalt)
    const cache = new PageCache(options.pageCacheBytesMax ?? pageCacheBytesDefault)
    const tree = new StateTree(pages, hasher, cache, new Map(), options.redoBytesMax)
    tree.#build(options.redoBytesMax ?? 0)
    return tree
  }

  /**
   * The tree of an outline, without reading a page: the caller compares `root` with the certified one before
   * it believes it. Undefined when the bytes are no outline.
   */
  static fromOutline(
    pages: TreePages,
    hash: Hash,
    leafSalt: Uint8Array,
    outline: Uint8Array,
    options: StateTreeOptions = {},
  ): StateTree | undefined {
    const hasher = new TreeHasher(hash, leafSalt)
    const stores = decodeOutline(outline, hasher)
    if (stores === undefined) return undefined
    const cache = new PageCache(options.pageCacheBytesMax ?? pageCacheBytesDefault)
    return new StateTree(pages, hasher, cache, stores, options.redoBytesMax)
  }

  /** What `fromOutline` opens: about 40 bytes for each page of 11 keys. */
  outline(): Uint8Array {
    return encodeOutline(this.#roots.stores)
  }

  get root(): Uint8Array {
    return this.#roots.top.hash
  }

  /** Root of one store's subtree; 32 zero bytes for a store without keys. */
  subRoot(store: string): Uint8Array {
    return this.#roots.stores.get(store)?.hash ?? emptyRoot
  }

  /** Names of all stores that hold keys, sorted. */
  stores(): string[] {
    return [...this.#roots.stores.keys()].sort()
  }

  leafCount(store: string): number {
    return this.#roots.stores.get(store)?.leafCount ?? 0
  }

  /**
   * The tree after these writes (sorted by store, no key twice: `WriteSet.state`). Changes nothing:
   * several blocks may be tried on the same parent, and one of them accepted. `forgets`: what these writes
   * remove must be gone for good, so no record and no page from before may stay in the store for long.
   */
  update(writes: readonly StateWrite[], forgets = false): TreeUpdate {
    const parts: StoreChanges[] = []
    for (let from = 0; from < writes.length;) {
      const { store } = writes[from]
      let to = from
      while (to < writes.length && writes[to].store === store) to += 1
      assert(
        parts.every((part) => part.store !== store),
        'writes must be sorted by store',
      )
      parts.push({ store, changes: toChanges(writes, from, to, this.#hasher) })
      from = to
    }
    const { roots, buckets, moved } = this.#applied(parts)
    return this.#updateOf(roots, buckets, this.#pending.plan({ buckets, moved }, parts, forgets))
  }

  /** The present tree once more, with every page that was not written yet: for an orderly end. */
  flush(): TreeUpdate {
    return this.#updateOf(this.#roots, new Map(), this.#pending.planAll())
  }

  /** Makes an update the present tree. Call it after what it writes is in the store's transaction. */
  accept(update: TreeUpdate): void {
    const own = update as StateTreeUpdate
    assert(own.base === this.#roots, 'update of another parent')
    this.#roots = own.roots
    for (const id of own.buckets.keys()) {
      // The page before belongs to the tree before, which nobody walks any more: its bytes serve the next.
      const before = this.#cache.take(id) ?? this.#pending.pageOf(id)
      if (before !== undefined) this.#pool.give(before)
    }
    this.#pending.accept(own.plan, own.buckets)
    // What waits to be written cannot be read back, so the cache must not drop it.
    for (const bucket of own.plan.writes.values()) if (bucket !== undefined) this.#cache.keep(bucket)
  }

  #updateOf(roots: Roots, buckets: ReadonlyMap<string, Bucket | undefined>, plan: PagePlan): TreeUpdate {
    const update: StateTreeUpdate = {
      root: roots.top.hash,
      pageWrites: toPageWrites(plan.writes),
      redo: plan.redo,
      ...{ base: this.#roots, roots, buckets, plan },
    }
    return update
  }

  #applied(parts: readonly StoreChanges[]): Applied {
    const buckets = new Map<string, Bucket | undefined>()
    const moved = new Set<string>()
    const stores = new Map(this.#roots.stores)
    for (const { store, changes } of parts) {
      const node = stores.get(store) ?? emptyBucket
      const next = this.#writer(store, buckets, moved).apply(node, 0, changes, 0, changes.count)
      if (next.leafCount === 0) stores.delete(store)
      else stores.set(store, next)
    }
    const changed = parts.map(({ store }) => store)
    return { roots: { stores, top: this.#topAfter(this.#roots.top, stores, changed) }, buckets, moved }
  }

  /**
   * From the store's pages and its redo records, played over them all at once: the last one that names a key
   * is right. The pages that lay behind wait again as they did before the process ended, each for the first
   * record that changed it.
   */
  #build(redoBytesMax: number): void {
    const { first, records } = this.#records()
    const changes = mergeRecords(records)
    const found = listBuckets(this.#pages, this.#cache, changes)
    const buckets = new Map<string, Bucket | undefined>()
    const moved = new Set<string>()
    const stored = new Map<string, string>()
    const stores = new Map<string, TreeNode>()
    for (const store of new Set([...found.keys(), ...changes.keys()])) {
      const writer = this.#writer(store, buckets, moved)
      const own = changes.get(store) ?? noChanges
      const node = new TreeOpening(found.get(store) ?? [], own, writer, this.#hasher, stored).build()
      if (node.leafCount > 0) stores.set(store, node)
    }
    this.#roots = { stores, top: this.#topAfter(emptyBucket, stores, [...stores.keys()]) }
    if (records.length === 0) return
    const behind = pagesBehind(records, stored, stores)
    const waiting = new Set(behind.flat())
    for (const [id, bucket] of buckets) {
      this.#cache.take(id)
      // What was up to date in the store already can be read back.
      if (bucket !== undefined && !waiting.has(bucket) && !moved.has(id)) this.#cache.keep(bucket)
    }
    this.#pending = PendingPages.afterReplay(redoBytesMax, first, {
      entries: records.map(({ bytes }, index) => ({ bytes, buckets: behind[index] })),
      moved: new Map([...moved].map((id) => [id, buckets.get(id)])),
    })
  }

  #records(): { first: number; records: KeptRecord[] } {
    const records: KeptRecord[] = []
    let first = 0
    for (const { sequence, record } of this.#pages.redoRecords()) {
      const parts = decodeRedo(record)
      if (records.length === 0) first = sequence
      if (parts === undefined || sequence !== first + records.length)
        throw new TreeError('TREE_PAGE_MISMATCH', 'the redo records of the tree are not whole')
      records.push({ bytes: record.length, parts })
    }
    return { first, records }
  }

  /** Proof that `key` (an encoded state key) has its value in the present tree, or that it is absent. */
  prove(store: string, key: Uint8Array): Uint8Array {
    return proveStore(this.#proofSource(), store, key)
  }

  /** Does the present tree say that this key has exactly this value (or, for undefined, none)? */
  agrees(store: string, key: Uint8Array, value: Uint8Array | undefined): boolean {
    const cell = this.#scratch
    this.#hasher.path(key, cell, 0)
    let node = this.#roots.stores.get(store) ?? emptyBucket
    for (let depth = 0; node.isFork; depth += 1)
      node = pathBit(cell, 0, depth) === 1 ? node.right : node.left
    if (node.leafCount === 0) return value === undefined
    const page = this.#load(node)
    const index = findLeaf(page, cell)
    if (value === undefined || index < 0) return value === undefined && index < 0
    this.#hasher.valueHash(key, value, cell, hashBytes)
    return comparePaths(page, cellOffset(index) + hashBytes, cell, hashBytes) === 0
  }

  /** The tree as it is now, for as long as the caller keeps it: later blocks do not touch it. */
  freeze(): FrozenTree {
    return new FrozenTree(this.#roots.stores)
  }

  /** What the leaves below this place hash to; 32 zero bytes when there are none. */
  hashAt(place: TreePlace): Uint8Array {
    let node: TreeNode = this.#roots.stores.get(place.store) ?? emptyBucket
    for (let depth = 0; depth < place.depth && node.isFork; depth += 1) {
      node = pathBit(place.path, 0, depth) === 1 ? node.right : node.left
      if (depth + 1 === place.depth) return node.hash
    }
    if (place.depth === 0 || node.leafCount === 0) return node.hash
    const page = this.#load(node as Bucket)
    return hashInPage(page, pageLeafCount(page), place, this.#hasher)
  }

  #proofSource(): ProofSource {
    const { top, stores } = this.#roots
    return {
      top,
      store: (name) => stores.get(name),
      hasher: this.#hasher,
      load: (bucket) => this.#load(bucket),
    }
  }

  #writer(store: string, buckets: Map<string, Bucket | undefined>, moved: Set<string>): SubtreeWriter {
    const context: SubtreeContext = {
      hasher: this.#hasher,
      pool: this.#pool,
      load: (bucket) => this.#load(bucket),
      pageId: (path, offset, depth) => pageId(store, path, offset, depth),
      made: (bucket) => {
        buckets.set(bucket.id, bucket)
        moved.add(bucket.id)
      },
      replaced: (bucket) => void buckets.set(bucket.id, bucket),
      dropped: ({ id }) => {
        buckets.set(id, undefined)
        moved.add(id)
      },
    }
    return new SubtreeWriter(context)
  }

  /** The top tree lives in memory only: it is as small as the number of aliases. */
  #topAfter(top: TreeNode, stores: ReadonlyMap<string, TreeNode>, changed: readonly string[]): TreeNode {
    const writes = changed.map((store) => ({
      store: '',
      key: new Uint8Array(Array.from(store, (char) => char.charCodeAt(0))),
      value: stores.get(store)?.hash,
    }))
    const changes = toChanges(writes, 0, writes.length, this.#hasher)
    const writer = new SubtreeWriter({
      hasher: this.#hasher,
      pool: this.#pool,
      load: (bucket) => loaded(bucket),
      pageId: () => '',
      made: () => undefined,
      replaced: () => undefined,
      dropped: () => undefined,
    })
    return writer.apply(top, 0, changes, 0, changes.count)
  }

  #load(bucket: Bucket): Uint8Array {
    if (bucket.page !== undefined) {
      this.#cache.touch(bucket)
      return bucket.page
    }
    // Top buckets are never evicted, so only pages of the store get here.
    const page = this.#pages.page(pageIdBytes(bucket.id))
    if (page === undefined) throw new TreeError('TREE_PAGE_MISSING', 'a tree page is missing')
    // An older version of the page is sealed correctly too: its hash tells.
    if (
      !isPage(page) ||
      pageLeafCount(page) !== bucket.leafCount ||
      hashText(page, pageHashOffset) !== bucket.hashText
    ) {
      throw new TreeError('TREE_PAGE_MISMATCH', 'a tree page is not the one that the root commits to')
    }
    bucket.page = page
    this.#cache.keep(bucket)
    return page
  }
}

/** One-off form: the root and page writes after `writes`, without keeping anything in memory. */
export function applyToTree(
  pages: TreePages,
  writes: readonly StateWrite[],
  hash: Hash,
  leafSalt: Uint8Array,
): TreeUpdate {
  return StateTree.open(pages, hash, leafSalt, { pageCacheBytesMax: 0 }).update(writes)
}

function loaded(bucket: Bucket): Uint8Array {
  assert(bucket.page !== undefined, 'page of the top tree')
  return bucket.page
}

function toPageWrites(buckets: ReadonlyMap<string, Bucket | undefined>): PageWrite[] {
  const writes: PageWrite[] = []
  for (const [id, bucket] of buckets) writes.push({ id: pageIdBytes(id), page: bucket?.page })
  return writes
}
