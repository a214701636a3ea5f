import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'

import type { Hl7Code } from './codes.js'
import { decodeEscapes, defaultDelimiters, encodeEscapes } from './escapes.js'
import {
  components,
  parseMessage,
  printMessage,
  repetitions,
  segmentCountMax,
  valueAt,
} from './tokenizer.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const header = 'MSH|^~\\&|APP|FAC|WARD|HOSP|20261122||ORU^R01^ORU_R01|1|P|2.5.1'
const parsed = (text: string) => {
  const result = parseMessage(utf8(text))
  if (!result.ok) throw new Error(result.code)
  return result.message
}

t.test('fields, repetitions, components, subcomponents', async (t) => {
  const message = parsed(`${header}\rPID|1||A^^^H&1.2.3&ISO^MR~B^^^^SS||JONES^LISA`)
  const [msh, pid] = message.segments
  if (msh === undefined || pid === undefined) throw new Error('two segments')
  t.equal(valueAt(message, msh, 1), '|')
  t.equal(msh.fields[2], '^~\\&')
  t.equal(valueAt(message, msh, 9, 2), 'R01')
  t.equal(valueAt(message, pid, 3, 4), 'H')
  t.equal(valueAt(message, pid, 3, 4, 2), '1.2.3')
  t.same(repetitions(message, pid, 3), ['A^^^H&1.2.3&ISO^MR', 'B^^^^SS'])
  t.same(repetitions(message, pid, 4), [])
  t.same(components(message, 'a^b'), ['a', 'b'])
  t.equal(valueAt(message, pid, 30), '', 'a field beyond the end is empty')
})

t.test('delimiters come from MSH, escapes are decoded once', async (t) => {
  const own = parsed('MSH#@%!*#APP#FAC#####ACK#1#P#2.5\rNTE#1##a!F!b!S!c!T!d!R!e!E!f!X4142!')
  const note = own.segments[1]
  t.equal(note && valueAt(own, note, 3), 'a#b@c*d%e!fAB')
  t.equal(note?.fields[3], 'a!F!b!S!c!T!d!R!e!E!f!X4142!', 'raw kept')

  const decode = (raw: string) => decodeEscapes(raw, defaultDelimiters, 'utf-8')
  t.equal(decode('\\E\\T\\E\\'), '\\T\\', 'what an escape yields is not decoded again')
  t.equal(decode('one\\.br\\two\\.sp2\\three'), 'one\ntwo\n\nthree')
  t.equal(decode('\\H\\loud\\N\\'), 'loud')
  t.equal(decode('\\XC2B5\\mol'), 'µmol')
  t.equal(decode('\\XFF\\'), '\\XFF\\', 'bytes that are no text stay as sent')
  t.equal(decode('\\Zxy\\ and \\C2842\\'), '\\Zxy\\ and \\C2842\\', 'unknown sequences stay as sent')
  t.equal(decode('C:\\dir\\T\\x'), 'C:\\dir&x')
  t.equal(decode('ends with \\'), 'ends with \\')
  t.equal(decode('\\P\\'), '\\P\\', 'no truncation character is declared')
})

t.test('line ends: CR, LF, CRLF and a mixture are read, deviations counted, bytes kept', async (t) => {
  for (const [end, deviations] of [
    ['\r', 0],
    ['\n', 2],
    ['\r\n', 2],
  ] as const) {
    const bytes = utf8(`${header}${end}PID|1${end}`)
    const result = parseMessage(bytes)
    if (!result.ok) throw new Error(result.code)
    t.equal(result.message.deviations, deviations)
    t.same(
      result.message.segments.map((segment) => segment.name),
      ['MSH', 'PID'],
    )
    t.same(printMessage(result.message), bytes)
  }
  t.equal(parsed(`${header}\rPID|1\r\n\rPV1|1`).deviations, 2)
})

