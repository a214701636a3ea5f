// Walking a tree from outside, part by part, each part checked against a hash that is known already: how a
// node takes another one's state without believing it. A part is named by store and path prefix; it is
// either all its leaves, or the hashes of what lies a few levels below.
//
//   split   preorder: 0x01 then left then right for a fork, 0x00 ‖ hash 32 for what is not opened
import type { Hash } from '../protocol/hash.js'
import { equalBytes } from '../protocol/bytes.js'
import type { TreeNode } from './subtree.js'
import { comparePaths, hashBytes, pathBit, TreeHasher } from './tree-hash.js'
import { cellOffset, changeBytes, emptyLeafList, pushCell, RangeHasher } from './tree-page.js'

/** The node whose leaves share the first `depth` bits of `path`. */
export interface TreePlace {
  store: string
  /** 32 bytes; bits from `depth` on are zero. */
  path: Uint8Array
  depth: number
}

export interface TreePart extends TreePlace {
  /** What the part must hash to. */
  hash: Uint8Array
}

/** A tree as it was at one height: forks and hashes in memory, leaves elsewhere. */
export class FrozenTree {
  readonly #stores: ReadonlyMap<string, TreeNode>

  constructor(stores: ReadonlyMap<string, TreeNode>) {
    this.#stores = stores
  }

  /** Every store with its sub-root, by name. */
  stores(): { store: string; hash: Uint8Array; leafCount: number }[] {
    const list = [...this.#stores].map(([store, { hash, leafCount }]) => ({ store, hash, leafCount }))
    return list.sort((left, right) => (left.store < right.store ? -1 : 1))
  }

  /** Undefined where this tree has no node of its own: its shape is another one there. */
  nodeAt({ store, path, depth }: TreePlace): TreeNode | undefined {
    let node = this.#stores.get(store)
    for (let level = 0; node !== undefined && level < depth; level += 1) {
      if (!node.isFork) return undefined
      node = pathBit(path, 0, level) === 1 ? node.right : node.left
    }
    return node
  }
}

/** The forks of `node`, at most `levels` deep, and the hashes below them. */
export function encodeSplit(node: TreeNode, levels: number): Uint8Array {
  const parts: Uint8Array[] = []
  const visit = (at: TreeNode, left: number): void => {
    if (at.isFork && left > 0) {
      parts.push(new Uint8Array([1]))
      visit(at.left, left - 1)
      visit(at.right, left - 1)
      return
    }
    parts.push(new Uint8Array([0]), at.hash)
  }
  visit(node, levels)
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

const splitLevelsMax = 12

/** Parts below `part`, left to right, or undefined when the bytes are no split that has its hash. */
export function openSplit(part: TreePart, bytes: Uint8Array, hash: Hash): TreePart[] | undefined {
  const hasher = new TreeHasher(hash, new Uint8Array(0))
  const found: TreePart[] = []
  let offset = 0
  const visit = (path: Uint8Array, depth: number): Uint8Array | undefined => {
    const tag = bytes[offset]
    offset += 1
    if (tag === 0) {
      const own = bytes.slice(offset, offset + hashBytes)
      offset += hashBytes
      if (own.length !== hashBytes) return undefined
      found.push({ store: part.store, path, depth, hash: own })
      return own
    }
    if (tag !== 1 || depth - part.depth >= splitLevelsMax || depth >= 256) return undefined
    const right = new Uint8Array(path)
    right[depth >>> 3] |= 0x80 >>> (depth & 7)
    const leftHash = visit(path, depth + 1)
    const rightHash = leftHash && visit(right, depth + 1)
    if (leftHash === undefined || rightHash === undefined) return undefined
    const own = new Uint8Array(hashBytes)
    hasher.inner(leftHash, rightHash, own, 0)
    return own
  }
  const root = visit(part.path, part.depth)
  if (root === undefined || offset !== bytes.length || found.length < 2) return undefined
  return equalBytes(root, part.hash) ? found : undefined
}

/** Do these keys and values, all of them below the part's prefix, hash to it? In any order, none twice. */
export function leavesFit(
  part: TreePart,
  leaves: readonly { key: Uint8Array; value: Uint8Array }[],
  hash: Hash,
  leafSalt: Uint8Array,
): boolean {
  const hasher = new TreeHasher(hash, leafSalt)
  const cells = leaves.map(({ key, value }) => {
    const cell = new Uint8Array(changeBytes)
    hasher.path(key, cell, 0)
    hasher.valueHash(key, value, cell, hashBytes)
    return cell
  })
  cells.sort((left, right) => comparePaths(left, 0, right, 0))
  const list = emptyLeafList(cells.length)
  for (const [index, cell] of cells.entries()) {
    if (index > 0 && comparePaths(cells[index - 1], 0, cell, 0) === 0) return false
    if (!hasPrefix(cell, part)) return false
    list.dirty[index] = 1
    pushCell(list, cell, 0, changeBytes)
  }
  const own = new Uint8Array(hashBytes)
  new RangeHasher(hasher).hash(list, 0, list.count, part.depth, own, 0)
  return equalBytes(own, part.hash)
}

export function hasPrefix(path: Uint8Array, place: Pick<TreePlace, 'path' | 'depth'>, offset = 0): boolean {
  for (let depth = 0; depth < place.depth; depth += 1) {
    if (pathBit(path, offset, depth) !== pathBit(place.path, 0, depth)) return false
  }
  return true
}

/** Hash of the leaves of one page below a place, as a subtree at the place's depth. */
export function hashInPage(
  page: Uint8Array,
  count: number,
  place: TreePlace,
  hasher: TreeHasher,
): Uint8Array {
  const list = emptyLeafList(count)
  for (let index = 0; index < count; index += 1) {
    if (!hasPrefix(page, place, cellOffset(index))) continue
    list.dirty[list.count] = 1
    pushCell(list, page, cellOffset(index), changeBytes)
  }
  const own = new Uint8Array(hashBytes)
  new RangeHasher(hasher).hash(list, 0, list.count, place.depth, own, 0)
  return own
}
