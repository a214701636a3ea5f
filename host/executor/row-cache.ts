// The point rows that every transaction asks for (its key, its sequences, its patient, the versions in
// force), kept beside the store so that they are not unsealed and compared with the tree again and again.
// Derived data of this process only: a node without it computes the same results more slowly.
import { bytesToText, type StateWrite } from '../../runtime/state/index.js'

/** About 20 MB at the size of a kernel row. */
export const rowCountMax = 40_000
/** Larger rows are read seldom and would fill the memory. */
export const rowBytesMax = 512

export class RowCache {
  /** By table, then by key as text; a row that is known to be absent is kept as undefined. */
  private readonly tables = new Map<string, Map<string, Uint8Array | undefined>>()
  private count = 0

  get(table: string, key: Uint8Array, load: () => Uint8Array | undefined): Uint8Array | undefined {
    const text = bytesToText(key)
    const rows = this.tables.get(table)
    const known = rows?.get(text)
    if (known !== undefined || rows?.has(text) === true) return known
    const row = load()
    this.keep(table, text, row)
    return row
  }

  private keep(table: string, text: string, row: Uint8Array | undefined): void {
    if (row !== undefined && row.length > rowBytesMax) return
    // Starting over when full is cheap, rare, and needs no bookkeeping on each hit.
    if (this.count >= rowCountMax) this.clear()
    let rows = this.tables.get(table)
    if (rows === undefined) {
      rows = new Map()
      this.tables.set(table, rows)
    }
    rows.set(text, row)
    this.count += 1
  }

  /** Takes in what a final block wrote. Rows that are not kept stay so: they are read when asked for. */
  onCommit(writes: readonly StateWrite[], hasErasure: boolean): void {
    if (hasErasure) return this.clear()
    for (const { store, key, value } of writes) {
      // Point keys begin with 0; ordered rows are never kept here.
      if (key[0] !== 0) continue
      const rows = this.tables.get(store)
      if (rows === undefined) continue
      const text = bytesToText(key.subarray(1))
      if (!rows.has(text)) continue
      if (value !== undefined && value.length > rowBytesMax) rows.delete(text)
      else rows.set(text, value)
    }
  }

  private clear(): void {
    this.tables.clear()
    this.count = 0
  }
}
