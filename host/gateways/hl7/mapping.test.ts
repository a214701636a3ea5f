import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'

import type { Hl7Code } from './codes.js'
import { printDecimal } from './decimal.js'
import { readHeader } from './header.js'
import { observationCountMax } from './map-observations.js'
import { textLengthMax } from './map-value.js'
import { mapMessage, type Admission, type MappedMessage, type Observation } from './mapping.js'
import {
  buildAdmission,
  buildObservations,
  lisaFirstReadings,
  lisaFurtherReadings,
  lisaJones,
  type SampleEnvelope,
  type SampleObservation,
} from './sample-messages.js'
import { parseMessage } from './tokenizer.js'

const nowMs = Date.UTC(2026, 10, 22, 10, 15)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

function map(raw: Uint8Array, zone = '+0000'): MappedMessage | Hl7Code {
  const parsed = parseMessage(raw)
  if (!parsed.ok) return parsed.code
  const read = readHeader(parsed.message)
  if (!read.ok) return read.code
  const options = { accepts: ['ADT', 'ORU'] as const, zone, receivedTimeMs: nowMs }
  const mapping = mapMessage(parsed.message, read.header, raw, options)
  return mapping.ok ? mapping.mapped : mapping.code
}

const envelope: SampleEnvelope = { controlId: 'M1', sender: { application: 'MON', facility: '4W' }, nowMs }
const lisa = lisaJones(nowMs)

function observationsOf(mapped: MappedMessage | Hl7Code): readonly Observation[] {
  if (typeof mapped === 'string' || mapped.kind !== 'observations') throw new Error(JSON.stringify(mapped))
  return mapped.observations
}

/** One observation in a message of its own: the observation, or the code of the refusal. */
function one(observation: SampleObservation): Observation | Hl7Code {
  const mapped = map(buildObservations(envelope, lisa, [observation]))
  if (typeof mapped === 'string') return mapped
  const [first] = observationsOf(mapped)
  if (first === undefined) throw new Error('one observation')
  return first
}

const shown = (observation: Observation | Hl7Code): string => {
  if (typeof observation === 'string') return observation
  const { code, value, unit } = observation
  const text =
    value.kind === 'decimal' ? printDecimal(value) : value.kind === 'coded' ? value.code : value.kind
  return `${code} ${text} ${unit}`.trim()
}

t.test('Lisa Jones is admitted', async (t) => {
  const raw = buildAdmission(envelope, lisa)
  const mapped = map(raw)
  t.match(mapped, {
    kind: 'admission',
    controlId: 'M1',
    sendingApplication: 'MON',
    sendingFacility: '4W',
    processingId: 'P',
    receivedTimeMs: nowMs,
    identifiers: [{ value: '10012877', authority: 'WARDCHAIN', type: 'MR' }],
    name: { family: 'JONES', given: 'LISA' },
    birthDate: '19970514',
    sex: 'F',
    location: { ward: '4WEST', room: '412', bed: 'A' },
    patientClass: 'I',
    visitNumber: 'V3300417',
    eventTimeMs: nowMs,
  })
  t.same((mapped as Admission).raw, raw)
})

t.test('her vital signs: 101.5 F and 80/60, then the rest', async (t) => {
  const raw = buildObservations(envelope, lisa, [...lisaFirstReadings, ...lisaFurtherReadings])
  const observations = observationsOf(map(raw))
  t.same(observations.map(shown), [
    '8310-5 38.6 Cel',
    '8480-6 80 mm[Hg]',
    '8462-4 60 mm[Hg]',
    '9279-1 24 /min',
    '8867-4 118 /min',
    '59408-5 95 %',
    '3151-8 0 L/min',
    '80288-4 A',
  ])
  t.match(observations[0], {
    system: 'LN',
    value: { kind: 'decimal', mantissa: 386n, scale: 1 },
    effectiveTimeMs: nowMs,
    status: 'F',
    sourceText: '101.5 [degF]',
    sourceCode: '8310-5^Body temperature^LN',
  })
})

