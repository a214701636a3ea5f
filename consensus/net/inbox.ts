// Frames from peers that wait for the driver. Peers take turns, and each peer's turn goes to its lowest
// class: a
// peer that floods delays itself and nobody else. Bounded by the credit that each peer holds.

import type { PeerId } from './transport.js'
import type { QueueClass } from './wire.js'

export interface InboxItem {
  readonly from: PeerId
  readonly frame: Uint8Array
  readonly queueClass: QueueClass
  readonly release: () => void
}

interface Lane {
  items: InboxItem[]
  head: number
}

type PeerLanes = readonly [Lane, Lane, Lane]

/** First in, first out per peer and class. */
export class Inbox {
  // A Map keeps insertion order: the peer that was served moves to the end.
  readonly #peers = new Map<PeerId, PeerLanes>()
  #count = 0

  get count(): number {
    return this.#count
  }

  put(item: InboxItem): void {
    let lanes = this.#peers.get(item.from)
    if (lanes === undefined) {
      lanes = [createLane(), createLane(), createLane()]
      this.#peers.set(item.from, lanes)
    }
    lanes[item.queueClass].items.push(item)
    this.#count += 1
  }

  take(): InboxItem | null {
    for (const [peer, lanes] of this.#peers) {
      this.#peers.delete(peer)
      const lane = lanes.find(({ items, head }) => head < items.length)
      if (lane === undefined) continue
      const item = lane.items[lane.head]
      lane.head += 1
      this.#count -= 1
      if (lane.head === lane.items.length || lane.head >= 512) {
        lane.items = lane.items.slice(lane.head)
        lane.head = 0
      }
      // A peer with nothing left is forgotten here or at its next turn.
      this.#peers.set(peer, lanes)
      return item
    }
    return null
  }
}

function createLane(): Lane {
  return { items: [], head: 0 }
}
