// Splits a function body into basic blocks and prices them. The analysis gives a list of edits;
// rewrite-function.ts carries them out. Definition (runtime reference, section 3.1): fuel used at any exit
// = the prices of the blocks that were entered + run-time charges. A block ends at every branch, branch
// target, call and length-priced instruction, and its last instruction belongs to it. What cannot be
// reached is dropped.
//
// The fuel counter lives in a local; the global is brought up to date (*settled*) and checked at the head
// of each block that may trap, call, return or that heads a loop. Between settled points nothing can
// observe the global, so this is exact at every exit, and an exhausted slice is found before anything that
// could have been observed.

import { placeCharges, type BlockCharge } from './charge-placement.js'
import { createByteReader, readByte, readS33, readU32, skipBytes, type ByteReader } from './byte-reader.js'
import type { FuelSchedule } from './fuel-schedule.js'
import * as op from './opcodes.js'
import type { FunctionFacts } from './validate-function.js'
import type { FunctionBody, WasmModule } from './wasm-types.js'

/** Charge `price` at `at`, see the flags. */
export const EDIT_CHARGE = 0
/** Leave out the bytes from `at` to `until`. */
export const EDIT_DROP = 1
/** Replace the `return` at `at` by a branch to the label `price`. */
export const EDIT_RETURN = 2
/** Charge a length that lies on top of the stack, before the bulk memory instruction at `at`. */
export const EDIT_LENGTH = 3
/** The same before a table instruction. */
export const EDIT_ENTRIES = 4
/** Replace the `memory.grow` at `at`, up to `until`, by a call that charges. */
export const EDIT_GROW = 5

export interface Edit {
  readonly kind: number
  readonly at: number
  /** For drops and replacements: the first byte that is kept again. */
  until: number
  price: number
  /** Charge only: bring the global up to date and check it. */
  isSettling: boolean
  /** Charge only: the counter may have changed elsewhere; read the global first. */
  isReloading: boolean
  /** Charge only: the local may be behind the global when the block is entered. */
  isBehind: boolean
}

interface BlockFrame {
  readonly opcode: number
  /** Blocks that go on behind the frame's end. */
  readonly incoming: BlockCharge[]
  /** The head of a loop. */
  readonly head: BlockCharge | undefined
  /** The block of an `if`'s condition, until its `else` is met. */
  readonly condition: BlockCharge | undefined
}

interface Splitter {
  readonly module: WasmModule
  readonly schedule: FuelSchedule
  readonly reader: ByteReader
  readonly edits: Edit[]
  readonly blocks: BlockCharge[]
  readonly frames: BlockFrame[]
  /** The charge of the block at hand. */
  block: BlockCharge
  isReachable: boolean
}

/** The edits of one function body that type-checks, ascending by offset. */
export function splitIntoBlocks(
  module: WasmModule,
  body: FunctionBody,
  facts: FunctionFacts,
  schedule: FuelSchedule,
): Edit[] {
  const entry = createCharge(body.codeStart)
  entry.price = Math.max(0, facts.localCount - schedule.localsFree)
  entry.isReloading = true
  const splitter: Splitter = {
    module,
    schedule,
    reader: createByteReader(module.bytes, body.codeStart, body.end),
    edits: [entry],
    blocks: [entry],
    frames: [createFrame(op.OP_BLOCK)],
    block: entry,
    isReachable: true,
  }
  while (splitter.frames.length > 0) {
    if (splitter.isReachable) visitInstruction(splitter)
    else dropUnreachable(splitter)
  }
  placeCharges(splitter.blocks)
  return splitter.edits
}

function createEdit(kind: number, at: number): Edit {
  return { kind, at, until: at, price: 0, isSettling: false, isReloading: false, isBehind: false }
}

function createCharge(at: number): BlockCharge {
  // Written out: a spread here was a third of the instrumenter's time.
  return {
    kind: EDIT_CHARGE,
    at,
    until: at,
    price: 0,
    isSettling: false,
    isReloading: false,
    isBehind: false,
    predecessors: [],
    successors: [],
    isLoopHead: false,
  }
}

function createFrame(opcode: number, head?: BlockCharge, condition?: BlockCharge): BlockFrame {
  return { opcode, incoming: [], head, condition }
}

function connect(from: BlockCharge, to: BlockCharge): void {
  from.successors.push(to)
  to.predecessors.push(from)
}

function addEdit(splitter: Splitter, kind: number, at: number, price = 0): void {
  const edit = createEdit(kind, at)
  edit.price = price
  edit.until = splitter.reader.position
  splitter.edits.push(edit)
}

/** Begins a block at the reader's position that the given blocks lead to. */
function beginBlock(splitter: Splitter, predecessors: readonly BlockCharge[]): BlockCharge {
  const charge = createCharge(splitter.reader.position)
  for (const before of predecessors) connect(before, charge)
  splitter.edits.push(charge)
  splitter.blocks.push(charge)
  splitter.block = charge
  splitter.isReachable = true
  return charge
}