t.test('what is refused, and by which code', async (t) => {
  const latin = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0))
  const cases: [bytes: Uint8Array, code: Hl7Code][] = [
    [utf8('PID|1||A'), 'MSH_MISSING'],
    [utf8(''), 'MSH_MISSING'],
    [utf8(` ${header}`), 'MSH_MISSING'],
    [utf8('FHS|^~\\&|A\rBHS|^~\\&\rMSH|^~\\&|'), 'BATCH_REFUSED'],
    [utf8('BHS|^~\\&\rMSH|^~\\&|'), 'BATCH_REFUSED'],
    [utf8('MSH|'), 'DELIMITERS_INVALID'],
    [utf8('MSH'), 'DELIMITERS_INVALID'],
    [utf8('MSH||APP'), 'DELIMITERS_INVALID'],
    [utf8('MSH|^~\\|APP'), 'DELIMITERS_INVALID'],
    [utf8('MSH|^^\\&|APP'), 'DELIMITERS_INVALID'],
    [utf8('MSH|^~\\&#$|APP'), 'DELIMITERS_INVALID'],
    [utf8('MSHa^~\\&aAPP'), 'DELIMITERS_INVALID'],
    [utf8(`${header}||||||8859/2`), 'CHARSET_UNKNOWN'],
    [utf8(`${header}||||||UNICODE UTF-16`), 'CHARSET_UNKNOWN'],
    [utf8(`${header}||||||ASCII~8859/1`), 'CHARSET_UNKNOWN'],
    [latin(`${header}\rPID|1||M\xfcller`), 'CHARSET_INVALID'],
    [latin(`${header}||||||ASCII\rPID|1||M\xfcller`), 'CHARSET_INVALID'],
    [utf8(`${header}\rline two of a note`), 'SEGMENT_MALFORMED'],
    [utf8(`${header}\rPIDX|1`), 'SEGMENT_MALFORMED'],
    [utf8(`${header}\rPID|1||A\r${header}\rPID|1||B`), 'MSH_REPEATED'],
    [utf8(header + '\rNTE'.repeat(segmentCountMax)), 'SEGMENTS_TOO_MANY'],
  ]
  for (const [bytes, code] of cases) {
    const result = parseMessage(bytes)
    t.equal(result.ok ? 'parsed' : result.code, code, new TextDecoder('latin1').decode(bytes.slice(0, 60)))
    t.ok(result.ok || result.sentence.length > 20)
  }
  t.ok(parseMessage(utf8(header + '\rNTE'.repeat(segmentCountMax - 1))).ok, 'the limit itself is taken')
})

t.test('MSH-18: Latin-1 is read and printed as Latin-1', async (t) => {
  const bytes = Uint8Array.from(`${header}||||||8859/1\rPID|1||M\xfcller \x85`, (c) => c.charCodeAt(0))
  const result = parseMessage(bytes)
  if (!result.ok) throw new Error(result.code)
  t.equal(result.message.segments[1]?.fields[3], 'Müller \u0085')
  t.same(printMessage(result.message), bytes)
})

t.test('every sample file that parses prints the same bytes', async (t) => {
  const root = '../shared/data/hl7'
  if (!existsSync(root)) {
    t.comment(`${root} is not here: skipped`)
    t.end()
    return
  }
  const refused: string[] = []
  let parsedCount = 0
  for (const folder of ['cdc', 'simple-hl7']) {
    for (const name of readdirSync(join(root, folder)).filter((file) => file.endsWith('.hl7'))) {
      const original = new Uint8Array(readFileSync(join(root, folder, name)))
      const asCr = Uint8Array.from(original, (byte) => (byte === 0x0a ? 0x0d : byte))
      for (const bytes of [original, asCr]) {
        const result = parseMessage(bytes)
        if (result.ok) {
          parsedCount += 1
          t.equal(Buffer.compare(printMessage(result.message), bytes), 0, name)
        } else refused.push(`${name} ${result.code}`)
      }
    }
  }
  t.equal(parsedCount, 60)
  t.same(
    [...new Set(refused)],
    [
      'Message-msh_present_but_missing_all_fields.hl7 DELIMITERS_INVALID',
      'Message-msh_present_but_missing_msh-2.hl7 DELIMITERS_INVALID',
      'Results-005_AL_ORU_R01_NBS_Simplified_0_initial_message.hl7 BATCH_REFUSED',
      // A line break in the middle of OBR-4.
      'TX-001_TX_OML_O21.hl7 SEGMENT_MALFORMED',
    ],
  )
})

t.test('property: any bytes give a message or a code; what parses prints the same bytes', async () => {
  const pieces = fc.constantFrom(
    'MSH|^~\\&|',
    'PID|',
    '\r',
    '\n',
    '|',
    '^',
    '\\',
    '\\X41\\',
    'µ',
    'A',
    'UNICODE UTF-8',
  )
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(pieces, { maxLength: 40 }).map((all) => utf8(`MSH|^~\\&|${all.join('')}`)),
  )
  fc.assert(
    fc.property(bytes, (input) => {
      const result = parseMessage(input)
      if (!result.ok) return true
      for (const segment of result.message.segments) {
        for (let field = 1; field < 5; field += 1) valueAt(result.message, segment, field, 2)
      }
      return Buffer.compare(printMessage(result.message), input) === 0
    }),
    { numRuns: 2000 },
  )
})

t.test('property: escaped text decodes to itself and holds no delimiter', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const raw = encodeEscapes(text, defaultDelimiters)
      return !/[|^~&\r\n]/.test(raw) && decodeEscapes(raw, defaultDelimiters, 'utf-8') === text
    }),
  )
})
