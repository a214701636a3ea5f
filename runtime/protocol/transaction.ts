// A signed transaction: COSE_Sign1 (RFC 9052, Ed25519) over a deterministic-CBOR payload, and the bundle
// in which it travels with its record bodies and attachments.
import { decodeCborShared, encodeCbor, type CborMap, type CborValue } from './cbor.js'
import { concatBytes, equalBytes, utf8 } from './bytes.js'
import { asArray, asAscii, asBytes, asMap, asUint, FieldError } from './fields.js'
import type { Hash } from './hash.js'
import {
  aliasLengthMax,
  attachmentBytesMax,
  attachmentsPerTransactionMax,
  bodyBytesMax,
  callArgumentBytesMax,
  methodLengthMax,
  protocolVersion,
  recordsPerTransactionMax,
  streamMax,
  transactionBytesMax,
} from './limits.js'
import {
  recordHeaderFromCbor,
  recordHeaderToCbor,
  saltBytes,
  type RecordBody,
  type RecordHeader,
} from './record.js'
import { ok, refused, type Result } from './result.js'

export interface AppendAction {
  type: 'append'
  records: RecordHeader[]
}

export interface CallAction {
  type: 'call'
  /** Alias text (`ward/alerts`) or 64 hex digits of a contract address. */
  target: string
  method: string
  /** Borsh, by the method's input schema. */
  args: Uint8Array
  /** SHA-256 of each attachment that travels beside the transaction. */
  attachments: Uint8Array[]
}

export interface Transaction {
  chainId: Uint8Array
  sender: Uint8Array
  keyId: Uint8Array
  /** Chosen by the sender to keep urgent and bulk sequences apart; grants nothing. */
  stream: number
  sequence: number
  /** Last block time at which it may be included; absent only for devices. */
  validUntil?: number
  fuelLimit: number
  action: AppendAction | CallAction
}

export interface SignedTransaction {
  transaction: Transaction
  id: Uint8Array
  /** Bytes that the signature covers (COSE Sig_structure). */
  signingBytes: Uint8Array
  signature: Uint8Array
  /** The whole COSE_Sign1, as received. */
  bytes: Uint8Array
}

export type TransactionCode = 'TRANSACTION_MALFORMED' | 'TRANSACTION_TOO_LARGE'
export type BundleCode = TransactionCode | 'BUNDLE_MALFORMED' | 'BODY_MISMATCH' | 'ATTACHMENT_MISMATCH'

const coseAlgorithmEdDsa = -8
// The protected header {1: -8} never varies, so its bytes are a constant of the format.
const protectedBytes = encodeCbor(new Map<number, CborValue>([[1, coseAlgorithmEdDsa]]))
const externalAad = utf8('wardchain/transaction/1')

/**
 * Payload CBOR: {1 version, 2 chain, 3 sender, 4 keyId, 5 stream, 6 sequence, 7 fuelLimit, 8 action, ?9
 * validUntil}.
 */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const map: CborMap = new Map<number, CborValue>([
    [1, protocolVersion],
    [2, transaction.chainId],
    [3, transaction.sender],
    [4, transaction.keyId],
    [5, transaction.stream],
    [6, transaction.sequence],
    [7, transaction.fuelLimit],
    [8, actionToCbor(transaction.action)],
  ])
  if (transaction.validUntil !== undefined) map.set(9, transaction.validUntil)
  return encodeCbor(map)
}

/** append: [1, [record header...]]; call: [2, target, method, args, [attachment hash...]]. */
function actionToCbor(action: AppendAction | CallAction): CborValue {
  if (action.type === 'append') return [1, action.records.map(recordHeaderToCbor)]
  return [2, action.target, action.method, action.args, action.attachments]
}

/** COSE Sig_structure ["Signature1", protected, external_aad, payload]: what is signed. */
export function transactionSigningBytes(payload: Uint8Array): Uint8Array {
  return encodeCbor(['Signature1', protectedBytes, externalAad, payload])
}

/** COSE_Sign1 [protected, {}, payload, signature 64], untagged. */
export function encodeSignedTransaction(payload: Uint8Array, signature: Uint8Array): Uint8Array {
  return encodeCbor([protectedBytes, new Map(), payload, signature])
}

/**
 * Decodes and checks the form of a signed transaction. The signature itself is checked by the caller,
 * once. Long fields are views of `bytes`, which nobody may change afterwards.
 */
export function decodeSignedTransaction(
  bytes: Uint8Array,
  hash: Hash,
): Result<SignedTransaction, TransactionCode> {
  if (bytes.length > transactionBytesMax) return refused('TRANSACTION_TOO_LARGE')
  const decoded = decodeCborShared(bytes)
  if (!decoded.ok) return refused('TRANSACTION_MALFORMED', decoded.code)
  try {
    const [protectedPart, unprotected, payload, signature] = asArray(decoded.value, 4, 4)
    const protectedHeader = asBytes(protectedPart, protectedBytes.length)
    if (protectedHeader.some((byte, index) => byte !== protectedBytes[index]))
      throw new FieldError('protected header')
    if (!(unprotected instanceof Map) || unprotected.size !== 0) throw new FieldError('unprotected header')
    const payloadBytes = asBytes(payload, 1, transactionBytesMax)
    const inner = decodeCborShared(payloadBytes)
    if (!inner.ok) return refused('TRANSACTION_MALFORMED', inner.code)
    const signingBytes = transactionSigningBytes(payloadBytes)
    return ok({
      transaction: transactionFromCbor(inner.value),
      id: hash(signingBytes),
      signingBytes,
      signature: asBytes(signature, 64),
      bytes,
    })
  } catch (error) {
    if (error instanceof FieldError) return refused('TRANSACTION_MALFORMED', error.message)
    throw error
  }
}

