// The dispatcher of `wardchain_v1`: binds the host functions to the frame that runs in an instance. Every
// function works in one order: bounds, caps, price, act.
import { statusOf } from '../protocol/error-codes.js'
import type { Frame } from './frame.js'
import { GuestStop } from './guest-failure.js'
import type { HostBinding } from './guest-instance.js'
import { alertRaise, answerFrozenSince, contractCall } from './host-calls.js'
import { kernelCommand } from './host-command.js'
import * as basic from './host-basic.js'
import * as records from './host-records.js'
import * as state from './host-state.js'
import * as timers from './host-timers.js'
import type { HostFunctionName } from './host-prices.js'
import { leavesResult, traceArguments } from './trace-arguments.js'

type Argument = number & bigint
/** Arguments arrive as the signature says; the widest function has eight. */
type HostFunction = (frame: Frame, ...args: Argument[]) => number | bigint | void

const hostFunctions: Readonly<Record<HostFunctionName, HostFunction>> = {
  input_len: basic.inputLength,
  input_read: basic.inputRead,
  result_len: basic.resultLength,
  result_read: basic.resultRead,
  return_set: basic.returnSet,
  abort: basic.abort,
  context_read: basic.contextRead,
  fuel_left: basic.fuelLeft,
  event_emit: basic.eventEmit,
  explain: basic.explain,
  log_write: basic.logWrite,
  sha256: basic.sha256,
  ed25519_verify: basic.ed25519Verify,
  state_get: state.stateGet,
  state_set: state.stateSet,
  state_remove: state.stateRemove,
  ordered_put: state.orderedPut,
  ordered_remove: state.orderedRemove,
  state_scan: state.stateScan,
  record_get: records.recordGet,
  record_query: records.recordQuery,
  record_latest: records.recordLatest,
  record_emit: records.recordEmit,
  alert_raise: alertRaise,
  contract_call: contractCall,
  answer_frozen_since: answerFrozenSince,
  timer_set: timers.timerSet,
  timer_cancel: timers.timerCancel,
  kernel_command: kernelCommand,
}

/** Host functions are callable only while a frame runs: not from `_initialize`. */
export const hostCallOutsideFrame = new GuestStop('host call outside a frame')

/** The import object of one instance. */
export function createHostImports(binding: HostBinding): Record<string, unknown> {
  const imports: Record<string, unknown> = {}
  for (const [name, act] of Object.entries(hostFunctions)) {
    imports[name] = (
      a: Argument,
      b: Argument,
      c: Argument,
      d: Argument,
      e: Argument,
      f: Argument,
      g: Argument,
      h: Argument,
    ) => {
      const { frame } = binding
      if (frame === undefined) throw hostCallOutsideFrame
      const { trace } = frame.run
      if (trace === undefined) return act(frame, a, b, c, d, e, f, g, h)
      return traced(frame, name, act, [a, b, c, d, e, f, g, h])
    }
  }
  return imports
}

function traced(frame: Frame, name: string, act: HostFunction, args: Argument[]): number | bigint | void {
  const given = args.filter((argument) => argument !== undefined)
  const named = traceArguments(frame, name, given)
  let answer: number | bigint | void = undefined
  try {
    answer = act(frame, ...given)
    return answer
  } finally {
    frame.run.trace?.({
      type: 'host',
      transactionId: frame.run.id,
      depth: frame.depth,
      name,
      args: given,
      named,
      ...(leavesResult(name) && frame.failure === undefined ? { result: frame.result } : {}),
      ...(answer === undefined ? {} : { answer }),
      fuelLeft: Math.max(0, Number(frame.instance.fuel.value)),
      ...(frame.failure === undefined ? {} : { stopped: statusOf(frame.failure.code) }),
    })
  }
}
