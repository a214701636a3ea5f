// Names under which an instrumented module shows its meters to the host. Guests may not export them.

/** Mutable i64: fuel that is left. Below zero after a trap: the slice was used up. */
export const FUEL_EXPORT = '__fuel'

/** Mutable i32: bytes of stack height that are left. Below zero after a trap: too deep. */
export const STACK_EXPORT = '__stack'

/**
 * Mutable i32: 1 after a trap means that the host could not grow a memory below its maximum: a node fault.
 */
export const FAULT_EXPORT = '__fault'

/** Every guest contract exports its memory so. */
export const MEMORY_EXPORT = 'memory'

/** Run under fuel after instantiation when it is exported: the top-level statements of AssemblyScript. */
export const INITIALIZE_EXPORT = '_initialize'

/**
 * The guest's mutable globals are exported as `__g0`, `__g1`... by global index, so that the host can reset
 * them.
 */
export const GLOBAL_EXPORT_PREFIX = '__g'

const reservedPattern = /^__(fuel|stack|fault|g\d+)$/

export function isReservedName(name: string): boolean {
  return reservedPattern.test(name)
}
