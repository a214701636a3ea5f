// `ward/deterioration`: NEWS2 on every set of vital signs. Alerts: 7 and more critical; 5 to 6, or a single
// red parameter, urgent. A set is what was measured within 15 minutes of its newest value.
import { answer, ARGUMENT_INVALID, Context, input, RecordTrigger, refuse, Writer, Reader } from '../../sdk'
import { PARAMETERS } from '../shared/news2-points'
import { labelOf } from '../shared/news2-words'
import { remember, retractIfCorrected } from '../shared/raised-alerts'
import { Evidence } from '../shared/evidence'
import { AlertOutcome } from '../../sdk'
import { assess, branches } from './assess'
import { ABSENT, Score, scoreOf } from './score'

/** Triggered by vital signs of one transaction and patient. */
export function onRecords(): void {
  const trigger = RecordTrigger.read(input())
  const evidence = new Evidence(trigger.patient, trigger.records, new Context().time)
  const assessment = assess(evidence)
  assessment.explain()
  const alert = assessment.alert
  if (alert === null) {
    retractIfCorrected(evidence, branches)
    return
  }
  const receipt = alert.raise()
  if (receipt.outcome != AlertOutcome.Folded) remember(alert, receipt.alert)
}

/**
 * {patient} -> {outcome, reason, alert?}: what the rule says of this patient now, and why. Raises nothing.
 */
export function explain(): void {
  const assessment = assess(new Evidence(input().fixed(16), [], new Context().time))
  const writer = new Writer().text(assessment.outcome).text(assessment.reason)
  const alert = assessment.alert
  if (alert === null) writer.bool(false)
  else alert.writeDraft(writer.bool(true).fixed(alert.patient))
  answer(writer)
}

/**
 * {rr?, spo2?, scale, o2?, sbp?, pulse?, acvpu, tempTenths?} -> {rr?, spo2?, o2?, sbp?, pulse?, acvpu?,
 * temp?, total?, red, risk, missing}. Absent in, absent out; without all seven there is no total and the
 * risk is `incomplete`. An empty `acvpu` is missing. Refuses values that no chart has.
 */
export function score(): void {
  const reader = input()
  const values = new StaticArray<i32>(PARAMETERS)
  values[0] = optional(reader, 0, 120, 'rr')
  values[1] = optional(reader, 1, 100, 'spo2')
  const scale = reader.u8()
  if (scale != 1 && scale != 2) refuse(ARGUMENT_INVALID, 'scale is 1 or 2')
  values[2] = reader.bool() ? (reader.bool() ? 1 : 0) : ABSENT
  values[3] = optional(reader, 20, 320, 'sbp')
  values[4] = optional(reader, 0, 350, 'pulse')
  values[5] = letterOf(reader.text(8))
  values[6] = optional(reader, 200, 450, 'tempTenths')
  reader.end()
  writeScore(scoreOf(values, scale == 2))
}

function optional(reader: Reader, lowest: i32, highest: i32, name: string): i32 {
  if (!reader.bool()) return ABSENT
  const value = reader.i32()
  if (value < lowest || value > highest) refuse(ARGUMENT_INVALID, `${name} ${value} is not possible`)
  return value
}

function letterOf(text: string): i32 {
  if (text.length == 0) return ABSENT
  if (text.length != 1 || !'ACVPU'.includes(text)) refuse(ARGUMENT_INVALID, 'acvpu is one of A C V P U')
  return text.charCodeAt(0)
}

function writeScore(score: Score): void {
  const writer = new Writer()
  const missing: string[] = []
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const points = score.points[parameter]
    if (points == ABSENT) missing.push(labelOf(parameter))
    writeOption(writer, points)
  }
  writeOption(writer, score.isComplete ? score.total : ABSENT)
  answer(writer.bool(score.isRed).text(score.risk).texts(missing))
}

function writeOption(writer: Writer, value: i32): void {
  if (value == ABSENT) writer.bool(false)
  else writer.bool(true).i32(value)
}
