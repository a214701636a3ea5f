// Which tree pages stay in memory: the least recently used go first, by bytes.
import type { Bucket } from './subtree.js'

export class PageCache {
  readonly #bytesMax: number
  /** Oldest use first: a Map keeps the order of insertion. */
  readonly #buckets = new Map<string, Bucket>()
  readonly #pageBytes = new Map<string, number>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  hasRoom(byteCount: number): boolean {
    return this.#bytes + byteCount <= this.#bytesMax
  }

  keep(bucket: Bucket): void {
    this.forget(bucket.id)
    this.#buckets.set(bucket.id, bucket)
    const byteCount = bucket.page?.length ?? 0
    this.#pageBytes.set(bucket.id, byteCount)
    this.#bytes += byteCount
    if (this.#bytes > this.#bytesMax) this.#evict()
  }

  touch(bucket: Bucket): void {
    // Far from full, nothing will be evicted soon and the order does not matter.
    if (this.#bytes * 2 < this.#bytesMax) return
    if (this.#buckets.get(bucket.id) !== bucket) return
    this.#buckets.delete(bucket.id)
    this.#buckets.set(bucket.id, bucket)
  }

  /** Takes a page out for good: its bucket is not asked for it again. Undefined when it is not kept. */
  take(id: string): Uint8Array | undefined {
    const bucket = this.#buckets.get(id)
    if (bucket === undefined) return undefined
    this.forget(id)
    const { page } = bucket
    bucket.page = undefined
    return page
  }

  forget(id: string): void {
    this.#buckets.delete(id)
    this.#bytes -= this.#pageBytes.get(id) ?? 0
    this.#pageBytes.delete(id)
  }

  #evict(): void {
    for (const [id, bucket] of this.#buckets) {
      if (this.#bytes <= this.#bytesMax) return
      bucket.page = undefined
      this.forget(id)
    }
  }
}
