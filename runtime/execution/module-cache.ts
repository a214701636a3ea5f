// Compiled modules and idle instances, kept between blocks. Pure memory: a node with an empty cache
// computes the same. The key holds code hash, instrumenter version and fuel schedule version, so that a hot
// cache never keeps old prices.
import { byteText } from './byte-text.js'
import type { Manifest, ManifestMethod } from '../protocol/manifest.js'
import {
  fuelSchedules,
  INITIALIZE_EXPORT,
  INSTRUMENTER_VERSION,
  instrumenters,
  moduleLimits,
  prepareModule,
  SCHEDULE_VERSION,
  STACK_BYTES_MAX,
  type FuelSchedule,
  type Instrumenter,
  type Instrumenters,
  type ModulePolicy,
  type PreparedModule,
} from '../module/index.js'
import {
  createGuestInstance,
  InitializeFailed,
  type InitializeFault,
  resetGuestInstance,
  reusePagesMax,
  type GuestInstance,
} from './guest-instance.js'
import { hostModuleName, hostSignatures } from './host-abi.js'
import { createPolicyMemo, type PolicyMemo } from './policy.js'
import { NodeFault } from './ports.js'

/** A module that was checked and metered, with instances that wait to be used again. */
export interface CompiledModule {
  /** Fuel for having it compiled, where it is not kept so: beyond what its bytes cost. */
  loadPrice: number
  /** Memory pages that it begins with, and that it may have at most. */
  pages: { initial: number; maximum: number }
  /** Fuel of every frame before the method runs: an instance and `_initialize`. Asking compiles. */
  framePrice(): number
  take(): GuestInstance
  give(instance: GuestInstance): void
}

/** What a manifest reads of one record kind. */
export interface ReadableKind {
  /** A selector without codes: every code. */
  all: boolean
  codes: string[]
}

export interface LoadedManifest {
  manifest: Manifest
  reads: ReadonlyMap<number, ReadableKind>
  methods: ReadonlyMap<string, ManifestMethod>
}

export interface ModuleVersions {
  fuelSchedule: number
  instrumenter: number
}

/** What modules are metered by, under the versions of a state. */
export interface Metering {
  schedule: FuelSchedule
  instrument: Instrumenter
}

export interface ModuleCache {
  knows(versions: ModuleVersions): boolean
  /** Throws NodeFault for versions that this node does not know: its fault, not the block's. */
  metering(versions: ModuleVersions): Metering
  module(codeHash: Uint8Array, versions: ModuleVersions, code: () => Uint8Array): CompiledModule
  /** Keeps a module that was compiled to check it: its first call will not wait for the compiler. */
  keepModule(codeHash: Uint8Array, versions: ModuleVersions, compiled: CompiledModule): void
  manifest(hash: Uint8Array, decode: () => Manifest): LoadedManifest
  aliasEntity(alias: string, compute: () => Uint8Array): Uint8Array
  /** Answers of the policy contract, across blocks: see policy.ts. */
  policy: PolicyMemo
}

/** Fuel that `_initialize` may use to be deployed; its true use is added to the price of every frame. */
export const initializeFuelMax = 10_000_000
/**
 * What it may use of a module that is deployed: a later schedule may price it higher than the one that it was
 * deployed under, and what an alias points to must never fail to start. Schedules are bound by this.
 */
const initializeFuelDeployedMax = 4 * initializeFuelMax

const modulesMax = 512
const manifestsMax = 2_048
/** Idle instances of one module: calls nest, but one module is rarely open twice. */
const idleMax = 4

/** What a contract may be: our host functions, the static limits. */
export const contractPolicy: ModulePolicy = {
  importModule: hostModuleName,
  imports: new Map(Object.entries(hostSignatures)),
  limits: moduleLimits,
}

function meteringOf({ fuelSchedule, instrumenter }: ModuleVersions, known: Instrumenters): Metering {
  const schedule = fuelSchedules.get(fuelSchedule)
  const instrument = known.get(instrumenter)
  if (schedule !== undefined && instrument !== undefined) return { schedule, instrument }
  throw new NodeFault(
    'ENGINE_DISAGREES',
    'this node does not know the fuel schedule or instrumenter of the state',
  )
}

/** What new networks are founded with. */
export const newestVersions: ModuleVersions = {
  fuelSchedule: SCHEDULE_VERSION,
  instrumenter: INSTRUMENTER_VERSION,
}

/** Can a node with these instrumenters run blocks under these versions? */
export const knowsVersions = (
  { fuelSchedule, instrumenter }: ModuleVersions,
  known: Instrumenters = instrumenters,
): boolean => fuelSchedules.has(fuelSchedule) && known.has(instrumenter)

/** `known`: all that this node has, unless a test adds one of its own. */
export function createModuleCache(known: Instrumenters = instrumenters): ModuleCache {
  const modules = new Map<string, CompiledModule>()
  const manifests = new Map<string, LoadedManifest>()
  const entities = new Map<string, Uint8Array>()
  return {
    knows: (versions) => knowsVersions(versions, known),
    metering: (versions) => meteringOf(versions, known),
    module(codeHash, versions, code) {
      return remember(modules, keyOf(codeHash, versions), modulesMax, () =>
        loadModule(code(), meteringOf(versions, known)),
      )
    },
    keepModule(codeHash, versions, compiled) {
      remember(modules, keyOf(codeHash, versions), modulesMax, () => compiled)
    },
    manifest: (hash, decode) =>
      remember(manifests, byteText(hash), manifestsMax, () => indexMethods(decode())),
    aliasEntity: (alias, compute) => remember(entities, alias, manifestsMax, compute),
    policy: createPolicyMemo(),
  }
}

