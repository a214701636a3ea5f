import fc from 'fast-check'
import t from 'tap'

import { ackCodesOf, buildAck, timestamp, type AckCode, type Verdict } from './ack.js'
import { conditionTexts, hl7Codes, type Hl7Code } from './codes.js'
import {
  answerContextOf,
  answerContextOfBytes,
  type AcknowledgeWhen,
  type AnswerContext,
} from './header.js'
import { readAck } from './mllp-client.js'
import { parseMessage, valueAt } from './tokenizer.js'

const nowMs = Date.UTC(2026, 10, 22, 10, 15, 30, 250)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)

function contextOf(message: string | Uint8Array): AnswerContext {
  const parsed = parseMessage(typeof message === 'string' ? utf8(message) : message)
  if (!parsed.ok) throw new Error(parsed.code)
  return answerContextOf(parsed.message)
}

const plain = 'MSH|^~\\&|MON^1.2^ISO|4W|WARD|HOSP|20261122||ORU^R01^ORU_R01|C\\T\\1|D|2.5.1'
const refused = (code: Hl7Code, sentence = 'No.'): Verdict => ({ kind: 'refused', code, sentence })
const final: Verdict = { kind: 'final', height: 12 }
const build = (context: AnswerContext, code: AckCode, verdict: Verdict): string =>
  text(buildAck(context, { code, controlId: 'A1', nowMs, verdict }))

t.test('the bytes of an acknowledgement', async (t) => {
  t.equal(
    build(contextOf(plain), 'AA', final),
    'MSH|^~\\&|WARD|HOSP|MON^1.2^ISO|4W|20261122101530.250+0000||ACK^R01^ACK|A1|D|2.5.1\r' +
      'MSA|AA|C\\T\\1|final in block 12\r',
    'crosswise names, raw control id',
  )
  const verdict: Verdict = {
    kind: 'refused',
    code: 'UNKNOWN_PATIENT',
    sentence: 'No patient has this number | here.',
    location: { segment: 'PID', sequence: 1, field: 3 },
    detail: 'PATIENT_UNKNOWN',
  }
  t.equal(
    build(contextOf(plain), 'AE', verdict).split('\r')[2],
    'ERR||PID^1^3^1|204^Unknown key identifier^HL70357|E|UNKNOWN_PATIENT||PATIENT_UNKNOWN' +
      '|No patient has this number \\F\\ here.',
  )
  t.equal(
    build(contextOf(plain.replace('2.5.1', '2.3')), 'AE', verdict)
      .split('\r')[2]
      ?.split('|')[1],
    'PID^1^3^204&Unknown key identifier&HL70357',
    'before 2.5 the location stands in ERR-1',
  )
  t.match(build(contextOf(plain.replace('2.5.1', '2.3')), 'AA', final), /\|ACK\^R01\|A1\|D\|2\.3\r/)
  const latin1Text = plain.replace('|2.5.1', '|2.5.1||||||8859/1').replace('|4W|', '|Süd|')
  const german = contextOf(Uint8Array.from(latin1Text, (character) => character.charCodeAt(0)))
  t.match(
    build(german, 'AA', final),
    /\|S\xfcd\|.*\|2\.5\.1\|\|\|\|\|\|8859\/1\r/,
    'Latin-1 is answered in Latin-1',
  )
  t.equal(timestamp(0), '19700101000000.000+0000')
})

t.test('what is echoed from bytes that did not parse', async (t) => {
  const echoed = (bytes: string) => answerContextOfBytes(utf8(bytes)).rawControlId
  t.equal(echoed(`${plain}\rPID|`), 'C\\T\\1')
  t.equal(echoed(plain), '', 'MSH without an end may hold half a control id')
  t.equal(echoed('PID|1\r'), '')
  t.equal(echoed(''), '')
  t.equal(echoed(`${plain}||||||KLINGON\rPID|`), 'C\\T\\1')
  const latin = answerContextOfBytes(
    Uint8Array.from(`${plain.replace('4W', 'S\xfcd')}\rPID|`, (c) => c.charCodeAt(0)),
  )
  t.equal(latin.sender[1], 'S?d')
})

