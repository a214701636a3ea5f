// The functions that the instrumenter appends for operations whose price depends on a run-time length
// (runtime reference, section 3.4). Each charges before the operation and traps below zero.

import {
  createByteWriter,
  takeBytes,
  writeByte,
  writeBytes,
  writeSigned,
  writeU32,
  type ByteWriter,
} from './byte-writer.js'
import { EDIT_ENTRIES, EDIT_GROW, EDIT_LENGTH } from './fuel-blocks.js'
import type { FuelSchedule } from './fuel-schedule.js'
import * as op from './opcodes.js'

const I64_EXTEND_I32_U = 0xad
const I64_ADD = 0x7c
const I64_SUB = 0x7d
const I64_MUL = 0x7e
const I64_SHR_U = 0x88
const I64_LT_S = 0x53
const I32_SUB = 0x6b
const I32_GT_U = 0x4b
const I32_EQ = 0x46
const EMPTY = 0x40

export interface ChargeContext {
  readonly schedule: FuelSchedule
  readonly fuelGlobal: number
  readonly faultGlobal: number
  /** Pages of the memory's forced maximum; undefined when the memory is imported (policy off). */
  readonly memoryPagesMax: number | undefined
}

/** The body of a charge function `(i32) -> (i32)`, its local count included, its length not. */
export function chargeFunctionBody(kind: number, context: ChargeContext): Uint8Array {
  const out = createByteWriter(64)
  writeByte(out, 0)
  const { schedule } = context
  if (kind === EDIT_LENGTH) {
    // Rounded up to whole fuel: (length + 2^n - 1) >> n.
    writeFuelLess(out, context, () => {
      writeLength(out)
      writeByte(out, op.OP_I64_CONST)
      writeSigned(out, 2 ** schedule.bulkBytesPerFuelLog2 - 1)
      writeByte(out, I64_ADD)
      writeBytes(out, [op.OP_I64_CONST, schedule.bulkBytesPerFuelLog2, I64_SHR_U])
    })
    writeBytes(out, [op.OP_LOCAL_GET, 0])
  } else if (kind === EDIT_ENTRIES) {
    writeFuelLess(out, context, () => writeLength(out))
    writeBytes(out, [op.OP_LOCAL_GET, 0])
  } else if (kind === EDIT_GROW) {
    writeGrow(out, context)
  }
  writeByte(out, op.OP_END)
  return takeBytes(out)
}

/** The parameter as an unsigned 64-bit number. */
function writeLength(out: ByteWriter): void {
  writeBytes(out, [op.OP_LOCAL_GET, 0, I64_EXTEND_I32_U])
}

function writeFuelLess(out: ByteWriter, context: ChargeContext, writeAmount: () => void): void {
  writeByte(out, op.OP_GLOBAL_GET)
  writeU32(out, context.fuelGlobal)
  writeAmount()
  writeByte(out, I64_SUB)
  writeByte(out, op.OP_GLOBAL_SET)
  writeU32(out, context.fuelGlobal)
  writeByte(out, op.OP_GLOBAL_GET)
  writeU32(out, context.fuelGlobal)
  writeBytes(out, [op.OP_I64_CONST, 0, I64_LT_S, op.OP_IF, EMPTY, op.OP_UNREACHABLE, op.OP_END])
}

/**
 * Grows the memory by `delta` pages. Beyond the maximum the answer is -1 as specified and only the base is
 * paid; below it each page is paid first, and a refusal by the host sets the fault flag and traps: it must
 * never look like a result.
 */
function writeGrow(out: ByteWriter, context: ChargeContext): void {
  const { schedule, memoryPagesMax } = context
  if (memoryPagesMax !== undefined) {
    writeBytes(out, [op.OP_LOCAL_GET, 0])
    writeByte(out, op.OP_I32_CONST)
    writeSigned(out, memoryPagesMax)
    writeBytes(out, [op.OP_MEMORY_SIZE, 0, I32_SUB, I32_GT_U])
    writeBytes(out, [op.OP_IF, EMPTY, op.OP_I32_CONST, 0x7f, op.OP_RETURN, op.OP_END])
  }
  writeFuelLess(out, context, () => {
    writeLength(out)
    writeByte(out, op.OP_I64_CONST)
    writeSigned(out, schedule.memoryGrowPage)
    writeByte(out, I64_MUL)
  })
  writeBytes(out, [op.OP_LOCAL_GET, 0, op.OP_MEMORY_GROW, 0])
  if (memoryPagesMax === undefined) return
  writeBytes(out, [op.OP_LOCAL_TEE, 0, op.OP_I32_CONST, 0x7f, I32_EQ, op.OP_IF, EMPTY, op.OP_I32_CONST, 1])
  writeByte(out, op.OP_GLOBAL_SET)
  writeU32(out, context.faultGlobal)
  writeBytes(out, [op.OP_UNREACHABLE, op.OP_END, op.OP_LOCAL_GET, 0])
}