function visitInstruction(splitter: Splitter): void {
  const { reader, schedule, block } = splitter
  const at = reader.position
  const opcode = readByte(reader)
  if (opcode >= op.OP_NUMERIC_FIRST && opcode <= op.OP_NUMERIC_LAST) {
    const instruction = op.numericOpcodes[opcode]!
    block.price += instruction.isDivision ? schedule.division : schedule.plain
    if (instruction.mayTrap) block.isSettling = true
  } else if (opcode >= op.OP_LOAD_FIRST && opcode <= op.OP_STORE_LAST) {
    block.price += schedule.memoryAccess
    block.isSettling = true
    skipInteger(reader)
    skipInteger(reader)
  } else if (opcode <= op.OP_CALL_INDIRECT) {
    visitControl(splitter, opcode, at)
  } else if (opcode === op.OP_MEMORY_GROW) {
    skipBytes(reader, 1)
    block.price += schedule.memoryGrow
    endByCharge(splitter, EDIT_GROW, at)
  } else if (opcode === op.OP_PREFIX) {
    visitPrefixed(splitter, at)
  } else {
    block.price += schedule.plain
    if (opcode === op.OP_TABLE_GET || opcode === op.OP_TABLE_SET) block.isSettling = true
    skipImmediate(reader, opcode)
  }
}

/** Passes over a LEB128 of any width: the validator has read it. */
function skipInteger(reader: ByteReader): void {
  while (reader.bytes[reader.position++] >= 0x80);
}

function skipImmediate(reader: ByteReader, opcode: number): void {
  if (opcode === op.OP_F32_CONST) skipBytes(reader, 4)
  else if (opcode === op.OP_F64_CONST) skipBytes(reader, 8)
  else if (opcode === op.OP_SELECT_TYPED) skipBytes(reader, 2)
  else if (opcode >= op.OP_LOCAL_GET && opcode <= op.OP_I64_CONST) skipInteger(reader)
  else if (opcode === op.OP_REF_NULL || opcode === op.OP_REF_FUNC) skipInteger(reader)
}

function visitControl(splitter: Splitter, opcode: number, at: number): void {
  const { schedule, block, frames, reader } = splitter
  switch (opcode) {
    case op.OP_UNREACHABLE:
      block.price += schedule.plain
      block.isSettling = true
      splitter.isReachable = false
      return
    case op.OP_BLOCK:
    case op.OP_LOOP:
    case op.OP_IF:
      return visitBlock(splitter, opcode)
    case op.OP_ELSE:
      block.price += schedule.structure
      return beginElse(splitter)
    case op.OP_END:
      block.price += schedule.structure
      return visitEnd(splitter)
    case op.OP_BR:
      block.price += schedule.branch
      targetLabel(splitter, readU32(reader))
      splitter.isReachable = false
      return
    case op.OP_BR_IF:
      block.price += schedule.branch
      targetLabel(splitter, readU32(reader))
      beginBlock(splitter, [block])
      return
    case op.OP_BR_TABLE:
      return visitBranchTable(splitter)
    case op.OP_RETURN:
      block.price += schedule.branch
      block.isSettling = true
      addEdit(splitter, EDIT_RETURN, at, frames.length - 1)
      splitter.isReachable = false
      return
    case op.OP_CALL:
      skipInteger(reader)
      return endByCall(splitter, schedule.call)
    case op.OP_CALL_INDIRECT: {
      const type = splitter.module.types[readU32(reader)]
      skipInteger(reader)
      return endByCall(
        splitter,
        schedule.callIndirect + schedule.callIndirectArgument * type.parameters.length,
      )
    }
    default:
      // nop
      block.price += schedule.structure
  }
}

function visitBlock(splitter: Splitter, opcode: number): void {
  const { schedule, block, frames, reader } = splitter
  readS33(reader)
  block.price += opcode === op.OP_BLOCK ? schedule.structure : schedule.branch
  if (opcode === op.OP_BLOCK) {
    frames.push(createFrame(opcode))
    return
  }
  const inner = beginBlock(splitter, [block])
  if (opcode === op.OP_IF) {
    frames.push(createFrame(opcode, undefined, block))
    return
  }
  frames.push(createFrame(opcode, inner))
  inner.isLoopHead = true
  // A loop without a trap must still end when its fuel does.
  inner.isSettling = true
}

function beginElse(splitter: Splitter): void {
  const frame = splitter.frames.pop()!
  const arms = createFrame(op.OP_ELSE)
  arms.incoming.push(...frame.incoming)
  if (splitter.isReachable) arms.incoming.push(splitter.block)
  splitter.frames.push(arms)
  beginBlock(splitter, [frame.condition!])
}

