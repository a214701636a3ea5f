// `calibration`: what each class of instruction and each host function costs, beside its price. The baseline
// of the instructions is proven unmetered (`calibration-baseline.fixture.ts`). Each row says the price that
// follows from the measured cost, the price in force, and how far they are apart. Instructions are measured
// in V8's slower tier, for a contract may run in code that the optimiser has not seen yet. So is what the
// newest schedule prices beside them (`calibration-module.fixture.ts`). The last line: the spread.
import { execFileSync } from 'node:child_process'
import {
  FUEL_EXPORT,
  fuelScheduleV1,
  fuelScheduleV3,
  prepareModule,
  STACK_BYTES_MAX,
  STACK_EXPORT,
} from '../module/index.js'
import { assemble, testPolicy } from '../module/wat.fixture.js'
import { derivedPrice, fuelPerNs, unmeteredOf } from './calibration-baseline.fixture.js'
import { derivation, hostCalls, rounded, type BenchLine } from './calibration-host.fixture.js'
import { measureModules, refusedRow, type Priced } from './calibration-module.fixture.js'

const ITERATIONS = 20_000
const UNROLLED = 16
const ROUNDS = 25

/** One step of each class on i32 locals `$a`, `$b` and an f64 `$x`; what surrounds the operation is plain. */
const steps: Readonly<Record<string, string>> = {
  plain: '(local.set $a (i32.xor (i32.add (local.get $a) (i32.const 7)) (local.get $b)))',
  memoryAccess: '(local.set $a (i32.load (i32.and (local.get $a) (i32.const 0xfff0))))',
  memoryStore: '(i32.store (i32.and (local.get $b) (i32.const 0xfff0)) (local.get $a))',
  division:
    '(local.set $a (i32.add (i32.div_u (local.get $b) (i32.or (local.get $a) (i32.const 1))) (i32.const 9)))',
  floatDivision: '(local.set $x (f64.add (f64.div (local.get $x) (f64.const 1.0001)) (f64.const 1)))',
  squareRoot: '(local.set $x (f64.add (f64.sqrt (local.get $x)) (f64.const 2)))',
  branch: '(block (br_if 0 (i32.and (local.get $b) (i32.const 1))) (local.set $a (local.get $b)))',
  branchTable: `(block (block (block (br_table 0 1 2 (i32.and (local.get $a) (i32.const 3))))))
    (local.set $a (i32.add (local.get $a) (i32.const 1)))`,
  call: '(local.set $a (call $leaf (local.get $a)))',
  callIndirect: '(local.set $a (call_indirect (type $step) (local.get $a) (i32.const 0)))',
  bulk64: '(memory.copy (i32.const 4096) (i32.const 128) (i32.const 64))',
  bulk4096: '(memory.copy (i32.const 8192) (i32.const 128) (i32.const 4096))',
}

const moduleOf = (step: string): Uint8Array =>
  assemble(`(module (memory (export "memory") 1) (type $step (func (param i32) (result i32)))
    (table 1 funcref) (elem (i32.const 0) $leaf)
    (func $leaf (type $step) (i32.add (local.get 0) (i32.const 3)))
    (func (export "run") (param $n i32) (result i32) (local $a i32) (local $b i32) (local $x f64)
      (local.set $b (i32.const 1234567)) (local.set $x (f64.const 99))
      (loop $more ${step.repeat(UNROLLED)}
        (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i32.add (local.get $a) (i32.trunc_sat_f64_s (local.get $x)))))`)

type Run = (count: number) => number

function unmetered(raw: Uint8Array): Run {
  const { exports } = new WebAssembly.Instance(unmeteredOf(raw))
  return exports['run'] as Run
}

/** Fuel of one step, loop and surroundings included. */
function fuelOf(raw: Uint8Array): number {
  const prepared = prepareModule(raw, testPolicy, fuelScheduleV1)
  if (!prepared.ok) throw new Error(prepared.detail)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(prepared.value.instrumented))
  const fuel = exports[FUEL_EXPORT] as WebAssembly.Global<bigint>
  const used = (count: number): number => {
    fuel.value = 2n ** 50n
    ;(exports[STACK_EXPORT] as WebAssembly.Global<number>).value = STACK_BYTES_MAX
    ;(exports['run'] as Run)(count)
    return Number(2n ** 50n - fuel.value)
  }
  return (used(1_001) - used(1)) / 1_000 / UNROLLED
}

/** Nanoseconds of one step: the shortest of many rounds. */
function nanoseconds(run: Run): number {
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    run(ITERATIONS)
    best = Math.min(best, performance.now() - start)
  }
  return (best * 1e6) / ITERATIONS / UNROLLED
}

interface Step {
  name: string
  nanoseconds: number
}

/** Every class, in the tier that this process was started with. */
export const measureSteps = (): Step[] =>
  Object.entries(steps).map(([name, step]) => ({
    name,
    nanoseconds: nanoseconds(unmetered(moduleOf(step))),
  }))

interface Measured {
  steps: Step[]
  modules: Priced[]
}

export const measureAll = (): Measured => ({ steps: measureSteps(), modules: measureModules() })

