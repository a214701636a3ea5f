// Deterministic CBOR (RFC 8949 section 4.2): shortest integers, definite lengths, sorted keys, no floats,
// no tags. Own code because every message passes here on every replica: the strict decoder of
// `cbor-decode.ts` needs no second encoding to know that its input is deterministic.
import { utf8 } from './bytes.js'
import { CborDecoder, CborRefusal } from './cbor-decode.js'
import { cborItemsMax } from './limits.js'
import { ok, refused, type Result } from './result.js'

/** What deterministic CBOR may hold here. Integers are safe integers. */
export type CborValue = number | string | boolean | null | Uint8Array | CborValue[] | CborMap
export type CborMap = Map<number | string, CborValue>

export type CborCode = 'CBOR_MALFORMED' | 'CBOR_NOT_DETERMINISTIC' | 'CBOR_TOO_MANY_ITEMS'

/** Encodes one item; map keys are put in order. Throws TypeError on a number that is no safe integer. */
export function encodeCbor(value: CborValue): Uint8Array {
  writer.length = 0
  writeItem(value)
  const encoded = writer.bytes.slice(0, writer.length)
  // One huge message must not hold its memory for the life of the process.
  if (writer.bytes.length > keptBytesMax) writer.bytes = new Uint8Array(initialBytes)
  return encoded
}

/**
 * Decodes one CBOR item that fills all of `bytes`. Byte strings are copies. `itemsMax` bounds the work and
 * the memory: every array, map, key and value in it counts as one.
 */
export function decodeCbor(bytes: Uint8Array, itemsMax = cborItemsMax): Result<CborValue, CborCode> {
  return decodeWith(new CborDecoder(bytes, false, itemsMax))
}

/** As `decodeCbor`; byte strings above 64 bytes are views of the input, which nobody may change then. */
export function decodeCborShared(bytes: Uint8Array): Result<CborValue, CborCode> {
  return decodeWith(new CborDecoder(bytes, true, cborItemsMax))
}

function decodeWith(decoder: CborDecoder): Result<CborValue, CborCode> {
  try {
    return ok(decoder.all())
  } catch (error) {
    if (error instanceof CborRefusal) return refused(error.code, `at byte ${decoder.position}`)
    throw error
  }
}

const initialBytes = 16_384
const keptBytesMax = 4 * 1_048_576
/** One for every encoding: they never nest. */
const writer = { bytes: new Uint8Array(initialBytes), length: 0 }

function reserve(byteCount: number): void {
  const needed = writer.length + byteCount
  if (needed <= writer.bytes.length) return
  const grown = new Uint8Array(Math.max(needed, 2 * writer.bytes.length))
  grown.set(writer.bytes.subarray(0, writer.length))
  writer.bytes = grown
}

function writeItem(value: CborValue): void {
  if (typeof value === 'number') writeInteger(value)
  else if (value instanceof Uint8Array) writeRaw(major.bytes, value)
  else if (typeof value === 'string') writeText(value)
  else if (Array.isArray(value)) {
    writeHead(major.array, value.length)
    for (const item of value) writeItem(item)
  } else if (value instanceof Map) writeMap(value)
  else writeHead(major.simple, value === null ? simple.null : value ? simple.true : simple.false)
}

const major = { uint: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, simple: 7 } as const
const simple = { false: 20, true: 21, null: 22 } as const

function writeInteger(value: number): void {
  if (!Number.isSafeInteger(value)) throw new TypeError('CBOR holds safe integers only')
  if (value < 0) writeHead(major.negative, -1 - value)
  else writeHead(major.uint, value)
}

function writeHead(type: number, argument: number): void {
  reserve(9)
  const { bytes } = writer
  const start = type << 5
  if (argument < 24) {
    bytes[writer.length++] = start | argument
  } else if (argument < 0x100) {
    bytes[writer.length++] = start | 24
    bytes[writer.length++] = argument
  } else if (argument < 0x1_0000) {
    bytes[writer.length++] = start | 25
    bytes[writer.length++] = argument >>> 8
    bytes[writer.length++] = argument
  } else if (argument < 0x1_0000_0000) {
    bytes[writer.length++] = start | 26
    writeWord(argument)
  } else {
    bytes[writer.length++] = start | 27
    writeWord(Math.floor(argument / 0x1_0000_0000))
    writeWord(argument % 0x1_0000_0000)
  }
}

/** u32 big-endian into room that is reserved. */
function writeWord(word: number): void {
  const { bytes } = writer
  bytes[writer.length++] = word >>> 24
  bytes[writer.length++] = word >>> 16
  bytes[writer.length++] = word >>> 8
  bytes[writer.length++] = word
}

function writeRaw(type: number, value: Uint8Array): void {
  writeHead(type, value.length)
  reserve(value.length)
  writer.bytes.set(value, writer.length)
  writer.length += value.length
}

/** Most texts are short ASCII: one byte a character, in one pass. */
function writeText(text: string): void {
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) > 0x7f) return writeRaw(major.text, utf8(text))
  }
  writeHead(major.text, text.length)
  reserve(text.length)
  const { bytes, length } = writer
  for (let index = 0; index < text.length; index += 1) bytes[length + index] = text.charCodeAt(index)
  writer.length = length + text.length
}

function writeMap(map: CborMap): void {
  writeHead(major.map, map.size)
  const entries = [...map]
  if (!isInOrder(entries)) entries.sort(([left], [right]) => compareKeys(left, right))
  for (const [key, item] of entries) {
    writeItem(key)
    writeItem(item)
  }
}

function isInOrder(entries: readonly [number | string, CborValue][]): boolean {
  for (let index = 1; index < entries.length; index += 1) {
    if (compareKeys(entries[index - 1][0], entries[index][0]) > 0) return false
  }
  return true
}

/** Order of the encoded keys: unsigned integers, negative ones from -1 down, then texts, shorter first. */
function compareKeys(left: number | string, right: number | string): number {
  if (typeof left === 'number' && typeof right === 'number') {
    if (left >= 0 !== right >= 0) return left >= 0 ? -1 : 1
    return left >= 0 ? left - right : right - left
  }
  if (typeof left === 'number' || typeof right === 'number') return typeof left === 'number' ? -1 : 1
  const [a, b] = [utf8(left), utf8(right)]
  if (a.length !== b.length) return a.length - b.length
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return a[index] - b[index]
  return 0
}
