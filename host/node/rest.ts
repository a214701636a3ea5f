// Between two attempts at what the network may not take: longer each time, so that no node fills the chain
// with refusals, and none gives up.

/** Before the next attempt: not final in time; refused by the chain; doubled up to the last. */
const failedMs = 2_000
const refusedMs = 60_000
const msMax = 60 * 60_000

export class Rest {
  private ms = 0
  private until = 0

  constructor(private readonly now: () => number) {}

  get isOn(): boolean {
    return this.now() < this.until
  }

  begin(why: 'failed' | 'refused'): void {
    const leastMs = why === 'refused' ? refusedMs : failedMs
    this.ms = Math.min(msMax, Math.max(leastMs, this.ms * 2))
    this.until = this.now() + this.ms
  }

  /** An attempt went well: the next failure is the first again. */
  end(): void {
    this.ms = 0
  }
}
