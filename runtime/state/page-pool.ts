// Buffers of pages that nobody reads any more, for the next ones. A block replaces thousands of pages of
// about a kilobyte; memory of their own for each costs the allocator and the collector more than hashing.

/** What is kept at most. The pages of the tree itself are the cache's. */
const pooledBytesMax = 8 * 2 ** 20

export class PagePool {
  readonly #byLength = new Map<number, Uint8Array[]>()
  #bytes = 0

  /** A buffer of exactly this length, with anything in it. */
  take(byteCount: number): Uint8Array {
    const page = this.#byLength.get(byteCount)?.pop()
    if (page === undefined) return new Uint8Array(byteCount)
    this.#bytes -= byteCount
    return page
  }

  /** The caller holds the only reference to these bytes. */
  give(page: Uint8Array): void {
    if (this.#bytes + page.length > pooledBytesMax) return
    const pages = this.#byLength.get(page.length)
    if (pages === undefined) this.#byLength.set(page.length, [page])
    else pages.push(page)
    this.#bytes += page.length
  }
}
