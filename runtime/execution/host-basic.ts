// Host functions without state: input, result, return value, context, events, explanations, hashing.
import { zeroHash } from '../protocol/hash.js'
import { eventsPerTransactionMax } from '../protocol/limits.js'
import { utf8ToText } from '../protocol/bytes.js'
import type { Frame } from './frame.js'
import { stopFrame } from './guest-failure.js'
import {
  chargeAnswer,
  chargeCall,
  guestBytes,
  guestText,
  requireUnsealed,
  requireWritable,
  setResult,
} from './guest-memory.js'
import { hostCaps } from './host-prices.js'

export function inputLength(frame: Frame): number {
  chargeCall(frame, 'input_len')
  return frame.entry.input.length
}

export function inputRead(frame: Frame, pointer: number): void {
  const { input } = frame.entry
  const target = guestBytes(frame, pointer, input.length, input.length)
  chargeCall(frame, 'input_read')
  chargeAnswer(frame, 'input_read', input.length)
  target.set(input)
}

export function resultLength(frame: Frame): number {
  chargeCall(frame, 'result_len')
  return frame.result.length
}

export function resultRead(frame: Frame, pointer: number): void {
  const { result } = frame
  const target = guestBytes(frame, pointer, result.length, result.length)
  chargeCall(frame, 'result_read')
  chargeAnswer(frame, 'result_read', result.length)
  target.set(result)
}

export function returnSet(frame: Frame, pointer: number, length: number): void {
  const value = guestBytes(frame, pointer, length, hostCaps.returnBytes)
  chargeCall(frame, 'return_set', value.length)
  frame.returned = value.slice()
}

/** Reverts the frame with the contract's own code, 1..65535. The message stays outside the hash. */
export function abort(frame: Frame, code: number, pointer: number, length: number, line: number): void {
  const message = guestBytes(frame, pointer, length, hostCaps.messageBytes)
  chargeCall(frame, 'abort', message.length)
  const number = code >>> 0
  if (number < 1 || number > 65_535) stopFrame(frame, 'ARGUMENT_INVALID')
  stopFrame(frame, 'CONTRACT_ABORTED', String(number), `${readableText(message)} (line ${line >>> 0})`)
}

/**
 * A policy question sees no clock and no transaction: its answer may depend on its argument and its store
 * only.
 */
export function contextRead(frame: Frame, pointer: number): void {
  const { run, entry, contract } = frame
  const target = guestBytes(frame, pointer, contextBytes, contextBytes)
  chargeCall(frame, 'context_read')
  chargeAnswer(frame, 'context_read', contextBytes)
  const sealed = entry.sealed === true
  // Straight into guest memory: a block asks this for every rule, and a copy costs more than the answer.
  target.fill(0)
  if (!sealed) {
    writeU64(target, 0, run.kernel.height)
    writeU64(target, 8, run.kernel.time)
  }
  target.set(sealed ? zeroHash : run.id, 16)
  target.set(entry.caller, 48)
  target.set(sealed ? zeroHash : run.origin, 80)
  target.set(contract.address, 112)
  target.set(contract.entity, 144)
  target[176] = entry.trigger
  target[177] = frame.depth
  target[178] = frame.readOnly ? 1 : 0
}

/** A safe integer as u64, little-endian. */
function writeU64(target: Uint8Array, offset: number, value: number): void {
  let rest = value
  for (let index = 0; index < 8; index += 1) {
    target[offset + index] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

const contextBytes = 184

export function fuelLeft(frame: Frame): bigint {
  chargeCall(frame, 'fuel_left')
  return frame.instance.fuel.value
}

/** Events are in the receipt and its hash: ids and codes only, never patient values. */
export function eventEmit(
  frame: Frame,
  topicPointer: number,
  topicLength: number,
  pointer: number,
  length: number,
): void {
  const topic = guestBytes(frame, topicPointer, topicLength, hostCaps.topicBytes)
  const content = guestBytes(frame, pointer, length, hostCaps.eventBytes)
  chargeCall(frame, 'event_emit', topic.length + content.length)
  requireWritable(frame)
  if (topic.length === 0) stopFrame(frame, 'ARGUMENT_INVALID')
  const { run } = frame
  run.eventBytes += content.length
  if (run.eventBytes > hostCaps.eventsBytesPerTransaction) stopFrame(frame, 'LIMIT_EXCEEDED')
  // One place is kept for the kernel's own event about a rule's health.
  if (run.effects.events.length >= eventsPerTransactionMax - 1) stopFrame(frame, 'LIMIT_EXCEEDED')
  const text = guestText(frame, topic)
  run.effects.events.push({ source: frame.contract.alias, topic: text, content: content.slice() })
}

/**
 * Explanations are kept beside the receipt, outside every hash; read-only frames may explain themselves
 * too.
 */
export function explain(frame: Frame, pointer: number, length: number): void {
  const entry = guestBytes(frame, pointer, length, hostCaps.explainBytes)
  chargeCall(frame, 'explain', entry.length)
  requireUnsealed(frame)
  frame.explainEntries += 1
  if (frame.explainEntries > hostCaps.explainEntriesPerFrame) stopFrame(frame, 'LIMIT_EXCEEDED')
  const { alias } = frame.contract
  frame.run.effects.explanations.push({ alias, method: frame.entry.method, entry: entry.slice() })
}

/** Same price whether anybody listens or not. */
export function logWrite(frame: Frame, pointer: number, length: number): void {
  const text = guestBytes(frame, pointer, length, hostCaps.logBytes)
  chargeCall(frame, 'log_write', text.length)
  frame.logBytes += text.length
  if (frame.logBytes > hostCaps.logBytesPerFrame) stopFrame(frame, 'LIMIT_EXCEEDED')
  const { run, contract } = frame
  run.diagnostics.push({ transactionId: run.id, alias: contract.alias, text: readableText(text) })
}

export function sha256(frame: Frame, pointer: number, length: number): void {
  const bytes = guestBytes(frame, pointer, length, hostCaps.hashBytes)
  chargeCall(frame, 'sha256', bytes.length)
  setResult(frame, 'sha256', frame.run.kernel.hash(bytes))
}

/** 1 when the 64-byte signature over the message is of the 32-byte public key; 0 otherwise. */
export function ed25519Verify(
  frame: Frame,
  keyPointer: number,
  pointer: number,
  length: number,
  signaturePointer: number,
): number {
  const key = guestBytes(frame, keyPointer, 32, 32)
  const message = guestBytes(frame, pointer, length, hostCaps.hashBytes)
  const signature = guestBytes(frame, signaturePointer, 64, 64)
  chargeCall(frame, 'ed25519_verify', key.length + message.length + signature.length)
  // Copies: the verifier is native code and gets no view of a guest's memory.
  return frame.run.kernel.ports.verify(key.slice(), message.slice(), signature.slice()) ? 1 : 0
}

function readableText(bytes: Uint8Array): string {
  try {
    return utf8ToText(bytes)
  } catch {
    return '(not text)'
  }
}
