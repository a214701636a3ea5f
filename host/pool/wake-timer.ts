// One timer for whatever asks to be looked at again: at the earliest moment that was asked for.

/** Runs something later; what it gives back takes that back. */
type Start = (run: () => void, ms: number) => () => void

export class WakeTimer {
  private pending: { at: number; cancel: () => void } | undefined

  constructor(
    private readonly wake: () => void,
    private readonly now: () => number = () => performance.now(),
    private readonly start: Start = startTimer,
  ) {}

  /** So many milliseconds from now, or sooner when that was asked for before. */
  in(ms: number): void {
    const at = this.now() + ms
    if (this.pending && this.pending.at <= at) return
    this.pending?.cancel()
    const fire = (): void => {
      this.pending = undefined
      this.wake()
    }
    this.pending = { at, cancel: this.start(fire, ms) }
  }
}

function startTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms).unref()
  return () => clearTimeout(timer)
}
