// From what someone proposes to the bytes that are signed: record bodies by schema, arguments by the
// contract's ABI.
import {
  bodyHash,
  encodeBorsh,
  encodeBundle,
  encodeSignedTransaction,
  encodeTransaction,
  keyIdOf,
  recordBodySchemas,
  refused,
  ok,
  transactionSigningBytes,
  type AppendAction,
  type CallAction,
  type RecordBody,
  type RecordHeader,
  type Result,
  type Transaction,
} from '../../runtime/protocol/index.js'
import { randomBytes, sha256, signDetached, type SigningKey } from '../keys/crypto.js'

/** One record before it is bound to a transaction: the body is a value of its kind's schema. */
export interface DraftRecord {
  kind: number
  patient: Uint8Array
  code: string
  effectiveTime: number
  body: unknown
  supersedes?: Uint8Array
}

export interface DraftTransaction {
  action: AppendAction | CallAction
  bodies: RecordBody[]
  attachments: Uint8Array[]
}

/** Encodes bodies by their schemas and commits to them with fresh salts. */
export function draftAppend(
  records: readonly DraftRecord[],
): Result<DraftTransaction, 'REQUEST_MALFORMED'> {
  const headers: RecordHeader[] = []
  const bodies: RecordBody[] = []
  for (const [index, record] of records.entries()) {
    const schema = recordBodySchemas.get(record.kind)
    if (!schema) return refused('REQUEST_MALFORMED', `records[${index}].kind`)
    const content = encodeBorsh(schema, record.body)
    if (!content.ok) return refused('REQUEST_MALFORMED', `records[${index}].body: ${content.detail ?? ''}`)
    const body = { salt: randomBytes(16), content: content.value }
    const header: RecordHeader = {
      kind: record.kind,
      patient: record.patient,
      code: record.code,
      effectiveTime: record.effectiveTime,
      bodyHash: bodyHash(sha256, body),
    }
    if (record.supersedes) header.supersedes = record.supersedes
    headers.push(header)
    bodies.push(body)
  }
  return ok({ action: { type: 'append', records: headers }, bodies, attachments: [] })
}

export function draftCall(
  target: string,
  method: string,
  args: Uint8Array,
  attachments: readonly Uint8Array[],
): DraftTransaction {
  const hashes = attachments.map((attachment) => sha256(attachment))
  return {
    action: { type: 'call', target, method, args, attachments: hashes },
    bodies: [],
    attachments: [...attachments],
  }
}

export interface Sender {
  chainId: Uint8Array
  entity: Uint8Array
  publicKey: Uint8Array
}

export interface SendTerms {
  stream: number
  sequence: number
  validUntil?: number
  fuelLimit: number
}

/** The payload bytes that a signature will cover (inside the COSE structure). */
export function payloadOf(sender: Sender, draft: DraftTransaction, terms: SendTerms): Uint8Array {
  const transaction: Transaction = {
    chainId: sender.chainId,
    sender: sender.entity,
    keyId: keyIdOf(sha256, sender.publicKey),
    stream: terms.stream,
    sequence: terms.sequence,
    fuelLimit: terms.fuelLimit,
    action: draft.action,
  }
  if (terms.validUntil !== undefined) transaction.validUntil = terms.validUntil
  return encodeTransaction(transaction)
}

/** Signs and packs: the bytes that travel. */
export function signBundle(payload: Uint8Array, draft: DraftTransaction, key: SigningKey): Uint8Array {
  const signature = signDetached(key, transactionSigningBytes(payload))
  return encodeBundle(encodeSignedTransaction(payload, signature), draft.bodies, draft.attachments)
}

export const transactionIdOf = (payload: Uint8Array): Uint8Array => sha256(transactionSigningBytes(payload))
