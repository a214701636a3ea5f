// A world in which a script's modules live: one for the raw modules, one for the instrumented ones.

import { createHash } from 'node:crypto'
import {
  FUEL_EXPORT,
  fuelScheduleV1,
  instrument,
  isReservedName,
  STACK_BYTES_MAX,
  STACK_EXPORT,
  type FunctionFacts,
  type InstrumentOptions,
} from '../../runtime/module/index.js'
import {
  EXTERNAL_FUNCTION,
  EXTERNAL_GLOBAL,
  isFloat,
  type WasmModule,
} from '../../runtime/module/wasm-types.js'
import type { KeptInstances } from './kept-instances.js'
import { shimFunction, shimGlobal } from './float-shims.js'

/** More than any script needs, and a safe integer. */
const FUEL = 2 ** 50
const PAGES_MAX = 65_536

export interface WorldInstance {
  readonly module: WasmModule
  readonly exports: Record<string, unknown>
  readonly shims: Map<string, (...values: unknown[]) => unknown>
}

export interface World {
  readonly isMetered: boolean
  readonly instances: WorldInstance[]
  readonly registered: Map<string, Record<string, unknown>>
  readonly observe: ((line: string) => void) | undefined
  readonly kept: KeptInstances | undefined
}

export type CallOutcome =
  | { readonly kind: 'values'; readonly values: readonly unknown[] }
  /** A trap of the guest's own. */
  | { readonly kind: 'trap'; readonly message: string }
  | { readonly kind: 'stack' }
  | { readonly kind: 'fuel' }
  | { readonly kind: 'link'; readonly message: string }

export function createWorld(
  isMetered: boolean,
  observe?: (line: string) => void,
  kept?: KeptInstances,
): World {
  const world: World = { isMetered, instances: [], registered: new Map(), observe, kept }
  world.registered.set('spectest', createSpectest())
  return world
}

/** The host module that the specification's tests import. */
function createSpectest(): Record<string, unknown> {
  const print = (): void => undefined
  return {
    print,
    print_i32: print,
    print_i64: print,
    print_f32: print,
    print_f64: print,
    print_i32_f32: print,
    print_f64_f64: print,
    global_i32: 666,
    global_i64: 666n,
    global_f32: new WebAssembly.Global({ value: 'f32' }, 666.6),
    global_f64: new WebAssembly.Global({ value: 'f64' }, 666.6),
    table: new WebAssembly.Table({ element: 'anyfunc', initial: 10, maximum: 20 }),
    memory: new WebAssembly.Memory({ initial: 1, maximum: 2 }),
  }
}

/** Instantiates a valid module; the outcome's first value is the new instance. */
export function instantiate(
  world: World,
  module: WasmModule,
  facts: readonly FunctionFacts[],
): CallOutcome {
  const bytes = world.isMetered ? instrument(module, facts, meteredOptions) : module.bytes
  // An engine that refuses what our validator admits is a fault of ours: let it throw.
  const compiled = new WebAssembly.Module(bytes)
  return settleCall(world, [], () => {
    const exports =
      world.kept?.take(module, facts, meteredOptions) ??
      new WebAssembly.Instance(compiled, importsOf(world, module)).exports
    const created: WorldInstance = { module, exports, shims: new Map() }
    world.instances.push(created)
    return [created]
  })
}

const meteredOptions: InstrumentOptions = {
  schedule: fuelScheduleV1,
  memoryPagesMax: PAGES_MAX,
  fuelInitial: FUEL,
  stackInitial: STACK_BYTES_MAX,
}

function importsOf(world: World, module: WasmModule): Record<string, Record<string, unknown>> {
  const imports: Record<string, Record<string, unknown>> = {}
  for (const item of module.imports) {
    imports[item.module] ??= { ...world.registered.get(item.module) }
  }
  return imports
}

/** The exports that other modules of the world may import: the meters are not for guests. */
export function register(world: World, name: string, instance: WorldInstance): void {
  const visible = Object.entries(instance.exports).filter(([key]) => !isReservedName(key))
  world.registered.set(name, Object.fromEntries(visible))
}

