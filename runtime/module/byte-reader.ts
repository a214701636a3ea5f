// A cursor over a module's bytes: integers in LEB128, names in UTF-8 (WebAssembly 2.0, sections 5.2.2 and
// 5.2.4).

import { refuse } from './refusal.js'

export interface ByteReader {
  readonly bytes: Uint8Array
  position: number
  /** Reading stops here: the end of the module, a section or a body. */
  end: number
}

export function createByteReader(bytes: Uint8Array, position = 0, end = bytes.length): ByteReader {
  return { bytes, position, end }
}

export function readByte(reader: ByteReader): number {
  if (reader.position >= reader.end) refuseEnd(reader)
  return reader.bytes[reader.position++]
}

function refuseEnd(reader: ByteReader): never {
  return refuse('UNEXPECTED_END', reader.position, 'The module ends in the middle of an item.')
}

/** Unsigned LEB128 of at most 32 bits. */
export function readU32(reader: ByteReader): number {
  const first = readByte(reader)
  if (first < 0x80) return first
  let value = first & 0x7f
  for (let shift = 7; shift < 35; shift += 7) {
    const byte = readByte(reader)
    // The fifth byte holds the top four bits and no continuation.
    if (shift === 28 && byte > 0x0f) refuseInteger(reader)
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return value
  }
  return refuseInteger(reader)
}

/** Signed LEB128 of at most 32 bits. */
export function readS32(reader: ByteReader): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = readByte(reader)
    if (shift === 28) {
      // Bits beyond the 32nd must repeat the sign.
      const top = byte & 0x78
      if (byte >= 0x80 || (top !== 0 && top !== 0x78)) refuseInteger(reader)
    }
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return shift < 28 && (byte & 0x40) !== 0 ? value | (-1 << (shift + 7)) : value
  }
  return refuseInteger(reader)
}

/** Signed LEB128 of at most 33 bits: the index form of a block type. */
export function readS33(reader: ByteReader): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = readByte(reader)
    if (shift === 28) {
      const top = byte & 0x70
      if (byte >= 0x80 || (top !== 0 && top !== 0x70)) refuseInteger(reader)
    }
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return (byte & 0x40) !== 0 ? value - 2 ** (shift + 7) : value
  }
  return refuseInteger(reader)
}

/** Passes over a signed LEB128 of at most 64 bits: nothing here needs its value. */
export function skipS64(reader: ByteReader): void {
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = readByte(reader)
    if (shift === 63 && byte !== 0 && byte !== 0x7f) refuseInteger(reader)
    if (byte < 0x80) return
  }
  refuseInteger(reader)
}

function refuseInteger(reader: ByteReader): never {
  return refuse('INTEGER_MALFORMED', reader.position - 1, 'An integer has too many bytes or bits.')
}

export function skipBytes(reader: ByteReader, count: number): void {
  if (count > reader.end - reader.position) refuseEnd(reader)
  reader.position += count
}

/** A name: length, then well-formed UTF-8. */
export function readName(reader: ByteReader): string {
  const length = readU32(reader)
  const start = reader.position
  skipBytes(reader, length)
  const bytes = reader.bytes.subarray(start, start + length)
  if (!isUtf8(bytes)) refuse('NAME_MALFORMED', start, 'A name is not valid UTF-8.')
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/**
 * Well-formed UTF-8 by the table of Unicode 15, section 3.9: no overlong form, surrogate or value over
 * 10FFFF.
 */
export function isUtf8(bytes: Uint8Array): boolean {
  let index = 0
  while (index < bytes.length) {
    const lead = bytes[index++]
    if (lead < 0x80) continue
    const tail =
      lead >= 0xc2 && lead < 0xe0
        ? 1
        : lead >= 0xe0 && lead < 0xf0
          ? 2
          : lead >= 0xf0 && lead < 0xf5
            ? 3
            : 0
    if (tail === 0 || index + tail > bytes.length) return false
    const second = bytes[index]
    const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (second < lowest || second > highest) return false
    for (let step = 1; step < tail; step++) if ((bytes[index + step] & 0xc0) !== 0x80) return false
    index += tail
  }
  return true
}
