// Transactions that peers bring, on their way to the pool. Nothing is held here: a frame is looked at now, or
// dropped unlooked-at when its bringer forged many before or has too much waiting for the pool already.

import { forgedBurst, forgedDebtMax, forgedPerSecond, intakeBytesMax, intakePeersMax } from './limits.js'
import type { Reception } from './ports.js'
import type { PeerId } from './transport.js'

interface PeerIntake {
  /** Forgeries that are still free, at this time; negative after a flood. */
  tokens: number
  at: number
  /** Of its frames that the pool has not answered for. */
  waitingBytes: number
}

export type Intake =
  | { readonly ok: true; readonly receptions: readonly Reception[] }
  /** Not looked at. */
  | { readonly ok: false; readonly code: 'FORGED_TRANSACTIONS' | 'TRANSACTIONS_TOO_MANY' }

type Receive = (bundles: readonly Uint8Array[], from: PeerId) => Promise<readonly Reception[]>

export class TransactionIntake {
  // By peer, not by connection: whoever comes back at once brings its debt along.
  readonly #peers = new Map<PeerId, PeerIntake>()
  readonly #receive: Receive
  readonly #now: () => number

  /** `now` in milliseconds of any clock that only rises. */
  constructor(receive: Receive, now: () => number = () => performance.now()) {
    this.#receive = receive
    this.#now = now
  }

  async take(from: PeerId, bundles: readonly Uint8Array[]): Promise<Intake> {
    const peer = this.#peerOf(from)
    this.#refill(peer)
    if (peer.tokens < 0) return { ok: false, code: 'FORGED_TRANSACTIONS' }
    const bytes = bundles.reduce((sum, bundle) => sum + bundle.length, 0)
    if (peer.waitingBytes + bytes > intakeBytesMax) return { ok: false, code: 'TRANSACTIONS_TOO_MANY' }
    peer.waitingBytes += bytes
    try {
      const receptions = await this.#receive(bundles, from)
      const forged = receptions.filter((reception) => reception === 'forged').length
      this.#refill(peer)
      peer.tokens = Math.max(-forgedDebtMax, peer.tokens - forged)
      return { ok: true, receptions }
    } finally {
      peer.waitingBytes -= bytes
    }
  }

  #refill(peer: PeerIntake): void {
    const now = this.#now()
    const seconds = Math.max(0, now - peer.at) / 1000
    peer.at = now
    peer.tokens = Math.min(forgedBurst, peer.tokens + seconds * forgedPerSecond)
  }

  #peerOf(id: PeerId): PeerIntake {
    const known = this.#peers.get(id)
    if (known) return known
    if (this.#peers.size >= intakePeersMax) this.#forgetGood()
    const peer = { tokens: forgedBurst, at: this.#now(), waitingBytes: 0 }
    this.#peers.set(id, peer)
    return peer
  }

  #forgetGood(): void {
    for (const [id, peer] of this.#peers) {
      this.#refill(peer)
      if (peer.waitingBytes === 0 && peer.tokens === forgedBurst) this.#peers.delete(id)
    }
  }
}
