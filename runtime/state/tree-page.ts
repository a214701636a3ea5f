// A page: the leaves of one subtree in path order, with the inner hashes that connect them. It is the unit
// that the store seals and writes, and it is cut by size only: where pages begin and end cannot be seen in
// any hash.
//
//   page   version u8 | leaf count u16 BE | hash of the subtree 32 | cells
//   cell   path 32 | valueHash 32 | inner 32
//
// In a sorted list of n leaves each leaf but the first is the leftmost leaf of exactly one right half, so
// the n - 1 branching nodes have one slot each: `inner` of that leaf, the hash at the depth where the two
// halves part. Between that depth and the page's own depth only one-sided nodes lie; they are hashed anew
// when needed (about 0.3 a path).
import { assert } from '../protocol/result.js'
import type { PagePool } from './page-pool.js'
import { comparePaths, copyHash, hashBytes, pathBit, sharedPathBits, type TreeHasher } from './tree-hash.js'

const pageVersion = 1
export const pageHeaderBytes = 3 + hashBytes
export const cellBytes = 3 * hashBytes

/** Cells in a buffer that has room for a page header in front, so that a finished list is a page. */
export interface LeafList {
  bytes: Uint8Array
  count: number
  /** One byte a leaf: 1 when an inner hash above this leaf may be out of date. */
  dirty: Uint8Array
}

/** Changes of one subtree, in path order. Cell layout without `inner`: path 32 | valueHash 32. */
export interface Changes {
  cells: Uint8Array
  removed: Uint8Array
  count: number
}

export const changeBytes = 2 * hashBytes
export const cellOffset = (index: number): number => pageHeaderBytes + index * cellBytes

export function emptyLeafList(capacity: number): LeafList {
  const bytes = new Uint8Array(pageHeaderBytes + capacity * cellBytes)
  return { bytes, count: 0, dirty: new Uint8Array(capacity) }
}

export const pageLeafCount = (page: Uint8Array): number => page[1] * 256 + page[2]
export const pageHashOffset = 3

/**
 * True when the bytes have the shape of a page. Only a page that we sealed gets here; this catches bugs.
 */
export function isPage(page: Uint8Array): boolean {
  if (page.length < pageHeaderBytes || page[0] !== pageVersion) return false
  const count = pageLeafCount(page)
  return count > 0 && page.length === pageHeaderBytes + count * cellBytes
}

/** Finishes a page in place: header in front of the cells, exact length. */
export function sealPage(list: LeafList, hash: Uint8Array): Uint8Array {
  assert(list.count > 0 && list.count <= 0xffff, 'a page has 1..65535 leaves')
  list.bytes[0] = pageVersion
  list.bytes[1] = list.count >>> 8
  list.bytes[2] = list.count & 0xff
  copyHash(hash, 0, list.bytes, 3)
  const byteCount = pageHeaderBytes + list.count * cellBytes
  return byteCount === list.bytes.length ? list.bytes : list.bytes.slice(0, byteCount)
}

export function pushCell(list: LeafList, from: Uint8Array, offset: number, byteCount: number): void {
  const to = cellOffset(list.count)
  for (let index = 0; index < byteCount; index += 1) list.bytes[to + index] = from[offset + index]
  list.count += 1
}

/**
 * The leaves of a page (or none) after the changes [from, to). A leaf beside a removed one is marked dirty
 * too: every node that lost the removed leaf and still exists has one of the two neighbours in it.
 */
export function mergeChanges(
  page: Uint8Array | undefined,
  changes: Changes,
  from: number,
  to: number,
  pool: PagePool,
): LeafList {
  if (page === undefined) return listOfChanges(changes, from, to)
  return replaceValues(page, changes, from, to, pool) ?? mergeCells(page, changes, from, to)
}

function listOfChanges(changes: Changes, from: number, to: number): LeafList {
  const list = emptyLeafList(to - from)
  for (let change = from; change < to; change += 1) {
    if (changes.removed[change] === 1) continue
    list.dirty[list.count] = 1
    pushCell(list, changes.cells, change * changeBytes, changeBytes)
  }
  return list
}

/**
 * The common case, new values for leaves that exist: a copy of the page. Undefined when it is not that
 * case.
 */
function replaceValues(
  page: Uint8Array,
  changes: Changes,
  from: number,
  to: number,
  pool: PagePool,
): LeafList | undefined {
  const count = pageLeafCount(page)
  const dirty = new Uint8Array(count)
  for (let change = from; change < to; change += 1) {
    if (changes.removed[change] === 1) return undefined
    const index = findLeaf(page, changes.cells, change * changeBytes)
    if (index < 0) return undefined
    dirty[index] = 1
  }
  const bytes = pool.take(page.length)
  bytes.set(page)
  let change = from
  for (let index = 0; index < count; index += 1) {
    if (dirty[index] === 0) continue
    copyHash(changes.cells, change * changeBytes + hashBytes, bytes, cellOffset(index) + hashBytes)
    change += 1
  }
  return { bytes, count, dirty }
}

