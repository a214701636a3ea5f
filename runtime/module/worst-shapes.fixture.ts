// The dearest modules that are still admitted. Each shape is a function as large as a limit lets it be, and
// as many of them as a module may hold; one step more of either is refused with the code that it names.
// `npm run bench -- worst-compile` measures them, `compile-bombs.test.ts` tries both sides of each edge.

import {
  createByteWriter,
  takeBytes,
  writeByte,
  writeBytes,
  writeSigned,
  writeU32,
  type ByteWriter,
} from './byte-writer.js'
import type { ModuleRefusalCode } from './refusal.js'

const I32 = 0x7f
const I64 = 0x7e
const F64 = 0x7c

interface FunctionShape {
  readonly parameters?: readonly number[]
  readonly locals?: readonly (readonly [count: number, type: number])[]
  /** Instructions without the last `end`. */
  readonly body: readonly number[]
}

export interface WorstShape {
  readonly name: string
  /** The function with this many of what it repeats. */
  readonly one: (count: number) => FunctionShape
  /** The largest count that is admitted, and what one more is refused with. */
  readonly count: number
  readonly code: ModuleRefusalCode
  /** Functions that are admitted at that count, and what one more is refused with. */
  readonly copies: number
  readonly moduleCode: ModuleRefusalCode
}

const built = (write: (out: ByteWriter) => void): Uint8Array => {
  const out = createByteWriter()
  write(out)
  return takeBytes(out)
}

const integer = (value: number): number[] => [...built((out) => writeU32(out, value))]
const constant = (value: number): number[] => [0x41, ...built((out) => writeSigned(out, value))]
const repeat = (count: number, one: readonly number[] | ((index: number) => readonly number[])): number[] =>
  Array.from({ length: count }, (_, index) => (typeof one === 'function' ? one(index) : one)).flat()
const get = (index: number): number[] => [0x20, ...integer(index)]
const set = (index: number): number[] => [0x21, ...integer(index)]
const block = [0x02, 0x40]
const loop = [0x03, 0x40]
const end = 0x0b
const branchIf = [...get(0), 0x0d, 0]
const table = (targets: readonly number[], otherwise: number): number[] => [
  ...[...get(0), 0x0e, ...integer(targets.length)],
  ...[...targets.flatMap(integer), ...integer(otherwise)],
]
const increment = (index: number): number[] => [...get(index), 0x41, 1, 0x6a, ...set(index)]

function bodyOf({ locals = [], body }: FunctionShape): Uint8Array {
  return built((out) => {
    writeU32(out, locals.length)
    for (const [count, type] of locals) {
      writeU32(out, count)
      writeByte(out, type)
    }
    writeBytes(out, body)
    writeByte(out, end)
  })
}

/**
 * A contract of this function, many times: a memory of a page, a table that holds the first one, a section of
 * ours. `serial` makes bytes that no compiler has seen yet: the engine keeps what it compiled.
 */
