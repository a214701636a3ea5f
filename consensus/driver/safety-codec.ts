// The safety record on disk. Payloads lie beside it by hash, so that a block is written once and not
// again with
// every vote on it.
//
// Record: CBOR [1, safety record of consensus/pbft with empty payloads, payload keys [proposal, prepared,
// voted]],
// a key being the SHA-256 of the payload, or null. A stored body is the bare payload.

import { bytesToHex, hexToBytes } from '../../runtime/protocol/bytes.js'
import { decodeCbor, encodeCbor, type CborValue } from '../../runtime/protocol/cbor.js'
import { decodeSafetyRecord, encodeSafetyRecord } from '../pbft/index.js'
import type { ProposedBlock, SafetyRecord } from '../pbft/index.js'
import type { StoredBody, VoteStoreContent, VoteWrite } from './vote-store.js'

type Hash = (bytes: Uint8Array) => Uint8Array

const codecVersion = 1
const empty = new Uint8Array(0)

/** Turns records into writes; remembers which payloads are on disk. One per vote store. */
export class SafetyWriter {
  readonly #chainId: Uint8Array
  readonly #hash: Hash
  readonly #stored: Set<string>
  /** Payloads do not change, so one is hashed once for all votes on its block. */
  readonly #keys = new WeakMap<Uint8Array, string>()

  constructor(chainId: Uint8Array, hash: Hash, content: VoteStoreContent) {
    this.#chainId = chainId
    this.#hash = hash
    this.#stored = new Set(content.bodies.map((body) => bytesToHex(body.hash)))
  }

  /** The write that makes `record` durable. Call `written` when it is. */
  writeOf(record: SafetyRecord): VoteWrite {
    const needed = new Map<string, Uint8Array>()
    const keyOf = (block: { payload: Uint8Array } | undefined): CborValue => {
      if (block === undefined) return null
      const key = this.#keyOf(block.payload)
      needed.set(key, block.payload)
      return keyBytes(key)
    }
    const keys = [
      keyOf(record.proposal?.block),
      keyOf(record.preparedBlock?.block),
      keyOf(record.votedBlock?.block),
    ]
    const bytes = encodeSafetyRecord(mapPayloads(record, [empty, empty, empty]), this.#chainId)
    const put: StoredBody[] = []
    for (const [key, payload] of needed) {
      if (!this.#stored.has(key)) put.push({ hash: keyBytes(key), bytes: payload })
    }
    const drop = [...this.#stored].filter((key) => !needed.has(key)).map(keyBytes)
    return { record: encodeCbor([codecVersion, bytes, keys]), put, drop }
  }

  written(write: VoteWrite): void {
    for (const body of write.put) this.#stored.add(bytesToHex(body.hash))
    for (const key of write.drop) this.#stored.delete(bytesToHex(key))
  }

  #keyOf(payload: Uint8Array): string {
    const known = this.#keys.get(payload)
    if (known !== undefined) return known
    const key = bytesToHex(this.#hash(payload))
    this.#keys.set(payload, key)
    return key
  }
}

/**
 * What the store holds, as the core wants it. `amnesia`: the store says that it is not clean, or what it
 * holds
 * does not decode; then the key stays silent for a while (R17).
 */
export function decodeSafety(
  content: VoteStoreContent,
  chainId: Uint8Array,
): { safety: SafetyRecord | null; amnesia: boolean } {
  if (!content.clean) return { safety: null, amnesia: true }
  if (content.record === null) return { safety: null, amnesia: false }
  const safety = decodeRecord(content.record, content.bodies, chainId)
  return { safety, amnesia: safety === null }
}

function decodeRecord(
  bytes: Uint8Array,
  bodies: readonly StoredBody[],
  chainId: Uint8Array,
): SafetyRecord | null {
  const decoded = decodeCbor(bytes)
  if (!decoded.ok || !Array.isArray(decoded.value)) return null
  const [version, recordBytes, keys] = decoded.value
  if (version !== codecVersion || !(recordBytes instanceof Uint8Array) || !Array.isArray(keys)) return null
  const record = decodeSafetyRecord(recordBytes, chainId)
  if (!record.ok) return null
  const { proposal, preparedBlock, votedBlock } = record.value
  const blocks = [proposal, preparedBlock, votedBlock]
  const stored = new Map(bodies.map((body) => [bytesToHex(body.hash), body.bytes]))
  const payloads = keys.map((key) => (key instanceof Uint8Array ? stored.get(bytesToHex(key)) : undefined))
  // A block without its payload is a lost record: the body was promised to be on disk before the vote left.
  if (blocks.some((block, index) => block !== null && payloads[index] === undefined)) return null
  return mapPayloads(record.value, [payloads[0] ?? empty, payloads[1] ?? empty, payloads[2] ?? empty])
}

/** The record with other payloads in its proposal, prepared and voted block. */
function mapPayloads(
  record: SafetyRecord,
  [proposed, prepared, voted]: readonly [Uint8Array, Uint8Array, Uint8Array],
): SafetyRecord {
  const { proposal, preparedBlock, votedBlock } = record
  const withPayload = <B extends ProposedBlock>(block: B | null, payload: Uint8Array): B | null =>
    block === null ? null : { ...block, block: { header: block.block.header, payload } }
  return {
    ...record,
    proposal: withPayload(proposal, proposed),
    preparedBlock: withPayload(preparedBlock, prepared),
    votedBlock: withPayload(votedBlock, voted),
  }
}

function keyBytes(key: string): Uint8Array {
  return hexToBytes(key) ?? empty
}
