// Which transactions still have to go to whom. Collects what arrives in one turn and sends it in few
// frames.
//
// A node that first sees a transaction tells all validators and its subscribers. A validator that hears
// it from
// another validator tells only its subscribers: the first one has told the rest. So every validator sees
// it (R20),
// observers see it before it is final (R31), and nobody gets it n times.

import { bundlesPerFrameMax, transactionsFrameBytes } from './limits.js'
import { encodeTransactionsFrame } from './frames.js'
import type { PeerId } from './transport.js'

/** How a peer stands to this node, as far as gossip goes. */
export interface GossipPeer {
  readonly peer: PeerId
  /** A member of the present validator set, or what a follower takes its blocks from. */
  readonly isUpstream: boolean
  /** Has asked for transactions. */
  readonly isSubscriber: boolean
}

interface Fresh {
  readonly bundle: Uint8Array
  /** Null: submitted here. */
  readonly from: PeerId | null
  readonly fromUpstream: boolean
}

export interface GossipOptions {
  peers(): readonly GossipPeer[]
  send(to: PeerId, frame: Uint8Array): void
}

/** Flushes once a turn of the event loop. */
export class Gossip {
  readonly #options: GossipOptions
  #fresh: Fresh[] = []
  #scheduled = false

  constructor(options: GossipOptions) {
    this.#options = options
  }

  /**
   * Valid bundles that this node had not seen. `fromUpstream`: their sender has told the validators
   * already.
   */
  add(bundles: readonly Uint8Array[], from: PeerId | null, fromUpstream: boolean): void {
    for (const bundle of bundles) this.#fresh.push({ bundle, from, fromUpstream })
    if (this.#scheduled || this.#fresh.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  flush(): void {
    const fresh = this.#fresh
    this.#fresh = []
    // Most peers want the same bundles: one encoding serves all of them.
    const encoded = new Map<string, Uint8Array[]>()
    for (const peer of this.#options.peers()) {
      const chosen = fresh.map((item) => isFor(item, peer))
      if (!chosen.includes(true)) continue
      const key = chosen.map((isChosen) => (isChosen ? '1' : '0')).join('')
      let frames = encoded.get(key)
      if (frames === undefined) {
        frames = packBundles(fresh.filter((_, index) => chosen[index]).map((item) => item.bundle))
        encoded.set(key, frames)
      }
      for (const frame of frames) this.#options.send(peer.peer, frame)
    }
  }
}

function isFor(item: Fresh, peer: GossipPeer): boolean {
  if (item.from === peer.peer) return false
  return peer.isSubscriber || (peer.isUpstream && !item.fromUpstream)
}

/** Transactions frames of moderate size; a bundle larger than that has a frame of its own. */
export function packBundles(bundles: readonly Uint8Array[]): Uint8Array[] {
  const frames: Uint8Array[] = []
  let batch: Uint8Array[] = []
  let batchBytes = 0
  for (const bundle of bundles) {
    const isFull =
      batchBytes + bundle.length > transactionsFrameBytes || batch.length === bundlesPerFrameMax
    if (isFull && batch.length > 0) {
      frames.push(encodeTransactionsFrame(batch))
      batch = []
      batchBytes = 0
    }
    batch.push(bundle)
    batchBytes += bundle.length
  }
  if (batch.length > 0) frames.push(encodeTransactionsFrame(batch))
  return frames
}
