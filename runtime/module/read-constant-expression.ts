// Constant expressions: initial values of globals, offsets and items of segments (WebAssembly 2.0, section
// 3.3.8.5).

import { readByte, readS32, readU32, skipBytes, skipS64, type ByteReader } from './byte-reader.js'
import { readReferenceType } from './read-value-type.js'
import { refuse } from './refusal.js'
import type { ConstantExpression, ConstantInstruction } from './wasm-types.js'

export const CONSTANT_GLOBAL_GET = 0x23
export const CONSTANT_I32 = 0x41
export const CONSTANT_I64 = 0x42
export const CONSTANT_F32 = 0x43
export const CONSTANT_F64 = 0x44
export const CONSTANT_REF_NULL = 0xd0
export const CONSTANT_REF_FUNC = 0xd2
const END = 0x0b

/** Reads up to and including `end`. Instructions that are never constant are refused here. */
export function readConstantExpression(reader: ByteReader): ConstantExpression {
  const start = reader.position
  const instructions: ConstantInstruction[] = []
  for (;;) {
    const offset = reader.position
    const opcode = readByte(reader)
    if (opcode === END) return { instructions, offset: start }
    instructions.push({ opcode, immediate: readImmediate(reader, opcode, offset), offset })
  }
}

function readImmediate(reader: ByteReader, opcode: number, offset: number): number {
  switch (opcode) {
    case CONSTANT_I32:
      return readS32(reader)
    case CONSTANT_I64:
      skipS64(reader)
      return 0
    case CONSTANT_F32:
      skipBytes(reader, 4)
      return 0
    case CONSTANT_F64:
      skipBytes(reader, 8)
      return 0
    case CONSTANT_GLOBAL_GET:
    case CONSTANT_REF_FUNC:
      return readU32(reader)
    case CONSTANT_REF_NULL:
      return readReferenceType(reader)
    default:
      return refuse('CONSTANT_EXPRESSION', offset, 'An initial value must be a constant expression.')
  }
}
