// MSH as the gateway needs it: who sent which kind of message under which control id, and what answers are
// wanted.
import { latin1, type Charset } from './charset.js'
import { quoted, refuse, type Hl7Refusal } from './codes.js'
import { defaultDelimiters, type Delimiters } from './escapes.js'
import { componentOf, parseMessage, valueAt, type Hl7Message } from './tokenizer.js'

/** HL7 table 0155: when an acknowledgement is wanted. Undefined in both fields means original mode. */
export type AcknowledgeWhen = 'AL' | 'NE' | 'ER' | 'SU'

/** What an answer needs from the message it answers; every raw text is in the message's own delimiters. */
export interface AnswerContext {
  readonly delimiters: Delimiters
  readonly charset: Charset
  /** Raw MSH-3 to MSH-6: echoed crosswise. */
  readonly sender: readonly [application: string, facility: string]
  readonly receiver: readonly [application: string, facility: string]
  readonly rawControlId: string
  readonly processingId: string
  readonly version: string
  readonly event: string
  readonly acceptWhen: AcknowledgeWhen | undefined
  readonly applicationWhen: AcknowledgeWhen | undefined
}

export interface Header {
  readonly messageType: string
  readonly event: string
  readonly controlId: string
  readonly sendingApplication: string
  readonly sendingFacility: string
  readonly processingId: string
  readonly version: string
}

/** Versions that real senders use (clinical.md section 7) and that these mappings read. */
export const versionsRead: readonly string[] = [
  '2.3',
  '2.3.1',
  '2.4',
  '2.5',
  '2.5.1',
  '2.6',
  '2.7',
  '2.7.1',
  '2.8',
  '2.8.1',
  '2.8.2',
]

/** The longest MSH-10 that any version allows (2.8). */
export const controlIdLengthMax = 199

const emptyContext: AnswerContext = {
  delimiters: defaultDelimiters,
  charset: 'utf-8',
  sender: ['', ''],
  receiver: ['', ''],
  rawControlId: '',
  processingId: 'P',
  version: '2.5.1',
  event: '',
  acceptWhen: undefined,
  applicationWhen: undefined,
}

/** The answer's context of a parsed message. Total: what MSH lacks is empty. */
export function answerContextOf(message: Hl7Message): AnswerContext {
  const msh = message.segments[0]
  if (msh === undefined) return emptyContext
  const raw = (field: number): string => msh.fields[field] ?? ''
  return {
    delimiters: message.delimiters,
    charset: message.charset,
    sender: [raw(3), raw(4)],
    receiver: [raw(5), raw(6)],
    rawControlId: raw(10),
    processingId: raw(11) || 'P',
    version: raw(12) || '2.5.1',
    event: valueAt(message, msh, 9, 2),
    acceptWhen: acknowledgeWhen(valueAt(message, msh, 15)),
    applicationWhen: acknowledgeWhen(valueAt(message, msh, 16)),
  }
}

const acknowledgeWhen = (text: string): AcknowledgeWhen | undefined =>
  text === 'AL' || text === 'NE' || text === 'ER' || text === 'SU' ? text : undefined

/**
 * The context for bytes that did not parse, or were cut off: as much of MSH as is certain. A control id is
 * taken only from an MSH segment that has its end, for a cut-off id names another message.
 */
export function answerContextOfBytes(bytes: Uint8Array): AnswerContext {
  const end = bytes.findIndex((byte) => byte === 0x0d || byte === 0x0a)
  if (end < 0) return emptyContext
  // Only ASCII is echoed from a message whose text could not be read.
  const line = latin1(bytes.subarray(0, end)).replace(/[^\x20-\x7e]/g, '?')
  const result = parseMessage(new TextEncoder().encode(withoutCharset(line)))
  return result.ok ? { ...answerContextOf(result.message), charset: 'ascii' } : emptyContext
}

// MSH-18 may be the very reason of the refusal, and the line is ASCII by now.
function withoutCharset(line: string): string {
  const separator = line.charAt(3)
  if (separator === '') return line
  const fields = line.split(separator)
  return fields.map((field, index) => (index === 17 ? '' : field)).join(separator)
}

/**
 * Reads and checks MSH. Errors: CONTROL_ID_MISSING, CONTROL_ID_TOO_LONG, MESSAGE_TYPE_MISSING,
 * VERSION_UNSUPPORTED. Message type and processing id are judged later, against what the source may send.
 */
export function readHeader(message: Hl7Message): { ok: true; header: Header } | Hl7Refusal {
  const msh = message.segments[0]
  if (msh === undefined) return refuse('MSH_MISSING', 'The message has no MSH segment. Nothing was stored.')
  const at = (field: number) => ({ segment: 'MSH', sequence: 1, field })
  const controlId = valueAt(message, msh, 10)
  const processingId = valueAt(message, msh, 11)
  const version = valueAt(message, msh, 12)
  const messageType = valueAt(message, msh, 9, 1)
  if (messageType === '') {
    return refuse('MESSAGE_TYPE_MISSING', 'MSH-9 names no message type. Nothing was stored.', at(9))
  }
  if (controlId === '') {
    return refuse(
      'CONTROL_ID_MISSING',
      'MSH-10 is empty, so the message could not be told from a repeated one. Nothing was stored.',
      at(10),
    )
  }
  if (controlId.length > controlIdLengthMax) {
    return refuse('CONTROL_ID_TOO_LONG', `MSH-10 is longer than ${controlIdLengthMax} characters.`, at(10))
  }
  if (!versionsRead.includes(version)) {
    return refuse(
      'VERSION_UNSUPPORTED',
      `MSH-12 is ${quoted(version)}; this gateway reads HL7 versions 2.3 to 2.8. Nothing was stored.`,
      at(12),
    )
  }
  const first = (field: number): string => componentOf(message, msh.fields[field] ?? '', 1)
  return {
    ok: true,
    header: {
      messageType,
      event: valueAt(message, msh, 9, 2),
      controlId,
      sendingApplication: first(3),
      sendingFacility: first(4),
      processingId,
      version,
    },
  }
}
