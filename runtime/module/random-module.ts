// Random valid modules as text, from a seed, for fuzzing: integers, floats, memory, branches, calls,
// tables, dead code. Every function ends: loops count down, calls only go to functions with a higher index.

export interface RandomModuleOptions {
  readonly seed: number
  /** Floats may be stored; their NaN bits are then part of the memory. */
  readonly hasFloats: boolean
  /**
   * Floats have memory of their own (`floatAreas`), no integer is read from it, and no sign is taken from a
   * NaN: then nothing but the bits of NaNs in those areas may differ from engine to engine.
   */
  readonly floatsApart?: boolean
}

/** Where floats of a type lie, 8 bytes apart, when they lie apart. */
export const floatAreas = { f32: [0x8000, 0x9000], f64: [0xa000, 0xb000] } as const

interface Generator {
  readonly next: (bound: number) => number
  readonly hasFloats: boolean
  readonly floatsApart: boolean
  functionIndex: number
  readonly functionCount: number
  /** Labels around the statement at hand; true for a loop's, whose branches are left to the loop itself. */
  labels: boolean[]
  loopCount: number
  budget: number
}

const FUNCTIONS_MAX = 4
const LOCALS_EACH = 3

/** xorshift32: the same text for the same seed on every machine. */
function createRandom(seed: number): (bound: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return (bound) => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % bound
  }
}

/** A module that exports `run (i32) -> (i64)` and its memory. */
export function randomModule(options: RandomModuleOptions): string {
  const next = createRandom(options.seed)
  const functionCount = 1 + next(FUNCTIONS_MAX)
  const functions: string[] = []
  for (let index = 0; index < functionCount; index++) {
    const generator: Generator = {
      next,
      hasFloats: options.hasFloats,
      floatsApart: options.floatsApart === true,
      functionIndex: index,
      functionCount,
      labels: [],
      loopCount: 0,
      budget: 30,
    }
    functions.push(functionText(generator))
  }
  const names = functions.map((_, index) => `$f${index}`).join(' ')
  return `(module
    (type $t (func (param i32) (result i64)))
    (memory (export "memory") 1 3)
    (table ${functionCount} ${functionCount} funcref)
    (elem (i32.const 0) ${names})
    (global $g0 (mut i32) (i32.const 7))
    (global $g1 (mut i64) (i64.const 0))
    (export "run" (func $f0))
    ${functions.join('\n')})`
}

function functionText(generator: Generator): string {
  const statements = block(generator, 3)
  const result = integer(generator, 'i64', 2)
  const loops = Array.from({ length: generator.loopCount }, (_, index) => `(local $n${index} i32)`).join(
    ' ',
  )
  const locals = ['i32', 'i64', 'f32', 'f64'].flatMap((type) =>
    Array.from({ length: LOCALS_EACH }, (_, index) => `(local $${type}${index} ${type})`),
  )
  if (generator.floatsApart) locals.push('(local $sf32 f32)', '(local $sf64 f64)')
  return `(func $f${generator.functionIndex} (type $t) (param $p i32) (result i64) ${locals.join(' ')} ${loops}
    ${generator.floatsApart ? givenLocals(generator) : ''} ${statements} ${generator.floatsApart ? shownLocals(generator) : ''} ${result})`
}

const givenFloats = [
  '0.1',
  '-7.5',
  '1e-40',
  '3e38',
  '-0x1p-149',
  'nan:0x2345',
  '-nan',
  '-inf',
  '123456.789',
]

function givenLocals({ next }: Generator): string {
  const give = (type: 'f32' | 'f64', index: number): string =>
    `(local.set $${type}${index} (${type}.const ${givenFloats[next(givenFloats.length)]}))`
  return [0, 1, 2].flatMap((index) => [give('f32', index), give('f64', index)]).join(' ')
}

/** Float locals into memory, each function's to places of its own. */
function shownLocals({ functionIndex }: Generator): string {
  const store = (type: 'f32' | 'f64', index: number): string =>
    `(${type}.store (i32.const ${floatAreas[type][0] + 64 * functionIndex + 8 * index}) (local.get $${type}${index}))`
  return [0, 1, 2].flatMap((index) => [store('f32', index), store('f64', index)]).join(' ')
}

function block(generator: Generator, depth: number): string {
  const lines: string[] = []
  const count = 1 + generator.next(4)
  for (let index = 0; index < count && generator.budget > 0; index++)
    lines.push(statement(generator, depth))
  return lines.join('\n')
}

