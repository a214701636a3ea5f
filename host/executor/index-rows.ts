// Index rows lie outside the state tree, so no root vouches for them: each one read is compared with the row
// that it leads to, which is in the tree. A row that was altered, exchanged or put back from another time is
// RECORD_ALTERED and served to nobody. That none lies under an altered key, the store tells
// (complete-range.ts); that none was removed with its place, only `ward doctor`.
import { equalBytes, utf8, utf8ToText } from '../../runtime/protocol/index.js'
import { readCode, type RecordRow } from '../../runtime/execution/index.js'
import {
  codeIndex,
  codeTimePartition,
  kindTimePartition,
  recordIndex,
  store as tables,
} from '../../runtime/execution/kernel-tables.js'
import type { OrderedEntry, StateReader } from '../../runtime/state/index.js'
import { StoreError } from '../store/index.js'

export interface IndexPlace {
  store: string
  table: number
  partition: Uint8Array
}

export interface IndexTruth {
  record(id: Uint8Array): RecordRow | undefined
  get: StateReader['get']
}

/** Throws StoreError RECORD_ALTERED, which names the index and the row's place in it. */
export function checkIndexRows(place: IndexPlace, rows: readonly OrderedEntry[], truth: IndexTruth): void {
  for (const row of rows) {
    const isTrue =
      place.store === tables.record ? leadsToRecord(place, row, truth) : leadsToCode(place, row, truth)
    if (isTrue) continue
    const where = `index ${place.table} of ${place.store}, order ${row.order}, sequence ${row.sequence}`
    throw new StoreError('RECORD_ALTERED', `an index row is not the one that the ledger wrote: ${where}`)
  }
}

/** Keys of index rows as `runtime/execution/record-index.ts` writes them. */
function leadsToRecord({ table, partition }: IndexPlace, row: OrderedEntry, truth: IndexTruth): boolean {
  const record = row.value.length === 32 ? truth.record(row.value) : undefined
  if (record === undefined) return false
  const { header, number, height } = record
  const { patient, kind, code, effectiveTime } = header
  const isAt = (own: Uint8Array, order: number, sequence: number): boolean =>
    equalBytes(partition, own) && row.order === BigInt(order) && row.sequence === sequence
  switch (table) {
    case recordIndex.codeTime:
      return isAt(codeTimePartition(patient, kind, utf8(code)), effectiveTime, number)
    case recordIndex.kindTime:
      return isAt(kindTimePartition(patient, kind), effectiveTime, number)
    case recordIndex.number:
      return isAt(patient, number, 0)
    case recordIndex.kindArrival:
      // The sequence is the place in the block, which no row of the record says.
      return isAt(new Uint8Array([kind]), height, row.sequence)
    default:
      return false
  }
}

/** An alias that is known, or a version that was deployed under this alias at this height. */
function leadsToCode(
  { store, table, partition }: IndexPlace,
  row: OrderedEntry,
  truth: IndexTruth,
): boolean {
  // Other stores have no index tables today.
  if (store !== tables.code) return false
  if (table === codeIndex.aliases) return partition.length === 0 && row.value.length > 0
  const code = row.value.length === 32 ? readCode({ get: truth.get, scan: () => [] }, row.value) : undefined
  return code !== undefined && code.alias === utf8ToText(partition) && code.height === row.order
}
