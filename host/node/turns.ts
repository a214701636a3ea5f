// Work that must not overlap: one at a time for each name.
/** Work on the same names waits for its turn; other work goes on. */
export class Turns {
  private readonly last = new Map<string, Promise<unknown>>()

  /** Takes its place behind everything under way for any of these names, in one step: no two can lock up. */
  async run<Value>(names: readonly string[], work: () => Promise<Value>): Promise<Value> {
    const before = names.map((name) => this.last.get(name) ?? Promise.resolve())
    const own = Promise.all(before).then(work)
    const settled = own.catch(() => undefined)
    for (const name of names) this.last.set(name, settled)
    try {
      return await own
    } finally {
      for (const name of names) if (this.last.get(name) === settled) this.last.delete(name)
    }
  }
}
