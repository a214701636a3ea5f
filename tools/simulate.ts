// `npm run simulate`: runs the consensus simulator over a range of seeds and reports what broke.
// The simulator itself is pure (consensus/sim); only arguments, progress and printing are here.

import { faultCatalogue, faultIds } from '../consensus/sim/faults.js'
import type { Verdict } from '../consensus/sim/run.js'
import { twinScenarioCount } from '../consensus/sim/twins-sweep.js'
import {
  help,
  nightKinds,
  parseArguments,
  UsageError,
  type Arguments,
  type Kind,
} from './simulation/arguments.js'
import { prefixOf, runOne, shrinkFaults } from './simulation/runs.js'

const print = (line: string) => void process.stdout.write(`${line}\n`)

/** What all runs together came to. */
class Report {
  readonly failures: { seed: number; invariant: string; detail: string; events: number; replay: string }[] =
    []
  readonly #faults = new Map<string, number>()
  readonly #startedAt = Date.now()
  #reportedAt = Date.now()
  #runs = 0
  #heights = 0
  #reads = 0
  #simulatedMs = 0

  constructor(readonly asked: Arguments) {}

  note(verdict: Verdict, kind: Kind): void {
    this.#runs += 1
    this.#heights += verdict.heights
    this.#reads += verdict.linearizableReads
    this.#simulatedMs += verdict.simulatedMs
    for (const [id, count] of Object.entries(verdict.faults)) {
      this.#faults.set(id, (this.#faults.get(id) ?? 0) + count)
    }
    if (!verdict.ok) this.#tellFailure(verdict, kind)
    if (Date.now() - this.#reportedAt < 2_000) return
    this.#reportedAt = Date.now()
    const { first, last, hours } = this.asked
    const until = hours > 0 ? `${((Date.now() - this.#startedAt) / 3.6e6).toFixed(2)} of ${hours} h` : ''
    const where = hours > 0 ? until : `of ${first}..${last}`
    process.stderr.write(`seed ${verdict.seed} ${where}, ${this.failures.length} failed\n`)
  }

  #tellFailure(verdict: Verdict, kind: Kind): void {
    const { seed, invariant, detail, events } = verdict
    const prefix = prefixOf(verdict, kind)
    const { asked } = this
    const needed = asked.shrink && kind.mode === 'seeds' ? shrinkFaults(kind, verdict) : null
    this.failures.push({ seed, invariant, detail, events, replay: prefix.replay })
    if (asked.json) return print(JSON.stringify({ ...verdict, needed: needed ?? undefined, prefix }))
    print(
      `seed ${seed} breaks ${invariant} after ${events} events ` +
        `(${verdict.simulatedMs} ms simulated, height ${verdict.heights}): ${detail}`,
    )
    if (asked.trace) return
    print(`  the shortest prefix that fails: ${prefix.lines} lines, sha256 ${prefix.sha256}; it ends with`)
    for (const line of prefix.end) print(`  ${line}`)
    print(`  all of it, byte for byte: ${prefix.replay}`)
    if (needed !== null) print(`  needs only ${needed.join(',') || 'no fault at all'}`)
  }

  end(): number {
    const [seeds, failures] = [this.#runs, this.failures]
    const wallMs = Date.now() - this.#startedAt
    if (this.asked.json) {
      const faults = Object.fromEntries(
        faultIds.filter((id) => this.#faults.has(id)).map((id) => [id, this.#faults.get(id)]),
      )
      const [heights, linearizableReads, simulatedMs] = [this.#heights, this.#reads, this.#simulatedMs]
      print(JSON.stringify({ faults, heights, linearizableReads, simulatedMs, wallMs }))
      print(JSON.stringify({ seeds, failures }))
    } else {
      const verdict = failures.length === 0 ? 'all hold' : `${failures.length} failed`
      // No wall clock here: the same seeds print the same bytes.
      const length = `${Math.round(this.#simulatedMs / 1000)} s simulated`
      print(`${seeds} seeds, ${this.#heights} blocks, ${length}: ${verdict}`)
      process.stderr.write(`${(wallMs / 1000).toFixed(1)} s\n`)
    }
    return failures.length === 0 ? 0 : 1
  }
}

function runSeeds(asked: Arguments, report: Report): void {
  for (let seed = asked.first; seed <= asked.last; seed += asked.stride) {
    report.note(runOne(seed, asked, asked.trace ? print : null), asked)
    if (report.failures.length > 0 && asked.stop) return
  }
}

/** Every seed in every way, until the time is over. */
function runNight(asked: Arguments, report: Report): void {
  const until = Date.now() + asked.hours * 3.6e6
  const kinds = nightKinds(asked.options)
  for (let seed = asked.first; ; seed += asked.stride) {
    for (const kind of kinds) {
      if (Date.now() >= until || (asked.stop && report.failures.length > 0)) return
      if (seed % kind.every !== 0) continue
      // Neighbouring numbers are nearly the same scenario; this step is prime to their count.
      const number = kind.mode === 'twins' ? (seed * 5_003) % twinScenarioCount : seed
      report.note(runOne(number, kind, null), kind)
    }
  }
}

function main(words: readonly string[]): number {
  if (words.includes('--help') || words.includes('-h')) {
    print(help)
    return 0
  }
  if (words.includes('--list')) {
    for (const id of faultIds) print(`${id.padEnd(4)} ${faultCatalogue[id]}`)
    return 0
  }
  const asked = parseArguments(words)
  const report = new Report(asked)
  if (asked.hours > 0) runNight(asked, report)
  else runSeeds(asked, report)
  return report.end()
}

try {
  process.exitCode = main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\nnpm run simulate -- --help explains the options.\n`)
  process.exitCode = 2
}
