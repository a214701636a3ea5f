// Attacks that must end at deployment: a module that would cost a node more than it pays for is refused by
// code and byte before any engine sees it.
import {
  createByteWriter,
  takeBytes,
  writeByte,
  writeBytes,
  writeU32,
  type ByteWriter,
} from '../../module/byte-writer.js'
import { moduleWithBody } from '../../module/wat.fixture.js'
import { many, refused, refusedBytes, type RefusedModule } from './hostile-case.fixture.js'

function build(write: (out: ByteWriter) => void): Uint8Array {
  const out = createByteWriter()
  write(out)
  return takeBytes(out)
}

/** A module of several sections given as contents. */
export function moduleOf(
  sections: readonly (readonly [id: number, contents: ArrayLike<number>])[],
): Uint8Array {
  return build((out) => {
    writeBytes(out, [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    for (const [id, contents] of sections) {
      writeByte(out, id)
      writeU32(out, contents.length)
      writeBytes(out, contents)
    }
  })
}

const oneType = [1, 0x60, 0, 0]
const memorySections = [
  [5, [1, 0, 1]],
  [7, [1, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0]],
] as const

function bodySection(code: Uint8Array): Uint8Array {
  return build((out) => {
    writeByte(out, 1)
    writeU32(out, code.length)
    writeBytes(out, code)
  })
}

/** A contract whose `go` is this body: locals, instructions, end. */
export const moduleWithGo = (code: Uint8Array): Uint8Array =>
  moduleOf([
    [1, oneType],
    [3, [1, 0]],
    [5, [1, 0, 1]],
    [7, [2, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0, 2, 0x67, 0x6f, 0, 0]],
    [10, bodySection(code)],
  ])

/** One function with so many i32 locals and so many loops inside each other. */
function localsAndLoops(locals: number, loops: number): Uint8Array {
  const code = build((out) => {
    writeBytes(out, [1])
    writeU32(out, locals)
    writeByte(out, 0x7f)
    for (let index = 0; index < loops; index++) writeBytes(out, [0x03, 0x40])
    for (let index = 0; index < loops; index++) writeBytes(out, [0x20, 0, 0x0d, 0, 0x0b])
    writeByte(out, 0x0b)
  })
  return moduleOf([[1, oneType], [3, [1, 0]], ...memorySections, [10, bodySection(code)]])
}

/** One signature of so many parameters, shared by so many functions (CWA-2023-004). */
function hugeSignatures(parameters: number, functions: number): Uint8Array {
  const type = build((out) => {
    writeBytes(out, [1, 0x60])
    writeU32(out, parameters)
    for (let index = 0; index < parameters; index++) writeByte(out, 0x7f)
    writeByte(out, 0)
  })
  const list = build((out) => {
    writeU32(out, functions)
    for (let index = 0; index < functions; index++) writeByte(out, 0)
  })
  const bodies = build((out) => {
    writeU32(out, functions)
    for (let index = 0; index < functions; index++) writeBytes(out, [2, 0, 0x0b])
  })
  return moduleOf([
    [1, type],
    [3, list],
    [10, bodies],
  ])
}

/** Branch tables of so many entries, all to one block (V8 issue 481074858). */
export function branchTables(entries: number, count: number): Uint8Array {
  const table = build((out) => {
    writeBytes(out, [0x02, 0x40, 0x41, 0, 0x0e])
    writeU32(out, entries)
    for (let index = 0; index <= entries; index++) writeByte(out, 0)
    writeByte(out, 0x0b)
  })
  const body: number[] = []
  for (let index = 0; index < count; index++) body.push(...table)
  return moduleWithBody([...body, 0x0b])
}

export const nested = (depth: number): Uint8Array =>
  moduleWithBody([
    ...new Array<number[]>(depth).fill([0x02, 0x40]).flat(),
    ...new Array<number>(depth + 1).fill(0x0b),
  ])

export const straightLine = (count: number): Uint8Array =>
  moduleWithBody([...new Array<number[]>(count).fill([0x41, 0, 0x1a]).flat(), 0x0b])

export const localsInLoops = localsAndLoops

/** A custom section whose name is longer than the section. */
const corruptCustom = (): Uint8Array => moduleOf([[0, [0x7f, 0x61]]])

export const staticAttacks: readonly RefusedModule[] = [
  refused(
    1,
    'table.copy',
    'OPCODE_FORBIDDEN',
    tableText('(table.copy (i32.const 0) (i32.const 0) (i32.const 9))'),
  ),
  refused(
    1,
    'table.init',
    'OPCODE_FORBIDDEN',
    `${tableText('(table.init 0 0 (i32.const 0) (i32.const 0) (i32.const 1))')} (elem (i32.const 0) 0)`,
  ),
  refusedBytes(1, 'table.fill', 'OPCODE_FORBIDDEN', () =>
    tableBody([0x41, 0, 0xd0, 0x70, 0x41, 9, 0xfc, 17, 0, 0x0b]),
  ),
  refusedBytes(1, 'table.grow', 'OPCODE_FORBIDDEN', () =>
    tableBody([0xd0, 0x70, 0x41, 9, 0xfc, 15, 0, 0x1a, 0x0b]),
  ),
  refused(
    1,
    'memory.init of a passive segment',
    'SEGMENT_PASSIVE',
    '(func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const -1))) (data "a")',
  ),
  refused(2, '65 initial pages', 'LIMIT_MEMORY_PAGES', '', '(memory (export "memory") 65)'),
  refused(2, 'more pages than there are', 'LIMIT_MEMORY_PAGES', '', '(memory (export "memory") 65536)'),
  refusedBytes(4, '49,000 locals in 4,000 loops', 'LIMIT_LOCALS', () => localsAndLoops(49_000, 4_000)),
  refusedBytes(4, '2^31 locals', 'LIMIT_LOCALS', () => localsAndLoops(2 ** 31, 1)),
  refusedBytes(4, '900 parameters, 20,000 functions', 'LIMIT_FUNCTIONS', () => hugeSignatures(900, 20_000)),
  refusedBytes(4, '900 parameters, 5,000 functions', 'LIMIT_PARAMETERS', () => hugeSignatures(900, 5_000)),
  refusedBytes(4, '32 parameters, 5,000 functions', 'LIMIT_PARAMETERS_TOTAL', () =>
    hugeSignatures(32, 5_000),
  ),
  refused(
    4,
    '1,000 results',
    'LIMIT_RESULTS',
    `(func (result ${many(1_000, 'i32 ')}) ${many(1_000, '(i32.const 0)')})`,
  ),
  refusedBytes(5, '201 nested blocks', 'LIMIT_NESTING', () => nested(201)),
  refusedBytes(5, '10,000 nested blocks', 'LIMIT_NESTING', () => nested(10_000)),
  refusedBytes(5, '100,000 nested blocks', 'LIMIT_BODY_BYTES', () => nested(100_000)),
  refusedBytes(6, '10,000 locals in 1,000 loops', 'LIMIT_LOCALS', () => localsAndLoops(10_000, 1_000)),
  refusedBytes(6, '100 locals in 600 loops', 'LIMIT_NESTING', () => localsAndLoops(100, 600)),
  refused(
    6,
    '100 locals, 501 control nodes',
    'LIMIT_LOCALS_CONTROL',
    `(func (local ${many(100, 'i32 ')}) ${many(501, '(block)')})`,
  ),
  refused(6, '501 loops in a row', 'LIMIT_CONTROL', `(func ${many(501, '(loop)')})`),
  refusedBytes(6, '2,500 calls above 10,000 operands', 'LIMIT_LOCALS_CONTROL', () =>
    moduleWithBody([
      ...new Array<number[]>(10_000).fill([0x41, 1]).flat(),
      ...new Array<number[]>(2_500).fill([0x10, 0]).flat(),
      ...[0x0f, 0x0b],
    ]),
  ),
  refused(
    6,
    '128 functions of 520 branches',
    'LIMIT_FLOW_TOTAL',
    many(128, `(func ${many(520, '(br 0)')})`),
  ),
  refused(
    6,
    '102 functions of 100 slots and 499 blocks each',
    'LIMIT_LOCALS_CONTROL_TOTAL',
    `${many(99, `(func (local ${many(100, 'i32 ')}) ${many(499, '(block)')})`)}
     (func ${many(100, 'i32.const 0 ')} ${many(499, 'br 0 ')}) (func ${many(102, 'i32.const 0 ')} ${many(490, 'br 0 ')})
     (func ${many(102, 'i32.const 0 ')} ${many(490, 'br 0 ')})`,
  ),
  refused(
    7,
    'a branch table of 500 entries with 100 locals',
    'LIMIT_LOCALS_CONTROL',
    `(func (local ${many(100, 'i32 ')}) (br_table ${many(501, '0 ')} (i32.const 0)))`,
  ),
  refusedBytes(7, 'branch tables of 65,000 entries', 'LIMIT_BODY_BYTES', () => branchTables(65_000, 5)),
  refusedBytes(7, 'a branch table of 1,025 entries', 'LIMIT_BRANCH_TABLE', () => branchTables(1_025, 1)),
  refusedBytes(7, 'branch tables of 9,216 entries in all', 'LIMIT_BRANCH_TABLE_TOTAL', () =>
    branchTables(1_024, 9),
  ),
  refusedBytes(8, '170,000 instructions in a line', 'LIMIT_BODY_BYTES', () => straightLine(170_000)),
  refusedBytes(8, 'a body of calls that grows tenfold', 'LIMIT_INSTRUMENTED_BODY_BYTES', () =>
    moduleWithBody([...new Array<number[]>(5_000).fill([0x10, 0]).flat(), 0x0b]),
  ),
  refusedBytes(8, 'a module of more than 512 KiB', 'LIMIT_MODULE_BYTES', () => straightLine(180_000)),
  refused(9, '513 data segments', 'LIMIT_DATA_SEGMENTS', many(513, '(data (i32.const 0) "a")')),
  refused(9, 'a data segment over the edge', 'SEGMENT_OUT_OF_BOUNDS', '(data (i32.const 65535) "ab")'),
  refused(9, 'a data segment at 2^32-1', 'SEGMENT_OUT_OF_BOUNDS', '(data (i32.const -1) "ab")'),
  refused(
    9,
    'overlapping data of 320 KiB',
    'LIMIT_DATA_BYTES',
    many(5, `(data (i32.const 0) "${many(65_536, 'a')}")`),
  ),
  refused(10, 'a start function', 'START_SECTION', '(func) (start 0)'),
  refused(11, '257 globals', 'LIMIT_GLOBALS', many(257, '(global i32 (i32.const 0))')),
  refused(11, 'two tables', 'LIMIT_TABLES', many(2, '(table 1 1 funcref)')),
  refused(11, 'a table of 2^32-1 entries', 'LIMIT_TABLE_ENTRIES', '(table 4294967295 funcref)'),
  refused(
    11,
    '17 element segments',
    'LIMIT_ELEMENT_SEGMENTS',
    `(table 1 1 funcref) (func) ${many(17, '(elem (i32.const 0) 0)')}`,
  ),
  refused(11, '501 types', 'LIMIT_TYPES', many(501, '(type (func))')),
  refusedBytes(11, 'a custom section with a torn name', 'UNEXPECTED_END', corruptCustom),
  refused(
    14,
    'exports the name of our fuel',
    'EXPORT_RESERVED',
    '(global (export "__fuel") (mut i64) (i64.const 0))',
  ),
  refused(14, 'imports our fuel', 'IMPORT_KIND', '(import "wardchain_v1" "__fuel" (global (mut i64)))'),
  refused(
    14,
    'writes the global that ours will become',
    'UNKNOWN_GLOBAL',
    '(func (global.set 0 (i64.const 9)))',
  ),
  refused(
    14,
    'calls the function that ours will become',
    'UNKNOWN_FUNCTION',
    '(func (call 1 (i32.const 1)))',
  ),
  refused(
    15,
    'imports a host function that has no price',
    'IMPORT_UNKNOWN',
    '(import "wardchain_v1" "free_lunch" (func))',
  ),
  refused(
    15,
    'imports a host function with another signature',
    'IMPORT_SIGNATURE',
    '(import "wardchain_v1" "input_len" (func (param i64) (result i32)))',
  ),
  refused(
    17,
    'hands the host a table of functions to call',
    'EXPORT_KIND',
    '(table (export "table") 1 1 funcref)',
  ),
  refused(20, 'a float in an entry point', 'FLOAT_AT_BOUNDARY', '(func (export "go") (param f64))'),
  refused(21, 'Math.random', 'IMPORT_UNKNOWN', '(import "env" "seed" (func (result f64)))'),
  refused(21, 'Date.now', 'IMPORT_UNKNOWN', '(import "env" "Date.now" (func (result f64)))'),
  refused(
    21,
    'a WASI clock',
    'IMPORT_UNKNOWN',
    '(import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))',
  ),
  refusedBytes(24, 'two branch tables of 33,000 entries to one block', 'LIMIT_BODY_BYTES', () =>
    branchTables(33_000, 2),
  ),
  refused(
    24,
    'SIMD, which the engine takes',
    'OPCODE_FORBIDDEN',
    '(func (drop (i32x4.splat (i32.const 0))))',
  ),
  refused(24, 'a tail call, which the engine takes', 'OPCODE_FORBIDDEN', '(func (return_call 0))'),
  refused(26, 'a shared memory', 'FLAGS_MALFORMED', '', '(memory (export "memory") 1 1 shared)'),
  refused(
    26,
    'an atomic wait as a clock',
    'OPCODE_FORBIDDEN',
    '(func (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1))))',
  ),
  refused(26, 'performance.now', 'IMPORT_UNKNOWN', '(import "env" "performance.now" (func (result f64)))'),
]

/** A function of a module that has a table. */
function tableText(instructions: string): string {
  return `(table 1 1 funcref) (func ${instructions})`
}

function tableBody(instructions: readonly number[]): Uint8Array {
  const code = Uint8Array.from([0, ...instructions])
  return moduleOf([
    [1, oneType],
    [3, [1, 0]],
    [4, [1, 0x70, 1, 1, 1]],
    ...memorySections,
    [10, bodySection(code)],
  ])
}
