// Requests and answers of snapshot sync, inside the service frames. CBOR arrays; total decoders.
//
//   request   [0]                                         offer
//             [1, store, depth, path 32, hash 32]         part of the state
//             [2, hash 32]                                attachment
//             [3, [patient 16 | hash 32...]]              record bodies, at most 64
//   answer    [0, offer]                                  see `Offer`
//             [1, [[key, value]...]]                      all leaves of the part
//             [2, split]                                  the hashes below it (runtime/state/tree-walk.ts)
//             [3]                                         not yet: the answering node is preparing
//             [4]                                         this node has another state there, or none
//             [5, bytes]                                  attachment
//             [6, [[patient | hash, bytes]...]]           bodies that it has
import {
  asArrayOfBytes,
  decodeCbor,
  encodeCbor,
  patientBytes,
  recoveriesMax,
  type CborValue,
  type Validator,
} from '../../runtime/protocol/index.js'
import type { FinalEvidence } from '../../runtime/light/index.js'
import type { TreePart } from '../../runtime/state/index.js'

/** First byte of a snapshot request or answer in a service frame. */
export const snapshotTag = 3
/** A part with no more leaves is sent whole: some tens of KiB. */
export const partLeavesMax = 256
/** CBOR items of one request or answer: an offer names the members of each handover, about 100 items each. */
const itemsMax = 262_144
export const bodiesPerRequestMax = 64
export const bodyAnswerBytesMax = 512 * 1_024

export type SnapshotRequest =
  | { kind: 'offer' }
  | { kind: 'part'; part: TreePart }
  | { kind: 'attachment'; hash: Uint8Array }
  | { kind: 'bodies'; keys: Uint8Array[] }

export interface Offer {
  /** Final block whose state is offered. */
  block: FinalEvidence
  handovers: FinalEvidence[]
  /** Recovery manifests of the chain: without them nobody can follow it from one epoch to the next. */
  manifests: Uint8Array[]
  stores: { store: string; hash: Uint8Array; leafCount: number }[]
  /** Who is below this height cannot replay here: older blocks are gone, or what they held is erased. */
  floor: number
}

export type SnapshotAnswer =
  | { kind: 'offer'; offer: Offer }
  | { kind: 'leaves'; leaves: { key: Uint8Array; value: Uint8Array }[] }
  | { kind: 'split'; bytes: Uint8Array }
  | { kind: 'wait' }
  | { kind: 'other' }
  | { kind: 'attachment'; bytes: Uint8Array }
  | { kind: 'bodies'; bodies: { key: Uint8Array; content: Uint8Array }[] }

export function encodeRequest(request: SnapshotRequest): Uint8Array {
  switch (request.kind) {
    case 'offer':
      return tagged([0])
    case 'part': {
      const { store, depth, path, hash } = request.part
      return tagged([1, store, depth, path, hash])
    }
    case 'attachment':
      return tagged([2, request.hash])
    case 'bodies':
      return tagged([3, request.keys])
  }
}

export function decodeRequest(bytes: Uint8Array): SnapshotRequest | undefined {
  const list = untagged(bytes)
  if (list === undefined) return undefined
  const [kind, first, depth, path, hash] = list
  if (kind === 0) return { kind: 'offer' }
  if (kind === 1) {
    if (typeof first !== 'string' || typeof depth !== 'number' || depth > 256) return undefined
    if (!isHash(path) || !isHash(hash)) return undefined
    return { kind: 'part', part: { store: first, depth, path, hash } }
  }
  if (kind === 2) return isHash(first) ? { kind: 'attachment', hash: first } : undefined
  if (kind !== 3 || !Array.isArray(first) || first.length > bodiesPerRequestMax) return undefined
  return first.every(isBodyKey) ? { kind: 'bodies', keys: first } : undefined
}