t.test('which acknowledgements are sent', async (t) => {
  const modes = (accept?: AcknowledgeWhen, application?: AcknowledgeWhen): AnswerContext => ({
    ...contextOf(plain),
    acceptWhen: accept,
    applicationWhen: application,
  })
  const rows: [
    accept: AcknowledgeWhen | undefined,
    application: AcknowledgeWhen | undefined,
    final: string,
    content: string,
    syntax: string,
    late: string,
  ][] = [
    [undefined, undefined, 'AA', 'AE', 'AR', 'AE'],
    ['AL', 'AL', 'CA AA', 'CA AE', 'CR', 'CE'],
    ['NE', 'AL', 'AA', 'AE', 'AR', 'AE'],
    ['AL', 'NE', 'CA', 'CE', 'CR', 'CE'],
    ['NE', 'NE', '', '', '', ''],
    ['ER', 'ER', '', 'AE', 'CR', 'CE'],
    ['SU', 'SU', 'CA AA', '', '', ''],
    ['ER', 'NE', '', 'CE', 'CR', 'CE'],
    [undefined, 'AL', 'AA', 'AE', 'AR', 'AE'],
    ['AL', undefined, 'CA', 'CE', 'CR', 'CE'],
  ]
  for (const [accept, application, onFinal, onContent, onSyntax, onLate] of rows) {
    const context = modes(accept, application)
    const codes = (verdict: Verdict) => ackCodesOf(context, verdict, false).join(' ')
    const name = `${accept} ${application}`
    t.equal(codes(final), onFinal, `${name}: final`)
    t.equal(codes(refused('UNKNOWN_PATIENT')), onContent, `${name}: content`)
    t.equal(codes(refused('VERSION_UNSUPPORTED')), onSyntax, `${name}: syntax`)
    t.equal(codes(refused('NOT_FINAL_IN_TIME')), onLate, `${name}: late`)
  }
  t.same(ackCodesOf(modes('AL', 'AL'), final, true), ['AA'], 'CA has left already')
  t.same(ackCodesOf(modes('AL', 'AL'), refused('NOT_FINAL_IN_TIME'), true), ['AE'])
})

t.test('every code has a condition text and is answered as its level says', async (t) => {
  for (const [code, { level, condition }] of Object.entries(hl7Codes)) {
    t.ok(conditionTexts[condition], code)
    const [ack] = ackCodesOf(contextOf(plain), refused(code as Hl7Code), false)
    t.equal(ack, level === 'reject' ? 'AR' : 'AE', code)
  }
})

t.test('property: whatever a header and a sentence hold, the answer parses and says the same', async () => {
  const part = fc.string({ unit: fc.constantFrom('a', '^', '&', '~', '\\', ' ', 'é', 'Z'), maxLength: 12 })
  fc.assert(
    fc.property(
      part,
      part,
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      (application, controlId, sentence) => {
        const header = `MSH|^~\\&|${application}|F|R|H|||ORU^R01|${controlId}|P|2.5`
        const verdict = refused('UNKNOWN_PATIENT', sentence)
        const parsed = parseMessage(
          buildAck(contextOf(header), { code: 'AE', controlId: 'A1', nowMs, verdict }),
        )
        if (!parsed.ok) return false
        const names = parsed.message.segments.map((segment) => segment.name).filter((name) => name !== '')
        const [, msa, err] = parsed.message.segments
        if (names.join() !== 'MSH,MSA,ERR' || msa === undefined || err === undefined) return false
        return msa.fields[2] === controlId && valueAt(parsed.message, err, 8) === sentence
      },
    ),
  )
})

t.test('readAck reads ours and gives empty fields for anything else', async (t) => {
  const answer = utf8(build(contextOf(plain), 'AR', refused('BATCH_REFUSED', 'A batch.')))
  t.same(readAck(answer), {
    code: 'AR',
    controlId: 'C&1',
    sentence: 'A batch.',
    reason: 'BATCH_REFUSED',
    location: '',
  })
  t.same(readAck(utf8('HTTP/1.1 400')), { code: '', controlId: '', sentence: '', reason: '', location: '' })
})
