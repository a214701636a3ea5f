// The tree's definition, written down as plainly as possible: the oracle of the tests.
import { createHash } from 'node:crypto'
import type { Hash } from '../protocol/hash.js'

export const sha256: Hash = (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest())
export const testSalt = new Uint8Array(32).fill(7)

interface Leaf {
  path: Uint8Array
  hash: Uint8Array
}

const zero = new Uint8Array(32)
const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/**
 * Root over (key, value) pairs by the recursive definition: empty, the one leaf, or the hash of both
 * halves.
 */
export function naiveRoot(entries: Iterable<[Uint8Array, Uint8Array]>, salt = testSalt): Uint8Array {
  const leaves: Leaf[] = []
  for (const [key, value] of entries) {
    const path = sha256(key)
    const valueHash = sha256(join(salt, key, value))
    leaves.push({ path, hash: sha256(join(new Uint8Array([0]), path, valueHash)) })
  }
  return naiveSubtree(leaves, 0)
}

function naiveSubtree(leaves: Leaf[], depth: number): Uint8Array {
  if (leaves.length === 0) return zero
  if (leaves.length === 1) return leaves[0].hash
  const bit = (leaf: Leaf): number => (leaf.path[depth >> 3] >> (7 - (depth & 7))) & 1
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
