// What is known about a patient now: first what triggered the rule, then the ledger. The ledger is asked
// only for what the trigger does not hold, because each question costs fuel.
import { bytesEqual, ClinicalRecord, MINUTE, Observation, RecordKind, Records, Bytes } from '../../sdk'
import { SATURATION_SCALE_2 } from './codes'
import { Finding } from '../../sdk'
import { codeOf, Reading, readingOf } from './reading'

/** Clocks differ; a value from further in the future than this is not believed. */
export const FUTURE_ALLOWED: u64 = 5 * MINUTE
/** Versions and void entries that a question may meet before it finds a value. */
const VERSIONS_MAX: i32 = 6

export class LatestObservation {
  constructor(
    public record: ClinicalRecord,
    public observation: Observation,
  ) {}
}

export class Evidence {
  constructor(
    public patient: Bytes,
    public triggers: ClinicalRecord[],
    /** Block time. */
    public now: u64,
  ) {}

  /** Codes that `prepare` asked the ledger for, since when, and what it holds of them. */
  private codes: string[] = []
  private since: u64 = 0
  private known: ClinicalRecord[] = []

  /** Asks the ledger for these codes at once: `latest` with the same start needs no question of its own. */
  prepare(codes: string[], from: u64): void {
    const until = this.now + FUTURE_ALLOWED
    const asked: string[] = []
    for (let index = 0; index < codes.length; index++) {
      if (newest(this.triggers, codes[index], from, until) === null) asked.push(codes[index])
    }
    this.codes = asked
    this.since = from
    this.known = Records.latest(RecordKind.Observation, this.patient, asked, from, until)
  }

  /** Newest observation of a code since `from` that was neither corrected, deleted nor marked wrong. */
  latest(code: string, from: u64): LatestObservation | null {
    const until = this.now + FUTURE_ALLOWED
    const own = newest(this.triggers, code, from, until)
    if (own !== null) return own
    if (from == this.since && this.codes.includes(code)) {
      const known = recordOf(this.known, code)
      if (known === null) return null
      const observation = Observation.decode(known.body)
      // A void entry hides what is older: then the versions are looked through one by one.
      if (!observation.isVoid) return new LatestObservation(known, observation)
    }
    const stored = Records.query(RecordKind.Observation, this.patient, code, from, until, VERSIONS_MAX)
    return newest(Records.current(stored), code, from, until)
  }

  reading(parameter: i32, from: u64): Reading | null {
    const found = this.latest(codeOf(parameter), from)
    return found === null ? null : readingOf(parameter, found.record, found.observation)
  }

  /** Has a prescriber set SpO2 scale 2? Who may append that finding is the policy's decision. */
  isSaturationScale2(): bool {
    const until = this.now + FUTURE_ALLOWED
    const found = Records.query(
      RecordKind.Finding,
      this.patient,
      SATURATION_SCALE_2,
      0,
      until,
      VERSIONS_MAX,
    )
    const settings = Records.current(found)
    if (settings.length == 0) return false
    const newest = Finding.decode(settings[0].body)
    return !newest.isMalformed && !newest.has('withdrawn')
  }

  /** True when a record that triggered us corrects one of these. */
  corrects(ids: Bytes[]): bool {
    for (let index = 0; index < this.triggers.length; index++) {
      const target = this.triggers[index].supersedes
      if (target === null) continue
      for (let item = 0; item < ids.length; item++) {
        if (bytesEqual(ids[item], target)) return true
      }
    }
    return false
  }
}

function recordOf(records: ClinicalRecord[], code: string): ClinicalRecord | null {
  for (let index = 0; index < records.length; index++) {
    if (unchecked(records[index]).code == code) return records[index]
  }
  return null
}

function newest(records: ClinicalRecord[], code: string, from: u64, until: u64): LatestObservation | null {
  let best: LatestObservation | null = null
  for (let index = 0; index < records.length; index++) {
    const record = unchecked(records[index])
    if (record.kind != (RecordKind.Observation as u8) || record.code != code) continue
    if (record.effectiveTime < from || record.effectiveTime > until) continue
    if (best !== null && record.effectiveTime < best.record.effectiveTime) continue
    if (Records.isSuperseded(records, record.id)) continue
    const observation = Observation.decode(record.body)
    if (!observation.isVoid) best = new LatestObservation(record, observation)
  }
  return best
}
