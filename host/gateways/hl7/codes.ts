// Every reason for which the HL7 gateway refuses a frame or a message, in one table. The code goes out in
// ERR-5 and is API: never renamed, never reused. README.md beside this folder documents each of them.

/** How a refusal is answered: AR (or CR) for the message as such, AE (or CE) for what it says. */
export type AckLevel = 'reject' | 'error'

interface CodeRow {
  readonly level: AckLevel
  /** HL7 table 0357, "message error condition codes". */
  readonly condition: number
}

const reject = (condition: number): CodeRow => ({ level: 'reject', condition })
const error = (condition: number): CodeRow => ({ level: 'error', condition })

export const hl7Codes = {
  // Framing: the bytes never became a message.
  FRAME_TRUNCATED: reject(199),
  FRAME_END_MALFORMED: reject(199),
  FRAME_TIMEOUT: reject(199),
  FRAME_TOO_LARGE: reject(199),
  // Syntax and header.
  MSH_MISSING: reject(100),
  DELIMITERS_INVALID: reject(102),
  BATCH_REFUSED: reject(200),
  CHARSET_UNKNOWN: reject(103),
  CHARSET_INVALID: reject(102),
  SEGMENT_MALFORMED: reject(199),
  MSH_REPEATED: reject(100),
  SEGMENTS_TOO_MANY: reject(199),
  CONTROL_ID_MISSING: reject(101),
  CONTROL_ID_TOO_LONG: reject(104),
  MESSAGE_TYPE_MISSING: reject(101),
  MESSAGE_TYPE_UNSUPPORTED: reject(200),
  EVENT_UNSUPPORTED: reject(201),
  PROCESSING_ID_UNSUPPORTED: reject(202),
  VERSION_UNSUPPORTED: reject(203),
  // Content.
  SENDER_UNKNOWN: error(204),
  CONTROL_ID_REUSED: error(205),
  PATIENT_SEGMENT_MISSING: error(100),
  PATIENT_REPEATED: error(100),
  PATIENT_IDENTIFIER_MISSING: error(101),
  PATIENT_NAME_MISSING: error(101),
  BIRTH_DATE_INVALID: error(102),
  SEX_INVALID: error(103),
  VISIT_SEGMENT_MISSING: error(100),
  OBSERVATION_MISSING: error(100),
  OBSERVATIONS_TOO_MANY: error(198),
  SEGMENT_ORDER: error(100),
  TIME_MISSING: error(101),
  TIME_INVALID: error(102),
  CODE_MISSING: error(101),
  CODE_CONFLICT: error(103),
  STATUS_MISSING: error(101),
  STATUS_UNKNOWN: error(103),
  VALUE_MISSING: error(101),
  VALUE_REPEATED: error(198),
  VALUE_NOT_NUMERIC: error(102),
  VALUE_TOO_LONG: error(104),
  VALUE_TYPE_UNSUPPORTED: error(102),
  VALUE_NOT_IN_TABLE: error(103),
  UNIT_MISSING: error(101),
  UNIT_UNKNOWN: error(103),
  UNIT_MISMATCH: error(103),
  UNKNOWN_PATIENT: error(204),
  PATIENT_AMBIGUOUS: error(204),
  RECORDS_TOO_MANY: error(198),
  EARLIER_VALUE_UNKNOWN: error(204),
  EARLIER_VALUE_AMBIGUOUS: error(204),
  NOT_FINAL_IN_TIME: error(207),
  GATEWAY_FAILED: error(207),
  REFUSED_BY_CHAIN: error(207),
} as const satisfies Record<string, CodeRow>

export type Hl7Code = keyof typeof hl7Codes

/** Texts of HL7 table 0357 for ERR-3.2. */
export const conditionTexts: Readonly<Record<number, string>> = {
  0: 'Message accepted',
  100: 'Segment sequence error',
  101: 'Required field missing',
  102: 'Data type error',
  103: 'Table value not found',
  104: 'Value too long',
  198: 'Non-conformant cardinality',
  199: 'Other HL7 error',
  200: 'Unsupported message type',
  201: 'Unsupported event code',
  202: 'Unsupported processing id',
  203: 'Unsupported version id',
  204: 'Unknown key identifier',
  205: 'Duplicate key identifier',
  207: 'Application internal error',
}

/** Where in a message: segment name, which one of that name (1-based), field, component (both 1-based). */
export interface Hl7Location {
  readonly segment: string
  readonly sequence?: number
  readonly field?: number
  readonly repetition?: number
  readonly component?: number
}

/**
 * A refusal: what happened, to what, and what to do next. The sentence holds no patient's name or number.
 */
export interface Hl7Refusal {
  readonly ok: false
  readonly code: Hl7Code
  readonly sentence: string
  readonly location?: Hl7Location
}

export const refuse = (code: Hl7Code, sentence: string, location?: Hl7Location): Hl7Refusal =>
  location === undefined ? { ok: false, code, sentence } : { ok: false, code, sentence, location }

export const isHl7Code = (code: string): code is Hl7Code => Object.hasOwn(hl7Codes, code)

/** Cuts a foreign text for use in a sentence: printable ASCII, at most 40 characters. */
export const quoted = (text: string): string => {
  const printable = text.replace(/[^\x20-\x7e]/g, '?')
  return `"${printable.length > 40 ? `${printable.slice(0, 37)}...` : printable}"`
}

/** The one error class of the gateway's IO (listening, sending); expected refusals are values instead. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  constructor(
    readonly code: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
  }
}
