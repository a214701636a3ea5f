// Reference and table instructions, typed select, and the 0xfc family without the saturating conversions.
// All of them type-check here; which of them a contract may use is the policy's business.

import { readU32 } from './byte-reader.js'
import * as op from './opcodes.js'
import { ANY_TYPE, pop, popAny, push, type FunctionState } from './operand-stack.js'
import { readReferenceType, readValueType } from './read-value-type.js'
import { refuse } from './refusal.js'
import { refuseOpcode } from './validate-control.js'
import { readZeroByte, requireMemory } from './validate-function.js'
import { FUNCREF, I32, isReference, type ElementSegment, type TableType } from './wasm-types.js'

export function validateReference(state: FunctionState, opcode: number): void {
  if (opcode !== op.OP_SELECT_TYPED) markRestricted(state, opcode, 0)
  switch (opcode) {
    case op.OP_SELECT_TYPED:
      return validateTypedSelect(state)
    case op.OP_TABLE_GET: {
      const table = readTable(state)
      pop(state, I32)
      return push(state, table.element)
    }
    case op.OP_TABLE_SET: {
      const table = readTable(state)
      pop(state, table.element)
      return pop(state, I32)
    }
    case op.OP_REF_NULL:
      return push(state, readReferenceType(state.reader))
    case op.OP_REF_IS_NULL: {
      const type = popAny(state)
      if (type !== ANY_TYPE && !isReference(type)) {
        refuse('TYPE_MISMATCH', state.opcodeOffset, 'ref.is_null takes a reference.')
      }
      return push(state, I32)
    }
    case op.OP_REF_FUNC:
      return validateFunctionReference(state)
    default:
      return refuseOpcode(state, opcode)
  }
}

function validateTypedSelect(state: FunctionState): void {
  const count = readU32(state.reader)
  if (count !== 1) refuse('TYPE_MISMATCH', state.opcodeOffset, 'A typed select names exactly one type.')
  const type = readValueType(state.reader)
  pop(state, I32)
  pop(state, type)
  pop(state, type)
  push(state, type)
}

function validateFunctionReference(state: FunctionState): void {
  const index = readU32(state.reader)
  const { functionTypes, isReferenced } = state.context
  if (index >= functionTypes.length) {
    refuse('UNKNOWN_FUNCTION', state.opcodeOffset, `There is no function ${index}.`)
  }
  if (isReferenced[index] !== 1) {
    refuse('UNDECLARED_REFERENCE', state.opcodeOffset, `Function ${index} is not declared for references.`)
  }
  push(state, FUNCREF)
}

/** Remembers the first instruction that no contract may use. */
function markRestricted(state: FunctionState, opcode: number, second: number): void {
  const { facts } = state
  if (facts.restrictedOpcode >= 0) return
  facts.restrictedOpcode = opcode
  facts.restrictedSecond = second
  facts.restrictedOffset = state.opcodeOffset
}

export function validateBulk(state: FunctionState, second: number): void {
  switch (second) {
    case op.BULK_MEMORY_INIT:
      readDataIndex(state)
      readZeroByte(state)
      requireMemory(state)
      return popThree(state)
    case op.BULK_DATA_DROP:
      return readDataIndex(state)
    case op.BULK_MEMORY_COPY:
      readZeroByte(state)
      readZeroByte(state)
      requireMemory(state)
      return popThree(state)
    case op.BULK_MEMORY_FILL:
      readZeroByte(state)
      requireMemory(state)
      return popThree(state)
    default:
      return validateTableBulk(state, second)
  }
}

function validateTableBulk(state: FunctionState, second: number): void {
  markRestricted(state, op.OP_PREFIX, second)
  switch (second) {
    case op.BULK_TABLE_INIT: {
      const segment = readElementIndex(state)
      requireSameElement(state, readTable(state).element, segment.element)
      return popThree(state)
    }
    case op.BULK_ELEM_DROP:
      readElementIndex(state)
      return
    case op.BULK_TABLE_COPY: {
      const target = readTable(state)
      requireSameElement(state, target.element, readTable(state).element)
      return popThree(state)
    }
    case op.BULK_TABLE_GROW: {
      const table = readTable(state)
      pop(state, I32)
      pop(state, table.element)
      return push(state, I32)
    }
    case op.BULK_TABLE_SIZE:
      readTable(state)
      return push(state, I32)
    case op.BULK_TABLE_FILL: {
      const table = readTable(state)
      pop(state, I32)
      pop(state, table.element)
      return pop(state, I32)
    }
    default:
      return refuse('OPCODE_UNKNOWN', state.opcodeOffset, `There is no instruction 0xfc ${second}.`)
  }
}

function popThree(state: FunctionState): void {
  pop(state, I32)
  pop(state, I32)
  pop(state, I32)
}

function readTable(state: FunctionState): TableType {
  const index = readU32(state.reader)
  const table = state.context.module.tables[index]
  if (table === undefined) return refuse('UNKNOWN_TABLE', state.opcodeOffset, `There is no table ${index}.`)
  return table
}

function readElementIndex(state: FunctionState): ElementSegment {
  const index = readU32(state.reader)
  const segment = state.context.module.elements[index]
  if (segment === undefined) {
    return refuse('UNKNOWN_SEGMENT', state.opcodeOffset, `There is no element segment ${index}.`)
  }
  return segment
}

function requireSameElement(state: FunctionState, a: number, b: number): void {
  if (a !== b) refuse('TYPE_MISMATCH', state.opcodeOffset, 'The tables hold different kinds of references.')
}

function readDataIndex(state: FunctionState): void {
  const index = readU32(state.reader)
  const { dataCount } = state.context.module
  if (dataCount === undefined) {
    refuse('DATA_COUNT_MISSING', state.opcodeOffset, 'Data segments are used before a data count section.')
  }
  if (index >= dataCount)
    refuse('UNKNOWN_SEGMENT', state.opcodeOffset, `There is no data segment ${index}.`)
}
