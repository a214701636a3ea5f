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

/** A round of the store's upkeep each 3 s: a minute. The collector runs more often than that. */
const keptCount = 20
const highShare = 0.8

export class HeapWatch {
  private readonly uses = new Map<HeapView['thread'], number[]>()
  private readonly high = new Set<HeapView['thread']>()

  constructor(
    private readonly logger: Pick<NodeLogger, 'warn' | 'info'>,
    private readonly ownUse: () => HeapUse = ownHeap,
  ) {}

  /** Once a round, with what the executor said of itself. */
  look(executor: HeapUse): HeapView[] {
    return [this.note('executor', executor), this.note('main', this.ownUse())]
  }

  private note(thread: HeapView['thread'], { usedBytes, limitBytes }: HeapUse): HeapView {
    const kept = [...(this.uses.get(thread) ?? []), usedBytes].slice(-keptCount)
    this.uses.set(thread, kept)
    const least = Math.min(...kept)
    // Not by the first looks: a start makes more garbage than anything that follows.
    const isHigh = kept.length === keptCount && least > highShare * limitBytes
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
