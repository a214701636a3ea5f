// From mapped HL7 messages to records of ours. Pure: the same message gives the same records, apart from
// salts.
import { bodySchemaVersion, recordKind, utf8 } from '../../runtime/protocol/index.js'
import type { DraftRecord } from '../node/transaction-builder.js'
import type { Admission, Observation, ObservationSet } from './hl7/mapping.js'

/** OBX-11 that carry a value to reason with; D, W, X and the like delete or void an earlier one. */
const voidingStatuses = new Set(['D', 'W', 'X', 'N', 'O'])

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

/** Values in one signed set, in the order of the message, and the original bytes behind them. */
export function observationRecords(set: ObservationSet, patient: Uint8Array): DraftRecord[] {
  const records = set.observations
    .filter((observation) => observation.value.kind !== 'none' && !voidingStatuses.has(observation.status))
    .map((observation) => observationRecord(observation, patient))
  return [...records, sourceMessage(set.raw, patient, set.receivedTimeMs)]
}

function observationRecord(observation: Observation, patient: Uint8Array): DraftRecord {
  const { value } = observation
  const decimal = value.kind === 'decimal' ? value : { mantissa: 0n, scale: 0 }
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
      unit: observation.unit,
      text,
      status: observation.status,
      // A device value stays unvalidated until a second reading or a nurse confirms it.
      validation: 0,
      sourceText: observation.sourceText,
      device: observation.device,
    },
  }
}

function sourceMessage(raw: Uint8Array, patient: Uint8Array, effectiveTime: number): DraftRecord {
  const body = { schema: bodySchemaVersion, contentType: 'x-application/hl7-v2+er7', content: raw }
  return { kind: recordKind.sourceMessage, patient, code: 'HL7v2', effectiveTime, body }
}

/** Name of a note in the sealed store. */
export const noteKey = (text: string): Uint8Array => utf8(text)
