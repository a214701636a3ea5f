// Host functions that enter other contracts: ordinary calls, and the kernel-made call behind `alert_raise`.
import { statusOf } from '../protocol/error-codes.js'
import { aliasLengthMax, callArgumentBytesMax, methodLengthMax } from '../protocol/limits.js'
import { kernelEntity } from '../protocol/entity.js'
import { ByteWriter } from './byte-writer.js'
import { activeContract, contractTarget, type Contract } from './contracts.js'
import { runFrame, tellRunning, trigger, type Frame, type FrameEntry } from './frame.js'
import { stopFrame } from './guest-failure.js'
import { pagesGrown } from './guest-instance.js'
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

const flagReadOnly = 1
const flagCatch = 2

/** Length of the return value in the result buffer, or with flag 2 the negated code of a failure. */
export function contractCall(
  frame: Frame,
  targetPointer: number,
  targetLength: number,
  methodPointer: number,
  methodLength: number,
  argsPointer: number,
  argsLength: number,
  fuel: bigint,
  flags: number,
): number {
  const targetBytes = guestBytes(frame, targetPointer, targetLength, aliasLengthMax)
  const methodBytes = guestBytes(frame, methodPointer, methodLength, methodLengthMax)
  const args = guestBytes(frame, argsPointer, argsLength, callArgumentBytesMax)
  chargeCall(frame, 'contract_call', targetBytes.length + methodBytes.length + args.length)
  requireUnsealed(frame)
  const catches = (flags & flagCatch) !== 0
  const target = lookUp(frame, targetBytes)
  const method = guestText(frame, methodBytes)
  frame.answerFrozenSince = undefined
  if (target === undefined) return failCall(frame, 'CONTRACT_UNKNOWN', undefined, catches)
  if (!frame.contract.manifest.calls.includes(target.alias)) stopFrame(frame, 'NOT_IN_MANIFEST')
  const outcome = enter(frame, {
    contract: target,
    method,
    kinds: ['call', 'view'],
    input: args.slice(),
    caller: frame.contract.entity,
    trigger: trigger.call,
    readOnly: frame.readOnly || (flags & flagReadOnly) !== 0,
    fuel: Number(BigInt.asUintN(64, fuel)),
  })
  if (!outcome.ok) return failCall(frame, outcome.code, outcome.detail, catches)
  noteAge(frame, outcome.frozenSince)
  return setResult(frame, 'contract_call', outcome.returned)
}

/**
 * The rows that the name leads to, an alias and a version, are paid whether this block has read them before
 * or not; the second one only when the name is known.
 */
function lookUp(frame: Frame, target: Uint8Array): Contract | undefined {
  const { kernel } = frame.run
  chargeAnswer(frame, 'contract_call', 0, 1)
  const found = contractTarget(kernel, target)
  if (found !== undefined) chargeAnswer(frame, 'contract_call', 0, 1)
  return found
}

/** An answer is as old as the oldest that it rests on. */
function noteAge(frame: Frame, since: number | undefined): void {
  frame.answerFrozenSince = since
  if (since === undefined) return
  frame.frozenSince = frame.frozenSince === undefined ? since : Math.min(frame.frozenSince, since)
}

/**
 * 0 when the last `contract_call` was answered from live tables, else the height since which those that it
 * read are no longer written: the answer is as of that height.
 */
export function answerFrozenSince(frame: Frame): bigint {
  chargeCall(frame, 'answer_frozen_since')
  return BigInt(frame.answerFrozenSince ?? 0)
}

function failCall(
  frame: Frame,
  code: Parameters<typeof statusOf>[0],
  detail: string | undefined,
  catches: boolean,
): number {
  if (!catches) stopFrame(frame, code, detail)
  frame.result = new Uint8Array(0)
  return -statusOf(code)
}

/**
 * Moves a slice of the caller's fuel to the callee and gives back what is left. A slice of 0 is all there
 * is.
 */
function enter(frame: Frame, entry: Omit<FrameEntry, 'stackLeft'>): ReturnType<typeof runFrame> {
  const { fuel, stack } = frame.instance
  const available = Number(fuel.value)
  const slice = entry.fuel === 0 ? available : Math.min(entry.fuel, available)
  // What the caller has grown stays open below the callee.
  const grown = pagesGrown(frame.instance)
  frame.run.pagesOpen += grown
  const outcome = runFrame(frame.run, { ...entry, fuel: slice, stackLeft: stack.value })
  frame.run.pagesOpen -= grown
  tellRunning(frame.run, frame.entry, frame.depth)
  fuel.value = BigInt(available - outcome.fuelUsed)
  return outcome
}

/**
 * Raises an alert through `ward/alerts`. The kernel puts the rule's alias, version and address in front, so
 * that no rule can speak in another's name. A failure stops the frame: an alert must not get lost
 * unnoticed.
 */
export function alertRaise(frame: Frame, pointer: number, length: number): number {
  const draft = guestBytes(frame, pointer, length, hostCaps.alertBytes)
  chargeCall(frame, 'alert_raise', draft.length)
  requireUnsealed(frame)
  requireWritable(frame)
  const { contract, run } = frame
  const alerts = activeContract(run.kernel, 'ward/alerts')
  if (alerts === undefined) return stopFrame(frame, 'CONTRACT_UNKNOWN')
  const argument = new ByteWriter(256 + draft.length)
  argument.text(contract.alias)
  argument.text(contract.manifest.version)
  argument.raw(contract.address)
  argument.raw(draft)
  const outcome = enter(frame, {
    contract: alerts,
    method: 'raise',
    kinds: ['system', 'call'],
    input: argument.finish(),
    caller: kernelEntity,
    trigger: trigger.call,
    readOnly: false,
    fuel: 0,
  })
  if (!outcome.ok) return stopFrame(frame, outcome.code, outcome.detail)
  return setResult(frame, 'alert_raise', outcome.returned)
}
