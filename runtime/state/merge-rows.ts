// The rows of an ordered table as one block sees them: what it has written, merged into what lies below.
import { sequenceMax, type OrderedEntry, type StateWrite } from './store-interface.js'

export interface WrittenRow {
  order: bigint
  sequence: number
  /** Undefined: removed. */
  value: Uint8Array | undefined
}

/** A part of a scan. */
export interface ScanPart {
  rows: OrderedEntry[]
  /** Rows that were looked at: those found, and those that a removal of this block hides. */
  looked: number
  /** Where the next part begins; undefined when there is nothing behind. */
  next: { order: bigint; sequence: number } | undefined
}

export function rowOf({ key, value }: StateWrite): WrittenRow {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  const tail = key.byteLength - orderedTailBytes
  return { order: view.getBigUint64(tail), sequence: view.getUint32(tail + 8), value }
}

/** (order u64, sequence u32) at the end of an ordered key. */
const orderedTailBytes = 12

export const isAt = (row: WrittenRow | undefined, place: { order: bigint; sequence: number }): boolean =>
  row !== undefined && compareRows(row, place) === 0

/** Index of the first row that is not before (order, sequence). */
export function firstNotBefore(
  rows: readonly { order: bigint; sequence: number }[],
  order: bigint,
  sequence: number,
): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareRows(rows[middle], { order, sequence }) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function compareRows(
  left: { order: bigint; sequence: number },
  right: { order: bigint; sequence: number },
): number {
  if (left.order !== right.order) return left.order < right.order ? -1 : 1
  return left.sequence - right.sequence
}

const after = ({ order, sequence }: { order: bigint; sequence: number }): ScanPart['next'] =>
  sequence < sequenceMax ? { order, sequence: sequence + 1 } : { order: order + 1n, sequence: 0 }

/**
 * Both lists are sorted alike; a written row replaces or removes the base row of the same (order, sequence).
 * Where the base was cut off, nothing behind its last row can be told yet.
 */
export function mergeUp(
  below: readonly OrderedEntry[],
  isWhole: boolean,
  { written, start, to }: { written: readonly WrittenRow[]; start: number; to: bigint },
  limit: number,
): ScanPart {
  const rows: OrderedEntry[] = []
  let [belowIndex, writtenIndex, looked] = [0, start, 0]
  let last: { order: bigint; sequence: number } | undefined
  while (rows.length < limit) {
    const base = below[belowIndex] as OrderedEntry | undefined
    const own = written[writtenIndex] as WrittenRow | undefined
    const write = own === undefined || own.order > to ? undefined : own
    if (base === undefined && !isWhole) return { rows, looked, next: last && after(last) }
    if (base === undefined && write === undefined) return { rows, looked, next: undefined }
    looked += 1
    const side = base === undefined ? 1 : write === undefined ? -1 : compareRows(base, write)
    if (side <= 0) belowIndex += 1
    if (side >= 0) writtenIndex += 1
    const row = side < 0 ? base : write
    last = row
    if (row?.value !== undefined) rows.push({ order: row.order, sequence: row.sequence, value: row.value })
  }
  return { rows, looked, next: last && after(last) }
}

/** As `mergeUp`, newest first, from the end of the written rows. */
export function mergeDown(
  below: readonly OrderedEntry[],
  isWhole: boolean,
  { written, from, to }: { written: readonly WrittenRow[]; from: bigint; to: bigint },
  limit: number,
): OrderedEntry[] {
  const rows: OrderedEntry[] = []
  let belowIndex = 0
  let writtenIndex = firstNotBefore(written, to + 1n, 0) - 1
  while (rows.length < limit) {
    const base = below[belowIndex] as OrderedEntry | undefined
    const own = written[writtenIndex] as WrittenRow | undefined
    const write = own === undefined || own.order < from ? undefined : own
    if (base === undefined && (!isWhole || write === undefined)) return rows
    const side = base === undefined ? 1 : write === undefined ? -1 : compareRows(write, base)
    if (side <= 0) belowIndex += 1
    if (side >= 0) writtenIndex -= 1
    const row = side < 0 ? base : write
    if (row?.value !== undefined) rows.push({ order: row.order, sequence: row.sequence, value: row.value })
  }
  return rows
}
