// Suspected infection in the last 24 hours: each condition names the record that counts.
import { AlertInput, ClinicalRecord, Finding, HOUR, RecordKind, Records } from '../../sdk'
import {
  ANTIBIOTIC_STARTED,
  CULTURE_ORDERED,
  INFECTION_DIAGNOSIS,
  POSITIVE_CULTURE,
  WOUND_ASSESSMENT,
} from '../shared/codes'
import { Evidence, FUTURE_ALLOWED } from '../shared/evidence'

const WINDOW: u64 = 24 * HOUR
const FINDINGS_MAX: i32 = 40
/** Findings that an alert lists; one is enough to suspect, and an alert has limited room. */
const LISTED_MAX: i32 = 6
const CONCEPTS_TEXT_MAX: i32 = 200

export class Infection {
  inputs: AlertInput[] = []
  /** One line for each piece of evidence. */
  basis: string[] = []

  get isSuspected(): bool {
    return this.inputs.length > 0
  }
}

export function infectionOf(evidence: Evidence): Infection {
  const infection = new Infection()
  collect(infection, evidence.triggers, evidence)
  // What triggered us is enough; the ledger is asked when it holds no evidence.
  if (infection.isSuspected) return infection
  const from = evidence.now > WINDOW ? evidence.now - WINDOW : 0
  const until = evidence.now + FUTURE_ALLOWED
  const stored = Records.query(RecordKind.Finding, evidence.patient, '', from, until, FINDINGS_MAX)
  collect(infection, stored, evidence)
  return infection
}

function collect(infection: Infection, records: ClinicalRecord[], evidence: Evidence): void {
  for (let index = 0; index < records.length && infection.inputs.length < LISTED_MAX; index++) {
    const record = records[index]
    if (record.kind != (RecordKind.Finding as u8)) continue
    if (record.effectiveTime + WINDOW < evidence.now) continue
    if (record.effectiveTime > evidence.now + FUTURE_ALLOWED) continue
    if (Records.isSuperseded(records, record.id)) continue
    const finding = Finding.decode(record.body)
    const words = wordsOf(record.code, finding)
    if (words.length == 0) continue
    infection.basis.push(words)
    infection.inputs.push(inputOf(record, finding))
  }
}

/** What this finding says about infection; empty when it says nothing. */
function wordsOf(code: string, finding: Finding): string {
  if (finding.isMalformed || finding.has('ruled-out') || finding.has('entered-in-error')) return ''
  if (code == WOUND_ASSESSMENT) {
    if (!finding.has('purulent-drainage')) return ''
    return finding.has('redness')
      ? 'wound with purulent drainage and redness'
      : 'wound with purulent drainage'
  }
  if (code == INFECTION_DIAGNOSIS) return 'infection diagnosed by a clinician'
  if (code == CULTURE_ORDERED) return 'culture ordered by a clinician'
  if (code == ANTIBIOTIC_STARTED) return 'antibiotic started for treatment'
  if (code == POSITIVE_CULTURE) return 'positive culture'
  return ''
}

function inputOf(record: ClinicalRecord, finding: Finding): AlertInput {
  const line = new AlertInput()
  line.code = record.code
  line.label = 'suspected infection'
  line.text = finding.concepts.join(', ').substring(0, CONCEPTS_TEXT_MAX)
  line.effectiveTime = record.effectiveTime
  line.record = record.id
  line.threshold = 'within 24 h'
  // A finding is a person's own observation.
  line.validation = 2
  return line
}
