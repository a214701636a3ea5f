// Value types and vector counts, which every section uses.

import { readByte, readU32, type ByteReader } from './byte-reader.js'
import { VECTOR_ITEMS_MAX } from './module-limits.js'
import { refuse } from './refusal.js'
import { EXTERNREF, F32, F64, FUNCREF, I32, I64, isReference, type ValueType } from './wasm-types.js'

/** A vector's count. It cannot exceed the bytes that follow, for each item has at least one. */
export function readCount(reader: ByteReader): number {
  const offset = reader.position
  const count = readU32(reader)
  if (count > reader.end - reader.position || count > VECTOR_ITEMS_MAX) {
    refuse(
      'UNEXPECTED_END',
      offset,
      `A vector announces ${count} items and the section is too short for them.`,
    )
  }
  return count
}

export function readValueType(reader: ByteReader): ValueType {
  const offset = reader.position
  const type = readByte(reader)
  if (type === I32 || type === I64 || type === F32 || type === F64) return type
  if (type === FUNCREF || type === EXTERNREF) return type
  if (type === 0x7b) refuse('TYPE_FORBIDDEN', offset, 'Vector types (SIMD) are not available.')
  return refuse('TYPE_MALFORMED', offset, `Byte 0x${type.toString(16)} is no value type.`)
}

export function readReferenceType(reader: ByteReader): ValueType {
  const offset = reader.position
  const type = readValueType(reader)
  if (!isReference(type)) refuse('TYPE_MALFORMED', offset, 'A reference type is expected.')
  return type
}
