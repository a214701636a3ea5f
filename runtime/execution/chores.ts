// Work of the kernel that may be too much for one block: it waits in `$queue` and is done in slices at the
// end of this block and the following ones, which are due at once.
import { concatBytes, utf8, utf8ToText } from '../protocol/bytes.js'
import type { Overlay } from '../state/overlay.js'
import { orderMax, type StateReader } from '../state/store-interface.js'
import type { Kernel } from './kernel.js'
import { store } from './kernel-tables.js'
import { eraseRows } from './table-layouts.js'
import { wakeTimers } from './timers.js'

/** Ordered table of `$queue`; 0 is derived work. */
const table = 1
const partition = new Uint8Array(0)

/** Rows that one block moves or removes. */
export const choreRowsPerBlock = 1_000
/** Chores that one block looks at. */
const choresPerBlock = 64

const tag = { erase: 0, wake: 1 } as const

/** What contracts keep about the patient is to be removed. */
export function addErasure({ overlay, height }: Kernel, patient: Uint8Array): void {
  const row = concatBytes(new Uint8Array([tag.erase]), patient)
  overlay.orderedPut(store.queue, table, partition, BigInt(height), row)
}

/** The timers of the alias that are parked are to be due again. */
export function addWaking({ overlay, height }: Kernel, alias: string): void {
  const row = concatBytes(new Uint8Array([tag.wake]), utf8(alias))
  overlay.orderedPut(store.queue, table, partition, BigInt(height), row)
}

const waiting = (state: StateReader, limit: number): ReturnType<StateReader['scan']> =>
  state.scan(store.queue, table, partition, 0n, orderMax, limit)

export const hasChores = (state: StateReader): boolean => waiting(state, 1).length > 0

/** Oldest first, as far as this block's rows reach. */
export function runChores(overlay: Overlay): void {
  let left = choreRowsPerBlock
  for (const { order, sequence, value } of waiting(overlay, choresPerBlock)) {
    const subject = value.slice(1)
    left -=
      value[0] === tag.erase
        ? eraseRows(overlay, subject, left)
        : wakeTimers(overlay, utf8ToText(subject), left)
    if (left <= 0) return
    overlay.orderedRemove(store.queue, table, partition, order, sequence)
  }
}
