// Decoding and block prices of the plain interpreter: blocks are found by looking at all branches of a
// body.

import type { FuelSchedule } from './fuel-schedule.js'
import type { FunctionBody, FunctionType, WasmModule } from './wasm-types.js'

export interface Instruction {
  readonly opcode: number
  readonly second: number
  readonly immediate: number | bigint
  readonly labels: readonly number[]
  /** Index of the matching `end`, for block, loop, if and else. */
  end: number
  /** Index of the `else` of an `if`, or -1. */
  otherwise: number
  /** Values that the block takes and leaves. */
  readonly type: FunctionType
}

export interface Code {
  readonly instructions: readonly Instruction[]
  /** Price of the block that begins at an index, undefined where none does. */
  readonly prices: readonly (number | undefined)[]
  readonly type: FunctionType
  readonly localCount: number
  readonly localsWide: readonly boolean[]
}

/** The value type i64. */
export const WIDE = 0x7e

export function decodeBody(
  module: WasmModule,
  schedule: FuelSchedule,
  body: FunctionBody,
  typeIndex: number,
): Code {
  const { bytes } = module
  let position = body.codeStart
  const readInteger = (): bigint => {
    let value = 0n
    let shift = 0n
    for (;;) {
      const byte = bytes[position++]
      value |= BigInt(byte & 0x7f) << shift
      shift += 7n
      if (byte < 0x80) return (byte & 0x40) !== 0 ? value - (1n << shift) : value
    }
  }
  const readIndex = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[position++]
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  const instructions: Instruction[] = []
  const open: number[] = []
  while (position < body.end) {
    const opcode = bytes[position++]
    let immediate: number | bigint = 0
    let second = 0
    const labels: number[] = []
    let type: FunctionType = { parameters: [], results: [] }
    if (opcode === 0x41) immediate = Number(readInteger())
    else if (opcode === 0x42) immediate = readInteger()
    else if (opcode >= 0x02 && opcode <= 0x04) type = blockTypeOf(module, Number(readInteger()))
    else if (opcode === 0x0e) {
      for (let left = readIndex(); left >= 0; left--) labels.push(readIndex())
    } else if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10) immediate = readIndex()
    else if (opcode === 0x11) {
      immediate = readIndex()
      readIndex()
    } else if (opcode >= 0x20 && opcode <= 0x24) immediate = readIndex()
    else if (opcode >= 0x28 && opcode <= 0x3e) {
      readIndex()
      immediate = readIndex()
    } else if (opcode === 0x3f || opcode === 0x40) readIndex()
    else if (opcode === 0xfc) {
      second = readIndex()
      readIndex()
      if (second === 10) readIndex()
    }
    const index = instructions.length
    instructions.push({ opcode, second, immediate, labels, end: -1, otherwise: -1, type })
    if (opcode >= 0x02 && opcode <= 0x04) open.push(index)
    else if (opcode === 0x05) instructions[open[open.length - 1]].otherwise = index
    else if (opcode === 0x0b && open.length > 0) instructions[open.pop()!].end = index
  }
  const type = module.types[typeIndex]
  const localsWide = type.parameters.map((one) => one === WIDE)
  for (const { count, type: local } of body.locals) {
    for (let left = count; left > 0; left--) localsWide.push(local === WIDE)
  }
  const localCount = localsWide.length
  const prices = priceBlocks(module, schedule, instructions, localCount)
  return { instructions, prices, type, localCount, localsWide }
}

function blockTypeOf(module: WasmModule, value: number): FunctionType {
  if (value === -64) return { parameters: [], results: [] }
  return value >= 0 ? module.types[value] : { parameters: [], results: [0x7f] }
}

/**
 * Blocks begin at the entry, after branches, calls and length-priced instructions, and at branch targets.
 */
