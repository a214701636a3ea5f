// Organ dysfunction after the CMS SEP-1 list, as far as it is measured here: systolic below 90, mean
// pressure below 65, creatinine and bilirubin above 2.0 mg/dL, platelets below 100, lactate above 2 mmol/L.
// Laboratory values are compared as they were sent, within 24 hours. Not looked at: ventilation, urine,
// INR, aPTT, a fall of pressure.
import { AlertInput, Decimal, HOUR } from '../../sdk'
import {
  BILIRUBIN,
  CREATININE,
  DIASTOLIC,
  LACTATE,
  LACTATE_BLOOD,
  LEUKOCYTES,
  MEAN_PRESSURE,
  PLATELETS,
} from '../shared/codes'
import { Evidence, LatestObservation } from '../shared/evidence'
import { Parameter } from '../shared/news2-points'
import { observationInput, Reading, wordsOf } from '../shared/reading'
import { Vitals, VITALS_WINDOW } from './vitals'

const LABORATORY_WINDOW: u64 = 24 * HOUR
/** Systolic and diastolic of one measurement lie at most this far apart. */
const SAME_MEASUREMENT: u64 = 5 * 60000

export class Organs {
  /** One line for each sign of organ dysfunction. */
  signs: string[] = []
  /** SIRS criteria from the laboratory. */
  sirs: string[] = []
  inputs: AlertInput[] = []
  missing: string[] = []
  /** Systolic <= 90, mean < 65 or lactate >= 4. */
  critical: string[] = []
}

export function organsOf(evidence: Evidence, vitals: Vitals): Organs {
  const organs = new Organs()
  const systolic = vitals.readings[Parameter.Systolic]
  if (systolic !== null) {
    if (systolic.tenths < 900) organs.signs.push('systolic pressure < 90 mm[Hg]')
    if (systolic.value <= 90) organs.critical.push('systolic pressure <= 90 mm[Hg]')
  }
  meanPressure(organs, evidence, systolic)
  laboratory(organs, evidence)
  return organs
}

/** As measured; else (systolic + 2 diastolic) / 3 of one measurement, compared without dividing. */
function meanPressure(organs: Organs, evidence: Evidence, systolic: Reading | null): void {
  const from = evidence.now > VITALS_WINDOW ? evidence.now - VITALS_WINDOW : 0
  const mean = evidence.latest(MEAN_PRESSURE, from)
  if (mean !== null && isPressure(mean)) {
    const value = new Decimal(mean.observation.value, mean.observation.scale)
    organs.inputs.push(observationInput(mean.record, mean.observation, 'mean pressure', 0, '< 65'))
    if (value.isBelow(new Decimal(65, 0))) lowMean(organs)
    return
  }
  const diastolic = evidence.latest(DIASTOLIC, from)
  if (diastolic === null || systolic === null || !isPressure(diastolic)) {
    organs.missing.push('mean pressure')
    return
  }
  organs.inputs.push(observationInput(diastolic.record, diastolic.observation, 'diastolic pressure', 0, ''))
  const earlier = min(diastolic.record.effectiveTime, systolic.time)
  const later = max(diastolic.record.effectiveTime, systolic.time)
  const tenths = new Decimal(diastolic.observation.value, diastolic.observation.scale).at(1)
  if (later - earlier > SAME_MEASUREMENT || tenths > (systolic.tenths as i64)) {
    organs.missing.push('mean pressure')
    return
  }
  if ((systolic.tenths as i64) + 2 * tenths < 3 * 650) lowMean(organs)
}

function isPressure(found: LatestObservation): bool {
  const observation = found.observation
  return observation.unit == 'mm[Hg]' && observation.value > 0
}

function lowMean(organs: Organs): void {
  organs.signs.push('mean pressure < 65 mm[Hg]')
  organs.critical.push('mean pressure < 65 mm[Hg]')
}

function laboratory(organs: Organs, evidence: Evidence): void {
  const leukocytes = laboratoryValue(organs, evidence, LEUKOCYTES, 'leukocytes', '10*9/L', '> 12 or < 4')
  if (
    leukocytes !== null &&
    (leukocytes.isAbove(new Decimal(12, 0)) || leukocytes.isBelow(new Decimal(4, 0)))
  ) {
    organs.sirs.push('SIRS: leukocytes > 12 or < 4')
  }
  const lactate = lactateOf(organs, evidence)
  if (lactate !== null) {
    if (lactate.isAbove(new Decimal(2, 0))) organs.signs.push('lactate > 2 mmol/L')
    if (lactate.isAtLeast(new Decimal(4, 0))) organs.critical.push('lactate >= 4 mmol/L')
  }
  const creatinine = laboratoryValue(organs, evidence, CREATININE, 'creatinine', 'mg/dL', '> 2.0')
  if (creatinine !== null && creatinine.isAbove(new Decimal(2, 0)))
    organs.signs.push('creatinine > 2.0 mg/dL')
  const bilirubin = laboratoryValue(organs, evidence, BILIRUBIN, 'bilirubin', 'mg/dL', '> 2.0')
  if (bilirubin !== null && bilirubin.isAbove(new Decimal(2, 0))) organs.signs.push('bilirubin > 2.0 mg/dL')
  const platelets = laboratoryValue(organs, evidence, PLATELETS, 'platelets', '10*9/L', '< 100')
  if (platelets !== null && platelets.isBelow(new Decimal(100, 0)))
    organs.signs.push('platelets < 100 10*9/L')
}

/** The newer of the two lactate codes. */
function lactateOf(organs: Organs, evidence: Evidence): Decimal | null {
  const from = laboratoryStart(evidence)
  const plasma = evidence.latest(LACTATE, from)
  const blood = evidence.latest(LACTATE_BLOOD, from)
  const isBloodNewer =
    plasma === null || (blood !== null && blood.record.effectiveTime > plasma.record.effectiveTime)
  return usable(organs, isBloodNewer ? blood : plasma, 'lactate', 'mmol/L', '> 2')
}

function laboratoryValue(
  organs: Organs,
  evidence: Evidence,
  code: string,
  label: string,
  unit: string,
  threshold: string,
): Decimal | null {
  return usable(organs, evidence.latest(code, laboratoryStart(evidence)), label, unit, threshold)
}

function laboratoryStart(evidence: Evidence): u64 {
  return evidence.now > LABORATORY_WINDOW ? evidence.now - LABORATORY_WINDOW : 0
}

/** An unknown unit is refused, never assumed: mmol/L and mg/dL are different things. */
function usable(
  organs: Organs,
  found: LatestObservation | null,
  label: string,
  unit: string,
  threshold: string,
): Decimal | null {
  if (found === null) {
    organs.missing.push(label)
    return null
  }
  const observation = found.observation
  // 10*3/uL is the same number as 10*9/L.
  const isSame = observation.unit == unit || (unit == '10*9/L' && observation.unit == '10*3/uL')
  if (!isSame || observation.value < 0) {
    organs.missing.push(`${label} (${wordsOf(observation)} is not understood)`)
    return null
  }
  organs.inputs.push(observationInput(found.record, observation, label, 0, threshold))
  return new Decimal(observation.value, observation.scale)
}
