// Comparing what three processes say of one corpus. A line is `name TAB way TAB result`: the result of a name
// must be the same in every mode and in every way of running it (cold, warm, fresh, reused).

export interface TierDifference {
  readonly name: string
  /** Results with the modes and ways that gave them. */
  readonly results: readonly string[]
}

export interface TierComparison {
  readonly names: number
  readonly lines: number
  readonly differing: readonly TierDifference[]
}

/** Lines of each mode, by its name. */
export function compareModes(outputs: ReadonlyMap<string, readonly string[]>): TierComparison {
  const byName = new Map<string, Map<string, string[]>>()
  const counts = new Map<string, number>()
  let lines = 0
  for (const [mode, output] of outputs) {
    for (const line of output) {
      const [name, way, result] = line.split('\t')
      const results = byName.get(name) ?? new Map<string, string[]>()
      byName.set(name, results)
      results.set(result, [...(results.get(result) ?? []), `${mode} ${way}`])
      counts.set(name, (counts.get(name) ?? 0) + 1)
      lines += 1
    }
  }
  const differing: TierDifference[] = []
  for (const [name, results] of byName) {
    // A mode that says nothing of a case, or one line less, differs too.
    const isWhole = (counts.get(name) ?? 0) % outputs.size === 0 && outputs.size > 0
    if (results.size === 1 && isWhole) continue
    differing.push({ name, results: [...results].map(([result, ways]) => `${ways.join(', ')}: ${result}`) })
  }
  return { names: byName.size, lines, differing }
}