t.test('codes, units and values of vital signs', async (t) => {
  const temperature = (value: string, unit: string) => shown(one({ code: '8310-5', value, unit }))
  t.equal(temperature('38.6', 'Cel'), '8310-5 38.6 Cel')
  t.equal(temperature('38', 'C'), '8310-5 38.0 Cel')
  t.equal(temperature('38.65', '°C'), '8310-5 38.7 Cel')
  t.equal(temperature('101.5', 'F'), '8310-5 38.6 Cel')
  t.equal(temperature('101.5', '%'), 'UNIT_MISMATCH')
  t.equal(temperature('311.7', 'K'), 'UNIT_UNKNOWN')
  t.equal(temperature('101.5', ''), 'UNIT_MISSING')
  t.equal(temperature('high', 'Cel'), 'VALUE_NOT_NUMERIC')
  t.equal(temperature('80/60', 'Cel'), 'VALUE_NOT_NUMERIC')
  t.equal(temperature('1234567890123456789', 'Cel'), 'VALUE_TOO_LONG')

  const mdc = (code: string, value: string, unit: string, display = '') =>
    shown(one({ code, display, system: 'MDC', value, unit }))
  t.equal(mdc('150021', '080', 'MDC_DIM_MMHG'), '8480-6 80 mm[Hg]')
  t.equal(mdc('150022', '60', 'mmHg'), '8462-4 60 mm[Hg]')
  t.equal(mdc('150023', '66.7', 'mm[Hg]'), '8478-0 66.7 mm[Hg]')
  t.equal(mdc('150344', '101.5', 'MDC_DIM_FAHR'), '8310-5 38.6 Cel')
  t.equal(mdc('151562', '24', '{breaths}/min'), '9279-1 24 /min')
  t.equal(mdc('147842', '118', 'bpm'), '8867-4 118 /min')
  t.equal(mdc('149530', '118', 'MDC_DIM_BEAT_PER_MIN'), '8867-4 118 /min')
  t.equal(mdc('150456', '95', '%'), '59408-5 95 %')
  t.equal(shown(one({ code: '2708-6', value: '95', unit: '%' })), '59408-5 95 %')
  t.equal(shown(one({ code: '8867-4', system: '', value: '72', unit: '/min' })), '8867-4 72 /min')
  t.equal(
    shown(one({ code: '147842', system: '', display: 'MDC_ECG_HEART_RATE', value: '72', unit: '/min' })),
    '8867-4 72 /min',
  )
  t.equal(
    shown(one({ code: '147842', system: '', value: '72', unit: '/min' })),
    '147842 72 /min',
    'a bare number is no MDC code',
  )
  t.equal(shown(one({ code: '9269-2', value: '15', unit: '' })), '9269-2 15 {score}')
  t.equal(shown(one({ code: '3150-6', value: '28', unit: '%' })), '3150-6 28 %')

  const acvpu = (value: string, valueType = 'CWE') => shown(one({ code: '80288-4', value, valueType }))
  for (const letter of ['A', 'C', 'V', 'P', 'U']) t.equal(acvpu(letter), `80288-4 ${letter}`)
  t.equal(acvpu('Alert', 'ST'), '80288-4 A')
  t.equal(acvpu('New confusion', 'ST'), '80288-4 C')
  t.equal(acvpu('Confused'), 'VALUE_NOT_IN_TABLE', 'old confusion is not C')
  t.equal(acvpu('awake'), 'VALUE_NOT_IN_TABLE')
  t.equal(acvpu('3', 'NM'), 'VALUE_NOT_IN_TABLE')
})

