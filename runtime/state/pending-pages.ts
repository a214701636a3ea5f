// Pages that are newer in memory than in the store. Most updates change a leaf or two of a page and leave its
// place as it is: such a page is written only when the redo records that bring the stored one up to date grow
// too many, so a page that changes often is written once for many changes. A page that came, went, was split
// or joined is written at once, so the stored pages always cut the tree without gap or overlap. Each of them
// holds its leaves as of the height of some kept redo record, or just before the first; playing all records
// in order gives the newest leaves, because a record says what a leaf is, not how it changed.
import { encodeRedo, redoBytes, type StoreChanges } from './redo-record.js'
import type { Bucket } from './subtree.js'
import type { RedoWrite } from './tree-interface.js'

/** What an update did to the pages. */
export interface PageChanges {
  buckets: ReadonlyMap<string, Bucket | undefined>
  /** Those that cannot wait. */
  moved: ReadonlySet<string>
}

export interface PagePlan {
  /** To be written with the update; undefined is a removal. */
  writes: Map<string, Bucket | undefined>
  redo: RedoWrite
}

/** An update's redo record in the store. */
interface Entry {
  bytes: number
  /** Pages that it was the first to change since they were written. */
  ids: string[]
}

interface Pending {
  /** Undefined: to be removed. */
  bucket: Bucket | undefined
  /** Sequence of the redo record from which on the stored page is behind. */
  since: number
}

export class PendingPages {
  readonly #bytesMax: number
  readonly #pending = new Map<string, Pending>()
  /** Oldest first. */
  readonly #entries: Entry[] = []
  /** Sequence of the first entry, or of the next when there is none. */
  #first: number
  #bytes = 0
  #isAllDue = false

  constructor(bytesMax: number, first = 0) {
    this.#bytesMax = bytesMax
    this.#first = first
  }

  /**
   * After the store's redo records were played over its pages, which gave these: all are due with the next
   * update, since among them are pages that were split or joined on the way.
   */
  static afterReplay(
    bytesMax: number,
    first: number,
    count: number,
    buckets: ReadonlyMap<string, Bucket | undefined>,
  ): PendingPages {
    const pages = new PendingPages(bytesMax, first)
    for (let left = count; left > 0; left -= 1) pages.#entries.push({ bytes: 0, ids: [] })
    for (const [id, bucket] of buckets) pages.#pending.set(id, { bucket, since: first })
    pages.#isAllDue = true
    return pages
  }

  /** What is to be written with an update. Changes nothing. */
  plan(changes: PageChanges, parts: readonly StoreChanges[]): PagePlan {
    const byteCount = redoBytes(parts)
    const fits = byteCount <= this.#bytesMax
    const expired = fits && !this.#isAllDue ? this.#expiredBy(byteCount) : this.#entries.length
    const writes = new Map<string, Bucket | undefined>()
    for (const [id, bucket] of changes.buckets) if (!fits || changes.moved.has(id)) writes.set(id, bucket)
    for (const [id, bucket] of this.#due(expired)) {
      if (!writes.has(id)) writes.set(id, changes.buckets.has(id) ? changes.buckets.get(id) : bucket)
    }
    const redo = {
      sequence: this.#first + this.#entries.length,
      record: fits && byteCount > 0 ? encodeRedo(parts) : undefined,
      dropFrom: this.#first,
      dropTo: this.#first + expired,
    }
    return { writes, redo }
  }

  /** Everything that is not in the store yet. Changes nothing. */
  planAll(): PagePlan {
    const writes = new Map(Array.from(this.#pending, ([id, { bucket }]) => [id, bucket]))
    const sequence = this.#first + this.#entries.length
    return { writes, redo: { sequence, record: undefined, dropFrom: this.#first, dropTo: sequence } }
  }

  /** The plan's writes are in the store. */
  accept({ writes, redo }: PagePlan, buckets: ReadonlyMap<string, Bucket | undefined>): void {
    for (const { bytes } of this.#entries.splice(0, redo.dropTo - redo.dropFrom)) this.#bytes -= bytes
    this.#first = redo.dropTo
    this.#isAllDue = false
    for (const id of writes.keys()) this.#pending.delete(id)
    if (redo.record === undefined) return
    const entry: Entry = { bytes: redo.record.length, ids: [] }
    for (const [id, bucket] of buckets) {
      if (writes.has(id)) continue
      const since = this.#pending.get(id)?.since
      if (since === undefined) entry.ids.push(id)
      this.#pending.set(id, { bucket, since: since ?? redo.sequence })
    }
    this.#entries.push(entry)
    this.#bytes += entry.bytes
  }

  /** The page in memory of a bucket that will be replaced; undefined when it does not wait here. */
  pageOf(id: string): Uint8Array | undefined {
    return this.#pending.get(id)?.bucket?.page
  }

  /** How many of the oldest records go when one of so many bytes comes. */
  #expiredBy(byteCount: number): number {
    let bytes = this.#bytes + byteCount
    let expired = 0
    for (; bytes > this.#bytesMax; expired += 1) bytes -= this.#entries[expired].bytes
    return expired
  }

  *#due(expired: number): Generator<[string, Bucket | undefined]> {
    if (this.#isAllDue) {
      for (const [id, { bucket }] of this.#pending) yield [id, bucket]
      return
    }
    for (let index = 0; index < expired; index += 1) {
      for (const id of this.#entries[index].ids) {
        const pending = this.#pending.get(id)
        if (pending?.since === this.#first + index) yield [id, pending.bucket]
      }
    }
  }
}
