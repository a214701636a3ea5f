// Consensus messages on the wire: one deterministic CBOR array each. The decoder is total, strict and
// bounded.

import {
  decodeResult,
  encodeResult,
  headerFromCbor,
  headerToCbor,
  type BlockResult,
} from '../../runtime/protocol/block.js'
import { equalBytes } from '../../runtime/protocol/bytes.js'
import { decodeCbor, encodeCbor, type CborValue } from '../../runtime/protocol/cbor.js'
import {
  certificateFromCbor,
  certificateToCbor,
  type Certificate,
} from '../../runtime/protocol/certificate.js'
import { asArray, asBytes, asUint, FieldError } from '../../runtime/protocol/fields.js'
import { payloadBytesMax, validatorsMax } from '../../runtime/protocol/limits.js'
import { ok, refused, unreachable, type Result } from '../../runtime/protocol/result.js'
import { syncBlocksMax } from './config.js'
import type { Block, FinalBlock, SignedMessage, ViewChangeMessage, WireMessage } from './types.js'

export const messageVersion = 1
/**
 * The largest message: a full payload, its header, a justification of 31 view changes with two
 * certificates each.
 */
export const messageBytesMax = payloadBytesMax + 524_288
/** Final blocks in one answer; the sender also keeps the whole under `messageBytesMax`. */
export const blocksPerMessageMax = syncBlocksMax

export type MessageCode =
  | 'MESSAGE_TOO_LARGE'
  | 'MESSAGE_MALFORMED'
  | 'MESSAGE_UNKNOWN_VERSION'
  | 'MESSAGE_WRONG_CHAIN'
  | 'MESSAGE_UNKNOWN_TYPE'

/** Second element of the array. Never reused for another meaning. */
export const messageTypes = {
  proposal: 1,
  prepare: 2,
  commit: 3,
  viewChange: 4,
  heartbeat: 5,
  bodyRequest: 6,
  body: 7,
  blockRequest: 8,
  blocks: 9,
  evidence: 10,
} as const satisfies Record<WireMessage['type'], number>

const u32Max = 2 ** 32 - 1

/**
 * CBOR array [version, type, chainId 32, epoch, fields...]. Signed types go on with height, view, sender
 * 32,
 * signature 64, then their own fields in the order of types.ts. A block is [header map, payload bytes], a
 * missing
 * certificate is null, a view change inside a proposal is its own fields without version, type, chain and
 * epoch. Evidence is [type, fields] of each of its two messages.
 */
export function encodeMessage(message: WireMessage, chainId: Uint8Array): Uint8Array {
  const head: CborValue[] = [messageVersion, messageTypes[message.type], chainId, message.epoch]
  return encodeCbor([...head, ...fieldsOf(message)])
}

function fieldsOf(message: WireMessage): CborValue[] {
  switch (message.type) {
    case 'proposal':
      return [
        ...signedFields(message),
        blockToCbor(message.block),
        optional(message.parentCertificate),
        message.justification.map(viewChangeFields),
      ]
    case 'prepare':
    case 'commit':
      return [...signedFields(message), message.blockHash, message.resultHash]
    case 'heartbeat':
      return [...signedFields(message), message.blockHash, message.resultHash, message.time]
    case 'viewChange':
      return viewChangeFields(message)
    case 'bodyRequest':
      return [message.height, message.blockHash]
    case 'body':
      return [blockToCbor(message.block), optional(message.parentCertificate)]
    case 'blockRequest':
      return [message.fromHeight, message.count]
    case 'blocks':
      return [message.blocks.map(finalBlockToCbor)]
    case 'evidence':
      return [message.first, message.second].map((item) => [messageTypes[item.type], fieldsOf(item)])
    default:
      return unreachable(message)
  }
}

interface SignedFields {
  height: number
  view: number
  sender: Uint8Array
  signature: Uint8Array
}

const signedFields = ({ height, view, sender, signature }: SignedFields) => [
  height,
  view,
  sender,
  signature,
]
const optional = (certificate: Certificate | null) =>
  certificate === null ? null : certificateToCbor(certificate)
const blockToCbor = (block: Block): CborValue => [headerToCbor(block.header), block.payload]

function viewChangeFields(message: ViewChangeMessage): CborValue[] {
  return [...signedFields(message), optional(message.prepared), optional(message.lastCertificate)]
}

function finalBlockToCbor({ block, result, certificate }: FinalBlock): CborValue {
  return [blockToCbor(block), encodeResult(result), certificateToCbor(certificate)]
}

