// What lies inside one protomux message between two nodes: hello, data in whole or in chunks, credit,
// goodbye.
// Encoders and total decoders; nothing here keeps state. Layouts are in README.md, "Units on the wire".

import { chunkBytesMax, reasonBytesMax, unitBytesMax } from './limits.js'

/** 0 votes and heartbeats, 1 proposals, transactions and block push, 2 catch-up (network.md 5). */
export type QueueClass = 0 | 1 | 2

export type Role = 'validator' | 'observer' | 'gateway'

const roles: readonly Role[] = ['validator', 'observer', 'gateway']

/** Who a peer says it is; signed with its node key over this connection's handshake. */
export interface Hello {
  protocolVersion: number
  /** 32 bytes, hash of the genesis document. */
  chainId: Uint8Array
  epoch: number
  /** 32 bytes, entity id of the node. */
  nodeId: Uint8Array
  /** 32 bytes, Ed25519 key that signs for the node (for a validator: the key of its votes). */
  nodeKey: Uint8Array
  role: Role
  tipHeight: number
  /** 32 bytes, hash of the block at `tipHeight`. */
  tipHash: Uint8Array
}

export type Unit =
  | { type: 'hello'; hello: Hello; signature: Uint8Array }
  | { type: 'whole'; queueClass: QueueClass; payload: Uint8Array }
  | { type: 'first'; queueClass: QueueClass; total: number; payload: Uint8Array }
  | { type: 'next'; queueClass: QueueClass; payload: Uint8Array }
  | { type: 'credit'; bytes: [number, number, number] }
  | { type: 'goodbye'; reason: string }

export type UnitResult =
  { ok: true; unit: Unit } | { ok: false; code: 'UNIT_TOO_LARGE' | 'UNIT_MALFORMED' | 'UNIT_UNKNOWN' }

/** Bytes before the payload of a whole, a first and a next unit. */
const wholeHeaderBytes = 2
export const firstHeaderBytes = 6
export const nextHeaderBytes = 2

const helloBodyBytes = 144
const helloBytes = helloBodyBytes + 64
const malformed: UnitResult = { ok: false, code: 'UNIT_MALFORMED' }
const domain = new TextEncoder().encode('wardchain/hello/1')

/** Bytes 0..143 of a hello unit: everything but the signature. */
export function encodeHelloBody(hello: Hello): Uint8Array {
  const bytes = new Uint8Array(helloBodyBytes)
  const view = new DataView(bytes.buffer)
  bytes[0] = 0
  view.setUint16(1, hello.protocolVersion, true)
  bytes.set(hello.chainId.subarray(0, 32), 3)
  view.setUint32(35, hello.epoch, true)
  bytes.set(hello.nodeId.subarray(0, 32), 39)
  bytes.set(hello.nodeKey.subarray(0, 32), 71)
  bytes[103] = roles.indexOf(hello.role)
  view.setBigUint64(104, BigInt(hello.tipHeight), true)
  bytes.set(hello.tipHash.subarray(0, 32), 112)
  return bytes
}

/**
 * What the node key signs: domain ‖ handshake hash (64) ‖ sender's transport key (32) ‖ hello body (144).
 * The handshake hash binds the node's identity to this one connection (network.md 4), the transport key
 * tells the two directions apart, so that a hello cannot be played back to its sender.
 */
export function helloSignedBytes(
  body: Uint8Array,
  handshakeHash: Uint8Array,
  transportKey: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(domain.length + handshakeHash.length + transportKey.length + body.length)
  bytes.set(domain, 0)
  bytes.set(handshakeHash, domain.length)
  bytes.set(transportKey, domain.length + handshakeHash.length)
  bytes.set(body, domain.length + handshakeHash.length + transportKey.length)
  return bytes
}

/** Hello unit from its body and the 64-byte signature. */
export function encodeHello(body: Uint8Array, signature: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(helloBytes)
  bytes.set(body, 0)
  bytes.set(signature.subarray(0, 64), helloBodyBytes)
  return bytes
}

export function encodeWhole(queueClass: QueueClass, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(wholeHeaderBytes + payload.length)
  bytes[0] = 1
  bytes[1] = queueClass
  bytes.set(payload, wholeHeaderBytes)
  return bytes
}

