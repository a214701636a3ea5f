// Which trap a script means, and which one the engine took. The runtime has three codes for a guest that ends
// by a trap, told apart by its meters; V8's words say more, and are for this tool alone.

import type { ErrorCode } from '../../runtime/protocol/error-codes.js'

/** Words of V8 (11 to 13) for each message of the official scripts. V8 uses one for several of them. */
const engineWords: Readonly<Record<string, RegExp>> = {
  unreachable: /^unreachable$/,
  'integer divide by zero': /^(divide|remainder) by zero$/,
  'integer overflow': /^(divide result unrepresentable|float unrepresentable in integer range)$/,
  'invalid conversion to integer': /^float unrepresentable in integer range$/,
  'out of bounds memory access': /^memory access out of bounds$|data segment( \d+)? is out of bounds/,
  'out of bounds table access':
    /^table (index|access)( is)? out of bounds$|table initializer|element segment/,
  'undefined element': /^table index( is)? out of bounds$/,
  'uninitialized element': /^null function or function signature mismatch$|^RuntimeError: null/,
  'indirect call type mismatch': /^null function or function signature mismatch$/,
}

/** What the runtime ends a frame with that traps so (`runtime/execution/guest-failure.ts`). */
export function trapCode(kind: 'trap' | 'stack' | 'fuel'): ErrorCode {
  if (kind === 'fuel') return 'OUT_OF_FUEL'
  return kind === 'stack' ? 'STACK_EXHAUSTED' : 'TRAPPED'
}

/** The code that the runtime must give where a script expects this message; undefined for words unknown. */
export function codeOfMessage(message: string): ErrorCode | undefined {
  if (message === 'call stack exhausted') return 'STACK_EXHAUSTED'
  return officialOf(message) === undefined ? undefined : 'TRAPPED'
}

/** Scripts may say more than the message: `uninitialized element 2`. */
const officialOf = (message: string): string | undefined =>
  Object.keys(engineWords).find((one) => message.startsWith(one))

/** Did the engine take the trap that the script means? */
export function isTrapMeant(message: string, engine: string): boolean {
  const official = officialOf(message)
  return official !== undefined && engineWords[official].test(engine.replace(/^WebAssembly\.\w+\(\): /, ''))
}
