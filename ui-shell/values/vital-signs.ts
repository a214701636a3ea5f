// The vital signs of a chart: which codes, in which order, how long each stays fresh, and what one tile
// says.
import type { RecordView } from '../channel/views.js'
import { fahrenheitOf, formatDecimal, formatQuantity, formatUnit } from './number.js'
import { formatSpan, skewMsMax } from './time.js'

export interface VitalSign {
  /** LOINC; for blood pressure systolic first, then diastolic. */
  codes: string[]
  label: string
  /** An older value is stale: grey, with the word. Proposed limits, to be governed per ward. */
  freshMs: number
}

const fourHours = 4 * 3_600_000

/** Codes of clinical.md section 6. The gateway files pulse from either source under 8867-4. */
export const vitalSigns: readonly VitalSign[] = [
  { codes: ['8310-5'], label: 'Temperature', freshMs: fourHours },
  { codes: ['8480-6', '8462-4'], label: 'Blood pressure', freshMs: fourHours },
  { codes: ['8867-4'], label: 'Heart rate', freshMs: fourHours },
  { codes: ['9279-1'], label: 'Respirations', freshMs: fourHours },
  { codes: ['59408-5', '2708-6'], label: 'Oxygen saturation', freshMs: fourHours },
  { codes: ['3151-8', '3150-6'], label: 'Oxygen given', freshMs: fourHours },
  { codes: ['80288-4'], label: 'Consciousness (ACVPU)', freshMs: fourHours },
]

export type SourceWord = 'device' | 'validated' | 'by hand' | 'laboratory' | 'imported'

export interface VitalTile {
  label: string
  /** What stands large: `38.6 °C`, `80/60 mmHg`, or an em dash. */
  value: string
  /** The same quantity in the other unit, or why nothing is there. */
  note: string
  /** Time of the oldest part shown; undefined when nothing was measured. */
  time: number | undefined
  isStale: boolean
  isUnvalidated: boolean
  /** Said when the source's clock is ahead of the chain's, or the reading came late; else empty. */
  clockNote: string
  isClockWrong: boolean
  isTentative: boolean
  source: SourceWord | undefined
  /** Where it comes from, e.g. the device's name or the author's. */
  sourceName: string
  /** The value that this one corrects, to be struck through. */
  corrected: string | undefined
}

const text = (record: RecordView, name: string): string => {
  const value = record.body?.[name]
  return typeof value === 'string' ? value : ''
}
const whole = (record: RecordView, name: string): number => Number(record.body?.[name] ?? 0)

/** Statuses of OBX-11 that take a value back: deleted, wrong, never obtained. */
const takenBack = new Set(['D', 'W', 'X'])

/** The newest standing observation of a code: not corrected by a later final one, not taken back. */
export function latestOf(records: readonly RecordView[], code: string): RecordView | undefined {
  const final = records.filter((record) => record.finality === 'final')
  const superseded = new Set(final.map((record) => record.supersedes))
  let latest: RecordView | undefined
  for (const record of records) {
    if (record.code !== code || record.kind !== 'observation' || record.body === null) continue
    if (superseded.has(record.id) || takenBack.has(text(record, 'status'))) continue
    if (latest === undefined || isLater(record, latest)) latest = record
  }
  return latest
}

const isLater = (record: RecordView, than: RecordView): boolean =>
  record.effectiveTime > than.effectiveTime ||
  (record.effectiveTime === than.effectiveTime && record.number > than.number)

/** One reading in words: a quantity, or the text of a coded one. */
export function observationText(record: RecordView): string {
  const coded = text(record, 'text')
  if (coded !== '' && text(record, 'unit') === '') return coded
  return formatQuantity(text(record, 'value'), whole(record, 'scale'), text(record, 'unit'))
}

export function sourceWordOf(record: RecordView): SourceWord {
  if (whole(record, 'validation') === 2) return 'by hand'
  return whole(record, 'validation') === 1 ? 'validated' : 'device'
}

/** What a tile says for one vital sign, given all observations of the patient. */
export function vitalTile(sign: VitalSign, records: readonly RecordView[], now: number): VitalTile {
  const isPressure = sign.codes[0] === '8480-6'
  const found = isPressure
    ? sign.codes.map((code) => latestOf(records, code))
    : [sign.codes.map((code) => latestOf(records, code)).find((record) => record !== undefined)]
  const present = found.filter((record): record is RecordView => record !== undefined)
  if (present.length === 0) return emptyTile(sign.label)
  const first = present[0]
  const time = Math.min(...present.map((record) => record.effectiveTime))
  return {
    label: sign.label,
    value: isPressure ? pressureText(found[0], found[1]) : observationText(first),
    note: noteOf(isPressure, found, first),
    time,
    isStale: now - time > sign.freshMs,
    isUnvalidated: present.some((record) => whole(record, 'validation') === 0),
    clockNote: present.map(clockNote).find((note) => note !== '') ?? '',
    isClockWrong: present.some((record) => record.effectiveTime - record.arrivalTime > skewMsMax),
    isTentative: present.some((record) => record.finality === 'tentative'),
    source: sourceWordOf(first),
    sourceName: text(first, 'device') || first.author.label,
    corrected: correctedText(first, records),
  }
}

/** A reading from the future is a wrong clock; one from the past came late, or was entered afterwards. */
function clockNote(record: RecordView): string {
  const skew = record.effectiveTime - record.arrivalTime
  if (skew > skewMsMax) return `the clock of the source is ${formatSpan(skew)} ahead`
  return skew < -skewMsMax ? `arrived ${formatSpan(-skew)} after it was measured` : ''
}

function emptyTile(label: string): VitalTile {
  return {
    label,
    value: '—',
    note: 'not measured',
    time: undefined,
    isStale: false,
    isUnvalidated: false,
    clockNote: '',
    isClockWrong: false,
    isTentative: false,
    source: undefined,
    sourceName: '',
    corrected: undefined,
  }
}

/** Two measurements of different times never stand as one pressure. */
const pressurePairMsMax = 60_000

function pressureText(systolic: RecordView | undefined, diastolic: RecordView | undefined): string {
  const isPair =
    systolic !== undefined &&
    diastolic !== undefined &&
    Math.abs(systolic.effectiveTime - diastolic.effectiveTime) <= pressurePairMsMax
  const part = (record: RecordView | undefined): string =>
    record === undefined ? '—' : formatDecimal(text(record, 'value'), whole(record, 'scale'))
  const unit = formatUnit(text((systolic ?? diastolic) as RecordView, 'unit'))
  const lower = isPair || systolic === undefined ? part(diastolic) : '—'
  return `${part(systolic)}/${lower}\u00a0${unit}`
}

function noteOf(isPressure: boolean, found: (RecordView | undefined)[], first: RecordView): string {
  if (isPressure) {
    if (found[0] === undefined) return 'incomplete: systolic not measured'
    return found[1] === undefined ? 'incomplete: diastolic not measured' : ''
  }
  if (text(first, 'unit') !== 'Cel') return ''
  return fahrenheitOf(text(first, 'value'), whole(first, 'scale')) ?? ''
}

function correctedText(record: RecordView, records: readonly RecordView[]): string | undefined {
  if (record.supersedes === null) return undefined
  const before = records.find((candidate) => candidate.id === record.supersedes)
  return before === undefined || before.kind !== 'observation' ? undefined : observationText(before)
}
