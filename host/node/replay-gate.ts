// How often replays may run: a replay's block runs in one go on the thread that answers all readings, so that
// one person who asks again and again would hold up the others' screens.

/** Who asked rests this many times as long as the answer took; the whole node twice. */
const restOfPerson = 8
const restOfNode = 2

export class ReplayGate {
  readonly #restUntil = new Map<string, number>()
  #nodeRestUntil = 0
  #isRunning = false

  /** `now`: ms of a clock that never goes back. */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Runs `work` now, or answers after how many ms to ask again. Works of one node never overlap. */
  async run<T>(person: string, work: () => Promise<T>): Promise<{ value: T } | { retryMs: number }> {
    const started = this.now()
    for (const [name, until] of this.#restUntil) if (until <= started) this.#restUntil.delete(name)
    const until = Math.max(this.#nodeRestUntil, this.#restUntil.get(person) ?? 0)
    if (this.#isRunning || until > started) return { retryMs: Math.max(1_000, until - started) }
    this.#isRunning = true
    try {
      return { value: await work() }
    } finally {
      const took = this.now() - started
      this.#isRunning = false
      this.#nodeRestUntil = this.now() + took * restOfNode
      this.#restUntil.set(person, this.now() + took * restOfPerson)
    }
  }
}
