// Type-checks one function body, instruction by instruction, and gathers what policy and rewriter need to
// know.

import { createByteReader, readByte, readU32, skipBytes, skipS64, readS32 } from './byte-reader.js'
import { LOCALS_EXPANDED_MAX } from './module-limits.js'
import {
  addFlow,
  addOrigin,
  createNanFlow,
  ORIGIN_CLEAN,
  resolveNanPoints,
  showOrigin,
  type NanPoint,
} from './nan-flow.js'
import * as op from './opcodes.js'
import {
  ANY_TYPE,
  pop,
  popAll,
  popAny,
  popHidden,
  push,
  pushAll,
  pushFrame,
  valueBytes,
  type FactsDraft,
  type FunctionState,
  type ModuleContext,
} from './operand-stack.js'
import { refuse } from './refusal.js'
import { validateControl } from './validate-control.js'
import { validateBulk, validateReference } from './validate-reference.js'
import {
  F32,
  F64,
  I32,
  I64,
  isFloat,
  isReference,
  type FunctionBody,
  type FunctionType,
} from './wasm-types.js'

/** What is known of a function that type-checks. */
export interface FunctionFacts extends Readonly<FactsDraft> {
  /** Parameters and locals. */
  readonly localCount: number
  readonly localBytes: number
  readonly nanPoints: readonly NanPoint[]
}

export function validateFunction(
  context: ModuleContext,
  type: FunctionType,
  body: FunctionBody,
): FunctionFacts {
  const locals = expandLocals(type, body)
  const state = createState(context, body, locals)
  pushFrame(state, op.OP_BLOCK, [], type.results)
  state.facts.controlCount = 0
  state.facts.flowCount = 0
  const { reader } = state
  while (state.frames.length > 0) {
    state.opcodeOffset = reader.position
    validateInstruction(state, readByte(reader))
  }
  if (reader.position !== body.end) {
    refuse('BODY_LENGTH', reader.position, 'Instructions follow the end of a function.')
  }
  let localBytes = 0
  for (const local of locals) localBytes += valueBytes(local)
  return { ...state.facts, localCount: locals.length, localBytes, nanPoints: resolveNanPoints(state.flow) }
}

function expandLocals(type: FunctionType, body: FunctionBody): Uint8Array {
  let count = type.parameters.length
  for (const group of body.locals) count += group.count
  if (count > LOCALS_EXPANDED_MAX) {
    refuse(
      'LIMIT_LOCALS',
      body.start,
      `A function has ${count} locals; no engine takes more than ${LOCALS_EXPANDED_MAX}.`,
    )
  }
  const locals = new Uint8Array(count)
  locals.set(type.parameters)
  let index = type.parameters.length
  for (const group of body.locals) {
    locals.fill(group.type, index, index + group.count)
    index += group.count
  }
  return locals
}

function createState(context: ModuleContext, body: FunctionBody, locals: Uint8Array): FunctionState {
  return {
    context,
    reader: createByteReader(context.module.bytes, body.codeStart, body.end),
    locals,
    flow: createNanFlow(),
    facts: {
      operandBytesMax: 0,
      controlCount: 0,
      flowCount: 0,
      depthMax: 0,
      branchTableMax: 0,
      branchTableTotal: 0,
      hasCall: false,
      restrictedOpcode: -1,
      restrictedSecond: 0,
      restrictedOffset: 0,
    },
    operands: new Uint8Array(64),
    origins: new Int32Array(64),
    height: 0,
    bytes: 0,
    frames: [],
    frame: { opcode: op.OP_BLOCK, startTypes: [], endTypes: [], height: 0, isUnreachable: false },
    opcodeOffset: body.codeStart,
  }
}

function validateInstruction(state: FunctionState, opcode: number): void {
  if (opcode >= op.OP_NUMERIC_FIRST && opcode <= op.OP_NUMERIC_LAST) {
    validateNumeric(state, op.numericOpcodes[opcode]!)
  } else if (opcode >= op.OP_LOCAL_GET && opcode <= op.OP_LOCAL_TEE) {
    validateLocal(state, opcode)
  } else if (opcode <= op.OP_CALL_INDIRECT) {
    validateControl(state, opcode)
  } else if (opcode >= op.OP_LOAD_FIRST && opcode <= op.OP_STORE_LAST) {
    validateAccess(state, opcode)
  } else if (opcode >= op.OP_MEMORY_SIZE && opcode <= op.OP_F64_CONST) {
    validateConstant(state, opcode)
  } else if (opcode === op.OP_GLOBAL_GET || opcode === op.OP_GLOBAL_SET) {
    validateGlobal(state, opcode)
  } else if (opcode >= op.OP_DROP && opcode <= op.OP_SELECT_TYPED) {
    validateParametric(state, opcode)
  } else if (opcode === op.OP_PREFIX) {
    validatePrefixed(state)
  } else {
    validateReference(state, opcode)
  }
}

