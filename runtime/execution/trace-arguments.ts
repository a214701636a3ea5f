// What the numbers of a host call mean: names, and the bytes that pointers point to. Only for traces; what is
// read here was not necessarily in bounds, and then the number itself is all there is to say.
import type { Frame } from './frame.js'
import { guestMemory } from './guest-instance.js'
import type { HostFunctionName } from './host-prices.js'

/** A named argument: a number, or the bytes that a pointer (and a length) stood for. */
export interface TraceArgument {
  name: string
  value: number | bigint | Uint8Array
}

/** `name` takes one number, `name*` a pointer and a length, `name:32` a pointer to that many bytes. */
const parameters: Readonly<Record<HostFunctionName, string>> = {
  input_len: '',
  input_read: 'to',
  result_len: '',
  result_read: 'to',
  return_set: 'value*',
  abort: 'code message* line',
  context_read: 'to',
  fuel_left: '',
  state_get: 'table key*',
  state_set: 'table key* value*',
  state_remove: 'table key*',
  ordered_put: 'table partition* order value*',
  ordered_remove: 'table partition* order sequence',
  state_scan: 'table partition* from to limit',
  record_get: 'record:32',
  record_query: 'kind patient:16 code* from to limit',
  record_latest: 'kind patient:16 codes* from to',
  record_emit: 'record*',
  alert_raise: 'alert*',
  event_emit: 'topic* event*',
  explain: 'entry*',
  log_write: 'text*',
  contract_call: 'target* method* args* fuel flags',
  answer_frozen_since: '',
  timer_set: 'due method* args* fuel',
  timer_cancel: 'timer:32',
  sha256: 'bytes*',
  ed25519_verify: 'key:32 message* signature:64',
  kernel_command: 'command*',
}

/** Host functions whose answer lies in the frame's result buffer afterwards. */
const withResult: ReadonlySet<string> = new Set([
  'state_get',
  'state_scan',
  'record_get',
  'record_query',
  'record_latest',
  'record_emit',
  'alert_raise',
  'contract_call',
  'timer_set',
  'sha256',
])

export const leavesResult = (name: string): boolean => withResult.has(name)

/** Bytes of one argument that a trace keeps. */
const bytesMax = 65_536

/** To be asked before the host function acts: a call may change the guest's memory. */
export function traceArguments(
  frame: Frame,
  name: string,
  args: readonly (number | bigint)[],
): TraceArgument[] {
  const memory = guestMemory(frame.instance)
  const named: TraceArgument[] = []
  let place = 0
  const take = (): number | bigint => args[place++] ?? 0
  for (const parameter of parameters[name as HostFunctionName].split(' ')) {
    if (parameter === '') continue
    const [word, fixed] = parameter.split(':')
    const isBytes = word.endsWith('*')
    const first = take()
    if (!isBytes && fixed === undefined) {
      named.push({ name: word, value: first })
      continue
    }
    const start = Number(first) >>> 0
    const length = isBytes ? Number(take()) >>> 0 : Number(fixed)
    const isHere = start + length <= memory.length && length <= bytesMax
    named.push({
      name: isBytes ? word.slice(0, -1) : word,
      value: isHere ? memory.slice(start, start + length) : first,
    })
  }
  return named
}
