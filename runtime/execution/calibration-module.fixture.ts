// Cost of what the newest schedule asks for beside instructions: loading a module, making an instance,
// `_initialize`, memory and tables that grow. Beside each the same module as the assembler gave it, in the
// engine alone, proven to hold none of the meters.
import {
  FUEL_EXPORT,
  fuelScheduleV3,
  instrument,
  prepareModule,
  readModule,
  STACK_BYTES_MAX,
  STACK_EXPORT,
  validateModule,
  type PreparedModule,
} from '../module/index.js'
import { assemble } from '../module/wat.fixture.js'
import { proveUnmetered } from './calibration-baseline.fixture.js'
import { createGuestInstance } from './guest-instance.js'
import { contractPolicy, initializeFuelMax } from './module-cache.js'
import { builtContract } from './test-contracts.fixture.js'

/** One row: what the work costs metered, the same unmetered, and its price. */
export interface Priced {
  name: string
  fuel: number
  nanoseconds: number
  p50: number
  unmetered: number
}

type Work = () => void
/** Made anew for each round: the engine keeps the code of bytes that it has seen. */
interface Round {
  fuel: number
  metered: Work
  unmetered: Work
}

/** Priced by the rewriter, and refused by the policy: no contract can buy it. */
export const refusedRow = 'tableGrow'

const ROUNDS = 15
const memory = (pages: number, maximum = pages): string => `(memory (export "memory") ${pages} ${maximum})`
const repeat = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(' ')

/** Calls every function, for the engine compiles each at its first call. */
const callingAll = (count: number, body: (index: number, seed: number) => string, seed: number): string =>
  `${memory(1)} ${repeat(count, (index) => `(func $f${index} (result i32) ${body(index, seed)})`)}
   (func (export "run") ${repeat(count, (index) => `(drop (call $f${index}))`)})`

const TINY = 4_950
/** As many functions as there may be, each next to nothing; called by groups, for a body has bounds too. */
const tiny = (seed: number, isCalled: boolean): string => {
  const groups = repeat(5, (group) => {
    const calls = repeat(TINY / 5, (index) => `(call $t${group * (TINY / 5) + index})`)
    return `(func $g${group} ${isCalled ? calls : ''})`
  })
  return `${memory(1)} ${repeat(TINY, (index) => `(func $t${index})`)} ${groups}
    (func (export "run") (drop (i32.const ${seed})) ${repeat(5, (group) => `(call $g${group})`)})`
}

const straight = (index: number, seed: number): string =>
  `(local $a i32) ${repeat(3_000, (at) => `(local.set $a (i32.xor (local.get $a) (i32.const ${(seed + index * 7 + at) & 63})))`)} (local.get $a)`
/** Below what a function may hold of control flow (`LIMIT_CONTROL`). */
const BLOCKS = 450
const branching = (index: number, seed: number): string =>
  `(local $a i32) ${repeat(BLOCKS, (at) => `(block (br_if 0 (i32.eq (local.get $a) (i32.const ${(seed + index + at) & 63}))) (local.set $a (i32.const 5)))`)} (local.get $a)`

/** Modules to load, by seed. */
const loads: Readonly<Record<string, (seed: number) => string>> = {
  loadSmall: (seed) => `${memory(1)} (func (export "run") (drop (i32.const ${seed})))`,
  loadFunctions: (seed) => callingAll(1_000, (index, own) => `(i32.const ${own + index})`, seed),
  loadTiny: (seed) => tiny(seed, false),
  loadTinyCalled: (seed) => tiny(seed, true),
  loadLocals: (seed) =>
    callingAll(99, (index, own) => `(local ${repeat(100, () => 'i64')}) (i32.const ${own + index})`, seed),
  loadTypes: (seed) =>
    `${memory(1)} ${repeat(490, (index) => `(type (func ${repeat(index % 20, () => '(param i32)')}))`)}
     (func (export "run") (drop (i32.const ${seed})))`,
  loadStraight: (seed) => callingAll(6, straight, seed),
  loadBranches: (seed) => callingAll(16, branching, seed),
  loadGlobals: (seed) =>
    `${memory(1)} ${repeat(256, (index) => `(global (mut i32) (i32.const ${seed + index}))`)} (func (export "run"))`,
  loadData: (seed) =>
    `${memory(4)} (data (i32.const 0) "${String(seed).padEnd(200_000, 'x')}") (func (export "run"))`,
}

