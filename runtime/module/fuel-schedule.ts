// The price of everything a module does by itself. Prices are consensus: a changed number is a new schedule
// version, and old blocks replay under the schedule of their time.

/** Part of every module-cache key, with INSTRUMENTER_VERSION. */
export const SCHEDULE_VERSION = 1

/** Bumped whenever `instrument` gives other bytes for the same module. */
export const INSTRUMENTER_VERSION = 1

/**
 * Prices in fuel. One fuel is one plain instruction, about 1 ns on the stated minimum machine in V8's
 * slower tier. Host functions are priced in `runtime/execution`.
 */
export interface FuelSchedule {
  readonly version: number
  /** Constants, locals, globals, integer arithmetic, compares, conversions, `drop`, `select`. */
  readonly plain: number
  /**
   * `block`, `end`, `else`, `nop`: the compilers emit no machine code for them (Stylus: 0.01 of a plain
   * one).
   */
  readonly structure: number
  readonly memoryAccess: number
  /** Integer division and remainder, float division, square root. */
  readonly division: number
  /** `br`, `br_if`, `if`, `loop`, `return`. */
  readonly branch: number
  readonly branchTable: number
  /** One more fuel for each so many entries of a `br_table`. */
  readonly branchTableEntriesPerFuel: number
  readonly call: number
  readonly callIndirect: number
  readonly callIndirectArgument: number
  /**
   * Each local (parameters counted) above `localsFree` costs one, charged on entry: the frame must be
   * cleared.
   */
  readonly localsFree: number
  readonly memoryGrow: number
  readonly memoryGrowPage: number
  /** `memory.copy`, `memory.fill`, `memory.init`: base, then one fuel for each so many bytes. */
  readonly bulk: number
  readonly bulkBytesPerFuelLog2: number
  /** `table.*` operations, which the contract policy refuses: base, then one fuel for each entry. */
  readonly table: number
  /** Loading an instance, for every frame, a reused instance too. */
  readonly instance: number
  readonly instancePage: number
  readonly instanceDataBytesPerFuel: number
  readonly instanceGlobal: number
  /** Deploying: validating, rewriting and compiling. */
  readonly deploy: number
  readonly deployByte: number
  readonly deployFunction: number
  readonly deployLocal: number
  readonly deploySegment: number
}

/**
 * Version 1: the start prices of the runtime reference, section 5, before calibration on the minimum
 * machine.
 */
export const fuelScheduleV1: FuelSchedule = {
  version: SCHEDULE_VERSION,
  plain: 1,
  structure: 0,
  memoryAccess: 2,
  division: 4,
  branch: 2,
  branchTable: 4,
  branchTableEntriesPerFuel: 8,
  call: 4,
  callIndirect: 14,
  callIndirectArgument: 1,
  localsFree: 8,
  memoryGrow: 1_000,
  memoryGrowPage: 4_000,
  bulk: 10,
  bulkBytesPerFuelLog2: 3,
  table: 10,
  instance: 100_000,
  instancePage: 4_000,
  instanceDataBytesPerFuel: 8,
  instanceGlobal: 10,
  deploy: 1_000_000,
  deployByte: 1_000,
  deployFunction: 5_000,
  deployLocal: 100,
  deploySegment: 1_000,
}

/** Fuel limits never exceed this: an i64 counter with room for every charge above it. */
export const FUEL_MAX = 2n ** 62n
