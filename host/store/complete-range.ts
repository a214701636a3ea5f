// A walk over one part of an environment that is complete or fails. A seal tells that a record was altered,
// not that one is missing: a flipped bit in a stored key puts the record where nobody looks, or ends a walk
// early, and the engine says nothing. So a walk begins at the record before its range and ends at the first
// one behind it, each next to the other in the file. Both are opened, which proves their keys too, and the
// keys in between must rise. A record that was hidden would have to lie between two neighbours that are
// whole and in order, and there is no place between them.
//
// What this does not see: damage to the engine's own numbers (pages, places in a page), which can leave out
// records with their places. `ward doctor` looks at those (engine-check.ts).
import type { Engine, ReadTransaction } from './sealed-environment.js'
import { StoreError } from './store-error.js'
import { table } from './tables.js'

/** The first key of every environment: nothing lies before it. */
export const labelKey = Buffer.from([table.label])

export interface StoredRecord {
  storedKey: Buffer
  record: Buffer
}

export interface RangeOptions {
  limit?: number
  /** From the largest key below `end` down to `start`. */
  descending?: boolean
  transaction?: ReadTransaction
  /** Something else proves that these are all, as the root does of the tree: no neighbours are asked. */
  isVouchedFor?: boolean
}

/**
 * Records with start <= key < end. `authenticate` throws when a record is not the one that was sealed under
 * its key; the records that are given out are for the caller to open. Throws RECORD_ALTERED, and
 * NEIGHBOUR_ALTERED where what was asked for may be whole.
 */
export function* completeRange(
  engine: Engine,
  [start, end]: readonly [Buffer, Buffer],
  { limit = Infinity, descending = false, transaction, isVouchedFor = false }: RangeOptions,
  authenticate: (storedKey: Buffer, record: Buffer) => void,
): Generator<StoredRecord> {
  if (limit <= 0) return
  if (isVouchedFor && descending) throw new RangeError('a range that is vouched for is read upwards')
  const below = isVouchedFor ? start : keyUpTo(engine, start, transaction)
  const beside = descending ? keyFrom(engine, end, transaction) : below
  let isAtStart = beside !== undefined && !isVouchedFor
  let previous = descending ? end : start
  let count = 0
  for (const { key, value } of walk(engine, beside, descending, transaction)) {
    if (isAtStart) {
      isAtStart = false
      const order = Buffer.compare(key, previous)
      if ((beside !== undefined && !key.equals(beside)) || (descending ? order < 0 : order > 0))
        throw misplaced(key)
      if (descending || order < 0) {
        asNeighbour(key, value, authenticate)
        continue
      }
    } else if (!isNext(key, previous, descending, count === 0)) throw misplaced(key)
    if (descending ? Buffer.compare(key, start) < 0 : Buffer.compare(key, end) >= 0) {
      if (!isVouchedFor) asNeighbour(key, value, authenticate)
      return
    }
    yield { storedKey: key, record: value }
    previous = key
    count += 1
    if (count >= limit) return
  }
}

function asNeighbour(
  key: Buffer,
  record: Buffer,
  authenticate: (key: Buffer, record: Buffer) => void,
): void {
  try {
    authenticate(key, record)
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'RECORD_ALTERED') throw error
    const words = 'lies beside what was asked for and is damaged: whether that is all cannot be shown'
    throw new StoreError('NEIGHBOUR_ALTERED', `the record ${key.toString('hex')} ${words}`, error)
  }
}

/** In the direction of the walk; before its first record `previous` is the bound of the range. */
function isNext(key: Buffer, previous: Buffer, descending: boolean, isFirst: boolean): boolean {
  const order = Buffer.compare(key, previous)
  return descending ? order < 0 : order > 0 || (isFirst && order === 0)
}

/** From `beside` on, it included; undefined: from the last key down. */
function walk(
  engine: Engine,
  beside: Buffer | undefined,
  descending: boolean,
  transaction: ReadTransaction | undefined,
): Iterable<{ key: Buffer; value: Buffer }> {
  return engine.getRange({
    ...(beside === undefined ? {} : { start: beside }),
    ...(descending ? { reverse: true, end: labelKey } : {}),
    // lmdb-js types know only its own transaction class.
    transaction: transaction as never,
  })
}

/** The largest key that is not above `key`: the label's if no other. */
function keyUpTo(engine: Engine, key: Buffer, transaction: ReadTransaction | undefined): Buffer {
  const options = { start: key, end: labelKey, reverse: true, limit: 1, transaction: transaction as never }
  for (const found of engine.getKeys(options)) return found
  return labelKey
}

/** The smallest key that is not below `key`. */
function keyFrom(
  engine: Engine,
  key: Buffer,
  transaction: ReadTransaction | undefined,
): Buffer | undefined {
  for (const found of engine.getKeys({ start: key, limit: 1, transaction: transaction as never }))
    return found
  return undefined
}

export const misplaced = (key: Buffer): StoreError =>
  new StoreError('RECORD_ALTERED', `the key ${key.toString('hex')} is not where it belongs`)