/** Any bytes give a message of this chain or a code; signatures are not checked here. */
export function decodeMessage(bytes: Uint8Array, chainId: Uint8Array): Result<WireMessage, MessageCode> {
  if (bytes.length > messageBytesMax) return refused('MESSAGE_TOO_LARGE')
  const decoded = decodeCbor(bytes)
  if (!decoded.ok) return refused('MESSAGE_MALFORMED', decoded.code)
  try {
    const parts = asArray(decoded.value, 4, 32)
    if (asUint(parts[0]) !== messageVersion) return refused('MESSAGE_UNKNOWN_VERSION')
    const type = asUint(parts[1])
    if (!equalBytes(asBytes(parts[2], 32), chainId)) return refused('MESSAGE_WRONG_CHAIN')
    const message = messageFrom(type, asUint(parts[3], u32Max), parts.slice(4))
    return message === null ? refused('MESSAGE_UNKNOWN_TYPE') : ok(message)
  } catch (error) {
    if (error instanceof FieldError) return refused('MESSAGE_MALFORMED', error.message)
    throw error
  }
}

function messageFrom(typeNumber: number, epoch: number, parts: CborValue[]): WireMessage | null {
  switch (typeNumber) {
    case messageTypes.proposal:
      return proposalFrom(epoch, asArray(parts, 7, 7))
    case messageTypes.prepare:
      return { type: 'prepare', epoch, ...pairFrom(parts) }
    case messageTypes.commit:
      return { type: 'commit', epoch, ...pairFrom(parts) }
    case messageTypes.heartbeat:
      asArray(parts, 7, 7)
      return { type: 'heartbeat', epoch, ...pairFrom(parts.slice(0, 6)), time: asUint(parts[6]) }
    case messageTypes.viewChange:
      return viewChangeFrom(epoch, parts)
    case messageTypes.bodyRequest:
      asArray(parts, 2, 2)
      return { type: 'bodyRequest', epoch, height: asUint(parts[0]), blockHash: asBytes(parts[1], 32) }
    case messageTypes.body:
      asArray(parts, 2, 2)
      return { type: 'body', epoch, block: blockFrom(parts[0]), parentCertificate: optionalFrom(parts[1]) }
    case messageTypes.blockRequest:
      asArray(parts, 2, 2)
      return {
        type: 'blockRequest',
        epoch,
        fromHeight: asUint(parts[0]),
        count: asUint(parts[1], blocksPerMessageMax),
      }
    case messageTypes.blocks: {
      asArray(parts, 1, 1)
      return {
        type: 'blocks',
        epoch,
        blocks: asArray(parts[0], 0, blocksPerMessageMax).map(finalBlockFrom),
      }
    }
    case messageTypes.evidence: {
      const [first, second] = asArray(parts, 2, 2).map((item) => accusedFrom(epoch, item))
      return { type: 'evidence', epoch, first, second }
    }
    default:
      return null
  }
}

/** One half of evidence; only what a validator signs can stand against it. */
function accusedFrom(epoch: number, value: CborValue): SignedMessage {
  const [type, fields] = asArray(value, 2, 2)
  const typeNumber = asUint(type)
  if (typeNumber > messageTypes.heartbeat) throw new FieldError('signed message expected')
  const message = messageFrom(typeNumber, epoch, asArray(fields, 6, 7))
  if (message === null || !('sender' in message)) throw new FieldError('signed message expected')
  return message
}

function signedFrom(parts: CborValue[]): SignedFields {
  return {
    height: asUint(parts[0]),
    view: asUint(parts[1], u32Max),
    sender: asBytes(parts[2], 32),
    signature: asBytes(parts[3], 64),
  }
}

function pairFrom(parts: CborValue[]) {
  asArray(parts, 6, 6)
  return { ...signedFrom(parts), blockHash: asBytes(parts[4], 32), resultHash: asBytes(parts[5], 32) }
}

function proposalFrom(epoch: number, parts: CborValue[]): WireMessage {
  return {
    type: 'proposal',
    epoch,
    ...signedFrom(parts),
    block: blockFrom(parts[4]),
    parentCertificate: optionalFrom(parts[5]),
    justification: asArray(parts[6], 0, validatorsMax).map((item) => viewChangeFrom(epoch, item)),
  }
}

function viewChangeFrom(epoch: number, value: CborValue): ViewChangeMessage {
  const parts = asArray(value, 6, 6)
  return {
    type: 'viewChange',
    epoch,
    ...signedFrom(parts),
    prepared: optionalFrom(parts[4]),
    lastCertificate: optionalFrom(parts[5]),
  }
}

const optionalFrom = (value: CborValue) => (value === null ? null : certificateFromCbor(value))

function blockFrom(value: CborValue): Block {
  const [header, payload] = asArray(value, 2, 2)
  return { header: headerFromCbor(header), payload: asBytes(payload, 0, payloadBytesMax) }
}

function finalBlockFrom(value: CborValue): FinalBlock {
  const [block, result, certificate] = asArray(value, 3, 3)
  return {
    block: blockFrom(block),
    result: resultFrom(result),
    certificate: certificateFromCbor(certificate),
  }
}

function resultFrom(value: CborValue): BlockResult {
  const decoded = decodeResult(asBytes(value, 1, 256))
  if (!decoded.ok) throw new FieldError('result expected')
  return decoded.value
}
