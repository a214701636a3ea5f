// What one transport frame carries between two drivers: a consensus message, transactions, a
// subscription, a tip.
// Total decoders; layouts in README.md, "Frames". Consensus messages are coded by consensus/pbft.

import { recoveryNoticeBytesMax } from '../../runtime/protocol/recovery-notice.js'
import { bundlesPerFrameMax, hostMessageBytesMax } from './limits.js'

export interface Subscription {
  /** Push every final block. */
  readonly blocks: boolean
  /** Pass transactions on before they are final (R31). */
  readonly transactions: boolean
}

export type Frame =
  | { kind: 'consensus'; body: Uint8Array }
  | { kind: 'transactions'; bundles: Uint8Array[] }
  | { kind: 'subscribe'; subscription: Subscription }
  | { kind: 'tip'; height: number; blockHash: Uint8Array }
  | { kind: 'request'; id: number; body: Uint8Array }
  | { kind: 'answer'; id: number; body: Uint8Array }
  /** For the peer's host: the driver does not look inside. */
  | { kind: 'host'; body: Uint8Array }
  /** A recovery notice, for a peer of an older epoch; its host checks it. */
  | { kind: 'recovery'; body: Uint8Array }

export type FrameResult =
  { ok: true; frame: Frame } | { ok: false; code: 'FRAME_MALFORMED' | 'FRAME_UNKNOWN' }

const malformed: FrameResult = { ok: false, code: 'FRAME_MALFORMED' }

/** u8 1 ‖ message bytes. */
export function encodeConsensusFrame(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + message.length)
  bytes[0] = 1
  bytes.set(message, 1)
  return bytes
}

/** u8 2 ‖ for each bundle: u32 LE length ‖ bytes. */
export function encodeTransactionsFrame(bundles: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(bundles.reduce((sum, bundle) => sum + 4 + bundle.length, 1))
  const view = new DataView(bytes.buffer)
  bytes[0] = 2
  let offset = 1
  for (const bundle of bundles) {
    view.setUint32(offset, bundle.length, true)
    bytes.set(bundle, offset + 4)
    offset += 4 + bundle.length
  }
  return bytes
}

/** u8 3 ‖ u8 flags: 1 blocks, 2 transactions. */
export function encodeSubscribeFrame(subscription: Subscription): Uint8Array {
  return Uint8Array.of(3, (subscription.blocks ? 1 : 0) | (subscription.transactions ? 2 : 0))
}

/** u8 4 ‖ height u64 LE ‖ block hash 32. A claim, not a proof (R27). */
export function encodeTipFrame(height: number, blockHash: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(41)
  bytes[0] = 4
  new DataView(bytes.buffer).setBigUint64(1, BigInt(height), true)
  bytes.set(blockHash.subarray(0, 32), 9)
  return bytes
}

/** u8 5 (request) or 6 (answer) ‖ id u32 LE ‖ body: what the host's services say to each other. */
export function encodeServiceFrame(kind: 'request' | 'answer', id: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + body.length)
  bytes[0] = kind === 'request' ? 5 : 6
  new DataView(bytes.buffer).setUint32(1, id, true)
  bytes.set(body, 5)
  return bytes
}

/** u8 9 ‖ at most `hostMessageBytesMax` bytes. Throws RangeError beyond them. */
export function encodeHostFrame(message: Uint8Array): Uint8Array {
  if (message.length === 0 || message.length > hostMessageBytesMax)
    throw new RangeError(`a message to a host has 1 to ${hostMessageBytesMax} bytes`)
  const bytes = new Uint8Array(1 + message.length)
  bytes[0] = 9
  bytes.set(message, 1)
  return bytes
}

/** u8 10 ‖ notice (runtime/protocol/recovery-notice.ts). */
export function encodeRecoveryFrame(notice: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + notice.length)
  bytes[0] = 10
  bytes.set(notice, 1)
  return bytes
}

/** Any bytes give a frame or a code. Bodies are views into `bytes`. */
export function decodeFrame(bytes: Uint8Array): FrameResult {
  switch (bytes[0]) {
    case 1:
      if (bytes.length === 1) return malformed
      return { ok: true, frame: { kind: 'consensus', body: bytes.subarray(1) } }
    case 2:
      return decodeTransactions(bytes)
    case 3: {
      const flags = bytes[1]
      if (bytes.length !== 2 || flags === undefined || flags > 3) return malformed
      const subscription = { blocks: (flags & 1) !== 0, transactions: (flags & 2) !== 0 }
      return { ok: true, frame: { kind: 'subscribe', subscription } }
    }
    case 4: {
      if (bytes.length !== 41) return malformed
      const height = viewOf(bytes).getBigUint64(1, true)
      if (height > BigInt(Number.MAX_SAFE_INTEGER)) return malformed
      return { ok: true, frame: { kind: 'tip', height: Number(height), blockHash: bytes.slice(9) } }
    }
    case 5:
    case 6: {
      if (bytes.length < 5) return malformed
      const kind = bytes[0] === 5 ? 'request' : 'answer'
      return { ok: true, frame: { kind, id: viewOf(bytes).getUint32(1, true), body: bytes.slice(5) } }
    }
    case 9:
      if (bytes.length === 1 || bytes.length > 1 + hostMessageBytesMax) return malformed
      return { ok: true, frame: { kind: 'host', body: bytes.slice(1) } }
    case 10:
      if (bytes.length === 1 || bytes.length > 1 + recoveryNoticeBytesMax) return malformed
      return { ok: true, frame: { kind: 'recovery', body: bytes.slice(1) } }
    case undefined:
      return malformed
    default:
      return { ok: false, code: 'FRAME_UNKNOWN' }
  }
}

function decodeTransactions(bytes: Uint8Array): FrameResult {
  const view = viewOf(bytes)
  const bundles: Uint8Array[] = []
  let offset = 1
  while (offset < bytes.length) {
    if (offset + 4 > bytes.length || bundles.length === bundlesPerFrameMax) return malformed
    const length = view.getUint32(offset, true)
    const end = offset + 4 + length
    if (length === 0 || end > bytes.length) return malformed
    // Copies: a pool keeps bundles for long, and must not keep a whole frame alive for each.
    bundles.push(bytes.slice(offset + 4, end))
    offset = end
  }
  return bundles.length === 0 ? malformed : { ok: true, frame: { kind: 'transactions', bundles } }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
