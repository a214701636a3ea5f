// Writes and reads the few Borsh layouts of the hot path without schema interpretation. Each use is tested
// against the schema-driven codec of runtime/protocol.
import { assert } from '../protocol/result.js'
import { byteText } from './byte-text.js'

const textEncoder = new TextEncoder()

/** A growing buffer, little-endian as Borsh demands. */
export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(capacity = 512) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  #reserve(byteCount: number): number {
    const start = this.#length
    this.#length += byteCount
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length))
      grown.set(this.#bytes.subarray(0, start))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return start
  }

  u8(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  u32(value: number): void {
    const at = this.#reserve(4)
    this.#view.setUint32(at, value, true)
  }

  /** A safe integer as u64. */
  u64(value: number): void {
    const at = this.#reserve(8)
    this.#view.setUint32(at, value % 2 ** 32, true)
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
  }

  bigU64(value: bigint): void {
    const at = this.#reserve(8)
    this.#view.setBigUint64(at, value, true)
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** u32 length, then the bytes. */
  bytes(bytes: Uint8Array): void {
    this.u32(bytes.length)
    this.raw(bytes)
  }

  text(text: string): void {
    this.bytes(textEncoder.encode(text))
  }

  /** Text that is known to be ASCII: codes, aliases, method names. */
  ascii(text: string): void {
    this.u32(text.length)
    const at = this.#reserve(text.length)
    for (let index = 0; index < text.length; index += 1) this.#bytes[at + index] = text.charCodeAt(index)
  }

  /** Starts over on the same buffer: for writers that are kept. */
  clear(): this {
    this.#length = 0
    return this
  }

  optional(bytes: Uint8Array | undefined): void {
    this.u8(bytes === undefined ? 0 : 1)
    if (bytes !== undefined) this.raw(bytes)
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}

/** Reads rows that this code wrote: a short row is our bug, not input. */
export class RowReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  #advance(byteCount: number): number {
    const start = this.#offset
    this.#offset += byteCount
    assert(this.#offset <= this.#bytes.length, 'a kernel row is whole')
    return start
  }

  u8(): number {
    return this.#bytes[this.#advance(1)]
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true)
  }

  u64(): number {
    const at = this.#advance(8)
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32
  }

  raw(byteCount: number): Uint8Array {
    const at = this.#advance(byteCount)
    return this.#bytes.subarray(at, at + byteCount)
  }

  bytes(): Uint8Array {
    return this.raw(this.u32())
  }

  /** Text that was written as ASCII. */
  ascii(): string {
    return byteText(this.bytes())
  }

  optional(byteCount: number): Uint8Array | undefined {
    return this.u8() === 1 ? this.raw(byteCount) : undefined
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length
  }
}
