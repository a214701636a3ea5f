// Read-only calls: queries of screens, `mayRead` of people and services, developer tools. Nothing of them
// is stored.
import { kernelEntity } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { zeroHash } from '../protocol/hash.js'
import type { ReceiptEvent } from '../protocol/receipt.js'
import { ok, refused, type Result } from '../protocol/result.js'
import { STACK_BYTES_MAX } from '../module/index.js'
import { Overlay } from '../state/overlay.js'
import { activeContract, contractAt } from './contracts.js'
import { runFrame, trigger } from './frame.js'
import type { TraceSink } from './trace.js'
import { createKernel, createRun } from './kernel.js'
import type { ModuleCache } from './module-cache.js'
import type { ExecutionPorts, Explanation, ParentState } from './ports.js'

export interface ViewCall {
  /** Alias text, or 32-byte address of any version that was ever deployed. */
  target: string | Uint8Array
  method: string
  args: Uint8Array
  /** Entity that asks; the kernel when left out. */
  caller?: Uint8Array
  /** Bound; the manifest's when left out. */
  fuelLimit?: number
  /** Hears every frame and host call. */
  trace?: TraceSink
}

export interface ViewOutcome {
  returned: Uint8Array
  fuelUsed: number
  events: ReceiptEvent[]
  explanations: Explanation[]
  /** The version that answered. */
  address: Uint8Array
  /**
   * The answer rests on tables that are no longer written since this height: its own, because a newer layout
   * is active, or those of a former version that it asked. The oldest of them.
   */
  frozenSince?: number
}

/**
 * Calls a `view` or `system` method on the state of one height; whatever it tries to write is READ_ONLY.
 */
export function callView(
  state: ParentState,
  call: ViewCall,
  at: { height: number; time: number },
  cache: ModuleCache,
  ports: ExecutionPorts,
): Result<ViewOutcome, ErrorCode> {
  const overlay = new Overlay(state)
  const { trace } = call
  const parts = { ports, cache, parent: state, overlay, height: at.height, time: at.time }
  const kernel = createKernel(trace === undefined ? parts : { ...parts, trace })
  const contract =
    typeof call.target === 'string' ? activeContract(kernel, call.target) : contractAt(kernel, call.target)
  if (contract === undefined) return refused('CONTRACT_UNKNOWN')
  const caller = call.caller ?? kernelEntity
  const run = createRun(kernel, zeroHash, caller)
  const bound = contract.methods.get(call.method)?.fuel ?? 0
  const outcome = runFrame(run, {
    contract,
    method: call.method,
    kinds: ['view', 'system'],
    input: call.args,
    caller,
    trigger: trigger.view,
    readOnly: true,
    // Nobody pays for a view: its bound is for what the method does, not for loading a former version.
    pinned: true,
    fuel: Math.min(bound, call.fuelLimit ?? bound),
    stackLeft: STACK_BYTES_MAX,
  })
  if (!outcome.ok) return refused(outcome.code, outcome.detail ?? run.diagnostics[0]?.text)
  const explanations = run.effects.explanations.map(({ alias, method, entry }) => ({
    transactionId: zeroHash,
    alias,
    method,
    entries: [entry],
  }))
  const { frozenSince } = outcome
  return ok({
    ...(frozenSince === undefined ? {} : { frozenSince }),
    returned: outcome.returned,
    fuelUsed: outcome.fuelUsed,
    events: run.effects.events,
    explanations,
    address: contract.address,
  })
}
