// Was any reading judged by a mixture of versions? Decided from receipts alone: each derived transaction
// names the version that ran, and the switch is a line between two blocks.

/** A rule's derived transaction of a reading. */
export interface RuleRun {
  alias: string
  /** Version that ran, hex. */
  address: string
  /** Later than the reading's own block when it was carried over. */
  height: number
}

export interface JudgedReading {
  height: number
  runs: RuleRun[]
}

export interface SwitchVerdict {
  /** Readings final before and after the switch. */
  before: number
  after: number
  /** Readings with a rule of another version than that of their block. */
  mixed: number
  /** Readings that some rule did not judge exactly once. */
  unjudged: number
  /** Readings of which some rule ran in a later block, because theirs was full. */
  carriedOver: number
}

/** Alias -> address of the version, hex. */
export type VersionSet = ReadonlyMap<string, string>

/**
 * `height`: block at whose end the aliases switched. A reading in that block or an earlier one must be judged
 * by all of `former` and by nothing else, a later one by all of `next`, whenever the rules ran.
 */
export function judgeSwitch(
  readings: readonly JudgedReading[],
  height: number,
  former: VersionSet,
  next: VersionSet,
): SwitchVerdict {
  const verdict: SwitchVerdict = { before: 0, after: 0, mixed: 0, unjudged: 0, carriedOver: 0 }
  for (const reading of readings) {
    const isBefore = reading.height <= height
    const expected = isBefore ? former : next
    if (isBefore) verdict.before += 1
    else verdict.after += 1
    const runs = reading.runs.filter(({ alias }) => expected.has(alias))
    if (runs.some(({ alias, address }) => expected.get(alias) !== address)) verdict.mixed += 1
    const counts = [...expected.keys()].map((alias) => runs.filter((run) => run.alias === alias).length)
    if (counts.some((count) => count !== 1)) verdict.unjudged += 1
    if (runs.some((run) => run.height > reading.height)) verdict.carriedOver += 1
  }
  return verdict
}
