// A frame: one entry into one contract, with its own instance, fuel slice and journal.
import { statusOf, type ErrorCode } from '../protocol/error-codes.js'
import type { ManifestMethod, MethodKind } from '../protocol/manifest.js'
import { byteText } from './byte-text.js'
import type { Contract } from './contracts.js'
import type { GuestInstance } from './guest-instance.js'
import type { CompiledModule } from './module-cache.js'
import { hostCaps } from './host-prices.js'
import { INITIALIZE_EXPORT } from '../module/index.js'
import { markEffects, rollbackEffects, type Kernel, type Run } from './kernel.js'
import { classifyFailure } from './guest-failure.js'

/** Trigger numbers of the context (ARCHITECTURE.md). */
export const trigger = { call: 0, record: 1, timer: 2, view: 3, genesis: 4 } as const
export type Trigger = (typeof trigger)[keyof typeof trigger]

export interface FrameEntry {
  contract: Contract
  method: string
  /** Kinds of method that this entry may use. */
  kinds: readonly MethodKind[]
  input: Uint8Array
  caller: Uint8Array
  trigger: Trigger
  readOnly: boolean
  /** Fuel slice of the entry. */
  fuel: number
  /** Metered stack bytes left for this frame and those below it. */
  stackLeft: number
  /** Derived work keeps the version that it was queued with, also when the alias has switched since. */
  pinned?: boolean
  /** A policy question: sees no clock, no identity but its argument, and only its own store. */
  sealed?: boolean
}

export interface Frame {
  run: Run
  contract: Contract
  method: ManifestMethod
  entry: FrameEntry
  depth: number
  readOnly: boolean
  instance: GuestInstance
  /** Result of the last host function. */
  result: Uint8Array
  returned: Uint8Array
  explainEntries: number
  logBytes: number
  /** Oldest height as of which an answer that this frame got was; undefined: all as of now. */
  frozenSince: number | undefined
  /** The same of the last `contract_call` alone. */
  answerFrozenSince: number | undefined
  /** Why a host function stopped the frame; read after the guest is left. */
  failure: FrameFailure | undefined
}

export interface FrameFailure {
  code: ErrorCode
  /** ASCII, part of the receipt. */
  detail?: string
  /** The caller cannot catch it either: its own fuel or a fault above. */
  message?: string
}

export type FrameOutcome =
  | { ok: true; returned: Uint8Array; fuelUsed: number; frozenSince?: number }
  | { ok: false; code: ErrorCode; detail?: string; fuelUsed: number }

const noBytes = new Uint8Array(0)

/**
 * Runs one entry. On success its writes and effects become the caller's; on failure nothing of it stays but
 * the fuel that it used. Refusals before the guest runs (unknown method, depth, re-entry...) use no fuel but
 * what loading took.
 */
export function runFrame(run: Run, entry: FrameEntry): FrameOutcome {
  const outcome = enterFrame(run, entry)
  // A fault of this machine leaves by an exception: then what ran stays told.
  if (run.open.length === 0) run.kernel.ports.watch?.(undefined)
  return outcome
}

function enterFrame(run: Run, entry: FrameEntry): FrameOutcome {
  const { contract } = entry
  const method = contract.methods.get(entry.method)
  if (method === undefined || !entry.kinds.includes(method.kind)) return refusedEntry('METHOD_UNKNOWN')
  const refusal = refuseEntry(run, contract)
  if (refusal !== undefined) return refusedEntry(refusal)
  // Before the engine compiles anything of it.
  tellRunning(run, entry, run.open.length)
  const priced = priceOfEntry(run, entry)
  if (!priced.ok) return priced
  const { module, price } = priced
  const frame: Frame = {
    run,
    contract,
    method,
    entry,
    depth: run.open.length,
    // Versions that are not active answer from the store, and never write to it.
    readOnly: entry.readOnly || method.kind === 'view' || !(contract.active || entry.pinned === true),
    instance: module.take(),
    result: noBytes,
    returned: noBytes,
    explainEntries: 0,
    logBytes: 0,
    frozenSince: contract.frozenSince,
    answerFrozenSince: undefined,
    failure: undefined,
  }
  const mark = markEffects(run)
  run.kernel.overlay.begin()
  run.open.push(contract.alias)
  run.framesOpened += 1
  run.pagesOpen += module.pages.initial
  try {
    return enterGuest(frame, entry.fuel - price, price, mark)
  } finally {
    run.pagesOpen -= module.pages.initial
    run.open.pop()
    module.give(frame.instance)
  }
}

