// The calibration's own footing: a metered baseline is refused, and prices are derived as schedules round.
import t from 'tap'
import { fuelScheduleV3, prepareModule } from '../module/index.js'
import { assemble, testPolicy } from '../module/wat.fixture.js'
import { measuredModules } from './calibration-module.fixture.js'
import { contractPolicy } from './module-cache.js'
import { derivedPrice, proveUnmetered, unmeteredOf } from './calibration-baseline.fixture.js'

const raw = assemble(`(module (memory (export "memory") 1) (global (mut i32) (i32.const 1))
  (func (export "run") (drop (global.get 0))))`)

t.test('a baseline with a meter of any kind is refused', async (t) => {
  t.ok(unmeteredOf(raw) instanceof WebAssembly.Module)
  const prepared = prepareModule(raw, testPolicy, fuelScheduleV3)
  if (!prepared.ok) throw new Error(prepared.detail)
  const { instrumented } = prepared.value
  t.throws(() => proveUnmetered(instrumented, undefined), /it exports a meter/)
  t.throws(() => proveUnmetered(raw, raw), /has not the meters/, 'metered against metered proves nothing')
  const more = assemble(`(module (memory (export "memory") 1) (global (mut i32) (i32.const 1))
    (global (mut i64) (i64.const 1)) (func (export "run") (drop (global.get 0))))`)
  t.throws(() => proveUnmetered(more, instrumented), /the baseline has them too/)
  const counting = assemble(`(module (import "metering" "useGas" (func $use (param i64)))
    (func (export "run") (call $use (i64.const 1))))`)
  t.throws(() => proveUnmetered(counting, undefined), /imports what is no host function/)
})

t.test('a price is its cost in nanoseconds, rounded upwards', async (t) => {
  const costs = [0.2, 1, 1.01, 99, 100, 101, 23_400, 24_000, 241_000]
  t.same(costs.map(derivedPrice), [1, 1, 2, 99, 100, 110, 24_000, 24_000, 250_000])
})

t.test('every module that the calibration measures is one that a chain takes', async (t) => {
  for (const [name, raw] of measuredModules()) {
    const made = prepareModule(raw, contractPolicy, fuelScheduleV3)
    t.ok(made.ok, `${name}: ${made.ok ? 'taken' : `${made.code}: ${made.detail}`}`)
  }
})
