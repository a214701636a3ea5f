// Which transactions still have to go to whom. Collects what arrives in one turn and sends it in few
// frames.
//
// A node that first sees a transaction tells all validators and its subscribers. A validator that hears
// it from
// another validator tells only its subscribers: the first one has told the rest. So every validator sees
// it (R20),
// observers see it before it is final (R31), and nobody gets it n times.

import {
  bundlesPerFrameMax,
  gossipLowQueueBytesMax,
  gossipMissedBytesMax,
  gossipQueueBytesMax,
  transactionsFrameBytes,
  urgentBundleBytesMax,
} from './limits.js'
import { encodeTransactionsFrame } from './frames.js'
import type { Urgency } from './ports.js'
import type { PeerId } from './transport.js'
import type { QueueClass } from './wire.js'

/** How a peer stands to this node, as far as gossip goes. */
export interface GossipPeer {
  readonly peer: PeerId
  /** A member of the present validator set, or what a follower takes its blocks from. */
  readonly isUpstream: boolean
  /** Has asked for transactions. */
  readonly isSubscriber: boolean
}

export interface FreshBundle {
  readonly bundle: Uint8Array
  /** An urgent one travels with the votes if it is small; a low one leaves the queue to the others. */
  readonly urgency: Urgency
  /** Null: submitted here. */
  readonly from: PeerId | null
  /** Its sender has told the validators already. */
  readonly fromUpstream: boolean
}

export interface GossipOptions {
  peers(): readonly GossipPeer[]
  /** As `Transport.send`. */
  send(to: PeerId, frame: Uint8Array, queueClass: QueueClass, boundBytes: number): boolean
  /** The oldest waiting bundles of the pool, for a peer that has missed more than is remembered. */
  resend(): readonly Uint8Array[]
}

interface Missed {
  bundles: Uint8Array[]
  bytes: number
  /** Some were forgotten: only the pool knows them now. */
  isIncomplete: boolean
}

/** What goes by the ordinary queue; low ones have a smaller part of it and a memory of their own. */
type Share = 'normal' | 'low'
const shares: readonly Share[] = ['normal', 'low']
const queueBytesOf: Readonly<Record<Share, number>> = {
  normal: gossipQueueBytesMax,
  low: gossipLowQueueBytesMax,
}

/** Flushes once a turn of the event loop. */
export class Gossip {
  readonly #options: GossipOptions
  readonly #missed: Readonly<Record<Share, Map<PeerId, Missed>>> = { normal: new Map(), low: new Map() }
  #fresh: FreshBundle[] = []
  #scheduled = false

  constructor(options: GossipOptions) {
    this.#options = options
  }

  /** Valid bundles that this node had not seen. */
  add(fresh: readonly FreshBundle[]): void {
    this.#fresh.push(...fresh)
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
    const urgent = fresh.filter(isForVotesQueue)
    const peers = this.#options.peers()
    this.#spread(urgent, peers, (peer, { frame }) => {
      this.#options.send(peer, frame, 0, gossipQueueBytesMax)
    })
    for (const share of shares) {
      const own = fresh.filter(
        (item) => !isForVotesQueue(item) && (item.urgency === 'low') === (share === 'low'),
      )
      this.#spread(own, peers, (peer, packed) => this.#sendOrRemember(peer, packed, share))
    }
  }

  #spread(
    fresh: readonly FreshBundle[],
    peers: readonly GossipPeer[],
    send: (peer: PeerId, packed: PackedBundles) => void,
  ): void {
    // Most peers want the same bundles: one encoding serves all of them.
    const encoded = new Map<string, PackedBundles[]>()
    for (const peer of peers) {
      const chosen = fresh.map((item) => isFor(item, peer))
      if (!chosen.includes(true)) continue
      const key = chosen.map((isChosen) => (isChosen ? '1' : '0')).join('')
      let frames = encoded.get(key)
      if (frames === undefined) {
        frames = packBundles(fresh.filter((_, index) => chosen[index]).map((item) => item.bundle))
        encoded.set(key, frames)
      }
      for (const packed of frames) send(peer.peer, packed)
    }
  }

  #sendOrRemember(peer: PeerId, packed: PackedBundles, share: Share): void {
    const missed = this.#missed[share].get(peer)
    // In order: what came later does not overtake what is remembered.
    if (missed === undefined && this.#options.send(peer, packed.frame, 1, queueBytesOf[share])) return
    const list = missed ?? { bundles: [], bytes: 0, isIncomplete: false }
    this.#missed[share].set(peer, list)
    for (const bundle of packed.bundles) {
      if (list.bytes + bundle.length > gossipMissedBytesMax) {
        list.isIncomplete = true
        return
      }
      list.bundles.push(bundle)
      list.bytes += bundle.length
    }
  }

  /** There is room again towards this peer. */
  writable(peer: PeerId): void {
    for (const share of shares) {
      const missed = this.#missed[share].get(peer)
      if (missed === undefined) continue
      this.#missed[share].delete(peer)
      const bundles = missed.isIncomplete ? [...missed.bundles, ...this.#options.resend()] : missed.bundles
      for (const packed of packBundles(bundles)) this.#sendOrRemember(peer, packed, share)
    }
  }

  /** A peer that is gone starts anew with what the pool shows it. */
  forget(peer: PeerId): void {
    for (const share of shares) this.#missed[share].delete(peer)
  }

  /** Bytes of bundles that are remembered for this peer. */
  missedBytes(peer: PeerId): number {
    return shares.reduce((bytes, share) => bytes + (this.#missed[share].get(peer)?.bytes ?? 0), 0)
  }
}

function isForVotesQueue({ bundle, urgency }: FreshBundle): boolean {
  return urgency === 'urgent' && bundle.length <= urgentBundleBytesMax
}

function isFor(item: FreshBundle, peer: GossipPeer): boolean {
  if (item.from === peer.peer) return false
  return peer.isSubscriber || (peer.isUpstream && !item.fromUpstream)
}

export interface PackedBundles {
  readonly frame: Uint8Array
  readonly bundles: readonly Uint8Array[]
}

/** Transactions frames of moderate size; a bundle larger than that has a frame of its own. */
export function packBundles(bundles: readonly Uint8Array[]): PackedBundles[] {
  const frames: PackedBundles[] = []
  let batch: Uint8Array[] = []
  let batchBytes = 0
  const close = () => {
    if (batch.length > 0) frames.push({ frame: encodeTransactionsFrame(batch), bundles: batch })
    batch = []
    batchBytes = 0
  }
  for (const bundle of bundles) {
    const isFull =
      batchBytes + bundle.length > transactionsFrameBytes || batch.length === bundlesPerFrameMax
    if (isFull) close()
    batch.push(bundle)
    batchBytes += bundle.length
  }
  close()
  return frames
}
