// From mapped HL7 messages to records of ours. Pure: the same message gives the same records, apart from
// salts.
import { bodySchemaVersion, recordKind } from '../../runtime/protocol/index.js'
import type { DraftRecord } from '../node/transaction-builder.js'
import type { Admission, Observation, ObservationSet } from './hl7/mapping.js'

/** OBX-11 that take an earlier value back: deleted, posted wrong, cannot be obtained. */
export const voidingStatuses: ReadonlySet<string> = new Set(['D', 'W', 'X'])
/** OBX-11 of segments that state nothing about the patient: not asked, order detail. */
const silentStatuses = new Set(['N', 'O'])

/** Records that an observation of a message takes the place of, by that observation. */
export type EarlierRecords = ReadonlyMap<Observation, readonly Uint8Array[]>

export function admissionRecords(admission: Admission, patient: Uint8Array): DraftRecord[] {
  const { family, given } = admission.name
  const body = {
    schema: bodySchemaVersion,
    family,
    given,
    birthDate: Number(admission.birthDate ?? 0),
    sex: admission.sex,
    pregnancy: 0,
    identifiers: admission.identifiers.map(({ value, authority, type }) => ({ value, authority, type })),
    ward: admission.location.ward,
    room: admission.location.room,
    bed: admission.location.bed,
    visitNumber: admission.visitNumber,
    reason: '',
  }
  const record = {
    kind: recordKind.admission,
    patient,
    code: 'ADT^A01',
    effectiveTime: admission.eventTimeMs,
    body,
  }
  return [record, sourceMessage(admission.raw, patient, admission.receivedTimeMs)]
}

/**
 * Values in one signed set, in the order of the message, and the original bytes behind them. What voids or
 * corrects an earlier value names it in `supersedes`, one record for each that it takes the place of.
 */
export function observationRecords(
  set: ObservationSet,
  patient: Uint8Array,
  earlier: EarlierRecords,
): DraftRecord[] {
  const records = set.observations.flatMap((observation) => {
    const isVoid = voidingStatuses.has(observation.status)
    if (!isVoid && (observation.value.kind === 'none' || silentStatuses.has(observation.status))) return []
    const record = observationRecord(observation, patient, isVoid)
    const superseded = earlier.get(observation) ?? []
    if (superseded.length === 0) return [record]
    return superseded.map((supersedes) => ({ ...record, supersedes }))
  })
  return [...records, sourceMessage(set.raw, patient, set.receivedTimeMs)]
}

/** A void keeps neither value nor text: senders repeat the value that they take back. */
function observationRecord(observation: Observation, patient: Uint8Array, isVoid: boolean): DraftRecord {
  const { value } = observation
  const decimal = value.kind === 'decimal' && !isVoid ? value : { mantissa: 0n, scale: 0 }
  const text = value.kind === 'coded' ? value.code : value.kind === 'text' ? value.text : ''
  return {
    kind: recordKind.observation,
    patient,
    code: observation.code,
    effectiveTime: observation.effectiveTimeMs,
    body: {
      schema: bodySchemaVersion,
      value: decimal.mantissa,
      scale: decimal.scale,
      unit: isVoid ? '' : observation.unit,
      text: isVoid ? '' : text,
      status: observation.status,
      // A device value stays unvalidated until a second reading or a nurse confirms it.
      validation: 0,
      sourceText: isVoid ? '' : observation.sourceText,
      device: observation.device,
    },
  }
}

function sourceMessage(raw: Uint8Array, patient: Uint8Array, effectiveTime: number): DraftRecord {
  const body = { schema: bodySchemaVersion, contentType: 'x-application/hl7-v2+er7', content: raw }
  return { kind: recordKind.sourceMessage, patient, code: 'HL7v2', effectiveTime, body }
}