function statement(generator: Generator, depth: number): string {
  generator.budget--
  const { next } = generator
  switch (next(depth > 0 ? 14 : 6)) {
    case 0:
      return `(local.set $i32${next(LOCALS_EACH)} ${integer(generator, 'i32', 2)})`
    case 1:
      return `(local.set $i64${next(LOCALS_EACH)} ${integer(generator, 'i64', 2)})`
    case 2:
      return `(i64.store offset=${next(32)} ${address(generator)} ${integer(generator, 'i64', 2)})`
    case 3:
      return generator.hasFloats
        ? floatStatement(generator)
        : `(global.set $g0 ${integer(generator, 'i32', 2)})`
    case 4:
      return generator.floatsApart ? floatStatement(generator) : `(drop ${integer(generator, 'i32', 1)})`
    case 5:
      return `(global.set $g1 ${integer(generator, 'i64', 2)})`
    case 6:
      return loopText(generator, depth)
    case 7: {
      generator.labels.push(false)
      const body = block(generator, depth - 1)
      generator.labels.pop()
      return `(block ${body})`
    }
    case 8:
    case 9:
      return ifText(generator, depth)
    case 10:
      return branchText(generator)
    case 11:
      return bulkText(generator)
    case 12:
      return `(local.set $i64${next(LOCALS_EACH)} ${callText(generator)})`
    default:
      return deadText(generator)
  }
}

function loopText(generator: Generator, depth: number): string {
  const counter = `$n${generator.loopCount++}`
  const times = 1 + generator.next(5)
  generator.labels.push(true)
  const body = block(generator, depth - 1)
  generator.labels.pop()
  return `(local.set ${counter} (i32.const ${times}))
    (loop ${body} (br_if 0 (local.tee ${counter} (i32.sub (local.get ${counter}) (i32.const 1)))))`
}

function ifText(generator: Generator, depth: number): string {
  const condition = integer(generator, 'i32', 2)
  generator.labels.push(false)
  const first = block(generator, depth - 1)
  const second = generator.next(2) === 0 ? `(else ${block(generator, depth - 1)})` : ''
  generator.labels.pop()
  return `(if ${condition} (then ${first}) ${second})`
}

/** A branch to a label that is no loop's, or a branch table over such. */
function branchText(generator: Generator): string {
  const { labels, next } = generator
  const depths = labels
    .map((isLoop, index) => (isLoop ? -1 : labels.length - 1 - index))
    .filter((one) => one >= 0)
  if (depths.length === 0)
    return `(if ${integer(generator, 'i32', 1)} (then (return (i64.const ${next(99)}))))`
  const pick = (): number => depths[next(depths.length)]
  if (next(3) === 0) return `(br_table ${pick()} ${pick()} ${pick()} ${integer(generator, 'i32', 1)})`
  return `(br_if ${pick()} ${integer(generator, 'i32', 1)})`
}

function bulkText(generator: Generator): string {
  const { next } = generator
  const length = `(i32.const ${next(200)})`
  if (next(4) === 0) return `(drop (memory.grow (i32.const ${next(3)})))`
  if (next(2) === 0) return `(memory.fill ${address(generator)} (i32.const ${next(256)}) ${length})`
  return `(memory.copy ${address(generator)} ${address(generator)} ${length})`
}

/** Statements behind a jump, which are dropped. */
function deadText(generator: Generator): string {
  const { next } = generator
  const jump = next(3) === 0 ? 'unreachable' : '(return (i64.const 3))'
  return `(if (i32.eqz (i32.and ${integer(generator, 'i32', 1)} (i32.const ${next(16)})))
    (then ${jump} (block (drop (f64.add (f64.const 1) (f64.const 2))) (br 0)) drop))`
}

function callText(generator: Generator): string {
  const { functionIndex, functionCount, next } = generator
  if (functionIndex + 1 >= functionCount) return integer(generator, 'i64', 2)
  const target = functionIndex + 1 + next(functionCount - functionIndex - 1)
  const argument = integer(generator, 'i32', 1)
  if (next(2) === 0) return `(call $f${target} ${argument})`
  // Sometimes beyond the table: a trap.
  const index = next(12) === 0 ? functionCount : target
  return `(call_indirect (type $t) ${argument} (i32.const ${index}))`
}

function address(generator: Generator): string {
  const { next } = generator
  if (next(20) === 0) {
    const anywhere = integer(generator, 'i32', 1)
    // Apart from the floats: beyond every memory.
    return generator.floatsApart ? `(i32.or ${anywhere} (i32.const 0x100000))` : anywhere
  }
  return `(i32.and ${integer(generator, 'i32', 1)} (i32.const 0xff8))`
}

