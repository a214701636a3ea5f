// Key shares: a machine's secret is split (Shamir over GF(256), by shamir-secret-sharing) so that any
// `threshold` of its peers give it back and fewer know nothing. And the messages that carry shares.
//
//   deal (host frame)    u8 1 | generation u32 BE | visiting key 32 | share
//   held (host frame)    u8 2 | generation u32 BE
//   ask (visit)          u8 1 share, 2 only whether it would be given | generation u32 BE
//   answer (visit)       u8 0 | share, nothing when only asked whether     or     u8 refusal, below
import { combine, split } from 'shamir-secret-sharing'

/** Bytes of one share of a 32-byte secret: 32, and one that is its place on the curve. */
export const shareBytes = 33
/** The library's own floor; one share must never be enough. */
const thresholdMin = 2

export type Refusal = 'unknown' | 'refused' | 'throttled' | 'elsewhere'
const refusals: readonly Refusal[] = ['unknown', 'refused', 'throttled', 'elsewhere']

export interface Deal {
  generation: number
  /** Public half of the key that the owner visits with. */
  visitingKey: Uint8Array
  share: Uint8Array
}

/** How many shares open a node's store: more than there may be liars (f + 1), never one alone. */
export const thresholdOf = (faultsTolerated: number): number => Math.max(thresholdMin, faultsTolerated + 1)

/** Shares of a secret of 32 random bytes. */
export function splitSecret(secret: Uint8Array, count: number, threshold: number): Promise<Uint8Array[]> {
  if (secret.length !== 32) throw new RangeError('a machine secret has 32 bytes')
  return split(secret, count, threshold)
}

/** The secret, if the shares are right: nobody can tell before a keyslot was tried with it. */
export async function joinShares(shares: readonly Uint8Array[]): Promise<Uint8Array> {
  // The library takes nothing that is derived from Uint8Array, a Buffer for one.
  const plain = shares.map((share) => Uint8Array.from(share))
  try {
    return await combine(plain)
  } finally {
    for (const share of plain) share.fill(0)
  }
}

/** Every choice of `size` of these, so that one lying peer cannot keep a node sealed. */
export function* choicesOf<T>(items: readonly T[], size: number, from = 0): Generator<T[]> {
  if (size === 0) yield []
  if (size <= 0) return
  for (let index = from; index <= items.length - size; index += 1) {
    for (const rest of choicesOf(items, size - 1, index + 1)) yield [items[index], ...rest]
  }
}

export function encodeDeal({ generation, visitingKey, share }: Deal): Uint8Array {
  return Buffer.concat([numbered(1, generation), visitingKey, share])
}

export const encodeHeld = (generation: number): Uint8Array => numbered(2, generation)
export const encodeAsk = (generation: number): Uint8Array => numbered(1, generation)
export const encodeProbe = (generation: number): Uint8Array => numbered(2, generation)
export const encodeReady = (): Uint8Array => new Uint8Array([0])
export const encodeGiven = (share: Uint8Array): Uint8Array => Buffer.concat([new Uint8Array([0]), share])
export const encodeRefusal = (why: Refusal): Uint8Array => new Uint8Array([refusals.indexOf(why) + 1])

function numbered(kind: number, generation: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes[0] = kind
  bytes.writeUInt32BE(generation, 1)
  return bytes
}

/** Any bytes give a message or undefined. */
export function decodeHostMessage(
  bytes: Uint8Array,
): ({ kind: 'deal' } & Deal) | { kind: 'held'; generation: number } | undefined {
  const isDeal = bytes[0] === 1 && bytes.length === 5 + 32 + shareBytes
  const isHeld = bytes[0] === 2 && bytes.length === 5
  if (!isDeal && !isHeld) return undefined
  const generation = Buffer.from(bytes).readUInt32BE(1)
  if (isHeld) return { kind: 'held', generation }
  return { kind: 'deal', generation, visitingKey: bytes.slice(5, 37), share: bytes.slice(37) }
}

/** Any bytes give a question or undefined. */
export function decodeAsk(bytes: Uint8Array): { generation: number; isProbe: boolean } | undefined {
  if ((bytes[0] !== 1 && bytes[0] !== 2) || bytes.length !== 5) return undefined
  return { generation: Buffer.from(bytes).readUInt32BE(1), isProbe: bytes[0] === 2 }
}

export function decodeAnswer(
  bytes: Uint8Array,
): { share: Uint8Array } | { ready: true } | { refusal: Refusal } {
  if (bytes[0] === 0 && bytes.length === 1) return { ready: true }
  if (bytes[0] === 0 && bytes.length === 1 + shareBytes) return { share: bytes.slice(1) }
  return { refusal: refusals[(bytes[0] ?? 0) - 1] ?? 'unknown' }
}