t.test('laboratory results keep their digits, their code and their unit', async (t) => {
  const lactate = one({ code: '2524-7', display: 'Lactate', value: '2.04', unit: 'mmol/L', status: 'P' })
  t.match(lactate, {
    code: '2524-7',
    system: 'LN',
    value: { mantissa: 204n, scale: 2 },
    unit: 'mmol/L',
    status: 'P',
  })
  t.equal(shown(one({ code: '2524-7', value: '2.0', unit: 'mmol/L' })), '2524-7 2.0 mmol/L')
  t.equal(shown(one({ code: '6690-2', value: '13.1', unit: '10^9/L' })), '6690-2 13.1 10*9/L')
  t.equal(shown(one({ code: '2160-0', value: '1.1', unit: 'mystery' })), 'UNIT_UNKNOWN')
  t.equal(shown(one({ code: '600-7', value: 'No growth', valueType: 'ST' })), '600-7 text')
  t.equal(shown(one({ code: '600-7', value: 'x'.repeat(textLengthMax), valueType: 'ST' })), '600-7 text')
  t.equal(
    shown(one({ code: '600-7', value: 'x'.repeat(textLengthMax + 1), valueType: 'ST' })),
    'VALUE_TOO_LONG',
  )
  t.equal(shown(one({ code: '600-7', value: 'AAAA', valueType: 'ED' })), 'VALUE_TYPE_UNSUPPORTED')
  t.equal(
    shown(one({ code: '8867-4', value: '72', valueType: 'ST', unit: '/min' })),
    'VALUE_TYPE_UNSUPPORTED',
  )
  t.equal(shown(one({ code: '', value: '72', unit: '/min' })), 'CODE_MISSING')
  t.equal(shown(one({ code: 'x'.repeat(64), system: 'L', value: '1', unit: 'g' })), `${'x'.repeat(64)} 1 g`)
  t.equal(shown(one({ code: 'x'.repeat(65), system: 'L', value: '1', unit: 'g' })), 'VALUE_TOO_LONG')
  t.equal(shown(one({ code: '8867-4', value: '72', unit: '/min', status: 'Q' })), 'STATUS_UNKNOWN')
})

// Messages by hand, where the builders are too polite.
const head = 'MSH|^~\\&|LAB|H|W|H|20261122101500-0500||ORU^R01|1|P|2.3\rPID|1||7^^^H^MR\r'
const oru = (...segments: string[]): MappedMessage | Hl7Code => map(utf8(head + segments.join('\r')))

