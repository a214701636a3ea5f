// Carries out the edits of one function body: copies the guest's instructions and inserts charges, the
// stack meter and the canonical NaN between them. Nothing of the guest's is renumbered: locals, labels and
// indices stay.

import { writeByte, writeBytes, writeRange, writeSigned, writeU32, type ByteWriter } from './byte-writer.js'
import {
  EDIT_CHARGE,
  EDIT_DROP,
  EDIT_ENTRIES,
  EDIT_GROW,
  EDIT_LENGTH,
  EDIT_RETURN,
  type Edit,
} from './fuel-blocks.js'
import * as op from './opcodes.js'
import type { FunctionFacts } from './validate-function.js'
import { F32, F64, I64, type FunctionBody } from './wasm-types.js'

const I64_SUB = 0x7d
const I64_LT_S = 0x53
const I32_SUB = 0x6b
const I32_ADD = 0x6a
const I32_LT_S = 0x48
const F32_EQ = 0x5b
const F64_EQ = 0x61
const EMPTY = 0x40

/** The positive canonical NaN, little endian, as the deterministic profile of WebAssembly 3.0 has it. */
const canonicalNan32 = [0x00, 0x00, 0xc0, 0x7f]
const canonicalNan64 = [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x7f]

/**
 * A leaf with a frame up to this many bytes is not metered: one such frame at most lies above any other.
 */
export const LEAF_FRAME_BYTES_MAX = 512

/**
 * What every frame costs besides its locals and operands: return address, frame pointer, instance, spill
 * slots.
 */
export const FRAME_BYTES_FIXED = 64

/** Indices of what the instrumenter appends to the module. */
export interface AppendedIndices {
  readonly fuelGlobal: number
  readonly stackGlobal: number
  readonly faultGlobal: number
  /** Function index by charge kind; asking for one makes it be appended. */
  chargeFunction(kind: number): number
  /** Block type of `() -> results` in its signed LEB128 form. */
  blockType(results: readonly number[]): number
}

export interface FunctionRewrite {
  readonly bytes: Uint8Array
  readonly body: FunctionBody
  readonly facts: FunctionFacts
  readonly edits: readonly Edit[]
  readonly results: readonly number[]
  readonly appended: AppendedIndices
  readonly isNanCanonical: boolean
}

interface LocalSlots {
  readonly fuel: number
  readonly float: number
  readonly double: number
}

/** Bytes of stack height that a call of the function takes; 0 for an unmetered leaf. */
export function frameBytes(facts: FunctionFacts): number {
  const bytes = FRAME_BYTES_FIXED + facts.localBytes + facts.operandBytesMax
  return !facts.hasCall && bytes <= LEAF_FRAME_BYTES_MAX ? 0 : bytes
}

/** Writes the new body, without its length. */
export function rewriteFunction(out: ByteWriter, rewrite: FunctionRewrite): void {
  const { facts, edits, results, appended } = rewrite
  const slots = writeLocals(out, rewrite)
  const frame = frameBytes(facts)
  // The stack check comes before the entry block is charged: the global is exact there, so a trap by stack
  // leaves the fuel that was left at the call, never below zero, and the entry need not be settled for its
  // sake.
  if (frame > 0) writeStackEntry(out, frame, appended.stackGlobal)
  writeCharge(out, edits[0], slots, appended)
  if (frame > 0) {
    writeByte(out, op.OP_BLOCK)
    writeSigned(out, appended.blockType(results))
  }
  writeEdited(out, rewrite, slots, frame > 0)
  if (frame > 0) {
    writeStackExit(out, frame, appended.stackGlobal)
    writeByte(out, op.OP_END)
  }
}

function writeLocals(out: ByteWriter, rewrite: FunctionRewrite): LocalSlots {
  const { bytes, body, facts } = rewrite
  const points = rewrite.isNanCanonical ? facts.nanPoints : []
  const hasFloat = points.some((point) => !point.isDouble)
  const hasDouble = points.some((point) => point.isDouble)
  writeU32(out, body.locals.length + 1 + Number(hasFloat) + Number(hasDouble))
  writeRange(out, bytes, body.localsStart, body.codeStart)
  let next = facts.localCount
  const append = (type: number): number => {
    writeBytes(out, [1, type])
    return next++
  }
  const fuel = append(I64)
  return { fuel, float: hasFloat ? append(F32) : -1, double: hasDouble ? append(F64) : -1 }
}

