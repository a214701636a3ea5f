// The overlay: what a block being executed has changed so far, over the state that is final.
//
// Frames nest: `begin` opens one, `commit` keeps it as part of its parent, `rollback` takes its writes
// back. Reads cost the same at any depth, because a frame is a list of what to undo and not a layer to
// look through.
import { assert } from '../protocol/result.js'
import {
  assertStoreName,
  bytesToText,
  compareWrites,
  encodePartition,
  encodePointKey,
  joinOrderedKey,
} from './state-keys.js'
import {
  sequenceMax,
  type IndexReader,
  type OrderedEntry,
  type StateReader,
  type StateWrite,
  type WriteSet,
} from './store-interface.js'
import {
  firstNotBefore,
  isAt,
  mergeDown,
  mergeUp,
  rowOf,
  type ScanPart,
  type WrittenRow,
} from './merge-rows.js'

type BaseScan = StateReader['scan']

export class Overlay implements StateReader, IndexReader {
  readonly #base: StateReader & IndexReader
  readonly #state: WriteTable
  readonly #index: WriteTable
  readonly #undo: Undo[] = []
  /** Length of the undo list at the start of each open frame. */
  readonly #frames: number[] = []
  readonly #revisions = new Map<string, number>()

  constructor(base: StateReader & IndexReader) {
    this.#base = base
    this.#state = new WriteTable((...scan) => base.scan(...scan), this.#undo)
    this.#index = new WriteTable((...scan) => base.scanIndex(...scan), this.#undo)
  }

  /** How many frames are open. */
  get depth(): number {
    return this.#frames.length
  }

  begin(): void {
    this.#frames.push(this.#undo.length)
  }

