// The record ledger: appends, look-ups, searches. Bodies lie outside the tree; a record's row holds its
// commitment.
import { compareBytes, u32Bytes } from '../protocol/bytes.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { hashWithDomain, zeroHash } from '../protocol/hash.js'
import { recordId, recordKind, saltBytes, type RecordBody, type RecordHeader } from '../protocol/record.js'
import { concatBytes } from '../protocol/bytes.js'
import { assert, ok, refused, type Result } from '../protocol/result.js'
import { byteText } from './byte-text.js'
import type { Kernel, Run } from './kernel.js'
import { store } from './kernel-tables.js'
import type { LedgerRecord } from './ports.js'
import type { IndexedRecord } from './record-index.js'
import {
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
  }
  if (record.derived) row.origin = run.origin
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
    origin: row.origin,
    view: encodeRecordView(id, row, record.body.content),
  }
  kernel.index.add(appended, row)
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
    const superseded = kernel.index.find(header.supersedes)
    if (superseded === undefined) return 'RECORD_UNKNOWN'
    // A correction of another patient's record would move a finding from one person to another.
    if (compareBytes(superseded.row.header.patient, header.patient) !== 0) return 'RECORD_UNKNOWN'
  }
  if (header.kind !== recordKind.admission) return head === undefined ? 'PATIENT_UNKNOWN' : undefined
  // A later admission record corrects or transfers, and says which one it replaces.
  return head !== undefined && header.supersedes === undefined ? 'PATIENT_EXISTS' : undefined
}

function writeRecord(kernel: Kernel, id: Uint8Array, row: RecordRow, head: PatientHead | undefined): void {
  const { overlay, hash } = kernel
  const { header } = row
  const encoded = encodeRecordRow(row)
  overlay.setOwned(store.record, id, encoded)
  const chain = hashWithDomain(hash, 'wardchain/patient/1', head?.chain ?? zeroHash, id, encoded)
  overlay.setOwned(
    store.patient,
    header.patient,
    encodePatientRow({ count: row.number, status: patientStatus.active, chain }),
  )
}

/**
 * Salt of a derived body: first 16 bytes of H(transaction id ‖ index u32 BE ‖ salts of the bodies read, in
 * order). Every replica computes the same one, and nobody without those bodies can guess it.
 */
export function derivedSalt(run: Run): Uint8Array {
  const parts = concatBytes(run.id, u32Bytes(run.effects.records.length), ...run.saltsRead.values())
  return run.kernel.hash(parts).slice(0, saltBytes)
}

/** Is this patient erased? Then no body of theirs is read any more, on any replica. */
export function isErased(kernel: Kernel, patient: Uint8Array): boolean {
  const key = byteText(patient)
  let erased = kernel.erased.get(key)
  if (erased === undefined) {
    erased = readPatient(kernel.overlay, patient)?.status === patientStatus.erased
    kernel.erased.set(key, erased)
  }
  return erased
}

/** The view of a record whose patient is not erased; its body counts as read by the run. */
export function readView(run: Run, record: IndexedRecord): Uint8Array {
  run.kernel.index.readBody(record)
  const { view, salt, key } = record
  assert(view !== undefined && salt !== undefined, 'a body that was read is there')
  run.saltsRead.set(key, salt)
  return view
}