export function encodeAnswer(answer: SnapshotAnswer): Uint8Array {
  switch (answer.kind) {
    case 'offer': {
      const { block, handovers, manifests, stores, floor } = answer.offer
      const named = stores.map(({ store, hash, leafCount }) => [store, hash, leafCount])
      return tagged([0, evidenceToCbor(block), handovers.map(evidenceToCbor), named, floor, manifests])
    }
    case 'leaves':
      return tagged([1, answer.leaves.map(({ key, value }) => [key, value])])
    case 'split':
      return tagged([2, answer.bytes])
    case 'wait':
      return tagged([3])
    case 'other':
      return tagged([4])
    case 'attachment':
      return tagged([5, answer.bytes])
    case 'bodies':
      return tagged([6, answer.bodies.map(({ key, content }) => [key, content])])
  }
}

/** Undefined for what no honest node sends. */
export function decodeAnswer(bytes: Uint8Array): SnapshotAnswer | undefined {
  const list = untagged(bytes)
  if (list === undefined) return undefined
  const [kind, first] = list
  try {
    if (kind === 0) return { kind: 'offer', offer: offerFromCbor(list) }
    if (kind === 1) {
      return { kind: 'leaves', leaves: pairsOf(first).map(([key, value]) => ({ key, value })) }
    }
    if (kind === 2 && first instanceof Uint8Array) return { kind: 'split', bytes: first }
    if (kind === 3) return { kind: 'wait' }
    if (kind === 4) return { kind: 'other' }
    if (kind === 5 && first instanceof Uint8Array) return { kind: 'attachment', bytes: first }
    if (kind === 6) {
      return { kind: 'bodies', bodies: pairsOf(first).map(([key, content]) => ({ key, content })) }
    }
  } catch {
    return undefined
  }
  return undefined
}

function offerFromCbor([, block, handovers, stores, floor, manifests]: CborValue[]): Offer {
  if (!Array.isArray(handovers) || !Array.isArray(stores) || typeof floor !== 'number')
    throw new Error('offer')
  return {
    block: evidenceFromCbor(block),
    handovers: handovers.map(evidenceFromCbor),
    floor,
    manifests: asArrayOfBytes(manifests).slice(0, recoveriesMax),
    stores: stores.map((entry) => {
      const [store, hash, leafCount] = Array.isArray(entry) ? entry : []
      if (typeof store !== 'string' || !isHash(hash) || typeof leafCount !== 'number')
        throw new Error('store')
      return { store, hash, leafCount }
    }),
  }
}

const evidenceToCbor = ({ header, result, certificate, validators }: FinalEvidence): CborValue => [
  header,
  result,
  certificate,
  validators.map(({ entity, voteKey }) => [entity, voteKey]),
]

function evidenceFromCbor(value: CborValue): FinalEvidence {
  const [header, result, certificate, members] = Array.isArray(value) ? value : []
  const [first, second, third] = asArrayOfBytes([header, result, certificate])
  const validators = pairsOf(members).map(([entity, voteKey]): Validator => ({ entity, voteKey }))
  return { header: first, result: second, certificate: third, validators }
}

function pairsOf(value: CborValue | undefined): [Uint8Array, Uint8Array][] {
  if (!Array.isArray(value)) throw new Error('list')
  return value.map((pair) => {
    const [left, right] = asArrayOfBytes(pair)
    if (!(left instanceof Uint8Array) || !(right instanceof Uint8Array)) throw new Error('pair')
    return [left, right]
  })
}

const isHash = (value: CborValue | undefined): value is Uint8Array =>
  value instanceof Uint8Array && value.length === 32

const isBodyKey = (value: CborValue | undefined): value is Uint8Array =>
  value instanceof Uint8Array && value.length === patientBytes + 32

/** Patient and hash of a body's name: patient 16 | hash 32. */
export const splitBodyKey = (key: Uint8Array): { patient: Uint8Array; hash: Uint8Array } => ({
  patient: key.slice(0, patientBytes),
  hash: key.slice(patientBytes),
})

function tagged(list: CborValue[]): Uint8Array {
  const content = encodeCbor(list)
  const bytes = new Uint8Array(1 + content.length)
  bytes[0] = snapshotTag
  bytes.set(content, 1)
  return bytes
}

function untagged(bytes: Uint8Array): CborValue[] | undefined {
  if (bytes[0] !== snapshotTag) return undefined
  const decoded = decodeCbor(bytes.subarray(1), itemsMax)
  return decoded.ok && Array.isArray(decoded.value) ? decoded.value : undefined
}