const touchAll = (pages: number): string =>
  `(loop $more (i32.store (local.get $at) (i32.const 1))
    (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const ${pages * 65_536}))))`

/** Instances of one compiled module, `run` included: that a page is there shows when it is written. */
const instances: Readonly<Record<string, string>> = {
  instance: `${memory(1)} (func (export "run"))`,
  instance16Pages: `${memory(16)} (func (export "run") (local $at i32) ${touchAll(16)})`,
  instance64Pages: `${memory(64)} (func (export "run") (local $at i32) ${touchAll(64)})`,
  instanceData: `${memory(4)} (data (i32.const 0) "${'x'.repeat(200_000)}") (func (export "run"))`,
  instanceGlobals: `${memory(1)} ${repeat(200, () => '(global (mut i32) (i32.const 1))')} (func (export "run"))`,
  instanceExports: `${memory(1)} (func $f) (export "run" (func $f)) ${repeat(190, (at) => `(export "m${at}" (func $f))`)}`,
  instanceTable: `${memory(1)} (func $f) (export "run" (func $f)) (table 1000 1000 funcref) (elem (i32.const 0) ${repeat(1_000, () => '$f')})`,
  initialize: `${memory(1)} (func (export "_initialize") (local $n i32) (loop $more
    (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 200000)))))
    (func (export "run"))`,
  memoryGrow: `${memory(1, 64)} (func (export "run") (local $at i32) (drop (memory.grow (i32.const 59))) ${touchAll(60)})`,
  memoryGrowOneByOne: `${memory(1, 64)} (func (export "run") (local $n i32) (local $at i32) (loop $more
    (drop (memory.grow (i32.const 1)))
    (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 59)))) ${touchAll(60)})`,
}

interface Exports extends Record<string, unknown> {
  run: () => void
  _initialize?: () => void
}

/** Asked in the timed work too, and cheap: that nothing in it counts was proven once (`loadRound`). */
const unmeteredModule = (raw: Uint8Array): WebAssembly.Module => proveUnmetered(raw, undefined)

function runUnmetered(module: WebAssembly.Module): void {
  const exports = new WebAssembly.Instance(module).exports as unknown as Exports
  exports._initialize?.()
  exports.run()
}

function prepared(raw: Uint8Array): PreparedModule {
  const made = prepareModule(raw, contractPolicy, fuelScheduleV3)
  if (!made.ok) throw new Error(`${made.code}: ${made.detail}`)
  return made.value
}

/** As a frame of a node does it; the fuel that was used, and the snapshot that further instances share. */
function runMetered(
  module: WebAssembly.Module,
  made: PreparedModule,
  snapshot?: Uint8Array,
): { fuel: number; snapshot: Uint8Array } {
  const hasInitialize = made.methods.includes('_initialize')
  const instance = createGuestInstance(
    module,
    made,
    hasInitialize,
    initializeFuelMax,
    STACK_BYTES_MAX,
    snapshot,
  )
  instance.fuel.value = 2n ** 50n
  instance.stack.value = STACK_BYTES_MAX
  ;(instance.exports['run'] as () => void)()
  const used = Number(2n ** 50n - instance.fuel.value)
  return { fuel: made.instancePrice + instance.initializeFuel + used, snapshot: instance.snapshot }
}

const { load, loadByte } = fuelScheduleV3

function loadRound(text: string): Round {
  const raw = assemble(`(module ${text})`)
  const { loadPrice, instrumented } = prepared(raw)
  proveUnmetered(raw, instrumented)
  // Other bytes for the engine than those that are timed, but the same work.
  const { fuel } = runMetered(new WebAssembly.Module(instrumented), prepared(raw))
  return roundOf(raw, load + loadByte * raw.length + loadPrice + fuel)
}

const roundOf = (raw: Uint8Array, fuel: number): Round => ({
  fuel,
  metered: () => {
    const made = prepared(raw)
    runMetered(new WebAssembly.Module(made.instrumented), made)
  },
  unmetered: () => runUnmetered(unmeteredModule(raw)),
})

