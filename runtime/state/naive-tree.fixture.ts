// The tree's definition, written down as plainly as possible: the oracle of the tests.
import { createHash } from 'node:crypto'
import type { Hash } from '../protocol/hash.js'

export const sha256: Hash = (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest())
export const testSalt = new Uint8Array(32).fill(7)

interface Leaf {
  path: Uint8Array
  valueHash: Uint8Array
  hash: Uint8Array
}

const zero = new Uint8Array(32)
const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/**
 * Root over (key, value) pairs by the recursive definition: empty, the one leaf, or the hash of both
 * halves.
 */
export function naiveRoot(entries: Iterable<[Uint8Array, Uint8Array]>, salt = testSalt): Uint8Array {
  return naiveSubtree(leavesOf(entries, salt), 0)
}

function leavesOf(entries: Iterable<[Uint8Array, Uint8Array]>, salt: Uint8Array): Leaf[] {
  const leaves: Leaf[] = []
  for (const [key, value] of entries) {
    const path = sha256(key)
    const valueHash = sha256(join(salt, key, value))
    leaves.push({ path, valueHash, hash: sha256(join(new Uint8Array([0]), path, valueHash)) })
  }
  return leaves
}

/**
 * The proof of one key by the layout in `tree-proof.ts`: walk down while more than one leaf is left, and note
 * the root of the other half at each step.
 */
export function naiveProof(
  entries: Iterable<[Uint8Array, Uint8Array]>,
  key: Uint8Array,
  salt = testSalt,
): Uint8Array {
  const path = sha256(key)
  let leaves = leavesOf(entries, salt)
  const siblings: Uint8Array[] = []
  while (leaves.length > 1) {
    const depth = siblings.length
    const side = bitOf(path, depth)
    const other = leaves.filter((leaf) => bitOf(leaf.path, depth) !== side)
    siblings.push(naiveSubtree(other, depth + 1))
    leaves = leaves.filter((leaf) => bitOf(leaf.path, depth) === side)
  }
  const depth = siblings.length
  const bitmap = new Uint8Array(Math.ceil(depth / 8))
  const present: Uint8Array[] = []
  for (let index = 0; index < depth; index += 1) {
    const sibling = siblings[depth - 1 - index]
    if (Buffer.compare(sibling, zero) === 0) continue
    bitmap[index >> 3] |= 1 << (index & 7)
    present.push(sibling)
  }
  const [leaf] = leaves as (Leaf | undefined)[]
  const isOwn = leaf !== undefined && Buffer.compare(leaf.path, path) === 0
  const kind = leaf === undefined ? 2 : isOwn ? 1 : 3
  const otherLeaf = leaf === undefined || isOwn ? [] : [leaf.path, leaf.valueHash]
  return join(new Uint8Array([1, kind, depth & 255, depth >> 8]), bitmap, ...present, ...otherLeaf)
}

const bitOf = (path: Uint8Array, depth: number): number => (path[depth >> 3] >> (7 - (depth & 7))) & 1

function naiveSubtree(leaves: Leaf[], depth: number): Uint8Array {
  if (leaves.length === 0) return zero
  if (leaves.length === 1) return leaves[0].hash
  const bit = (leaf: Leaf): number => bitOf(leaf.path, depth)
  const left = naiveSubtree(
    leaves.filter((leaf) => bit(leaf) === 0),
    depth + 1,
  )
  const right = naiveSubtree(
    leaves.filter((leaf) => bit(leaf) === 1),
    depth + 1,
  )
  return sha256(join(new Uint8Array([1]), left, right))
}

/** State root over stores: the top tree holds each non-empty store's sub-root under the store's name. */
export function naiveStateRoot(
  stores: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>,
  salt = testSalt,
): Uint8Array {
  const top: [Uint8Array, Uint8Array][] = []
  for (const [store, entries] of stores) {
    if (entries.size === 0) continue
    const pairs = [...entries].map(([hex, value]): [Uint8Array, Uint8Array] => [
      new Uint8Array(Buffer.from(hex, 'hex')),
      value,
    ])
    top.push([new Uint8Array(Buffer.from(store, 'latin1')), naiveRoot(pairs, salt)])
  }
  return naiveRoot(top, salt)
}
