// How far other validators' clocks are from this one, by the times that they sign in heartbeats. A message
// that takes its time, or that somebody held back, can only look older than it is: of all times heard in a
// span the one that is furthest ahead is the nearest to the truth. Decides nothing; for `ward status`.

/** Two spans are kept, so that an estimate rests on half a minute at least. */
const spanMs = 30_000

interface Heard {
  spanBegan: number
  /** Furthest ahead in this span and in the one before, milliseconds; negative: behind. */
  now: number
  before: number
}

export class PeerClocks {
  readonly #heard = new Map<string, Heard>()

  /** A heartbeat whose signature is right. Times are milliseconds since 1970. */
  onHeartbeat(sender: string, signedTime: number, now: number): void {
    const ahead = signedTime - now
    const heard = this.#heard.get(sender)
    // A step of the own clock makes all that was heard worthless.
    if (heard === undefined || now < heard.spanBegan || now >= heard.spanBegan + 2 * spanMs)
      this.#heard.set(sender, { spanBegan: now, now: ahead, before: -Infinity })
    else if (now >= heard.spanBegan + spanMs)
      this.#heard.set(sender, { spanBegan: now, now: ahead, before: heard.now })
    else heard.now = Math.max(heard.now, ahead)
  }

  /** Milliseconds that the sender's clock is ahead of this one; null when it was not heard lately. */
  aheadMs(sender: string, now: number): number | null {
    const heard = this.#heard.get(sender)
    if (heard === undefined || now < heard.spanBegan || now >= heard.spanBegan + 2 * spanMs) return null
    return Math.max(heard.now, heard.before)
  }

  /** Keeps those who are validators now. */
  keep(entities: ReadonlySet<string>): void {
    for (const sender of this.#heard.keys()) if (!entities.has(sender)) this.#heard.delete(sender)
  }
}
