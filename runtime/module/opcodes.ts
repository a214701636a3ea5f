// The opcodes of WebAssembly 2.0 without vectors: what follows each, what it takes and leaves, what it is
// priced as. Everything that is not in these tables is refused, which closes SIMD, atomics, tail calls,
// exceptions and GC.

import { F32, F64, I32, I64, type ValueType } from './wasm-types.js'

export const OP_UNREACHABLE = 0x00
export const OP_NOP = 0x01
export const OP_BLOCK = 0x02
export const OP_LOOP = 0x03
export const OP_IF = 0x04
export const OP_ELSE = 0x05
export const OP_END = 0x0b
export const OP_BR = 0x0c
export const OP_BR_IF = 0x0d
export const OP_BR_TABLE = 0x0e
export const OP_RETURN = 0x0f
export const OP_CALL = 0x10
export const OP_CALL_INDIRECT = 0x11
export const OP_DROP = 0x1a
export const OP_SELECT = 0x1b
export const OP_SELECT_TYPED = 0x1c
export const OP_LOCAL_GET = 0x20
export const OP_LOCAL_SET = 0x21
export const OP_LOCAL_TEE = 0x22
export const OP_GLOBAL_GET = 0x23
export const OP_GLOBAL_SET = 0x24
export const OP_TABLE_GET = 0x25
export const OP_TABLE_SET = 0x26
export const OP_LOAD_FIRST = 0x28
export const OP_STORE_FIRST = 0x36
export const OP_STORE_LAST = 0x3e
export const OP_MEMORY_SIZE = 0x3f
export const OP_MEMORY_GROW = 0x40
export const OP_I32_CONST = 0x41
export const OP_I64_CONST = 0x42
export const OP_F32_CONST = 0x43
export const OP_F64_CONST = 0x44
export const OP_NUMERIC_FIRST = 0x45
export const OP_NUMERIC_LAST = 0xc4
export const OP_REF_NULL = 0xd0
export const OP_REF_IS_NULL = 0xd1
export const OP_REF_FUNC = 0xd2
export const OP_PREFIX = 0xfc

/** Second byte of the 0xfc instructions. 0 to 7 are the saturating conversions. */
export const BULK_MEMORY_INIT = 8
export const BULK_DATA_DROP = 9
export const BULK_MEMORY_COPY = 10
export const BULK_MEMORY_FILL = 11
export const BULK_TABLE_INIT = 12
export const BULK_ELEM_DROP = 13
export const BULK_TABLE_COPY = 14
export const BULK_TABLE_GROW = 15
export const BULK_TABLE_SIZE = 16
export const BULK_TABLE_FILL = 17

/** How the bits of a NaN behave in a numeric instruction; see nan-flow.ts. */
export const FLOAT_NONE = 0
/** The engine may choose the bits of a NaN result; operands' bits do not matter. */
export const FLOAT_ARITHMETIC = 1
/** Takes floats, gives an integer that does not depend on a NaN's bits. */
export const FLOAT_BLIND = 2
/** `abs`, `neg`: the result is the operand with another sign. */
export const FLOAT_SIGN = 3
/** `copysign`: the result is the first operand with the sign of the second, whose bits are thereby seen. */
export const FLOAT_COPYSIGN = 4
/** Shows the bits: `reinterpret`. */
export const FLOAT_SHOWN = 5

/** A numeric instruction: `arity` operands of one type, one result. */
export interface NumericOpcode {
  readonly name: string
  readonly operand: ValueType
  readonly arity: 1 | 2
  readonly result: ValueType
  readonly float: number
  readonly mayTrap: boolean
  readonly isDivision: boolean
}

/** A load or store: the stack type of its value and the largest exponent of its alignment. */
export interface MemoryOpcode {
  readonly name: string
  readonly value: ValueType
  readonly alignLog2Max: number
}

const integerBinary = 'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr'.split(' ')
const integerCompare = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u'.split(' ')
const floatCompare = 'eq ne lt gt le ge'.split(' ')
const floatUnary = 'abs neg ceil floor trunc nearest sqrt'.split(' ')
const floatBinary = 'add sub mul div min max copysign'.split(' ')

type ConversionRow = readonly [name: string, operand: ValueType, result: ValueType, float: number]

