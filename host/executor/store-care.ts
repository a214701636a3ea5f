// The store's own housekeeping, in short slices between blocks: old payloads are pruned, records of a former
// key epoch are sealed anew, and a compacted copy takes the file's place when somebody asked for one.
import { getHeapStatistics } from 'node:v8'
import { isDamage, Reseal, StoreError, type ChainStore } from '../store/index.js'
import type { CareReply, CareRequest } from './messages.js'

/** Blocks of one pruning transaction, and records of one re-sealing transaction: a few milliseconds each. */
const pruneCount = 64
const resealCount = 200

export class StoreCare {
  readonly #store: ChainStore
  readonly #reseal: Reseal
  /** Where the pruning that is under way began; undefined when nothing is left to prune. */
  #pruneFrom: number | undefined

  constructor(store: ChainStore) {
    this.#store = store
    this.#reseal = new Reseal(store)
  }

  step({ budgetMs, keepBlocks, compact }: CareRequest): CareReply {
    const end = performance.now() + budgetMs
    const below = this.#below(keepBlocks)
    const damage = this.#tried(() => {
      while (this.#prune(below) && performance.now() < end);
    })
    while (this.#reseal.progress !== undefined && performance.now() < end) this.#reseal.step(resealCount)
    if (compact && this.#store.compactionState === 'none') this.#store.beginCompaction()
    const first = damage === null ? this.#store.firstPayload() : 0
    const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics()
    const from = this.#pruneFrom
    return {
      space: this.#store.space(),
      firstPayload: first,
      pruning: from === undefined ? null : { done: first - from, total: below - from },
      resealing: this.#reseal.progress ?? null,
      compaction: this.#store.compactionState,
      heap: { usedBytes, limitBytes },
      damage,
    }
  }

  /** Pruning that meets damage waits until it is mended; the other kinds of care go on. */
  #tried(work: () => void): CareReply['damage'] {
    try {
      work()
      return null
    } catch (error) {
      if (!(error instanceof StoreError) || !isDamage(error.code)) throw error
      this.#pruneFrom = undefined
      return { code: error.code, detail: error.message }
    }
  }

  /** Height from which on payloads stay. */
  #below(keepBlocks: number | null): number {
    if (keepBlocks === null) return 0
    return Math.max(0, (this.#store.applied()?.height ?? 0) + 1 - keepBlocks)
  }

  /** One transaction; false when nothing is left. */
  #prune(below: number): boolean {
    const first = this.#store.firstPayload()
    if (first >= below) {
      this.#pruneFrom = undefined
      return false
    }
    this.#pruneFrom ??= first
    this.#store.prune(below, pruneCount)
    return true
  }
}
