// Acknowledgements: original mode AA, AE, AR; enhanced mode CA, CE, CR first and then AA or AE, as MSH-15
// and MSH-16 of the message ask (HL7 chapter 2, "message acknowledgement"; clinical.md section 7, "ACK
// rules").
//
// An answer is a pure function of the message's header, the outcome and the clock value given, so that it
// can be stored and sent again byte for byte.
import { encodeText } from './charset.js'
import { conditionTexts, hl7Codes, type AckLevel, type Hl7Code, type Hl7Location } from './codes.js'
import { encodeEscapes } from './escapes.js'
import type { AcknowledgeWhen, AnswerContext } from './header.js'

export type AckCode = 'AA' | 'AE' | 'AR' | 'CA' | 'CE' | 'CR'

/** Why a message is answered as it is. */
export type Verdict =
  | { readonly kind: 'final'; readonly height: number }
  | {
      readonly kind: 'refused'
      readonly code: Hl7Code
      readonly sentence: string
      readonly location?: Hl7Location | undefined
      /** A finer code of the chain (policy, ledger), shown beside ours. */
      readonly detail?: string | undefined
    }

export interface Acknowledgement {
  readonly code: AckCode
  /** MSH-10 of the answer itself. */
  readonly controlId: string
  /** Time of the answer, ms since 1970 UTC. */
  readonly nowMs: number
  readonly verdict: Verdict | { readonly kind: 'accepted' }
}

const isEnhanced = (context: AnswerContext): boolean =>
  context.acceptWhen !== undefined || context.applicationWhen !== undefined

const wants = (when: AcknowledgeWhen | undefined, success: boolean): boolean =>
  when === 'AL' || when === (success ? 'SU' : 'ER')

/**
 * Which acknowledgements a verdict gives, in order of sending; none when the sender wants none.
 *
 * Enhanced mode: a message that is wrong as such gets CR, and AR only where MSH-15 forbids CR. Otherwise CA
 * comes first (`accepted`: already sent when the message was kept), then AA or AE. A sender that wants no
 * application answer gets its refusal as CE, so that no refusal is silent unless both fields say so. A
 * message that is not final in time was not stored: CE, unless its CA has left already.
 */
export function ackCodesOf(
  context: AnswerContext,
  verdict: Verdict,
  accepted: boolean,
): readonly AckCode[] {
  if (!isEnhanced(context)) return [original(verdict)]
  const { acceptWhen, applicationWhen } = context
  if (verdict.kind === 'final') {
    const codes: AckCode[] = []
    if (!accepted && wants(acceptWhen, true)) codes.push('CA')
    if (wants(applicationWhen, true)) codes.push('AA')
    return codes
  }
  if (accepted) return wants(applicationWhen, false) ? [original(verdict)] : []
  const level: AckLevel = hl7Codes[verdict.code].level
  if (level === 'reject') return firstWanted(context, 'CR', 'AR')
  if (verdict.code === 'NOT_FINAL_IN_TIME') return firstWanted(context, 'CE', 'AE')
  if (!wants(applicationWhen, false)) return wants(acceptWhen, false) ? ['CE'] : []
  return wants(acceptWhen, true) ? ['CA', 'AE'] : ['AE']
}

/** Whether CA may leave when the message has been kept, before it is final. */
export const wantsEarlyAccept = (context: AnswerContext): boolean =>
  isEnhanced(context) && wants(context.acceptWhen, true)

const original = (verdict: Verdict): AckCode => {
  if (verdict.kind === 'final') return 'AA'
  return hl7Codes[verdict.code].level === 'reject' ? 'AR' : 'AE'
}

const firstWanted = (context: AnswerContext, accept: AckCode, application: AckCode): readonly AckCode[] => {
  if (wants(context.acceptWhen, false)) return [accept]
  return wants(context.applicationWhen, false) ? [application] : []
}

