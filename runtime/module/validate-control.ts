// Control instructions, 0x00 to 0x11 (WebAssembly 2.0, section 3.3.8).

import { readByte, readS33, readU32 } from './byte-reader.js'
import * as op from './opcodes.js'
import {
  labelTypes,
  pop,
  popAll,
  popFrame,
  pushAll,
  pushFrame,
  setUnreachable,
  type ControlFrame,
  type FunctionState,
} from './operand-stack.js'
import { readValueType } from './read-value-type.js'
import { refuse } from './refusal.js'
import { applyFunctionType } from './validate-function.js'
import { FUNCREF, I32, type FunctionType, type ValueType } from './wasm-types.js'

export const BLOCK_TYPE_EMPTY = 0x40

export function validateControl(state: FunctionState, opcode: number): void {
  switch (opcode) {
    case op.OP_UNREACHABLE:
      return setUnreachable(state)
    case op.OP_NOP:
      return
    case op.OP_BLOCK:
    case op.OP_LOOP:
    case op.OP_IF:
      return validateBlock(state, opcode)
    case op.OP_ELSE:
      return validateElse(state)
    case op.OP_END:
      return validateEnd(state)
    case op.OP_BR:
      state.facts.flowCount++
      popAll(state, labelTypes(readLabel(state)))
      return setUnreachable(state)
    case op.OP_BR_IF:
      return validateBranchIf(state)
    case op.OP_BR_TABLE:
      return validateBranchTable(state)
    case op.OP_RETURN:
      popAll(state, state.frames[0].endTypes)
      return setUnreachable(state)
    case op.OP_CALL:
      return validateCall(state)
    case op.OP_CALL_INDIRECT:
      return validateCallIndirect(state)
    default:
      return refuseOpcode(state, opcode)
  }
}

const forbiddenFamilies: ReadonlyMap<number, string> = new Map([
  [0x06, 'exception handling'],
  [0x07, 'exception handling'],
  [0x08, 'exception handling'],
  [0x09, 'exception handling'],
  [0x0a, 'exception handling'],
  [0x12, 'tail calls'],
  [0x13, 'tail calls'],
  [0x14, 'typed function references'],
  [0x15, 'typed function references'],
  [0xfb, 'garbage-collected types'],
  [0xfd, 'SIMD'],
  [0xfe, 'threads and atomics'],
])

/** Opcodes of proposals are named, so that a vendor knows which compiler flag to drop. */
export function refuseOpcode(state: FunctionState, opcode: number): never {
  const family = forbiddenFamilies.get(opcode)
  const hex = `0x${opcode.toString(16)}`
  if (family === undefined)
    return refuse('OPCODE_UNKNOWN', state.opcodeOffset, `There is no instruction ${hex}.`)
  const text = `Instruction ${hex} belongs to ${family}, which is not available. Compile without that feature.`
  return refuse('OPCODE_FORBIDDEN', state.opcodeOffset, text)
}

function validateBlock(state: FunctionState, opcode: number): void {
  const type = readBlockType(state)
  if (opcode === op.OP_IF) pop(state, I32)
  popAll(state, type.parameters)
  pushFrame(state, opcode, type.parameters, type.results)
}

const emptyType: FunctionType = { parameters: [], results: [] }
const singleTypes = new Map<number, FunctionType>()

/** Empty (0x40), one value type, or the index of a function type. */
function readBlockType(state: FunctionState): FunctionType {
  const { reader } = state
  const first = readByte(reader)
  if (first === BLOCK_TYPE_EMPTY) return emptyType
  reader.position--
  // One byte with the sign bit set: a value type.
  if ((first & 0xc0) === 0x40) return singleType(readValueType(reader))
  const index = readS33(reader)
  const type = state.context.module.types[index]
  if (index < 0) return refuse('TYPE_MALFORMED', state.opcodeOffset, 'A block type is malformed.')
  if (type === undefined) return refuse('UNKNOWN_TYPE', state.opcodeOffset, `There is no type ${index}.`)
  return type
}