t.test('what a message may leave out, and what not', async (t) => {
  const obr = 'OBR|1|PL1|FI1|24320-4^Basic panel^LN|||202611220900'
  const five = observationsOf(oru(obr, 'OBX|1|NM|2345-7^Glucose^LN||5|mmol/L|||||F'))
  t.match(five, [
    {
      effectiveTimeMs: Date.UTC(2026, 10, 22, 14),
      order: { placer: 'PL1', filler: 'FI1', service: '24320-4' },
    },
  ])
  const own = observationsOf(
    oru(
      obr,
      'OBX|1|NM|2345-7^Glucose^LN|1.2.3.4|5|mmol/L|||||C|||202611221000+0100||||PUMP^^0011223344556677^EUI-64',
    ),
  )
  t.match(own, [
    {
      status: 'C',
      effectiveTimeMs: Date.UTC(2026, 10, 22, 9),
      subId: '1.2.3.4',
      device: '0011223344556677',
    },
  ])
  const none = observationsOf(
    oru(obr, 'OBX|1|NM|59408-5^SpO2^LN||""|%|||||F', 'OBX|2|NM|8867-4^HR^LN|||/min|||||X'),
  )
  t.match(none, [{ value: { kind: 'none' } }, { value: { kind: 'none' } }], 'no value is never zero')
  const values = observationsOf(
    oru(
      obr,
      'OBX|1|SN|1^a^L||>^50|mg/dL|||||F',
      'OBX|2|SN|2^b^L||^1^:^128||||||F',
      'OBX|3|CE|3^c^L||^Heavy growth||||||F',
      'OBX|4|FT|4^d^L||one~two\\.br\\three||||||F',
      'OBX|5|DT|5^e^L||20261101||||||F',
    ),
  ).map(({ value, unit }) => [value, unit])
  t.match(values, [
    [{ text: '>50' }, 'mg/dL'],
    [{ text: '1:128' }, ''],
    [{ kind: 'coded', code: '', display: 'Heavy growth' }, ''],
    [{ text: 'one\ntwo\nthree' }, ''],
    [{ text: '20261101' }, ''],
  ])
  const fromObr25 = `${obr}${'|'.repeat(18)}F`
  t.match(observationsOf(oru(fromObr25, 'OBX|1|NM|2345-7^G^LN||5|mmol/L')), [{ status: 'F' }])

  const refused: [Hl7Code, string[]][] = [
    ['OBSERVATION_MISSING', [obr]],
    ['SEGMENT_ORDER', ['OBX|1|NM|2345-7^G^LN||5|mmol/L|||||F']],
    ['STATUS_MISSING', [obr, 'OBX|1|NM|2345-7^G^LN||5|mmol/L']],
    ['TIME_MISSING', ['OBR|1|||X', 'OBX|1|NM|2345-7^G^LN||5|mmol/L|||||F']],
    ['TIME_INVALID', ['OBR|1|||X|||20261122', 'OBX|1|NM|2345-7^G^LN||5|mmol/L|||||F']],
    ['VALUE_MISSING', [obr, 'OBX|1|NM|2345-7^G^LN|||mmol/L|||||F']],
    ['VALUE_REPEATED', [obr, 'OBX|1|NM|2345-7^G^LN||5~6|mmol/L|||||F']],
    ['VALUE_NOT_NUMERIC', [obr, 'OBX|1|SN|1^a^L||>^high|mg/dL|||||F']],
    ['TIME_INVALID', [obr, 'OBX|1|DTM|1^a^L||February 2 2024||||||F']],
    ['CODE_CONFLICT', [obr, 'OBX|1|NM|8480-6^SYS^LN^150022^MDC_PRESS_BLD_NONINV_DIA^MDC||80|mm[Hg]|||||F']],
    [
      'OBSERVATIONS_TOO_MANY',
      [obr, ...Array.from({ length: observationCountMax + 1 }, () => 'OBX|1|NM|1^a^L||5|g|||||F')],
    ],
  ]
  for (const [code, segments] of refused)
    t.equal(oru(...segments), code, `${code} ${segments.at(-1)?.slice(0, 60)}`)
  t.equal(
    observationsOf(
      oru(obr, ...Array.from({ length: observationCountMax }, () => 'OBX|1|NM|1^a^L||5|g|||||F')),
    ).length,
    observationCountMax,
  )
})

t.test('admissions: what is refused', async (t) => {
  const good = new TextDecoder().decode(buildAdmission(envelope, lisa))
  const cases: [Hl7Code, string][] = [
    ['PATIENT_SEGMENT_MISSING', good.replace(/PID[^\r]*\r/, '')],
    ['PATIENT_REPEATED', good.replace('PV1|', 'PID|2||X\rPV1|')],
    ['PATIENT_IDENTIFIER_MISSING', good.replace(/10012877\^\^\^WARDCHAIN\^MR/, '""^^^WARDCHAIN^MR')],
    ['PATIENT_NAME_MISSING', good.replace('JONES^LISA', '')],
    ['BIRTH_DATE_INVALID', good.replace(lisa.birthDate, 'DOB')],
    ['BIRTH_DATE_INVALID', good.replace(lisa.birthDate, '19970231')],
    ['SEX_INVALID', good.replace('|F\r', '|SEX\r')],
    ['VISIT_SEGMENT_MISSING', good.replace(/PV1[^\r]*\r/, '')],
    ['TIME_MISSING', good.replace(/EVN[^\r]*\r/, '')],
    ['TIME_INVALID', good.replace(/EVN[^\r]*\r/, 'EVN|A01|yesterday\r')],
    ['EVENT_UNSUPPORTED', good.replace('ADT^A01^ADT_A01', 'ADT^A40^ADT_A39')],
  ]
  for (const [code, message] of cases) t.equal(map(utf8(message)), code, code)
  t.match(map(utf8(good.replace(lisa.birthDate, '').replace('|F\r', '|\r'))), {
    birthDate: undefined,
    sex: 'U',
  })
})

