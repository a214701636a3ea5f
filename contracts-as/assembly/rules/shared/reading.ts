// One vital sign as the chart sees it: rounded to the chart's precision, in its unit, within what is
// possible. Anything else is refused by name and counts as missing, never as normal.
import { AlertInput, ClinicalRecord, Decimal, Observation } from '../../sdk'
import { CONSCIOUSNESS, OXYGEN_FLOW, PULSE, RESPIRATION, SATURATION, SYSTOLIC, TEMPERATURE } from './codes'
import { Parameter } from './news2-points'
import { labelOf, unitOf } from './news2-words'

const codes: string[] = [RESPIRATION, SATURATION, OXYGEN_FLOW, SYSTOLIC, PULSE, CONSCIOUSNESS, TEMPERATURE]

/**
 * Inclusive limits of the possible, in chart precision. 0 breaths or beats is an emergency, not an error.
 */
const lowest: StaticArray<i32> = [0, 1, 0, 20, 0, 0, 200]
const highest: StaticArray<i32> = [120, 100, 100, 320, 350, 0, 450]

export function codeOf(parameter: i32): string {
  return unchecked(codes[parameter])
}

/** Codes of all parameters, in order. */
export function parameterCodes(): string[] {
  return codes
}

/** The parameter of a code, or -1. */
export function parameterOf(code: string): i32 {
  return codes.indexOf(code)
}

export class Reading {
  /**
   * Whole units; tenths of a degree; ACVPU letter; 1 on oxygen, 0 on air. Meaningless when there is a
   * problem.
   */
  value: i32 = 0
  /** The number in tenths, for thresholds that are no chart's: 89.6 is below 90 and charted as 90. */
  tenths: i32 = 0
  /** Why it cannot be used; empty when it can. */
  problem: string = ''

  constructor(
    public parameter: i32,
    public record: ClinicalRecord,
    public observation: Observation,
  ) {}

  get isUsable(): bool {
    return this.problem.length == 0
  }

  get time(): u64 {
    return this.record.effectiveTime
  }

  /** Unvalidated device value, as opposed to validated or entered by a person. */
  get isUnvalidated(): bool {
    return this.observation.validation == 0
  }

  /** Value and unit for a sentence, e.g. `80 mm[Hg]`. */
  get words(): string {
    if (this.parameter == Parameter.Consciousness) return String.fromCharCode(this.value)
    return wordsOf(this.observation)
  }
}

export function wordsOf(observation: Observation): string {
  return new Decimal(observation.value, observation.scale).toString() + ' ' + observation.unit
}

export function readingOf(parameter: i32, record: ClinicalRecord, observation: Observation): Reading {
  const reading = new Reading(parameter, record, observation)
  if (parameter == Parameter.Consciousness) {
    reading.value = acvpuOf(observation.text)
    if (reading.value == 0) reading.problem = 'consciousness is not one of A C V P U'
    return reading
  }
  const amount = new Decimal(observation.value, observation.scale)
  const tenths = inTenths(parameter, amount, observation.unit)
  if (tenths == i64.MIN_VALUE) {
    reading.problem = `${labelOf(parameter)}: unit ${observation.unit} is not understood`
    return reading
  }
  // The chart is printed in whole steps, temperature in tenths: round half up, once.
  const charted =
    parameter == Parameter.Temperature
      ? tenths
      : parameter == Parameter.Oxygen
        ? amount.value
        : amount.at(0)
  if (charted < (lowest[parameter] as i64) || charted > limitOf(parameter)) {
    reading.problem = `${labelOf(parameter)} ${wordsOf(observation)} is not possible`
    return reading
  }
  reading.value = parameter == Parameter.Oxygen ? (charted > 0 ? 1 : 0) : (charted as i32)
  reading.tenths = tenths as i32
  return reading
}

/** A flow of oxygen is compared with zero only, so its raw digits are not limited. */
function limitOf(parameter: i32): i64 {
  return parameter == Parameter.Oxygen ? i64.MAX_VALUE : (highest[parameter] as i64)
}

/**
 * i64.MIN_VALUE when the unit is not the chart's. Fahrenheit by floor((10 (f - 320) + 9) / 18), f in
 * tenths.
 */
function inTenths(parameter: i32, amount: Decimal, unit: string): i64 {
  const tenths = amount.at(1)
  if (unit == unitOf(parameter)) return tenths
  if (parameter == Parameter.Temperature && unit == '[degF]') {
    const scaled = 10 * (tenths - 320) + 9
    const quotient = scaled / 18
    return scaled % 18 < 0 ? quotient - 1 : quotient
  }
  const isRate = parameter == Parameter.Respiration || parameter == Parameter.Pulse
  if (isRate && unit.endsWith('/min') && unit.startsWith('{')) return tenths
  return i64.MIN_VALUE
}

/** Character code of A, C, V, P or U; 0 when the text is none of them. The letter, or the chart's word. */
function acvpuOf(text: string): i32 {
  if (text == 'A' || text == 'Alert') return 0x41
  if (text == 'C' || text == 'Confusion' || text == 'New confusion') return 0x43
  if (text == 'V' || text == 'Voice') return 0x56
  if (text == 'P' || text == 'Pain') return 0x50
  if (text == 'U' || text == 'Unresponsive') return 0x55
  return 0
}

/** A line of an alert's basis. */
export function inputOf(reading: Reading, points: i32, threshold: string): AlertInput {
  return observationInput(
    reading.record,
    reading.observation,
    labelOf(reading.parameter),
    points,
    threshold,
  )
}

export function observationInput(
  record: ClinicalRecord,
  observation: Observation,
  label: string,
  points: i32,
  threshold: string,
): AlertInput {
  const line = new AlertInput()
  line.code = record.code
  line.label = label
  line.value = observation.value
  line.scale = observation.scale
  line.unit = observation.unit
  line.text = observation.text
  line.effectiveTime = record.effectiveTime
  line.record = record.id
  line.points = points
  line.threshold = threshold
  line.validation = observation.validation
  return line
}
