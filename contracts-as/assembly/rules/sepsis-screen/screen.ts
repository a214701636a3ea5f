// The sepsis rule: adult, not pregnant, AND suspected infection AND (a red NEWS2 parameter OR (SIRS >= 2
// AND organ dysfunction)). Scores alone never fire it: without the infection it would fire twice a day at
// each ICU bed.
import { Alert, AlertInput, Explanation, Severity } from '../../sdk'
import { Evidence } from '../shared/evidence'
import { Parameter } from '../shared/news2-points'
import { Person, personOf } from '../shared/person'
import { Infection, infectionOf } from './infection'
import { Organs, organsOf } from './organs'
import { Vitals, vitalsOf } from './vitals'

const RED = 'red-parameter'
const SIRS = 'sirs-organ-dysfunction'
export const branches: string[] = [RED, SIRS, RED + '+' + SIRS]

/** The organ dysfunction list is SEP-1's, which is for 18 years and older. */
const SIRS_BRANCH_FROM: i32 = 18

const CITATION =
  'NEWS2, RCP 2017; SIRS, Bone, Chest 1992;101:1644; organ dysfunction, CMS SEP-1; ' +
  'Surviving Sepsis Campaign 2021 (recommendation 2) and 2026'

export class Screening {
  /** fires, silent, refused. */
  outcome: string = 'silent'
  reason: string = ''
  inputs: AlertInput[] = []
  alert: Alert | null = null

  explain(): void {
    for (let index = 0; index < this.inputs.length; index++) {
      const line = this.inputs[index]
      Explanation.factor(line.label, line.value, line.scale, line.unit, line.points)
    }
    Explanation.note(this.outcome, this.reason)
  }
}

/** Cheapest question first: most readings belong to patients in whom nobody suspects an infection. */
export function screen(evidence: Evidence): Screening {
  const screening = new Screening()
  const infection = infectionOf(evidence)
  if (!infection.isSuspected) {
    screening.reason = 'no suspected infection in the last 24 hours'
    return screening
  }
  const person = personOf(evidence.patient, evidence.now)
  const refusal = person.refusal('the sepsis screen')
  if (refusal.length > 0) {
    screening.outcome = 'refused'
    screening.reason = refusal
    return screening
  }
  const vitals = vitalsOf(evidence)
  const organs = organsOf(evidence, vitals)
  screening.inputs = infection.inputs.concat(vitals.inputs).concat(organs.inputs)
  const branch = branchOf(person, vitals, organs)
  if (branch.length == 0) {
    screening.reason = 'suspected infection, but no red parameter and no SIRS with organ dysfunction'
    return screening
  }
  const alert = alertFor(evidence, branch, infection, vitals, organs)
  alert.inputs = screening.inputs
  if (person.isPregnancyUnknown) alert.missing.push('pregnancy status')
  screening.outcome = 'fires'
  screening.reason = alert.summary
  screening.alert = alert
  return screening
}

function branchOf(person: Person, vitals: Vitals, organs: Organs): string {
  const isRed = vitals.red.length > 0
  const criteria = vitals.sirs.length + organs.sirs.length
  const isSirs = person.ageYears >= SIRS_BRANCH_FROM && criteria >= 2 && organs.signs.length > 0
  if (isRed && isSirs) return RED + '+' + SIRS
  return isRed ? RED : isSirs ? SIRS : ''
}

function alertFor(
  evidence: Evidence,
  branch: string,
  infection: Infection,
  vitals: Vitals,
  organs: Organs,
): Alert {
  const severity = organs.critical.length > 0 ? Severity.Critical : Severity.Urgent
  const alert = new Alert(evidence.patient, branch, severity, summaryOf(vitals, organs))
  alert.basis = infection.basis
    .concat(vitals.red)
    .concat(vitals.sirs)
    .concat(organs.sirs)
    .concat(organs.signs)
  for (let index = 0; index < organs.critical.length; index++) {
    alert.basis.push('critical: ' + organs.critical[index])
  }
  alert.missing = vitals.missing.concat(organs.missing)
  alert.missing.push('weight')
  alert.wouldChange = vitals.wouldChange
  if (vitals.isSystolicUnvalidated) {
    alert.basis.push('unvalidated: the systolic pressure is a single device reading')
    alert.wouldChange.push('a second systolic reading within 5 minutes, or validation by a nurse')
  }
  if (severity != Severity.Critical)
    alert.wouldChange.push('critical if lactate >= 4 mmol/L or mean pressure < 65')
  alert.wouldChange.push('retracted if the finding of infection is corrected')
  alert.citation = CITATION
  return alert
}

/** At most 140 characters, whatever the values. */
function summaryOf(vitals: Vitals, organs: Organs): string {
  const systolic = vitals.readings[Parameter.Systolic]
  let sign = organs.signs.length > 0 ? organs.signs[0] : 'a red NEWS2 parameter'
  if (systolic !== null && systolic.value <= 90) sign = `systolic ${systolic.words}`
  if (vitals.isSystolicUnvalidated) sign += ' (unvalidated)'
  const summary = `Possible sepsis: suspected infection, ${sign}. See the patient now; orders await signature.`
  return summary.length <= 140 ? summary : 'Possible sepsis: see the patient now; orders await signature.'
}
