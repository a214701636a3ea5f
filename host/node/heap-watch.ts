// How full the heaps are, of the thread that executes and of the one that serves. A heap that is full ends
// the node, so it is told while there is time. What is in use counts garbage as well: the least of the last
// minute is what stays.
import { getHeapStatistics } from 'node:v8'
import { errorTable } from '../../runtime/protocol/index.js'
import type { HeapView } from '../api/history-port.js'
import type { NodeLogger } from './node-logger.js'

export interface HeapUse {
  usedBytes: number
  limitBytes: number
}

/** The collector runs more often than that. */
const windowMs = 60_000
const highShare = 0.8

/** One thread's looks: each kept one used less than all after it, so the first is the least. */
interface Looks {
  /** Since when there was no minute without a look. */
  sinceMs: number
  kept: { atMs: number; usedBytes: number }[]
}

export class HeapWatch {
  private readonly uses = new Map<HeapView['thread'], Looks>()
  private readonly high = new Set<HeapView['thread']>()

  constructor(
    private readonly logger: Pick<NodeLogger, 'warn' | 'info'>,
    private readonly ownUse: () => HeapUse = ownHeap,
    /** Monotonic milliseconds. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /**
   * With what the executor said of itself. Rounds of the store's upkeep are 3 s apart, and 50 ms while it is
   * busy: a minute is measured, not counted in rounds.
   */
  look(executor: HeapUse): HeapView[] {
    return [this.note('executor', executor), this.note('main', this.ownUse())]
  }

  private note(thread: HeapView['thread'], { usedBytes, limitBytes }: HeapUse): HeapView {
    const atMs = this.now()
    const before = this.uses.get(thread)
    const recent = (before?.kept ?? []).filter((look) => look.atMs > atMs - windowMs)
    const sinceMs = before && recent.length > 0 ? before.sinceMs : atMs
    const kept = [...recent.filter((look) => look.usedBytes < usedBytes), { atMs, usedBytes }]
    this.uses.set(thread, { sinceMs, kept })
    const least = kept[0].usedBytes
    // Not in the first minute: a start makes more garbage than anything that follows.
    const isHigh = atMs - sinceMs >= windowMs && least > highShare * limitBytes
    if (isHigh !== this.high.has(thread)) this.tell(thread, isHigh, { usedBytes: least, limitBytes })
    return { thread, usedBytes: least, limitBytes, isHigh }
  }

  private tell(thread: HeapView['thread'], isHigh: boolean, use: HeapUse): void {
    if (isHigh) this.high.add(thread)
    else this.high.delete(thread)
    if (isHigh) this.logger.warn({ code: 'HEAP_HIGH', thread, ...use }, errorTable.HEAP_HIGH.sentence)
    else this.logger.info({ code: 'HEAP_ENOUGH', thread, ...use }, 'the heap has room again')
  }
}

function ownHeap(): HeapUse {
  const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics()
  return { usedBytes, limitBytes }
}