function enterGuest(
  frame: Frame,
  fuel: number,
  price: number,
  mark: ReturnType<typeof markEffects>,
): FrameOutcome {
  const { run, instance, entry } = frame
  const { overlay } = run.kernel
  instance.binding.frame = frame
  instance.fuel.value = BigInt(fuel)
  instance.stack.value = entry.stackLeft
  traceStart(frame)
  let failure: FrameFailure | undefined
  try {
    ;(instance.exports[entry.method] as () => void)()
  } catch (error) {
    failure = classifyFailure(frame, error)
  }
  const left = failure?.code === 'OUT_OF_FUEL' ? 0 : Math.max(0, Number(instance.fuel.value))
  const fuelUsed = price + fuel - left
  traceEnd(frame, failure, fuelUsed)
  if (failure === undefined) {
    overlay.commit()
    const { returned, frozenSince } = frame
    return { ok: true, returned, fuelUsed, ...(frozenSince === undefined ? {} : { frozenSince }) }
  }
  overlay.rollback()
  rollbackEffects(run, mark)
  if (failure.message !== undefined) {
    run.diagnostics.push({ transactionId: run.id, alias: frame.contract.alias, text: failure.message })
  }
  return { ok: false, code: failure.code, detail: failure.detail, fuelUsed }
}

/** Says which contract runs now, for the case that this machine fails in it. */
export function tellRunning(
  { kernel, watchedAs: transactionId }: Run,
  { contract, method }: Pick<FrameEntry, 'contract' | 'method'>,
  depth: number,
): void {
  const { alias, address } = contract
  const { height, cause } = kernel
  kernel.ports.watch?.({ transactionId, cause, height, alias, address, method, depth })
}

/** Says which module is compiled and tried before any frame of it runs: the engine may fail in that too. */
export function tellMadeReady(kernel: Kernel, alias: string, address: Uint8Array): void {
  const { cause, height, ports } = kernel
  ports.watch?.({
    transactionId: cause,
    cause,
    height,
    alias,
    address,
    method: INITIALIZE_EXPORT,
    depth: 0,
  })
}

const refusedEntry = (code: ErrorCode): FrameOutcome => ({ ok: false, code, fuelUsed: 0 })

function refuseEntry(run: Run, contract: Contract): ErrorCode | undefined {
  if (contract.manifest.type !== 'contract') return 'METHOD_UNKNOWN'
  if (run.open.length >= hostCaps.depth) return 'DEPTH_EXCEEDED'
  if (run.framesOpened >= hostCaps.frames) return 'FRAMES_EXCEEDED'
  // By alias, not by address: two versions share one store.
  if (run.open.includes(contract.alias)) return 'REENTRANCY_DENIED'
  return undefined
}

const outOfFuel = ({ fuel }: FrameEntry): FrameOutcome & { ok: false } => ({
  ok: false,
  code: 'OUT_OF_FUEL',
  fuelUsed: fuel,
})

/**
 * What the frame costs before its method runs. A version that no alias points to may have to be loaded: each
 * part of that is paid before it is done, once in a transaction, whether this node has it at hand or not.
 */
function priceOfEntry(
  run: Run,
  entry: FrameEntry,
): { ok: true; module: CompiledModule; price: number } | (FrameOutcome & { ok: false }) {
  const { contract } = entry
  // Work that was queued for a version when it was active is not dearer because the alias moved on.
  const isKept = contract.active || entry.pinned === true
  const name = isKept ? '' : byteText(contract.address)
  const isLoaded = isKept || run.loaded.has(name)
  const before = isLoaded ? 0 : contract.loadPrice()
  if (entry.fuel < before) return outOfFuel(entry)
  const module = contract.module()
  const load = isLoaded ? 0 : before + module.loadPrice
  if (entry.fuel < load) return outOfFuel(entry)
  if (!isLoaded) run.loaded.add(name)
  // Callers stand still meanwhile: only the frame on top grows.
  const { pagesReserved } = run.kernel.cache.metering(run.kernel.chain).schedule
  if (run.pagesOpen + module.pages[pagesReserved] > hostCaps.pages) {
    return { ok: false, code: 'LIMIT_EXCEEDED', fuelUsed: load }
  }
  const price = load + module.framePrice()
  return entry.fuel < price ? outOfFuel(entry) : { ok: true, module, price }
}

function traceStart(frame: Frame): void {
  const { run, entry, contract } = frame
  run.trace?.({
    type: 'frame',
    transactionId: run.id,
    depth: frame.depth,
    alias: contract.alias,
    address: contract.address,
    method: entry.method,
    caller: entry.caller,
    trigger: entry.trigger,
    readOnly: frame.readOnly,
    input: entry.input,
    fuel: entry.fuel,
  })
}

function traceEnd(frame: Frame, failure: FrameFailure | undefined, fuelUsed: number): void {
  const { run, instance } = frame
  run.trace?.({
    type: 'frame-end',
    transactionId: run.id,
    depth: frame.depth,
    status: failure === undefined ? 0 : statusOf(failure.code),
    fuelUsed,
    stackLeft: instance.stack.value,
    ...(failure === undefined ? { returned: frame.returned } : {}),
  })
}
