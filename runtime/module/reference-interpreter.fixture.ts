// A plain interpreter that counts fuel by the definition (runtime reference, section 3.1) and shares
// nothing with the instrumenter but the price table: instructions are decoded into a list, blocks are found
// by looking at all branches, and each block is charged when it is entered. Slow and simple on purpose.
// Covers integers, control, calls, memory.

import type { FuelSchedule } from './fuel-schedule.js'
import type { FunctionBody, FunctionType, WasmModule } from './wasm-types.js'

export type InterpretedOutcome =
  | { readonly kind: 'values'; readonly values: readonly (number | bigint)[]; readonly fuelUsed: number }
  | { readonly kind: 'trap' | 'fuel'; readonly fuelUsed: number }

interface Instruction {
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

interface Code {
  readonly instructions: readonly Instruction[]
  /** Price of the block that begins at an index, undefined where none does. */
  readonly prices: readonly (number | undefined)[]
  readonly type: FunctionType
  readonly localCount: number
  readonly localsWide: readonly boolean[]
}

interface Label {
  readonly opcode: number
  readonly arity: number
  readonly height: number
  /** Where a branch to the label goes on. */
  readonly target: number
}

class Trap extends Error {}
class OutOfFuel extends Error {}

const WIDE = 0x7e

export interface Interpreter {
  readonly memory: DataView
  call(name: string, values: readonly (number | bigint)[], fuel: number): InterpretedOutcome
}

interface Machine {
  readonly module: WasmModule
  readonly schedule: FuelSchedule
  readonly codes: readonly Code[]
  readonly globals: (number | bigint)[]
  readonly table: readonly number[]
  memory: DataView
  pagesMax: number
  fuel: number
}

export function createInterpreter(
  module: WasmModule,
  schedule: FuelSchedule,
  pagesMax: number,
): Interpreter {
  const pages = module.memories[0]?.limits.minimum ?? 0
  const machine: Machine = {
    module,
    schedule,
    codes: module.bodies.map((body, index) => decodeBody(module, schedule, body, module.functions[index])),
    globals: module.globals.map((global) => {
      const value = global.initial!.instructions[0].immediate
      return global.value === WIDE ? BigInt(value) : value
    }),
    table: module.elements.flatMap((segment) =>
      segment.items.map((item) => item.instructions[0].immediate),
    ),
    memory: new DataView(new ArrayBuffer(pages * 65_536)),
    pagesMax: Math.min(module.memories[0]?.limits.maximum ?? pagesMax, pagesMax),
    fuel: 0,
  }
  return {
    get memory() {
      return machine.memory
    },
    call: (name, values, fuel) => {
      machine.fuel = fuel
      const index = module.exports.find((item) => item.name === name)!.index
      try {
        const results = callFunction(machine, index, values)
        return { kind: 'values', values: results, fuelUsed: fuel - machine.fuel }
      } catch (error) {
        if (error instanceof OutOfFuel) return { kind: 'fuel', fuelUsed: fuel }
        if (error instanceof Trap) return { kind: 'trap', fuelUsed: fuel - machine.fuel }
        throw error
      }
    },
  }
}

function charge(machine: Machine, price: number): void {
  if (price > machine.fuel) throw new OutOfFuel()
  machine.fuel -= price
}

// Decoding

function decodeBody(
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

// Running

function callFunction(
  machine: Machine,
  index: number,
  values: readonly (number | bigint)[],
): (number | bigint)[] {
  const code = machine.codes[index]
  const locals = [...values]
  for (let local = values.length; local < code.localCount; local++)
    locals.push(code.localsWide[local] ? 0n : 0)
  const stack: (number | bigint)[] = []
  const labels: Label[] = [
    { opcode: 0x02, arity: code.type.results.length, height: 0, target: code.instructions.length },
  ]
  let position = 0
  while (position < code.instructions.length) {
    const price = code.prices[position]
    if (price !== undefined) charge(machine, price)
    position = step(machine, code, locals, stack, labels, position)
  }
  return stack.slice(stack.length - code.type.results.length)
}

function step(
  machine: Machine,
  code: Code,
  locals: (number | bigint)[],
  stack: (number | bigint)[],
  labels: Label[],
  position: number,
): number {
  const instruction = code.instructions[position]
  const { opcode } = instruction
  const branch = (depth: number): number => {
    const target = labels.length - 1 - depth
    const label = labels[target]
    const kept = stack.splice(stack.length - label.arity, label.arity)
    stack.length = label.height
    stack.push(...kept)
    labels.length = label.opcode === 0x03 ? target + 1 : target
    return label.target
  }
  switch (opcode) {
    case 0x00:
      throw new Trap()
    case 0x02:
    case 0x03:
    case 0x04: {
      const isTaken = opcode !== 0x04 || stack.pop() !== 0
      if (!isTaken && instruction.otherwise < 0) return instruction.end + 1
      const isLoop = opcode === 0x03
      labels.push({
        opcode,
        arity: isLoop ? instruction.type.parameters.length : instruction.type.results.length,
        height: stack.length - instruction.type.parameters.length,
        target: isLoop ? position + 1 : instruction.end + 1,
      })
      return isTaken ? position + 1 : instruction.otherwise + 1
    }
    case 0x05:
      return labels.pop()!.target
    case 0x0b:
      labels.pop()
      return position + 1
    case 0x0c:
      return branch(Number(instruction.immediate))
    case 0x0d:
      return stack.pop() === 0 ? position + 1 : branch(Number(instruction.immediate))
    case 0x0e: {
      const chosen = Number(stack.pop()) >>> 0
      return branch(instruction.labels[Math.min(chosen, instruction.labels.length - 1)])
    }
    case 0x0f:
      return branch(labels.length - 1)
    default:
      runPlain(machine, instruction, locals, stack)
      return position + 1
  }
}

function runPlain(
  machine: Machine,
  instruction: Instruction,
  locals: (number | bigint)[],
  stack: (number | bigint)[],
): void {
  const { opcode } = instruction
  const immediate = Number(instruction.immediate)
  if (opcode === 0x01) return
  if (opcode === 0x10) return callInto(machine, immediate, stack)
  if (opcode === 0x11) {
    const index = machine.table[Number(stack.pop()) >>> 0]
    if (index === undefined) throw new Trap()
    if (machine.module.functions[index] !== immediate) throw new Trap()
    return callInto(machine, index, stack)
  }
  if (opcode === 0x1a) stack.pop()
  else if (opcode === 0x1b) {
    const [first, second, condition] = stack.splice(stack.length - 3, 3)
    stack.push(condition !== 0 ? first : second)
  } else if (opcode === 0x20) stack.push(locals[immediate])
  else if (opcode === 0x21) locals[immediate] = stack.pop()!
  else if (opcode === 0x22) locals[immediate] = stack[stack.length - 1]!
  else if (opcode === 0x23) stack.push(machine.globals[immediate])
  else if (opcode === 0x24) machine.globals[immediate] = stack.pop()!
  else if (opcode === 0x41 || opcode === 0x42) stack.push(instruction.immediate)
  else if (opcode >= 0x28 && opcode <= 0x3e) runAccess(machine, opcode, immediate, stack)
  else if (opcode === 0x3f) stack.push(machine.memory.byteLength / 65_536)
  else if (opcode === 0x40) stack.push(growMemory(machine, Number(stack.pop()) >>> 0))
  else if (opcode === 0xfc) runBulk(machine, instruction.second, stack)
  else if (opcode === 0x45) stack.push(Number(stack.pop() === 0))
  else if (opcode === 0x50) stack.push(Number(stack.pop() === 0n))
  else if (opcode === 0xa7) stack.push(Number(BigInt.asIntN(32, stack.pop() as bigint)))
  else if (opcode === 0xac) stack.push(BigInt(stack.pop()!))
  else if (opcode === 0xad) stack.push(BigInt(Number(stack.pop()) >>> 0))
  else {
    const right = stack.pop()!
    const left = stack.pop()!
    stack.push(
      typeof left === 'number'
        ? binary32(opcode, left, Number(right))
        : binary64(opcode, left, right as bigint),
    )
  }
}

function callInto(machine: Machine, index: number, stack: (number | bigint)[]): void {
  const { parameters } = machine.module.types[machine.module.functions[index]]
  const values = stack.splice(stack.length - parameters.length, parameters.length)
  stack.push(...callFunction(machine, index, values))
}

function runAccess(machine: Machine, opcode: number, offset: number, stack: (number | bigint)[]): void {
  const value = opcode >= 0x36 ? stack.pop()! : 0
  const address = (Number(stack.pop()) >>> 0) + offset
  const { memory } = machine
  const need = (bytes: number): void => {
    if (address + bytes > memory.byteLength) throw new Trap()
  }
  switch (opcode) {
    case 0x28:
      need(4)
      stack.push(memory.getInt32(address, true))
      return
    case 0x29:
      need(8)
      stack.push(memory.getBigInt64(address, true))
      return
    case 0x2d:
      need(1)
      stack.push(memory.getUint8(address))
      return
    case 0x36:
      need(4)
      return memory.setInt32(address, Number(value), true)
    case 0x37:
      need(8)
      return memory.setBigInt64(address, BigInt(value), true)
    case 0x3a:
      need(1)
      return memory.setUint8(address, Number(value) & 0xff)
    default:
      throw new Error(`no access ${opcode}`)
  }
}

function growMemory(machine: Machine, delta: number): number {
  const pages = machine.memory.byteLength / 65_536
  if (delta > machine.pagesMax - pages) return -1
  charge(machine, delta * machine.schedule.memoryGrowPage)
  const bytes = new Uint8Array((pages + delta) * 65_536)
  bytes.set(new Uint8Array(machine.memory.buffer))
  machine.memory = new DataView(bytes.buffer)
  return pages
}

function runBulk(machine: Machine, second: number, stack: (number | bigint)[]): void {
  const [target, source, length] = stack.splice(stack.length - 3, 3).map((value) => Number(value) >>> 0)
  charge(machine, Math.ceil(length / 2 ** machine.schedule.bulkBytesPerFuelLog2))
  const bytes = new Uint8Array(machine.memory.buffer)
  if (target + length > bytes.length) throw new Trap()
  if (second === 11) {
    bytes.fill(source & 0xff, target, target + length)
    return
  }
  if (source + length > bytes.length) throw new Trap()
  bytes.copyWithin(target, source, source + length)
}

function binary32(opcode: number, left: number, right: number): number {
  const a = left >>> 0
  const b = right >>> 0
  const compares = [
    left === right,
    left !== right,
    left < right,
    a < b,
    left > right,
    a > b,
    left <= right,
    a <= b,
    left >= right,
    a >= b,
  ]
  if (opcode >= 0x46 && opcode <= 0x4f) return Number(compares[opcode - 0x46])
  const result = BigInt.asIntN(32, arithmetic(opcode - 0x6a, BigInt(left), BigInt(right), 32))
  return Number(result)
}

function binary64(opcode: number, left: bigint, right: bigint): number | bigint {
  const a = BigInt.asUintN(64, left)
  const b = BigInt.asUintN(64, right)
  const compares = [
    left === right,
    left !== right,
    left < right,
    a < b,
    left > right,
    a > b,
    left <= right,
    a <= b,
    left >= right,
    a >= b,
  ]
  if (opcode >= 0x51 && opcode <= 0x5a) return Number(compares[opcode - 0x51])
  return BigInt.asIntN(64, arithmetic(opcode - 0x7c, left, right, 64))
}

/** add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr, on signed operands. */
function arithmetic(operation: number, left: bigint, right: bigint, width: number): bigint {
  const a = BigInt.asUintN(width, left)
  const b = BigInt.asUintN(width, right)
  const shift = b % BigInt(width)
  if (operation >= 3 && operation <= 6 && right === 0n) throw new Trap()
  if (operation === 3 && left === -(1n << BigInt(width - 1)) && right === -1n) throw new Trap()
  const rotated = (by: bigint): bigint => (a << by) | (a >> (BigInt(width) - by))
  const results: (() => bigint)[] = [
    () => left + right,
    () => left - right,
    () => left * right,
    () => left / right,
    () => a / b,
    () => left % right,
    () => a % b,
    () => a & b,
    () => a | b,
    () => a ^ b,
    () => a << shift,
    () => left >> shift,
    () => a >> shift,
    () => rotated(shift),
    () => rotated((BigInt(width) - shift) % BigInt(width)),
  ]
  const run = results[operation]
  if (run === undefined) throw new Error(`no operation ${operation}`)
  return run()
}
