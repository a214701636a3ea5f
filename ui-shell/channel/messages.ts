// The channel between shell and frame: every message, its bounds, and strict parsers used on both sides.
// A frame is vendor code: what it sends is data to be checked, and what it gets is plain data.

/** Frame to shell, measured as JSON. Answers may be larger: forty explained alerts are about 200 KiB. */
export const requestBytesMax = 65_536
export const answerBytesMax = 1_048_576
export const requestsPerSecondMax = 50
export const requestsInFlightMax = 8
/** A frame that answers no ping for this long is removed. */
export const pingMsMax = 2_000

/**
 * Window messages, used once: the frame says hello, the shell hands over its port, then both ignore the
 * window.
 */
export const helloMessage = { wardchain: 'hello', version: 1 } as const
export const portMessage = { wardchain: 'port', version: 1 } as const

/** Signed appends and calls that a page may ask for; `patient` is the handle, never a subject. */
export type FrameProposal =
  | {
      type: 'append'
      records: {
        kind: string
        code: string
        effectiveTime?: number
        body: { [name: string]: unknown }
        supersedes?: string
      }[]
    }
  | { type: 'call'; target: string; method: string; args: { [name: string]: unknown } }

export type FrameRequest =
  | { id: number; method: 'context'; args: Record<string, never> }
  | {
      id: number
      method: 'records'
      args: { patient: string; kind: string; code?: string; limit: number }
    }
  | { id: number; method: 'alerts' | 'orders'; args: { patient: string } }
  | { id: number; method: 'propose'; args: { patient: string; proposal: FrameProposal } }
  | { id: number; method: 'active'; args: Record<string, never> }

export type FrameMessage = FrameRequest | { pong: number }

export type ShellAnswer =
  { id: number; ok: true; value: unknown } | { id: number; ok: false; code: string; sentence: string }

export type ShellEvent =
  | { event: 'ping'; count: number }
  /** Something of the open patient changed: ask again. */
  | { event: 'changed'; what: 'records' | 'alerts' | 'orders' }
  /** Block time passes for ages; also tells that the shell is still in touch with the node. */
  | { event: 'tick'; height: number; blockTime: number; reachable: boolean }

export type ShellMessage = ShellAnswer | ShellEvent

/** Answer to `context`. The handle dies when the banner changes. */
export interface FrameContext {
  patient: string
  person: { label: string; roles: string[] }
  application: string
  version: string
  height: number
  blockTime: number
}

type Fields = Record<string, unknown>

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** True when `value` is an object with exactly these fields (those after `?` may be absent). */
function hasFields(value: unknown, required: string[], optional: string[] = []): value is Fields {
  if (!isObject(value)) return false
  const names = Object.keys(value)
  return (
    required.every((name) => names.includes(name)) &&
    names.every((name) => required.includes(name) || optional.includes(name))
  )
}

const isText = (value: unknown, lengthMax: number): value is string =>
  typeof value === 'string' && value.length <= lengthMax
const isWhole = (value: unknown, min: number, max: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max

/** Longest handle, kind, code, alias or method in characters. */
const nameLengthMax = 64

/** A message of a frame; undefined for anything that is not exactly one. */
export function parseFrameMessage(value: unknown): FrameMessage | undefined {
  if (hasFields(value, ['pong'])) {
    return isWhole(value.pong, 0, Number.MAX_SAFE_INTEGER) ? { pong: value.pong } : undefined
  }
  if (!hasFields(value, ['id', 'method', 'args'])) return undefined
  if (!isWhole(value.id, 1, Number.MAX_SAFE_INTEGER) || !isObject(value.args)) return undefined
  return isRequestArgs(value.method, value.args) ? (value as unknown as FrameRequest) : undefined
}

function isRequestArgs(method: unknown, args: Fields): boolean {
  switch (method) {
    case 'context':
    case 'active':
      return hasFields(args, [])
    case 'alerts':
    case 'orders':
      return hasFields(args, ['patient']) && isText(args.patient, nameLengthMax)
    case 'records':
      return (
        hasFields(args, ['patient', 'kind', 'limit'], ['code']) &&
        isText(args.patient, nameLengthMax) &&
        isText(args.kind, nameLengthMax) &&
        isWhole(args.limit, 1, 500) &&
        (args.code === undefined || isText(args.code, nameLengthMax))
      )
    case 'propose':
      return (
        hasFields(args, ['patient', 'proposal']) &&
        isText(args.patient, nameLengthMax) &&
        isProposal(args.proposal)
      )
    default:
      return false
  }
}

function isProposal(value: unknown): boolean {
  if (!isObject(value)) return false
  if (value.type === 'call') {
    return (
      hasFields(value, ['type', 'target', 'method', 'args']) &&
      isText(value.target, nameLengthMax) &&
      isText(value.method, nameLengthMax) &&
      isObject(value.args)
    )
  }
  if (value.type !== 'append' || !hasFields(value, ['type', 'records'])) return false
  const { records } = value
  return (
    Array.isArray(records) && records.length >= 1 && records.length <= 32 && records.every(isProposedRecord)
  )
}

function isProposedRecord(value: unknown): boolean {
  return (
    hasFields(value, ['kind', 'code', 'body'], ['effectiveTime', 'supersedes']) &&
    isText(value.kind, nameLengthMax) &&
    isText(value.code, nameLengthMax) &&
    isObject(value.body) &&
    (value.effectiveTime === undefined || isWhole(value.effectiveTime, 0, Number.MAX_SAFE_INTEGER)) &&
    (value.supersedes === undefined || isText(value.supersedes, nameLengthMax))
  )
}

/** A message of the shell, as the frame checks it. */
export function parseShellMessage(value: unknown): ShellMessage | undefined {
  if (!isObject(value)) return undefined
  if (value.event === 'ping')
    return isWhole(value.count, 0, Number.MAX_SAFE_INTEGER) ? asShell(value) : undefined
  if (value.event === 'changed') {
    return ['records', 'alerts', 'orders'].includes(value.what as string) ? asShell(value) : undefined
  }
  if (value.event === 'tick') {
    const isTick = isWhole(value.height, 0, Number.MAX_SAFE_INTEGER) && isWhole(value.blockTime, 0, 2 ** 52)
    return isTick && typeof value.reachable === 'boolean' ? asShell(value) : undefined
  }
  if (!isWhole(value.id, 1, Number.MAX_SAFE_INTEGER)) return undefined
  if (value.ok === true) return 'value' in value ? asShell(value) : undefined
  if (value.ok !== false || !isText(value.code, nameLengthMax) || !isText(value.sentence, 1_000))
    return undefined
  return asShell(value)
}

const asShell = (value: Fields): ShellMessage => value as unknown as ShellMessage
