// The tree of one store: forks in memory above pages of at most `pageLeavesMax` leaves. Nodes are
// immutable and shared, so that computing the next root leaves the present tree as it is: a proposal can
// be dropped at no cost.
import { assert } from '../protocol/result.js'
import type { PagePool } from './page-pool.js'
import {
  emptyRoot,
  hashBytes,
  hashText,
  pathBit,
  pathBits,
  putHashText,
  type TreeHasher,
} from './tree-hash.js'
import {
  cellBytes,
  cellOffset,
  changeBytes,
  emptyLeafList,
  mergeChanges,
  pageLeafCount,
  pushCell,
  RangeHasher,
  sealPage,
  splitIndex,
  type Changes,
  type LeafList,
} from './tree-page.js'

/** 16 leaves are 1.6 KiB: two pages a disk page, and a tree of 1e6 keys has 9e4 pages to list at unlock. */
export const pageLeavesMax = 16
/**
 * Two pages join when they hold no more than this: far enough from the maximum not to join and split in
 * turn.
 */
export const pageLeavesJoin = 6

export type TreeNode = Fork | Bucket

/** Of both kinds there is one for every ten keys or so: each field counts. */
abstract class Node {
  readonly leafCount: number
  readonly hashText: string
  constructor(leafCount: number, hash: string) {
    this.leafCount = leafCount
    this.hashText = hash
  }

  /** A copy. */
  get hash(): Uint8Array {
    const bytes = new Uint8Array(hashBytes)
    putHashText(this.hashText, bytes, 0)
    return bytes
  }
}

export class Fork extends Node {
  readonly left: TreeNode
  readonly right: TreeNode
  constructor(left: TreeNode, right: TreeNode, hash: string) {
    super(left.leafCount + right.leafCount, hash)
    this.left = left
    this.right = right
  }

  get isFork(): true {
    return true
  }
}

export class Bucket extends Node {
  /** Page id as text (one char a byte). */
  readonly id: string
  /** Dropped when the page cache is full, loaded again when needed. */
  page: Uint8Array | undefined
  constructor(id: string, leafCount: number, hash: string, page: Uint8Array | undefined) {
    super(leafCount, hash)
    this.id = id
    this.page = page
  }

  get isFork(): false {
    return false
  }
}

export const emptyBucket = new Bucket('', 0, hashText(emptyRoot, 0), undefined)

/** What applying changes needs from outside, and where it reports the pages that it made or dropped. */
export interface SubtreeContext {
  hasher: TreeHasher
  pool: PagePool
  load(bucket: Bucket): Uint8Array
  /** Id of the page at `depth` whose leaves share the first `depth` bits of this path. */
  pageId(path: Uint8Array, pathOffset: number, depth: number): string
  made(bucket: Bucket): void
  /** A page under the id of the one before. */
  replaced(bucket: Bucket): void
  dropped(bucket: Bucket): void
}

export function createFork(left: TreeNode, right: TreeNode, hasher: TreeHasher): Fork {
  return new Fork(left, right, hasher.innerText(left.hashText, right.hashText))
}

/** Applies sorted changes to a store's tree. */
export class SubtreeWriter {
  readonly #context: SubtreeContext
  readonly #ranges: RangeHasher
  readonly #scratch = new Uint8Array(hashBytes)

  constructor(context: SubtreeContext) {
    this.#context = context
    this.#ranges = new RangeHasher(context.hasher)
  }

  /** The tree after changes [from, to); `node` lies at `depth` and stays as it is. */
  apply(node: TreeNode, depth: number, changes: Changes, from: number, to: number): TreeNode {
    if (from === to) return node
    if (!node.isFork) return this.#applyToBucket(node, depth, changes, from, to)
    const middle = firstRight(changes, from, to, depth)
    const left = this.apply(node.left, depth + 1, changes, from, middle)
    const right = this.apply(node.right, depth + 1, changes, middle, to)
    if (left === node.left && right === node.right) return node
    return this.above(left, right, depth)
  }

  /** What lies at `depth` above two halves that changed: one page when they hold little, else a fork. */
  above(left: TreeNode, right: TreeNode, depth: number): TreeNode {
    if (!left.isFork && !right.isFork && left.leafCount + right.leafCount <= pageLeavesJoin) {
      return this.#join(left, right, depth)
    }
    return createFork(left, right, this.#context.hasher)
  }

  #applyToBucket(bucket: Bucket, depth: number, changes: Changes, from: number, to: number): TreeNode {
    const page = bucket.leafCount === 0 ? undefined : this.#context.load(bucket)
    const list = mergeChanges(page, changes, from, to, this.#context.pool)
    if (list.count > 0 && list.count <= pageLeavesMax && bucket.leafCount > 0) {
      const next = this.#bucketOf(list, depth, bucket.id)
      this.#context.replaced(next)
      return next
    }
    if (bucket.leafCount > 0) this.#context.dropped(bucket)
    return this.#build(list, 0, list.count, depth)
  }

  #join(left: Bucket, right: Bucket, depth: number): TreeNode {
    const list = emptyLeafList(left.leafCount + right.leafCount)
    for (const bucket of [left, right]) {
      if (bucket.leafCount === 0) continue
      // The first leaf of the right page gets the slot of the fork that disappears.
      list.dirty[list.count] = 1
      const page = this.#context.load(bucket)
      const leafCount = pageLeafCount(page)
      for (let index = 0; index < leafCount; index += 1) pushCell(list, page, cellOffset(index), cellBytes)
      this.#context.dropped(bucket)
    }
    return this.#build(list, 0, list.count, depth)
  }

  /** One page when the leaves fit, else forks above pages. */
  #build(list: LeafList, from: number, to: number, depth: number): TreeNode {
    if (to === from) return emptyBucket
    if (to - from > pageLeavesMax) {
      assert(depth < pathBits, 'more leaves than a path can tell apart')
      const middle = splitIndex(list, from, to, depth)
      const left = this.#build(list, from, middle, depth + 1)
      const right = this.#build(list, middle, to, depth + 1)
      return createFork(left, right, this.#context.hasher)
    }
    const part = to - from === list.count ? list : copyRange(list, from, to)
    const bucket = this.#bucketOf(part, depth, this.#context.pageId(part.bytes, cellOffset(0), depth))
    this.#context.made(bucket)
    return bucket
  }

  #bucketOf(list: LeafList, depth: number, id: string): Bucket {
    const hash = this.#scratch
    this.#ranges.hash(list, 0, list.count, depth, hash, 0)
    return new Bucket(id, list.count, hashText(hash, 0), sealPage(list, hash))
  }
}

function copyRange(list: LeafList, from: number, to: number): LeafList {
  const part = emptyLeafList(to - from)
  part.bytes.set(list.bytes.subarray(cellOffset(from), cellOffset(to)), cellOffset(0))
  part.dirty.set(list.dirty.subarray(from, to))
  part.count = to - from
  return part
}

/** First change of [from, to) that lies on the right side at `depth`. */
export function firstRight(changes: Changes, from: number, to: number, depth: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (pathBit(changes.cells, middle * changeBytes, depth) === 1) high = middle
    else low = middle + 1
  }
  return low
}
