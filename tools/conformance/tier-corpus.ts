// The corpus of the tier-equality run: kernels, random modules with floats, recursion to exhaustion, fuel
// exhaustion, and the NaN probes on which V8's tiers are known to differ. Each case is run cold, warm, on a
// fresh and on a reused instance.

import asc from 'assemblyscript/asc'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  FUEL_EXPORT,
  fuelScheduleV1,
  prepareModule,
  STACK_BYTES_MAX,
  STACK_EXPORT,
  type PreparedModule,
} from '../../runtime/module/index.js'
import { contractPolicy, initializeFuelMax, tryInitialize } from '../../runtime/execution/module-cache.js'
import { randomModule } from '../../runtime/module/random-module.js'
import { createAssembler } from './assembler.js'

export interface TierCase {
  readonly name: string
  /** The instrumented module, base64; exports `memory` and the entry `(i32)`. */
  readonly module: string
  /** What the runtime knows of it beside. */
  readonly prepared: Omit<PreparedModule, 'instrumented'>
  readonly entry: string
  readonly value: number
  readonly fuel: number
  readonly stack: number
}

const FUEL = 5_000_000

const floatOperations = [
  ['f64.add (local.get 0) (local.get 1)', 'f64'],
  ['f64.add (local.get 1) (local.get 0)', 'f64'],
  ['f64.sub (local.get 0) (local.get 1)', 'f64'],
  ['f64.mul (local.get 1) (local.get 0)', 'f64'],
  ['f64.div (local.get 2) (local.get 2)', 'f64'],
  ['f64.sqrt (f64.const -1)', 'f64'],
  ['f64.min (local.get 0) (local.get 1)', 'f64'],
  ['f64.max (local.get 1) (local.get 0)', 'f64'],
  ['f64.floor (local.get 0)', 'f64'],
  ['f64.nearest (local.get 1)', 'f64'],
  ['f64.neg (f64.add (local.get 0) (local.get 1))', 'f64'],
  ['f64.copysign (local.get 2) (f64.add (local.get 0) (local.get 1))', 'f64'],
  ['f32.demote_f64 (local.get 0)', 'f32'],
  ['f32.add (f32.demote_f64 (local.get 0)) (f32.const -nan:0x1234)', 'f32'],
] as const

function nanProbes(): string {
  const stores = floatOperations.map(
    ([operation, type], index) => `(${type}.store (i32.const ${index * 8}) (${operation}))`,
  )
  return `(module (memory (export "memory") 1)
    (func $probe (param f64 f64 f64) ${stores.join(' ')})
    (func (export "run") (param i32)
      (call $probe (f64.const nan:0x8000000001111) (f64.const -nan:0x8000000002222) (f64.const 0))))`
}

const recursion = `(module (memory (export "memory") 1)
  (func $deep (param i32 i64 f64) (result i32) (local i64 i64 i64)
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (i32.add (call $deep (local.get 0) (local.get 1) (local.get 2)) (i32.const 1)))
  (func (export "run") (param i32) (drop (call $deep (local.get 0) (i64.const 1) (f64.const 2)))))`

const accumulation = `(module (memory (export "memory") 1)
  (func (export "run") (param i32) (local f64 f32 i32)
    (local.set 1 (f64.const nan:0x8000000000777))
    (loop (local.set 1 (f64.add (f64.mul (local.get 1) (f64.const -1.5)) (f64.convert_i32_s (local.get 3))))
      (local.set 2 (f32.sub (f32.demote_f64 (local.get 1)) (local.get 2)))
      (f64.store (i32.and (i32.shl (local.get 3) (i32.const 3)) (i32.const 0xfff8)) (local.get 1))
      (f32.store (i32.and (i32.shl (local.get 3) (i32.const 2)) (i32.const 0xffc)) (f32.neg (local.get 2)))
      (br_if 0 (i32.lt_s (local.tee 3 (i32.add (local.get 3) (i32.const 1))) (i32.const 9000))))))`

const kernelsPath = 'runtime/module/kernels/kernels.as'
const kernels: readonly (readonly [name: string, size: number])[] = [
  ['hash', 20],
  ['score', 2_000],
  ['float', 2],
  ['sortmap', 300],
  ['recursion', 14],
  ['mathematics', 40],
]

/** Assembles, compiles and instruments the corpus. Run from the repository's root. */
export async function buildCorpus(randomModules: number): Promise<TierCase[]> {
  const assembler = await createAssembler()
  const texts: (readonly [name: string, text: string])[] = [
    ['nan probes', nanProbes()],
    ['recursion', recursion],
    ['accumulation', accumulation],
  ]
  for (let seed = 0; seed < randomModules; seed++) {
    texts.push([`random ${seed}`, randomModule({ seed, hasFloats: true })])
  }
  const cases = texts.flatMap(([name, text]) => {
    const raw = assembler.assemble(Buffer.from(text))
    if (raw === undefined) throw new Error(`${name} does not assemble`)
    return variants(name, raw, 'run', 5)
  })
  const raw = await compileKernels()
  return [...cases, ...kernels.flatMap(([name, size]) => variants(`kernel ${name}`, raw, name, size))]
}

