// The tokenizer: one message's bytes to segments, fields, repetitions, components, subcomponents. Raw text
// is kept, escapes are decoded where a value is read, and `printMessage` gives the same bytes again.
import { charsetOf, decodeText, encodeText, latin1, type Charset } from './charset.js'
import { quoted, refuse, type Hl7Refusal } from './codes.js'
import { decodeEscapes, type Delimiters } from './escapes.js'

/** Most segments in one message: the largest of the samples has 179; a bound on work, not on medicine. */
export const segmentCountMax = 20_000

/**
 * One segment. `fields[0]` is its name; `fields[i]` the raw text of field i (MSH: [1] separator, [2]
 * MSH-2).
 */
export interface Segment {
  readonly name: string
  readonly fields: readonly string[]
  /**
   * How it ended: CR as the standard says, LF or CRLF (deviations), or nothing at the end of the message.
   */
  readonly terminator: '\r' | '\n' | '\r\n' | ''
}

export interface Hl7Message {
  readonly delimiters: Delimiters
  readonly charset: Charset
  readonly segments: readonly Segment[]
  /** Segments that ended in LF or CRLF, and empty lines: read, and counted as deviations. */
  readonly deviations: number
}

export type ParseResult = { readonly ok: true; readonly message: Hl7Message } | Hl7Refusal

/**
 * Parses the bytes of one message (framing removed).
 * Errors: MSH_MISSING, BATCH_REFUSED, DELIMITERS_INVALID, CHARSET_UNKNOWN, CHARSET_INVALID,
 * SEGMENT_MALFORMED, MSH_REPEATED, SEGMENTS_TOO_MANY. Never throws.
 */
export function parseMessage(bytes: Uint8Array): ParseResult {
  const header = parseDelimiters(bytes)
  if (!header.ok) return header
  const { delimiters, mshFields } = header
  const named = charsetOf(mshFields[18] ?? '', delimiters.repetition)
  if (!named.ok) return named
  const text = decodeText(bytes, named.charset)
  if (text === undefined) {
    return refuse(
      'CHARSET_INVALID',
      `The message holds bytes that are not ${named.charset} text. Nothing was stored: send it in the character set` +
        ' that MSH-18 names (UTF-8 when it is empty).',
      { segment: 'MSH', sequence: 1, field: 18 },
    )
  }
  return parseSegments(text, delimiters, named.charset)
}

/** Prints a message; for one that was parsed, the same bytes. */
export function printMessage(message: Hl7Message): Uint8Array {
  const { field } = message.delimiters
  const lines = message.segments.map((segment) => {
    if (segment.name !== 'MSH') return segment.fields.join(field) + segment.terminator
    // MSH-1 is the separator itself: "MSH" + "|" + MSH-2 + "|" + MSH-3 ...
    return `MSH${field}${segment.fields.slice(2).join(field)}${segment.terminator}`
  })
  return encodeText(lines.join(''), message.charset)
}

const batchHeaders = new Set(['FHS', 'BHS', 'FTS', 'BTS'])

