// The vital signs' part: which NEWS2 parameter scores 3, and the SIRS criteria. Values of the last 60
// minutes.
import { AlertInput, HOUR, MINUTE, Observation, RecordKind, Records } from '../../sdk'
import { bytesEqual } from '../../sdk'
import { SYSTOLIC } from '../shared/codes'
import { Evidence } from '../shared/evidence'
import { Parameter, PARAMETERS, pointsOf } from '../shared/news2-points'
import { bandOf, labelOf } from '../shared/news2-words'
import { inputOf, parameterCodes, Reading, readingOf } from '../shared/reading'

export const VITALS_WINDOW: u64 = HOUR
const SECOND_READING: u64 = 5 * MINUTE

export class Vitals {
  readings: Array<Reading | null> = new Array<Reading | null>(PARAMETERS)
  missing: string[] = []
  /** Inputs of every usable parameter, with NEWS2 points; saturation on the scale that applies. */
  inputs: AlertInput[] = []
  /** One line for each parameter that scores 3. */
  red: string[] = []
  /** One line for each SIRS criterion that vital signs meet. */
  sirs: string[] = []
  wouldChange: string[] = []
  /** The systolic pressure is a device's single, unvalidated reading. */
  isSystolicUnvalidated: bool = false

  /** Charted value, or `absent` when there is none. */
  value(parameter: i32, absent: i32): i32 {
    const reading = this.readings[parameter]
    return reading === null ? absent : reading.value
  }

  /** Number in tenths, or `absent` when there is none. */
  tenths(parameter: i32, absent: i32): i32 {
    const reading = this.readings[parameter]
    return reading === null ? absent : reading.tenths
  }
}

export function vitalsOf(evidence: Evidence): Vitals {
  const vitals = new Vitals()
  const from = evidence.now > VITALS_WINDOW ? evidence.now - VITALS_WINDOW : 0
  evidence.prepare(parameterCodes(), from)
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const reading = evidence.reading(parameter, from)
    if (reading !== null && reading.isUsable) vitals.readings[parameter] = reading
    else vitals.missing.push(reading === null ? labelOf(parameter) : reading.problem)
  }
  findRed(vitals, evidence)
  findSirs(vitals)
  const systolic = vitals.readings[Parameter.Systolic]
  if (systolic !== null && systolic.isUnvalidated && systolic.value <= 90) {
    vitals.isSystolicUnvalidated = !hasSecondReading(systolic, evidence)
  }
  return vitals
}

function findRed(vitals: Vitals, evidence: Evidence): void {
  const saturation = vitals.value(Parameter.Saturation, 95)
  const onOxygen = vitals.value(Parameter.Oxygen, 0) > 0
  // Only at these values do the scales disagree about red; asking costs fuel.
  const isScaleDecisive = (saturation <= 91 && saturation > 83) || (saturation >= 97 && onOxygen)
  const isScale2 = isScaleDecisive && evidence.isSaturationScale2()
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const reading = vitals.readings[parameter]
    if (reading === null) continue
    const points = pointsOf(parameter, reading.value, isScale2, onOxygen)
    const band = bandOf(parameter, reading.value, isScale2, onOxygen)
    vitals.inputs.push(inputOf(reading, points, band))
    if (points != 3) continue
    vitals.red.push(`${labelOf(parameter)} ${reading.words}: ${band} scores 3 in NEWS2`)
    vitals.wouldChange.push(`${labelOf(parameter)} outside ${band}`)
  }
}

/** Bone 1992, in tenths: temperature above 38.0 or below 36.0, pulse above 90, respirations above 20. */
function findSirs(vitals: Vitals): void {
  const temperature = vitals.tenths(Parameter.Temperature, 370)
  if (temperature > 380 || temperature < 360) vitals.sirs.push('SIRS: temperature > 38.0 or < 36.0')
  if (vitals.tenths(Parameter.Pulse, 0) > 900) vitals.sirs.push('SIRS: pulse > 90')
  if (vitals.tenths(Parameter.Respiration, 0) > 200) vitals.sirs.push('SIRS: respirations > 20')
}

/** Another low systolic value within five minutes confirms a device's reading. */
function hasSecondReading(systolic: Reading, evidence: Evidence): bool {
  const from = systolic.time > SECOND_READING ? systolic.time - SECOND_READING : 0
  const until = systolic.time + SECOND_READING
  const stored = Records.current(
    Records.query(RecordKind.Observation, evidence.patient, SYSTOLIC, from, until, 10),
  )
  for (let index = 0; index < stored.length; index++) {
    if (bytesEqual(stored[index].id, systolic.record.id)) continue
    const observation = Observation.decode(stored[index].body)
    if (observation.isVoid) continue
    const other = readingOf(Parameter.Systolic, stored[index], observation)
    if (other.isUsable && other.value <= 90) return true
  }
  return false
}