  /** Ends the innermost frame; its writes become its parent's, or the block's. */
  commit(): void {
    assert(this.#frames.length > 0, 'commit without begin')
    this.#frames.pop()
    if (this.#frames.length === 0) this.#undo.length = 0
  }

  /**
   * Ends the innermost frame and takes back everything written since its `begin`, inner frames included.
   */
  rollback(): void {
    const start = this.#frames.pop()
    assert(start !== undefined, 'rollback without begin')
    while (this.#undo.length > start) {
      const undo = this.#undo.pop()
      assert(undo !== undefined, 'undo list is longer than the frame')
      undo.rows.restore(undo)
      this.#revise(undo.rows.store)
    }
  }

  get(store: string, key: Uint8Array): Uint8Array | undefined {
    const write = this.#state.find(store, key)
    return write === undefined ? this.#base.get(store, key) : write.value
  }

  scan(...scan: Parameters<BaseScan>): OrderedEntry[] {
    return this.#state.scan(...scan)
  }

  scanIndex(...scan: Parameters<BaseScan>): OrderedEntry[] {
    return this.#index.scan(...scan)
  }

  /**
   * A part of an ascending scan that looks at no more than `limit` rows of the base, so that its caller can
   * charge for each part before it asks for the next.
   */
  scanPart(...part: Parameters<WriteTable['part']>): ScanPart {
    return this.#state.part(...part)
  }

  /** Key and value are copied: a guest may reuse its memory at once. */
  set(store: string, key: Uint8Array, value: Uint8Array): void {
    this.setOwned(store, key, new Uint8Array(value))
  }

  /** As `set`, for a value that its maker hands over and never changes again. */
  setOwned(store: string, key: Uint8Array, value: Uint8Array | undefined): void {
    const write = { store, key: encodePointKey(key), value }
    this.#state.writePoint(store, key, write, this.#frames.length > 0)
    this.#revise(store)
  }

  /** Removing an absent key is allowed and changes nothing. */
  remove(store: string, key: Uint8Array): void {
    this.setOwned(store, key, undefined)
  }

  /**
   * Appends a row and returns its sequence: one above the last row that (partition, order) has or has had
   * in this block, or 0. What was removed in this block counts, so that nobody has to search behind it.
   */
  orderedPut(
    store: string,
    table: number,
    partition: Uint8Array,
    order: bigint,
    value: Uint8Array,
  ): number {
    return this.#append(this.#state, store, table, partition, order, value)
  }

  /** True when the row existed. */
  orderedRemove(
    store: string,
    table: number,
    partition: Uint8Array,
    order: bigint,
    sequence: number,
  ): boolean {
    return this.#removeRow(this.#state, store, table, partition, order, sequence)
  }

  /** As `orderedPut`, in the index space: outside the tree and the root. */
  indexPut(store: string, table: number, partition: Uint8Array, order: bigint, value: Uint8Array): number {
    return this.#append(this.#index, store, table, partition, order, value)
  }

  indexRemove(
    store: string,
    table: number,
    partition: Uint8Array,
    order: bigint,
    sequence: number,
  ): boolean {
    return this.#removeRow(this.#index, store, table, partition, order, sequence)
  }

  /**
   * Changes whenever a write to the store happens or is taken back: a key for what was computed from the
   * store.
   */
  revision(store: string): number {
    return this.#revisions.get(store) ?? 0
  }

  /** Everything written, sorted. All frames must be closed. */
  writeSet(): WriteSet {
    assert(this.#frames.length === 0, 'write set asked for inside a frame')
    return { state: this.#state.sorted(), index: this.#index.sorted() }
  }

  #append(
    table: WriteTable,
    store: string,
    tableNumber: number,
    partition: Uint8Array,
    order: bigint,
    value: Uint8Array,
  ): number {
    const sequence = table.lastSequence(store, tableNumber, partition, order) + 1
    assert(sequence <= sequenceMax, 'sequence overflow')
    const prefix = encodePartition(tableNumber, partition)
    this.#write(table, store, prefix, joinOrderedKey(prefix, order, sequence), new Uint8Array(value))
    return sequence
  }

  #removeRow(
    table: WriteTable,
    store: string,
    tableNumber: number,
    partition: Uint8Array,
    order: bigint,
    sequence: number,
  ): boolean {
    const [row] = table.scan(store, tableNumber, partition, order, order, 1, false, sequence)
    if (row?.sequence !== sequence) return false
    const prefix = encodePartition(tableNumber, partition)
    this.#write(table, store, prefix, joinOrderedKey(prefix, order, sequence), undefined)
    return true
  }

  #write(
    table: WriteTable,
    store: string,
    prefix: Uint8Array,
    key: Uint8Array,
    value: Uint8Array | undefined,
  ): void {
    table.write(store, prefix, { store, key, value }, this.#frames.length > 0)
    this.#revise(store)
  }

  #revise(store: string): void {
    this.#revisions.set(store, (this.#revisions.get(store) ?? 0) + 1)
  }
}

interface Undo {
  rows: Rows
  text: string
  previous: StateWrite | undefined
}

/** The writes of one group of keys: a store's point keys, or one partition of an ordered table. */
class Rows {
  readonly writes = new Map<string, StateWrite>()
  /** Of an ordered table: the same writes by (order, sequence), so that no scan has to sort them. */
  readonly sorted: WrittenRow[] = []
  readonly store: string
  readonly #isOrdered: boolean

  constructor(store: string, isOrdered: boolean) {
    this.store = store
    this.#isOrdered = isOrdered
  }

