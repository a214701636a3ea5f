// ORU^R01: vital signs and laboratory results. One value that cannot be read refuses the message, for half
// a set of vital signs is a different clinical picture than the one that was measured.
import { quoted, refuse, type Hl7Location, type Hl7Refusal } from './codes.js'
import { parseTime } from './hl7-time.js'
import { mapValue } from './map-value.js'
import type { MappingContext, Observation, ObservationSet, ObservationStatus } from './mapping.js'
import {
  patientBirthDate,
  patientIdentifiers,
  patientLocation,
  patientName,
  patientSegment,
  unquote,
} from './patient.js'
import {
  componentOf,
  components,
  decoded,
  repetitions,
  valueAt,
  type Hl7Message,
  type Segment,
} from './tokenizer.js'
import { vitalOfLoinc, vitalOfMdc, type VitalSign } from './vital-codes.js'

/** Most OBX segments of one message: the largest sample has 155. */
export const observationCountMax = 500

/** Longest observation code, as records allow it (runtime/protocol/limits.ts, recordCodeLengthMax). */
export const codeLengthMax = 64

const statuses: readonly string[] = ['C', 'D', 'F', 'I', 'N', 'O', 'P', 'R', 'S', 'U', 'W', 'X']

/**
 * Maps observations. Errors: PATIENT_*, OBSERVATION_MISSING, OBSERVATIONS_TOO_MANY, SEGMENT_ORDER,
 * CODE_MISSING, CODE_CONFLICT, STATUS_*, TIME_*, VALUE_*, UNIT_*.
 */
export function mapObservations(
  context: MappingContext,
): { ok: true; mapped: ObservationSet } | Hl7Refusal {
  const { message, origin } = context
  const patient = patientSegment(message)
  if (!patient.ok) return patient
  const numbers = patientIdentifiers(message, patient.pid)
  if (!numbers.ok) return numbers

  const observations: Observation[] = []
  let request: Segment | undefined
  let requestIndex = 0
  let patientSeen = false
  for (const segment of message.segments) {
    if (segment.name === 'PID') patientSeen = true
    if (segment.name === 'OBR') {
      request = segment
      requestIndex += 1
    }
    if (segment.name !== 'OBX') continue
    const at: Hl7Location = { segment: 'OBX', sequence: observations.length + 1 }
    if (request === undefined || !patientSeen) {
      return refuse('SEGMENT_ORDER', 'An OBX segment must follow PID and OBR. Nothing was stored.', at)
    }
    if (observations.length >= observationCountMax) {
      return refuse(
        'OBSERVATIONS_TOO_MANY',
        `A message may hold ${observationCountMax} OBX. Nothing was stored.`,
        at,
      )
    }
    const mapped = mapObservation(context, segment, request, at, requestIndex)
    if ('ok' in mapped) return mapped
    observations.push(mapped)
  }
  if (observations.length === 0) {
    return refuse('OBSERVATION_MISSING', 'The message has no OBX segment: nothing to store.', {
      segment: 'OBX',
    })
  }

  const visit = message.segments.find((segment) => segment.name === 'PV1')
  const mapped: ObservationSet = {
    ...origin,
    kind: 'observations',
    identifiers: numbers.identifiers,
    name: patientName(message, patient.pid),
    // Results name the patient by number; a placeholder in PID-7 must not become a date, nor stop a result.
    birthDate: patientBirthDate(message, patient.pid).date,
    location: patientLocation(message, visit),
    visitNumber: visit ? unquote(valueAt(message, visit, 19)) : '',
    observations,
  }
  return { ok: true, mapped }
}

function mapObservation(
  context: MappingContext,
  obx: Segment,
  obr: Segment,
  at: Hl7Location,
  requestIndex: number,
): Observation | Hl7Refusal {
  const { message } = context
  const named = observationCode(message, obx, at)
  if ('ok' in named) return named
  const status = observationStatus(message, obx, obr, at)
  if (typeof status !== 'string') return status
  const effective = effectiveTime(context, obx, obr, at, requestIndex)
  if (typeof effective !== 'number') return effective
  const mapped = mapValue(context, obx, named.vital, status, at)
  if ('ok' in mapped) return mapped
  const raw = (field: number): string => obx.fields[field] ?? ''
  return {
    code: named.code,
    system: named.system,
    display: named.display,
    value: mapped.value,
    unit: mapped.unit,
    effectiveTimeMs: effective,
    status: status as ObservationStatus,
    sourceText: [raw(5), raw(6)].filter((text) => text !== '').join(' '),
    sourceCode: raw(3),
    device: deviceOf(message, obx),
    subId: valueAt(message, obx, 4),
    order: {
      placer: unquote(valueAt(message, obr, 2)),
      filler: unquote(valueAt(message, obr, 3)),
      service: valueAt(message, obr, 4, 1) || valueAt(message, obr, 4, 4),
    },
  }
}

