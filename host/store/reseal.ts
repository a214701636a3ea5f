// After a change of the data key: re-seals old records a few at a time, so that the old epoch's key can be
// dropped. Records that are rewritten anyway move to the new epoch by themselves; this walks over the
// rest.
import type { ChainStore } from './chain-store.js'
import { chainTables, type TableId } from './tables.js'

export interface ResealCursor {
  table: TableId
  /** Stored key to go on from. */
  from: Uint8Array
}

/**
 * Re-seals at most `countMax` records that are not of the newest epoch, looking at no more than ten times
 * as many, in one durable transaction. Returns where to go on, or undefined when all are done. Run it when
 * the node is idle.
 */
export function resealSlice(
  store: ChainStore,
  cursor: ResealCursor | undefined,
  countMax = 500,
): { cursor: ResealCursor | undefined; resealed: number } {
  const { environment } = store
  const at = chainTables.indexOf(cursor?.table ?? chainTables[0])
  const id = chainTables[at]
  const sealer = environment.sealer(id)
  const start = cursor?.from ?? Buffer.from([id])
  const old: { storedKey: Uint8Array; trueKey: Uint8Array; value: Uint8Array }[] = []
  let seen = 0
  let next: Uint8Array | undefined
  for (const { storedKey, record } of environment.range(start, Buffer.from([id + 1]))) {
    if (old.length >= countMax || seen >= 10 * countMax) {
      next = Uint8Array.from(storedKey)
      break
    }
    seen += 1
    if (sealer.epochOf(record) === environment.epoch) continue
    old.push({ storedKey: Uint8Array.from(storedKey), ...sealer.openEntry(storedKey, record) })
  }
  if (old.length > 0) {
    environment.write(() => {
      for (const { storedKey, trueKey, value } of old) environment.put(id, storedKey, trueKey, value)
    })
  }
  if (next !== undefined) return { cursor: { table: id, from: next }, resealed: old.length }
  const following = chainTables[at + 1] as TableId | undefined
  const after = following === undefined ? undefined : { table: following, from: Buffer.from([following]) }
  return { cursor: after, resealed: old.length }
}
