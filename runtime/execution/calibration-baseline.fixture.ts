// What the calibration rests on: a baseline that is proven unmetered, and how a price follows from a cost.
import {
  FUEL_EXPORT,
  isReservedName,
  prepareModule,
  fuelScheduleV3,
  readModule,
  STACK_EXPORT,
} from '../module/index.js'
import { testPolicy } from '../module/wat.fixture.js'

/** Globals that the instrumenter appends: fuel, stack, fault. */
const meterGlobals = 3

function globalCount(bytes: Uint8Array): number {
  const read = readModule(bytes)
  if (!read.ok) throw new Error(`${read.code}: ${read.detail}`)
  return read.value.globals.length
}

/**
 * Throws unless this module holds no meter: no name of ours among its exports, nothing imported that could
 * count, and none of the globals that its own metered form has more.
 */
export function proveUnmetered(bytes: Uint8Array, metered: Uint8Array | undefined): WebAssembly.Module {
  const module = new WebAssembly.Module(bytes)
  const names = WebAssembly.Module.exports(module).map(({ name }) => name)
  if (names.some(isReservedName)) throw new Error('the baseline is metered: it exports a meter')
  const imported = WebAssembly.Module.imports(module)
  if (imported.some(({ module: from }) => from !== 'wardchain_v1'))
    throw new Error('the baseline imports what is no host function')
  if (metered === undefined) return module
  const kept = WebAssembly.Module.exports(new WebAssembly.Module(metered))
  const isMetered = [FUEL_EXPORT, STACK_EXPORT].every((meter) => kept.some(({ name }) => name === meter))
  if (!isMetered || globalCount(metered) !== globalCount(bytes) + meterGlobals)
    throw new Error('the metered side has not the meters, or the baseline has them too')
  return module
}

/** The same for a module that the pipeline takes. */
export function unmeteredOf(raw: Uint8Array): WebAssembly.Module {
  const prepared = prepareModule(raw, testPolicy, fuelScheduleV3)
  if (!prepared.ok) throw new Error(`${prepared.code}: ${prepared.detail}`)
  return proveUnmetered(raw, prepared.value.instrumented)
}

/** The unit that all schedules are anchored on: one fuel is a nanosecond in the slower tier. */
export const fuelPerNs = 1

/** As the schedules round: whole, at least 1, from 100 on two digits; upwards, for the buyer never gains. */
export function derivedPrice(nanoseconds: number): number {
  const fuel = Math.max(1, nanoseconds * fuelPerNs)
  const unit = fuel < 100 ? 1 : 10 ** (Math.floor(Math.log10(fuel)) - 1)
  // The last digits of a float are no reason for a higher price.
  return Math.ceil(Number((fuel / unit).toPrecision(12))) * unit
}
