// A record: one append-only clinical or administrative entry. The header is signed; the body travels
// beside it.
import type { CborMap, CborValue } from './cbor.js'
import { asAscii, asBytes, asMap, asUint } from './fields.js'
import { concatBytes, u32Bytes } from './bytes.js'
import { hashWithDomain, type Hash } from './hash.js'
import { recordCodeLengthMax } from './limits.js'

/** Kinds of records. Numbers are wire format: never renamed, never reused. */
export const recordKind = {
  admission: 1,
  observation: 2,
  finding: 3,
  alert: 4,
  alertResponse: 5,
  order: 6,
  orderEvent: 7,
  sourceMessage: 8,
} as const
export type RecordKindName = keyof typeof recordKind
export const recordKindMax = 63

export const patientBytes = 16
export const saltBytes = 16

export interface RecordHeader {
  kind: number
  /** Random 16-byte subject. */
  patient: Uint8Array
  /** LOINC code or a name of ours, printable ASCII; may be empty. */
  code: string
  /** When it was true in the world, ms since 1970. */
  effectiveTime: number
  /** SHA-256(salt ‖ body). */
  bodyHash: Uint8Array
  /** The record that this one corrects or answers. */
  supersedes?: Uint8Array
}

export interface RecordBody {
  salt: Uint8Array
  content: Uint8Array
}

/** CBOR {1 kind, 2 patient, 3 code, 4 effectiveTime, 5 bodyHash, ?6 supersedes}. */
export function recordHeaderToCbor(header: RecordHeader): CborMap {
  const map: CborMap = new Map<number, CborValue>([
    [1, header.kind],
    [2, header.patient],
    [3, header.code],
    [4, header.effectiveTime],
    [5, header.bodyHash],
  ])
  if (header.supersedes) map.set(6, header.supersedes)
  return map
}

/** Throws FieldError; used inside decoders only. */
export function recordHeaderFromCbor(value: CborValue): RecordHeader {
  const map = asMap(value, [1, 2, 3, 4, 5, 6], 5)
  const header: RecordHeader = {
    kind: asUint(map.get(1), recordKindMax),
    patient: asBytes(map.get(2), patientBytes),
    code: asAscii(map.get(3), 0, recordCodeLengthMax),
    effectiveTime: asUint(map.get(4)),
    bodyHash: asBytes(map.get(5), 32),
  }
  if (map.has(6)) header.supersedes = asBytes(map.get(6), 32)
  return header
}

/** Record id = H("wardchain/record/1" ‖ transaction id ‖ u32 BE index). */
export function recordId(hash: Hash, transactionId: Uint8Array, index: number): Uint8Array {
  return hashWithDomain(hash, 'wardchain/record/1', transactionId, u32Bytes(index))
}

/**
 * Body hash = SHA-256(salt ‖ content): a salted commitment, so that a short reading cannot be guessed
 * from it.
 */
export function bodyHash(hash: Hash, body: RecordBody): Uint8Array {
  return hash(concatBytes(body.salt, body.content))
}
