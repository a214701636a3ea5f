// Calls to other contracts, timers, and questions to the policy.
import { pointer, takeResult, utf8, Bytes } from './bytes'
import { Reader, Writer } from './borsh'
import { CALL_NOT_GRANTED } from './codes'
import { Context } from './context'
import { answer_frozen_since, contract_call, refuse, timer_cancel, timer_set } from './env'

const READ_ONLY: i32 = 1
const CATCH: i32 = 2

/** Answer of `tryCall`: a value, or the code of the failure. */
export class CallResult {
  constructor(
    public code: i32,
    public value: Bytes,
  ) {}

  /**
   * 0, or the height as of which the answer is: a former version answered from tables that nobody writes
   * any more since then.
   */
  frozenSince: u64 = 0

  get ok(): bool {
    return this.code == 0
  }
}

function invoke(target: string, method: string, args: Bytes, fuel: i64, flags: i32): i32 {
  return invokeTarget(utf8(target), method, args, fuel, flags)
}

/** `target`: alias as UTF-8, or the 32 bytes of an address. */
function invokeTarget(target: Bytes, method: string, args: Bytes, fuel: i64, flags: i32): i32 {
  const name = utf8(method)
  return contract_call(
    pointer(target),
    target.length,
    pointer(name),
    name.length,
    pointer(args),
    args.length,
    fuel,
    flags,
  )
}

/** Calls another contract that the manifest names. Its failure is ours too. */
export function call(target: string, method: string, args: Writer): Bytes {
  return takeResult(invoke(target, method, args.finish(), 0, 0))
}

/** Asks another contract; it cannot write. Its failure is ours too. */
export function ask(target: string, method: string, args: Writer): Bytes {
  return takeResult(invoke(target, method, args.finish(), 0, READ_ONLY))
}

/** Calls another contract; its failure is undone and comes back as a code. `fuel` 0: all that is left. */
export function tryCall(target: string, method: string, args: Writer, fuel: i64 = 0): CallResult {
  return resultOf(invoke(target, method, args.finish(), fuel, CATCH))
}

/** `tryCall` of one version by its 32-byte address; one that is not active answers and cannot write. */
export function tryCallVersion(address: Bytes, method: string, args: Writer, fuel: i64 = 0): CallResult {
  return resultOf(invokeTarget(address, method, args.finish(), fuel, CATCH))
}

function resultOf(length: i32): CallResult {
  if (length < 0) return new CallResult(-length, new StaticArray<u8>(0))
  const result = new CallResult(0, takeResult(length))
  result.frozenSince = answer_frozen_since() as u64
  return result
}

/** Calls this contract's own method at a block time; returns the timer's id. */
export function setTimer(due: u64, method: string, args: Writer, fuel: i64): Bytes {
  const name = utf8(method)
  const bytes = args.finish()
  timer_set(due as i64, pointer(name), name.length, pointer(bytes), bytes.length, fuel)
  return takeResult(32)
}

export function cancelTimer(id: Bytes): bool {
  return timer_cancel(pointer(id)) == 1
}

/**
 * Refuses unless `ward/policy` lets the caller use this method. Returns the grant that allows it. The
 * refusal's message is the policy's own words about what is missing.
 */
export function requireGrant(context: Context, alias: string, method: string): Bytes {
  const question = new Writer().fixed(context.caller).text(alias).text(method)
  const reader = new Reader(ask('ward/policy', 'mayCall', question))
  const allowed = reader.bool()
  const grant = reader.fixed(16)
  const validUntil = reader.u64()
  const missing = reader.text()
  if (!allowed) refuse(CALL_NOT_GRANTED, missing)
  // The policy sees no clock; a grant with an end is checked here, against block time.
  if (validUntil != 0 && validUntil < context.time) refuse(CALL_NOT_GRANTED, 'the grant has ended')
  return grant
}
