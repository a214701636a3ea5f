// One message's way through the gateway: recognise, find a repeated one, map, submit, answer. Store, agree,
// then acknowledge: AA leaves only when the transaction is final and the answer is stored.
import { randomBytes } from 'node:crypto'
import {
  ackCodesOf,
  buildAck,
  wantsEarlyAccept,
  type AckCode,
  type Acknowledgement,
  type Verdict,
} from './ack.js'
import { digestsEqual, encodeStoredAnswer, findAnswer, submissionKey } from './answers.js'
import { isHl7Code, quoted, refuse, type Hl7Code, type Hl7Refusal } from './codes.js'
import { frameMessage, type DiscardCode } from './framer.js'
import { answerContextOfBytes, type AnswerContext } from './header.js'
import { mapMessage, type MappedMessage } from './mapping.js'
import type { GatewayEvent, GatewayLimits, GatewayPorts, GatewaySource, SubmitOutcome } from './ports.js'
import { recognise, type Arrival } from './recognise.js'

/** Sends bytes to the peer; resolves when they are with the operating system. */
export type SendBytes = (bytes: Uint8Array) => Promise<void>

export interface MessageHandler {
  /**
   * Handles one whole message; what must be answered is sent. Never rejects. Resolves to the message's
   * deviations: segments that ended in LF or CRLF, and empty lines.
   */
  handle: (raw: Uint8Array, sources: readonly GatewaySource[], send: SendBytes) => Promise<number>
  /** Answers a frame that was dropped. Never rejects. */
  handleDiscard: (code: DiscardCode, head: Uint8Array, source: string, send: SendBytes) => Promise<void>
  /** Submits what was kept before a crash; the answers are stored for senders that ask again. */
  resumeKept: (sources: readonly GatewaySource[]) => Promise<void>
}

/** What the steps share: ports, limits, and the messages that are on their way. */
interface Desk {
  readonly ports: GatewayPorts
  readonly limits: GatewayLimits
  readonly nowMs: () => number
  readonly report: (event: GatewayEvent) => void
  readonly flights: Map<string, Flight>
}

/** A submitted message until its verdict. Repeated copies wait for it instead of making a second record. */
interface Flight {
  readonly digest: Uint8Array
  /** The CA frame, once it has left. */
  readonly early: () => Uint8Array | undefined
  readonly done: Promise<Settled>
}

interface Settled {
  readonly verdict: Verdict
  readonly acks: readonly AckCode[]
  /** Every frame of the answer, an early CA among them. */
  readonly frames: readonly Uint8Array[]
}

const late = refuse(
  'NOT_FINAL_IN_TIME',
  'The hospital network did not agree on the message in time. It may still become final: send it again with the same' +
    ' control id, it will not be stored twice.',
)

const failed = refuse(
  'GATEWAY_FAILED',
  'The gateway failed while it handled the message. Send it again with the same control id.',
)

const discardSentences: Readonly<Record<DiscardCode, string>> = {
  FRAME_TRUNCATED:
    'The frame was cut off: it has no end (FS CR). Nothing of it was stored, send the message again.',
  FRAME_END_MALFORMED: 'The frame has FS without CR. Nothing of it was stored, send the message again.',
  FRAME_TIMEOUT: 'The frame fell silent before its end. Nothing of it was stored, send the message again.',
  FRAME_TOO_LARGE: 'The message is larger than this port takes. Nothing was stored, the connection closes.',
}

export function createMessageHandler(ports: GatewayPorts, limits: GatewayLimits): MessageHandler {
  const desk: Desk = {
    ports,
    limits,
    nowMs: ports.nowMs ?? Date.now,
    report: (event) => ports.report?.(event),
    flights: new Map(),
  }
  return {
    handle: (raw, sources, send) => handle(desk, raw, sources, send),
    handleDiscard: (code, head, source, send) => handleDiscard(desk, code, head, source, send),
    resumeKept: (sources) => resumeKept(desk, sources),
  }
}

async function handle(
  desk: Desk,
  raw: Uint8Array,
  sources: readonly GatewaySource[],
  send: SendBytes,
): Promise<number> {
  const startMs = desk.nowMs()
  let name = sources[0]?.name ?? ''
  let deviations = 0
  try {
    const recognised = recognise(raw, sources, startMs)
    if (recognised.kind === 'acknowledgement') {
      reportAnswer(desk, name, startMs, [], 'ACKNOWLEDGEMENT_IGNORED')
    } else if (recognised.kind === 'refused') {
      await sendRefusal(desk, name, startMs, recognised.context, recognised.refusal, send)
    } else {
      name = recognised.arrival.source.name
      deviations = recognised.arrival.message.deviations
      await handleArrival(desk, recognised.arrival, send)
    }
  } catch (cause) {
    desk.report({ kind: 'failed', source: name, step: 'handle', cause })
    await sendRefusal(desk, name, startMs, answerContextOfBytes(raw), failed, send).catch(() => undefined)
  }
  return deviations
}

