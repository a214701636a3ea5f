// The pipeline of a deployment: limits, read, policy, type-check, policy on the code, rewrite, price.

import { checkCode } from './check-code.js'
import { checkPolicy, type ModulePolicy } from './check-policy.js'
import type { FuelSchedule } from './fuel-schedule.js'
import { instrument, mutableGlobals } from './instrument.js'
import type { Instrumenter } from './instrumenters.js'
import { GLOBAL_EXPORT_PREFIX, INITIALIZE_EXPORT } from './instrumented-names.js'
import { readModule } from './read-module.js'
import type { ModuleRefusal, ModuleResult } from './refusal.js'
import { validateModule } from './validate-module.js'
import { EXTERNAL_FUNCTION, type ModuleExport, type WasmModule } from './wasm-types.js'

export interface PreparedModule {
  /** What the engine compiles. */
  readonly instrumented: Uint8Array
  /** Fuel for deploying, known before the engine sees the module. */
  readonly deployPrice: number
  /** Fuel for every frame that runs the module, on a reused instance too. */
  readonly instancePrice: number
  /** Fuel for loading where no alias points to it, beyond what its bytes cost; paid before compiling. */
  readonly loadPrice: number
  /** Exported functions `() -> ()`: the methods, `_initialize` among them. */
  readonly methods: readonly string[]
  /** Where the body of `_initialize` begins in the raw module; 0 without one. */
  readonly initializeOffset: number
  readonly memoryPagesInitial: number
  /** The forced maximum. */
  readonly memoryPagesMax: number
  readonly dataBytes: number
  /**
   * Names under which the guest's mutable globals are exported, so that an instance can be reset by writing
   * memory and globals. Not so when a float global holds a NaN at the snapshot: JavaScript does not keep
   * its bits.
   */
  readonly globalExports: readonly string[]
}

/**
 * Takes a deployed module through the whole pipeline. Total: any bytes give a prepared module or a refusal.
 * `rewrite` is the instrumenter of the chain's version (`instrumenters.ts`).
 */
export function prepareModule(
  bytes: Uint8Array,
  policy: ModulePolicy,
  schedule: FuelSchedule,
  rewrite: Instrumenter = instrument,
): ModuleResult<PreparedModule> {
  const { limits } = policy
  if (bytes.length > limits.moduleBytesMax) {
    const detail = `Bytes of the module: ${bytes.length}, and at most ${limits.moduleBytesMax} are allowed.`
    return { ok: false, code: 'LIMIT_MODULE_BYTES', offset: limits.moduleBytesMax, detail }
  }
  const read = readModule(bytes)
  if (!read.ok) return read
  const module = read.value
  const admitted = checkPolicy(module, policy)
  if (!admitted.ok) return admitted
  const validated = validateModule(module)
  if (!validated.ok) return validated
  const facts = validated.value
  const checked = checkCode(module, facts, limits)
  if (!checked.ok) return checked
  const instrumented = rewrite(module, facts, { schedule, memoryPagesMax: limits.memoryPagesMax })
  if (instrumented.length > limits.instrumentedBytesMax) {
    const detail = `The metered module has ${instrumented.length} bytes, and at most ${limits.instrumentedBytesMax} are allowed.`
    return { ok: false, code: 'LIMIT_INSTRUMENTED_BYTES', offset: 0, detail }
  }
  const grown = checkGrowth(module, instrumented, limits.instrumentedBodyBytesMax)
  if (grown !== undefined) return grown
  const localCount = facts.reduce((sum, one) => sum + one.localCount, 0)
  return { ok: true, value: describe(module, instrumented, limits.memoryPagesMax, schedule, localCount) }
}

/** Refuses a function whose rewritten body is too long for the engine's optimising tier. */
function checkGrowth(module: WasmModule, instrumented: Uint8Array, max: number): ModuleRefusal | undefined {
  const read = readModule(instrumented)
  // What the rewriter wrote and our own reader cannot read is a bug of ours, never the vendor's.
  if (!read.ok) throw new Error(`the instrumented module is malformed: ${read.code} at ${read.offset}`)
  const index = module.bodies.findIndex((_, place) => {
    const body = read.value.bodies[place]
    return body.end - body.start > max
  })
  if (index < 0) return undefined
  const detail = `A metered function body has more than ${max} bytes. Split the function: it holds too many calls or branches.`
  return { ok: false, code: 'LIMIT_INSTRUMENTED_BODY_BYTES', offset: module.bodies[index].start, detail }
}

function describe(
  module: WasmModule,
  instrumented: Uint8Array,
  pagesMax: number,
  schedule: FuelSchedule,
  localCount: number,
): PreparedModule {
  const memory = module.memories[0].limits
  const dataBytes = module.data.reduce((sum, segment) => sum + segment.bytes, 0)
  return {
    instrumented,
    deployPrice: deployPrice(module, schedule, localCount),
    instancePrice: instancePrice(module, schedule, dataBytes),
    loadPrice:
      schedule.loadFunction * module.functions.length + schedule.loadGlobal * module.globals.length,
    methods: findMethods(module),
    initializeOffset: initializeOffset(module),
    memoryPagesInitial: memory.minimum,
    memoryPagesMax: Math.min(memory.maximum ?? pagesMax, pagesMax),
    dataBytes,
    globalExports: mutableGlobals(module).map((index) => `${GLOBAL_EXPORT_PREFIX}${index}`),
  }
}

function instancePrice(module: WasmModule, schedule: FuelSchedule, dataBytes: number): number {
  const { fuel, bytes } = schedule.instanceData
  const entries = module.elements.reduce((sum, segment) => sum + segment.items.length, 0)
  return (
    schedule.instance +
    schedule.instancePage * module.memories[0].limits.minimum +
    schedule.instanceGlobal * module.globals.length +
    schedule.instanceExport * module.exports.length +
    schedule.instanceTableEntry * entries +
    Math.ceil((dataBytes * fuel) / bytes)
  )
}

function deployPrice(module: WasmModule, schedule: FuelSchedule, localCount: number): number {
  return (
    schedule.deploy +
    schedule.deployByte * module.bytes.length +
    schedule.deployFunction * module.functions.length +
    schedule.deployLocal * localCount +
    schedule.deploySegment * (module.data.length + module.elements.length)
  )
}

function initializeOffset(module: WasmModule): number {
  const isIt = ({ kind, name }: ModuleExport): boolean =>
    kind === EXTERNAL_FUNCTION && name === INITIALIZE_EXPORT
  const item = module.exports.find(isIt)
  const body = item && module.bodies[item.index - module.functionsImported]
  return body?.start ?? 0
}

function findMethods(module: WasmModule): string[] {
  const names: string[] = []
  for (const item of module.exports) {
    // A host function that is exported again is no method.
    if (item.kind !== EXTERNAL_FUNCTION || item.index < module.functionsImported) continue
    const type = module.types[module.functions[item.index]]
    if (type.parameters.length === 0 && type.results.length === 0) names.push(item.name)
  }
  return names
}
