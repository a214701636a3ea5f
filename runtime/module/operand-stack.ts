// The validator's operand and control stacks (WebAssembly 2.0, appendix 7.3, the specification's own
// algorithm), kept iterative: nesting costs memory of ours, never native stack.

import type { ByteReader } from './byte-reader.js'
import { ORIGIN_CLEAN, showOrigin, type NanFlow } from './nan-flow.js'
import { OP_LOOP } from './opcodes.js'
import { refuse } from './refusal.js'
import { typeName, type FunctionType, type ValueType, type WasmModule } from './wasm-types.js'

/** The type of an operand that unreachable code leaves open. */
export const ANY_TYPE = 0

export interface ControlFrame {
  readonly opcode: number
  readonly startTypes: readonly ValueType[]
  readonly endTypes: readonly ValueType[]
  /** Operands below the frame. */
  readonly height: number
  isUnreachable: boolean
}

/** What the module offers to its functions. */
export interface ModuleContext {
  readonly module: WasmModule
  readonly functionTypes: readonly FunctionType[]
  /** 1 for each function that `ref.func` may name. */
  readonly isReferenced: Uint8Array
}

export interface FunctionState {
  readonly context: ModuleContext
  readonly reader: ByteReader
  readonly locals: Uint8Array
  readonly flow: NanFlow
  readonly facts: FactsDraft
  operands: Uint8Array
  origins: Int32Array
  height: number
  bytes: number
  readonly frames: ControlFrame[]
  frame: ControlFrame
  /** Offset of the instruction at hand, for messages. */
  opcodeOffset: number
}

/** What the policy and the rewriter want to know of a function. */
export interface FactsDraft {
  /** Largest operand height in bytes by type (i32, f32: 4; others 8). */
  operandBytesMax: number
  controlCount: number
  /** Control instructions, branches, entries of branch tables, calls, and what is charged by its length. */
  flowCount: number
  depthMax: number
  branchTableMax: number
  branchTableTotal: number
  hasCall: boolean
  /** The first instruction outside the contract allow-list, or -1. */
  restrictedOpcode: number
  restrictedSecond: number
  restrictedOffset: number
}

const typeBytes = new Uint8Array(128).fill(8)
typeBytes[ANY_TYPE] = 0
typeBytes[0x7f] = 4
typeBytes[0x7d] = 4

/** Bytes that a value of the type counts for in a frame. */
export function valueBytes(type: number): number {
  return typeBytes[type]
}

export function push(state: FunctionState, type: number, origin = ORIGIN_CLEAN): void {
  if (state.height === state.operands.length) growOperands(state)
  state.operands[state.height] = type
  state.origins[state.height++] = origin
  state.bytes += typeBytes[type]
  if (state.bytes > state.facts.operandBytesMax) state.facts.operandBytesMax = state.bytes
}

function growOperands(state: FunctionState): void {
  const operands = new Uint8Array(state.height * 2)
  operands.set(state.operands)
  state.operands = operands
  const origins = new Int32Array(state.height * 2)
  origins.set(state.origins)
  state.origins = origins
}

/** Takes an operand whatever its type is; its origin stays in `state.origins[state.height]`. */
export function popAny(state: FunctionState): number {
  if (state.height === state.frame.height) {
    if (!state.frame.isUnreachable) refuseOperand(state, 'a value', 'nothing')
    state.origins[state.height] = ORIGIN_CLEAN
    return ANY_TYPE
  }
  const type = state.operands[--state.height]
  state.bytes -= typeBytes[type]
  return type
}

/** Takes an operand of the type and returns its origin, without showing it. */
export function popHidden(state: FunctionState, expected: number): number {
  const type = popAny(state)
  if (type !== expected && type !== ANY_TYPE && expected !== ANY_TYPE) {
    refuseOperand(state, typeName(expected), typeName(type))
  }
  return state.origins[state.height]
}

/** Takes an operand of the type for a use that shows a NaN's bits. */
export function pop(state: FunctionState, expected: number): void {
  const origin = popHidden(state, expected)
  if (origin >= 0) showOrigin(state.flow, origin)
}

export function popAll(state: FunctionState, types: readonly ValueType[]): void {
  for (let index = types.length - 1; index >= 0; index--) pop(state, types[index])
}

export function pushAll(state: FunctionState, types: readonly ValueType[]): void {
  for (const type of types) push(state, type)
}

function refuseOperand(state: FunctionState, expected: string, found: string): never {
  const text = `The instruction expects ${expected} on the stack and finds ${found}.`
  return refuse('TYPE_MISMATCH', state.opcodeOffset, text)
}

export function pushFrame(
  state: FunctionState,
  opcode: number,
  startTypes: readonly ValueType[],
  endTypes: readonly ValueType[],
): void {
  state.frame = { opcode, startTypes, endTypes, height: state.height, isUnreachable: false }
  state.frames.push(state.frame)
  if (opcode === OP_LOOP) state.flow.loopDepth++
  state.facts.controlCount++
  state.facts.flowCount++
  // The function's own frame is not a control instruction.
  if (state.frames.length - 1 > state.facts.depthMax) state.facts.depthMax = state.frames.length - 1
  pushAll(state, startTypes)
}

/** Ends the innermost frame: exactly its result types must be left. */
export function popFrame(state: FunctionState): ControlFrame {
  const { frame } = state
  popAll(state, frame.endTypes)
  if (state.height !== frame.height) {
    refuse('TYPE_MISMATCH', state.opcodeOffset, 'A block ends with more values than its type names.')
  }
  state.frames.pop()
  if (frame.opcode === OP_LOOP) state.flow.loopDepth--
  state.frame = state.frames[state.frames.length - 1]!
  return frame
}

export function labelTypes(frame: ControlFrame): readonly ValueType[] {
  return frame.opcode === OP_LOOP ? frame.startTypes : frame.endTypes
}

/** What follows is never reached: operands become whatever is asked for. */
export function setUnreachable(state: FunctionState): void {
  while (state.height > state.frame.height) state.bytes -= typeBytes[state.operands[--state.height]]
  state.frame.isUnreachable = true
}
