// Derived work that did not fit into a block: kept in `$queue` with the lane, source and address it was
// queued with.
import type { Lane } from '../protocol/lanes.js'
import type { Overlay } from '../state/overlay.js'
import { orderMax, type StateReader } from '../state/store-interface.js'
import { decodeRow, encodeRow, queueRow, store, type QueueRow } from './kernel-tables.js'
import type { DerivedItem } from './triggers.js'

const table = 0
/** Items of one lane that one block looks at. */
export const queueScanMax = 4_096

export interface QueuedItem {
  item: DerivedItem
  order: bigint
  sequence: number
}

const partition = (lane: Lane): Uint8Array => new Uint8Array([lane])

/** Appends at the end of the lane's queue: rows sort by (height of queueing, sequence). */
export function enqueue(overlay: Overlay, height: number, item: DerivedItem): void {
  const { parent, address, method, alias, patient, source, generation, records } = item
  const row = encodeRow(queueRow, { parent, address, method, alias, patient, source, generation, records })
  overlay.orderedPut(store.queue, table, partition(item.lane), BigInt(height), row)
}

export function queuedWork(state: StateReader, lane: Lane): QueuedItem[] {
  return state
    .scan(store.queue, table, partition(lane), 0n, orderMax, queueScanMax)
    .map(({ order, sequence, value }) => ({
      item: { ...decodeRow<QueueRow>(queueRow, value), lane },
      order,
      sequence,
    }))
}

export function dequeue(overlay: Overlay, { item, order, sequence }: QueuedItem): void {
  overlay.orderedRemove(store.queue, table, partition(item.lane), order, sequence)
}

export function isQueueEmpty(state: StateReader): boolean {
  for (const lane of [0, 1, 2, 3, 4] as const) {
    if (state.scan(store.queue, table, partition(lane), 0n, orderMax, 1).length > 0) return false
  }
  return true
}
