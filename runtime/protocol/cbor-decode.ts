// The strict CBOR decoder: one pass that refuses everything which is not in its one deterministic form, so
// that what was decoded encodes back to the very same bytes. Total and bounded: depth, items and lengths.
import type { CborCode, CborMap, CborValue } from './cbor.js'

export class CborRefusal extends Error {
  constructor(readonly code: CborCode) {
    super(code)
  }
}

/** Deeper than any format of ours; a bound of its own, because stacks are not the same everywhere. */
const depthMax = 128
/** Byte strings up to this size are always copied: ids outlive the message that they came in. */
const copiedBytesMax = 64
const shortTextMax = 64

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const malformed = (): never => {
  throw new CborRefusal('CBOR_MALFORMED')
}
const notDeterministic = (): never => {
  throw new CborRefusal('CBOR_NOT_DETERMINISTIC')
}

const tooManyItems = (): never => {
  throw new CborRefusal('CBOR_TOO_MANY_ITEMS')
}

export class CborDecoder {
  readonly #bytes: Uint8Array
  readonly #isShared: boolean
  #at = 0
  #itemsLeft: number

  /** `isShared`: long byte strings are views of `bytes`. At most `itemsMax` items, keys included. */
  constructor(bytes: Uint8Array, isShared: boolean, itemsMax: number) {
    this.#bytes = bytes
    this.#isShared = isShared
    this.#itemsLeft = itemsMax
  }

  /** How far it has read: after a refusal, the offset of what it could not take. */
  get position(): number {
    return this.#at
  }

  /** The one item that fills the input. Throws CborRefusal. */
  all(): CborValue {
    const value = this.#item(0)
    return this.#at === this.#bytes.length ? value : malformed()
  }

  #item(depth: number): CborValue {
    if (this.#at >= this.#bytes.length || depth > depthMax) return malformed()
    this.#itemsLeft -= 1
    if (this.#itemsLeft < 0) return tooManyItems()
    const first = this.#bytes[this.#at]
    switch (first >>> 5) {
      case 0:
        return this.#argument()
      case 1: {
        const value = -1 - this.#argument()
        return Number.isSafeInteger(value) ? value : malformed()
      }
      case 2:
        return this.#byteString()
      case 3:
        return this.#text()
      case 4:
        return this.#array(depth)
      case 5:
        return this.#map(depth)
      default:
        return this.#simple(first)
    }
  }

  /** Head of the item here: its argument, in the shortest form. */
  #argument(): number {
    const bytes = this.#bytes
    const info = bytes[this.#at++] & 31
    if (info < 24) return info
    if (info > 27) return malformed()
    const byteCount = 1 << (info - 24)
    if (this.#at + byteCount > bytes.length) return malformed()
    let value = 0
    for (let index = 0; index < byteCount; index += 1) value = value * 256 + bytes[this.#at++]
    const least = info === 24 ? 24 : 2 ** (byteCount * 4)
    if (value < least) return notDeterministic()
    return value <= Number.MAX_SAFE_INTEGER ? value : malformed()
  }

  /** Length of what follows, which must be there: `unit` bytes at least for each. */
  #count(unit: number): number {
    const count = this.#argument()
    return count * unit <= this.#bytes.length - this.#at ? count : malformed()
  }

  #byteString(): Uint8Array {
    const byteCount = this.#count(1)
    const start = this.#at
    this.#at += byteCount
    return this.#isShared && byteCount > copiedBytesMax
      ? this.#bytes.subarray(start, this.#at)
      : copyOf(this.#bytes, start, byteCount)
  }

  #text(): string {
    const byteCount = this.#count(1)
    const start = this.#at
    this.#at += byteCount
    if (byteCount <= shortTextMax) {
      const text = asciiText(this.#bytes, start, this.#at)
      if (text !== undefined) return text
    }
    try {
      return strictUtf8.decode(this.#bytes.subarray(start, this.#at))
    } catch {
      return malformed()
    }
  }

  #array(depth: number): CborValue[] {
    const count = this.#count(1)
    const items: CborValue[] = []
    for (let index = 0; index < count; index += 1) items.push(this.#item(depth + 1))
    return items
  }

  #map(depth: number): CborMap {
    const count = this.#count(2)
    const map: CborMap = new Map()
    let previous = 0
    let previousEnd = 0
    for (let index = 0; index < count; index += 1) {
      const start = this.#at
      const key = this.#item(depth + 1)
      if (typeof key !== 'number' && typeof key !== 'string') return malformed()
      if (index > 0 && !this.#isAbove(start, this.#at, previous, previousEnd)) return notDeterministic()
      previous = start
      previousEnd = this.#at
      map.set(key, this.#item(depth + 1))
    }
    return map
  }

  /** Is the encoded key [start, end) above the one before it? Equal keys are not. */
  #isAbove(start: number, end: number, other: number, otherEnd: number): boolean {
    const bytes = this.#bytes
    for (let offset = 0; start + offset < end && other + offset < otherEnd; offset += 1) {
      const difference = bytes[start + offset] - bytes[other + offset]
      if (difference !== 0) return difference > 0
    }
    return false
  }

  /** false, true, null; floats, undefined, tags and everything else have no place here. */
  #simple(first: number): boolean | null {
    if (first < 0xf4 || first > 0xf6) return malformed()
    this.#at += 1
    return first === 0xf6 ? null : first === 0xf5
  }
}

/** Short ones by a loop: that is cheaper than making a view for `set`. */
function copyOf(bytes: Uint8Array, start: number, byteCount: number): Uint8Array {
  if (byteCount > copiedBytesMax) return bytes.slice(start, start + byteCount)
  const copy = new Uint8Array(byteCount)
  for (let index = 0; index < byteCount; index += 1) copy[index] = bytes[start + index]
  return copy
}

function asciiText(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = ''
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at]
    if (byte > 0x7f) return undefined
    text += String.fromCharCode(byte)
  }
  return text
}