// What each sample says, shortened: mapped, or the code of its refusal. The reasons are in the files:
const sampleResults: Readonly<Record<string, string>> = {
  // "enzyme units" is no unit of ours; the value 05.100 itself is read, see below.
  'Automated-004_CA_ORU_R01_leading_zeroes': 'UNIT_UNKNOWN',
  'Automated-008_ORU_R01_micro_character_encoding': '1 observations',
  'CA-001_CA_OML_O21': 'MESSAGE_TYPE_UNSUPPORTED',
  // PID-3 is ^^^NPI^MR: no number.
  'CA-002_CA_ORU_R01': 'PATIENT_IDENTIFIER_MISSING',
  // "enzyme units" again; its empty TX lines, {Ratio} and µmol/L are read.
  'CA-003_CA_ORU_R01_CDPH_produced_0_initial_message': 'UNIT_UNKNOWN',
  'CA-003_CA_ORU_R01_CDPH_produced_3_hl7_translation_final': 'UNIT_UNKNOWN',
  'Epic-001_Epic_ORM_O01': 'MESSAGE_TYPE_UNSUPPORTED',
  'Epic-002_Epic_ORU_R01': '3 observations, born undefined',
  'LA-001_LA_ORM_O01_NBS': 'MESSAGE_TYPE_UNSUPPORTED',
  'LA-003_LA_ORU_R01_NBS_obr_flatten_0_initial_message': '50 observations',
  'MN-002_MN_OML_O21_NBS': 'MESSAGE_TYPE_UNSUPPORTED',
  'MN-003_MN_ORM_O01_NBS_simplified': 'MESSAGE_TYPE_UNSUPPORTED',
  'MN-005_MN_ADT_A01': 'admission SMITH 20230504',
  'Message-msh_present_but_missing_all_fields': 'DELIMITERS_INVALID',
  'Message-msh_present_but_missing_msh-2': 'DELIMITERS_INVALID',
  'Message-msh_present_but_missing_msh-9': 'MESSAGE_TYPE_MISSING',
  'Message-orm_obx-5_is_not_a_numeric_value': 'MESSAGE_TYPE_UNSUPPORTED',
  'Natus-001_Natus_ACK': 'MESSAGE_TYPE_UNSUPPORTED',
  'NewSTEPs-001_NewSTEPs_OML_021': 'MESSAGE_TYPE_UNSUPPORTED',
  // OBX-14 is 29 February 2017.
  'NewSTEPs-002_NewSTEPs_ORU_R01': 'TIME_INVALID',
  'Ochsner-001_Ochsner_OML_O21_0_initial_message': 'MESSAGE_TYPE_UNSUPPORTED',
  'Oracle-001_Oracle_ORM_O01': 'MESSAGE_TYPE_UNSUPPORTED',
  // "mg/g crea"
  'Oracle-004_Oracle_ORU_R01': 'UNIT_UNKNOWN',
  'Oracle-005_Oracle_ORM_O01_2_3_non_NBS': 'MESSAGE_TYPE_UNSUPPORTED',
  'Oracle-008_Oracle_OML_O21_NBS_with_two_races': 'MESSAGE_TYPE_UNSUPPORTED',
  'Orders-011_AL_ORM_O01_malformed_DTM_datatype_0_initial_message': 'MESSAGE_TYPE_UNSUPPORTED',
  'Other-001_ADT_A01': 'admission DOGCOW 19610615',
  'Results-005_AL_ORU_R01_NBS_Simplified_0_initial_message': 'BATCH_REFUSED',
  // Addresses and telephone numbers as observations (XAD, XTN).
  'TN-001_TN_ORU_R01_LRI': 'VALUE_TYPE_UNSUPPORTED',
  // A line break in the middle of OBR-4.
  'TX-001_TX_OML_O21': 'SEGMENT_MALFORMED',
  adt: 'EVENT_UNSUPPORTED',
  orm: 'MESSAGE_TYPE_UNSUPPORTED',
  'oru-imm': 'STATUS_MISSING',
  oru: '5 observations',
}

