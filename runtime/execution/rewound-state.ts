// The state before an earlier block: today's state seen through undo journals. Journals may be added one by
// one, and blocks may be applied in between, as long as each new block's journal is added too.
import { zeroHash } from '../protocol/hash.js'
import { concatBytes, utf8 } from '../protocol/bytes.js'
import type { RecordBody } from '../protocol/record.js'
import { assert } from '../protocol/result.js'
import { decodeStateKey, encodePartition } from '../state/state-keys.js'
import type { OrderedEntry, StateReader, StateWrite, WriteSet } from '../state/store-interface.js'
import type { TreeUpdate } from '../state/tree-interface.js'
import { byteText } from './byte-text.js'
import { recordIndex, store as tables } from './kernel-tables.js'
import type { ParentState } from './ports.js'
import { decodeRecordRow } from './record-rows.js'

type Scan = Parameters<StateReader['scan']>

/** Rows of one table's partition that differ from today: undefined means that the row was not there. */
type Rows = Map<string, { order: bigint; sequence: number; value: Uint8Array | undefined }>

/**
 * The state before block `height`. `undos` newest first, each from `undoOf`, without a gap from the last
 * block of `state` to this one. Bodies and attachments are those of today, for they are never changed; a
 * tree is not kept, so results of blocks on it have no true state root.
 */
export function rewind(state: ParentState, undos: readonly WriteSet[], height: number): RewoundState {
  const rewound = new RewoundState(state, height)
  for (const undo of undos) rewound.addOlder(undo)
  return rewound
}

export class RewoundState implements ParentState {
  readonly #base: ParentState
  readonly #height: number
  readonly #points = new Map<string, Uint8Array | undefined>()
  readonly #ordered = new Map<string, Rows>()
  readonly #index = new Map<string, Rows>()
  #entryCount = 0

  constructor(base: ParentState, height: number) {
    this.#base = base
    this.#height = height
  }

  /** Keys that differ from today. */
  get entryCount(): number {
    return this.#entryCount
  }

  /** The journal of the block before those added so far: it wins over them. */
  addOlder(undo: WriteSet): void {
    for (const write of undo.state) this.#put(this.#ordered, write, true)
    for (const write of undo.index) this.#put(this.#index, write, true)
  }

  /** The journal of a block that was applied after those added so far: what they say stands. */
  addNewer(undo: WriteSet): void {
    for (const write of undo.state) this.#put(this.#ordered, write, false)
    for (const write of undo.index) this.#put(this.#index, write, false)
  }

  #put(grouped: Map<string, Rows>, { store, key, value }: StateWrite, wins: boolean): void {
    const place = decodeStateKey(key)
    assert(place !== undefined, 'an undo has an encoded key')
    if (place.kind === 'point') {
      const text = `${store}\n${byteText(place.key)}`
      const isKnown = this.#points.has(text)
      if (!isKnown) this.#entryCount += 1
      if (wins || !isKnown) this.#points.set(text, value)
      return
    }
    const { table, partition, order, sequence } = place
    const group = groupOf(store, table, partition)
    const rows = grouped.get(group) ?? (new Map() as Rows)
    grouped.set(group, rows)
    const name = `${order}/${sequence}`
    const isKnown = rows.has(name)
    if (!isKnown) this.#entryCount += 1
    if (wins || !isKnown) rows.set(name, { order, sequence, value })
  }

  get(store: string, key: Uint8Array): Uint8Array | undefined {
    const text = `${store}\n${byteText(key)}`
    const value = this.#points.has(text) ? this.#points.get(text) : this.#base.get(store, key)
    if (store !== tables.record || value === undefined) return value
    return decodeRecordRow(value).height < this.#height ? value : undefined
  }

  scan(...scan: Scan): OrderedEntry[] {
    return merge(this.#ordered, scan, (...asked) => this.#base.scan(...asked))
  }

  scanIndex(...scan: Scan): OrderedEntry[] {
    if (scan[0] === tables.record) return this.#scanRecords(...scan)
    return merge(this.#index, scan, (...asked) => this.#base.scanIndex(...asked))
  }

  /** Index rows of records are never changed: those of younger records are passed over. */
  #scanRecords(...[store, table, partition, from, to, limit, descending]: Scan): OrderedEntry[] {
    const before = BigInt(this.#height - 1)
    const end = table === recordIndex.kindArrival && to > before ? before : to
    for (let asked = limit; ; asked *= 2) {
      const rows = this.#base.scanIndex(store, table, partition, from, end, asked, descending)
      const kept = rows.filter(({ value }) => this.get(store, value) !== undefined)
      if (kept.length >= limit || rows.length < asked) return kept.slice(0, limit)
    }
  }

  bodyOf(recordId: Uint8Array): RecordBody | 'erased' | undefined {
    return this.#base.bodyOf(recordId)
  }

  attachmentOf(hash: Uint8Array): Uint8Array | undefined {
    return this.#base.attachmentOf(hash)
  }

  /**
   * Not a root: today's root and everything that is undone of the store, so that two former states never
   * have the same version and nothing that was computed from one of them serves another.
   */
  subRoot(store: string): Uint8Array {
    const parts = [this.#base.subRoot(store)]
    const add = (place: string, value: Uint8Array | undefined): void => {
      parts.push(utf8(`${place}\n${value === undefined ? '-' : value.length}\n`), value ?? noBytes)
    }
    for (const [place, value] of this.#points) if (place.startsWith(`${store}\n`)) add(place, value)
    for (const [group, rows] of this.#ordered) {
      if (!group.startsWith(`${store}\n`)) continue
      for (const [place, { value }] of rows) add(`${group}/${place}`, value)
    }
    return concatBytes(...parts)
  }

  updateTree(): TreeUpdate {
    return {
      root: zeroHash,
      pageWrites: [],
      redo: { sequence: 0, record: undefined, dropFrom: 0, dropTo: 0 },
    }
  }
}

const noBytes = new Uint8Array(0)

const groupOf = (store: string, table: number, partition: Uint8Array): string =>
  `${store}\n${byteText(encodePartition(table, partition))}`

function merge(
  tables: Map<string, Rows>,
  scan: Scan,
  below: (...scan: Scan) => OrderedEntry[],
): OrderedEntry[] {
  const [store, table, partition, from, to, limit, descending = false, sequenceFrom = 0] = scan
  const rows = tables.get(groupOf(store, table, partition))
  if (rows === undefined) return below(...scan)
  // Each undone row hides at most one row of today.
  const today = below(store, table, partition, from, to, limit + rows.size, descending, sequenceFrom)
  const kept = today.filter(({ order, sequence }) => !rows.has(`${order}/${sequence}`))
  for (const { order, sequence, value } of rows.values()) {
    if (order === from && sequence < sequenceFrom) continue
    if (value !== undefined && order >= from && order <= to) kept.push({ order, sequence, value })
  }
  const direction = descending ? -1 : 1
  kept.sort((left, right) => {
    if (left.order !== right.order) return left.order < right.order ? -direction : direction
    return (left.sequence - right.sequence) * direction
  })
  return kept.slice(0, limit)
}
