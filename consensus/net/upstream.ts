// Which peer a follower takes its blocks and transactions from, and when it turns to another
// (consensus.md 10).
// One full upstream; the others' heartbeats and tips show whether it withholds anything. Pure bookkeeping.

import { upstreamLagMs } from './limits.js'
import type { PeerId } from './transport.js'

export interface UpstreamCandidate {
  readonly peer: PeerId
  /** Best height that it claims. */
  readonly tipHeight: number
}

/** Spreads followers over upstreams: everybody prefers another order. */
function preference(own: PeerId, peer: PeerId): string {
  let mixed = ''
  for (let index = 0; index < 16; index++) {
    mixed += (parseInt(own[index] ?? '0', 16) ^ parseInt(peer[index] ?? '0', 16)).toString(16)
  }
  return mixed
}

export class UpstreamChoice {
  current: PeerId | null = null
  readonly #own: PeerId
  /** Since when another source has shown a higher tip than this node has reached; -1: not behind. */
  #behindSince = -1
  #behindHeight = 0

  constructor(own: PeerId) {
    this.#own = own
  }

  /**
   * Call on every change of peers and regularly. Answers the upstream to use now, or null without
   * candidates.
   */
  choose(candidates: readonly UpstreamCandidate[], ownHeight: number, now: number): PeerId | null {
    if (!candidates.some(({ peer }) => peer === this.current)) this.#take(this.#best(candidates, null))
    const best = candidates.reduce((height, { tipHeight }) => Math.max(height, tipHeight), 0)
    if (best <= ownHeight || ownHeight > this.#behindHeight) {
      // Caught up, or moving: only a standstill below a known tip is held against the upstream.
      this.#behindSince = best <= ownHeight ? -1 : now
      this.#behindHeight = ownHeight
    } else if (this.#behindSince < 0) {
      this.#behindSince = now
    } else if (now - this.#behindSince >= upstreamLagMs && candidates.length > 1) {
      this.#take(this.#best(candidates, this.current))
    }
    return this.current
  }

  #take(peer: PeerId | null): void {
    this.current = peer
    this.#behindSince = -1
  }

  #best(candidates: readonly UpstreamCandidate[], except: PeerId | null): PeerId | null {
    const open = candidates.filter(({ peer }) => peer !== except)
    const sorted = open.sort((left, right) => {
      // After a standstill the source with the higher tip is the one that has what is missing.
      if (except !== null && left.tipHeight !== right.tipHeight) return right.tipHeight - left.tipHeight
      return preference(this.#own, left.peer) < preference(this.#own, right.peer) ? -1 : 1
    })
    return sorted[0]?.peer ?? null
  }
}
