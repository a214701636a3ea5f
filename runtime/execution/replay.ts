// One past transaction run again on the state before its block, with a trace.
import { equalBytes } from '../protocol/bytes.js'
import type { Receipt } from '../protocol/receipt.js'
import type { BlockResult } from '../protocol/block.js'
import { executeBlock } from './execute-block.js'
import type { ModuleCache } from './module-cache.js'
import type { BlockInput, BlockRefusalCode, ExecutionPorts, ParentState } from './ports.js'
import type { TraceEvent } from './trace.js'

export interface Replay {
  receipt: Receipt
  /** Encoded, to be compared with the certified one. */
  receiptBytes: Uint8Array
  /** Position among the block's receipts. */
  index: number
  /** Of the whole block; its state root is not one (`rewind`). */
  result: BlockResult
  /** Frames and host calls of this transaction, in order, as far as the bound allows. */
  events: TraceEvent[]
  /** How many events there were. */
  eventCount: number
}

/** Events that are kept unless the caller says otherwise: a rule's run has tens. */
export const traceEventsMax = 20_000

/**
 * Runs a block again on its pre-state and gives one transaction's receipt and trace; signed, derived and
 * timer ids alike. Undefined when the block has no such transaction; a code when it is not a valid block of
 * that state.
 */
export function replayTransaction(
  input: BlockInput,
  preState: ParentState,
  transactionId: Uint8Array,
  cache: ModuleCache,
  ports: ExecutionPorts,
  eventsMax = traceEventsMax,
): { ok: true; replay: Replay | undefined } | { ok: false; code: BlockRefusalCode; detail?: string } {
  const events: TraceEvent[] = []
  let eventCount = 0
  const outcome = executeBlock(input, preState, cache, ports, {
    // The block is certified: its signatures were checked by a quorum.
    signatureChecked: () => true,
    traceOnly: transactionId,
    trace: (event) => {
      eventCount += 1
      if (events.length < eventsMax) events.push(event)
    },
  })
  if (!outcome.ok) return outcome
  const index = outcome.receiptsDecoded.findIndex((receipt) =>
    equalBytes(receipt.transactionId, transactionId),
  )
  if (index < 0) return { ok: true, replay: undefined }
  const { receiptsDecoded, receipts, result } = outcome
  const replay = {
    receipt: receiptsDecoded[index],
    receiptBytes: receipts[index],
    index,
    result,
    events,
    eventCount,
  }
  return { ok: true, replay }
}
