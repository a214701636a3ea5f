// `npm run simulate`: runs the consensus simulator over a range of seeds and reports what broke.
// The simulator itself is pure (consensus/sim); only arguments, progress and printing are here.

import { faultCatalogue, faultIds } from '../consensus/sim/faults.js'
import { runObserverTree } from '../consensus/sim/observer-tree.js'
import { runRecovery } from '../consensus/sim/recovery.js'
import { runSeed, simDefaults, type Verdict } from '../consensus/sim/run.js'
import { runTwinScenario, twinScenarioCount } from '../consensus/sim/twins-sweep.js'
import type { SimOptions } from '../consensus/sim/world.js'

const help = `Runs the consensus core on a simulated network, disk and clock; one seed decides everything.

Usage: npm run simulate -- [options]

  --seeds A..B        seeds to run, both included (default 1..200); a single number runs one
  --validators N      validators (default 4)
  --observers N       observers (default 1)
  --minutes M         simulated minutes with faults per seed (default 0.33), then liveness mode
  --byzantine         up to f validators misbehave (F9, F20-F31)
  --twins             up to f validators are two copies of one key (F30)
  --twins-sweep       seeds are numbers of twin scenarios: every partition sequence, 0..${twinScenarioCount - 1};
                      --stride K takes every K-th
  --recovery          more than f validators are lost; recovery by manifest (F35, L8)
  --observer-tree     observers (default 1000) in two levels, relays that die and withhold (F36, L7); slow
  --only F1,F13       only these faults           --without F10   all but these
  --trace             print every event of the run (use with one seed)
  --stop              end at the first failing seed
  --shrink            for a failing seed, find the faults that are not needed to fail
  --list              list the faults with their switches
  --json              print machine-readable lines; the last one is {"seeds","failures":[...]}
  --help              this text

Exit code: 0 when every seed holds every invariant, 1 when one fails, 2 for wrong arguments.
A failing seed replays exactly: npm run simulate -- --seeds <seed> --trace, with the same other options.`

/** What a seed decides. */
type Mode = 'seeds' | 'twins' | 'recovery' | 'tree'

interface Arguments {
  readonly first: number
  readonly last: number
  readonly options: Omit<SimOptions, 'seed'>
  readonly json: boolean
  readonly shrink: boolean
  readonly stop: boolean
  readonly stride: number
  readonly mode: Mode
}

class UsageError extends Error {}

function parseArguments(words: readonly string[]): Arguments {
  let first = 1
  let last = 200
  let json = false
  let shrink = false
  let stop = false
  let stride = 1
  let mode: Mode = 'seeds'
  const options = { ...simDefaults } as { -readonly [K in keyof Omit<SimOptions, 'seed'>]: SimOptions[K] }
  const rest = [...words]
  const valueOf = (option: string): string => {
    const value = rest.shift()
    if (value === undefined) throw new UsageError(`${option} needs a value`)
    return value
  }
  const flags: Record<string, (option: string) => void> = {
    '--seeds': (option) => {
      ;[first, last] = parseSeeds(valueOf(option))
    },
    '--validators': (option) => (options.validators = parseCount(option, valueOf(option), 1, 31)),
    '--observers': (option) => (options.observers = parseCount(option, valueOf(option), 0, 1_000)),
    '--minutes': (option) => (options.faultMs = Math.round(parseNumber(option, valueOf(option)) * 60_000)),
    '--only': (option) => (options.only = parseFaults(valueOf(option))),
    '--without': (option) => (options.without = parseFaults(valueOf(option))),
    '--byzantine': () => (options.byzantine = true),
    '--twins': () => (options.twins = true),
    '--trace': () => (options.trace = (line) => process.stdout.write(`${line}\n`)),
    '--shrink': () => (shrink = true),
    '--stop': () => (stop = true),
    '--twins-sweep': () => (mode = 'twins'),
    '--recovery': () => (mode = 'recovery'),
    '--observer-tree': () => (mode = 'tree'),
    '--stride': (option) => (stride = parseCount(option, valueOf(option), 1, 1_000_000)),
    '--json': () => (json = true),
  }
  while (rest.length > 0) {
    const option = rest.shift()!
    const apply = flags[option]
    if (apply === undefined) throw new UsageError(`unknown option ${option}`)
    apply(option)
  }
  return { first, last, options, json, shrink, stop, stride, mode }
}

function parseSeeds(text: string): [number, number] {
  const match = /^(\d+)(?:\.\.(\d+))?$/.exec(text)
  if (match === null) throw new UsageError(`--seeds takes A..B, not ${text}`)
  const first = Number(match[1])
  const last = Number(match[2] ?? match[1])
  if (last < first) throw new UsageError(`--seeds: ${last} is below ${first}`)
  return [first, last]
}

function parseNumber(option: string, text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0)
    throw new UsageError(`${option} takes a positive number, not ${text}`)
  return value
}

