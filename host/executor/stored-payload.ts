// A block's payload as it rests in the store: signed transactions only. Bodies lie under patient and hash,
// attachments under their hashes, so that one patient's bodies can be erased while the block still verifies;
// what peers get is put together again.
import {
  asArrayOfBytes,
  concatBytes,
  decodeCbor,
  decodeSignedTransaction,
  encodeBundle,
  encodeCbor,
  encodePayload,
  type Bundle,
  type Payload,
  type RecordBody,
} from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import type { AttachmentWrite, BodyWrite } from '../store/store-types.js'

export interface DetachedPayload {
  /** CBOR [[transaction bytes...] x 5], lane 0 first. */
  stored: Uint8Array
  bodies: BodyWrite[]
  attachments: AttachmentWrite[]
}

/** Splits a payload that was executed into what stays in the block and what rests beside it. */
export function detachPayload(
  payload: Payload,
  decodedBundle: (bytes: Uint8Array) => Bundle | undefined,
): DetachedPayload {
  const detached: DetachedPayload = { stored: new Uint8Array(0), bodies: [], attachments: [] }
  const lanes = payload.lanes.map((bundles) =>
    bundles.map((bytes) => {
      const bundle = decodedBundle(bytes)
      if (!bundle) throw new Error('a block that was executed holds a bundle that is not one')
      collect(bundle, detached)
      return bundle.signed.bytes
    }),
  )
  detached.stored = encodeCbor(lanes)
  return detached
}

function collect(bundle: Bundle, detached: DetachedPayload): void {
  const { action } = bundle.signed.transaction
  if (action.type === 'append') {
    action.records.forEach((record, index) => {
      const { salt, content } = bundle.bodies[index]
      detached.bodies.push({
        hash: record.bodyHash,
        content: concatBytes(salt, content),
        patient: record.patient,
      })
    })
    return
  }
  action.attachments.forEach((hash, index) => {
    detached.attachments.push({ hash, bytes: bundle.attachments[index] })
  })
}

export interface BodySource {
  /** Salt ‖ content, or undefined when it was erased or never here. */
  body(patient: Uint8Array, hash: Uint8Array): Uint8Array | undefined
  attachment(hash: Uint8Array): Uint8Array | undefined
}

/**
 * The payload as it was proposed; undefined when a body is gone (erased): such a block travels by
 * snapshot only.
 */
export function attachPayload(stored: Uint8Array, source: BodySource): Uint8Array | undefined {
  const lanes: Uint8Array[][] = []
  for (const transactions of storedLanes(stored)) {
    const bundles: Uint8Array[] = []
    for (const bytes of transactions) {
      const bundle = rebundle(bytes, source)
      if (!bundle) return undefined
      bundles.push(bundle)
    }
    lanes.push(bundles)
  }
  return encodePayload({ lanes })
}

/** Signed transactions of a stored payload, by lane. Throws on bytes that `detachPayload` did not make. */
export function storedLanes(stored: Uint8Array): Uint8Array[][] {
  const decoded = decodeCbor(stored)
  if (!decoded.ok || !Array.isArray(decoded.value)) throw new Error('stored payload: layout')
  return decoded.value.map((lane) => asArrayOfBytes(lane))
}

function rebundle(bytes: Uint8Array, source: BodySource): Uint8Array | undefined {
  const signed = decodeSignedTransaction(bytes, sha256)
  if (!signed.ok) throw new Error('stored payload: transaction')
  const { action } = signed.value.transaction
  const bodies: RecordBody[] = []
  const attachments: Uint8Array[] = []
  for (const record of action.type === 'append' ? action.records : []) {
    const content = source.body(record.patient, record.bodyHash)
    if (!content) return undefined
    bodies.push({ salt: content.slice(0, 16), content: content.slice(16) })
  }
  for (const hash of action.type === 'call' ? action.attachments : []) {
    const attachment = source.attachment(hash)
    if (!attachment) return undefined
    attachments.push(attachment)
  }
  return encodeBundle(bytes, bodies, attachments)
}
