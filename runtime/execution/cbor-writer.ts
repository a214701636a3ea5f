// Writes deterministic CBOR heads and strings (RFC 8949, section 4.2): shortest lengths, no indefinite
// forms.

const unsigned = 0x00
const byteString = 0x40
const textString = 0x60
const arrayOf = 0x80
const mapOf = 0xa0

export class CborWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
  }

  clear(): void {
    this.#length = 0
  }

  #reserve(byteCount: number): number {
    const start = this.#length
    this.#length += byteCount
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length))
      grown.set(this.#bytes.subarray(0, start))
      this.#bytes = grown
    }
    return start
  }

  /** Major type and argument; the argument is a safe integer. */
  #head(major: number, value: number): void {
    const width = value < 24 ? 0 : value < 256 ? 1 : value < 65_536 ? 2 : value < 2 ** 32 ? 4 : 8
    const at = this.#reserve(1 + width)
    this.#bytes[at] =
      major | (width === 0 ? value : width === 1 ? 24 : width === 2 ? 25 : width === 4 ? 26 : 27)
    let rest = value
    for (let index = width; index > 0; index -= 1) {
      this.#bytes[at + index] = rest % 256
      rest = Math.floor(rest / 256)
    }
  }

  uint(value: number): void {
    this.#head(unsigned, value)
  }

  bytes(bytes: Uint8Array): void {
    this.#head(byteString, bytes.length)
    // Room first: it may exchange the buffer.
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** Printable ASCII: one byte a character. */
  ascii(text: string): void {
    this.#head(textString, text.length)
    const at = this.#reserve(text.length)
    for (let index = 0; index < text.length; index += 1) this.#bytes[at + index] = text.charCodeAt(index)
  }

  array(count: number): void {
    this.#head(arrayOf, count)
  }

  map(count: number): void {
    this.#head(mapOf, count)
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}