/** The same in a process of its own whose engine has no optimising tier: flags are read at its start only. */
function measureSlowly(): Measured {
  const script = `import(${JSON.stringify(import.meta.url)}).then(({ measureAll }) =>
    process.stdout.write(JSON.stringify(measureAll())))`
  const output = execFileSync(process.execPath, ['--liftoff-only', '-e', script], { encoding: 'utf8' })
  return JSON.parse(output) as Measured
}

/** Below it an attacker buys more than three times the time that he pays for. */
const UNSAFE_FUEL_PER_NS = 0.33
/** The runtime reference calls a row above 2 ns a fuel a defect, and wants a spread below 10. */
const CHEAP_FUEL_PER_NS = 0.5

const verdict = ({ name, value }: BenchLine): string => {
  if (name === `calibration/${refusedRow}`) return 'refused by the policy: no contract can buy it'
  if (value < UNSAFE_FUEL_PER_NS) return 'UNSAFE: the price is below a third of the cost'
  return value < CHEAP_FUEL_PER_NS ? 'cheap: more than 2 ns a fuel' : 'covers its cost'
}

/** Rows of the schedule that a step prices once (or so many times); the rest of it is surroundings. */
const tableRows: Readonly<Record<string, [row: NumericRow, count: number]>> = {
  plain: ['plain', 6],
  memoryAccess: ['memoryAccess', 1],
  memoryStore: ['memoryAccess', 1],
  division: ['division', 1],
  floatDivision: ['division', 1],
  squareRoot: ['division', 1],
  branch: ['branch', 1],
  branchTable: ['branchTable', 1],
  call: ['call', 1],
  callIndirect: ['callIndirect', 1],
}
type NumericRow = 'plain' | 'memoryAccess' | 'division' | 'branch' | 'branchTable' | 'call' | 'callIndirect'

/** The schedule's own row: what surrounds it is taken off at the measured cost of a plain instruction. */
function tableRow(name: string, fuel: number, cost: number, plainNs: number): string {
  if (!(name in tableRows)) return ''
  const [row, count] = tableRows[name]
  const inForce = fuelScheduleV3[row]
  const own = Math.max(0, cost - (fuel - inForce * count) * plainNs) / count
  return `; schedule row ${row}: derived ${derivedPrice(own)} (${rounded(own)} ns), in force ${inForce}`
}

function moduleLine({ name, fuel, nanoseconds, p50, unmetered }: Priced, fast: Priced): BenchLine {
  return {
    name: `calibration/${name}`,
    value: rounded(fuel / nanoseconds),
    unit: 'fuel per ns',
    ...derivation(fuel, nanoseconds),
    p50: rounded(fuel / p50),
    baseline: `cost ${rounded(nanoseconds / 1e3)} µs, unmetered in the engine alone ${rounded(unmetered / 1e3)} µs`,
    ratio: rounded(fuel / fast.nanoseconds),
    input: `price ${Math.round(fuel)} fuel (schedule 3); ratio: in the optimising tier`,
  }
}

function stepLine({ name, nanoseconds: cost }: Step, fast: Step, plainNs: number): BenchLine {
  const fuel = fuelOf(moduleOf(steps[name]))
  return {
    name: `calibration/${name}`,
    value: rounded(fuel / cost),
    unit: 'fuel per ns',
    ...derivation(fuel, cost),
    baseline: `cost unmetered: ${rounded(cost)} ns a step`,
    ratio: rounded(fuel / fast.nanoseconds),
    input: `price ${rounded(fuel)} fuel a step; ratio: in the optimising tier${tableRow(name, fuel, cost, plainNs)}`,
  }
}

async function calibration(): Promise<BenchLine[]> {
  const slow = measureSlowly()
  const fast = measureAll()
  const plainNs = slow.steps[0].nanoseconds / tableRows.plain[1]
  const lines = [
    ...slow.steps.map((step, index) => stepLine(step, fast.steps[index], plainNs)),
    ...slow.modules.map((row, index) => moduleLine(row, fast.modules[index])),
    ...(await hostCalls()),
  ].map((line) => ({ ...line, input: `${line.input ?? ''}; ${verdict(line)}` }))
  const bought = lines.filter(({ name }) => name !== `calibration/${refusedRow}`)
  const sorted = bought.toSorted((left, right) => left.value - right.value)
  const [low, high] = [sorted[0], sorted[sorted.length - 1]]
  const summary: BenchLine = {
    name: 'calibration',
    value: low.value,
    unit: 'fuel per ns',
    p50: sorted[Math.floor(sorted.length / 2)].value,
    ratio: rounded(high.value / low.value),
    baseline: `${rounded(1 / low.value)} ns a fuel at most (${low.name}), ${rounded(1 / high.value)} at least (${high.name})`,
    input:
      `${bought.length} rows, ${bought.filter(({ value }) => value < UNSAFE_FUEL_PER_NS).length} unsafe, ` +
      `${bought.filter(({ value }) => value < CHEAP_FUEL_PER_NS).length} above 2 ns a fuel; ratio: the spread, ` +
      `prices above their cost included; derived: ${fuelPerNs} fuel a nanosecond`,
  }
  return [...lines, summary]
}

export const benches = [{ name: 'calibration', run: calibration }]
