// For whom the adult charts are made: 16 years and older, not pregnant. Everyone else is refused by name.
import { ageInYears, BODY_SCHEMA, Reader, RecordKind, Records, Bytes } from '../../sdk'

const PREGNANT: u8 = 2
export const ADULT_CHARTS_FROM: i32 = 16

export class Person {
  /** -1 when unknown. */
  ageYears: i32 = -1
  /** 0 unknown, 1 no, 2 yes. */
  pregnancy: u8 = 0
  sex: string = ''

  /** Why adult charts do not apply; empty when they do. */
  refusal(chart: string): string {
    if (this.ageYears < 0) return `age is not recorded: ${chart} is for 16 years and older`
    if (this.ageYears < ADULT_CHARTS_FROM) return `age ${this.ageYears}: ${chart} is for 16 years and older`
    if (this.pregnancy == PREGNANT) return `pregnancy: ${chart} does not apply`
    return ''
  }

  /** Pregnancy that nobody asked about is named as missing. */
  get isPregnancyUnknown(): bool {
    return this.pregnancy == 0 && (this.sex.startsWith('F') || this.sex.startsWith('f'))
  }
}

/** From the newest admission record. */
export function personOf(patient: Bytes, now: u64): Person {
  const person = new Person()
  const admissions = Records.query(RecordKind.Admission, patient, '', 0, i64.MAX_VALUE as u64, 4)
  const current = Records.current(admissions)
  if (current.length == 0) return person
  const reader = new Reader(current[0].body, true)
  const schema = reader.u16()
  // Family and given name: passed over.
  reader.cutText(0)
  reader.cutText(0)
  const birthDate = reader.u32()
  const sex = reader.cutText(8)
  const pregnancy = reader.u8()
  // Of a body that is not an admission nothing is believed: the age stays unknown and the charts refuse.
  if (reader.isBroken || schema != BODY_SCHEMA) return person
  person.ageYears = ageInYears(birthDate, now)
  person.sex = sex
  person.pregnancy = pregnancy
  return person
}