// Reads MSH-1, MSH-2 and the raw fields of MSH before the character set is known: delimiters are ASCII, and
// no byte of a multi-byte UTF-8 character is.
function parseDelimiters(
  bytes: Uint8Array,
): { ok: true; delimiters: Delimiters; mshFields: readonly string[] } | Hl7Refusal {
  const end = bytes.findIndex((byte) => byte === 0x0d || byte === 0x0a)
  const line = latin1(bytes.subarray(0, end < 0 ? bytes.length : end))
  const name = line.slice(0, 3)
  if (batchHeaders.has(name)) {
    return refuse(
      'BATCH_REFUSED',
      `The frame holds a batch (${name}). The live port takes single messages only, nothing of it was stored:` +
        ' send each message in a frame of its own.',
      { segment: name, sequence: 1 },
    )
  }
  if (name !== 'MSH') {
    return refuse(
      'MSH_MISSING',
      'The frame does not begin with an MSH segment, so it names no sender and no message. Nothing was stored.',
      { segment: 'MSH', sequence: 1 },
    )
  }
  const field = line.charAt(3)
  const [encoding = ''] = line.slice(4).split(field || '|', 1)
  const all = [field, ...encoding]
  // Letters, digits, blanks and control characters would make values look like structure.
  const usable =
    all.every((character) => /^[!-/:-@[-`{-~]$/.test(character)) && new Set(all).size === all.length
  if (!usable || encoding.length < 4 || encoding.length > 5) {
    return refuse(
      'DELIMITERS_INVALID',
      `MSH-1 and MSH-2 must name five different punctuation characters, as in "MSH|^~\\&|". Nothing was stored.`,
      { segment: 'MSH', sequence: 1, field: 2 },
    )
  }
  const delimiters: Delimiters = {
    field,
    component: encoding.charAt(0),
    repetition: encoding.charAt(1),
    escape: encoding.charAt(2),
    subcomponent: encoding.charAt(3),
    truncation: encoding[4],
  }
  return { ok: true, delimiters, mshFields: mshFields(line, field) }
}

const mshFields = (line: string, field: string): string[] => ['MSH', field, ...line.slice(4).split(field)]

function parseSegments(text: string, delimiters: Delimiters, charset: Charset): ParseResult {
  const segments: Segment[] = []
  let deviations = 0
  const lines = /([^\r\n]*)(\r\n|\r|\n|$)/gy
  while (lines.lastIndex < text.length) {
    const [, line = '', terminator = ''] = lines.exec(text) ?? []
    if (segments.length >= segmentCountMax) {
      return refuse(
        'SEGMENTS_TOO_MANY',
        `A message may hold ${segmentCountMax} segments. Nothing was stored: split it.`,
      )
    }
    const segment = parseSegment(line, terminator as Segment['terminator'], delimiters, segments.length)
    if ('ok' in segment) return segment
    if (line === '' || terminator === '\n' || terminator === '\r\n') deviations += 1
    segments.push(segment)
  }
  return { ok: true, message: { delimiters, charset, segments, deviations } }
}

function parseSegment(
  line: string,
  terminator: Segment['terminator'],
  delimiters: Delimiters,
  index: number,
): Segment | Hl7Refusal {
  if (line === '') return { name: '', fields: [''], terminator }
  const name = line.slice(0, 3)
  const separator = line.charAt(3)
  if (!/^[A-Z][A-Z0-9]{2}$/.test(name) || (separator !== '' && separator !== delimiters.field)) {
    return refuse(
      'SEGMENT_MALFORMED',
      `Line ${index + 1} of the message begins with ${quoted(line.slice(0, 8))}, which is no segment: a line break` +
        ' inside a field, or a damaged message. Nothing was stored: send line breaks as \\.br\\.',
    )
  }
  if (name === 'MSH' && index > 0) {
    // Two messages run together would file one patient's values under the other.
    return refuse(
      'MSH_REPEATED',
      'The frame holds a second MSH segment: two messages run together. Nothing was stored.',
      {
        segment: 'MSH',
        sequence: 2,
      },
    )
  }
  if (name === 'MSH') return { name, fields: mshFields(line, delimiters.field), terminator }
  return { name, fields: line.split(delimiters.field), terminator }
}

// ---- Reading values
// -------------------------------------------------------------------------------------------

/** Raw repetitions of a field; none when the field is empty. */
export function repetitions(message: Hl7Message, segment: Segment, field: number): readonly string[] {
  const raw = segment.fields[field] ?? ''
  return raw === '' ? [] : raw.split(message.delimiters.repetition)
}

/** Raw components of one repetition's text. */
export const components = (message: Hl7Message, raw: string): readonly string[] =>
  raw.split(message.delimiters.component)

/** Escapes decoded. The explicit null `""` stays as it is: it is a value of its own kind. */
export const decoded = (message: Hl7Message, raw: string): string =>
  decodeEscapes(raw, message.delimiters, message.charset)

/**
 * The decoded text of field-component[-subcomponent] in the first repetition; '' when absent. All 1-based.
 * A simple type that a later version made complex keeps its value in the first place, so 1 is the default
 * everywhere.
 */
export function valueAt(
  message: Hl7Message,
  segment: Segment,
  field: number,
  component = 1,
  subcomponent = 1,
): string {
  const first = piece(segment.fields[field] ?? '', message.delimiters.repetition, 0)
  return componentOf(message, first, component, subcomponent)
}

/** As `valueAt`, for one repetition's raw text. */
export function componentOf(
  message: Hl7Message,
  repetition: string,
  component: number,
  subcomponent = 1,
): string {
  const { delimiters } = message
  const raw = piece(repetition, delimiters.component, component - 1)
  return decoded(message, piece(raw, delimiters.subcomponent, subcomponent - 1))
}

// The text between two separators, '' beyond the last: like split, without the array that reading a message
// of hundreds of values would make and drop for each.
function piece(text: string, separator: string, index: number): string {
  let from = 0
  for (let skipped = 0; skipped < index; skipped += 1) {
    const at = text.indexOf(separator, from)
    if (at < 0) return ''
    from = at + 1
  }
  const to = text.indexOf(separator, from)
  return to < 0 ? text.slice(from) : text.slice(from, to)
}
