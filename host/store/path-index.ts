// State records by their path in the tree. The store keeps them under opaque keys, so whoever wants all
// records below one part of the tree needs this; it is made by one pass over the store, in slices.
import { hasPrefix, type TreePlace } from '../../runtime/state/index.js'
import type { Hash } from '../../runtime/protocol/hash.js'
import type { ReadTransaction, SealedEnvironment } from './sealed-environment.js'
import { table } from './tables.js'

export interface StateRecord {
  key: Uint8Array
  value: Uint8Array
}

/** path 32 | table u8 | stored key length u8 | stored key, at most 29 bytes */
const entryBytes = 64
const bucketBits = 12
const stateTables = [table.statePoint, table.stateOrdered] as const

interface Bucket {
  bytes: Uint8Array
  count: number
}

export class PathIndex {
  readonly #environment: SealedEnvironment
  readonly #hash: Hash
  readonly #transaction: ReadTransaction | undefined
  readonly #stores = new Map<string, Map<number, Bucket>>()
  readonly #scan: Generator<undefined>
  isComplete = false

  constructor(environment: SealedEnvironment, hash: Hash, transaction?: ReadTransaction) {
    this.#environment = environment
    this.#hash = hash
    this.#transaction = transaction
    this.#scan = this.#records()
  }

  /** Works for about so long, one record at least; false when nothing is left to do. */
  step(budgetMs: number): boolean {
    const end = performance.now() + budgetMs
    while (!this.isComplete) {
      if (this.#scan.next().done === true) this.isComplete = true
      if (performance.now() >= end) break
    }
    return !this.isComplete
  }

  /**
   * Before `done` of its transaction: a pass that was begun and not ended holds a cursor, and that keeps the
   * engine's place for a reader, of which there are 126, whatever the transaction says.
   */
  close(): void {
    this.#scan.return(undefined)
  }

  *#records(): Generator<undefined> {
    for (const id of stateTables) {
      const sealer = this.#environment.sealer(id)
      const options = { transaction: this.#transaction }
      const [start, end] = [Buffer.from([id]), Buffer.from([id + 1])]
      for (const { storedKey, record } of this.#environment.range(start, end, options)) {
        const { trueKey } = sealer.openEntry(storedKey, record)
        const { store, key } = splitStateKey(trueKey)
        this.add(store, this.#hash(key), id, storedKey)
        yield undefined
      }
    }
  }

  add(store: string, path: Uint8Array, id: number, storedKey: Uint8Array): void {
    let buckets = this.#stores.get(store)
    if (buckets === undefined) this.#stores.set(store, (buckets = new Map<number, Bucket>()))
    const number = (path[0] << 4) | (path[1] >>> 4)
    let bucket = buckets.get(number)
    if (bucket === undefined)
      buckets.set(number, (bucket = { bytes: new Uint8Array(entryBytes), count: 0 }))
    if (bucket.bytes.length === bucket.count * entryBytes) {
      const grown = new Uint8Array(2 * bucket.bytes.length)
      grown.set(bucket.bytes)
      bucket.bytes = grown
    }
    const at = bucket.count * entryBytes
    bucket.bytes.set(path, at)
    bucket.bytes[at + 32] = id
    bucket.bytes[at + 33] = storedKey.length
    bucket.bytes.set(storedKey, at + 34)
    bucket.count += 1
  }

  /** Every record below this place, as this index' transaction sees it. */
  under(place: TreePlace): StateRecord[] {
    const found: StateRecord[] = []
    for (const [number, bucket] of this.#stores.get(place.store) ?? []) {
      if (!mayHold(number, place)) continue
      for (let index = 0; index < bucket.count; index += 1) {
        const at = index * entryBytes
        if (!hasPrefix(bucket.bytes, place, at)) continue
        const record = this.#read(bucket.bytes, at)
        if (record !== undefined) found.push(record)
      }
    }
    return found
  }

  #read(bytes: Uint8Array, at: number): StateRecord | undefined {
    const id = bytes[at + 32] as (typeof stateTables)[number]
    const storedKey = bytes.slice(at + 34, at + 34 + bytes[at + 33])
    const record = this.#environment.getRecord(storedKey, this.#transaction)
    if (record === undefined) return undefined
    const { trueKey, value } = this.#environment.sealer(id).openEntry(storedKey, record)
    return { key: splitStateKey(trueKey).key.slice(), value: value.slice() }
  }
}

/** May leaves of this bucket (the first 12 bits of their paths) lie below the place? */
function mayHold(number: number, { path, depth }: TreePlace): boolean {
  const shift = bucketBits - Math.min(depth, bucketBits)
  return number >>> shift === ((path[0] << 4) | (path[1] >>> 4)) >>> shift
}

/** Undoes `stateTrueKey`. */
export function splitStateKey(trueKey: Uint8Array): { store: string; key: Uint8Array } {
  const nameEnd = 1 + (trueKey[0] ?? 0)
  return {
    store: Buffer.from(trueKey.subarray(1, nameEnd)).toString('latin1'),
    key: trueKey.subarray(nameEnd),
  }
}