/** 0xa7 to 0xc4. */
const conversionRows: readonly ConversionRow[] = [
  ['i32.wrap_i64', I64, I32, FLOAT_NONE],
  ['i32.trunc_f32_s', F32, I32, FLOAT_BLIND],
  ['i32.trunc_f32_u', F32, I32, FLOAT_BLIND],
  ['i32.trunc_f64_s', F64, I32, FLOAT_BLIND],
  ['i32.trunc_f64_u', F64, I32, FLOAT_BLIND],
  ['i64.extend_i32_s', I32, I64, FLOAT_NONE],
  ['i64.extend_i32_u', I32, I64, FLOAT_NONE],
  ['i64.trunc_f32_s', F32, I64, FLOAT_BLIND],
  ['i64.trunc_f32_u', F32, I64, FLOAT_BLIND],
  ['i64.trunc_f64_s', F64, I64, FLOAT_BLIND],
  ['i64.trunc_f64_u', F64, I64, FLOAT_BLIND],
  ['f32.convert_i32_s', I32, F32, FLOAT_NONE],
  ['f32.convert_i32_u', I32, F32, FLOAT_NONE],
  ['f32.convert_i64_s', I64, F32, FLOAT_NONE],
  ['f32.convert_i64_u', I64, F32, FLOAT_NONE],
  ['f32.demote_f64', F64, F32, FLOAT_ARITHMETIC],
  ['f64.convert_i32_s', I32, F64, FLOAT_NONE],
  ['f64.convert_i32_u', I32, F64, FLOAT_NONE],
  ['f64.convert_i64_s', I64, F64, FLOAT_NONE],
  ['f64.convert_i64_u', I64, F64, FLOAT_NONE],
  ['f64.promote_f32', F32, F64, FLOAT_ARITHMETIC],
  ['i32.reinterpret_f32', F32, I32, FLOAT_SHOWN],
  ['i64.reinterpret_f64', F64, I64, FLOAT_SHOWN],
  ['f32.reinterpret_i32', I32, F32, FLOAT_NONE],
  ['f64.reinterpret_i64', I64, F64, FLOAT_NONE],
  ['i32.extend8_s', I32, I32, FLOAT_NONE],
  ['i32.extend16_s', I32, I32, FLOAT_NONE],
  ['i64.extend8_s', I64, I64, FLOAT_NONE],
  ['i64.extend16_s', I64, I64, FLOAT_NONE],
  ['i64.extend32_s', I64, I64, FLOAT_NONE],
]

/** Numeric instructions by opcode, 0x45 to 0xc4. */
export const numericOpcodes: readonly (NumericOpcode | undefined)[] = buildNumericOpcodes()

/** `i32.trunc_sat_f32_s` and the seven after it, by the second byte. */
export const saturatingOpcodes: readonly NumericOpcode[] = conversions([
  ['i32.trunc_sat_f32_s', F32, I32, FLOAT_BLIND],
  ['i32.trunc_sat_f32_u', F32, I32, FLOAT_BLIND],
  ['i32.trunc_sat_f64_s', F64, I32, FLOAT_BLIND],
  ['i32.trunc_sat_f64_u', F64, I32, FLOAT_BLIND],
  ['i64.trunc_sat_f32_s', F32, I64, FLOAT_BLIND],
  ['i64.trunc_sat_f32_u', F32, I64, FLOAT_BLIND],
  ['i64.trunc_sat_f64_s', F64, I64, FLOAT_BLIND],
  ['i64.trunc_sat_f64_u', F64, I64, FLOAT_BLIND],
])