function singleType(result: ValueType): FunctionType {
  let type = singleTypes.get(result)
  if (type === undefined) {
    type = { parameters: [], results: [result] }
    singleTypes.set(result, type)
  }
  return type
}

function validateElse(state: FunctionState): void {
  if (state.frame.opcode !== op.OP_IF) {
    refuse('TYPE_MISMATCH', state.opcodeOffset, 'An else stands without an if.')
  }
  const { startTypes, endTypes } = popFrame(state)
  pushFrame(state, op.OP_ELSE, startTypes, endTypes)
  // An else belongs to its if: it is not a control node of its own.
  state.facts.controlCount--
}

function validateEnd(state: FunctionState): void {
  const frame = popFrame(state)
  if (frame.opcode === op.OP_IF && !isSameTypes(frame.startTypes, frame.endTypes)) {
    refuse('TYPE_MISMATCH', state.opcodeOffset, 'An if without else must leave what it takes.')
  }
  if (state.frames.length > 0) pushAll(state, frame.endTypes)
}

function isSameTypes(a: readonly ValueType[], b: readonly ValueType[]): boolean {
  return a === b || (a.length === b.length && a.every((type, index) => type === b[index]))
}

function readLabel(state: FunctionState): ControlFrame {
  const depth = readU32(state.reader)
  const frame = state.frames[state.frames.length - 1 - depth]
  if (frame === undefined) return refuse('UNKNOWN_LABEL', state.opcodeOffset, `There is no label ${depth}.`)
  return frame
}

function validateBranchIf(state: FunctionState): void {
  const types = labelTypes(readLabel(state))
  state.facts.flowCount++
  pop(state, I32)
  popAll(state, types)
  pushAll(state, types)
}

function validateBranchTable(state: FunctionState): void {
  const count = readU32(state.reader)
  if (count > state.reader.end - state.reader.position) {
    refuse('UNEXPECTED_END', state.opcodeOffset, 'A branch table is cut off.')
  }
  const { facts } = state
  facts.branchTableMax = Math.max(facts.branchTableMax, count)
  facts.branchTableTotal += count
  facts.flowCount += count + 1
  pop(state, I32)
  const seen = new Set<readonly ValueType[]>()
  let arity = -1
  // The table's labels, then the default.
  for (let left = count; left >= 0; left--) {
    const types = labelTypes(readLabel(state))
    if (arity >= 0 && types.length !== arity) {
      refuse('TYPE_MISMATCH', state.opcodeOffset, 'The labels of a branch table differ in arity.')
    }
    arity = types.length
    if (seen.has(types)) continue
    seen.add(types)
    checkTop(state, types)
  }
  setUnreachable(state)
}

/**
 * Checks that the operands fit a label, and leaves them as they are: another label may want other types of
 * them.
 */
function checkTop(state: FunctionState, types: readonly ValueType[]): void {
  const { height, bytes } = state
  const operands = state.operands.slice(Math.max(state.frame.height, height - types.length), height)
  popAll(state, types)
  state.height = height
  state.bytes = bytes
  state.operands.set(operands, height - operands.length)
}

function validateCall(state: FunctionState): void {
  const index = readU32(state.reader)
  const type = state.context.functionTypes[index]
  if (type === undefined)
    return refuse('UNKNOWN_FUNCTION', state.opcodeOffset, `There is no function ${index}.`)
  applyFunctionType(state, type)
}

function validateCallIndirect(state: FunctionState): void {
  const typeIndex = readU32(state.reader)
  const tableIndex = readU32(state.reader)
  const table = state.context.module.tables[tableIndex]
  if (table === undefined)
    return refuse('UNKNOWN_TABLE', state.opcodeOffset, `There is no table ${tableIndex}.`)
  if (table.element !== FUNCREF) {
    refuse('TYPE_MISMATCH', state.opcodeOffset, 'An indirect call needs a table of functions.')
  }
  const type = state.context.module.types[typeIndex]
  if (type === undefined)
    return refuse('UNKNOWN_TYPE', state.opcodeOffset, `There is no type ${typeIndex}.`)
  pop(state, I32)
  applyFunctionType(state, type)
}