function transactionFromCbor(value: CborValue): Transaction {
  const map = asMap(value, [1, 2, 3, 4, 5, 6, 7, 8, 9], 8)
  if (map.get(1) !== protocolVersion) throw new FieldError('version')
  const transaction: Transaction = {
    chainId: asBytes(map.get(2), 32),
    sender: asBytes(map.get(3), 32),
    keyId: asBytes(map.get(4), 16),
    stream: asUint(map.get(5), streamMax),
    sequence: asUint(map.get(6)),
    // Its bound depends on the lane and is admission's to check: a sender hears FUEL_LIMIT_TOO_HIGH, not
    // "malformed".
    fuelLimit: asUint(map.get(7)),
    action: actionFromCbor(map.get(8)),
  }
  if (map.has(9)) transaction.validUntil = asUint(map.get(9))
  return transaction
}

function actionFromCbor(value: CborValue | undefined): AppendAction | CallAction {
  const parts = asArray(value, 2, 5)
  if (parts[0] === 1 && parts.length === 2) {
    return {
      type: 'append',
      records: asArray(parts[1], 1, recordsPerTransactionMax).map(recordHeaderFromCbor),
    }
  }
  if (parts[0] === 2 && parts.length === 5) {
    return {
      type: 'call',
      target: asAscii(parts[1], 1, aliasLengthMax),
      method: asAscii(parts[2], 1, methodLengthMax),
      args: asBytes(parts[3], 0, callArgumentBytesMax),
      attachments: asArray(parts[4], 0, attachmentsPerTransactionMax).map((item) => asBytes(item, 32)),
    }
  }
  throw new FieldError('action')
}

/** A signed transaction with everything that travels beside it. */
export interface Bundle {
  signed: SignedTransaction
  /** One per record, in order. */
  bodies: RecordBody[]
  attachments: Uint8Array[]
}

/** CBOR [transaction bytes, [[salt, content]...], [attachment...]]. */
export function encodeBundle(
  transactionBytes: Uint8Array,
  bodies: readonly RecordBody[],
  attachments: readonly Uint8Array[],
): Uint8Array {
  return encodeCbor([transactionBytes, bodies.map((body) => [body.salt, body.content]), [...attachments]])
}

/** Largest bundle that any transaction may make. */
export const bundleBytesMax =
  transactionBytesMax + 8 * bodyBytesMax + attachmentsPerTransactionMax * attachmentBytesMax

/**
 * Decodes a bundle and checks that each body and attachment is the one that the signer committed to. Long
 * fields are views of `bytes`, which nobody may change afterwards.
 */
export function decodeBundle(bytes: Uint8Array, hash: Hash): Result<Bundle, BundleCode> {
  if (bytes.length > bundleBytesMax) return refused('TRANSACTION_TOO_LARGE')
  const decoded = decodeCborShared(bytes)
  if (!decoded.ok) return refused('BUNDLE_MALFORMED', decoded.code)
  try {
    const [transactionPart, bodiesPart, attachmentsPart] = asArray(decoded.value, 3, 3)
    const signed = decodeSignedTransaction(asBytes(transactionPart, 1, bundleBytesMax), hash)
    if (!signed.ok) return signed
    const bodies = asArray(bodiesPart, 0, recordsPerTransactionMax).map((pair): RecordBody => {
      const [salt, content] = asArray(pair, 2, 2)
      return { salt: asBytes(salt, saltBytes), content: asBytes(content, 0, bodyBytesMax) }
    })
    const attachments = asArray(attachmentsPart, 0, attachmentsPerTransactionMax).map((item) =>
      asBytes(item, 0, attachmentBytesMax),
    )
    return checkCommitments({ signed: signed.value, bodies, attachments }, hash)
  } catch (error) {
    if (error instanceof FieldError) return refused('BUNDLE_MALFORMED', error.message)
    throw error
  }
}

function checkCommitments(bundle: Bundle, hash: Hash): Result<Bundle, BundleCode> {
  const { action } = bundle.signed.transaction
  const records = action.type === 'append' ? action.records : []
  const attachmentHashes = action.type === 'call' ? action.attachments : []
  if (records.length !== bundle.bodies.length) return refused('BODY_MISMATCH', 'count')
  if (attachmentHashes.length !== bundle.attachments.length) return refused('ATTACHMENT_MISMATCH', 'count')
  for (let index = 0; index < records.length; index += 1) {
    const { salt, content } = bundle.bodies[index]
    if (!equalBytes(hash(concatBytes(salt, content)), records[index].bodyHash)) {
      return refused('BODY_MISMATCH', `record ${index}`)
    }
  }
  for (let index = 0; index < attachmentHashes.length; index += 1) {
    if (!equalBytes(hash(bundle.attachments[index]), attachmentHashes[index])) {
      return refused('ATTACHMENT_MISMATCH', `attachment ${index}`)
    }
  }
  return ok(bundle)
}
