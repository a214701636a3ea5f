// State keys: point keys and ordered rows share one tree per store, told apart by their first byte.
//
//   point    0x00 | key
//   ordered  0x01 | table u8 | partition length u16 BE | partition | order u64 BE | sequence u32 BE
import { assert } from '../protocol/result.js'
import { orderMax, sequenceMax, type StateWrite } from './store-interface.js'

const pointTag = 0
const orderedTag = 1
const orderedTailBytes = 12
export const partitionBytesMax = 1_024
export const pointKeyBytesMax = 4_096

export type StateKey =
  | { kind: 'point'; key: Uint8Array }
  | { kind: 'ordered'; table: number; partition: Uint8Array; order: bigint; sequence: number }

export function encodePointKey(key: Uint8Array): Uint8Array {
  assert(key.length <= pointKeyBytesMax, 'point key too long')
  const encoded = new Uint8Array(1 + key.length)
  encoded[0] = pointTag
  encoded.set(key, 1)
  return encoded
}

/** The part of an ordered key that all rows of one partition share. */
export function encodePartition(table: number, partition: Uint8Array): Uint8Array {
  assert(Number.isInteger(table) && table >= 0 && table <= 255, 'table is a u8')
  assert(partition.length <= partitionBytesMax, 'partition too long')
  const encoded = new Uint8Array(4 + partition.length)
  encoded[0] = orderedTag
  encoded[1] = table
  encoded[2] = partition.length >>> 8
  encoded[3] = partition.length & 0xff
  encoded.set(partition, 4)
  return encoded
}

export function encodeOrderedKey(
  table: number,
  partition: Uint8Array,
  order: bigint,
  sequence: number,
): Uint8Array {
  return joinOrderedKey(encodePartition(table, partition), order, sequence)
}

/** As `encodeOrderedKey`, for an order that is a safe integer: on the way of every record. */
export function encodeNumberedKey(
  table: number,
  partition: Uint8Array,
  order: number,
  sequence: number,
): Uint8Array {
  assert(Number.isInteger(table) && table >= 0 && table <= 255, 'table is a u8')
  assert(partition.length <= partitionBytesMax, 'partition too long')
  assert(Number.isSafeInteger(order) && order >= 0, 'order is a safe integer')
  assert(Number.isInteger(sequence) && sequence >= 0 && sequence <= sequenceMax, 'sequence is a u32')
  const encoded = new Uint8Array(4 + partition.length + orderedTailBytes)
  encoded[0] = orderedTag
  encoded[1] = table
  encoded[2] = partition.length >>> 8
  encoded[3] = partition.length & 0xff
  encoded.set(partition, 4)
  const tail = 4 + partition.length
  writeU32(encoded, tail, Math.floor(order / 2 ** 32))
  writeU32(encoded, tail + 4, order)
  writeU32(encoded, tail + 8, sequence)
  return encoded
}

/** The low 32 bits, big-endian. A DataView of its own would cost more than the rest of the key. */
function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

export function joinOrderedKey(partitionPrefix: Uint8Array, order: bigint, sequence: number): Uint8Array {
  assert(order >= 0n && order <= orderMax, 'order is a u64')
  assert(Number.isInteger(sequence) && sequence >= 0 && sequence <= sequenceMax, 'sequence is a u32')
  const encoded = new Uint8Array(partitionPrefix.length + orderedTailBytes)
  encoded.set(partitionPrefix)
  const view = new DataView(encoded.buffer)
  view.setBigUint64(partitionPrefix.length, order)
  view.setUint32(partitionPrefix.length + 8, sequence)
  return encoded
}

/**
 * Splits an encoded key; undefined when the bytes are not one. Every encoded key decodes to what made it.
 */
export function decodeStateKey(encoded: Uint8Array): StateKey | undefined {
  if (encoded.length === 0) return undefined
  if (encoded[0] === pointTag) {
    return encoded.length - 1 > pointKeyBytesMax ? undefined : { kind: 'point', key: encoded.subarray(1) }
  }
  if (encoded[0] !== orderedTag || encoded.length < 4 + orderedTailBytes) return undefined
  const partitionBytes = encoded[2] * 256 + encoded[3]
  if (partitionBytes > partitionBytesMax) return undefined
  if (encoded.length !== 4 + partitionBytes + orderedTailBytes) return undefined
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  return {
    kind: 'ordered',
    table: encoded[1],
    partition: encoded.subarray(4, 4 + partitionBytes),
    order: view.getBigUint64(4 + partitionBytes),
    sequence: view.getUint32(4 + partitionBytes + 8),
  }
}

/** Bytes as a string of the same order (one char a byte): a Map key that needs no hashing of ours. */
export function bytesToText(bytes: Uint8Array): string {
  let text = ''
  for (let start = 0; start < bytes.length; start += 1_024) {
    const chunk = bytes.length <= 1_024 ? bytes : bytes.subarray(start, start + 1_024)
    // `apply` on the array itself is several times as fast as spreading it.
    text += String.fromCharCode.apply(null, chunk as unknown as number[])
  }
  return text
}

/** Store names are printable ASCII, 1..64 characters, so that text order is byte order. */
export function assertStoreName(store: string): void {
  assert(/^[\x21-\x7e]{1,64}$/.test(store), 'store name is 1..64 printable ASCII characters')
}

/** The order of a write set: by store name, then by key bytes. */
export function compareWrites(left: StateWrite, right: StateWrite): number {
  if (left.store !== right.store) return left.store < right.store ? -1 : 1
  const shared = Math.min(left.key.length, right.key.length)
  for (let index = 0; index < shared; index += 1) {
    if (left.key[index] !== right.key[index]) return left.key[index] - right.key[index]
  }
  return left.key.length - right.key.length
}