/** Loads and stores, by opcode minus 0x28. */
export const memoryOpcodes: readonly MemoryOpcode[] = [
  { name: 'i32.load', value: I32, alignLog2Max: 2 },
  { name: 'i64.load', value: I64, alignLog2Max: 3 },
  { name: 'f32.load', value: F32, alignLog2Max: 2 },
  { name: 'f64.load', value: F64, alignLog2Max: 3 },
  { name: 'i32.load8_s', value: I32, alignLog2Max: 0 },
  { name: 'i32.load8_u', value: I32, alignLog2Max: 0 },
  { name: 'i32.load16_s', value: I32, alignLog2Max: 1 },
  { name: 'i32.load16_u', value: I32, alignLog2Max: 1 },
  { name: 'i64.load8_s', value: I64, alignLog2Max: 0 },
  { name: 'i64.load8_u', value: I64, alignLog2Max: 0 },
  { name: 'i64.load16_s', value: I64, alignLog2Max: 1 },
  { name: 'i64.load16_u', value: I64, alignLog2Max: 1 },
  { name: 'i64.load32_s', value: I64, alignLog2Max: 2 },
  { name: 'i64.load32_u', value: I64, alignLog2Max: 2 },
  { name: 'i32.store', value: I32, alignLog2Max: 2 },
  { name: 'i64.store', value: I64, alignLog2Max: 3 },
  { name: 'f32.store', value: F32, alignLog2Max: 2 },
  { name: 'f64.store', value: F64, alignLog2Max: 3 },
  { name: 'i32.store8', value: I32, alignLog2Max: 0 },
  { name: 'i32.store16', value: I32, alignLog2Max: 1 },
  { name: 'i64.store8', value: I64, alignLog2Max: 0 },
  { name: 'i64.store16', value: I64, alignLog2Max: 1 },
  { name: 'i64.store32', value: I64, alignLog2Max: 2 },
]

const bulkNames =
  'memory.init data.drop memory.copy memory.fill table.init elem.drop table.copy table.grow table.size table.fill'
const plainNames: ReadonlyMap<number, string> = new Map([
  [OP_TABLE_GET, 'table.get'],
  [OP_TABLE_SET, 'table.set'],
  [OP_REF_NULL, 'ref.null'],
  [OP_REF_IS_NULL, 'ref.is_null'],
  [OP_REF_FUNC, 'ref.func'],
  [OP_SELECT_TYPED, 'select with a type'],
])

/** The name of an opcode that the policy may refuse, for messages. */
export function opcodeName(opcode: number, second: number): string {
  if (opcode === OP_PREFIX) return bulkNames.split(' ')[second - BULK_MEMORY_INIT] ?? `0xfc ${second}`
  return plainNames.get(opcode) ?? `0x${opcode.toString(16)}`
}

function buildNumericOpcodes(): (NumericOpcode | undefined)[] {
  const table: (NumericOpcode | undefined)[] = new Array<undefined>(OP_NUMERIC_FIRST).fill(undefined)
  table.push(...group('i32', ['eqz'], I32, 1, I32), ...group('i32', integerCompare, I32, 2, I32))
  table.push(...group('i64', ['eqz'], I64, 1, I32), ...group('i64', integerCompare, I64, 2, I32))
  table.push(...group('f32', floatCompare, F32, 2, I32), ...group('f64', floatCompare, F64, 2, I32))
  const counts = ['clz', 'ctz', 'popcnt']
  table.push(...group('i32', counts, I32, 1, I32), ...group('i32', integerBinary, I32, 2, I32))
  table.push(...group('i64', counts, I64, 1, I64), ...group('i64', integerBinary, I64, 2, I64))
  table.push(...group('f32', floatUnary, F32, 1, F32), ...group('f32', floatBinary, F32, 2, F32))
  table.push(...group('f64', floatUnary, F64, 1, F64), ...group('f64', floatBinary, F64, 2, F64))
  table.push(...conversions(conversionRows))
  return table
}

function conversions(rows: readonly ConversionRow[]): NumericOpcode[] {
  return rows.map(([name, operand, result, float]) => {
    // A plain truncation traps on NaN and on overflow; the saturating one never does.
    const mayTrap = float === FLOAT_BLIND && !name.includes('_sat_')
    return { name, operand, arity: 1, result, float, mayTrap, isDivision: false }
  })
}

function group(
  prefix: string,
  names: readonly string[],
  operand: ValueType,
  arity: 1 | 2,
  result: ValueType,
): NumericOpcode[] {
  return names.map((name) => {
    const isFloatOperand = operand === F32 || operand === F64
    const isIntegerDivision = !isFloatOperand && /^(div|rem)_/.test(name)
    return {
      name: `${prefix}.${name}`,
      operand,
      arity,
      result,
      float: isFloatOperand ? floatClass(name, result) : FLOAT_NONE,
      mayTrap: isIntegerDivision,
      isDivision: isIntegerDivision || name === 'div' || name === 'sqrt',
    }
  })
}

function floatClass(name: string, result: ValueType): number {
  if (result === I32) return FLOAT_BLIND
  if (name === 'abs' || name === 'neg') return FLOAT_SIGN
  return name === 'copysign' ? FLOAT_COPYSIGN : FLOAT_ARITHMETIC
}
