// Which peer a follower takes its blocks and transactions from, and when it turns to another
// (consensus.md 10).
// One full upstream; the others' heartbeats and tips show whether it withholds anything. Pure bookkeeping.

import { upstreamDistrustMs, upstreamLagMs } from './limits.js'

/** Transport key of a peer, hex. */
type PeerId = string

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
  /**
   * Peers that were left at a standstill, and until when their claims mean nothing: they may be invented.
   */
  readonly #distrustedUntil = new Map<PeerId, number>()

  constructor(own: PeerId) {
    this.#own = own
  }

  /**
   * Call on every change of peers and regularly. Answers the upstream to use now, or null without
   * candidates.
   */
  choose(candidates: readonly UpstreamCandidate[], ownHeight: number, now: number): PeerId | null {
    const trusted = candidates.filter(({ peer }) => (this.#distrustedUntil.get(peer) ?? 0) <= now)
    if (!candidates.some(({ peer }) => peer === this.current)) {
      this.#take(this.#preferred(trusted.length > 0 ? trusted : candidates))
    }
    const best = trusted.reduce((height, { tipHeight }) => Math.max(height, tipHeight), 0)
    if (best <= ownHeight) this.#behindSince = -1
    else if (this.#behindSince < 0 || ownHeight > this.#behindHeight) this.#behindSince = now
    // Only a standstill below a known tip is held against the upstream, not being slow.
    else if (now - this.#behindSince >= upstreamLagMs) this.#leave(trusted, now)
    this.#behindHeight = ownHeight
    return this.current
  }

  #leave(trusted: readonly UpstreamCandidate[], now: number): void {
    const others = trusted.filter(({ peer }) => peer !== this.current)
    if (others.length === 0) return
    if (this.current !== null) this.#distrustedUntil.set(this.current, now + upstreamDistrustMs)
    if (this.#distrustedUntil.size > 64) this.#distrustedUntil.clear()
    // The source with the highest tip says that it has what is missing.
    const top = others.reduce((height, { tipHeight }) => Math.max(height, tipHeight), 0)
    this.#take(this.#preferred(others.filter(({ tipHeight }) => tipHeight === top)))
  }

  #take(peer: PeerId | null): void {
    this.current = peer
    this.#behindSince = -1
  }

  #preferred(candidates: readonly UpstreamCandidate[]): PeerId | null {
    const sorted = [...candidates].sort((left, right) =>
      preference(this.#own, left.peer) < preference(this.#own, right.peer) ? -1 : 1,
    )
    return sorted[0]?.peer ?? null
  }
}
