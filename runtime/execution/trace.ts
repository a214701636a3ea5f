// The trace of one transaction: frames and host calls as they happen, for `ward replay`. Tracing changes
// nothing that is hashed: the same block with and without it gives the same result (tested).
import type { TraceArgument } from './trace-arguments.js'
import type { Trigger } from './frame.js'

export type TraceEvent =
  | {
      type: 'frame'
      transactionId: Uint8Array
      depth: number
      alias: string
      address: Uint8Array
      method: string
      caller: Uint8Array
      /** Why the contract was entered: number of the context (ARCHITECTURE.md). */
      trigger: Trigger
      readOnly: boolean
      input: Uint8Array
      fuel: number
    }
  | {
      type: 'frame-end'
      transactionId: Uint8Array
      depth: number
      /** Number of `error-codes.ts`; 0 is success. */
      status: number
      fuelUsed: number
      /** Bytes of metered stack that were left at the end of the frame. */
      stackLeft: number
      returned?: Uint8Array
    }
  | {
      type: 'host'
      transactionId: Uint8Array
      depth: number
      name: string
      args: (number | bigint)[]
      /** The same with names, and with what pointers pointed to. */
      named: TraceArgument[]
      /** What lay in the frame's result buffer afterwards, of functions that answer there. */
      result?: Uint8Array
      /**
       * What the guest got back; absent for functions without a result and when the call stopped the frame.
       */
      answer?: number | bigint
      fuelLeft: number
      /** Status with which the call stopped its frame. */
      stopped?: number
    }

export type TraceSink = (event: TraceEvent) => void