function floatAddress(generator: Generator, type: 'f32' | 'f64'): string {
  if (!generator.floatsApart) return address(generator)
  return `(i32.add (i32.and ${integer(generator, 'i32', 1)} (i32.const 0xff8)) (i32.const ${floatAreas[type][0]}))`
}

const binary = 'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr'.split(' ')
const compare = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u'.split(' ')

function integer(generator: Generator, type: 'i32' | 'i64', depth: number): string {
  const { next } = generator
  const inner = (): string => integer(generator, type, depth - 1)
  switch (next(depth > 0 ? 10 : 3)) {
    case 0:
      return `(${type}.const ${next(2) === 0 ? next(10) : next(0x7fffffff) - 0x3fffffff})`
    case 1:
      return `(local.get $${type}${next(LOCALS_EACH)})`
    case 2:
      return type === 'i32' ? '(local.get $p)' : '(global.get $g1)'
    case 3:
    case 4:
    case 5:
      return `(${type}.${binary[next(binary.length)]} ${inner()} ${inner()})`
    case 6:
      if (type === 'i64') return `(i64.extend_i32_s ${integer(generator, 'i32', depth - 1)})`
      return `(i64.${compare[next(compare.length)]} ${integer(generator, 'i64', depth - 1)} ${integer(generator, 'i64', depth - 1)})`
    case 7:
      if (type === 'i64') return `(i64.load offset=${next(16)} ${address(generator)})`
      return generator.hasFloats ? floatCompare(generator) : `(i32.load ${address(generator)})`
    case 8:
      return `(select ${inner()} ${inner()} ${integer(generator, 'i32', depth - 1)})`
    default:
      return `(local.tee $${type}${next(LOCALS_EACH)} ${inner()})`
  }
}

function floatStatement(generator: Generator): string {
  const { next } = generator
  const type = next(2) === 0 ? 'f32' : 'f64'
  if (next(2) === 0) return `(local.set $${type}${next(LOCALS_EACH)} ${float(generator, type, 3)})`
  return `(${type}.store ${floatAddress(generator, type)} ${float(generator, type, 3)})`
}

function floatCompare(generator: Generator): string {
  const type = generator.next(2) === 0 ? 'f32' : 'f64'
  return `(${type}.lt ${float(generator, type, 2)} ${float(generator, type, 2)})`
}

const floatUnary = 'abs neg ceil floor trunc nearest sqrt'.split(' ')
const floatBinary = 'add sub mul div min max copysign'.split(' ')
const floatConstants = ['0', '-0', '1.5', '-2.25', 'inf', '-inf', 'nan', '-nan', '1e30', '1e-30']

function float(generator: Generator, type: 'f32' | 'f64', depth: number): string {
  const { next } = generator
  const inner = (): string => float(generator, type, depth - 1)
  switch (next(depth > 0 ? 9 : 2)) {
    case 0:
      return `(${type}.const ${floatConstants[next(floatConstants.length)]})`
    case 1:
      return `(local.get $${type}${next(LOCALS_EACH)})`
    case 2:
    case 3:
    case 4:
      return floatBinaryText(generator, type, floatBinary[next(floatBinary.length)], depth)
    case 5:
      return `(${type}.${floatUnary[next(floatUnary.length)]} ${inner()})`
    case 6:
      if (type === 'f32') return `(f32.demote_f64 ${float(generator, 'f64', depth - 1)})`
      return `(f64.promote_f32 ${float(generator, 'f32', depth - 1)})`
    case 7:
      return `(local.tee $${type}${next(LOCALS_EACH)} ${inner()})`
    default:
      return `(${type}.load ${floatAddress(generator, type)})`
  }
}

function floatBinaryText(generator: Generator, type: 'f32' | 'f64', name: string, depth: number): string {
  const first = float(generator, type, depth - 1)
  const second = float(generator, type, depth - 1)
  if (name !== 'copysign' || !generator.floatsApart) return `(${type}.${name} ${first} ${second})`
  // The sign of a NaN out of arithmetic is free: 1 in its place.
  const local = `$s${type}`
  const isNumber = `(${type}.eq (local.get ${local}) (local.get ${local}))`
  return `(${type}.copysign ${first} (select (local.tee ${local} ${second}) (${type}.const 1) ${isNumber}))`
}
