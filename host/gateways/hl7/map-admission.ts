// ADT^A01: a patient is admitted.
import { refuse, type Hl7Refusal } from './codes.js'
import { parseTime } from './hl7-time.js'
import type { AdministrativeSex, Admission, MappingContext } from './mapping.js'
import {
  patientBirthDate,
  patientIdentifiers,
  patientLocation,
  patientName,
  patientSegment,
  unquote,
} from './patient.js'
import { valueAt, type Hl7Message, type Segment } from './tokenizer.js'

const sexes: readonly string[] = ['F', 'M', 'O', 'U', 'A', 'N']

/**
 * Maps an admission. Errors: PATIENT_SEGMENT_MISSING, PATIENT_REPEATED, PATIENT_IDENTIFIER_MISSING,
 * PATIENT_NAME_MISSING, BIRTH_DATE_INVALID, SEX_INVALID, VISIT_SEGMENT_MISSING, TIME_MISSING, TIME_INVALID.
 */
export function mapAdmission(context: MappingContext): { ok: true; mapped: Admission } | Hl7Refusal {
  const { message, origin } = context
  const patient = patientSegment(message)
  if (!patient.ok) return patient
  const { pid } = patient
  const numbers = patientIdentifiers(message, pid)
  if (!numbers.ok) return numbers
  const at = (field: number) => ({ segment: 'PID', sequence: 1, field })

  const name = patientName(message, pid)
  if (name.family === '' && name.given === '') {
    return refuse('PATIENT_NAME_MISSING', 'PID-5 names nobody. Nothing was stored.', at(5))
  }
  const birth = patientBirthDate(message, pid)
  if (!birth.ok) {
    return refuse('BIRTH_DATE_INVALID', 'PID-7 is no date (YYYYMMDD). Nothing was stored.', at(7))
  }
  const sex = unquote(valueAt(message, pid, 8)) || 'U'
  if (!sexes.includes(sex)) {
    return refuse(
      'SEX_INVALID',
      `PID-8 must be one of ${sexes.join(', ')} or empty. Nothing was stored.`,
      at(8),
    )
  }
  const visit = message.segments.find((segment) => segment.name === 'PV1')
  if (visit === undefined) {
    return refuse('VISIT_SEGMENT_MISSING', 'An admission needs a PV1 segment. Nothing was stored.', {
      segment: 'PV1',
    })
  }
  const happened = eventTime(context, message)
  if (!happened.ok) return happened

  const mapped: Admission = {
    ...origin,
    kind: 'admission',
    identifiers: numbers.identifiers,
    name,
    birthDate: birth.date,
    sex: sex as AdministrativeSex,
    location: patientLocation(message, visit),
    patientClass: unquote(valueAt(message, visit, 2)),
    visitNumber: unquote(valueAt(message, visit, 19)),
    eventTimeMs: happened.ms,
  }
  return { ok: true, mapped }
}

function eventTime(context: MappingContext, message: Hl7Message): { ok: true; ms: number } | Hl7Refusal {
  const evn: Segment | undefined = message.segments.find((segment) => segment.name === 'EVN')
  const occurred = evn === undefined ? '' : unquote(valueAt(message, evn, 6))
  const recorded = evn === undefined ? '' : unquote(valueAt(message, evn, 2))
  const field = occurred === '' ? 2 : 6
  const text = occurred || recorded
  const location = { segment: 'EVN', sequence: 1, field }
  if (text === '')
    return refuse('TIME_MISSING', 'EVN-2 and EVN-6 say no time. Nothing was stored.', location)
  const ms = parseTime(text, context.zone, context.origin.receivedTimeMs)
  if (ms !== undefined) return { ok: true, ms }
  return refuse(
    'TIME_INVALID',
    `EVN-${field} is no time (YYYYMMDDHHMM[SS][+ZZZZ]). Nothing was stored.`,
    location,
  )
}
