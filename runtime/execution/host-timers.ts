// Host functions that set and cancel timers.
import { methodLengthMax } from '../protocol/limits.js'
import type { Frame } from './frame.js'
import { stopFrame } from './guest-failure.js'
import {
  chargeCall,
  guestBytes,
  guestCopy,
  guestText,
  requireUnsealed,
  requireWritable,
  setResult,
} from './guest-memory.js'
import { hostCaps, timerDelayMs } from './host-prices.js'
import { cancelTimer, setTimer } from './timers.js'

/**
 * Asks for a call of an own `timer` method at block time `due`; result: the timer's id. Fuel 0: the
 * manifest's bound.
 */
export function timerSet(
  frame: Frame,
  due: bigint,
  methodPointer: number,
  methodLength: number,
  argsPointer: number,
  argsLength: number,
  fuel: bigint,
): void {
  const methodBytes = guestBytes(frame, methodPointer, methodLength, methodLengthMax)
  const args = guestBytes(frame, argsPointer, argsLength, hostCaps.timerArgumentBytes)
  chargeCall(frame, 'timer_set', methodBytes.length + args.length)
  requireUnsealed(frame)
  requireWritable(frame)
  const { contract, run } = frame
  const method = contract.methods.get(guestText(frame, methodBytes))
  if (method === undefined || method.kind !== 'timer') return stopFrame(frame, 'METHOD_UNKNOWN')
  const dueTime = BigInt.asUintN(64, due)
  // A due time is a number of ms that the result can carry; one in the past is due as soon as may be.
  if (dueTime === 0n || dueTime > BigInt(Number.MAX_SAFE_INTEGER))
    return stopFrame(frame, 'ARGUMENT_INVALID')
  const { kernel } = run
  const earliest = BigInt(kernel.time + timerDelayMs(kernel.chain.fuelSchedule))
  const asked = BigInt.asUintN(64, fuel)
  const id = setTimer(run, {
    alias: contract.alias,
    due: dueTime < earliest ? earliest : dueTime,
    method: method.name,
    args: args.slice(),
    fuel: asked === 0n || asked > BigInt(method.fuel) ? method.fuel : Number(asked),
  })
  if (id === 'contract') return stopFrame(frame, 'LIMIT_EXCEEDED', 'timers of this contract')
  if (id === 'patient')
    return stopFrame(frame, 'LIMIT_EXCEEDED', 'timers of this contract for this patient')
  setResult(frame, 'timer_set', id)
}

export function timerCancel(frame: Frame, idPointer: number): number {
  const id = guestCopy(frame, idPointer, 32, 32)
  chargeCall(frame, 'timer_cancel', 32)
  requireUnsealed(frame)
  requireWritable(frame)
  return cancelTimer(frame.run.kernel.overlay, frame.contract.alias, id) ? 1 : 0
}
