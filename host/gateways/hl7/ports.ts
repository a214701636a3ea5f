// What the HL7 gateway needs from the host, and how its sources are configured.
import type { AckCode } from './ack.js'
import type { Hl7Code, Hl7Location } from './codes.js'
import type { MappedMessage } from './mapping.js'

/**
 * One attached sender: a port of its own, or its own MSH-3/MSH-4 on a shared port. It signs with its own
 * key.
 */
export interface GatewaySource {
  /** Unique name; the host finds the source's key and grant by it. */
  readonly name: string
  /**
   * Address to bind to. There is no default: a port that listens everywhere is a decision, not an accident.
   */
  readonly host: string
  /** 0 lets the system choose (tests). */
  readonly port: number
  readonly accepts: readonly ('ADT' | 'ORU')[]
  /** When given, MSH-3.1 must be this. */
  readonly sendingApplication?: string
  /** When given, MSH-4.1 must be this. */
  readonly sendingFacility?: string
  /** Zone of times without an offset: '+0100' or 'Europe/Vienna'. Default '+0000'. */
  readonly zone?: string
  /**
   * MSH-11 values taken (P production, T training, D debugging). Default any; a ward in production lists P
   * alone.
   */
  readonly processingIds?: readonly string[]
  /** When a message is not final in time: AE "try again" (default), or no answer. */
  readonly late?: 'answer' | 'silence'
  /** PEM texts. With `ca` the sender must show a certificate that it signed. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string }
}

/** A message that was read and mapped, for the host to turn into signed records. */
export interface SubmittedMessage {
  readonly source: string
  /**
   * SHA-256 hex of source, MSH-3, MSH-4, MSH-10 and content: the same when the message is sent again,
   * another one for other content under the same control id. The host keeps it with the transaction, so
   * that a crash between final and answer makes no second record.
   */
  readonly key: string
  readonly mapped: MappedMessage
}

export type SubmitOutcome =
  /** The transaction is in a block with a quorum certificate. */
  | { readonly kind: 'final'; readonly height: number }
  /**
   * Nothing was stored. `code` is one of `hl7Codes` (UNKNOWN_PATIENT, SENDER_UNKNOWN ...) or a code of the
   * chain, which is shown in ERR-7 under REFUSED_BY_CHAIN.
   */
  | {
      readonly kind: 'refused'
      readonly code: string
      readonly sentence: string
      readonly location?: Hl7Location
    }
  /** No quorum in time, node sealed, queue full. */
  | { readonly kind: 'late' }

export type Submit = (message: SubmittedMessage) => Promise<SubmitOutcome>

/**
 * Answers of final messages, kept for `duplicateWindowMs`. Values are opaque; `put` resolves when it is
 * durable.
 */
export interface AnswerStore {
  get: (key: string) => Promise<Uint8Array | undefined>
  put: (key: string, answer: Uint8Array) => Promise<void>
}

/**
 * Optional: messages kept at the gateway before they are final, which lets CA leave early in enhanced mode.
 * `keep` resolves when the bytes are durable. Without it CA leaves together with AA.
 */
export interface MessageInbox {
  keep: (key: string, kept: KeptMessage) => Promise<void>
  drop: (key: string) => Promise<void>
  pending: () => Promise<readonly KeptMessage[]>
}

export interface KeptMessage {
  readonly source: string
  readonly receivedTimeMs: number
  readonly raw: Uint8Array
}

/** What happened, for logs and metrics: codes and counts, no patient data. */
export type GatewayEvent =
  | {
      readonly kind: 'connectionOpened' | 'connectionClosed' | 'connectionRefused'
      readonly source: string
    }
  | {
      readonly kind: 'answered'
      readonly source: string
      readonly acks: readonly AckCode[]
      readonly reason: Hl7Code | 'FINAL' | 'DUPLICATE' | 'ACKNOWLEDGEMENT_IGNORED'
      /** From the whole frame to the answer. */
      readonly durationMs: number
    }
  | { readonly kind: 'failed'; readonly source: string; readonly step: string; readonly cause: unknown }

export interface GatewayPorts {
  readonly submit: Submit
  readonly answers: AnswerStore
  readonly inbox?: MessageInbox
  /** ms since 1970 UTC; default the system's clock. */
  readonly nowMs?: () => number
  readonly report?: (event: GatewayEvent) => void
}

export interface GatewayLimits {
  readonly frameBytesMax: number
  /** Connections at a time, for each port. */
  readonly connectionsMax: number
  /** Silence inside a frame after which it is given up. */
  readonly frameIdleMsMax: number
  /** How long a message may take to be final before it is answered as late. */
  readonly finalMsMax: number
  /** How long an answer stands for repeated messages. */
  readonly duplicateWindowMs: number
}

/** The proposals of clinical.md section 7. */
export const gatewayLimits: GatewayLimits = {
  frameBytesMax: 4 * 1024 * 1024,
  connectionsMax: 16,
  frameIdleMsMax: 10_000,
  finalMsMax: 5_000,
  duplicateWindowMs: 7 * 24 * 3_600_000,
}
