// Where an item lies in CBOR that was decoded already: so that a refusal can name the byte. It runs only when
// something is refused; the decoder itself keeps no positions.
import { utf8ToText } from './bytes.js'

/** From the outermost item inwards: a number is a place in a list (or a key), a text the key of a map. */
export type FieldPath = readonly (number | string)[]

/**
 * Offset of the item at `path`, or of the last item on the way when the path leads further than the bytes.
 * `bytes` must be well-formed CBOR of definite lengths, as `decodeCbor` takes it.
 */
export function placeOf(bytes: Uint8Array, path: FieldPath): number {
  let at = 0
  for (const step of path) {
    const inner = innerItem(bytes, at, step)
    if (inner === undefined) return at
    at = inner
  }
  return at
}

interface Head {
  major: number
  argument: number
  /** Offset of the byte behind the head. */
  end: number
}

function headAt(bytes: Uint8Array, at: number): Head {
  const info = bytes[at] & 31
  const byteCount = info < 24 ? 0 : 1 << (info - 24)
  let argument = info < 24 ? info : 0
  for (let index = 1; index <= byteCount; index += 1) argument = argument * 256 + bytes[at + index]
  return { major: bytes[at] >>> 5, argument, end: at + 1 + byteCount }
}

function innerItem(bytes: Uint8Array, at: number, step: number | string): number | undefined {
  const { major, argument, end } = headAt(bytes, at)
  let next = end
  if (major === 4) {
    if (typeof step !== 'number' || step >= argument) return undefined
    for (let index = 0; index < step; index += 1) next = behind(bytes, next)
    return next
  }
  if (major !== 5) return undefined
  for (let index = 0; index < argument; index += 1) {
    const value = behind(bytes, next)
    if (keyAt(bytes, next) === step) return value
    next = behind(bytes, value)
  }
  return undefined
}

function keyAt(bytes: Uint8Array, at: number): number | string {
  const { major, argument, end } = headAt(bytes, at)
  if (major === 3) return utf8ToText(bytes.subarray(end, end + argument))
  return major === 1 ? -1 - argument : argument
}

/** Offset behind the item at `at`, with everything in it. */
function behind(bytes: Uint8Array, at: number): number {
  let next = at
  for (let pending = 1; pending > 0; pending -= 1) {
    const { major, argument, end } = headAt(bytes, next)
    next = end
    if (major === 2 || major === 3) next += argument
    else if (major === 4) pending += argument
    else if (major === 5) pending += 2 * argument
  }
  return next
}
