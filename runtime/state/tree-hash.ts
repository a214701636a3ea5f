// The four hashes of the state tree, over scratch buffers: the hot path of every block.
//
//   path       SHA-256(state key)
//   valueHash  SHA-256(leaf salt | state key | value)
//   leaf       SHA-256(0x00 | path | valueHash)
//   inner      SHA-256(0x01 | left | right); the empty subtree is 32 zero bytes
import { MessageBuffer, type Hash } from '../protocol/hash.js'

export const hashBytes = 32
export const pathBits = 256
export const emptyRoot: Uint8Array = new Uint8Array(hashBytes)

/** `hash` may hand out the same buffer every time: each result is copied before the next call. */
export class TreeHasher {
  readonly #hash: Hash
  readonly #leafSalt: Uint8Array
  readonly #leafMessage = new Uint8Array(1 + 2 * hashBytes)
  readonly #innerMessage = new Uint8Array(1 + 2 * hashBytes)
  readonly #keyMessage = new MessageBuffer(new Uint8Array(0))
  readonly #valueMessage: MessageBuffer

  constructor(hash: Hash, leafSalt: Uint8Array) {
    this.#hash = hash
    this.#leafSalt = new Uint8Array(leafSalt)
    this.#innerMessage[0] = 1
    this.#valueMessage = new MessageBuffer(this.#leafSalt)
  }

  path(key: Uint8Array, out: Uint8Array, outOffset: number): void {
    const message = this.#keyMessage.take(key.length)
    message.set(key)
    copyHash(this.#hash(message), 0, out, outOffset)
  }

  valueHash(key: Uint8Array, value: Uint8Array, out: Uint8Array, outOffset: number): void {
    const saltBytes = this.#leafSalt.length
    const message = this.#valueMessage.take(saltBytes + key.length + value.length)
    message.set(key, saltBytes)
    message.set(value, saltBytes + key.length)
    copyHash(this.#hash(message), 0, out, outOffset)
  }

  /** `cell` holds path | valueHash from `cellOffset` on. */
  leaf(cell: Uint8Array, cellOffset: number, out: Uint8Array, outOffset: number): void {
    const message = this.#leafMessage
    for (let index = 0; index < 2 * hashBytes; index += 1) message[1 + index] = cell[cellOffset + index]
    copyHash(this.#hash(message), 0, out, outOffset)
  }

  inner(left: Uint8Array, right: Uint8Array, out: Uint8Array, outOffset: number): void {
    const message = this.#innerMessage
    copyHash(left, 0, message, 1)
    copyHash(right, 0, message, 1 + hashBytes)
    copyHash(this.#hash(message), 0, out, outOffset)
  }

  /** As `inner`, for hashes that are kept as text. */
  innerText(left: string, right: string): string {
    const message = this.#innerMessage
    putHashText(left, message, 1)
    putHashText(right, message, 1 + hashBytes)
    return hashText(this.#hash(message), 0)
  }

  /** As `inner`, with 0x01 | left | right already laid out by the caller. */
  innerMessage(message: Uint8Array, out: Uint8Array, outOffset: number): void {
    copyHash(this.#hash(message), 0, out, outOffset)
  }
}

/**
 * 32 bytes as text, one char a byte: what a node keeps of its hash takes 48 bytes of memory so, and more than
 * 160 as an array of its own. In one call, because text that is put together from parts stays in parts.
 */
export function hashText(b: Uint8Array, o: number): string {
  // prettier-ignore
  return String.fromCharCode(
    b[o], b[o + 1], b[o + 2], b[o + 3], b[o + 4], b[o + 5], b[o + 6], b[o + 7],
    b[o + 8], b[o + 9], b[o + 10], b[o + 11], b[o + 12], b[o + 13], b[o + 14], b[o + 15],
    b[o + 16], b[o + 17], b[o + 18], b[o + 19], b[o + 20], b[o + 21], b[o + 22], b[o + 23],
    b[o + 24], b[o + 25], b[o + 26], b[o + 27], b[o + 28], b[o + 29], b[o + 30], b[o + 31],
  )
}

export function putHashText(text: string, to: Uint8Array, toOffset: number): void {
  for (let index = 0; index < hashBytes; index += 1) to[toOffset + index] = text.charCodeAt(index)
}

/** A loop beats `set(subarray)` for 32 bytes: no view is made. */
export function copyHash(from: Uint8Array, fromOffset: number, to: Uint8Array, toOffset: number): void {
  for (let index = 0; index < hashBytes; index += 1) to[toOffset + index] = from[fromOffset + index]
}

/** Bit `depth` of the 256-bit path at `offset`; bit 0 is the highest bit of the first byte. */
export function pathBit(bytes: Uint8Array, offset: number, depth: number): number {
  return (bytes[offset + (depth >>> 3)] >>> (7 - (depth & 7))) & 1
}

/** Number of leading bits that two paths share, at most 256. Bits before `from` are known to be equal. */
export function sharedPathBits(
  left: Uint8Array,
  leftOffset: number,
  right: Uint8Array,
  rightOffset: number,
  from: number,
): number {
  for (let index = from >>> 3; index < hashBytes; index += 1) {
    const different = left[leftOffset + index] ^ right[rightOffset + index]
    if (different !== 0) return index * 8 + Math.clz32(different) - 24
  }
  return pathBits
}

export function comparePaths(
  left: Uint8Array,
  leftOffset: number,
  right: Uint8Array,
  rightOffset: number,
): number {
  for (let index = 0; index < hashBytes; index += 1) {
    const difference = left[leftOffset + index] - right[rightOffset + index]
    if (difference !== 0) return difference
  }
  return 0
}
