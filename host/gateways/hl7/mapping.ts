// From an HL7 message to what the gateway hands on: plain objects that know neither HL7 nor the chain. The
// host turns them into signed records. Nothing is guessed on the way: what cannot be read exactly refuses
// the whole message.
import type { Decimal } from './decimal.js'
import { quoted, refuse, type Hl7Refusal } from './codes.js'
import type { Header } from './header.js'
import { offsetOf } from './hl7-time.js'
import { mapAdmission } from './map-admission.js'
import { mapObservations } from './map-observations.js'
import { valueAt, type Hl7Message } from './tokenizer.js'

/** One of the patient's numbers, from PID-3. */
export interface PatientIdentifier {
  readonly value: string
  /** Assigning authority: its namespace, or its universal id when it has no namespace; '' when not said. */
  readonly authority: string
  /** HL7 table 0203: MR, SS, AN ...; '' when not said. */
  readonly type: string
}

export interface PersonName {
  readonly family: string
  readonly given: string
}

/** HL7 table 0001. An empty PID-8 is U (unknown). */
export type AdministrativeSex = 'F' | 'M' | 'O' | 'U' | 'A' | 'N'

export interface PatientLocation {
  readonly ward: string
  readonly room: string
  readonly bed: string
}

/** What every mapped message carries. */
export interface MessageOrigin {
  readonly controlId: string
  readonly sendingApplication: string
  readonly sendingFacility: string
  readonly processingId: string
  /**
   * When the gateway had the whole frame, ms since 1970 UTC (its own clock; times in the message stay as
   * sent).
   */
  readonly receivedTimeMs: number
  /** The message exactly as it came, framing removed. */
  readonly raw: Uint8Array
}

/** ADT^A01. */
export interface Admission extends MessageOrigin {
  readonly kind: 'admission'
  readonly identifiers: readonly PatientIdentifier[]
  readonly name: PersonName
  /** yyyymmdd, or undefined when PID-7 is empty. */
  readonly birthDate: string | undefined
  readonly sex: AdministrativeSex
  readonly location: PatientLocation
  /** HL7 table 0004: I inpatient, O outpatient, E emergency ...; '' when not said. */
  readonly patientClass: string
  readonly visitNumber: string
  /** EVN-6 (when it happened), else EVN-2 (when it was recorded), ms since 1970 UTC. */
  readonly eventTimeMs: number
}

export type ObservationValue =
  /** mantissa * 10^-scale in `unit`. Temperatures always have scale 1; all others the digits as sent. */
  | ({ readonly kind: 'decimal' } & Decimal)
  /** A code, such as A, C, V, P or U for 80288-4. */
  | { readonly kind: 'coded'; readonly code: string; readonly display: string; readonly system: string }
  | { readonly kind: 'text'; readonly text: string }
  /** No value: an explicit null, or a status that has none. Never zero. */
  | { readonly kind: 'none' }

/**
 * OBX-11, HL7 table 0085: P and R preliminary, F final, C correction, D delete, W wrong, X none, and rarer
 * ones.
 */
export type ObservationStatus = 'C' | 'D' | 'F' | 'I' | 'N' | 'O' | 'P' | 'R' | 'S' | 'U' | 'W' | 'X'

export interface Observation {
  /** Canonical LOINC code for the vital signs of clinical.md section 6; any other code as sent. */
  readonly code: string
  /** LN, MDC or a local name; '' when the sender gave none. */
  readonly system: string
  readonly display: string
  readonly value: ObservationValue
  /** UCUM; '' for values that have none. */
  readonly unit: string
  /** OBX-14, else OBR-7, ms since 1970 UTC. */
  readonly effectiveTimeMs: number
  readonly status: ObservationStatus
  /** Value and unit as the sender wrote them, for the record and the eye. */
  readonly sourceText: string
  /** OBX-3 as sent. */
  readonly sourceCode: string
  /** OBX-18 equipment id, '' when not said. */
  readonly device: string
  /** OBX-4: which of several, or the place in a device's containment tree. */
  readonly subId: string
  /** The request that this answers. */
  readonly order: { readonly placer: string; readonly filler: string; readonly service: string }
}

/** ORU^R01. */
export interface ObservationSet extends MessageOrigin {
  readonly kind: 'observations'
  readonly identifiers: readonly PatientIdentifier[]
  /** As far as the message says; for cross-checking, never for finding the patient. */
  readonly name: PersonName
  readonly birthDate: string | undefined
  readonly location: PatientLocation
  readonly visitNumber: string
  readonly observations: readonly Observation[]
}

export type MappedMessage = Admission | ObservationSet

export interface MappingOptions {
  /** Message types that the source may send. */
  readonly accepts: readonly ('ADT' | 'ORU')[]
  /** Zone of times without an offset: '+0100' or an IANA name. The offset of MSH-7 goes before it. */
  readonly zone: string
  readonly receivedTimeMs: number
}

export interface MappingContext {
  readonly message: Hl7Message
  readonly origin: MessageOrigin
  readonly zone: string
}

/**
 * Why a source may not send this type and event; undefined when it may. Errors: MESSAGE_TYPE_UNSUPPORTED,
 * EVENT_UNSUPPORTED.
 */
export function refuseType(header: Header, accepts: readonly ('ADT' | 'ORU')[]): Hl7Refusal | undefined {
  const { messageType, event } = header
  const at = { segment: 'MSH', sequence: 1, field: 9 }
  if ((messageType !== 'ADT' && messageType !== 'ORU') || !accepts.includes(messageType)) {
    return refuse(
      'MESSAGE_TYPE_UNSUPPORTED',
      `This source may send ${accepts.join(' and ')}; the message is ${quoted(messageType)}. Nothing was stored.`,
      at,
    )
  }
  const eventWanted = messageType === 'ADT' ? 'A01' : 'R01'
  if (event === eventWanted) return undefined
  return refuse(
    'EVENT_UNSUPPORTED',
    `Of ${messageType} messages this gateway reads ${eventWanted}; this one is ${quoted(event)}. Nothing was stored.`,
    { ...at, component: 2 },
  )
}

/** Maps a parsed message by its type. Errors: those of `refuseType` and of the mapping itself. */
export function mapMessage(
  message: Hl7Message,
  header: Header,
  raw: Uint8Array,
  options: MappingOptions,
): { readonly ok: true; readonly mapped: MappedMessage } | Hl7Refusal {
  const untaken = refuseType(header, options.accepts)
  if (untaken !== undefined) return untaken
  const context: MappingContext = {
    message,
    origin: {
      controlId: header.controlId,
      sendingApplication: header.sendingApplication,
      sendingFacility: header.sendingFacility,
      processingId: header.processingId,
      receivedTimeMs: options.receivedTimeMs,
      raw,
    },
    zone: offsetOf(messageTimeText(message)) || options.zone,
  }
  return header.messageType === 'ADT' ? mapAdmission(context) : mapObservations(context)
}

const messageTimeText = (message: Hl7Message): string => {
  const msh = message.segments[0]
  return msh === undefined ? '' : valueAt(message, msh, 7)
}
