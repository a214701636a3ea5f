// The shape of every expected outcome: a value, or a code that is API.

export type Ok<T> = { ok: true; value: T }
export type Refused<C extends string> = { ok: false; code: C; detail?: string }
export type Result<T, C extends string> = Ok<T> | Refused<C>

export const ok = <T>(value: T): Ok<T> => ({ ok: true, value })

export function refused<C extends string>(code: C, detail?: string): Refused<C> {
  return detail === undefined ? { ok: false, code } : { ok: false, code, detail }
}

/** Stops the node on a bug of ours. Never used on peer or user input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message)
}

export class AssertionFailure extends Error {
  readonly code = 'ASSERTION_FAILED'
}

/** Closes a `switch` over a union: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable: ${String(value)}`)
}
