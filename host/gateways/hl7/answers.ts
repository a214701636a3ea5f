// Stored answers: a message that is sent again gets the same bytes again, and makes no second record.
//
// A stored value is: version u8 = 1, time u64 BE (ms), digest of the message 32 bytes, then the answer's
// frames as they went over the wire. The host stores it sealed and unread.
import { createHash } from 'node:crypto'
import type { Header } from './header.js'
import type { AnswerStore } from './ports.js'
import type { Hl7Message } from './tokenizer.js'

const version = 1
const prefixBytes = 1 + 8 + 32

const sha256 = (...parts: readonly (string | Uint8Array)[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/**
 * Key of a message: SHA-256 hex, so that no control id (some hold patient numbers) is readable in a stored
 * key.
 */
export function messageKey(source: string, message: Hl7Message, header: Header): string {
  const msh = message.segments[0]
  const parts = [source, msh?.fields[3] ?? '', msh?.fields[4] ?? '', header.controlId]
  return Buffer.from(sha256('wardchain/hl7-message/1', JSON.stringify(parts))).toString('hex')
}

/**
 * Digest of what a message says: its type and every segment after MSH, whatever ends the segments. A sender
 * may stamp a repeated message with a new time in MSH-7; anything else that differs is another message
 * under a used control id.
 */
export function messageDigest(message: Hl7Message): Uint8Array {
  const { segments, delimiters } = message
  const lines = segments
    .slice(1)
    .flatMap(({ name, fields }) => (name === '' ? [] : [fields.join(delimiters.field)]))
  return sha256([segments[0]?.fields[9] ?? '', ...lines].join('\r'))
}

/**
 * Name of one submission: the message's key and what it says. A resend has the same name; other content
 * under a used control id has another one, so no store of submissions can take it for the first.
 */
export const submissionKey = (key: string, digest: Uint8Array): string =>
  Buffer.from(sha256('wardchain/hl7-submission/1', key, digest)).toString('hex')

export const digestsEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

export interface StoredAnswer {
  readonly timeMs: number
  readonly digest: Uint8Array
  readonly frames: Uint8Array
}

export function encodeStoredAnswer({ timeMs, digest, frames }: StoredAnswer): Uint8Array {
  const bytes = Buffer.alloc(prefixBytes + frames.length)
  bytes.writeUInt8(version, 0)
  bytes.writeBigUInt64BE(BigInt(timeMs), 1)
  bytes.set(digest, 9)
  bytes.set(frames, prefixBytes)
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Undefined for bytes of another version or length: they are no answer of ours. */
export function decodeStoredAnswer(bytes: Uint8Array): StoredAnswer | undefined {
  if (bytes.length < prefixBytes || bytes[0] !== version) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return {
    timeMs: Number(view.getBigUint64(1)),
    digest: bytes.slice(9, prefixBytes),
    frames: bytes.slice(prefixBytes),
  }
}

/** The answer stored for a key within the window, if there is one. */
export async function findAnswer(
  answers: AnswerStore,
  key: string,
  nowMs: number,
  windowMs: number,
): Promise<StoredAnswer | undefined> {
  const bytes = await answers.get(key)
  const stored = bytes === undefined ? undefined : decodeStoredAnswer(bytes)
  return stored !== undefined && nowMs - stored.timeMs < windowMs ? stored : undefined
}

/**
 * An answer store in memory, for tests and for tools that keep nothing. It forgets the oldest beyond its
 * bound.
 */
export function createMemoryAnswers(countMax = 10_000): AnswerStore {
  const kept = new Map<string, Uint8Array>()
  return {
    get: async (key) => kept.get(key),
    put: async (key, answer) => {
      kept.delete(key)
      kept.set(key, answer)
      for (const oldest of kept.keys()) {
        if (kept.size <= countMax) break
        kept.delete(oldest)
      }
    },
  }
}