t.test('every sample file gets what the data README says', async (t) => {
  const root = '../shared/data/hl7'
  if (!existsSync(root)) {
    t.comment(`${root} is not here: skipped`)
    return
  }
  const results: Record<string, string> = {}
  const read = (folder: string, name: string): Uint8Array =>
    new Uint8Array(readFileSync(join(root, folder, name)))
  for (const folder of ['cdc', 'simple-hl7']) {
    for (const name of readdirSync(join(root, folder)).filter((file) => file.endsWith('.hl7'))) {
      const mapped = map(read(folder, name))
      results[name.replace(/\.hl7$/, '')] =
        typeof mapped === 'string'
          ? mapped
          : mapped.kind === 'admission'
            ? `admission ${mapped.name.family} ${mapped.birthDate}`
            : `${mapped.observations.length} observations${name.startsWith('Epic') ? `, born ${mapped.birthDate}` : ''}`
    }
  }
  t.same(results, sampleResults)

  // The same observations under a message type that the gateway takes.
  const retyped = (name: string, change: (text: string) => string): MappedMessage | Hl7Code =>
    map(
      utf8(
        change(
          new TextDecoder()
            .decode(read('cdc', `${name}.hl7`))
            .replace('ORM^O01^ORM_O01', 'ORU^R01^ORU_R01'),
        ),
      ),
    )
  const notNumeric = 'Message-orm_obx-5_is_not_a_numeric_value'
  t.equal(
    retyped(notNumeric, (text) => text.replace('ORC|', 'PID|1||7^^^H\nORC|')),
    'VALUE_NOT_NUMERIC',
  )
  t.equal(
    retyped('Orders-011_AL_ORM_O01_malformed_DTM_datatype_0_initial_message', (text) => text),
    'TIME_INVALID',
  )
  const zeroes = retyped('Automated-004_CA_ORU_R01_leading_zeroes', (text) =>
    text.replace('enzyme units', 'U/g'),
  )
  t.match(observationsOf(zeroes), [{ value: { mantissa: 5100n, scale: 3 }, sourceText: '05.100 U/g' }])
  t.match(observationsOf(map(read('cdc', 'Automated-008_ORU_R01_micro_character_encoding.hl7'))), [
    { value: { mantissa: 5n, scale: 1 }, unit: 'umol/L', sourceText: '0.5 µmol/L' },
  ])
})

t.test('property: any segment text maps or is refused, and never throws', async () => {
  const field = fc.constantFrom(
    '',
    '""',
    'NM',
    '8310-5^T^LN',
    '101.5',
    '[degF]',
    'F',
    '20261122101500',
    'CWE',
    'A^B&C~D',
    '\\T\\',
    'x',
  )
  const segment = fc.tuple(
    fc.constantFrom('PID', 'OBR', 'OBX', 'PV1', 'EVN', 'ZZZ'),
    fc.array(field, { maxLength: 20 }),
  )
  const kind = fc.constantFrom('ORU^R01', 'ADT^A01')
  fc.assert(
    fc.property(kind, fc.array(segment, { maxLength: 8 }), (type, segments) => {
      const lines = segments.map(([name, fields]) => [name, ...fields].join('|'))
      map(utf8([`MSH|^~\\&|A|B|C|D|||${type}|1|P|2.5`, ...lines].join('\r')))
    }),
    { numRuns: 2000 },
  )
})
