// Frames from peers that wait for the driver: lower classes first, and within a class peers take turns,
// so that a
// flooding peer delays itself and nobody else. Bounded by the credit that each peer holds.

import type { PeerId } from './transport.js'
import type { QueueClass } from './wire.js'

export interface InboxItem {
  readonly from: PeerId
  readonly frame: Uint8Array
  readonly release: () => void
}

interface PeerQueue {
  items: InboxItem[]
  head: number
}

/** Plain first-in-first-out per peer and class; `take` goes around the peers. */
export class Inbox {
  // A Map keeps insertion order: the peer that was served moves to the end.
  readonly #lanes: readonly [Map<PeerId, PeerQueue>, Map<PeerId, PeerQueue>, Map<PeerId, PeerQueue>] = [
    new Map(),
    new Map(),
    new Map(),
  ]
  #count = 0

  get count(): number {
    return this.#count
  }

  put(item: InboxItem, queueClass: QueueClass): void {
    const lane = this.#lanes[queueClass]
    const queue = lane.get(item.from)
    if (queue === undefined) lane.set(item.from, { items: [item], head: 0 })
    else queue.items.push(item)
    this.#count += 1
  }

  take(): InboxItem | null {
    for (const lane of this.#lanes) {
      for (const [peer, queue] of lane) {
        const item = queue.items[queue.head]
        lane.delete(peer)
        if (item === undefined) continue
        queue.head += 1
        this.#count -= 1
        if (queue.head < queue.items.length) lane.set(peer, compacted(queue))
        return item
      }
    }
    return null
  }
}

function compacted(queue: PeerQueue): PeerQueue {
  if (queue.head < 512) return queue
  return { items: queue.items.slice(queue.head), head: 0 }
}
