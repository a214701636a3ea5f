// Block header, payload and result. A block is ordered before its result exists; votes are on the pair.
import { decodeCbor, decodeCborShared, encodeCbor, type CborValue } from './cbor.js'
import { asArray, asBytes, asMap, asUint, FieldError } from './fields.js'
import { hashWithDomain, listRoot, type Hash } from './hash.js'
import { laneCount } from './lanes.js'
import { payloadBytesMax, transactionsPerBlockMax } from './limits.js'
import { ok, refused, type Result } from './result.js'

export interface BlockHeader {
  version: number
  appVersion: number
  chainId: Uint8Array
  epoch: number
  height: number
  /** View of the first proposal: a re-proposed block keeps it (R14). */
  view: number
  /** Leader's clock, ms, strictly above the parent's. */
  time: number
  /** Entity id of the first proposer. */
  proposer: Uint8Array
  parentHash: Uint8Array
  parentResultHash: Uint8Array
  /** SHA-256 of the parent's encoded certificate; zero at height 1. */
  parentCertificateHash: Uint8Array
  /** Five list roots over transaction bytes, lane 0 first; zero hash for an empty lane. */
  transactionRoots: Uint8Array[]
  /** Hash of the validator set that votes on this block. */
  validatorsHash: Uint8Array
}

/** CBOR map, keys 1..13 in the order of the fields above. */
export function encodeHeader(header: BlockHeader): Uint8Array {
  return encodeCbor(headerToCbor(header))
}

export function headerToCbor(header: BlockHeader): CborValue {
  return new Map<number, CborValue>([
    [1, header.version],
    [2, header.appVersion],
    [3, header.chainId],
    [4, header.epoch],
    [5, header.height],
    [6, header.view],
    [7, header.time],
    [8, header.proposer],
    [9, header.parentHash],
    [10, header.parentResultHash],
    [11, header.parentCertificateHash],
    [12, header.transactionRoots],
    [13, header.validatorsHash],
  ])
}

/** Throws FieldError; for decoders of messages that embed a header. */
export function headerFromCbor(value: CborValue): BlockHeader {
  const map = asMap(value, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], 13)
  return {
    version: asUint(map.get(1), 255),
    appVersion: asUint(map.get(2), 65_535),
    chainId: asBytes(map.get(3), 32),
    epoch: asUint(map.get(4), 2 ** 32 - 1),
    height: asUint(map.get(5)),
    view: asUint(map.get(6), 2 ** 32 - 1),
    time: asUint(map.get(7)),
    proposer: asBytes(map.get(8), 32),
    parentHash: asBytes(map.get(9), 32),
    parentResultHash: asBytes(map.get(10), 32),
    parentCertificateHash: asBytes(map.get(11), 32),
    transactionRoots: asArray(map.get(12), laneCount, laneCount).map((root) => asBytes(root, 32)),
    validatorsHash: asBytes(map.get(13), 32),
  }
}

export function decodeHeader(bytes: Uint8Array): Result<BlockHeader, 'HEADER_MALFORMED'> {
  const decoded = decodeCbor(bytes)
  if (!decoded.ok) return refused('HEADER_MALFORMED', decoded.code)
  try {
    return ok(headerFromCbor(decoded.value))
  } catch (error) {
    if (error instanceof FieldError) return refused('HEADER_MALFORMED', error.message)
    throw error
  }
}

export const blockHash = (hash: Hash, headerBytes: Uint8Array): Uint8Array => hash(headerBytes)

/** Bundles grouped by lane, lane 0 first. A bundle is one transaction with its bodies and attachments. */
export interface Payload {
  lanes: Uint8Array[][]
}

/** CBOR array of five arrays of byte strings. */
export function encodePayload(payload: Payload): Uint8Array {
  return encodeCbor(payload.lanes)
}

/** The bundles are views of `bytes`: what is kept or sent to another thread is copied first. */
export function decodePayload(
  bytes: Uint8Array,
): Result<Payload, 'PAYLOAD_MALFORMED' | 'PAYLOAD_TOO_LARGE'> {
  if (bytes.length > payloadBytesMax) return refused('PAYLOAD_TOO_LARGE')
  const decoded = decodeCborShared(bytes)
  if (!decoded.ok) return refused('PAYLOAD_MALFORMED', decoded.code)
  try {
    const lanes = asArray(decoded.value, laneCount, laneCount).map((group) =>
      asArray(group, 0, transactionsPerBlockMax).map((bundle) => asBytes(bundle, 1, payloadBytesMax)),
    )
    return ok({ lanes })
  } catch (error) {
    if (error instanceof FieldError) return refused('PAYLOAD_MALFORMED', error.message)
    throw error
  }
}

/** Roots for the header: over the signed transaction bytes of each lane, bodies excluded. */
export function transactionRoots(hash: Hash, transactionsByLane: readonly Uint8Array[][]): Uint8Array[] {
  return transactionsByLane.map((transactions) => listRoot(hash, transactions))
}

/** What executing a block gave; certified by the same votes as the block. */
export interface BlockResult {
  stateRoot: Uint8Array
  receiptsRoot: Uint8Array
  nextValidatorsHash: Uint8Array
  fuelUsed: number
  /** 0: nothing due. This block's time: work was carried over. */
  nextDueTime: number
}

/** CBOR array [stateRoot, receiptsRoot, nextValidatorsHash, fuelUsed, nextDueTime]. */
export function encodeResult(result: BlockResult): Uint8Array {
  return encodeCbor([
    result.stateRoot,
    result.receiptsRoot,
    result.nextValidatorsHash,
    result.fuelUsed,
    result.nextDueTime,
  ])
}

export function decodeResult(bytes: Uint8Array): Result<BlockResult, 'RESULT_MALFORMED'> {
  const decoded = decodeCbor(bytes)
  if (!decoded.ok) return refused('RESULT_MALFORMED', decoded.code)
  try {
    const parts = asArray(decoded.value, 5, 5)
    return ok({
      stateRoot: asBytes(parts[0], 32),
      receiptsRoot: asBytes(parts[1], 32),
      nextValidatorsHash: asBytes(parts[2], 32),
      fuelUsed: asUint(parts[3]),
      nextDueTime: asUint(parts[4]),
    })
  } catch (error) {
    if (error instanceof FieldError) return refused('RESULT_MALFORMED', error.message)
    throw error
  }
}

export function resultHash(hash: Hash, resultBytes: Uint8Array): Uint8Array {
  return hashWithDomain(hash, 'wardchain/result/1', resultBytes)
}
