// Asks peers for final blocks while this node is behind. The core verifies whatever comes (R27) and asks
// by itself
// too, after its timers; this keeps its window filled, so that catching up is not one request a timer.

import { blocksAnswerCountMax, catchUpPatienceMs } from './limits.js'

export interface BlockSource<P> {
  readonly peer: P
  /** Best height that it claims; nobody has checked it. */
  readonly tipHeight: number
}

export interface BlockWish<P> {
  readonly peer: P
  readonly fromHeight: number
  readonly count: number
}

/** One request at a time; a source that does not help is passed over for the next one. */
export class CatchUp<P> {
  /** Highest block that has been received, verified or not. */
  #receivedHeight = 0
  #askedAt = -1
  #turn = 0
  #behindSince = -1
  /** The tip when this node last moved, and when that was. */
  #tipHeight = -1
  #movedAt = 0

  received(heights: readonly number[]): void {
    for (const height of heights) this.#receivedHeight = Math.max(this.#receivedHeight, height)
    if (heights.length > 0) this.#askedAt = -1
  }

  /**
   * What to ask for now, or null. `sources` in order of preference, `now` in milliseconds. Call after
   * every final
   * block, on every new claim, and regularly.
   */
  next(sources: readonly BlockSource<P>[], tipHeight: number, now: number): BlockWish<P> | null {
    if (tipHeight !== this.#tipHeight) {
      this.#tipHeight = tipHeight
      this.#movedAt = now
    }
    const ahead = sources.filter((source) => source.tipHeight > tipHeight)
    if (ahead.length === 0) {
      this.#behindSince = -1
      return null
    }
    if (this.#behindSince < 0) this.#behindSince = now
    // One block behind is the normal case between a vote and its certificate; waiting costs nothing.
    const isGap = ahead.some((source) => source.tipHeight > tipHeight + 1)
    if (!isGap && now - this.#behindSince < catchUpPatienceMs) return null
    if (this.#askedAt >= 0 && now - this.#askedAt < catchUpPatienceMs) return null
    // No answer, or answers that do not help: start again above the tip with another source.
    const isStuck = now - Math.max(this.#movedAt, this.#behindSince) >= 4 * catchUpPatienceMs
    if (this.#askedAt >= 0 || isStuck) {
      this.#receivedHeight = tipHeight
      this.#turn += 1
      this.#movedAt = now
    }
    return this.#ask(ahead, tipHeight, now)
  }

  #ask(ahead: readonly BlockSource<P>[], tipHeight: number, now: number): BlockWish<P> | null {
    const fromHeight = Math.max(tipHeight, this.#receivedHeight) + 1
    // The core keeps so many blocks above its tip and no more.
    const windowEnd = tipHeight + blocksAnswerCountMax
    const useful = ahead.filter((source) => source.tipHeight >= fromHeight)
    if (useful.length === 0 || fromHeight > windowEnd) return null
    const source = useful[this.#turn % useful.length]
    this.#askedAt = now
    return { peer: source.peer, fromHeight, count: Math.min(source.tipHeight, windowEnd) - fromHeight + 1 }
  }
}
