// Pages that are newer in memory than in the store. Most updates change a leaf or two of a page and leave its
// place as it is: such a page is written only when the redo records that bring the stored one up to date grow
// too many, so a page that changes often is written once for many changes. A page that came, went, was split
// or joined is written at once, so the stored pages always cut the tree without gap or overlap. Each of them
// holds its leaves as of the height of some kept redo record, or just before the first; playing all records
// in order gives the newest leaves, because a record says what a leaf is, not how it changed.
import { assert } from '../protocol/result.js'
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
  /** Records below are to go soon. */
  drainTo: number
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

/** What the store's records left to be written, when they have been played over its pages. */
export interface Replayed {
  /** One for each record, oldest first: the pages that it is the first to have changed. */
  entries: readonly { bytes: number; buckets: readonly Bucket[] }[]
  /** Pages that came or went. The stored ones need none of it unless somebody else wrote them. */
  moved: ReadonlyMap<string, Bucket | undefined>
}

/** Pages that an update writes beside its own while records drain: about 30 ms. */
const drainedPagesMax = 1_000
/** A record is read into memory when the tree is opened, and so are all pages that it names. */
const redoBytesLimit = 64 * 2 ** 20

export class PendingPages {
  readonly #bytesMax: number
  readonly #pending = new Map<string, Pending>()
  /** Oldest first. */
  readonly #entries: Entry[] = []
  /** Sequence of the first entry, or of the next when there is none. */
  #first: number
  #bytes = 0
  #drainTo = 0
  /** Due with the next update, whatever it is. */
  #due = new Map<string, Bucket | undefined>()

  constructor(bytesMax: number, first = 0) {
    assert(bytesMax <= redoBytesLimit, 'redo records are bounded')
    this.#bytesMax = bytesMax
    this.#first = first
  }

  /**
   * As it was when the last update was accepted. The records go within the next updates, some pages at a
   * time: the update that was to forget something may have been among them.
   */
  static afterReplay(bytesMax: number, first: number, { entries, moved }: Replayed): PendingPages {
    const pages = new PendingPages(bytesMax, first)
    for (const { bytes, buckets } of entries) {
      const since = first + pages.#entries.length
      for (const bucket of buckets) pages.#pending.set(bucket.id, { bucket, since })
      pages.#entries.push({ bytes, ids: buckets.map(({ id }) => id) })
      pages.#bytes += bytes
    }
    for (const [id, bucket] of moved) {
      pages.#pending.set(id, { bucket, since: first })
      pages.#due.set(id, bucket)
    }
    pages.#drainTo = first + entries.length
    return pages
  }

  /** What is to be written with an update. Changes nothing. */
  plan(changes: PageChanges, parts: readonly StoreChanges[], forgets = false): PagePlan {
    const byteCount = redoBytes(parts)
    const fits = byteCount <= this.#bytesMax
    const expired = fits ? Math.max(this.#expiredBy(byteCount), this.#drained()) : this.#entries.length
    const writes = new Map<string, Bucket | undefined>()
    for (const [id, bucket] of changes.buckets) if (!fits || changes.moved.has(id)) writes.set(id, bucket)
    for (const [id, bucket] of this.#dueWith(expired)) {
      if (!writes.has(id)) writes.set(id, changes.buckets.has(id) ? changes.buckets.get(id) : bucket)
    }
    const redo = {
      sequence: this.#first + this.#entries.length,
      record: fits && byteCount > 0 ? encodeRedo(parts) : undefined,
      dropFrom: this.#first,
      dropTo: this.#first + expired,
    }
    // With its own record, for the pages that it changed lie in the store as they were.
    return { writes, redo, drainTo: forgets ? redo.sequence + 1 : this.#drainTo }
  }

  /** Everything that is not in the store yet. Changes nothing. */
  planAll(): PagePlan {
    const writes = new Map(Array.from(this.#pending, ([id, { bucket }]) => [id, bucket]))
    const sequence = this.#first + this.#entries.length
    const redo = { sequence, record: undefined, dropFrom: this.#first, dropTo: sequence }
    return { writes, redo, drainTo: this.#drainTo }
  }

  /** The plan's writes are in the store. */
  accept({ writes, redo, drainTo }: PagePlan, buckets: ReadonlyMap<string, Bucket | undefined>): void {
    for (const { bytes } of this.#entries.splice(0, redo.dropTo - redo.dropFrom)) this.#bytes -= bytes
    this.#first = redo.dropTo
    this.#drainTo = drainTo
    this.#due.clear()
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

  /** How many of the oldest records go because they are to, at least one while there is one. */
  #drained(): number {
    let pageCount = 0
    let drained = 0
    for (; drained < this.#entries.length && this.#first + drained < this.#drainTo; drained += 1) {
      pageCount += this.#entries[drained].ids.length
      if (drained > 0 && pageCount > drainedPagesMax) break
    }
    return drained
  }

  *#dueWith(expired: number): Generator<[string, Bucket | undefined]> {
    yield* this.#due
    for (let index = 0; index < expired; index += 1) {
      for (const id of this.#entries[index].ids) {
        const pending = this.#pending.get(id)
        if (pending?.since === this.#first + index) yield [id, pending.bucket]
      }
    }
  }
}