/** The compiled rule, with a custom section that no other round has: what a vendor's version costs. */
function ruleRound(code: Uint8Array, seed: number): Round {
  const raw = Uint8Array.of(...code, 0, 3, 1, 0x78, seed)
  const made = prepared(raw)
  return {
    fuel: load + loadByte * raw.length + made.loadPrice,
    metered: () => void new WebAssembly.Module(prepared(raw).instrumented),
    unmetered: () => void unmeteredModule(raw),
  }
}

function instanceRound(name: string): Round {
  const raw = assemble(`(module ${instances[name]})`)
  const made = prepared(raw)
  const module = new WebAssembly.Module(made.instrumented)
  const baseline = proveUnmetered(raw, made.instrumented)
  const first = runMetered(module, made)
  return {
    fuel: first.fuel,
    metered: () => void runMetered(module, made, first.snapshot),
    unmetered: () => runUnmetered(baseline),
  }
}

/** `table.grow`, which no contract may use: the rewriter prices it all the same. */
function tableRound(): Round {
  const raw = assemble(`(module (table 1 60000 funcref)
    (func (export "run") (drop (table.grow (ref.null func) (i32.const 50000)))))`)
  const read = readModule(raw)
  const facts = read.ok ? validateModule(read.value) : read
  if (!read.ok || !facts.ok) throw new Error('the table module is refused')
  const module = new WebAssembly.Module(
    instrument(read.value, facts.value, { schedule: fuelScheduleV3, memoryPagesMax: 64 }),
  )
  const metered = (): number => {
    const { exports } = new WebAssembly.Instance(module)
    const fuel = exports[FUEL_EXPORT] as WebAssembly.Global<bigint>
    fuel.value = 2n ** 50n
    ;(exports[STACK_EXPORT] as WebAssembly.Global<number>).value = STACK_BYTES_MAX
    ;(exports as unknown as Exports).run()
    return Number(2n ** 50n - fuel.value) + fuelScheduleV3.instance
  }
  const baseline = unmeteredModule(raw)
  return { fuel: metered(), metered: () => void metered(), unmetered: () => runUnmetered(baseline) }
}

const timed = (work: Work): number => {
  const start = performance.now()
  work()
  return (performance.now() - start) * 1e6
}

function measure(name: string, rounds: readonly Round[]): Priced {
  const metered: number[] = []
  const unmetered: number[] = []
  for (const round of rounds) {
    unmetered.push(timed(round.unmetered))
    metered.push(timed(round.metered))
  }
  const sorted = metered.sort((left, right) => left - right)
  return {
    name,
    fuel: rounds[0].fuel,
    nanoseconds: sorted[0],
    p50: sorted[Math.floor(sorted.length / 2)],
    unmetered: Math.min(...unmetered),
  }
}

const many = (make: (seed: number) => Round): Round[] =>
  Array.from({ length: ROUNDS }, (_, seed) => make(seed))

/** Every row, in the tier that this process was started with. */
/** Every module that is measured, by name: the pipeline must take each. */
export const measuredModules = (): [name: string, raw: Uint8Array][] => [
  ...Object.entries(loads).map(([name, text]): [string, Uint8Array] => [
    name,
    assemble(`(module ${text(1)})`),
  ]),
  ...Object.entries(instances).map(([name, text]): [string, Uint8Array] => [
    name,
    assemble(`(module ${text})`),
  ]),
]

export function measureModules(): Priced[] {
  const rows = Object.entries(loads).map(([name, text]) =>
    measure(
      name,
      many((seed) => {
        const round = loadRound(text(seed))
        // Assembled again with another seed: the engine has not seen these bytes.
        return roundOf(assemble(`(module ${text(seed + 1_000)})`), round.fuel)
      }),
    ),
  )
  const rule = builtContract('ward/deterioration')
  if (rule !== undefined)
    rows.push(
      measure(
        'loadRule',
        many((seed) => ruleRound(rule.code, seed)),
      ),
    )
  for (const name of Object.keys(instances)) {
    const round = instanceRound(name)
    rows.push(
      measure(
        name,
        many(() => round),
      ),
    )
  }
  const table = tableRound()
  rows.push(
    measure(
      refusedRow,
      many(() => table),
    ),
  )
  return rows
}