/** Calls an export with floats as bits. */
export function invoke(
  world: World,
  instance: WorldInstance,
  name: string,
  values: readonly unknown[],
): CallOutcome {
  return settleCall(world, world.instances, () => {
    const result = shimOf(instance, name)(...values)
    return Array.isArray(result) ? (result as unknown[]) : result === undefined ? [] : [result]
  })
}

/** Reads an exported global, floats as bits. */
export function readGlobal(world: World, instance: WorldInstance, name: string): CallOutcome {
  return settleCall(world, [], () => {
    const item = instance.module.exports.find((one) => one.name === name && one.kind === EXTERNAL_GLOBAL)
    const type = instance.module.globals[item!.index]
    const global = instance.exports[name]
    if (isFloat(type.value)) return [shimGlobal(type.value, type.mutable, global)()]
    return [(global as WebAssembly.Global).value]
  })
}

function shimOf(instance: WorldInstance, name: string): (...values: unknown[]) => unknown {
  let shim = instance.shims.get(name)
  if (shim === undefined) {
    const item = instance.module.exports.find((one) => one.name === name && one.kind === EXTERNAL_FUNCTION)
    const type = instance.module.types[instance.module.functions[item!.index]]
    shim = shimFunction(type, instance.exports[name] as (...values: unknown[]) => unknown)
    instance.shims.set(name, shim)
  }
  return shim
}

function settleCall(
  world: World,
  refilled: readonly WorldInstance[],
  run: () => readonly unknown[],
): CallOutcome {
  if (world.observe === undefined) return settle(world, refilled, run)
  if (world.isMetered) for (const instance of refilled) refill(instance)
  const before = metersOf(refilled)
  const outcome = settle(world, refilled, run)
  const after = metersOf(refilled)
  const used = before.map(([fuel], index) => fuel - after[index][0])
  const values = outcome.kind === 'values' ? outcome.values.map(plainText).join(',') : ''
  world.observe(
    `${outcome.kind} ${values} fuel ${used.join(',')} stack ${after.map(([, left]) => left).join(',')}`,
  )
  return outcome
}

function metersOf(instances: readonly WorldInstance[]): [fuel: bigint, stack: number][] {
  return instances.map(({ exports }) => [
    meter(exports, FUEL_EXPORT) as bigint,
    meter(exports, STACK_EXPORT) as number,
  ])
}

/** Numbers as they are; of a reference only what it is. */
const plainText = (value: unknown): string =>
  typeof value === 'number' || typeof value === 'bigint' ? String(value) : typeof value

/** Tells the observer a hash of each memory that an instance shows. */
export function observeMemories(world: World): void {
  for (const { exports } of world.instances) {
    for (const value of Object.values(exports)) {
      if (!(value instanceof WebAssembly.Memory)) continue
      world.observe?.(createHash('sha256').update(new Uint8Array(value.buffer)).digest('hex'))
    }
  }
}

function settle(
  world: World,
  refilled: readonly WorldInstance[],
  run: () => readonly unknown[],
): CallOutcome {
  if (world.isMetered) for (const instance of refilled) refill(instance)
  try {
    return { kind: 'values', values: run() }
  } catch (error) {
    if (world.isMetered && refilled.some(({ exports }) => meter(exports, FUEL_EXPORT) < 0n))
      return { kind: 'fuel' }
    if (world.isMetered && refilled.some(({ exports }) => meter(exports, STACK_EXPORT) < 0))
      return { kind: 'stack' }
    if (error instanceof RangeError && /stack/i.test(error.message)) return { kind: 'stack' }
    if (error instanceof WebAssembly.LinkError || error instanceof TypeError) {
      return { kind: 'link', message: error.message }
    }
    if (error instanceof WebAssembly.RuntimeError) return { kind: 'trap', message: error.message }
    throw error
  }
}

function refill(instance: WorldInstance): void {
  const fuel = instance.exports[FUEL_EXPORT] as WebAssembly.Global<bigint>
  const stack = instance.exports[STACK_EXPORT] as WebAssembly.Global<number>
  if (fuel.value < BigInt(FUEL / 2)) fuel.value = BigInt(FUEL)
  if (stack.value !== STACK_BYTES_MAX) stack.value = STACK_BYTES_MAX
}

function meter(exports: Record<string, unknown>, name: string): number | bigint {
  return (exports[name] as WebAssembly.Global<number | bigint>).value
}