function variants(name: string, raw: Uint8Array, entry: string, value: number): TierCase[] {
  const { instrumented, ...prepared } = meter(raw)
  const module = Buffer.from(instrumented).toString('base64')
  const base = { module, prepared, entry, value, stack: STACK_BYTES_MAX }
  return [
    { ...base, name, fuel: FUEL },
    { ...base, name: `${name}, little fuel`, fuel: 4_321 },
    { ...base, name: `${name}, little stack`, fuel: FUEL, stack: 4_000 },
  ]
}

async function compileKernels(): Promise<Uint8Array> {
  const source = readFileSync(kernelsPath, 'utf8')
  let binary: Uint8Array | undefined
  const flags = ['-O3', '--runtime', 'stub', '--exportStart', '_initialize', '--use', 'abort=']
  const { error } = await asc.main(['kernels.ts', ...flags, '--outFile', 'kernels.wasm'], {
    readFile: (name) => (name === 'kernels.ts' ? source : null),
    writeFile: (name, contents) => {
      if (name === 'kernels.wasm') binary = contents as Uint8Array
    },
    listFiles: () => [],
  })
  if (error !== null || binary === undefined)
    throw new Error(`the kernels do not compile: ${error?.message}`)
  return Uint8Array.from(binary)
}

/** As a deployment does. */
function meter(raw: Uint8Array): PreparedModule {
  const prepared = prepareModule(raw, contractPolicy, fuelScheduleV1)
  if (!prepared.ok) throw new Error(prepared.detail)
  return prepared.value
}

/** One line for each case and way of running it. */
export function runCorpus(corpus: readonly TierCase[], warmRuns: number): string[] {
  let reused = 0
  const lines = corpus.flatMap((one) => {
    const compiled = new WebAssembly.Module(Buffer.from(one.module, 'base64'))
    const cold = runOnce(compiled, one)
    let warm = ''
    for (let run = 0; run < warmRuns; run++) warm = runOnce(compiled, one)
    const again = runReused(one)
    if (again.isReused) reused++
    return [
      `${one.name}\tcold\t${cold}`,
      `${one.name}\twarm\t${warm}`,
      `${one.name}\treused\t${again.result}`,
    ]
  })
  if (reused === 0) throw new Error('no instance was used again')
  return [...lines, `instances that were used before\treused\t${reused} of ${corpus.length}`]
}

function runOnce(compiled: WebAssembly.Module, one: TierCase): string {
  return runOn(new WebAssembly.Instance(compiled, {}).exports, one)
}

/**
 * Used, given back and taken again by the runtime's own way (`runtime/execution/module-cache.ts`): nobody may
 * be able to tell. A memory that has grown shows: the runtime throws such an instance away for a fresh one.
 */
function runReused(one: TierCase): { result: string; isReused: boolean } {
  const prepared = { ...one.prepared, instrumented: Buffer.from(one.module, 'base64') }
  const outcome = tryInitialize(prepared, initializeFuelMax)
  if (!outcome.ok) throw new Error(`${one.name}: _initialize ends by ${outcome.why}`)
  const { module } = outcome
  const first = module.take()
  runOn(first.exports, one, false)
  module.give(first)
  const second = module.take()
  return { result: runOn(second.exports, one, false), isReused: second === first }
}

function runOn(exports: Record<string, unknown>, one: TierCase, isToInitialize = true): string {
  const fuel = exports[FUEL_EXPORT] as WebAssembly.Global<bigint>
  const stack = exports[STACK_EXPORT] as WebAssembly.Global<number>
  fuel.value = BigInt(FUEL)
  stack.value = STACK_BYTES_MAX
  const initialize = exports['_initialize'] as (() => void) | undefined
  if (isToInitialize) initialize?.()
  fuel.value = BigInt(one.fuel)
  stack.value = one.stack
  let result: string
  try {
    result = String((exports[one.entry] as (value: number) => unknown)(one.value))
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error
    result = fuel.value < 0n ? 'out of fuel' : stack.value < 0 ? 'stack' : 'trap'
  }
  const memory = new Uint8Array((exports['memory'] as WebAssembly.Memory).buffer)
  const hash = createHash('sha256').update(memory).digest('hex').slice(0, 16)
  return `${result} fuel ${fuel.value < 0n ? 0n : fuel.value} stack ${stack.value} memory ${hash}`
}
