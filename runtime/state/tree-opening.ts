// Opening a tree from the pages of its store: which pages there are, and the forks above them. Changes that
// redo records still hold are made on the way, so that no page is loaded twice and no fork hashed twice.
import type { PageCache } from './page-cache.js'
import { parsePageId, pathByteOf, type PagePlace } from './page-id.js'
import {
  Bucket,
  createFork,
  emptyBucket,
  firstRight,
  type SubtreeWriter,
  type TreeNode,
} from './subtree.js'
import { hashBytes, hashText, type TreeHasher } from './tree-hash.js'
import { TreeError, type TreePages } from './tree-interface.js'
import { changeBytes, isPage, pageHashOffset, pageLeafCount, type Changes } from './tree-page.js'

/** A page found when the tree is opened. */
export interface FoundBucket {
  place: PagePlace
  bucket: Bucket
}

export const noChanges: Changes = { cells: new Uint8Array(0), removed: new Uint8Array(0), count: 0 }

/**
 * Every page by store, in path order. Pages that `changes` name keep their bytes, whether the cache has room
 * or not: they are needed next. Throws TreeError for what is no page.
 */
export function listBuckets(
  pages: TreePages,
  cache: PageCache,
  changes: ReadonlyMap<string, Changes>,
): Map<string, FoundBucket[]> {
  const byStore = new Map<string, FoundBucket[]>()
  for (const { id, page } of pages.pages()) {
    const place = parsePageId(id)
    if (place === undefined || !isPage(page)) throw new TreeError('TREE_PAGE_MISMATCH', 'not a tree page')
    const bucket = new Bucket(place.id, pageLeafCount(page), hashText(page, pageHashOffset), undefined)
    if (isNamed(place, changes.get(place.store))) bucket.page = page
    else if (cache.hasRoom(page.length)) {
      bucket.page = page
      cache.keep(bucket)
    }
    const found = byStore.get(place.store)
    if (found === undefined) byStore.set(place.store, [{ place, bucket }])
    else found.push({ place, bucket })
  }
  for (const found of byStore.values()) found.sort(inPathOrder)
  return byStore
}

function inPathOrder({ place: left }: FoundBucket, { place: right }: FoundBucket): number {
  if (left.head !== right.head) return left.head - right.head
  for (let index = 4; index < hashBytes; index += 1) {
    const difference = pathByteOf(left, index) - pathByteOf(right, index)
    if (difference !== 0) return difference
  }
  return left.depth - right.depth
}

/** Does a change lie below this page? */
function isNamed(place: PagePlace, changes: Changes | undefined): boolean {
  if (changes === undefined) return false
  let low = 0
  let high = changes.count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareToPlace(changes.cells, middle * changeBytes, place, hashBytes * 8) < 0) low = middle + 1
    else high = middle
  }
  return low < changes.count && compareToPlace(changes.cells, low * changeBytes, place, place.depth) === 0
}

/** By the first bits only. */
function compareToPlace(cells: Uint8Array, offset: number, place: PagePlace, bits: number): number {
  for (let index = 0; index * 8 < bits; index += 1) {
    const kept = bits - index * 8 < 8 ? 0xff00 >>> (bits - index * 8) : 0xff
    const difference = (cells[offset + index] & kept) - (pathByteOf(place, index) & kept)
    if (difference !== 0) return difference
  }
  return 0
}

const bitAt = (place: PagePlace, depth: number): number =>
  depth < 32
    ? (place.head >>> (31 - depth)) & 1
    : (pathByteOf(place, depth >>> 3) >>> (7 - (depth & 7))) & 1

/** Builds the tree of one store from its pages and the changes that its redo records hold. */
export class TreeOpening {
  readonly #found: readonly FoundBucket[]
  readonly #changes: Changes
  readonly #writer: SubtreeWriter
  readonly #hasher: TreeHasher
  /** Of each page that a change names, by id, the hash that it has in the store. */
  readonly #stored: Map<string, string>

  constructor(
    found: readonly FoundBucket[],
    changes: Changes,
    writer: SubtreeWriter,
    hasher: TreeHasher,
    stored: Map<string, string>,
  ) {
    this.#found = found
    this.#changes = changes
    this.#writer = writer
    this.#hasher = hasher
    this.#stored = stored
  }

  /** Throws TreeError when pages overlap. */
  build(): TreeNode {
    return this.#over(0, this.#found.length, 0, 0, this.#changes.count)
  }

  /** Over found[from..to), all of which start with the same `depth` bits, and changes [first, end). */
  #over(from: number, to: number, depth: number, first: number, end: number): TreeNode {
    if (from === to) return this.#writer.apply(emptyBucket, depth, this.#changes, first, end)
    const { place, bucket } = this.#found[from]
    if (place.depth === depth) {
      if (to !== from + 1) throw new TreeError('TREE_PAGE_MISMATCH', 'two tree pages hold the same path')
      if (first < end) this.#stored.set(bucket.id, bucket.hashText)
      return this.#writer.apply(bucket, depth, this.#changes, first, end)
    }
    let middle = from
    while (middle < to && bitAt(this.#found[middle].place, depth) === 0) middle += 1
    const split = firstRight(this.#changes, first, end, depth)
    const left = this.#over(from, middle, depth + 1, first, split)
    const right = this.#over(middle, to, depth + 1, split, end)
    return first < end ? this.#writer.above(left, right, depth) : createFork(left, right, this.#hasher)
  }
}