const keyOf = (codeHash: Uint8Array, versions: ModuleVersions): string =>
  `${byteText(codeHash)}/${versions.instrumenter}/${versions.fuelSchedule}`

/** A Map keeps insertion order, so the first key is the one that was used longest ago. */
export function remember<V>(map: Map<string, V>, key: string, countMax: number, make: () => V): V {
  const kept = map.get(key)
  if (kept !== undefined) {
    // Moved to the end, but only where something may soon have to leave.
    if (map.size * 2 > countMax) {
      map.delete(key)
      map.set(key, kept)
    }
    return kept
  }
  const made = make()
  if (map.size >= countMax) {
    const oldest = map.keys().next()
    if (!oldest.done) map.delete(oldest.value)
  }
  map.set(key, made)
  return made
}

const indexMethods = (manifest: Manifest): LoadedManifest => ({
  manifest,
  reads: readableKinds(manifest),
  methods: new Map(manifest.methods.map((method) => [method.name, method])),
})

function readableKinds(manifest: Manifest): Map<number, ReadableKind> {
  const kinds = new Map<number, ReadableKind>()
  for (const { kind, codes } of manifest.reads) {
    const readable = kinds.get(kind) ?? { all: false, codes: [] }
    if (codes.length === 0) readable.all = true
    readable.codes = [...new Set([...readable.codes, ...codes])]
    kinds.set(kind, readable)
  }
  return kinds
}

function loadModule(code: Uint8Array, { schedule, instrument }: Metering): CompiledModule {
  const prepared = prepareModule(code, contractPolicy, schedule, instrument)
  // Only what passed was deployed: a refusal now means that this node decides otherwise than the one that
  // deployed it.
  if (!prepared.ok)
    throw new NodeFault('ENGINE_DISAGREES', `a deployed module is refused: ${prepared.code}`)
  return compileModule(prepared.value)
}

/**
 * Compiles at the first need. Throws NodeFault when the engine refuses what our validator accepted.
 */
function compileModule(prepared: PreparedModule, make?: InstanceMaker): CompiledModule {
  let compiled: Compiled | undefined
  const need = (): Compiled => (compiled ??= compile(prepared, make ?? instanceMaker(prepared)))
  return {
    loadPrice: prepared.loadPrice,
    pages: { initial: prepared.memoryPagesInitial, maximum: prepared.memoryPagesMax },
    framePrice: () => need().framePrice,
    take: () => need().take(),
    give: (instance) => need().give(instance),
  }
}

interface Compiled extends Pick<CompiledModule, 'take' | 'give'> {
  framePrice: number
}

function compile(prepared: PreparedModule, make: InstanceMaker): Compiled {
  const first = deployedInstance(make)
  const idle = [first]
  // JavaScript does not keep the bits of every NaN, so a float global that holds one cannot be put back.
  const hasNan = first.globals.some(({ initial }) => Number.isNaN(initial))
  const reusable = !hasNan && prepared.memoryPagesInitial <= reusePagesMax
  return {
    framePrice: prepared.instancePrice + first.initializeFuel,
    take: () => idle.pop() ?? deployedInstance(make),
    give: (instance) => {
      if (reusable && idle.length < idleMax && resetGuestInstance(instance)) idle.push(instance)
    },
  }
}

/** What is deployed came through `_initialize` once; that it does not now is this machine's doing. */
function deployedInstance(make: InstanceMaker): GuestInstance {
  try {
    return make()
  } catch (cause) {
    if (!(cause instanceof InitializeFailed)) throw cause
    throw new NodeFault('ENGINE_DISAGREES', '`_initialize` of a deployed module fails', { cause })
  }
}

/**
 * Compiles the module and tries `_initialize` with this fuel. The fuel that it used, and whether it came to
 * its end; it may trap, call the host or need more.
 */
export function tryInitialize(prepared: PreparedModule, fuel: number): InitializeOutcome {
  const make = instanceMaker(prepared)
  try {
    const { initializeFuel } = make(fuel)
    return { ok: true, fuelUsed: initializeFuel, module: compileModule(prepared, make) }
  } catch (error) {
    if (error instanceof InitializeFailed) return { ok: false, fuelUsed: error.fuelUsed, why: error.why }
    throw error
  }
}

export type { InitializeFault }

/** `fuelUsed` is above the fuel given when that was not enough. */
export type InitializeOutcome =
  | { ok: true; fuelUsed: number; module: CompiledModule }
  | { ok: false; fuelUsed: number; why: InitializeFault }

type InstanceMaker = (fuel?: number) => GuestInstance

function instanceMaker(prepared: PreparedModule): InstanceMaker {
  let module: WebAssembly.Module
  try {
    module = new WebAssembly.Module(prepared.instrumented)
  } catch (cause) {
    throw new NodeFault('ENGINE_DISAGREES', 'the engine refuses a module that our validator accepts', {
      cause,
    })
  }
  const hasInitialize = prepared.methods.includes(INITIALIZE_EXPORT)
  let snapshot: Uint8Array | undefined
  return (fuel = initializeFuelDeployedMax) => {
    try {
      const made = createGuestInstance(module, prepared, hasInitialize, fuel, STACK_BYTES_MAX, snapshot)
      snapshot = made.snapshot
      return made
    } catch (cause) {
      // No memory for an instance, or a native stack overflow in `_initialize`: not the contract's fault.
      if (!(cause instanceof RangeError)) throw cause
      throw new NodeFault('NATIVE_FAILURE', 'the engine could not make an instance', { cause })
    }
  }
}