/** Builds one acknowledgement message (no framing): MSH, MSA, and ERR for a refusal. */
export function buildAck(context: AnswerContext, ack: Acknowledgement): Uint8Array {
  const d = context.delimiters
  const text = (plain: string): string => encodeEscapes(plain, d)
  const encoding = `${d.component}${d.repetition}${d.escape}${d.subcomponent}${d.truncation ?? ''}`
  const messageType = ['ACK', ...(context.event === '' ? [] : [text(context.event)]), 'ACK']
  const fields = [
    `MSH${d.field}${encoding}`,
    ...context.receiver,
    ...context.sender,
    timestamp(ack.nowMs),
    '',
    // Before 2.4 there was no structure component, and an event-less ACK has no room for one.
    (isBefore24(context.version) || context.event === '' ? messageType.slice(0, -1) : messageType).join(
      d.component,
    ),
    text(ack.controlId),
    context.processingId,
    context.version,
  ]
  // MSH-18: an answer in Latin-1 says so; UTF-8 and ASCII are what a reader assumes anyway.
  if (context.charset === 'latin-1') fields.push('', '', '', '', '', '8859/1')
  const segments = [fields.join(d.field), msaSegment(context, ack)]
  if (ack.verdict.kind === 'refused') segments.push(errSegment(context, ack.verdict))
  return encodeText(`${segments.join('\r')}\r`, context.charset)
}

// MSA-1 code, MSA-2 the sender's control id exactly as it was, MSA-3 a text for people (withdrawn in 2.7,
// read by all).
function msaSegment(context: AnswerContext, ack: Acknowledgement): string {
  const d = context.delimiters
  return ['MSA', ack.code, context.rawControlId, encodeEscapes(verdictText(ack), d)].join(d.field)
}

function verdictText(ack: Acknowledgement): string {
  switch (ack.verdict.kind) {
    case 'final':
      return ack.code === 'CA' ? 'accepted' : `final in block ${ack.verdict.height}`
    case 'accepted':
      return 'accepted'
    case 'refused':
      return ack.code === 'CA' ? 'accepted' : ack.verdict.sentence
  }
}

// ERR-1 location the old way (before 2.5), ERR-2 location, ERR-3 condition of table 0357, ERR-4 severity,
// ERR-5 our code, ERR-7 the chain's code, ERR-8 the sentence.
function errSegment(context: AnswerContext, verdict: Verdict & { kind: 'refused' }): string {
  const d = context.delimiters
  const text = (plain: string): string => encodeEscapes(plain, d)
  const condition = hl7Codes[verdict.code].condition
  const conditionText = conditionTexts[condition] ?? ''
  const at = verdict.location
  const oldWay = at
    ? [
        at.segment,
        at.sequence ?? 1,
        at.field ?? '',
        [condition, text(conditionText), 'HL70357'].join(d.subcomponent),
      ]
    : []
  const location = at
    ? [at.segment, at.sequence ?? 1, at.field, at.repetition ?? (at.field && 1), at.component]
    : []
  return [
    'ERR',
    isBefore25(context.version) ? oldWay.join(d.component) : '',
    location
      .map((part) => part ?? '')
      .join(d.component)
      .replace(trailing(d.component), ''),
    [String(condition), text(conditionText), 'HL70357'].join(d.component),
    'E',
    text(verdict.code),
    '',
    text(verdict.detail ?? ''),
    text(verdict.sentence),
  ].join(d.field)
}

const trailing = (separator: string): RegExp => new RegExp(`[${separator.replace(/[\\\]^-]/g, '\\$&')}]+$`)

const isBefore25 = (version: string): boolean => /^2\.[1-4](\D|$)/.test(version)
const isBefore24 = (version: string): boolean => /^2\.[1-3](\D|$)/.test(version)

/** YYYYMMDDHHMMSS.mmm+0000: an HL7 time with its zone. */
export function timestamp(ms: number): string {
  const iso = new Date(ms).toISOString()
  return `${iso.slice(0, 19).replace(/[-T:]/g, '')}${iso.slice(19, 23)}+0000`
}
