// From a patient's readings to a verdict of the chart: which set, how many points, what to say.
import { Alert, Explanation, HOUR, MINUTE, RecordKind, Severity } from '../../sdk'
import { Evidence } from '../shared/evidence'
import { Parameter, PARAMETERS, saturationPoints } from '../shared/news2-points'
import { bandOf, labelOf } from '../shared/news2-words'
import { personOf } from '../shared/person'
import { inputOf, parameterCodes, parameterOf, Reading } from '../shared/reading'
import { ABSENT, Score, scoreOf } from './score'

/** One set: all parameters within 15 minutes of the newest. */
const SET_WINDOW: u64 = 15 * MINUTE
/** A set older than this says nothing about now. */
const FRESH: u64 = HOUR

export const branches: string[] = ['high', 'medium', 'red']

const CITATION = 'Royal College of Physicians. National Early Warning Score (NEWS) 2. London: RCP, 2017'

export class Assessment {
  /** fires, silent, stale, refused. */
  outcome: string = 'silent'
  reason: string = ''
  readings: Array<Reading | null> = new Array<Reading | null>(PARAMETERS)
  /** Readings that cannot be used, by name. */
  problems: string[] = []
  isScale2: bool = false
  score: Score = new Score()
  alert: Alert | null = null

  get onOxygen(): bool {
    const oxygen = this.readings[Parameter.Oxygen]
    return oxygen !== null && oxygen.value > 0
  }

  /** Entries for the receipt: each parameter, then the outcome. */
  explain(): void {
    for (let parameter = 0; parameter < PARAMETERS; parameter++) {
      const reading = this.readings[parameter]
      if (reading === null || this.score.points[parameter] == ABSENT) continue
      const observation = reading.observation
      const points = this.score.points[parameter]
      Explanation.factor(labelOf(parameter), observation.value, observation.scale, observation.unit, points)
    }
    Explanation.note(this.outcome, this.reason)
  }
}

export function assess(evidence: Evidence): Assessment {
  const assessment = new Assessment()
  gather(assessment, evidence)
  const values = new StaticArray<i32>(PARAMETERS)
  let isEmpty = true
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const reading = assessment.readings[parameter]
    values[parameter] = reading === null ? ABSENT : reading.value
    if (reading !== null) isEmpty = false
  }
  if (isEmpty) {
    assessment.outcome = 'stale'
    const problems = assessment.problems
    assessment.reason = problems.length > 0 ? problems.join('; ') : 'no vital sign of the last hour'
    return assessment
  }
  const saturation = values[Parameter.Saturation]
  // Scale 2 costs a question to the ledger, so it is asked only where the two scales differ.
  if (saturation != ABSENT && scalesDiffer(saturation)) assessment.isScale2 = evidence.isSaturationScale2()
  assessment.score = scoreOf(values, assessment.isScale2)
  judge(assessment, evidence)
  return assessment
}

function scalesDiffer(percent: i32): bool {
  const first = saturationPoints(percent, false, false)
  return first != saturationPoints(percent, true, false) || first != saturationPoints(percent, true, true)
}

/** Newest usable reading of each parameter, then only those that belong to one set. */
function gather(assessment: Assessment, evidence: Evidence): void {
  const anchor = newestTrigger(evidence)
  const fresh = evidence.now > FRESH ? evidence.now - FRESH : 0
  const from = anchor > SET_WINDOW + fresh ? anchor - SET_WINDOW : fresh
  evidence.prepare(parameterCodes(), from)
  let newest: u64 = 0
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const reading = evidence.reading(parameter, from)
    if (reading === null) continue
    if (!reading.isUsable) {
      assessment.problems.push(reading.problem)
      continue
    }
    assessment.readings[parameter] = reading
    if (reading.time > newest) newest = reading.time
  }
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const reading = assessment.readings[parameter]
    if (reading !== null && reading.time + SET_WINDOW < newest) assessment.readings[parameter] = null
  }
}

/** Effective time of the newest vital sign that triggered us; 0 when none did. */
function newestTrigger(evidence: Evidence): u64 {
  let newest: u64 = 0
  for (let index = 0; index < evidence.triggers.length; index++) {
    const record = evidence.triggers[index]
    if (record.kind != (RecordKind.Observation as u8) || parameterOf(record.code) < 0) continue
    if (record.effectiveTime > newest) newest = record.effectiveTime
  }
  return newest
}

function judge(assessment: Assessment, evidence: Evidence): void {
  const score = assessment.score
  if (score.total < 5 && !score.isRed) {
    assessment.reason = score.isComplete ? `NEWS2 ${score.total}` : 'NEWS2 incomplete, no red parameter'
    return
  }
  const person = personOf(evidence.patient, evidence.now)
  const refusal = person.refusal('NEWS2')
  if (refusal.length > 0) {
    assessment.outcome = 'refused'
    assessment.reason = refusal
    return
  }
  assessment.outcome = 'fires'
  const alert = alertFor(assessment, evidence)
  assessment.reason = alert.summary
  if (person.isPregnancyUnknown) alert.missing.push('pregnancy status')
  assessment.alert = alert
}

function alertFor(assessment: Assessment, evidence: Evidence): Alert {
  const score = assessment.score
  // Points that are missing can only be added: a sum that reaches a threshold without them stays above it.
  const total = score.isComplete ? `NEWS2 ${score.total}` : `NEWS2 at least ${score.total}, incomplete`
  let alert: Alert
  if (score.total >= 7) {
    const summary = `${total}: high risk. Continuous monitoring, critical-care team within 30 minutes.`
    alert = new Alert(evidence.patient, 'high', Severity.Critical, summary)
    alert.basis.push(`${total} >= 7`)
  } else if (score.total >= 5) {
    const summary = `${total}: medium risk. Urgent review by a clinician within 1 hour.`
    alert = new Alert(evidence.patient, 'medium', Severity.Urgent, summary)
    alert.basis.push(`${total} >= 5`)
  } else {
    const state = score.isComplete ? total : 'NEWS2 incomplete'
    alert = new Alert(
      evidence.patient,
      'red',
      Severity.Urgent,
      `${redWords(assessment)} scores 3 (${state}). Urgent ward review, at least hourly observation.`,
    )
  }
  alert.citation = CITATION
  fill(alert, assessment)
  return alert
}

function redWords(assessment: Assessment): string {
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const reading = assessment.readings[parameter]
    if (reading !== null && assessment.score.points[parameter] == 3) {
      return `${labelOf(parameter)} ${reading.words}`
    }
  }
  return ''
}

/** Inputs with points and bands, what is missing, what would change the verdict. */
function fill(alert: Alert, assessment: Assessment): void {
  const points = assessment.score.points
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const reading = assessment.readings[parameter]
    if (reading === null || points[parameter] == ABSENT) {
      alert.missing.push(labelOf(parameter))
      continue
    }
    const band = bandOf(parameter, reading.value, assessment.isScale2, assessment.onOxygen)
    alert.inputs.push(inputOf(reading, points[parameter], band))
    if (points[parameter] == 3) {
      alert.basis.push(`${labelOf(parameter)} ${reading.words}: ${band} scores 3`)
      alert.wouldChange.push(`${labelOf(parameter)} outside ${band}`)
    }
  }
  for (let index = 0; index < assessment.problems.length; index++) {
    alert.missing.push(assessment.problems[index])
  }
  if (alert.missing.length > 0) alert.wouldChange.push('a complete set of the seven parameters')
}
