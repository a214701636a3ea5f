// The front door of the module room.

export { checkCode } from './check-code.js'
export { checkPolicy, type ModulePolicy } from './check-policy.js'
export {
  FUEL_MAX,
  fuelScheduleV1,
  fuelScheduleV2,
  fuelScheduleV3,
  fuelSchedules,
  SCHEDULE_VERSION,
  type FuelSchedule,
} from './fuel-schedule.js'
export { instrument, type InstrumentOptions } from './instrument.js'
export {
  INSTRUMENTER_VERSION,
  instrumenters,
  type Instrumenter,
  type Instrumenters,
} from './instrumenters.js'
export {
  FAULT_EXPORT,
  FUEL_EXPORT,
  GLOBAL_EXPORT_PREFIX,
  INITIALIZE_EXPORT,
  isReservedName,
  MEMORY_EXPORT,
  STACK_EXPORT,
} from './instrumented-names.js'
export { moduleLimits, STACK_BYTES_MAX, type ModuleLimits } from './module-limits.js'
export { prepareModule, type PreparedModule } from './prepare-module.js'
export { readModule } from './read-module.js'
export type { ModuleRefusal, ModuleRefusalCode, ModuleResult } from './refusal.js'
export type { FunctionFacts } from './validate-function.js'
export { validateModule } from './validate-module.js'
export { functionType, type FunctionType, type WasmModule } from './wasm-types.js'
