// One seed of any kind, and what is told of a run that broke an invariant.

import { createHash } from 'node:crypto'
import { runAccountability } from '../../consensus/sim/accountability.js'
import { runObserverTree } from '../../consensus/sim/observer-tree.js'
import { runRecovery } from '../../consensus/sim/recovery.js'
import { runSeed, type Verdict } from '../../consensus/sim/run.js'
import { runTwinScenario } from '../../consensus/sim/twins-sweep.js'
import { argumentsOf, type Kind } from './arguments.js'

type Trace = (line: string) => void

export function runOne(seed: number, { mode, options }: Kind, trace: Trace | null): Verdict {
  const { eventsMax, observers } = options
  const watch = { trace, eventsMax }
  switch (mode) {
    case 'seeds':
      return runSeed({ ...options, seed, trace })
    case 'twins':
      return runTwinScenario(seed, watch)
    case 'recovery':
      return runRecovery(seed, watch)
    case 'accountability':
      return runAccountability(seed, watch)
    case 'tree': {
      const verdict = runObserverTree({ seed, observers }, watch)
      const { lagMsMax, calmLagMsMax, fanOutMax, switches } = verdict
      const told = `behind at most ${calmLagMsMax} ms calm, ${lagMsMax} ms after faults`
      process.stderr.write(`${observers} observers, fan-out ${fanOutMax}, ${switches} switches, ${told}\n`)
      return verdict
    }
  }
}

/** The run from its first event to the broken invariant: the shortest prefix that fails. */
export interface Prefix {
  readonly events: number
  readonly lines: number
  /** Of all lines, each with its line feed: what the replay prints before its verdict. */
  readonly sha256: string
  /** Its last lines, oldest first. */
  readonly end: readonly string[]
  /** Prints all of it. */
  readonly replay: string
}

const endLines = 20

/** Runs a failing seed again and writes down how it got there. */
export function prefixOf(failure: Verdict, kind: Kind): Prefix {
  const hash = createHash('sha256')
  const end: string[] = []
  let lines = 0
  const again = runOne(failure.seed, kind, (line) => {
    hash.update(`${line}\n`)
    lines += 1
    end.push(line)
    if (end.length > endLines) end.shift()
  })
  if (again.invariant !== failure.invariant || again.events !== failure.events)
    throw new Error(`seed ${failure.seed} does not replay: ${again.invariant} after ${again.events} events`)
  const words = [...argumentsOf(failure.seed, kind), '--events', String(failure.events), '--trace']
  const replay = `npm run --silent simulate -- ${words.join(' ')}`
  return { events: failure.events, lines, sha256: hash.digest('hex'), end, replay }
}

/** Leaves out one fault after another as long as the seed still fails with the same invariant. */
export function shrinkFaults({ options }: Kind, failure: Verdict): string[] {
  const { seed } = failure
  let without = [...options.without]
  for (const id of Object.keys(failure.faults)) {
    const verdict = runSeed({ ...options, seed, without: [...without, id], trace: null })
    if (!verdict.ok && verdict.invariant === failure.invariant) without = [...without, id]
  }
  return Object.keys(failure.faults).filter((id) => !without.includes(id))
}
