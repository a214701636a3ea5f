// State held in memory: for tests, the `ward rule eval` command and the simulator's models. Not durable.
import { assert } from '../protocol/result.js'
import { firstNotBefore } from './merge-rows.js'
import { bytesToText, decodeStateKey, encodePartition } from './state-keys.js'
import type { PageWrite, RedoWrite, TreePages } from './tree-interface.js'
import type { IndexReader, OrderedEntry, StateReader, StateWrite, WriteSet } from './store-interface.js'

type Table = Map<string, Map<string, OrderedEntry[]>>

export class MemoryState implements StateReader, IndexReader {
  readonly #points = new Map<string, Map<string, Uint8Array>>()
  readonly #ordered: Table = new Map()
  readonly #index: Table = new Map()

  get(store: string, key: Uint8Array): Uint8Array | undefined {
    return this.#points.get(store)?.get(bytesToText(key))
  }

  scan(...scan: Parameters<StateReader['scan']>): OrderedEntry[] {
    return scanTable(this.#ordered, scan)
  }

  scanIndex(...scan: Parameters<StateReader['scan']>): OrderedEntry[] {
    return scanTable(this.#index, scan)
  }

  /** Applies a block's write set. */
  apply(writes: WriteSet): void {
    for (const write of writes.state) this.#applyState(write)
    for (const write of writes.index) applyRow(this.#index, write)
  }

  #applyState(write: StateWrite): void {
    if (write.key[0] !== 0) return applyRow(this.#ordered, write)
    const points = entryOf(this.#points, write.store, () => new Map<string, Uint8Array>())
    const text = bytesToText(write.key.subarray(1))
    if (write.value === undefined) points.delete(text)
    else points.set(text, write.value)
  }
}

function scanTable(table: Table, scan: Parameters<StateReader['scan']>): OrderedEntry[] {
  const [store, tableNumber, partition, from, to, limit, descending = false, sequenceFrom = 0] = scan
  const rows = table.get(store)?.get(bytesToText(encodePartition(tableNumber, partition))) ?? []
  const start = firstNotBefore(rows, from, sequenceFrom)
  const end = Math.max(start, firstNotBefore(rows, to + 1n, 0))
  const count = Math.min(end - start, Math.max(0, limit))
  return descending ? rows.slice(end - count, end).reverse() : rows.slice(start, start + count)
}

function applyRow(table: Table, write: StateWrite): void {
  const key = decodeStateKey(write.key)
  assert(key?.kind === 'ordered', 'an ordered row has an ordered key')
  const groups = entryOf(table, write.store, () => new Map<string, OrderedEntry[]>())
  const rows = entryOf(groups, bytesToText(encodePartition(key.table, key.partition)), () => [])
  const index = firstNotBefore(rows, key.order, key.sequence)
  const same =
    index < rows.length && rows[index].order === key.order && rows[index].sequence === key.sequence
  const row =
    write.value === undefined ? [] : [{ order: key.order, sequence: key.sequence, value: write.value }]
  rows.splice(index, same ? 1 : 0, ...row)
}

function entryOf<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

/** Tree pages held in memory. Copies both ways, as a store gives them: the tree uses buffers again. */
export class MemoryPages implements TreePages {
  readonly #pages = new Map<string, { id: Uint8Array; page: Uint8Array }>()
  readonly #redo = new Map<number, Uint8Array>()

  page(id: Uint8Array): Uint8Array | undefined {
    return this.#pages.get(bytesToText(id))?.page.slice()
  }

  pages(): Iterable<{ id: Uint8Array; page: Uint8Array }> {
    return Array.from(this.#pages.values(), ({ id, page }) => ({ id, page: page.slice() }))
  }

  redoRecords(): Iterable<{ sequence: number; record: Uint8Array }> {
    return Array.from(this.#redo, ([sequence, record]) => ({ sequence, record }))
  }

  apply(writes: readonly PageWrite[], redo?: RedoWrite): void {
    for (let dropped = redo?.dropFrom ?? 0; dropped < (redo?.dropTo ?? 0); dropped += 1)
      this.#redo.delete(dropped)
    if (redo?.record !== undefined) this.#redo.set(redo.sequence, redo.record)
    for (const { id, page } of writes) {
      if (page === undefined) this.#pages.delete(bytesToText(id))
      else this.#pages.set(bytesToText(id), { id, page: page.slice() })
    }
  }
}
