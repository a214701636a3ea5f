// Changes of one store in path order, as the tree takes them.
import { assert } from '../protocol/result.js'
import type { StateWrite } from './store-interface.js'
import { comparePaths, copyHash, hashBytes, type TreeHasher } from './tree-hash.js'
import { changeBytes, type Changes } from './tree-page.js'

/** Hashes keys and values and sorts by path. */
export function toChanges(
  writes: readonly StateWrite[],
  from: number,
  to: number,
  hasher: TreeHasher,
): Changes {
  const count = to - from
  const unsorted = new Uint8Array(count * changeBytes)
  const removed = new Uint8Array(count)
  const heads = new Uint32Array(count)
  const view = new DataView(unsorted.buffer)
  for (let index = 0; index < count; index += 1) {
    const { key, value } = writes[from + index]
    hasher.path(key, unsorted, index * changeBytes)
    heads[index] = view.getUint32(index * changeBytes)
    if (value === undefined) removed[index] = 1
    else hasher.valueHash(key, value, unsorted, index * changeBytes + hashBytes)
  }
  const order = pathOrder(heads, unsorted)
  const sorted: Changes = {
    cells: new Uint8Array(count * changeBytes),
    removed: new Uint8Array(count),
    count,
  }
  for (let index = 0; index < count; index += 1) {
    const at = order[index] * changeBytes
    sorted.removed[index] = removed[order[index]]
    copyHash(unsorted, at, sorted.cells, index * changeBytes)
    copyHash(unsorted, at + hashBytes, sorted.cells, index * changeBytes + hashBytes)
    const isTwice =
      index > 0 &&
      comparePaths(sorted.cells, (index - 1) * changeBytes, sorted.cells, index * changeBytes) === 0
    assert(!isTwice, 'one key twice in a write set')
  }
  return sorted
}

/** Several in one: for a path that more than one of them names, what the last says. */
export function lastChanges(list: readonly Changes[]): Changes {
  if (list.length === 1) return list[0]
  const count = list.reduce((sum, { count }) => sum + count, 0)
  const unsorted = new Uint8Array(count * changeBytes)
  const removed = new Uint8Array(count)
  const heads = new Uint32Array(count)
  const view = new DataView(unsorted.buffer)
  let from = 0
  for (const changes of list) {
    unsorted.set(changes.cells, from * changeBytes)
    removed.set(changes.removed, from)
    from += changes.count
  }
  for (let index = 0; index < count; index += 1) heads[index] = view.getUint32(index * changeBytes)
  // Of equal paths the later comes later.
  const order = pathOrder(heads, unsorted)
  const merged: Changes = {
    cells: new Uint8Array(unsorted.length),
    removed: new Uint8Array(count),
    count: 0,
  }
  for (let index = 0; index < count; index += 1) {
    const at = order[index] * changeBytes
    const isLast =
      index + 1 === count || comparePaths(unsorted, at, unsorted, order[index + 1] * changeBytes) !== 0
    if (!isLast) continue
    merged.removed[merged.count] = removed[order[index]]
    merged.cells.set(unsorted.subarray(at, at + changeBytes), merged.count * changeBytes)
    merged.count += 1
  }
  return merged
}

/**
 * Indexes in path order. The first 32 bits and the index go into one number, so that the engine's own
 * number sort does nearly all the work; paths that share 32 bits are then put right one by one.
 */
function pathOrder(heads: Uint32Array, cells: Uint8Array): Uint32Array {
  const count = heads.length
  assert(count <= indexRange, 'a write set has at most 2^21 keys of one store')
  const packed = new Float64Array(count)
  for (let index = 0; index < count; index += 1) packed[index] = heads[index] * indexRange + index
  packed.sort()
  const order = new Uint32Array(count)
  for (let index = 0; index < count; index += 1) {
    const next = packed[index] % indexRange
    let at = index
    for (; at > 0 && heads[order[at - 1]] === heads[next]; at -= 1) {
      if (comparePaths(cells, order[at - 1] * changeBytes, cells, next * changeBytes) <= 0) break
      order[at] = order[at - 1]
    }
    order[at] = next
  }
  return order
}

const indexRange = 2 ** 21