function mergeCells(page: Uint8Array, changes: Changes, from: number, to: number): LeafList {
  const oldCount = pageLeafCount(page)
  const list = emptyLeafList(oldCount + to - from)
  let oldIndex = 0
  let removedBefore = false
  const takeOld = (end: number): void => {
    if (end === oldIndex) return
    if (removedBefore) list.dirty[list.count] = 1
    removedBefore = false
    list.bytes.set(page.subarray(cellOffset(oldIndex), cellOffset(end)), cellOffset(list.count))
    list.count += end - oldIndex
    oldIndex = end
  }
  for (let change = from; change < to; change += 1) {
    const offset = change * changeBytes
    let end = oldIndex
    let order = 1
    for (; end < oldCount; end += 1) {
      order = comparePaths(page, cellOffset(end), changes.cells, offset)
      if (order >= 0) break
    }
    takeOld(end)
    const isReplaced = order === 0 && end < oldCount
    if (isReplaced) oldIndex += 1
    if (changes.removed[change] === 0) {
      list.dirty[list.count] = 1
      removedBefore = false
      pushCell(list, changes.cells, offset, changeBytes)
    } else if (isReplaced) {
      if (list.count > 0) list.dirty[list.count - 1] = 1
      removedBefore = true
    }
  }
  takeOld(oldCount)
  return list
}

/** Index of the leaf with this path, or -1. */
export function findLeaf(page: Uint8Array, paths: Uint8Array, pathOffset = 0): number {
  let low = 0
  let high = pageLeafCount(page)
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = comparePaths(page, cellOffset(middle), paths, pathOffset)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle
  }
  return -1
}

/** First leaf of [from, to) whose path has bit `depth` set; `to` when there is none. */
export function splitIndex(list: LeafList, from: number, to: number, depth: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (pathBit(list.bytes, cellOffset(middle), depth) === 1) high = middle
    else low = middle + 1
  }
  return low
}

/** Hashes ranges of a leaf list and keeps the inner slots up to date. */
export class RangeHasher {
  readonly #hasher: TreeHasher
  /** One message 0x01 | left | right for each level of recursion; grows to at most 256. */
  readonly #messages: Uint8Array[] = []

  constructor(hasher: TreeHasher) {
    this.#hasher = hasher
  }

  /** Writes the hash of leaves [from, to) as a subtree at `depth` into `out`. */
  hash(
    list: LeafList,
    from: number,
    to: number,
    depth: number,
    out: Uint8Array,
    outOffset: number,
    level = 0,
  ): void {
    if (to === from) {
      out.fill(0, outOffset, outOffset + hashBytes)
      return
    }
    if (to === from + 1) {
      this.#hasher.leaf(list.bytes, cellOffset(from), out, outOffset)
      return
    }
    const first = cellOffset(from)
    const branch = sharedPathBits(list.bytes, first, list.bytes, cellOffset(to - 1), depth)
    assert(branch < 256, 'two leaves with one path')
    const middle = splitIndex(list, from, to, branch)
    const slot = cellOffset(middle) + 2 * hashBytes
    if (isDirty(list.dirty, from, to)) {
      const message = this.#message(level)
      this.hash(list, from, middle, branch + 1, message, 1, level + 1)
      this.hash(list, middle, to, branch + 1, message, 1 + hashBytes, level + 1)
      this.#hasher.innerMessage(message, list.bytes, slot)
    }
    copyHash(list.bytes, slot, out, outOffset)
    if (branch > depth) this.#climb(list.bytes, first, branch, depth, out, outOffset, level)
  }

  /** One-sided nodes from just above `branch` up to `depth`. */
  #climb(
    paths: Uint8Array,
    pathOffset: number,
    branch: number,
    depth: number,
    out: Uint8Array,
    outOffset: number,
    level: number,
  ): void {
    const message = this.#message(level)
    for (let at = branch - 1; at >= depth; at -= 1) {
      const isRight = pathBit(paths, pathOffset, at) === 1
      message.fill(0, isRight ? 1 : 1 + hashBytes, isRight ? 1 + hashBytes : 1 + 2 * hashBytes)
      copyHash(out, outOffset, message, isRight ? 1 + hashBytes : 1)
      this.#hasher.innerMessage(message, out, outOffset)
    }
  }

  #message(level: number): Uint8Array {
    while (this.#messages.length <= level) {
      const message = new Uint8Array(1 + 2 * hashBytes)
      message[0] = 1
      this.#messages.push(message)
    }
    return this.#messages[level]
  }
}

function isDirty(dirty: Uint8Array, from: number, to: number): boolean {
  for (let index = from; index < to; index += 1) if (dirty[index] === 1) return true
  return false
}