function validateNumeric(state: FunctionState, instruction: op.NumericOpcode): void {
  const { operand, result, float } = instruction
  if (float === op.FLOAT_NONE) {
    popHidden(state, operand)
    if (instruction.arity === 2) popHidden(state, operand)
    push(state, result)
    return
  }
  // The last operand first: `copysign` shows its second operand and hands on its first.
  const last = popHidden(state, operand)
  if (float === op.FLOAT_COPYSIGN || float === op.FLOAT_SHOWN) showOrigin(state.flow, last)
  const first = instruction.arity === 2 ? popHidden(state, operand) : last
  if (float === op.FLOAT_ARITHMETIC) {
    push(state, result, addOrigin(state.flow, state.reader.position, result, -1))
  } else if (float === op.FLOAT_SIGN || float === op.FLOAT_COPYSIGN) push(state, result, first)
  else push(state, result)
}

function validateLocal(state: FunctionState, opcode: number): void {
  const index = readU32(state.reader)
  const type = state.locals[index]
  if (type === undefined) refuse('UNKNOWN_LOCAL', state.opcodeOffset, `The function has no local ${index}.`)
  if (opcode === op.OP_LOCAL_GET) {
    const isTracked = isFloat(type)
    push(state, type, isTracked ? addOrigin(state.flow, state.reader.position, type, index) : ORIGIN_CLEAN)
    return
  }
  const origin = popHidden(state, type)
  addFlow(state.flow, origin, index)
  if (opcode === op.OP_LOCAL_TEE) push(state, type, origin)
}

function validateGlobal(state: FunctionState, opcode: number): void {
  const index = readU32(state.reader)
  const global = state.context.module.globals[index]
  if (global === undefined)
    return refuse('UNKNOWN_GLOBAL', state.opcodeOffset, `There is no global ${index}.`)
  if (opcode === op.OP_GLOBAL_GET) return push(state, global.value)
  if (!global.mutable) refuse('GLOBAL_IMMUTABLE', state.opcodeOffset, `Global ${index} is not mutable.`)
  pop(state, global.value)
}

function validateAccess(state: FunctionState, opcode: number): void {
  const instruction = op.memoryOpcodes[opcode - op.OP_LOAD_FIRST]
  requireMemory(state)
  const alignLog2 = readU32(state.reader)
  readU32(state.reader)
  if (alignLog2 > instruction.alignLog2Max) {
    refuse(
      'ALIGNMENT_TOO_LARGE',
      state.opcodeOffset,
      `${instruction.name} cannot be aligned to 2^${alignLog2} bytes.`,
    )
  }
  if (opcode >= op.OP_STORE_FIRST) {
    pop(state, instruction.value)
    pop(state, I32)
  } else {
    pop(state, I32)
    push(state, instruction.value)
  }
}

export function requireMemory(state: FunctionState): void {
  if (state.context.module.memories.length === 0) {
    refuse('UNKNOWN_MEMORY', state.opcodeOffset, 'The module has no memory.')
  }
}

/** The byte that 2.0 reserves for a memory index. */
export function readZeroByte(state: FunctionState): void {
  if (readByte(state.reader) !== 0) {
    refuse('FLAGS_MALFORMED', state.reader.position - 1, 'A zero byte is expected: there is one memory.')
  }
}

function validateConstant(state: FunctionState, opcode: number): void {
  const { reader } = state
  switch (opcode) {
    case op.OP_I32_CONST:
      readS32(reader)
      return push(state, I32)
    case op.OP_I64_CONST:
      skipS64(reader)
      return push(state, I64)
    case op.OP_F32_CONST:
      skipBytes(reader, 4)
      return push(state, F32)
    case op.OP_F64_CONST:
      skipBytes(reader, 8)
      return push(state, F64)
    default:
      requireMemory(state)
      readZeroByte(state)
      if (opcode === op.OP_MEMORY_GROW) {
        state.facts.flowCount++
        pop(state, I32)
      }
      return push(state, I32)
  }
}

function validateParametric(state: FunctionState, opcode: number): void {
  if (opcode === op.OP_DROP) {
    popAny(state)
    return
  }
  if (opcode === op.OP_SELECT_TYPED) return validateReference(state, opcode)
  pop(state, I32)
  const second = popAny(state)
  showOrigin(state.flow, state.origins[state.height])
  const first = popAny(state)
  showOrigin(state.flow, state.origins[state.height])
  if (isReference(first) || isReference(second)) {
    refuse('TYPE_MISMATCH', state.opcodeOffset, 'A select without a type takes numbers only.')
  }
  if (first !== second && first !== ANY_TYPE && second !== ANY_TYPE) {
    refuse('TYPE_MISMATCH', state.opcodeOffset, 'Both values of a select must have one type.')
  }
  push(state, first === ANY_TYPE ? second : first)
}

function validatePrefixed(state: FunctionState): void {
  const second = readU32(state.reader)
  const saturating = op.saturatingOpcodes[second]
  if (saturating !== undefined) return validateNumeric(state, saturating)
  state.facts.flowCount++
  validateBulk(state, second)
}

/** A call's effect on the stack, for `call` and `call_indirect`. */
export function applyFunctionType(state: FunctionState, type: FunctionType): void {
  state.facts.hasCall = true
  state.facts.flowCount++
  popAll(state, type.parameters)
  pushAll(state, type.results)
}
