// What an exception out of a guest means. Only codes of ours leave this file; the engine's words never do.
import type { ErrorCode } from '../protocol/error-codes.js'
import { NodeFault } from './ports.js'
import type { Frame, FrameFailure } from './frame.js'

/**
 * Thrown by host functions to leave the guest; the reason is in `frame.failure`. One instance: no stack is
 * captured.
 */
export class GuestStop extends Error {}
const guestStop = new GuestStop('guest stopped')

/** Leaves the guest with a failure that its caller may catch. */
export function stopFrame(frame: Frame, code: ErrorCode, detail?: string, message?: string): never {
  frame.failure = { code, detail, message }
  throw guestStop
}

/** The failure of a frame, or a NodeFault when this machine, not the contract, is the cause. */
export function classifyFailure(frame: Frame, error: unknown): FrameFailure {
  if (error instanceof NodeFault) throw error
  const { instance } = frame
  if (error === guestStop && frame.failure !== undefined) return frame.failure
  if (error instanceof WebAssembly.RuntimeError) {
    if (instance.fault.value !== 0)
      throw new NodeFault('NATIVE_FAILURE', 'the host could not grow a memory')
    // Fuel is checked before stack in the metered code, so the order here is the order there.
    if (instance.fuel.value < 0n) return { code: 'OUT_OF_FUEL' }
    if (instance.stack.value < 0) return { code: 'STACK_EXHAUSTED' }
    return { code: 'TRAPPED' }
  }
  // A native stack overflow, an allocation that failed, or a bug of ours: not a result of the transaction.
  throw error instanceof Error && error.name === 'RangeError'
    ? new NodeFault('NATIVE_FAILURE', 'the engine failed inside a contract', { cause: error })
    : error
}
