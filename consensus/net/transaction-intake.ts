// Transactions that peers bring, on their way to the pool. What a pool refuses has cost a check of a
// signature all the same: a peer whose bundles are refused has its next ones looked at later, so that its
// flood costs itself. Its credit stays used meanwhile: it cannot send more, and memory stays bounded.

import {
  intakePeersMax,
  refusalBurst,
  refusalDebtMax,
  refusalsPerSecond,
  urgentBundlesMax,
  urgentWaitMsMax,
} from './limits.js'
import type { Reception } from './ports.js'
import type { PeerId } from './transport.js'
import type { QueueClass } from './wire.js'

/**
 * What a reception costs its bringer. A node that was away shows what has become final meanwhile, and what
 * one member's pool has room or credit for another's may not: an honest peer is never slowed for those.
 */
function costOf(reception: Reception, isMember: boolean): number {
  if (reception === 'refused') return 1
  if (reception === 'over') return isMember ? 0 : 1
  return reception === 'late' ? 0.25 : 0
}

/** A bucket of refusals: full at first, filled again with time, and in debt after a flood. */
export class RefusalPace {
  #tokens = refusalBurst
  #at = 0

  charge(cost: number, now: number): void {
    this.#refill(now)
    this.#tokens = Math.max(-refusalDebtMax, this.#tokens - cost)
  }

  /** Milliseconds until the next frame is looked at. */
  waitMs(now: number): number {
    this.#refill(now)
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / refusalsPerSecond)
  }

  /** Nothing is remembered against this peer. */
  isFull(now: number): boolean {
    this.#refill(now)
    return this.#tokens === refusalBurst
  }

  #refill(now: number): void {
    const seconds = Math.max(0, now - this.#at) / 1000
    this.#at = Math.max(this.#at, now)
    this.#tokens = Math.min(refusalBurst, this.#tokens + seconds * refusalsPerSecond)
  }
}

interface PeerIntake {
  readonly pace: RefusalPace
  /** The end of what was taken last, by queue: while a peer is slowed its frames stay in order. */
  urgent: Promise<unknown>
  other: Promise<unknown>
  waiting: number
}

export interface TransactionFrame {
  readonly from: PeerId
  readonly isMember: boolean
  readonly bundles: readonly Uint8Array[]
  readonly queueClass: QueueClass
}

type Receive = (bundles: readonly Uint8Array[], from: PeerId) => Promise<readonly Reception[]>

export class TransactionIntake {
  // By peer, not by connection: whoever comes back at once brings its debt along.
  readonly #peers = new Map<PeerId, PeerIntake>()
  readonly #receive: Receive
  readonly #now: () => number

  readonly #rest: (ms: number) => Promise<void>

  /** `now` in milliseconds of any clock that only rises; `wait` resolves after so many of them. */
  constructor(receive: Receive, now: () => number = () => performance.now(), wait = rest) {
    this.#receive = receive
    this.#now = now
    this.#rest = wait
  }

  /** Answers as `TransactionPort.receive` does, later for a peer whose bundles were refused before. */
  async take(frame: TransactionFrame): Promise<readonly Reception[]> {
    const peer = this.#peerOf(frame.from)
    // A few bundles that travel with the votes: an alarm of an honest device behind a bad neighbour.
    const isUrgent = frame.queueClass === 0 && frame.bundles.length <= urgentBundlesMax
    const isFree = peer.waiting === 0 && peer.pace.waitMs(this.#now()) === 0
    if (isFree) return this.#look(peer, frame)
    peer.waiting += 1
    const turn = (isUrgent ? peer.urgent : peer.other)
      .then(() =>
        this.#rest(Math.min(peer.pace.waitMs(this.#now()), isUrgent ? urgentWaitMsMax : Infinity)),
      )
      .then(() => this.#look(peer, frame))
      .finally(() => (peer.waiting -= 1))
    const settled = turn.catch(() => undefined)
    if (isUrgent) peer.urgent = settled
    else peer.other = settled
    return turn
  }

  async #look(
    peer: PeerIntake,
    { bundles, from, isMember }: TransactionFrame,
  ): Promise<readonly Reception[]> {
    const receptions = await this.#receive(bundles, from)
    const cost = receptions.reduce((sum, reception) => sum + costOf(reception, isMember), 0)
    if (cost > 0) peer.pace.charge(cost, this.#now())
    return receptions
  }

  #peerOf(id: PeerId): PeerIntake {
    const known = this.#peers.get(id)
    if (known) return known
    if (this.#peers.size >= intakePeersMax) this.#forgetGood()
    const done = Promise.resolve()
    const peer = { pace: new RefusalPace(), urgent: done, other: done, waiting: 0 }
    this.#peers.set(id, peer)
    return peer
  }

  #forgetGood(): void {
    for (const [id, { pace, waiting }] of this.#peers)
      if (waiting === 0 && pace.isFull(this.#now())) this.#peers.delete(id)
  }
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (ms <= 0) resolve()
    else setTimeout(resolve, ms).unref()
  })
}
