// The ledger's indexes are outside the state tree, so no root vouches for them: a row that is missing
// would hide a record from every search. Here each record is looked up by each index, and the rows are
// counted.
import {
  codeTimePartition,
  kindTimePartition,
  recordIndex,
  store as stores,
} from '../../runtime/execution/kernel-tables.js'
import { decodeRecordRow } from '../../runtime/execution/record-rows.js'
import { equalBytes, utf8 } from '../../runtime/protocol/index.js'
import { decodeStateKey } from '../../runtime/state/index.js'
import type { StoredRecord } from '../store/complete-range.js'
import { StoreError, type ChainStore, type Finding } from '../store/index.js'
import { table } from '../store/tables.js'

/** Rows that the ledger writes for one record: by code, by kind, by number, by arrival. */
const rowsPerRecord = 4

export interface IndexReport {
  records: number
  findings: Finding[]
}

/** Reads every record; `onRecord` hears how many were looked up. */
export function checkRecordIndex(store: ChainStore, onRecord: (done: number) => void): IndexReport {
  const report: IndexReport = { records: 0, findings: [] }
  const find = (storedKey: Buffer, message: string): void => {
    const shown = storedKey.toString('hex')
    report.findings.push({ table: 'index', storedKey: shown, code: 'STORE_DAMAGED', message })
  }
  for (const { storedKey, trueKey, value } of rowsOf(store, table.statePoint)) {
    const key = decodeStateKey(keyPart(trueKey))
    if (key?.kind !== 'point') continue
    report.records += 1
    onRecord(report.records)
    const missing = missingIndex(store, key.key, value)
    if (missing !== undefined) find(storedKey, `a record is not found by its ${missing}`)
  }
  let rows = 0
  for (const _row of rowsOf(store, table.index)) rows += 1
  if (rows !== rowsPerRecord * report.records) {
    find(
      Buffer.alloc(0),
      `${report.records} records have ${rows} index rows instead of ${rowsPerRecord * report.records}`,
    )
  }
  return report
}

/**
 * Rows of the ledger's own store in one table, opened. A row that does not open is the seals' finding,
 * not ours.
 */
function* rowsOf(
  store: ChainStore,
  id: typeof table.statePoint | typeof table.index,
): Generator<{ storedKey: Buffer; trueKey: Uint8Array; value: Uint8Array }> {
  const sealer = store.environment.sealer(id)
  const prefix = Buffer.concat([new Uint8Array([stores.record.length]), utf8(stores.record)])
  for (const { storedKey, record } of untilDamage(store, id)) {
    let opened: { trueKey: Uint8Array; value: Uint8Array }
    try {
      opened = sealer.openEntry(storedKey, record)
    } catch {
      continue
    }
    if (prefix.compare(opened.trueKey, 0, prefix.length) !== 0) continue
    // The sealer may use its buffers again before the caller is done.
    const { trueKey, value } = opened
    yield { storedKey: Buffer.from(storedKey), trueKey: trueKey.slice(), value: value.slice() }
  }
}

/** A walk that cannot go on is the finding of `verifyChainStore`, which walks every table too. */
export function* untilDamage(store: ChainStore, id: number): Generator<StoredRecord> {
  try {
    yield* store.environment.range(Buffer.from([id]), Buffer.from([id + 1]))
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
  }
}

/** Undoes the store's key: name length u8 | name | state key. */
const keyPart = (trueKey: Uint8Array): Uint8Array => trueKey.subarray(1 + trueKey[0])

/** The first index that does not lead to this record, or whose rows cannot be read. */
function missingIndex(store: ChainStore, id: Uint8Array, value: Uint8Array): string | undefined {
  try {
    return findMissingIndex(store, id, value)
  } catch (error) {
    return `indexes: ${error instanceof Error ? error.message : String(error)}`
  }
}

function findMissingIndex(store: ChainStore, id: Uint8Array, value: Uint8Array): string | undefined {
  const row = decodeRecordRow(value)
  const { patient, kind, code, effectiveTime } = row.header
  const leads = (index: number, partition: Uint8Array, order: number): boolean =>
    store
      .scanIndex(stores.record, index, partition, BigInt(order), BigInt(order), Number.MAX_SAFE_INTEGER)
      .some((entry) => equalBytes(entry.value, id))
  if (!leads(recordIndex.codeTime, codeTimePartition(patient, kind, utf8(code)), effectiveTime))
    return 'code'
  if (!leads(recordIndex.kindTime, kindTimePartition(patient, kind), effectiveTime)) return 'kind'
  if (!leads(recordIndex.number, patient, row.number)) return 'number'
  if (!leads(recordIndex.kindArrival, new Uint8Array([kind]), row.height)) return 'arrival'
  return undefined
}
