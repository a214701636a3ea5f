// One instance of a metered module, made once and reset between calls: memory and mutable globals go back
// to what they were after `_initialize`, so that nobody can tell a reused instance from a fresh one.
import { assert } from '../protocol/result.js'
import {
  FAULT_EXPORT,
  FUEL_EXPORT,
  INITIALIZE_EXPORT,
  MEMORY_EXPORT,
  STACK_EXPORT,
  type PreparedModule,
} from '../module/index.js'
import type { Frame } from './frame.js'
import { createHostImports } from './host-functions.js'
import { NodeFault } from './ports.js'

/** Where host functions find the frame that is running in the instance; empty while nothing runs. */
export interface HostBinding {
  frame: Frame | undefined
}

export interface GuestInstance {
  binding: HostBinding
  exports: Record<string, unknown>
  memory: WebAssembly.Memory
  fuel: WebAssembly.Global<bigint>
  stack: WebAssembly.Global<number>
  fault: WebAssembly.Global<number>
  /** Mutable globals of the guest and their values after `_initialize`. */
  globals: { cell: WebAssembly.Global; initial: unknown }[]
  /** Memory after `_initialize`, of all instances of a module; empty when it is too large to be put back. */
  snapshot: Uint8Array
  /** Pages of 64 KiB that the module declares: what its frame is counted with at first. */
  pagesInitial: number
  /** The memory as bytes; made anew when the guest grew it. */
  bytes: Uint8Array
  /** Fuel that `_initialize` took: the same for every instance of one module. */
  initializeFuel: number
}

/** Above this many pages copying costs more than a fresh instance (measured: 16 pages 50 µs). */
export const reusePagesMax = 16

const noSnapshot = new Uint8Array(0)

/** Why `_initialize` did not come to its end. */
export type InitializeFault = 'fuel' | 'stack' | 'host' | 'trap'

/** `_initialize` trapped, called the host, or needed more fuel than it had (then it used more than that). */
export class InitializeFailed extends Error {
  constructor(
    readonly fuelUsed: number,
    readonly why: InitializeFault,
    cause: unknown,
  ) {
    super('_initialize did not come to its end', { cause })
  }
}

/** The meters in the order of the metered code; what is no trap of the engine came out of a host function. */
function faultOf(
  fuel: WebAssembly.Global<bigint>,
  stack: WebAssembly.Global<number>,
  cause: unknown,
): InitializeFault {
  if (fuel.value < 0n) return 'fuel'
  if (stack.value < 0) return 'stack'
  return cause instanceof WebAssembly.RuntimeError ? 'trap' : 'host'
}

/** Throws InitializeFailed, a NodeFault, or a RangeError of the engine. */
export function createGuestInstance(
  module: WebAssembly.Module,
  prepared: PreparedModule,
  hasInitialize: boolean,
  initializeFuelMax: number,
  stackBytesMax: number,
  /** Of another instance of the module: the same bytes, for nothing but the module decides them. */
  snapshot?: Uint8Array,
): GuestInstance {
  const binding: HostBinding = { frame: undefined }
  const { exports } = new WebAssembly.Instance(module, { wardchain_v1: createHostImports(binding) })
  const memory = exports[MEMORY_EXPORT] as WebAssembly.Memory
  const fuel = exports[FUEL_EXPORT] as WebAssembly.Global<bigint>
  const stack = exports[STACK_EXPORT] as WebAssembly.Global<number>
  const fault = exports[FAULT_EXPORT] as WebAssembly.Global<number>
  assert(
    memory !== undefined && fuel !== undefined && stack !== undefined,
    'a metered module shows its meters',
  )
  let initializeFuel = 0
  if (hasInitialize) {
    fuel.value = BigInt(initializeFuelMax)
    stack.value = stackBytesMax
    try {
      ;(exports[INITIALIZE_EXPORT] as () => void)()
    } catch (cause) {
      if (cause instanceof RangeError) throw cause
      // The guest could have had more memory and this machine gave none: the next one may.
      if (fault.value !== 0)
        throw new NodeFault('NATIVE_FAILURE', 'no memory for `_initialize` to grow into', { cause })
      throw new InitializeFailed(initializeFuelMax - Number(fuel.value), faultOf(fuel, stack, cause), cause)
    }
    initializeFuel = initializeFuelMax - Number(fuel.value)
  }
  const globals = prepared.globalExports
    .map((name) => exports[name] as WebAssembly.Global)
    .map((cell) => ({ cell, initial: cell.value }))
  const bytes = new Uint8Array(memory.buffer)
  return {
    binding,
    exports,
    memory,
    fuel,
    stack,
    fault,
    globals,
    snapshot: snapshot ?? (prepared.memoryPagesInitial <= reusePagesMax ? bytes.slice() : noSnapshot),
    pagesInitial: prepared.memoryPagesInitial,
    bytes,
    initializeFuel,
  }
}

/** Back to the state after `_initialize`; false when the instance must be thrown away (its memory grew). */
export function resetGuestInstance(instance: GuestInstance): boolean {
  if (instance.memory.buffer.byteLength !== instance.snapshot.length) return false
  // Not the view of before: `memory.grow` by nothing detaches it and keeps the size.
  guestMemory(instance).set(instance.snapshot)
  for (const { cell, initial } of instance.globals) cell.value = initial
  instance.fault.value = 0
  instance.binding.frame = undefined
  return true
}

/** Pages that the guest has grown its memory by. */
export function pagesGrown(instance: GuestInstance): number {
  return instance.memory.buffer.byteLength / 65_536 - instance.pagesInitial
}

/** The guest's memory as bytes, now. */
export function guestMemory(instance: GuestInstance): Uint8Array {
  if (instance.bytes.buffer !== instance.memory.buffer)
    instance.bytes = new Uint8Array(instance.memory.buffer)
  return instance.bytes
}
