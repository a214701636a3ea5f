// The import surface of `wardchain_v1`: names and WebAssembly signatures. Versioned, never removed.
import { functionType, type FunctionType } from '../module/index.js'
import type { HostFunctionName } from './host-prices.js'

export const hostModuleName = 'wardchain_v1'

/**
 * One letter a value: i = i32 (pointers and lengths, read as u32), I = i64. ARCHITECTURE.md says what each
 * does.
 */
export const hostSignatures: Readonly<Record<HostFunctionName, FunctionType>> = {
  input_len: functionType('', 'i'),
  input_read: functionType('i'),
  result_len: functionType('', 'i'),
  result_read: functionType('i'),
  return_set: functionType('ii'),
  abort: functionType('iiii'),
  context_read: functionType('i'),
  fuel_left: functionType('', 'I'),
  state_get: functionType('iii', 'i'),
  state_set: functionType('iiiii'),
  state_remove: functionType('iii'),
  ordered_put: functionType('iiiIii'),
  ordered_remove: functionType('iiiIi', 'i'),
  state_scan: functionType('iiiIIi', 'i'),
  record_get: functionType('i', 'i'),
  record_query: functionType('iiiiIIi', 'i'),
  record_latest: functionType('iiiiII', 'i'),
  record_emit: functionType('ii'),
  alert_raise: functionType('ii', 'i'),
  event_emit: functionType('iiii'),
  explain: functionType('ii'),
  log_write: functionType('ii'),
  contract_call: functionType('iiiiiiIi', 'i'),
  answer_frozen_since: functionType('', 'I'),
  timer_set: functionType('IiiiiI'),
  timer_cancel: functionType('i', 'i'),
  sha256: functionType('ii'),
  ed25519_verify: functionType('iiii', 'i'),
  kernel_command: functionType('ii', 'i'),
}