async function handleDiscard(
  desk: Desk,
  code: DiscardCode,
  head: Uint8Array,
  source: string,
  send: SendBytes,
): Promise<void> {
  const refusal = refuse(code, discardSentences[code])
  await sendRefusal(desk, source, desk.nowMs(), answerContextOfBytes(head), refusal, send).catch(
    () => undefined,
  )
}

async function handleArrival(desk: Desk, arrival: Arrival, send: SendBytes): Promise<void> {
  const { context, source, receivedTimeMs, key } = arrival
  const stored = await findAnswer(desk.ports.answers, key, desk.nowMs(), desk.limits.duplicateWindowMs)
  // No await from here to the take-off, or two copies of one message could both be submitted.
  const flight = desk.flights.get(key)
  const first = flight ?? stored
  if (first !== undefined && !digestsEqual(first.digest, arrival.digest)) {
    await sendRefusal(desk, source.name, receivedTimeMs, context, reusedControlId(arrival), send)
    return
  }
  if (flight !== undefined) {
    await conclude(desk, arrival, flight, send, true)
    return
  }
  if (stored !== undefined) {
    reportAnswer(desk, source.name, receivedTimeMs, [], 'DUPLICATE')
    await send(stored.frames)
    return
  }
  const mapping = mapArrival(arrival)
  if (mapping.ok) await conclude(desk, arrival, takeOff(desk, arrival, mapping.mapped, send), send, false)
  else await sendRefusal(desk, source.name, receivedTimeMs, context, mapping, send)
}

const mapArrival = ({ message, header, raw, source, receivedTimeMs }: Arrival) =>
  mapMessage(message, header, raw, {
    accepts: source.accepts,
    zone: source.zone ?? '+0000',
    receivedTimeMs,
  })

// Waits for the verdict, but no longer than a sender waits. A late flight goes on; the resend will find its
// answer.
async function conclude(
  desk: Desk,
  arrival: Arrival,
  flight: Flight,
  send: SendBytes,
  isDuplicate: boolean,
): Promise<void> {
  const { context, source, receivedTimeMs } = arrival
  const landed = await withinMs(flight.done, desk.limits.finalMsMax)
  const settled = landed ?? settle(desk, context, verdictOf(late), flight.early())
  const { verdict, acks } = settled
  const isLate = verdict.kind === 'refused' && verdict.code === 'NOT_FINAL_IN_TIME'
  const isSilent = isLate && source.late === 'silence'
  const reason = verdict.kind === 'refused' ? verdict.code : isDuplicate ? 'DUPLICATE' : 'FINAL'
  reportAnswer(desk, source.name, receivedTimeMs, isSilent ? [] : acks, reason)
  const alreadySent = flight.early() !== undefined && !isDuplicate ? 1 : 0
  const frames = isSilent ? [] : settled.frames.slice(alreadySent)
  await send(new Uint8Array(Buffer.concat(frames)))
}

function takeOff(desk: Desk, arrival: Arrival, mapped: MappedMessage, send: SendBytes): Flight {
  let early: Uint8Array | undefined
  const fly = async (): Promise<Settled> => {
    try {
      early = await acceptEarly(desk, arrival, send)
      const settled = await submit(desk, arrival, mapped, early)
      if (early !== undefined) await desk.ports.inbox?.drop(arrival.key)
      return settled
    } finally {
      desk.flights.delete(arrival.key)
    }
  }
  const flight: Flight = { digest: arrival.digest, early: () => early, done: fly() }
  desk.flights.set(arrival.key, flight)
  return flight
}

// Enhanced mode with an inbox: keep the bytes, then send CA.
async function acceptEarly(desk: Desk, arrival: Arrival, send: SendBytes): Promise<Uint8Array | undefined> {
  const { key, source, raw, receivedTimeMs, context } = arrival
  if (desk.ports.inbox === undefined || !wantsEarlyAccept(context)) return undefined
  await desk.ports.inbox.keep(key, { source: source.name, raw, receivedTimeMs })
  const frame = acknowledge(desk, context, 'CA', { kind: 'accepted' })
  await send(frame)
  return frame
}

