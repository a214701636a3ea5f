// Slows down guessing at the unlock screen. What a thief of the disk pays is argon2id; this is for the
// keyboard.

export interface ThrottleOptions {
  /** First delay after a failure; doubles with each further one. */
  delayMsMin?: number
  delayMsMax?: number
  sleep?: (ms: number) => Promise<void>
}

export class UnlockThrottle {
  readonly #delayMsMin: number
  readonly #delayMsMax: number
  readonly #sleep: (ms: number) => Promise<void>
  #failures = 0
  /** Attempts wait in a row: parallel guesses gain nothing. */
  #queue: Promise<void> = Promise.resolve()

  constructor(options: ThrottleOptions = {}) {
    this.#delayMsMin = options.delayMsMin ?? 500
    this.#delayMsMax = options.delayMsMax ?? 60_000
    this.#sleep = options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)))
  }

  /** Milliseconds that the next attempt waits. */
  get delayMs(): number {
    if (this.#failures === 0) return 0
    return Math.min(this.#delayMsMax, this.#delayMsMin * 2 ** Math.min(30, this.#failures - 1))
  }

  wait(): Promise<void> {
    this.#queue = this.#queue.then(() => (this.delayMs === 0 ? undefined : this.#sleep(this.delayMs)))
    return this.#queue
  }

  failed(): void {
    this.#failures += 1
  }

  succeeded(): void {
    this.#failures = 0
  }
}

const throttles = new Map<string, UnlockThrottle>()

/**
 * One throttle for each keyslot file of this process: it must outlive the attempts, which share nothing
 * else.
 */
export function defaultThrottle(path: string): UnlockThrottle {
  let throttle = throttles.get(path)
  if (throttle === undefined) {
    throttle = new UnlockThrottle()
    throttles.set(path, throttle)
  }
  return throttle
}