function parseCount(option: string, text: string, low: number, high: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new UsageError(`${option} takes ${low}..${high}, not ${text}`)
  }
  return value
}

function parseFaults(text: string): string[] {
  const ids = text.split(',')
  const known: readonly string[] = faultIds
  for (const id of ids) if (!known.includes(id)) throw new UsageError(`no fault ${id}; --list shows them`)
  return ids
}

/** Leaves out one fault after another as long as the seed still fails with the same invariant. */
function shrinkFaults(seed: number, options: Omit<SimOptions, 'seed'>, failure: Verdict): string[] {
  let without = [...options.without]
  for (const id of Object.keys(failure.faults)) {
    const verdict = runSeed({ ...options, seed, without: [...without, id], trace: null })
    if (!verdict.ok && verdict.invariant === failure.invariant) without = [...without, id]
  }
  return Object.keys(failure.faults).filter((id) => !without.includes(id))
}

function report(verdict: Verdict, parsed: Arguments, totals: Map<string, number>): void {
  for (const [id, count] of Object.entries(verdict.faults)) totals.set(id, (totals.get(id) ?? 0) + count)
  if (verdict.ok) return
  const needed =
    parsed.shrink && parsed.mode === 'seeds' ? shrinkFaults(verdict.seed, parsed.options, verdict) : null
  if (parsed.json) {
    process.stdout.write(`${JSON.stringify({ ...verdict, needed: needed ?? undefined })}\n`)
    return
  }
  process.stdout.write(
    `seed ${verdict.seed} breaks ${verdict.invariant} after ${verdict.events} events ` +
      `(${verdict.simulatedMs} ms simulated, height ${verdict.heights}): ${verdict.detail}\n`,
  )
  if (needed !== null) process.stdout.write(`  needs only ${needed.join(',') || 'no fault at all'}\n`)
}

function runOne(seed: number, { mode, options }: Arguments): Verdict {
  switch (mode) {
    case 'seeds':
      return runSeed({ ...options, seed })
    case 'twins':
      return runTwinScenario(seed, options.trace)
    case 'recovery':
      return runRecovery(seed, options.trace)
    case 'tree': {
      const { trace } = options
      const observers = options.observers === simDefaults.observers ? 1_000 : options.observers
      const verdict = runObserverTree({ seed, observers, trace })
      const { lagMsMax, calmLagMsMax, fanOutMax, switches } = verdict
      const told = `behind at most ${calmLagMsMax} ms calm, ${lagMsMax} ms after faults`
      process.stderr.write(`${observers} observers, fan-out ${fanOutMax}, ${switches} switches, ${told}\n`)
      const none = { events: 0, unsendable: 0, linearizableReads: 0, faults: {}, halted: [] }
      return { ...verdict, ...none, seed, simulatedMs: 15_000 }
    }
  }
}

function main(words: readonly string[]): number {
  if (words.includes('--help') || words.includes('-h')) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  if (words.includes('--list')) {
    for (const id of faultIds) process.stdout.write(`${id.padEnd(4)} ${faultCatalogue[id]}\n`)
    return 0
  }
  const parsed = parseArguments(words)
  const { first, last, json } = parsed
  const failures: { seed: number; invariant: string; detail: string; events: number }[] = []
  const totals = new Map<string, number>()
  const startedAt = Date.now()
  let reportedAt = startedAt
  let heights = 0
  let linearizableReads = 0
  let simulatedMs = 0
  let seeds = 0
  for (let seed = first; seed <= last; seed += parsed.stride) {
    seeds += 1
    const verdict = runOne(seed, parsed)
    report(verdict, parsed, totals)
    heights += verdict.heights
    linearizableReads += verdict.linearizableReads
    simulatedMs += verdict.simulatedMs
    const { invariant, detail, events } = verdict
    if (!verdict.ok) failures.push({ seed, invariant, detail, events })
    if (!verdict.ok && parsed.stop) break
    if (Date.now() - reportedAt > 2_000) {
      reportedAt = Date.now()
      process.stderr.write(`seed ${seed} of ${first}..${last}, ${failures.length} failed\n`)
    }
  }
  if (json) {
    const faults = Object.fromEntries(
      faultIds.filter((id) => totals.has(id)).map((id) => [id, totals.get(id)]),
    )
    const wallMs = Date.now() - startedAt
    process.stdout.write(`${JSON.stringify({ faults, heights, linearizableReads, simulatedMs, wallMs })}\n`)
    process.stdout.write(`${JSON.stringify({ seeds, failures })}\n`)
  } else {
    const verdict = failures.length === 0 ? 'all hold' : `${failures.length} failed`
    process.stdout.write(
      `${seeds} seeds, ${heights} blocks, ${Math.round(simulatedMs / 1000)} s simulated: ${verdict}\n`,
    )
  }
  return failures.length === 0 ? 0 : 1
}

try {
  process.exitCode = main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\nnpm run simulate -- --help explains the options.\n`)
  process.exitCode = 2
}