function priceBlocks(
  module: WasmModule,
  schedule: FuelSchedule,
  instructions: readonly Instruction[],
  localCount: number,
): (number | undefined)[] {
  const live = findLive(instructions)
  const begins = new Set<number>([0])
  const open: number[] = []
  instructions.forEach((instruction, index) => {
    const { opcode } = instruction
    if (opcode >= 0x02 && opcode <= 0x04) open.push(index)
    if (opcode === 0x0b) open.pop()
    if (!live.has(index)) return
    if (opcode === 0x03 || opcode === 0x04) begins.add(index + 1)
    if (opcode === 0x04)
      begins.add((instruction.otherwise >= 0 ? instruction.otherwise : instruction.end) + 1)
    // The end of the first arm jumps over the second one.
    if (opcode === 0x05) begins.add(instructions[open[open.length - 1]].end + 1)
    const isLengthPriced =
      opcode === 0x40 || (opcode === 0xfc && (instruction.second === 10 || instruction.second === 11))
    if (opcode === 0x0d || opcode === 0x10 || opcode === 0x11 || isLengthPriced) begins.add(index + 1)
    for (const depth of depthsOf(instruction)) {
      const target = open[open.length - 1 - depth]
      if (target === undefined) continue
      const header = instructions[target]
      begins.add(header.opcode === 0x03 ? target + 1 : header.end + 1)
    }
  })
  const prices: (number | undefined)[] = instructions.map(() => undefined)
  for (const start of begins) {
    if (!live.has(start)) continue
    let price = start === 0 ? Math.max(0, localCount - schedule.localsFree) : 0
    for (let index = start; index < instructions.length && live.has(index); index++) {
      if (index > start && begins.has(index)) break
      price += priceOf(module, schedule, instructions[index])
    }
    prices[start] = price
  }
  return prices
}

function depthsOf(instruction: Instruction): readonly number[] {
  if (instruction.opcode === 0x0c || instruction.opcode === 0x0d) return [Number(instruction.immediate)]
  return instruction.labels
}

/** Everything but what follows an unconditional jump, up to the end or else of its block. */
function findLive(instructions: readonly Instruction[]): Set<number> {
  const live = new Set<number>()
  let deadDepth = -1
  let depth = 0
  instructions.forEach(({ opcode }, index) => {
    if (deadDepth >= 0 && depth === deadDepth && (opcode === 0x0b || opcode === 0x05)) {
      // The closing word itself is not reached, what comes behind it may be.
      deadDepth = -1
    } else if (deadDepth < 0) live.add(index)
    if (opcode >= 0x02 && opcode <= 0x04) depth++
    if (opcode === 0x0b) depth--
    const isJump = opcode === 0x00 || opcode === 0x0c || opcode === 0x0e || opcode === 0x0f
    if (isJump && deadDepth < 0) deadDepth = depth
  })
  return live
}

function priceOf(module: WasmModule, schedule: FuelSchedule, instruction: Instruction): number {
  const { opcode } = instruction
  if (opcode === 0x01 || opcode === 0x02 || opcode === 0x05 || opcode === 0x0b) return schedule.structure
  if (opcode === 0x03 || opcode === 0x04 || opcode === 0x0c || opcode === 0x0d || opcode === 0x0f)
    return schedule.branch
  if (opcode === 0x0e) {
    const entries = instruction.labels.length - 1
    return schedule.branchTable + Math.floor(entries / schedule.branchTableEntriesPerFuel)
  }
  if (opcode === 0x10) return schedule.call
  if (opcode === 0x11) {
    const { parameters } = module.types[Number(instruction.immediate)]
    return schedule.callIndirect + schedule.callIndirectArgument * parameters.length
  }
  if (opcode >= 0x28 && opcode <= 0x3e) return schedule.memoryAccess
  if (opcode === 0x40) return schedule.memoryGrow
  if (opcode === 0xfc)
    return instruction.second === 10 || instruction.second === 11 ? schedule.bulk : schedule.plain
  const isDivision = (opcode >= 0x6d && opcode <= 0x70) || (opcode >= 0x7f && opcode <= 0x82)
  return isDivision ? schedule.division : schedule.plain
}