export function worstModule(shape: WorstShape, count: number, copies: number, serial = 0): Uint8Array {
  const one = shape.one(count)
  const body = bodyOf(one)
  return built((out) => {
    const section = (id: number, write: (inner: ByteWriter) => void): void => {
      const inner = built(write)
      writeByte(out, id)
      writeU32(out, inner.length)
      writeBytes(out, inner)
    }
    writeBytes(out, [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    const { parameters = [] } = one
    section(1, (inner) => writeBytes(inner, [1, 0x60, parameters.length, ...parameters, 0]))
    section(3, (inner) => {
      writeU32(inner, copies)
      for (let index = 0; index < copies; index++) writeByte(inner, 0)
    })
    section(4, (inner) => writeBytes(inner, [1, 0x70, 1, 1, 1]))
    section(5, (inner) => writeBytes(inner, [1, 0, 1]))
    section(7, (inner) => writeBytes(inner, [1, 6, ...Buffer.from('memory'), 2, 0]))
    section(9, (inner) => writeBytes(inner, [1, 0, 0x41, 0, 0x0b, 1, 0]))
    section(10, (inner) => {
      writeU32(inner, copies)
      for (let index = 0; index < copies; index++) {
        writeU32(inner, body.length)
        writeBytes(inner, body)
      }
    })
    section(0, (inner) => writeBytes(inner, [9, ...Buffer.from('wardchain'), ...integer(2 ** 28 + serial)]))
  })
}

const parameters = [I32]
const locals99 = [[99, I32]] as const
/** Sets 99 locals to a constant: each edge into a merge point then has to store them. */
const constants = (value: number): number[] =>
  repeat(99, (index) => [...constant(value), ...set(index + 1)])

/** Blocks with branch tables inside: each entry leaves another block, 99 locals changed since. */
function tablesAcross(depth: number, entries: number, isEachChanged: boolean): number[] {
  const targets = (count: number): number[] =>
    Array.from({ length: count }, (_, index) => 1 + (index % depth))
  const per = isEachChanged ? depth : 1_024
  return [
    ...repeat(depth, block),
    ...repeat(Math.ceil(entries / per), (index) => [
      ...(isEachChanged ? constants(index) : []),
      ...[...block, ...table(targets(Math.min(per, entries - index * per)), 0), end],
    ]),
    ...repeat(depth, [end]),
  ]
}

/** Instructions that carry nothing but their bytes: they fill a body to its last byte. */
const filled = (piece: readonly number[], bytes: number): number[] => {
  const pieces = Math.floor(bytes / piece.length)
  return [...repeat(pieces, piece), ...repeat(bytes - pieces * piece.length, [0x01])]
}

const floats = [...get(0), ...get(1), 0xa2, ...get(2), 0xa0, ...set(3), 0x41, 8, ...get(3), 0x39, 3, 0]

export const worstShapes: readonly WorstShape[] = [
  {
    name: 'straight lines',
    one: (count) => ({ parameters, body: filled(increment(0), count) }),
    ...{ count: 32_766, code: 'LIMIT_BODY_BYTES', copies: 15, moduleCode: 'LIMIT_MODULE_BYTES' },
  },
  {
    name: 'float arithmetic',
    one: (count) => ({ locals: [[6, F64]], body: filled(floats, count) }),
    ...{
      count: 32_758,
      code: 'LIMIT_INSTRUMENTED_BODY_BYTES',
      copies: 15,
      moduleCode: 'LIMIT_MODULE_BYTES',
    },
  },
  {
    name: 'loads and stores',
    one: (count) => ({ parameters, body: repeat(count, [0x41, 0, ...get(0), 0x28, 2, 0, 0x36, 2, 0]) }),
    ...{ count: 3_276, code: 'LIMIT_BODY_BYTES', copies: 15, moduleCode: 'LIMIT_MODULE_BYTES' },
  },
  {
    name: 'conditional branches',
    one: (count) => ({ parameters, body: [...block, ...repeat(count, branchIf), end] }),
    ...{ count: 5_955, code: 'LIMIT_INSTRUMENTED_BODY_BYTES', copies: 11, moduleCode: 'LIMIT_FLOW_TOTAL' },
  },
  {
    name: 'calls',
    one: (count) => ({ parameters, body: repeat(count, [...get(0), 0x10, 0]) }),
    ...{ count: 2_977, code: 'LIMIT_INSTRUMENTED_BODY_BYTES', copies: 22, moduleCode: 'LIMIT_FLOW_TOTAL' },
  },
  {
    name: 'indirect calls',
    one: (count) => ({ parameters, body: repeat(count, [...get(0), 0x41, 0, 0x11, 0, 0]) }),
    ...{ count: 2_620, code: 'LIMIT_INSTRUMENTED_BODY_BYTES', copies: 25, moduleCode: 'LIMIT_FLOW_TOTAL' },
  },
  {
    name: 'calls with 32 arguments',
    one: (count) => ({
      parameters: Array.from({ length: 32 }, () => I64),
      body: repeat(count, [...repeat(32, get), 0x10, 0]),
    }),
    ...{ count: 496, code: 'LIMIT_BODY_BYTES', copies: 16, moduleCode: 'LIMIT_MODULE_BYTES' },
  },
  {
    name: 'bulk memory operations',
    one: (count) => ({ parameters, body: repeat(count, [...get(0), 0x41, 0, 0x41, 1, 0xfc, 11, 0]) }),
    ...{
      count: 2_259,
      code: 'LIMIT_INSTRUMENTED_BODY_BYTES',
      copies: 25,
      moduleCode: 'LIMIT_MODULE_BYTES',
    },
  },
  {
    name: 'blocks',
    one: (count) => ({ parameters, body: repeat(count, [...block, ...branchIf, end]) }),
    ...{ count: 500, code: 'LIMIT_CONTROL', copies: 65, moduleCode: 'LIMIT_FLOW_TOTAL' },
  },
  {
    name: 'loops',
    one: (count) => ({ parameters, body: repeat(count, [...loop, ...branchIf, end]) }),
    ...{ count: 500, code: 'LIMIT_CONTROL', copies: 65, moduleCode: 'LIMIT_FLOW_TOTAL' },
  },
  {
    name: 'if and else',
    one: (count) => ({
      parameters,
      locals: [[20, I32]],
      body: repeat(count, (index) => [
        ...[...get(0), 0x04, 0x40, ...constant(1), ...set(1 + (index % 20)), 0x05],
        ...[...constant(2), ...set(1 + ((index * 7) % 20)), end],
      ]),
    }),
    ...{ count: 500, code: 'LIMIT_CONTROL', copies: 65, moduleCode: 'LIMIT_FLOW_TOTAL' },
  },
  {
    name: 'many functions of blocks',
    one: (count) => ({
      parameters,
      body: [...repeat(6, [...block, ...branchIf, end]), ...repeat(count, increment(0))],
    }),
    ...{ count: 8, code: 'LIMIT_MODULE_BYTES', copies: 5_000, moduleCode: 'LIMIT_FUNCTIONS' },
  },
  {
    name: 'many functions of if and else',
    one: (count) => ({
      parameters,
      body: [...repeat(6, [...get(0), 0x04, 0x40, 0x05, end]), ...repeat(count, increment(0))],
    }),
    ...{ count: 9, code: 'LIMIT_MODULE_BYTES', copies: 5_000, moduleCode: 'LIMIT_FUNCTIONS' },
  },
  {
    name: 'calls above many operands',
    one: (count) => ({ body: [...repeat(220, constant(1)), ...repeat(count, [0x10, 0]), 0x0f] }),
    ...{ count: 227, code: 'LIMIT_LOCALS_CONTROL', copies: 100, moduleCode: 'LIMIT_LOCALS_CONTROL_TOTAL' },
  },
  {
    name: 'loops above many operands',
    one: (count) => ({ body: [...repeat(220, constant(1)), ...repeat(count, [...loop, end]), 0x0f] }),
    ...{ count: 227, code: 'LIMIT_LOCALS_CONTROL', copies: 100, moduleCode: 'LIMIT_LOCALS_CONTROL_TOTAL' },
  },
  {
    name: 'branches above thousands of operands',
    one: (count) => ({
      parameters,
      body: [...repeat(8_000, get(0)), ...repeat(count, [...get(0), 0x04, 0x40, end]), 0x0f],
    }),
    ...{ count: 6, code: 'LIMIT_LOCALS_CONTROL', copies: 32, moduleCode: 'LIMIT_MODULE_BYTES' },
  },
  {
    name: 'locals x control flow: 100 locals, loops in a row',
    one: (count) => ({
      parameters,
      locals: locals99,
      body: repeat(count, (index) => [...loop, ...increment(index % 100), ...branchIf, end]),
    }),
    ...{ count: 245, code: 'LIMIT_LOCALS_CONTROL', copies: 100, moduleCode: 'LIMIT_LOCALS_TOTAL' },
  },
  {
    name: '200 loops inside each other, 100 locals',
    one: (count) => ({
      parameters,
      locals: [[99, I64]],
      body: [
        ...repeat(count, loop),
        ...repeat(99, (index) => [...get(index + 1), 0x42, 1, 0x7c, ...set(index + 1)]),
        ...repeat(count, [...branchIf, end]),
      ],
    }),
    ...{ count: 200, code: 'LIMIT_NESTING', copies: 100, moduleCode: 'LIMIT_LOCALS_TOTAL' },
  },
  {
    name: '200 blocks inside each other, 100 locals',
    one: (count) => ({
      parameters,
      locals: locals99,
      body: [
        ...repeat(count, (index) => [...block, ...constant(index), ...set(1 + (index % 99)), ...branchIf]),
        ...repeat(count, [end]),
      ],
    }),
    ...{ count: 200, code: 'LIMIT_NESTING', copies: 100, moduleCode: 'LIMIT_LOCALS_TOTAL' },
  },
  {
    name: 'branch tables, 100 locals changed before each',
    one: (count) => ({ parameters, locals: locals99, body: tablesAcross(60, count, true) }),
    ...{ count: 420, code: 'LIMIT_LOCALS_CONTROL', copies: 100, moduleCode: 'LIMIT_LOCALS_TOTAL' },
  },
  {
    name: 'branch tables, few locals',
    one: (count) => ({ parameters, locals: [[3, I32]], body: tablesAcross(199, count, false) }),
    ...{ count: 8_192, code: 'LIMIT_BRANCH_TABLE_TOTAL', copies: 7, moduleCode: 'LIMIT_FLOW_TOTAL' },
  },
]
