// Which alerts a rule has raised, on which records: so that a correction of one of those records can
// retract them. Ids only.
import { Alert, concat, Explanation, Reader, Table, tryCall, utf8, Writer, Bytes } from '../../sdk'
import { Evidence } from './evidence'

const SCHEMA: u16 = 1
const RECORDS_MAX: i32 = 64

const raised = new Table(1)

/** Remembers an alert that was just raised. */
export function remember(alert: Alert, id: Bytes): void {
  const count = min(alert.inputs.length, RECORDS_MAX)
  const writer = new Writer().u16(SCHEMA).fixed(id).u32(count)
  for (let index = 0; index < count; index++) writer.fixed(alert.inputs[index].record)
  raised.set(keyOf(alert.patient, alert.branch), writer)
}

/**
 * After a rule found that it does not fire: takes back what it had raised in these branches, if the trigger
 * corrects a record that the alert stood on. Better values alone retract nothing: the alert was right when
 * it was raised.
 */
export function retractIfCorrected(evidence: Evidence, branches: string[]): void {
  if (!hasCorrection(evidence)) return
  for (let index = 0; index < branches.length; index++) {
    const key = keyOf(evidence.patient, branches[index])
    const stored = raised.get(key)
    if (stored === null) continue
    const reader = new Reader(stored)
    reader.u16()
    const alert = reader.fixed(32)
    const count = reader.count(RECORDS_MAX)
    const ids: Bytes[] = []
    for (let item = 0; item < count; item++) ids.push(reader.fixed(32))
    if (!evidence.corrects(ids)) continue
    // Somebody may have retracted it by hand already: that refusal changes nothing for us.
    tryCall('ward/alerts', 'retract', new Writer().fixed(alert).text('a value it stood on was corrected'))
    raised.remove(key)
    Explanation.note('retracted', 'a value that the alert stood on was corrected')
  }
}

function hasCorrection(evidence: Evidence): bool {
  for (let index = 0; index < evidence.triggers.length; index++) {
    if (evidence.triggers[index].supersedes !== null) return true
  }
  return false
}

function keyOf(patient: Bytes, branch: string): Bytes {
  return concat(patient, utf8(branch))
}