// Submits and, when final, stores the answer before anyone gets it.
async function submit(
  desk: Desk,
  arrival: Arrival,
  mapped: MappedMessage,
  early: Uint8Array | undefined,
): Promise<Settled> {
  const { source, key, digest, context } = arrival
  let outcome: SubmitOutcome
  try {
    outcome = await desk.ports.submit({ source: source.name, key: submissionKey(key, digest), mapped })
  } catch (cause) {
    desk.report({ kind: 'failed', source: source.name, step: 'submit', cause })
    return settle(desk, context, verdictOf(failed), early)
  }
  const settled = settle(desk, context, verdictOfOutcome(outcome), early)
  if (settled.verdict.kind === 'final') {
    const frames = new Uint8Array(Buffer.concat(settled.frames))
    try {
      await desk.ports.answers.put(key, encodeStoredAnswer({ timeMs: desk.nowMs(), digest, frames }))
    } catch (cause) {
      // The records are final, so AA is true; the host knows a resend by its key.
      desk.report({ kind: 'failed', source: source.name, step: 'answers.put', cause })
    }
  }
  return settled
}

async function resumeKept(desk: Desk, sources: readonly GatewaySource[]): Promise<void> {
  const { inbox, answers } = desk.ports
  if (inbox === undefined) return
  for (const kept of await inbox.pending()) {
    const own = sources.filter(({ name }) => name === kept.source)
    const recognised = recognise(kept.raw, own, kept.receivedTimeMs)
    if (recognised.kind !== 'message') continue
    const { arrival } = recognised
    const stored = await findAnswer(answers, arrival.key, desk.nowMs(), desk.limits.duplicateWindowMs)
    const mapping = mapArrival(arrival)
    if (stored === undefined && mapping.ok) {
      const { verdict, acks } = await submit(desk, arrival, mapping.mapped, undefined)
      const reason = verdict.kind === 'final' ? 'FINAL' : verdict.code
      reportAnswer(desk, arrival.source.name, desk.nowMs(), acks, reason)
      // Nobody was told yet, so what is only late stays kept for the next start.
      if (reason === 'NOT_FINAL_IN_TIME' || reason === 'GATEWAY_FAILED') continue
    }
    await inbox.drop(arrival.key)
  }
}

// ---- Answers
// --------------------------------------------------------------------------------------------------

function acknowledge(
  desk: Desk,
  context: AnswerContext,
  code: AckCode,
  verdict: Acknowledgement['verdict'],
): Uint8Array {
  const controlId = randomBytes(10).toString('hex')
  return frameMessage(buildAck(context, { code, controlId, nowMs: desk.nowMs(), verdict }))
}

function settle(desk: Desk, context: AnswerContext, verdict: Verdict, early?: Uint8Array): Settled {
  const acks = ackCodesOf(context, verdict, early !== undefined)
  const frames = acks.map((code) => acknowledge(desk, context, code, verdict))
  return { verdict, acks, frames: early === undefined ? frames : [early, ...frames] }
}

async function sendRefusal(
  desk: Desk,
  source: string,
  startMs: number,
  context: AnswerContext,
  refusal: Hl7Refusal,
  send: SendBytes,
): Promise<void> {
  const settled = settle(desk, context, verdictOf(refusal))
  reportAnswer(desk, source, startMs, settled.acks, refusal.code)
  await send(new Uint8Array(Buffer.concat(settled.frames)))
}

function reportAnswer(
  desk: Desk,
  source: string,
  startMs: number,
  acks: readonly AckCode[],
  reason: Hl7Code | 'FINAL' | 'DUPLICATE' | 'ACKNOWLEDGEMENT_IGNORED',
): void {
  desk.report({ kind: 'answered', source, acks, reason, durationMs: desk.nowMs() - startMs })
}

const verdictOf = ({ code, sentence, location }: Hl7Refusal): Verdict => ({
  kind: 'refused',
  code,
  sentence,
  location,
})

const reusedControlId = ({ header }: Arrival): Hl7Refusal =>
  refuse(
    'CONTROL_ID_REUSED',
    `Control id ${quoted(header.controlId)} was used for a message with other content. Nothing was stored: send this` +
      ' one under a control id of its own.',
    { segment: 'MSH', sequence: 1, field: 10 },
  )

function verdictOfOutcome(outcome: SubmitOutcome): Verdict {
  switch (outcome.kind) {
    case 'final':
      return outcome
    case 'late':
      return verdictOf(late)
    case 'refused': {
      const { code, sentence } = outcome
      const patientNumber = { segment: 'PID', sequence: 1, field: 3 }
      const location = outcome.location ?? (code === 'UNKNOWN_PATIENT' ? patientNumber : undefined)
      if (isHl7Code(code)) return { kind: 'refused', code, sentence, location }
      return { kind: 'refused', code: 'REFUSED_BY_CHAIN', detail: code, sentence, location }
    }
  }
}

// The promise's value, or undefined when it takes longer. A rejection passes through.
async function withinMs<Value>(promise: Promise<Value>, ms: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
