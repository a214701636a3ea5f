// Going back: undo journals of blocks, the state before a block, and one transaction of it run again with a
// trace.
import { zeroHash } from '../protocol/hash.js'
import { concatBytes, equalBytes, utf8 } from '../protocol/bytes.js'
import type { Receipt } from '../protocol/receipt.js'
import type { RecordBody } from '../protocol/record.js'
import { assert } from '../protocol/result.js'
import { decodeStateKey, encodePartition } from '../state/state-keys.js'
import type {
  IndexReader,
  OrderedEntry,
  StateReader,
  StateWrite,
  WriteSet,
} from '../state/store-interface.js'
import type { TreeUpdate } from '../state/tree-interface.js'
import { byteText } from './byte-text.js'
import { executeBlock } from './execute-block.js'
import type { ModuleCache } from './module-cache.js'
import type { BlockInput, BlockRefusalCode, ExecutionPorts, ParentState } from './ports.js'
import type { TraceEvent } from './trace.js'

type Scan = Parameters<StateReader['scan']>

/**
 * The write set that takes a block back: for each key it wrote, what `state` (before the block) has there.
 */
export function undoOf(state: StateReader & IndexReader, writes: WriteSet): WriteSet {
  return {
    state: writes.state.map((write) => before(write, state, (...scan) => state.scan(...scan))),
    index: writes.index.map((write) => before(write, state, (...scan) => state.scanIndex(...scan))),
  }
}

function before(
  { store, key }: StateWrite,
  state: StateReader,
  scan: (...scan: Scan) => OrderedEntry[],
): StateWrite {
  const place = decodeStateKey(key)
  assert(place !== undefined, 'a write has an encoded key')
  if (place.kind === 'point') return { store, key, value: state.get(store, place.key) }
  const { table, partition, order, sequence } = place
  const rows = scan(store, table, partition, order, order, sequence + 1)
  return { store, key, value: rows.find((row) => row.sequence === sequence)?.value }
}

/**
 * The state before the last blocks: `undos` newest first, each from `undoOf`. Bodies and attachments are
 * those of today, for they are never changed; a tree is not kept, so results of blocks on it have no true
 * state root.
 */
export function rewind(state: ParentState, undos: readonly WriteSet[]): ParentState {
  return new RewoundState(state, undos)
}

/** Rows of one table's partition that differ from today: undefined means that the row was not there. */
type Rows = Map<string, { order: bigint; sequence: number; value: Uint8Array | undefined }>

class RewoundState implements ParentState {
  readonly #base: ParentState
  readonly #points = new Map<string, Uint8Array | undefined>()
  readonly #ordered = new Map<string, Rows>()
  readonly #index = new Map<string, Rows>()

  constructor(base: ParentState, undos: readonly WriteSet[]) {
    this.#base = base
    for (const undo of undos) {
      for (const write of undo.state) this.#put(this.#ordered, write)
      for (const write of undo.index) this.#put(this.#index, write)
    }
  }

  /** Older undos come later and win. */
  #put(tables: Map<string, Rows>, { store, key, value }: StateWrite): void {
    const place = decodeStateKey(key)
    assert(place !== undefined, 'an undo has an encoded key')
    if (place.kind === 'point') {
      this.#points.set(`${store}\n${byteText(place.key)}`, value)
      return
    }
    const { table, partition, order, sequence } = place
    const group = groupOf(store, table, partition)
    const rows = tables.get(group) ?? (new Map() as Rows)
    rows.set(`${order}/${sequence}`, { order, sequence, value })
    tables.set(group, rows)
  }

  get(store: string, key: Uint8Array): Uint8Array | undefined {
    const text = `${store}\n${byteText(key)}`
    return this.#points.has(text) ? this.#points.get(text) : this.#base.get(store, key)
  }

  scan(...scan: Scan): OrderedEntry[] {
    return merge(this.#ordered, scan, (...asked) => this.#base.scan(...asked))
  }

  scanIndex(...scan: Scan): OrderedEntry[] {
    return merge(this.#index, scan, (...asked) => this.#base.scanIndex(...asked))
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
    return { root: zeroHash, pageWrites: [] }
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
  const [store, table, partition, from, to, limit, descending = false] = scan
  const rows = tables.get(groupOf(store, table, partition))
  if (rows === undefined) return below(...scan)
  // Each undone row hides at most one row of today.
  const today = below(store, table, partition, from, to, limit + rows.size, descending)
  const kept = today.filter(({ order, sequence }) => !rows.has(`${order}/${sequence}`))
  for (const { order, sequence, value } of rows.values()) {
    if (value !== undefined && order >= from && order <= to) kept.push({ order, sequence, value })
  }
  const direction = descending ? -1 : 1
  kept.sort((left, right) => {
    if (left.order !== right.order) return left.order < right.order ? -direction : direction
    return (left.sequence - right.sequence) * direction
  })
  return kept.slice(0, limit)
}

export interface Replay {
  receipt: Receipt
  /** Encoded, to be compared with the certified one. */
  receiptBytes: Uint8Array
  /** Frames and host calls of this transaction, in order. */
  events: TraceEvent[]
}

/**
 * Runs a block again on its pre-state and gives one transaction's receipt and trace; signed, derived and
 * timer ids alike. Undefined when the block has no such transaction; a code when it is not a valid block of
 * that state.
 */
export function replayTransaction(
  input: BlockInput,
  preState: ParentState,
  transactionId: Uint8Array,
  cache: ModuleCache,
  ports: ExecutionPorts,
): { ok: true; replay: Replay | undefined } | { ok: false; code: BlockRefusalCode; detail?: string } {
  const events: TraceEvent[] = []
  const outcome = executeBlock(input, preState, cache, ports, {
    // The block is certified: its signatures were checked by a quorum.
    signatureChecked: () => true,
    trace: (event) => {
      if (equalBytes(event.transactionId, transactionId)) events.push(event)
    },
  })
  if (!outcome.ok) return outcome
  const place = outcome.receiptsDecoded.findIndex((receipt) =>
    equalBytes(receipt.transactionId, transactionId),
  )
  if (place < 0) return { ok: true, replay: undefined }
  return {
    ok: true,
    replay: { receipt: outcome.receiptsDecoded[place], receiptBytes: outcome.receipts[place], events },
  }
}
