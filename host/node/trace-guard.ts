// What a trace keeps from a signed-in reader. Whose records a decoded value shows is known and was asked
// for; nobody knows whose data raw bytes hold (a contract's rows, keys, returns, logs), so that only their
// length stands there.
import type { Json, JsonObject, ReplayView, TraceStep } from '../api/node-port.js'
import { isJsonObject } from '../api/views.js'

/** Arguments of host functions that are always a contract's own bytes. */
const rawArguments: ReadonlySet<string> = new Set([
  'state_get.key',
  'state_set.key',
  'state_set.value',
  'state_remove.key',
  'ordered_put.partition',
  'ordered_put.value',
  'ordered_remove.partition',
  'state_scan.partition',
  'return_set.value',
  'event_emit.event',
  'log_write.text',
  'timer_set.args',
  'sha256.bytes',
  'ed25519_verify.message',
  'kernel_command.command',
])
const rawResults: ReadonlySet<string> = new Set(['state_get', 'state_scan', 'sha256'])

/** The replay as people may see it who hold grants, but not the store password. */
export function guarded(replay: ReplayView): ReplayView {
  const { signed } = replay
  const isCall = signed?.action.type === 'call'
  return {
    ...replay,
    signed: isCall ? { ...signed, action: guardedAction(signed.action) } : signed,
    steps: replay.steps.map(guardedStep),
  }
}

type Action = NonNullable<ReplayView['signed']>['action']

const guardedAction = (action: Action): Action =>
  action.type === 'call' ? { ...action, arguments: decodedOnly(action.arguments) } : action

function guardedStep(step: TraceStep): TraceStep {
  if (step.type === 'enter') return { ...step, input: decodedOnly(step.input) }
  if (step.type === 'leave') {
    return step.returned === undefined ? step : { ...step, returned: decodedOnly(step.returned) }
  }
  const named = Object.entries(step.arguments).map(([name, value]): [string, Json] => [
    name,
    rawArguments.has(`${step.name}.${name}`) ? hidden(value) : decodedOnly(value, name !== 'args'),
  ])
  const args: JsonObject = Object.fromEntries(named)
  if (step.result === undefined) return { ...step, arguments: args }
  const result = rawResults.has(step.name) ? hidden(step.result) : decodedOnly(step.result)
  return { ...step, arguments: args, result }
}

/** Numbers of a call that could not be read (a pointer out of bounds) stay; bytes become their length. */
function hidden(value: Json): Json {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return { hidden: 'rows of a contract' }
  return { hidden: /^(?:[0-9a-f]{2})*$/.test(value) ? `${value.length / 2} bytes` : 'text of a contract' }
}

/** Ids stay, for whose they are was asked; bytes of any other length do not, nor what no schema decoded. */
function decodedOnly(value: Json, isPart = false): Json {
  if (typeof value === 'string') {
    const isHex = /^(?:[0-9a-f]{2}){16,}$/.test(value)
    const isId = value.length === 32 || (isPart && value.length === 64)
    return isHex && !isId ? hidden(value) : value
  }
  if (Array.isArray(value)) return value.map((part) => decodedOnly(part, true))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, decodedOnly(part, true)]))
}