interface CodeTriple {
  readonly code: string
  readonly display: string
  readonly system: string
  readonly vital: VitalSign | undefined
}

// OBX-3 may say a code twice, in two systems. LOINC goes before MDC, both before local codes; if both name
// a vital sign it must be the same one.
function observationCode(message: Hl7Message, obx: Segment, at: Hl7Location): CodeTriple | Hl7Refusal {
  const triples = [1, 4]
    .map((first) =>
      codeTriple(
        valueAt(message, obx, 3, first),
        valueAt(message, obx, 3, first + 1),
        valueAt(message, obx, 3, first + 2),
      ),
    )
    .filter(({ code }) => code !== '')
  const location = { ...at, field: 3 }
  const best =
    triples.find(({ system }) => system === 'LN') ??
    triples.find(({ vital }) => vital !== undefined) ??
    triples[0]
  if (best === undefined)
    return refuse('CODE_MISSING', 'OBX-3 names no observation. Nothing was stored.', location)
  if (best.code.length > codeLengthMax) {
    return refuse(
      'VALUE_TOO_LONG',
      `OBX-3 is longer than ${codeLengthMax} characters. Nothing was stored.`,
      location,
    )
  }
  const meant = new Set(triples.flatMap(({ vital }) => (vital === undefined ? [] : [vital.code])))
  if (meant.size > 1) {
    return refuse(
      'CODE_CONFLICT',
      `OBX-3 names two different observations (${[...meant].join(' and ')}). Nothing was stored.`,
      location,
    )
  }
  const { vital } = best
  return vital === undefined ? best : { code: vital.code, display: vital.display, system: 'LN', vital }
}

function codeTriple(rawCode: string, display: string, rawSystem: string): CodeTriple {
  const code = unquote(rawCode)
  switch (rawSystem.toUpperCase()) {
    case 'LN':
    case 'LOINC':
      return { code, display, system: 'LN', vital: vitalOfLoinc(code) }
    case 'MDC':
      return { code, display, system: 'MDC', vital: vitalOfMdc(code) }
    case '': {
      // Without a system: a LOINC code of the table carries its check digit, an MDC number needs its name
      // beside it.
      const vital = vitalOfLoinc(code) ?? (display.startsWith('MDC_') ? vitalOfMdc(code) : undefined)
      return { code, display, system: '', vital }
    }
    default:
      return { code, display, system: rawSystem, vital: undefined }
  }
}

function observationStatus(
  message: Hl7Message,
  obx: Segment,
  obr: Segment,
  at: Hl7Location,
): string | Hl7Refusal {
  // OBR-25 is the status of all results below it, for senders that leave OBX-11 empty.
  const status = valueAt(message, obx, 11) || valueAt(message, obr, 25)
  const location = { ...at, field: 11 }
  if (status === '') {
    return refuse(
      'STATUS_MISSING',
      'OBX-11 (and OBR-25) say no result status. Nothing was stored.',
      location,
    )
  }
  if (statuses.includes(status)) return status
  return refuse(
    'STATUS_UNKNOWN',
    `OBX-11 is ${quoted(status)}, which is no result status. Nothing was stored.`,
    location,
  )
}

function effectiveTime(
  context: MappingContext,
  obx: Segment,
  obr: Segment,
  at: Hl7Location,
  requestIndex: number,
): number | Hl7Refusal {
  const { message, zone, origin } = context
  const own = unquote(valueAt(message, obx, 14))
  const text = own || unquote(valueAt(message, obr, 7))
  const location = own === '' ? { segment: 'OBR', sequence: requestIndex, field: 7 } : { ...at, field: 14 }
  if (text === '') {
    return refuse(
      'TIME_MISSING',
      'Neither OBX-14 nor OBR-7 says when this was observed. Nothing was stored.',
      {
        ...at,
        field: 14,
      },
    )
  }
  const ms = parseTime(text, zone, origin.receivedTimeMs)
  if (ms !== undefined) return ms
  return refuse(
    'TIME_INVALID',
    `${location.segment}-${location.field} is ${quoted(text)}, which is no time with a minute ` +
      '(YYYYMMDDHHMM[SS][+ZZZZ]). Nothing was stored.',
    location,
  )
}

// OBX-18 is an EI: entity id, namespace, universal id, type. The universal id (EUI-64) is the one that is
// unique.
function deviceOf(message: Hl7Message, obx: Segment): string {
  const [first = ''] = repetitions(message, obx, 18)
  const parts = components(message, first).map((raw) => decoded(message, raw))
  return componentOf(message, first, 3) || parts.filter((part) => part !== '').join('/')
}
