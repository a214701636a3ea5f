// The price of everything a module does by itself. Prices are consensus: a changed number is a new schedule
// version, and old blocks replay under the schedule of their time.

/** The newest schedule: what new networks are founded with, and what governance may switch to. */
export const SCHEDULE_VERSION = 3

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
  /** Making an instance, for every frame, a reused instance too. */
  readonly instance: number
  readonly instancePage: number
  /** `fuel` for each so many `bytes` of data segments. */
  readonly instanceData: { readonly fuel: number; readonly bytes: number }
  readonly instanceGlobal: number
  /** Each export, and each entry of a table that an element segment fills: the engine makes an object. */
  readonly instanceExport: number
  readonly instanceTableEntry: number
  /**
   * Loading a version that no alias points to, once in each transaction: no node keeps it compiled. The base
   * and the bytes are paid before it is read, functions and globals before it is compiled.
   */
  readonly load: number
  readonly loadByte: number
  readonly loadFunction: number
  readonly loadGlobal: number
  /**
   * A frame opens when this much of its memory still fits beside the open frames: what it begins with, or
   * all that it may ever grow to, so that their sum is bounded at every moment.
   */
  readonly pagesReserved: 'initial' | 'maximum'
  /** Deploying: validating, rewriting and compiling. */
  readonly deploy: number
  readonly deployByte: number
  readonly deployFunction: number
  readonly deployLocal: number
  readonly deploySegment: number
  /** The deploying transaction pays what `_initialize` uses when the module is tried. */
  readonly deployInitialize: boolean
}

/**
 * Version 1: the start prices of the runtime reference, section 5, before calibration on the minimum
 * machine.
 */
export const fuelScheduleV1: FuelSchedule = {
  version: 1,
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
  instanceData: { fuel: 1, bytes: 8 },
  instanceGlobal: 10,
  instanceExport: 0,
  instanceTableEntry: 0,
  load: 0,
  loadByte: 0,
  loadFunction: 0,
  loadGlobal: 0,
  pagesReserved: 'initial',
  deploy: 1_000_000,
  deployByte: 1_000,
  deployFunction: 5_000,
  deployLocal: 100,
  deploySegment: 1_000,
  deployInitialize: false,
}

/**
 * Version 2: making an instance and loading a module are priced by what they hold, as measured
 * (`npm run bench -- calibration`); instructions cost what they cost before. Its host functions are
 * `hostPricesV2`, and so are those of the later ones.
 */
export const fuelScheduleV2: FuelSchedule = {
  ...fuelScheduleV1,
  version: 2,
  // 41 µs for an empty module with one page.
  instance: 35_000,
  // A memory of many pages is a new one for each frame: 18 µs a page.
  instancePage: 20_000,
  // 3 ns a byte: the engine copies segments one by one.
  instanceData: { fuel: 4, bytes: 1 },
  instanceGlobal: 700,
  instanceExport: 1_000,
  instanceTableEntry: 150,
  // 60 to 190 ns a byte and 6 µs a function for reading, checking, rewriting and compiling.
  load: 500_000,
  loadByte: 200,
  loadFunction: 8_000,
  loadGlobal: 10_000,
  pagesReserved: 'maximum',
  deployFunction: 10_000,
  deployInitialize: true,
}

/**
 * Version 3: a page that a module grows by costs what a page costs that it begins with. Growing and writing
 * to it took 24 µs for a price of 4,000, so that five times the time was to be had for the fuel.
 */
export const fuelScheduleV3: FuelSchedule = { ...fuelScheduleV2, version: 3, memoryGrowPage: 24_000 }

/** Every schedule that a chain may ever have run under: old blocks are run again under their own. */
export const fuelSchedules: ReadonlyMap<number, FuelSchedule> = new Map(
  [fuelScheduleV1, fuelScheduleV2, fuelScheduleV3].map((schedule) => [schedule.version, schedule]),
)

/** Fuel limits never exceed this: an i64 counter with room for every charge above it. */
export const FUEL_MAX = 2n ** 62n
