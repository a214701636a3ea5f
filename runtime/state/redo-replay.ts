// A start with redo records beside the pages: what the records say together, and which pages they leave to be
// written. Applying them one after another would load, hash and join the same pages again and again; what a
// leaf is in the end is what the last record that names it says.
import type { StoreChanges } from './redo-record.js'
import { lastChanges } from './sorted-changes.js'
import { emptyBucket, type Bucket, type TreeNode } from './subtree.js'
import { pathBit } from './tree-hash.js'
import { changeBytes, type Changes } from './tree-page.js'

export interface KeptRecord {
  bytes: number
  parts: readonly StoreChanges[]
}

/** By store, one change for each key that a record names. */
export function mergeRecords(records: readonly KeptRecord[]): Map<string, Changes> {
  const byStore = new Map<string, Changes[]>()
  for (const { store, changes } of records.flatMap(({ parts }) => parts)) {
    const list = byStore.get(store)
    if (list === undefined) byStore.set(store, [changes])
    else list.push(changes)
  }
  return new Map(Array.from(byStore, ([store, list]) => [store, lastChanges(list)]))
}

/**
 * For each record the pages that it is the first to name, without those that the store has as they are now
 * (`stored`: their hashes there, by id): a page is written some updates after its first change, and may have
 * been. A page that came or went may be among them.
 */
export function pagesBehind(
  records: readonly KeptRecord[],
  stored: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, TreeNode>,
): Bucket[][] {
  const seen = new Set<string>([emptyBucket.id])
  return records.map(({ parts }) => {
    const behind: Bucket[] = []
    for (const { store, changes } of parts) {
      for (let index = 0; index < changes.count; index += 1) {
        const bucket = bucketAt(after, store, changes.cells, index * changeBytes)
        if (seen.has(bucket.id)) continue
        seen.add(bucket.id)
        if (stored.get(bucket.id) !== bucket.hashText) behind.push(bucket)
      }
    }
    return behind
  })
}

function bucketAt(
  stores: ReadonlyMap<string, TreeNode>,
  store: string,
  paths: Uint8Array,
  pathOffset: number,
): Bucket {
  let node = stores.get(store) ?? emptyBucket
  for (let depth = 0; node.isFork; depth += 1)
    node = pathBit(paths, pathOffset, depth) === 1 ? node.right : node.left
  return node
}
