// Readers for decoded CBOR: each gives the typed value or throws FieldError, which the decoder of a
// format turns into that format's own code. Private to decoders; FieldError never leaves
// runtime/protocol.
import type { CborMap, CborValue } from './cbor.js'
import type { FieldPath } from './cbor-place.js'
import type { ManifestProblemCode } from './manifest-problem.js'

/** What is wrong, and where below the item that was read; most formats tell the words alone. */
export class FieldError extends Error {
  constructor(
    message: string,
    readonly code: ManifestProblemCode = 'FIELD_MALFORMED',
    readonly path: FieldPath = [],
  ) {
    super(message)
  }
}

export function asMap(value: CborValue, allowedKeys: readonly number[], requiredCount: number): CborMap {
  if (!(value instanceof Map)) throw new FieldError('map expected')
  for (const key of value.keys()) {
    if (typeof key !== 'number' || !allowedKeys.includes(key)) throw new FieldError(`unknown key ${key}`)
  }
  // Keys are listed required first, so that the first `requiredCount` must all be there.
  for (const key of allowedKeys.slice(0, requiredCount)) {
    if (!value.has(key)) throw new FieldError(`missing key ${key}`)
  }
  return value
}

export function asArray(value: CborValue | undefined, countMin: number, countMax: number): CborValue[] {
  if (!Array.isArray(value) || value.length < countMin || value.length > countMax) {
    const code = Array.isArray(value) ? 'LIST_LENGTH' : 'LIST_EXPECTED'
    throw new FieldError(`array of ${countMin}..${countMax} expected`, code)
  }
  return value
}

export function asUint(value: CborValue | undefined, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new FieldError(`unsigned integer up to ${max} expected`, 'NUMBER_EXPECTED')
  }
  return value
}

export function asBytes(
  value: CborValue | undefined,
  lengthMin: number,
  lengthMax = lengthMin,
): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length < lengthMin || value.length > lengthMax) {
    throw new FieldError(`bytes of ${lengthMin}..${lengthMax} expected`)
  }
  return value
}

/** Printable ASCII only: names and codes in formats never carry text that needs normalisation. */
export function asAscii(value: CborValue | undefined, lengthMin: number, lengthMax: number): string {
  const text = asTextOf(value, lengthMin, lengthMax)
  if (!/^[\x20-\x7e]*$/.test(text)) throw new FieldError('printable ASCII expected', 'TEXT_NOT_ASCII')
  return text
}

function asTextOf(value: CborValue | undefined, lengthMin: number, lengthMax: number): string {
  if (typeof value === 'string' && value.length >= lengthMin && value.length <= lengthMax) return value
  const code = typeof value === 'string' ? 'TEXT_LENGTH' : 'TEXT_EXPECTED'
  throw new FieldError(`text of ${lengthMin}..${lengthMax} expected`, code)
}

/** Controls (C0, DEL, C1), line and paragraph separators, and what reorders the text around it. */
const forging = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

/**
 * One line of Unicode text that people read before they sign: nothing in it may move the cursor, begin a
 * line or turn the order of what stands around it, or a vendor could write in the approver's terminal.
 */
export function asText(value: CborValue | undefined, lengthMax: number): string {
  const text = asTextOf(value, 0, lengthMax)
  const place = text.search(forging)
  if (place >= 0) {
    const code = text.charCodeAt(place).toString(16).toUpperCase().padStart(4, '0')
    const words = `U+${code} at ${place}: one line of text without control characters expected`
    throw new FieldError(words, 'TEXT_CONTROLS')
  }
  return text
}

/** A list of byte strings of any length. */
export function asArrayOfBytes(value: CborValue | undefined): Uint8Array[] {
  return asArray(value, 0, Number.MAX_SAFE_INTEGER).map((item) => asBytes(item, 0, Number.MAX_SAFE_INTEGER))
}
