// Deterministic CBOR (RFC 8949 section 4.2): shortest integers, definite lengths, sorted keys, no floats,
// no tags. The decoder is total and strict: what does not encode back to the very same bytes is refused.
import { decode, encode } from 'cborg'
import { equalBytes } from './bytes.js'
import { ok, refused, type Result } from './result.js'

/** What deterministic CBOR may hold here. Integers are safe integers. */
export type CborValue = number | string | boolean | null | Uint8Array | CborValue[] | CborMap
export type CborMap = Map<number | string, CborValue>

export type CborCode = 'CBOR_MALFORMED' | 'CBOR_NOT_DETERMINISTIC'

// Typed arrays other than Uint8Array and objects never occur: callers build Maps, arrays and scalars only.
const encodeOptions = { float64: true }
const decodeOptions = {
  useMaps: true,
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
}

export function encodeCbor(value: CborValue): Uint8Array {
  return encode(value, encodeOptions)
}

/** Decodes one CBOR item that fills all of `bytes`. */
export function decodeCbor(bytes: Uint8Array): Result<CborValue, CborCode> {
  let value: CborValue
  try {
    value = decode(bytes, decodeOptions) as CborValue
  } catch {
    return refused('CBOR_MALFORMED')
  }
  try {
    if (!equalBytes(encodeCbor(value), bytes)) return refused('CBOR_NOT_DETERMINISTIC')
  } catch {
    return refused('CBOR_MALFORMED')
  }
  return ok(value)
}
