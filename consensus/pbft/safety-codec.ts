// The safety record as bytes for the votes environment. A record that does not decode is a lost one (R17).

import { headerFromCbor, headerToCbor } from '../../runtime/protocol/block.js'
import { decodeCbor, encodeCbor, type CborValue } from '../../runtime/protocol/cbor.js'
import { certificateFromCbor, certificateToCbor } from '../../runtime/protocol/certificate.js'
import { asArray, asBytes, asUint, FieldError } from '../../runtime/protocol/fields.js'
import { payloadBytesMax } from '../../runtime/protocol/limits.js'
import { ok, refused, type Result } from '../../runtime/protocol/result.js'
import { decodeMessage, encodeMessage, messageBytesMax } from './message-codec.js'
import type { ProposedBlock, SafetyRecord, SignedMessage } from './types.js'

/**
 * CBOR array [1, epoch, height, view, proposal, prepare, commit, viewChange, prepared, preparedBlock,
 * votedBlock]:
 * messages as their wire bytes, a block as [header, payload, parent certificate], null for what is missing.
 */
export function encodeSafetyRecord(record: SafetyRecord, chainId: Uint8Array): Uint8Array {
  const bytesOf = (message: SignedMessage | null) =>
    message === null ? null : encodeMessage(message, chainId)
  return encodeCbor([
    1,
    record.epoch,
    record.height,
    record.view,
    bytesOf(record.proposal),
    bytesOf(record.prepare),
    bytesOf(record.commit),
    bytesOf(record.viewChange),
    record.prepared === null ? null : certificateToCbor(record.prepared),
    proposedToCbor(record.preparedBlock),
    proposedToCbor(record.votedBlock),
  ])
}

function proposedToCbor(proposed: ProposedBlock | null): CborValue {
  if (proposed === null) return null
  const { block, parentCertificate } = proposed
  const certificate = parentCertificate === null ? null : certificateToCbor(parentCertificate)
  return [headerToCbor(block.header), block.payload, certificate]
}

export function decodeSafetyRecord(
  bytes: Uint8Array,
  chainId: Uint8Array,
): Result<SafetyRecord, 'SAFETY_RECORD_MALFORMED'> {
  const decoded = decodeCbor(bytes)
  if (!decoded.ok) return refused('SAFETY_RECORD_MALFORMED', decoded.code)
  try {
    const parts = asArray(decoded.value, 11, 11)
    if (parts[0] !== 1) return refused('SAFETY_RECORD_MALFORMED', 'unknown version')
    return ok({
      epoch: asUint(parts[1], 2 ** 32 - 1),
      height: asUint(parts[2]),
      view: asUint(parts[3], 2 ** 32 - 1),
      proposal: messageFrom(parts[4], chainId, 'proposal'),
      prepare: messageFrom(parts[5], chainId, 'prepare'),
      commit: messageFrom(parts[6], chainId, 'commit'),
      viewChange: messageFrom(parts[7], chainId, 'viewChange'),
      prepared: parts[8] === null ? null : certificateFromCbor(parts[8]),
      preparedBlock: proposedFrom(parts[9]),
      votedBlock: proposedFrom(parts[10]),
    })
  } catch (error) {
    if (error instanceof FieldError) return refused('SAFETY_RECORD_MALFORMED', error.message)
    throw error
  }
}

function messageFrom<M extends SignedMessage>(
  value: CborValue,
  chainId: Uint8Array,
  type: M['type'],
): M | null {
  if (value === null) return null
  const decoded = decodeMessage(asBytes(value, 1, messageBytesMax), chainId)
  if (!decoded.ok || decoded.value.type !== type) throw new FieldError(`${type} expected`)
  return decoded.value as M
}

function proposedFrom(value: CborValue): ProposedBlock | null {
  if (value === null) return null
  const [header, payload, certificate] = asArray(value, 3, 3)
  return {
    block: { header: headerFromCbor(header), payload: asBytes(payload, 0, payloadBytesMax) },
    parentCertificate: certificate === null ? null : certificateFromCbor(certificate),
  }
}
