// A plain interpreter that counts fuel by the definition (runtime reference, section 3.1) and shares
// nothing with the instrumenter but the price table: instructions are decoded into a list, blocks are found
// by looking at all branches, and each block is charged when it is entered. Slow and simple on purpose.
// Covers integers, control, calls, memory.

import type { FuelSchedule } from './fuel-schedule.js'
import { binary32, binary64, Trap } from './reference-arithmetic.fixture.js'
import { decodeBody, WIDE, type Code, type Instruction } from './reference-code.fixture.js'
import type { WasmModule } from './wasm-types.js'

export type InterpretedOutcome =
  | { readonly kind: 'values'; readonly values: readonly (number | bigint)[]; readonly fuelUsed: number }
  | { readonly kind: 'trap' | 'fuel'; readonly fuelUsed: number }

interface Label {
  readonly opcode: number
  readonly arity: number
  readonly height: number
  /** Where a branch to the label goes on. */
  readonly target: number
}

class OutOfFuel extends Error {}

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
