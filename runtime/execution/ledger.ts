// The record ledger: appends, look-ups, searches. Bodies lie outside the tree; a record's row holds its commitment.
import { compareBytes, u32Bytes, utf8 } from '../protocol/bytes.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { hashWithDomain, zeroHash } from '../protocol/hash.js'
import { recordId, recordKind, saltBytes, type RecordBody, type RecordHeader } from '../protocol/record.js'
import { concatBytes } from '../protocol/bytes.js'
import { ok, refused, type Result } from '../protocol/result.js'
import { bytesToText } from '../state/state-keys.js'
import type { Kernel, Run } from './kernel.js'
import { codeTimePartition, kindTimePartition, recordIndex, store } from './kernel-tables.js'
import { NodeFault, type LedgerRecord } from './ports.js'
import {
  decodeRecordRow,
  encodePatientRow,
  encodeRecordRow,
  encodeRecordView,
  patientStatus,
  readPatient,
  type PatientHead,
  type RecordRow,
} from './record-rows.js'

export interface NewRecord {
  header: RecordHeader
  body: RecordBody
  author: Uint8Array
  derived: boolean
}

/** A record found in the ledger; `body` is absent when the patient was erased. */
export interface FoundRecord {
  id: Uint8Array
  row: RecordRow
  body: RecordBody | undefined
}

/** Appends one record to the ledger and its indexes. Grants are the caller's business. */
export function appendRecord(run: Run, record: NewRecord): Result<LedgerRecord, ErrorCode> {
  const { kernel, effects } = run
  const { header } = record
  const head = readPatient(kernel.overlay, header.patient)
  const refusal = refuseRecord(kernel, header, head)
  if (refusal !== undefined) return refused(refusal)
  const index = effects.records.length
  const id = recordId(kernel.hash, run.id, index)
  const row: RecordRow = {
    header,
    author: record.author,
    transactionId: run.id,
    index,
    height: kernel.height,
    time: kernel.time,
    number: (head?.count ?? 0) + 1,
    derived: record.derived,
  }
  writeRecord(kernel, id, row, head)
  const appended: LedgerRecord = {
    id,
    header,
    author: record.author,
    transactionId: run.id,
    index,
    height: row.height,
    time: row.time,
    number: row.number,
    body: record.body,
    derived: record.derived,
    view: encodeRecordView(id, row, record.body.content),
  }
  kernel.records.set(bytesToText(id), appended)
  effects.records.push(appended)
  return ok(appended)
}

function refuseRecord(
  kernel: Kernel,
  header: RecordHeader,
  head: PatientHead | undefined,
): ErrorCode | undefined {
  if (head?.status === patientStatus.erased) return 'ERASED'
  if (header.supersedes !== undefined) {
    const row = kernel.overlay.get(store.record, header.supersedes)
    if (row === undefined) return 'RECORD_UNKNOWN'
    // A correction of another patient's record would move a finding from one person to another.
    if (compareBytes(decodeRecordRow(row).header.patient, header.patient) !== 0) return 'RECORD_UNKNOWN'
  }
  if (header.kind !== recordKind.admission) return head === undefined ? 'PATIENT_UNKNOWN' : undefined
  // A later admission record corrects or transfers, and says which one it replaces.
  return head !== undefined && header.supersedes === undefined ? 'PATIENT_EXISTS' : undefined
}

function writeRecord(kernel: Kernel, id: Uint8Array, row: RecordRow, head: PatientHead | undefined): void {
  const { overlay, hash } = kernel
  const { header } = row
  const encoded = encodeRecordRow(row)
  overlay.set(store.record, id, encoded)
  const chain = hashWithDomain(hash, 'wardchain/patient/1', head?.chain ?? zeroHash, id, encoded)
  overlay.set(
    store.patient,
    header.patient,
    encodePatientRow({ count: row.number, status: patientStatus.active, chain }),
  )
  const time = BigInt(header.effectiveTime)
  const kind = new Uint8Array([header.kind])
  const byCode = codeTimePartition(header.patient, header.kind, utf8(header.code))
  overlay.indexPut(store.record, recordIndex.codeTime, byCode, time, id)
  overlay.indexPut(
    store.record,
    recordIndex.kindTime,
    kindTimePartition(header.patient, header.kind),
    time,
    id,
  )
  overlay.indexPut(store.record, recordIndex.number, header.patient, BigInt(row.number), id)
  overlay.indexPut(store.record, recordIndex.kindArrival, kind, BigInt(row.height), id)
}

/**
 * Salt of a derived body: first 16 bytes of H(transaction id ‖ index u32 BE ‖ salts of the bodies read, in order).
 * Every replica computes the same one, and nobody without those bodies can guess it.
 */
export function derivedSalt(run: Run): Uint8Array {
  const parts = concatBytes(run.id, u32Bytes(run.effects.records.length), ...run.saltsRead.values())
  return run.kernel.hash(parts).slice(0, saltBytes)
}

/** A record by its id. Its body counts as read by the run. */
export function findRecord(run: Run, id: Uint8Array): FoundRecord | undefined {
  const { kernel } = run
  const bytes = kernel.overlay.get(store.record, id)
  if (bytes === undefined) return undefined
  const row = decodeRecordRow(bytes)
  const erased = readPatient(kernel.overlay, row.header.patient)?.status === patientStatus.erased
  return { id, row, body: erased ? undefined : readBody(run, id) }
}

/** The body of a record that the state says exists and is not erased. */
export function readBody(run: Run, id: Uint8Array): RecordBody {
  const key = bytesToText(id)
  const body = run.kernel.records.get(key)?.body ?? run.kernel.parent.bodyOf(id)
  if (body === undefined || body === 'erased') {
    throw new NodeFault('BODY_MISSING', 'a body that the state counts on is not in the store')
  }
  run.saltsRead.set(key, body.salt)
  return body
}

export interface RecordSearch {
  patient: Uint8Array
  kind: number
  /** Empty: every code. */
  codes: readonly string[]
  from: bigint
  to: bigint
  limit: number
}

/** Ids of matching records, newest effective time first; of equal times the one appended later first. */
export function searchRecords(kernel: Kernel, search: RecordSearch): { id: Uint8Array; row: RecordRow }[] {
  const { overlay } = kernel
  const { patient, kind, codes, from, to, limit } = search
  const scan = (table: number, partition: Uint8Array): Uint8Array[] =>
    overlay.scanIndex(store.record, table, partition, from, to, limit, true).map((entry) => entry.value)
  const ids =
    codes.length === 0
      ? scan(recordIndex.kindTime, kindTimePartition(patient, kind))
      : codes.flatMap((code) => scan(recordIndex.codeTime, codeTimePartition(patient, kind, utf8(code))))
  const found = ids.map((id) => ({ id, row: rowOf(kernel, id) }))
  // Several codes are several sorted lists; numbers are unique per patient, so the order is total.
  if (codes.length > 1) {
    found.sort(
      (left, right) =>
        right.row.header.effectiveTime - left.row.header.effectiveTime ||
        right.row.number - left.row.number,
    )
  }
  return found.slice(0, limit)
}

function rowOf(kernel: Kernel, id: Uint8Array): RecordRow {
  const bytes = kernel.overlay.get(store.record, id)
  if (bytes === undefined)
    throw new NodeFault('BODY_MISSING', 'an index names a record that does not exist')
  return decodeRecordRow(bytes)
}