/** First chunk of a message of `total` bytes (u32 LE). */
export function encodeFirst(queueClass: QueueClass, total: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(firstHeaderBytes + payload.length)
  bytes[0] = 2
  bytes[1] = queueClass
  new DataView(bytes.buffer).setUint32(2, total, true)
  bytes.set(payload, firstHeaderBytes)
  return bytes
}

export function encodeNext(queueClass: QueueClass, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(nextHeaderBytes + payload.length)
  bytes[0] = 3
  bytes[1] = queueClass
  bytes.set(payload, nextHeaderBytes)
  return bytes
}

/** Bytes given back since the last credit unit, one u32 LE for each class. */
export function encodeCredit(given: readonly [number, number, number]): Uint8Array {
  const bytes = new Uint8Array(13)
  const view = new DataView(bytes.buffer)
  bytes[0] = 4
  given.forEach((count, index) => view.setUint32(1 + 4 * index, count, true))
  return bytes
}

export function encodeGoodbye(reason: string): Uint8Array {
  const text = new TextEncoder().encode(reason).subarray(0, reasonBytesMax)
  const bytes = new Uint8Array(1 + text.length)
  bytes[0] = 5
  bytes.set(text, 1)
  return bytes
}

/** Total: any bytes give a unit or a code. Payloads are views into `bytes`; copy what outlives the call. */
export function decodeUnit(bytes: Uint8Array): UnitResult {
  if (bytes.length > unitBytesMax) return { ok: false, code: 'UNIT_TOO_LARGE' }
  if (bytes.length === 0) return malformed
  switch (bytes[0]) {
    case 0:
      return decodeHello(bytes)
    case 1:
    case 2:
    case 3:
      return decodeData(bytes)
    case 4:
      return decodeCredit(bytes)
    case 5:
      return decodeGoodbye(bytes)
    default:
      return { ok: false, code: 'UNIT_UNKNOWN' }
  }
}

function decodeHello(bytes: Uint8Array): UnitResult {
  if (bytes.length !== helloBytes) return malformed
  const view = viewOf(bytes)
  const role = roles[bytes[103] ?? 255]
  const tipHeight = view.getBigUint64(104, true)
  if (role === undefined || tipHeight > BigInt(Number.MAX_SAFE_INTEGER)) return malformed
  const hello: Hello = {
    protocolVersion: view.getUint16(1, true),
    chainId: copyOf(bytes, 3, 35),
    epoch: view.getUint32(35, true),
    nodeId: copyOf(bytes, 39, 71),
    nodeKey: copyOf(bytes, 71, 103),
    role,
    tipHeight: Number(tipHeight),
    tipHash: copyOf(bytes, 112, 144),
  }
  return { ok: true, unit: { type: 'hello', hello, signature: copyOf(bytes, helloBodyBytes, helloBytes) } }
}

function decodeData(bytes: Uint8Array): UnitResult {
  const queueClass = bytes[1]
  if (queueClass !== 0 && queueClass !== 1 && queueClass !== 2) return malformed
  if (bytes[0] === 2) {
    if (bytes.length <= firstHeaderBytes) return malformed
    const total = viewOf(bytes).getUint32(2, true)
    const payload = bytes.subarray(firstHeaderBytes)
    // A first chunk that is already the whole message has no business being a chunk.
    if (payload.length > chunkBytesMax || total <= payload.length) return malformed
    return { ok: true, unit: { type: 'first', queueClass, total, payload } }
  }
  const payload = bytes.subarray(2)
  if (payload.length === 0 || payload.length > chunkBytesMax) return malformed
  return { ok: true, unit: { type: bytes[0] === 1 ? 'whole' : 'next', queueClass, payload } }
}

function decodeCredit(bytes: Uint8Array): UnitResult {
  if (bytes.length !== 13) return malformed
  const view = viewOf(bytes)
  const given: [number, number, number] = [
    view.getUint32(1, true),
    view.getUint32(5, true),
    view.getUint32(9, true),
  ]
  return { ok: true, unit: { type: 'credit', bytes: given } }
}

function decodeGoodbye(bytes: Uint8Array): UnitResult {
  if (bytes.length > 1 + reasonBytesMax) return malformed
  // Only what may stand in a log line: upper-case words, as our codes are.
  const reason = new TextDecoder('latin1').decode(bytes.subarray(1)).replace(/[^A-Z0-9_]/g, '?')
  return { ok: true, unit: { type: 'goodbye', reason } }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to))
}