/** Copies the code and inserts at each edit and each NaN point; both lists ascend. */
function writeEdited(
  out: ByteWriter,
  rewrite: FunctionRewrite,
  slots: LocalSlots,
  isWrapped: boolean,
): void {
  const { bytes, body, edits } = rewrite
  const points = rewrite.isNanCanonical ? rewrite.facts.nanPoints : []
  let position = body.codeStart
  let pointIndex = 0
  const copyTo = (end: number): void => {
    // A NaN point lies behind its instruction, hence before an edit at the same offset.
    for (; pointIndex < points.length && points[pointIndex].at <= end; pointIndex++) {
      const point = points[pointIndex]
      writeRange(out, bytes, position, point.at)
      position = point.at
      writeCanonical(out, point.isDouble, slots)
    }
    writeRange(out, bytes, position, end)
    position = end
  }
  for (let index = 1; index < edits.length; index++) {
    const edit = edits[index]
    copyTo(edit.at)
    if (!writeEdit(out, edit, rewrite, slots, isWrapped)) continue
    position = edit.until
    while (pointIndex < points.length && points[pointIndex].at <= position) pointIndex++
  }
  copyTo(body.end)
}

/** Writes one edit; true when the guest's bytes up to `until` are replaced. */
function writeEdit(
  out: ByteWriter,
  edit: Edit,
  rewrite: FunctionRewrite,
  slots: LocalSlots,
  isWrapped: boolean,
): boolean {
  const { appended } = rewrite
  switch (edit.kind) {
    case EDIT_CHARGE:
      writeCharge(out, edit, slots, appended)
      return false
    case EDIT_DROP:
      return true
    case EDIT_RETURN:
      if (!isWrapped) return false
      writeByte(out, op.OP_BR)
      writeU32(out, edit.price)
      return true
    case EDIT_LENGTH:
    case EDIT_ENTRIES:
    case EDIT_GROW:
      writeByte(out, op.OP_CALL)
      writeU32(out, appended.chargeFunction(edit.kind))
      return edit.kind === EDIT_GROW
    default:
      return false
  }
}

/**
 * `fuel -= price`, and when settling: store it, and trap below zero. The trap follows the store, so that
 * the host finds a negative global and knows the trap by it.
 */
function writeCharge(out: ByteWriter, edit: Edit, slots: LocalSlots, appended: AppendedIndices): void {
  const { price, isReloading, isSettling } = edit
  const isChanged = price > 0 || (isSettling && edit.isBehind)
  if (!isChanged && !isReloading) return
  writeByte(out, isReloading ? op.OP_GLOBAL_GET : op.OP_LOCAL_GET)
  writeU32(out, isReloading ? appended.fuelGlobal : slots.fuel)
  if (price > 0) {
    writeByte(out, op.OP_I64_CONST)
    writeSigned(out, price)
    writeByte(out, I64_SUB)
  }
  const isStored = isSettling && isChanged
  writeByte(out, isStored ? op.OP_LOCAL_TEE : op.OP_LOCAL_SET)
  writeU32(out, slots.fuel)
  if (isStored) writeSettle(out, slots.fuel, appended.fuelGlobal)
}

function writeSettle(out: ByteWriter, fuelLocal: number, fuelGlobal: number): void {
  writeByte(out, op.OP_GLOBAL_SET)
  writeU32(out, fuelGlobal)
  writeByte(out, op.OP_LOCAL_GET)
  writeU32(out, fuelLocal)
  writeBytes(out, [op.OP_I64_CONST, 0, I64_LT_S, op.OP_IF, EMPTY, op.OP_UNREACHABLE, op.OP_END])
}

function writeStackEntry(out: ByteWriter, frame: number, stackGlobal: number): void {
  writeStackChange(out, frame, stackGlobal, I32_SUB)
  writeByte(out, op.OP_GLOBAL_GET)
  writeU32(out, stackGlobal)
  writeBytes(out, [op.OP_I32_CONST, 0, I32_LT_S, op.OP_IF, EMPTY, op.OP_UNREACHABLE, op.OP_END])
}

function writeStackExit(out: ByteWriter, frame: number, stackGlobal: number): void {
  writeStackChange(out, frame, stackGlobal, I32_ADD)
}

function writeStackChange(out: ByteWriter, frame: number, stackGlobal: number, change: number): void {
  writeByte(out, op.OP_GLOBAL_GET)
  writeU32(out, stackGlobal)
  writeByte(out, op.OP_I32_CONST)
  writeSigned(out, frame)
  writeByte(out, change)
  writeByte(out, op.OP_GLOBAL_SET)
  writeU32(out, stackGlobal)
}

/** `x == x ? x : canonical` on the top of the stack. */
function writeCanonical(out: ByteWriter, isDouble: boolean, slots: LocalSlots): void {
  const slot = isDouble ? slots.double : slots.float
  writeByte(out, op.OP_LOCAL_TEE)
  writeU32(out, slot)
  writeByte(out, isDouble ? op.OP_F64_CONST : op.OP_F32_CONST)
  writeBytes(out, isDouble ? canonicalNan64 : canonicalNan32)
  writeByte(out, op.OP_LOCAL_GET)
  writeU32(out, slot)
  writeByte(out, op.OP_LOCAL_GET)
  writeU32(out, slot)
  writeByte(out, isDouble ? F64_EQ : F32_EQ)
  writeByte(out, op.OP_SELECT)
}