function visitEnd(splitter: Splitter): void {
  const frame = splitter.frames.pop()!
  if (splitter.frames.length === 0) {
    // The end of the function: the caller sees the global.
    if (splitter.isReachable) splitter.block.isSettling = true
    return
  }
  const incoming = [...frame.incoming]
  // Without an else, the false case of an if goes on here.
  if (frame.condition !== undefined) incoming.push(frame.condition)
  if (incoming.length === 0 && splitter.isReachable) return
  if (splitter.isReachable) incoming.push(splitter.block)
  beginBlock(splitter, incoming)
}

function targetLabel(splitter: Splitter, depth: number): void {
  const { block, frames } = splitter
  const frame = frames[frames.length - 1 - depth]
  // A branch out of the function is an exit.
  if (depth === frames.length - 1) block.isSettling = true
  else if (frame.head !== undefined) connect(block, frame.head)
  else frame.incoming.push(block)
}

function visitBranchTable(splitter: Splitter): void {
  const { schedule, block, reader } = splitter
  const count = readU32(reader)
  block.price += schedule.branchTable + Math.floor(count / schedule.branchTableEntriesPerFuel)
  for (let left = count; left >= 0; left--) targetLabel(splitter, readU32(reader))
  splitter.isReachable = false
}

function endByCall(splitter: Splitter, price: number): void {
  const { block } = splitter
  block.price += price
  block.isSettling = true
  beginBlock(splitter, [block]).isReloading = true
}

function endByCharge(splitter: Splitter, kind: number, at: number): void {
  const { block } = splitter
  block.isSettling = true
  addEdit(splitter, kind, at)
  beginBlock(splitter, [block]).isReloading = true
}

function visitPrefixed(splitter: Splitter, at: number): void {
  const { schedule, block, reader } = splitter
  const second = readU32(reader)
  switch (second) {
    case op.BULK_MEMORY_INIT:
    case op.BULK_MEMORY_COPY:
    case op.BULK_MEMORY_FILL:
      block.price += schedule.bulk
      skipInteger(reader)
      if (second !== op.BULK_MEMORY_FILL) skipInteger(reader)
      return endByCharge(splitter, EDIT_LENGTH, at)
    case op.BULK_TABLE_INIT:
    case op.BULK_TABLE_COPY:
    case op.BULK_TABLE_GROW:
    case op.BULK_TABLE_FILL:
      block.price += schedule.table
      skipInteger(reader)
      if (second < op.BULK_TABLE_GROW) skipInteger(reader)
      return endByCharge(splitter, EDIT_ENTRIES, at)
    case op.BULK_DATA_DROP:
    case op.BULK_ELEM_DROP:
    case op.BULK_TABLE_SIZE:
      block.price += schedule.plain
      return skipInteger(reader)
    default:
      block.price += schedule.plain
    // Saturating conversions have no immediate and cannot trap.
  }
}

/** Leaves out what follows an unconditional jump, up to the `else` or `end` that closes its block. */
function dropUnreachable(splitter: Splitter): void {
  const { reader } = splitter
  const start = reader.position
  let depth = 0
  for (;;) {
    const at = reader.position
    const opcode = readByte(reader)
    if (depth === 0 && (opcode === op.OP_END || opcode === op.OP_ELSE)) {
      reader.position = at
      if (at > start) addEdit(splitter, EDIT_DROP, start)
      reader.position = at + 1
      if (opcode === op.OP_ELSE) beginElse(splitter)
      else visitEnd(splitter)
      return
    }
    if (opcode === op.OP_END) depth--
    else if (opcode >= op.OP_BLOCK && opcode <= op.OP_IF) depth++
    skipUnreachable(reader, opcode)
  }
}

function skipUnreachable(reader: ByteReader, opcode: number): void {
  if (opcode >= op.OP_NUMERIC_FIRST && opcode <= op.OP_NUMERIC_LAST) return
  if (opcode >= op.OP_LOAD_FIRST && opcode <= op.OP_STORE_LAST) {
    skipInteger(reader)
    return skipInteger(reader)
  }
  switch (opcode) {
    case op.OP_BLOCK:
    case op.OP_LOOP:
    case op.OP_IF:
    case op.OP_BR:
    case op.OP_BR_IF:
    case op.OP_CALL:
      return skipInteger(reader)
    case op.OP_BR_TABLE:
      for (let left = readU32(reader); left >= 0; left--) skipInteger(reader)
      return
    case op.OP_CALL_INDIRECT:
      skipInteger(reader)
      return skipInteger(reader)
    case op.OP_PREFIX:
      return skipPrefixed(reader)
    default:
      return skipImmediate(reader, opcode)
  }
}

function skipPrefixed(reader: ByteReader): void {
  const second = readU32(reader)
  if (second < op.BULK_MEMORY_INIT) return
  skipInteger(reader)
  const hasTwo = second === op.BULK_MEMORY_INIT || second === op.BULK_MEMORY_COPY
  if (hasTwo || second === op.BULK_TABLE_INIT || second === op.BULK_TABLE_COPY) skipInteger(reader)
}
