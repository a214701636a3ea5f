// Stored keys of the chain environment, built from true keys.
import { encodePartition } from '../../runtime/state/index.js'
import { prfBytes, type RecordSealer } from './record-seal.js'
import { table, type TableId } from './tables.js'

/** table | PRF16(true key) */
export function pointStoredKey(id: TableId, sealer: RecordSealer, trueKey: Uint8Array): Uint8Array {
  const stored = new Uint8Array(1 + prfBytes)
  stored[0] = id
  sealer.hideKey(trueKey, stored, 1)
  return stored
}

/**
 * True key of a record body: patient 16 | hash 32. The hash alone is not enough: whoever knows salt and
 * content can name any patient with them, and each patient's copy must live and die under its own key.
 */
export const bodyTrueKey = (patient: Uint8Array, hash: Uint8Array): Buffer => Buffer.concat([patient, hash])

/** table | height u64 BE. The true key is the height's eight bytes. */
export function heightStoredKey(id: TableId, height: number): Buffer {
  const stored = Buffer.alloc(9)
  stored[0] = id
  stored.writeBigUInt64BE(BigInt(height), 1)
  return stored
}

export const heightTrueKey = (height: number): Buffer => heightStoredKey(table.block, height).subarray(1)

/** Store name and encoded state key as one true key: name length u8 | name | key. */
export function stateTrueKey(store: string, key: Uint8Array): Buffer {
  const trueKey = Buffer.allocUnsafe(1 + store.length + key.length)
  trueKey[0] = store.length
  trueKey.write(store, 1, 'latin1')
  trueKey.set(key, 1 + store.length)
  return trueKey
}

/** How many bytes of an ordered key are (order, sequence). */
export const orderedTailBytes = 12

/**
 * table | PRF16(store, table, partition) | order u64 BE | sequence u32 BE, from the encoded ordered key.
 */
export function orderedStoredKey(id: TableId, sealer: RecordSealer, trueKey: Uint8Array): Uint8Array {
  const stored = new Uint8Array(1 + prfBytes + orderedTailBytes)
  stored[0] = id
  const prefixEnd = trueKey.length - orderedTailBytes
  sealer.hideKey(trueKey.subarray(0, prefixEnd), stored, 1)
  stored.set(trueKey.subarray(prefixEnd), 1 + prfBytes)
  return stored
}

/** Start and end of a scan over one partition. Shorter keys sort first, so `start` needs no sequence. */
export function scanRange(
  id: TableId,
  sealer: RecordSealer,
  scan: {
    store: string
    table: number
    partition: Uint8Array
    from: bigint
    to: bigint
    sequenceFrom?: number
  },
): { start: Buffer; end: Buffer; trueKeyBytes: number } {
  const prefix = stateTrueKey(scan.store, encodePartition(scan.table, scan.partition))
  const start = Buffer.alloc(1 + prfBytes + 8)
  start[0] = id
  sealer.hideKey(prefix, start, 1)
  const end = Buffer.concat([start, new Uint8Array([255, 255, 255, 255, 0])])
  start.writeBigUInt64BE(scan.from, 1 + prfBytes)
  end.writeBigUInt64BE(scan.to, 1 + prfBytes)
  const sequence = Buffer.alloc(scan.sequenceFrom === undefined || scan.sequenceFrom === 0 ? 0 : 4)
  // Without it `start` lies before the first row, which a descending range leaves out.
  if (sequence.length > 0) sequence.writeUInt32BE(scan.sequenceFrom ?? 0)
  const trueKeyBytes = prefix.length + orderedTailBytes
  return { start: Buffer.concat([start, sequence]), end, trueKeyBytes }
}
