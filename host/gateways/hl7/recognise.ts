// The first half of a message's way: bytes to a message of a known source, or the refusal that says why
// not.
import { messageDigest, messageKey } from './answers.js'
import { quoted, refuse, type Hl7Refusal } from './codes.js'
import {
  answerContextOf,
  answerContextOfBytes,
  readHeader,
  type AnswerContext,
  type Header,
} from './header.js'
import { refuseType } from './mapping.js'
import type { GatewaySource } from './ports.js'
import { parseMessage, type Hl7Message } from './tokenizer.js'

/** Everything about one message that the steps of the handler share. */
export interface Arrival {
  readonly raw: Uint8Array
  readonly receivedTimeMs: number
  readonly source: GatewaySource
  readonly message: Hl7Message
  readonly header: Header
  readonly context: AnswerContext
  readonly key: string
  readonly digest: Uint8Array
}

export type Recognised =
  | { readonly kind: 'message'; readonly arrival: Arrival }
  /** An acknowledgement, which is never acknowledged. */
  | { readonly kind: 'acknowledgement' }
  | { readonly kind: 'refused'; readonly context: AnswerContext; readonly refusal: Hl7Refusal }

/**
 * Parses and attributes one message. Errors: those of `parseMessage` and `readHeader`, SENDER_UNKNOWN,
 * PROCESSING_ID_UNSUPPORTED, MESSAGE_TYPE_UNSUPPORTED, EVENT_UNSUPPORTED.
 * @param sources those that share the port; the first whose MSH-3 and MSH-4 fit is the sender.
 */
export function recognise(
  raw: Uint8Array,
  sources: readonly GatewaySource[],
  receivedTimeMs: number,
): Recognised {
  const parsed = parseMessage(raw)
  if (!parsed.ok) return { kind: 'refused', context: answerContextOfBytes(raw), refusal: parsed }
  const { message } = parsed
  const context = answerContextOf(message)
  const msh = message.segments[0]
  // An acknowledgement may lack what other messages need, and answering it could bounce for ever.
  if (msh?.fields[9]?.split(message.delimiters.component)[0] === 'ACK') return { kind: 'acknowledgement' }
  const read = readHeader(message)
  if (!read.ok) return { kind: 'refused', context, refusal: read }
  const { header } = read
  const source = sources.find(
    (one) =>
      (one.sendingApplication === undefined || one.sendingApplication === header.sendingApplication) &&
      (one.sendingFacility === undefined || one.sendingFacility === header.sendingFacility),
  )
  if (source === undefined) return { kind: 'refused', context, refusal: unknownSender(header) }
  const { processingIds } = source
  if (processingIds !== undefined && !processingIds.includes(header.processingId)) {
    return { kind: 'refused', context, refusal: unsupportedProcessing(header, processingIds) }
  }
  const untaken = refuseType(header, source.accepts)
  if (untaken !== undefined) return { kind: 'refused', context, refusal: untaken }
  const key = messageKey(source.name, message, header)
  const digest = messageDigest(message)
  return {
    kind: 'message',
    arrival: { raw, receivedTimeMs, source, message, header, context, key, digest },
  }
}

const unknownSender = (header: Header): Hl7Refusal =>
  refuse(
    'SENDER_UNKNOWN',
    `No source on this port is named ${quoted(header.sendingApplication)} of ${quoted(header.sendingFacility)}.` +
      ' Nothing was stored: have the administrator attach it.',
    { segment: 'MSH', sequence: 1, field: 3 },
  )

const unsupportedProcessing = (header: Header, processingIds: readonly string[]): Hl7Refusal =>
  refuse(
    'PROCESSING_ID_UNSUPPORTED',
    `MSH-11 is ${quoted(header.processingId)}; this source may send ${processingIds.join(', ')}. Nothing was stored.`,
    { segment: 'MSH', sequence: 1, field: 11 },
  )
