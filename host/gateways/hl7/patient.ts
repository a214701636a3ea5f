// PID and PV1 as both mappings read them: who the patient is, and where.
import { refuse, type Hl7Refusal } from './codes.js'
import { parseDate } from './hl7-time.js'
import type { PatientIdentifier, PatientLocation, PersonName } from './mapping.js'
import { componentOf, repetitions, valueAt, type Hl7Message, type Segment } from './tokenizer.js'

/**
 * The one PID of a message: none or two refuse it, for two patients in one message is how values change
 * owners.
 */
export function patientSegment(message: Hl7Message): { ok: true; pid: Segment } | Hl7Refusal {
  const [pid, second] = message.segments.filter((segment) => segment.name === 'PID')
  if (pid === undefined) {
    return refuse('PATIENT_SEGMENT_MISSING', 'The message has no PID segment. Nothing was stored.', {
      segment: 'PID',
    })
  }
  if (second !== undefined) {
    return refuse(
      'PATIENT_REPEATED',
      'The message has more than one PID segment. Nothing was stored: send one message for each patient.',
      { segment: 'PID', sequence: 2 },
    )
  }
  return { ok: true, pid }
}

/** PID-3, every repetition with a value. Error: PATIENT_IDENTIFIER_MISSING. */
export function patientIdentifiers(
  message: Hl7Message,
  pid: Segment,
): { ok: true; identifiers: readonly PatientIdentifier[] } | Hl7Refusal {
  const identifiers = repetitions(message, pid, 3)
    .map((raw) => ({
      value: unquote(componentOf(message, raw, 1)),
      authority: unquote(componentOf(message, raw, 4, 1)) || unquote(componentOf(message, raw, 4, 2)),
      type: unquote(componentOf(message, raw, 5)),
    }))
    .filter(({ value }) => value !== '')
  if (identifiers.length > 0) return { ok: true, identifiers }
  return refuse('PATIENT_IDENTIFIER_MISSING', 'PID-3 names no patient number. Nothing was stored.', {
    segment: 'PID',
    sequence: 1,
    field: 3,
  })
}

export const patientName = (message: Hl7Message, pid: Segment): PersonName => ({
  family: unquote(valueAt(message, pid, 5, 1)),
  given: unquote(valueAt(message, pid, 5, 2)),
})

/**
 * PID-7 as yyyymmdd: undefined when empty or explicitly null, not ok when it is no date (a placeholder,
 * say).
 */
export function patientBirthDate(
  message: Hl7Message,
  pid: Segment,
): { ok: boolean; date: string | undefined } {
  const text = unquote(valueAt(message, pid, 7))
  const date = parseDate(text)
  return { ok: text === '' || date !== undefined, date }
}

/** PV1-3: point of care, room, bed. */
export const patientLocation = (message: Hl7Message, visit: Segment | undefined): PatientLocation => ({
  ward: visit ? unquote(valueAt(message, visit, 3, 1)) : '',
  room: visit ? unquote(valueAt(message, visit, 3, 2)) : '',
  bed: visit ? unquote(valueAt(message, visit, 3, 3)) : '',
})

/** The explicit null `""` read as empty, for fields where both mean "not known". */
export const unquote = (text: string): string => (text === '""' ? '' : text)
