// What rules read over and over: rows, bodies and the newest index rows of patients who are being
// monitored. Records never change, so a cached one stays right; an erasure empties everything. Derived
// data of this process only: it decides nothing, and a node without it computes the same results more
// slowly.
import type { RecordBody } from '../../runtime/protocol/index.js'
import type { ExecutedBlock } from '../../runtime/execution/index.js'
import { recordIndex, store as tables } from '../../runtime/execution/kernel-tables.js'
import { bytesToText, decodeStateKey, type OrderedEntry } from '../../runtime/state/index.js'

/** About 60 MB at the size of a vital sign. */
const recordCountMax = 50_000
const partitionCountMax = 20_000
/** Rows kept of each partition: a day of readings every few minutes, and then some. */
const rowCountMax = 512
const loadCount = 128

interface Tail {
  /** Newest first: descending (order, sequence). */
  rows: OrderedEntry[]
  /** No older rows exist in the store. */
  complete: boolean
}

type Load = (limit: number) => OrderedEntry[]

export class RecordCache {
  private readonly rows = new Map<string, Uint8Array>()
  private readonly bodies = new Map<string, RecordBody>()
  private readonly tails = new Map<string, Tail>()

  row(id: Uint8Array, load: () => Uint8Array | undefined): Uint8Array | undefined {
    const key = bytesToText(id)
    const known = this.rows.get(key)
    if (known !== undefined) return known
    const row = load()
    if (row !== undefined) keep(this.rows, key, row, recordCountMax)
    return row
  }

  body(id: Uint8Array, load: () => RecordBody | 'erased' | undefined): RecordBody | 'erased' | undefined {
    const key = bytesToText(id)
    const known = this.bodies.get(key)
    if (known !== undefined) return known
    const body = load()
    if (body !== undefined && body !== 'erased') keep(this.bodies, key, body, recordCountMax)
    return body
  }

  /**
   * Rows of one partition of the record index, newest first; undefined when the cache cannot know them
   * all.
   */
  newest(
    table: number,
    partition: Uint8Array,
    range: { from: bigint; to: bigint; limit: number },
    load: Load,
  ): OrderedEntry[] | undefined {
    if (table !== recordIndex.codeTime && table !== recordIndex.kindTime) return undefined
    const tail = this.tail(partitionKey(table, partition), load)
    const found: OrderedEntry[] = []
    for (const row of tail.rows) {
      if (row.order > range.to) continue
      if (row.order < range.from) return found
      if (found.length >= range.limit) return found
      found.push(row)
    }
    return tail.complete || found.length >= range.limit ? found : undefined
  }

  private tail(key: string, load: Load): Tail {
    const known = this.tails.get(key)
    if (known !== undefined) return known
    const rows = load(loadCount)
    const tail = { rows, complete: rows.length < loadCount }
    keep(this.tails, key, tail, partitionCountMax)
    return tail
  }

  /** Takes in what a final block added. */
  onCommit(executed: ExecutedBlock, hasErasure: boolean): void {
    if (hasErasure) return this.clear()
    for (const { id, body } of executed.records) {
      // A copy: the content may be a view of a bundle or a whole payload, which would stay with it.
      const kept = { salt: body.salt, content: body.content.slice() }
      keep(this.bodies, bytesToText(id), kept, recordCountMax)
    }
    for (const { store, key, value } of executed.writeSet.state) {
      if (store !== tables.record || key[0] !== 0 || value === undefined) continue
      keep(this.rows, bytesToText(key.subarray(1)), value, recordCountMax)
    }
    for (const { store, key, value } of executed.writeSet.index) {
      const place = store === tables.record ? decodeStateKey(key) : undefined
      if (place?.kind !== 'ordered') continue
      const name = partitionKey(place.table, place.partition)
      const tail = this.tails.get(name)
      if (tail === undefined) continue
      if (value === undefined) this.tails.delete(name)
      else insert(tail, { order: place.order, sequence: place.sequence, value })
    }
  }

  private clear(): void {
    this.rows.clear()
    this.bodies.clear()
    this.tails.clear()
  }
}

const partitionKey = (table: number, partition: Uint8Array): string => `${table}:${bytesToText(partition)}`

/** Starting over when full is cheap, rare, and needs no bookkeeping on each hit. */
function keep<T>(map: Map<string, T>, key: string, value: T, countMax: number): void {
  if (map.size >= countMax) map.clear()
  map.set(key, value)
}

function insert(tail: Tail, row: OrderedEntry): void {
  const at = tail.rows.findIndex(
    ({ order, sequence }) => order < row.order || (order === row.order && sequence <= row.sequence),
  )
  if (at < 0) {
    // Older than everything that is kept: only a complete tail may say where it belongs.
    if (tail.complete) tail.rows.push(row)
  } else if (tail.rows[at].order === row.order && tail.rows[at].sequence === row.sequence) {
    tail.rows[at] = row
  } else {
    tail.rows.splice(at, 0, row)
  }
  if (tail.rows.length > rowCountMax) {
    tail.rows.length = rowCountMax
    tail.complete = false
  }
}
