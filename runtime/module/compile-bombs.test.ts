// The compile bombs of the runtime reference, section 10: each inside V8's own limits, each refused by
// ours, at once.

import t from 'tap'
import { fuelScheduleV1, prepareModule, type ModuleRefusalCode } from './index.js'
import { createByteWriter, takeBytes, writeByte, writeBytes, writeU32 } from './byte-writer.js'
import { moduleWithBody, testPolicy } from './wat.fixture.js'
import { worstModule, worstShapes } from './worst-shapes.fixture.js'

/** A contract of several sections given as contents. */
function moduleOf(sections: readonly (readonly [id: number, contents: Uint8Array])[]): Uint8Array {
  const out = createByteWriter()
  writeBytes(out, [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
  for (const [id, contents] of sections) {
    writeByte(out, id)
    writeU32(out, contents.length)
    writeBytes(out, contents)
  }
  return takeBytes(out)
}

function build(write: (out: ReturnType<typeof createByteWriter>) => void): Uint8Array {
  const out = createByteWriter()
  write(out)
  return takeBytes(out)
}

function localsAndLoops(locals: number, loops: number): Uint8Array {
  const code = build((out) => {
    writeBytes(out, [1])
    writeU32(out, locals)
    writeByte(out, 0x7f)
    for (let index = 0; index < loops; index++) writeBytes(out, [0x03, 0x40])
    for (let index = 0; index < loops; index++) writeBytes(out, [0x20, 0, 0x0d, 0, 0x0b])
    writeByte(out, 0x0b)
  })
  return moduleOf([
    [1, Uint8Array.from([1, 0x60, 0, 0])],
    [3, Uint8Array.from([1, 0])],
    [5, Uint8Array.from([1, 0, 1])],
    [7, Uint8Array.from([1, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0])],
    [
      10,
      build((out) => {
        writeByte(out, 1)
        writeU32(out, code.length)
        writeBytes(out, code)
      }),
    ],
  ])
}

function hugeSignatures(parameters: number, functions: number): Uint8Array {
  return moduleOf([
    [
      1,
      build((out) => {
        writeBytes(out, [1, 0x60])
        writeU32(out, parameters)
        for (let i = 0; i < parameters; i++) writeByte(out, 0x7f)
        writeByte(out, 0)
      }),
    ],
    [
      3,
      build((out) => {
        writeU32(out, functions)
        for (let i = 0; i < functions; i++) writeByte(out, 0)
      }),
    ],
    [
      10,
      build((out) => {
        writeU32(out, functions)
        for (let i = 0; i < functions; i++) writeBytes(out, [2, 0, 0x0b])
      }),
    ],
  ])
}

function branchTables(entries: number, count: number): Uint8Array {
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

const nest = (depth: number): number[] => [
  ...new Array<number[]>(depth).fill([0x02, 0x40]).flat(),
  ...new Array<number>(depth + 1).fill(0x0b),
]

const straight = (count: number): number[] => [
  ...new Array<number[]>(count).fill([0x41, 0, 0x1a]).flat(),
  0x0b,
]

const bombs: readonly (readonly [name: string, bytes: () => Uint8Array, code: ModuleRefusalCode])[] = [
  ['49,000 locals in 4,000 loops', () => localsAndLoops(49_000, 4_000), 'LIMIT_LOCALS'],
  ['10,000 locals in 1,000 loops', () => localsAndLoops(10_000, 1_000), 'LIMIT_LOCALS'],
  ['100 locals in 600 loops', () => localsAndLoops(100, 600), 'LIMIT_NESTING'],
  ['2^31 locals', () => localsAndLoops(2 ** 31, 1), 'LIMIT_LOCALS'],
  ['branch tables of 65,000 entries', () => branchTables(65_000, 5), 'LIMIT_BODY_BYTES'],
  ['two branch tables of 33,000 entries', () => branchTables(33_000, 2), 'LIMIT_BODY_BYTES'],
  ['branch tables of 1,024 entries, nine times', () => branchTables(1_024, 9), 'LIMIT_BRANCH_TABLE_TOTAL'],
  ['100,000 nested blocks', () => moduleWithBody(nest(100_000)), 'LIMIT_BODY_BYTES'],
  ['10,000 nested blocks', () => moduleWithBody(nest(10_000)), 'LIMIT_NESTING'],
  ['1,000,000 instructions in a line', () => moduleWithBody(straight(170_000)), 'LIMIT_BODY_BYTES'],
  ['900 parameters, 20,000 functions', () => hugeSignatures(900, 20_000), 'LIMIT_FUNCTIONS'],
  ['900 parameters, 5,000 functions', () => hugeSignatures(900, 5_000), 'LIMIT_PARAMETERS'],
  ['32 parameters, 5,000 functions', () => hugeSignatures(32, 5_000), 'LIMIT_PARAMETERS_TOTAL'],
]

t.test('compile bombs are refused', async (t) => {
  for (const [name, make, code] of bombs) {
    const bytes = make()
    const start = process.cpuUsage()
    const result = prepareModule(bytes, testPolicy, fuelScheduleV1)
    const cpuMs = process.cpuUsage(start).user / 1000
    t.equal(result.ok ? 'admitted' : result.code, code, `${name}: ${bytes.length} bytes`)
    // Far above what it takes; a quadratic pass would need minutes.
    t.ok(cpuMs < 2_000, `${name}: refused after ${cpuMs.toFixed(1)} ms of processor time`)
  }
})

t.test('the dearest shapes are admitted to their edges, and one step more is refused', async (t) => {
  const codeOf = (bytes: Uint8Array): string => {
    const result = prepareModule(bytes, testPolicy, fuelScheduleV1)
    return result.ok ? 'admitted' : result.code
  }
  for (const shape of worstShapes) {
    const { name, count, code, copies, moduleCode } = shape
    const result = prepareModule(worstModule(shape, count, copies), testPolicy, fuelScheduleV1)
    if (!result.ok) return void t.fail(`${name}: ${result.code} ${result.detail}`)
    t.ok(WebAssembly.validate(result.value.instrumented), name)
    // The edge of a small function is the module's: alone it is admitted.
    const alone = codeOf(worstModule(shape, count + 1, 1))
    const beyond = alone === 'admitted' ? codeOf(worstModule(shape, count + 1, copies)) : alone
    t.equal(beyond, code, `${name}: one step more in a function`)
    t.equal(codeOf(worstModule(shape, count, copies + 1)), moduleCode, `${name}: one function more`)
  }
})

/** What took the engine seconds before slots and control flow were counted together. */
t.test('operands are counted against control flow', async (t) => {
  const piled = (flow: readonly number[], count: number): number[] => [
    ...new Array<number[]>(10_000).fill([0x41, 1]).flat(),
    ...new Array<readonly number[]>(count).fill(flow).flat(),
    ...[0x0f, 0x0b],
  ]
  for (const [name, flow] of [
    ['calls', [0x10, 0]],
    ['loops', [0x03, 0x40, 0x0b]],
    ['ifs', [0x41, 0, 0x04, 0x40, 0x0b]],
    ['branches', [0x41, 0, 0x0d, 0]],
    ['growths', [0x41, 0, 0x40, 0, 0x1a]],
    ['fills', [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0]],
  ] as const) {
    const result = prepareModule(moduleWithBody(piled(flow, 400)), testPolicy, fuelScheduleV1)
    t.match(result, { ok: false, code: 'LIMIT_LOCALS_CONTROL' }, name)
    if (!result.ok) t.match(result.detail, /at most 50000 are allowed/)
  }
})