  set(text: string, write: StateWrite): void {
    this.writes.set(text, write)
    if (!this.#isOrdered) return
    const row = rowOf(write)
    const at = firstNotBefore(this.sorted, row.order, row.sequence)
    this.sorted.splice(at, isAt(this.sorted[at], row) ? 1 : 0, row)
  }

  restore(undo: Undo): void {
    if (undo.previous !== undefined) return this.set(undo.text, undo.previous)
    const write = this.writes.get(undo.text)
    this.writes.delete(undo.text)
    if (!this.#isOrdered || write === undefined) return
    const row = rowOf(write)
    this.sorted.splice(firstNotBefore(this.sorted, row.order, row.sequence), 1)
  }
}

/** Writes of the state space or of the index space. */
class WriteTable {
  readonly #baseScan: BaseScan
  readonly #undo: Undo[]
  /** Point keys by store. */
  readonly #points = new Map<string, Rows>()
  /** Ordered rows by store and partition. */
  readonly #stores = new Map<string, Map<string, Rows>>()

  constructor(baseScan: BaseScan, undo: Undo[]) {
    this.#baseScan = baseScan
    this.#undo = undo
  }

  /** The write to a point key, given without its prefix. */
  find(store: string, key: Uint8Array): StateWrite | undefined {
    return this.#points.get(store)?.writes.get(bytesToText(key))
  }

  /** `key` as the caller has it, `write.key` encoded. */
  writePoint(store: string, key: Uint8Array, write: StateWrite, inFrame: boolean): void {
    let rows = this.#points.get(store)
    if (rows === undefined) {
      assertStoreName(store)
      rows = new Rows(store, false)
      this.#points.set(store, rows)
    }
    this.#put(rows, bytesToText(key), write, inFrame)
  }

  write(store: string, prefix: Uint8Array, write: StateWrite, inFrame: boolean): void {
    this.#put(this.#rowsForWriting(store, prefix), bytesToText(write.key), write, inFrame)
  }

  #put(rows: Rows, text: string, write: StateWrite, inFrame: boolean): void {
    if (inFrame) this.#undo.push({ rows, text, previous: rows.writes.get(text) })
    rows.set(text, write)
  }

  scan(
    store: string,
    table: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    descending = false,
    sequenceFrom = 0,
  ): OrderedEntry[] {
    if (limit <= 0 || from > to) return []
    const rows = this.#rows(store, encodePartition(table, partition))
    if (rows === undefined || rows.writes.size === 0) {
      return this.#baseScan(store, table, partition, from, to, limit, descending, sequenceFrom)
    }
    if (descending) return this.#scanDown(rows, [store, table, partition, from, to, limit])
    const found: OrderedEntry[] = []
    let next: ScanPart['next'] = { order: from, sequence: sequenceFrom }
    while (next !== undefined && found.length < limit) {
      const left = limit - found.length
      const part: ScanPart = this.part(store, table, partition, next.order, to, left, next.sequence)
      found.push(...part.rows)
      next = part.next
    }
    return found
  }

  /** See `Overlay.scanPart`. */
  part(
    store: string,
    table: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    sequenceFrom: number,
  ): ScanPart {
    if (limit <= 0 || from > to) return { rows: [], looked: 0, next: undefined }
    const below = this.#baseScan(store, table, partition, from, to, limit, false, sequenceFrom)
    const written = this.#rows(store, encodePartition(table, partition))?.sorted ?? []
    const start = firstNotBefore(written, from, sequenceFrom)
    const isWhole = below.length < limit
    return mergeUp(below, isWhole, { written, start, to }, limit)
  }

  /** Newest first: asks the base for more rows until those that are hidden no longer matter. */
  #scanDown(rows: Rows, scan: Parameters<BaseScan>): OrderedEntry[] {
    const [store, table, partition, from, to, limit] = scan
    for (let asked = limit; ; asked *= 4) {
      const below = this.#baseScan(store, table, partition, from, to, asked, true)
      const isWhole = below.length < asked
      const found = mergeDown(below, isWhole, { written: rows.sorted, from, to }, limit)
      if (isWhole || found.length === limit) return found
    }
  }

  /** Highest sequence that (partition, order) has, or has had in this block; -1 for none. */
  lastSequence(store: string, table: number, partition: Uint8Array, order: bigint): number {
    const [last] = this.#baseScan(store, table, partition, order, order, 1, true)
    const written = this.#rows(store, encodePartition(table, partition))?.sorted ?? []
    const own = written[firstNotBefore(written, order + 1n, 0) - 1] as WrittenRow | undefined
    return Math.max(last?.sequence ?? -1, own?.order === order ? own.sequence : -1)
  }

  sorted(): StateWrite[] {
    const writes: StateWrite[] = []
    for (const rows of this.#points.values()) for (const write of rows.writes.values()) writes.push(write)
    for (const groups of this.#stores.values()) {
      for (const rows of groups.values()) for (const write of rows.writes.values()) writes.push(write)
    }
    return writes.sort(compareWrites)
  }

  #rows(store: string, prefix: Uint8Array): Rows | undefined {
    return this.#stores.get(store)?.get(bytesToText(prefix))
  }

  #rowsForWriting(store: string, prefix: Uint8Array): Rows {
    let groups = this.#stores.get(store)
    if (groups === undefined) {
      assertStoreName(store)
      groups = new Map()
      this.#stores.set(store, groups)
    }
    const text = bytesToText(prefix)
    let rows = groups.get(text)
    if (rows === undefined) {
      rows = new Rows(store, true)
      groups.set(text, rows)
    }
    return rows
  }
}
