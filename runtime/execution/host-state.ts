// Host functions on the contract's own store. Tables are numbered by the contract; a store belongs to the
// alias.
import type { ScanPart } from '../state/merge-rows.js'
import { concatBytes } from '../protocol/bytes.js'
import { ByteWriter } from './byte-writer.js'
import type { Frame } from './frame.js'
import { stopFrame } from './guest-failure.js'
import {
  chargeAnswer,
  chargeCall,
  guestBytes,
  guestCopy,
  requireWritable,
  setResult,
} from './guest-memory.js'
import { hostCaps } from './host-prices.js'
import { requireOwnTable } from './table-layouts.js'

const absent = -1

export function stateGet(frame: Frame, table: number, keyPointer: number, keyLength: number): number {
  const key = guestBytes(frame, keyPointer, keyLength, hostCaps.keyBytes)
  chargeCall(frame, 'state_get', key.length)
  const value = frame.run.kernel.overlay.get(frame.contract.alias, pointKey(frame, table, key))
  return value === undefined ? absent : setResult(frame, 'state_get', value)
}

export function stateSet(
  frame: Frame,
  table: number,
  keyPointer: number,
  keyLength: number,
  valuePointer: number,
  valueLength: number,
): void {
  const key = guestBytes(frame, keyPointer, keyLength, hostCaps.keyBytes)
  const value = guestBytes(frame, valuePointer, valueLength, hostCaps.valueBytes)
  chargeCall(frame, 'state_set', key.length + value.length)
  requireWritable(frame)
  const storeKey = pointKey(frame, table, key)
  requireOwnTable(frame, table, key)
  frame.run.kernel.overlay.set(frame.contract.alias, storeKey, value)
}

export function stateRemove(frame: Frame, table: number, keyPointer: number, keyLength: number): void {
  const key = guestBytes(frame, keyPointer, keyLength, hostCaps.keyBytes)
  chargeCall(frame, 'state_remove', key.length)
  requireWritable(frame)
  const storeKey = pointKey(frame, table, key)
  requireOwnTable(frame, table, key)
  frame.run.kernel.overlay.remove(frame.contract.alias, storeKey)
}

/** Appends under (partition, order); the row's sequence is not told: it is seen by a scan. */
export function orderedPut(
  frame: Frame,
  table: number,
  partitionPointer: number,
  partitionLength: number,
  order: bigint,
  valuePointer: number,
  valueLength: number,
): void {
  const partition = guestBytes(frame, partitionPointer, partitionLength, hostCaps.partitionBytes)
  const value = guestBytes(frame, valuePointer, valueLength, hostCaps.valueBytes)
  chargeCall(frame, 'ordered_put', partition.length + value.length)
  requireWritable(frame)
  const { overlay } = frame.run.kernel
  requireTable(frame, table)
  requireOwnTable(frame, table, partition)
  overlay.orderedPut(frame.contract.alias, table, partition.slice(), BigInt.asUintN(64, order), value)
}

export function orderedRemove(
  frame: Frame,
  table: number,
  partitionPointer: number,
  partitionLength: number,
  order: bigint,
  sequence: number,
): number {
  const partition = guestBytes(frame, partitionPointer, partitionLength, hostCaps.partitionBytes)
  chargeCall(frame, 'ordered_remove', partition.length)
  requireWritable(frame)
  const { overlay } = frame.run.kernel
  requireTable(frame, table)
  requireOwnTable(frame, table, partition)
  const place = [partition.slice(), BigInt.asUintN(64, order), sequence >>> 0] as const
  return overlay.orderedRemove(frame.contract.alias, table, ...place) ? 1 : 0
}

/**
 * Result: Borsh vec<{order u64, sequence u32, value bytes}>, ascending; rows that would pass 64 KiB are
 * left out.
 */
export function stateScan(
  frame: Frame,
  table: number,
  partitionPointer: number,
  partitionLength: number,
  from: bigint,
  to: bigint,
  limit: number,
): number {
  const partition = guestCopy(frame, partitionPointer, partitionLength, hostCaps.partitionBytes)
  chargeCall(frame, 'state_scan', partition.length)
  requireTable(frame, table)
  const limitMax = Math.min(limit >>> 0, hostCaps.scanItems)
  const { overlay } = frame.run.kernel
  const end = BigInt.asUintN(64, to)
  const list = new ByteWriter()
  let count = 0
  let next: ScanPart['next'] = { order: BigInt.asUintN(64, from), sequence: 0 }
  while (next !== undefined && count < limitMax) {
    const limit = Math.min(rowsInPart, limitMax - count)
    const place = [table, partition, next.order, end, limit, next.sequence] as const
    const part: ScanPart = overlay.scanPart(frame.contract.alias, ...place)
    // Paid before more is read: what was read, and rows that this block has removed too, for whoever hides
    // many of them makes the search long.
    const byteCount = part.rows.reduce((sum, { value }) => sum + rowBytes + value.length, 0)
    chargeAnswer(frame, 'state_scan', byteCount, part.looked)
    next = part.next
    for (const row of part.rows) {
      if (4 + list.length + rowBytes + row.value.length > hostCaps.resultBytes) {
        next = undefined
        break
      }
      list.bigU64(row.order)
      list.u32(row.sequence)
      list.bytes(row.value)
      count += 1
    }
  }
  const head = new ByteWriter(4)
  head.u32(count)
  chargeAnswer(frame, 'state_scan', 4)
  frame.result = concatBytes(head.finish(), list.finish())
  return count
}

/** Order, sequence and length in front of a row's value. */
const rowBytes = 16

/** Rows that are read before anything of them is paid: each may hold 64 KiB. */
const rowsInPart = 8

/** Point tables share the store's key space: table u8 ‖ key. The copy makes the key safe to keep. */
function pointKey(frame: Frame, table: number, key: Uint8Array): Uint8Array {
  requireTable(frame, table)
  const joined = new Uint8Array(1 + key.length)
  joined[0] = table
  joined.set(key, 1)
  return joined
}

function requireTable(frame: Frame, table: number): void {
  if (table < 0 || table > 255) stopFrame(frame, 'ARGUMENT_INVALID')
}
