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
    const write = this.#state.find(store, encodePointKey(key))
    return write === undefined ? this.#base.get(store, key) : write.value
  }

  scan(...scan: Parameters<BaseScan>): OrderedEntry[] {
    return this.#state.scan(...scan)
  }

  scanIndex(...scan: Parameters<BaseScan>): OrderedEntry[] {
    return this.#index.scan(...scan)
  }

  /** Key and value are copied: a guest may reuse its memory at once. */
  set(store: string, key: Uint8Array, value: Uint8Array): void {
    this.#write(this.#state, store, pointPrefix, encodePointKey(key), new Uint8Array(value))
  }

  /** Removing an absent key is allowed and changes nothing. */
  remove(store: string, key: Uint8Array): void {
    this.#write(this.#state, store, pointPrefix, encodePointKey(key), undefined)
  }

  /**
   * Appends a row and returns its sequence: one above the last row of (partition, order) there is now, or
   * 0.
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
    const last = table.scan(store, tableNumber, partition, order, order, 1, true)
    const sequence = last.length === 0 ? 0 : last[0].sequence + 1
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
    const rows = table.scan(store, tableNumber, partition, order, order, sequence + 1)
    if (!rows.some((row) => row.sequence === sequence)) return false
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

/** All point keys of a store are kept as one group. */
const pointPrefix = new Uint8Array([0])

interface Undo {
  rows: Rows
  text: string
  previous: StateWrite | undefined
}

/** The writes of one group of keys: a store's point keys, or one partition of an ordered table. */
class Rows {
  readonly writes = new Map<string, StateWrite>()
  readonly store: string
  constructor(store: string) {
    this.store = store
  }
  restore(undo: Undo): void {
    if (undo.previous === undefined) this.writes.delete(undo.text)
    else this.writes.set(undo.text, undo.previous)
  }
}

/** Writes of the state space or of the index space. */
class WriteTable {
  readonly #baseScan: BaseScan
  readonly #undo: Undo[]
  readonly #stores = new Map<string, Map<string, Rows>>()

  constructor(baseScan: BaseScan, undo: Undo[]) {
    this.#baseScan = baseScan
    this.#undo = undo
  }

  find(store: string, key: Uint8Array): StateWrite | undefined {
    return this.#rows(store, pointPrefix)?.writes.get(bytesToText(key))
  }

  write(store: string, prefix: Uint8Array, write: StateWrite, inFrame: boolean): void {
    const rows = this.#rowsForWriting(store, prefix)
    const text = bytesToText(write.key)
    if (inFrame) this.#undo.push({ rows, text, previous: rows.writes.get(text) })
    rows.writes.set(text, write)
  }

  scan(
    store: string,
    table: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    descending = false,
  ): OrderedEntry[] {
    if (limit <= 0 || from > to) return []
    const prefix = encodePartition(table, partition)
    const rows = this.#rows(store, prefix)
    if (rows === undefined || rows.writes.size === 0) {
      return this.#baseScan(store, table, partition, from, to, limit, descending)
    }
    const written = rowsInRange(rows, prefix.length, from, to, descending)
    // Each written row can hide at most one row of the base, so this many base rows are always enough.
    const below = this.#baseScan(store, table, partition, from, to, limit + written.length, descending)
    return mergeRows(below, written, limit, descending)
  }

  sorted(): StateWrite[] {
    const writes: StateWrite[] = []
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
      rows = new Rows(store)
      groups.set(text, rows)
    }
    return rows
  }
}

interface WrittenRow {
  order: bigint
  sequence: number
  value: Uint8Array | undefined
}

function rowsInRange(
  rows: Rows,
  prefixBytes: number,
  from: bigint,
  to: bigint,
  descending: boolean,
): WrittenRow[] {
  const found: WrittenRow[] = []
  for (const { key, value } of rows.writes.values()) {
    const view = new DataView(key.buffer, key.byteOffset)
    const order = view.getBigUint64(prefixBytes)
    if (order >= from && order <= to)
      found.push({ order, sequence: view.getUint32(prefixBytes + 8), value })
  }
  return found.sort((left, right) => (descending ? compareRows(right, left) : compareRows(left, right)))
}

function compareRows(
  left: { order: bigint; sequence: number },
  right: { order: bigint; sequence: number },
): number {
  if (left.order !== right.order) return left.order < right.order ? -1 : 1
  return left.sequence - right.sequence
}

/**
 * Both lists are sorted alike; a written row replaces or removes the base row of the same (order,
 * sequence).
 */
function mergeRows(
  below: OrderedEntry[],
  written: WrittenRow[],
  limit: number,
  descending: boolean,
): OrderedEntry[] {
  const merged: OrderedEntry[] = []
  let belowIndex = 0
  let writtenIndex = 0
  while (merged.length < limit && (belowIndex < below.length || writtenIndex < written.length)) {
    const side = nextSide(below[belowIndex], written[writtenIndex], descending)
    if (side < 0) {
      merged.push(below[belowIndex])
      belowIndex += 1
      continue
    }
    if (side === 0) belowIndex += 1
    const { order, sequence, value } = written[writtenIndex]
    if (value !== undefined) merged.push({ order, sequence, value })
    writtenIndex += 1
  }
  return merged
}

/** Negative: the base row comes first; positive: the written row; 0: they are the same row. */
function nextSide(
  base: OrderedEntry | undefined,
  write: WrittenRow | undefined,
  descending: boolean,
): number {
  if (base === undefined) return 1
  if (write === undefined) return -1
  return descending ? compareRows(write, base) : compareRows(base, write)
}
