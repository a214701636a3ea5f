// Messages as a ward's systems send them: for the story, the tools and the tests. Plain builders, escapes
// included.
import { timestamp } from './ack.js'
import { defaultDelimiters, encodeEscapes } from './escapes.js'

export interface SampleSender {
  readonly application: string
  readonly facility: string
}

export interface SamplePatient {
  readonly number: string
  readonly authority: string
  readonly family: string
  readonly given: string
  /** yyyymmdd */
  readonly birthDate: string
  readonly sex: 'F' | 'M' | 'O' | 'U'
  readonly ward: string
  readonly room: string
  readonly bed: string
  readonly visitNumber: string
}

/** One OBX: a number by default. */
export interface SampleObservation {
  /** LOINC code, or with `system` another one. */
  readonly code: string
  readonly display?: string
  readonly system?: string
  readonly value: string
  /** OBX-2, default NM. */
  readonly valueType?: string
  /** OBX-6.1 as sent; '' for none. */
  readonly unit?: string
  /** OBX-11, default F. */
  readonly status?: string
  readonly timeMs?: number
  readonly device?: string
}

export interface SampleEnvelope {
  readonly controlId: string
  readonly sender: SampleSender
  /** Time of the message, ms since 1970 UTC. */
  readonly nowMs: number
  /** MSH-15 and MSH-16: enhanced mode. */
  readonly acknowledge?: readonly [accept: string, application: string]
}

/** Lisa Jones of the paper: 29 years, day 1 after gallbladder surgery (clinical.md section 4). */
export function lisaJones(nowMs: number): SamplePatient {
  const born = new Date(nowMs)
  // Half a year past her 29th birthday, whenever the story is told.
  born.setUTCMonth(born.getUTCMonth() - 29 * 12 - 6, 14)
  return {
    number: '10012877',
    authority: 'WARDCHAIN',
    family: 'JONES',
    given: 'LISA',
    birthDate: born.toISOString().slice(0, 10).replaceAll('-', ''),
    sex: 'F',
    ward: '4WEST',
    room: '412',
    bed: 'A',
    visitNumber: 'V3300417',
  }
}

/** The two readings that the paper states: 101.5 F and 80/60. */
export const lisaFirstReadings: readonly SampleObservation[] = [
  { code: '8310-5', display: 'Body temperature', value: '101.5', unit: '[degF]' },
  { code: '8480-6', display: 'Systolic blood pressure', value: '80', unit: 'mm[Hg]' },
  { code: '8462-4', display: 'Diastolic blood pressure', value: '60', unit: 'mm[Hg]' },
]

/** The rest of a plausible set: RR 24, pulse 118, SpO2 95 % on air, alert (clinical.md section 4). */
export const lisaFurtherReadings: readonly SampleObservation[] = [
  { code: '9279-1', display: 'Respiratory rate', value: '24', unit: '/min' },
  { code: '8867-4', display: 'Heart rate', value: '118', unit: '/min' },
  { code: '59408-5', display: 'Oxygen saturation', value: '95', unit: '%' },
  { code: '3151-8', display: 'Inhaled oxygen flow rate', value: '0', unit: 'L/min' },
  { code: '80288-4', display: 'Level of consciousness', value: 'A', valueType: 'CWE', unit: '' },
]

const text = (plain: string): string => encodeEscapes(plain, defaultDelimiters)

/** ADT^A01, version 2.5.1. */
export function buildAdmission(envelope: SampleEnvelope, patient: SamplePatient): Uint8Array {
  const time = timestamp(envelope.nowMs)
  return message([
    header(envelope, 'ADT^A01^ADT_A01'),
    `EVN|A01|${time}||||${time}`,
    pid(patient),
    `PV1|1|I|${location(patient)}||||||||||||||||${text(patient.visitNumber)}`,
  ])
}

/** ORU^R01 with one OBR, version 2.5.1. */
export function buildObservations(
  envelope: SampleEnvelope,
  patient: SamplePatient,
  observations: readonly SampleObservation[],
): Uint8Array {
  const time = timestamp(envelope.nowMs)
  return message([
    header(envelope, 'ORU^R01^ORU_R01'),
    pid(patient),
    `PV1|1|I|${location(patient)}||||||||||||||||${text(patient.visitNumber)}`,
    `OBR|1|||85353-1^Vital signs panel^LN|||${time}`,
    ...observations.map((observation, index) => obx(observation, index, envelope.nowMs)),
  ])
}

function header({ controlId, sender, nowMs, acknowledge }: SampleEnvelope, messageType: string): string {
  const modes = acknowledge === undefined ? '' : `|||${acknowledge.join('|')}`
  const names = `${text(sender.application)}|${text(sender.facility)}|WARDCHAIN|HOSPITAL`
  return `MSH|^~\\&|${names}|${timestamp(nowMs)}||${messageType}|${text(controlId)}|P|2.5.1${modes}`
}

const pid = (patient: SamplePatient): string =>
  `PID|1||${text(patient.number)}^^^${text(patient.authority)}^MR||${text(patient.family)}^${text(patient.given)}` +
  `||${patient.birthDate}|${patient.sex}`

const location = ({ ward, room, bed }: SamplePatient): string => [ward, room, bed].map(text).join('^')

function obx(observation: SampleObservation, index: number, nowMs: number): string {
  const {
    code,
    display = '',
    system = 'LN',
    value,
    valueType = 'NM',
    unit = '',
    status = 'F',
  } = observation
  const fields = [
    'OBX',
    String(index + 1),
    valueType,
    [code, display, system].map(text).join('^'),
    '',
    text(value),
    text(unit),
    '',
    '',
    '',
    '',
    status,
    '',
    '',
    timestamp(observation.timeMs ?? nowMs),
    '',
    '',
    '',
    text(observation.device ?? ''),
  ]
  return fields.join('|').replace(/\|+$/, '')
}

const message = (segments: readonly string[]): Uint8Array =>
  new TextEncoder().encode(`${segments.join('\r')}\r`)
