// The host functions of `wardchain_v1` (ARCHITECTURE.md, guest ABI), and how a contract refuses. Only what
// a contract uses becomes an import of its module. Vendors use the classes beside this file instead.

@external('wardchain_v1', 'input_len')
export declare function input_len(): i32
@external('wardchain_v1', 'input_read')
export declare function input_read(ptr: usize): void
@external('wardchain_v1', 'result_len')
export declare function result_len(): i32
@external('wardchain_v1', 'result_read')
export declare function result_read(ptr: usize): void
@external('wardchain_v1', 'return_set')
export declare function return_set(ptr: usize, len: i32): void
@external('wardchain_v1', 'abort')
export declare function host_abort(code: i32, ptr: usize, len: i32, line: i32): void
@external('wardchain_v1', 'context_read')
export declare function context_read(ptr: usize): void
@external('wardchain_v1', 'fuel_left')
export declare function fuel_left(): i64
@external('wardchain_v1', 'state_get')
export declare function state_get(table: i32, keyPtr: usize, keyLen: i32): i32
@external('wardchain_v1', 'state_set')
export declare function state_set(
  table: i32,
  keyPtr: usize,
  keyLen: i32,
  valuePtr: usize,
  valueLen: i32,
): void
@external('wardchain_v1', 'state_remove')
export declare function state_remove(table: i32, keyPtr: usize, keyLen: i32): void
@external('wardchain_v1', 'ordered_put')
export declare function ordered_put(
  table: i32,
  partitionPtr: usize,
  partitionLen: i32,
  order: i64,
  valuePtr: usize,
  valueLen: i32,
): void
@external('wardchain_v1', 'ordered_remove')
export declare function ordered_remove(
  table: i32,
  partitionPtr: usize,
  partitionLen: i32,
  order: i64,
  sequence: i32,
): i32
@external('wardchain_v1', 'state_scan')
export declare function state_scan(
  table: i32,
  partitionPtr: usize,
  partitionLen: i32,
  from: i64,
  to: i64,
  limit: i32,
): i32
@external('wardchain_v1', 'record_get')
export declare function record_get(idPtr: usize): i32
@external('wardchain_v1', 'record_query')
export declare function record_query(
  kind: i32,
  patientPtr: usize,
  codePtr: usize,
  codeLen: i32,
  from: i64,
  to: i64,
  limit: i32,
): i32
@external('wardchain_v1', 'record_latest')
export declare function record_latest(
  kind: i32,
  patientPtr: usize,
  codesPtr: usize,
  codesLen: i32,
  from: i64,
  to: i64,
): i32
@external('wardchain_v1', 'record_emit')
export declare function record_emit(ptr: usize, len: i32): void
@external('wardchain_v1', 'alert_raise')
export declare function alert_raise(ptr: usize, len: i32): i32
@external('wardchain_v1', 'event_emit')
export declare function event_emit(topicPtr: usize, topicLen: i32, ptr: usize, len: i32): void
@external('wardchain_v1', 'explain')
export declare function host_explain(ptr: usize, len: i32): void
@external('wardchain_v1', 'log_write')
export declare function log_write(ptr: usize, len: i32): void
@external('wardchain_v1', 'contract_call')
export declare function contract_call(
  targetPtr: usize,
  targetLen: i32,
  methodPtr: usize,
  methodLen: i32,
  argsPtr: usize,
  argsLen: i32,
  fuel: i64,
  flags: i32,
): i32
@external('wardchain_v1', 'answer_frozen_since')
export declare function answer_frozen_since(): i64
@external('wardchain_v1', 'timer_set')
export declare function timer_set(
  due: i64,
  methodPtr: usize,
  methodLen: i32,
  argsPtr: usize,
  argsLen: i32,
  fuel: i64,
): void
@external('wardchain_v1', 'timer_cancel')
export declare function timer_cancel(idPtr: usize): i32
@external('wardchain_v1', 'sha256')
export declare function host_sha256(ptr: usize, len: i32): void
@external('wardchain_v1', 'ed25519_verify')
export declare function host_ed25519_verify(keyPtr: usize, ptr: usize, len: i32, signaturePtr: usize): i32
@external('wardchain_v1', 'kernel_command')
export declare function kernel_command(ptr: usize, len: i32): i32

/**
 * Contract code of a failed assertion, a bounds check or a thrown error: a defect of the contract, not a
 * refusal.
 */
export const ASSERTION_FAILED: i32 = 1

/**
 * Where the compiler sends `assert`, `throw` and bounds checks (`--use abort=`). The line is the contract's
 * own.
 */
export function abortWithLine(
  message: string | null,
  fileName: string | null,
  line: u32,
  column: u32,
): void {
  const text = message === null ? '' : message
  const bytes = String.UTF8.encode(text)
  host_abort(ASSERTION_FAILED, changetype<usize>(bytes), bytes.byteLength, line as i32)
  unreachable()
}

/**
 * Reverts this frame with a code of the contract (1..65535). Where the meaning is one of the protocol's,
 * the protocol's number is used (`codes.ts`). The message helps people and is outside the hash.
 */
export function refuse(code: i32, message: string): void {
  const bytes = String.UTF8.encode(message)
  host_abort(code, changetype<usize>(bytes), bytes.byteLength, 0)
  unreachable()
}
