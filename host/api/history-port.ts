// What the node tells of the past: a transaction run again with its trace, and what a proof is asked about.
// Part of `node-port.ts`.
import type { Json, JsonObject, ReceiptView } from './node-port.js'

/** What a proof is asked about: a record, patient or grant by hex id, or an alias. */
export interface ProofOf {
  about: 'record' | 'patient' | 'alias' | 'grant'
  name: string
}

/** One step of a transaction that was run again, in order. */
/** Over the API, raw bytes of contracts are `{hidden: "20 bytes"}`: nobody knows whose data they are. */
export type TraceStep =
  | {
      type: 'enter'
      depth: number
      alias: string
      version: string
      address: string
      method: string
      caller: string
      trigger: 'call' | 'record' | 'timer' | 'view' | 'genesis'
      readOnly: boolean
      /** Fuel that the frame may use. */
      fuel: number
      /** By the ABI of the version that ran; hex where it names none. */
      input: Json
    }
  | {
      type: 'host'
      depth: number
      name: string
      arguments: JsonObject
      answer?: Json
      result?: Json
      fuelLeft: number
      /** Code with which the call stopped its frame. */
      stopped?: string
    }
  | { type: 'leave'; depth: number; code: string; fuelUsed: number; returned?: Json }

/** A past transaction, and what it does when it is run again on the state before its block. */
export interface ReplayView {
  transactionId: string
  height: number
  blockTime: number
  /** Of the block's first proposer. */
  proposer: string
  /** True when receipt and block result are, byte for byte, what the certificate vouches for. */
  identical: boolean
  /** Where they differ, in words; empty when identical. */
  differences: string[]
  /** Versions of the rules of metering that the block ran under. */
  fuelSchedule: number
  instrumenter: number
  /** The signed transaction; null for derived work and timers. */
  signed: SignedView | null
  /** The certified receipt, with those of what it caused in the same block. */
  receipt: ReceiptView
  /** The receipt of the run now. */
  replayed: ReceiptView
  steps: TraceStep[]
  /** Steps there were; more than `steps` holds when the trace was cut. */
  stepCount: number
}

export interface SignedView {
  sender: string
  keyId: string
  stream: number
  sequence: number
  fuelLimit: number
  validUntil: number | null
  action:
    | {
        type: 'append'
        records: { kind: string; patient: string; code: string; effectiveTime: number; body: Json }[]
      }
    | { type: 'call'; target: string; method: string; arguments: Json; attachments: string[] }
}

/** What `status` tells of the chain store's disk and housekeeping; absent before it was looked at. */
export interface HeapView {
  thread: 'executor' | 'main'
  usedBytes: number
  limitBytes: number
  /** More than four fifths are in use: with all of it, the node stops. */
  isHigh: boolean
}

export interface StoreView {
  fileBytes: number
  /** Inside the file; filled before it grows. */
  freeBytes: number
  /** Sealed records. */
  records: number
  /** Blocks below keep all but their signed transactions. */
  firstPayload: number
  isCompacting: boolean
  pruning: { done: number; total: number } | null
  /** Records looked at after a change of the data key. */
  resealing: { done: number; total: number } | null
  /** Why housekeeping waits; it is tried again by itself. */
  failure: { code: string; detail: string } | null
  /** Of the disk below it: `low` under a tenth free, `scarce` under a twentieth. */
  disk?: { freeBytes: number; totalBytes: number; level: 'enough' | 'low' | 'scarce' }
  /** Of the threads that execute and that serve: the least that was in use during the last minute. */
  heap?: HeapView[]
}
