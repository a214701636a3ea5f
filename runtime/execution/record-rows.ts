// Rows of the ledger: `$record` and `$patient`, and the view of a record that contracts and screens get.
import type { Schema } from '../protocol/borsh.js'
import type { RecordHeader } from '../protocol/record.js'
import { assert } from '../protocol/result.js'
import type { StateReader } from '../state/store-interface.js'
import { ByteWriter, RowReader } from './byte-writer.js'
import { store } from './kernel-tables.js'

/** `$record` at a record id, Borsh. The body is never here: only its salted commitment. */
export const recordRow: Schema = {
  struct: [
    ['kind', 'u8'],
    ['patient', { fixed: 16 }],
    ['code', 'string'],
    ['effectiveTime', 'u64'],
    ['bodyHash', { fixed: 32 }],
    ['supersedes', { option: { fixed: 32 } }],
    ['author', { fixed: 32 }],
    ['transaction', { fixed: 32 }],
    ['index', 'u32'],
    ['height', 'u64'],
    ['time', 'u64'],
    ['number', 'u32'],
    /** For a record that a contract made: whose transaction it came out of (a person's call, or a rule). */
    ['origin', { option: { fixed: 32 } }],
  ],
}

/** One writer serves every row: encoding never nests. */
const scratch = new ByteWriter(4_096)

export interface RecordRow {
  header: RecordHeader
  author: Uint8Array
  transactionId: Uint8Array
  index: number
  height: number
  time: number
  number: number
  /** Present when a contract made the record: the signer of the call, or the rule's own entity. */
  origin?: Uint8Array
}

export function encodeRecordRow(row: RecordRow): Uint8Array {
  const writer = scratch.clear()
  const { header } = row
  writer.u8(header.kind)
  writer.raw(header.patient)
  writer.ascii(header.code)
  writer.u64(header.effectiveTime)
  writer.raw(header.bodyHash)
  writer.optional(header.supersedes)
  writer.raw(row.author)
  writer.raw(row.transactionId)
  writer.u32(row.index)
  writer.u64(row.height)
  writer.u64(row.time)
  writer.u32(row.number)
  writer.optional(row.origin)
  return writer.finish()
}

export function decodeRecordRow(bytes: Uint8Array): RecordRow {
  const reader = new RowReader(bytes)
  const header: RecordHeader = {
    kind: reader.u8(),
    patient: reader.raw(16),
    code: reader.ascii(),
    effectiveTime: reader.u64(),
    bodyHash: reader.raw(32),
  }
  const supersedes = reader.optional(32)
  if (supersedes) header.supersedes = supersedes
  const row: RecordRow = {
    header,
    author: reader.raw(32),
    transactionId: reader.raw(32),
    index: reader.u32(),
    height: reader.u64(),
    time: reader.u64(),
    number: reader.u32(),
  }
  const origin = reader.optional(32)
  if (origin) row.origin = origin
  assert(reader.done, 'a record row has no bytes left over')
  return row
}

/** Borsh `recordView` of runtime/protocol/record-bodies.ts. */
export function writeRecordView(
  writer: ByteWriter,
  id: Uint8Array,
  row: RecordRow,
  body: Uint8Array,
): void {
  const { header } = row
  writer.raw(id)
  writer.u8(header.kind)
  writer.raw(header.patient)
  writer.ascii(header.code)
  writer.u64(header.effectiveTime)
  writer.u64(row.height)
  writer.u64(row.time)
  writer.u32(row.number)
  writer.raw(row.author)
  writer.optional(header.supersedes)
  writer.bytes(body)
}

export function encodeRecordView(id: Uint8Array, row: RecordRow, body: Uint8Array): Uint8Array {
  const writer = scratch.clear()
  writeRecordView(writer, id, row, body)
  return writer.finish()
}

export const patientStatus = { active: 0, erased: 1 } as const

/**
 * Head of a patient's record list. Row: count u32 LE ‖ status u8 ‖ chain 32. chain(n) =
 * H("wardchain/patient/1" ‖ chain(n-1) ‖ record id ‖ record row), chain(0) = zero: it proves a list
 * complete.
 */
export interface PatientHead {
  count: number
  status: number
  chain: Uint8Array
}

const patientRowBytes = 37

export function readPatient(state: StateReader, patient: Uint8Array): PatientHead | undefined {
  const row = state.get(store.patient, patient)
  if (row === undefined) return undefined
  assert(row.length === patientRowBytes, 'a patient row has 37 bytes')
  const reader = new RowReader(row)
  return { count: reader.u32(), status: reader.u8(), chain: reader.raw(32) }
}

export function encodePatientRow(head: PatientHead): Uint8Array {
  const writer = scratch.clear()
  writer.u32(head.count)
  writer.u8(head.status)
  writer.raw(head.chain)
  return writer.finish()
}
