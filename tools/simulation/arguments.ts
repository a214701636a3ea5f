// What `npm run simulate` is asked for, and the command that asks for one seed of it again.

import { faultIds } from '../../consensus/sim/faults.js'
import { simDefaults } from '../../consensus/sim/run.js'
import { twinScenarioCount } from '../../consensus/sim/twins-sweep.js'
import type { SimOptions } from '../../consensus/sim/world.js'

export const help = `Runs the consensus core on a simulated network, disk and clock; one seed decides everything.

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
  --accountability    f + 1 members lie until two honest nodes differ: the messages prove who it was (S16)
  --observer-tree     observers (default 1000) in two levels, relays that die and withhold (F36, L7); slow
  --hours H           for a night: from seed A on until H hours are over, each seed in every one of these ways
                      (plain, attackers with 4 and 7 validators, twins, a twin scenario, recovery, a fork)
  --only F1,F13       only these faults           --without F10   all but these
  --trace             print every event of the run (use with one seed)
  --events N          end before event N + 1: a failing seed fails at the N that it prints and at none below
  --stop              end at the first failing seed
  --shrink            for a failing seed, find the faults that are not needed to fail
  --list              list the faults with their switches
  --json              print machine-readable lines; the last one is {"seeds","failures":[...]}
  --help              this text

Exit code: 0 when every seed holds every invariant, 1 when one fails, 2 for wrong arguments.
A failing seed is run again and prints the end of the shortest prefix that fails, a digest of all of it and the
command that prints all of it, byte for byte.`

/** What a seed decides. */
export type Mode = 'seeds' | 'twins' | 'recovery' | 'accountability' | 'tree'

/** All that decides a run, but for the seed. */
export interface Kind {
  readonly mode: Mode
  readonly options: Omit<SimOptions, 'seed' | 'trace'>
}

export interface Arguments extends Kind {
  readonly first: number
  readonly last: number
  readonly json: boolean
  readonly shrink: boolean
  readonly stop: boolean
  readonly trace: boolean
  readonly stride: number
  /** Hours of a night run; 0: the seeds decide when it ends. */
  readonly hours: number
}

export class UsageError extends Error {}

type Draft = { -readonly [K in keyof Arguments]: Arguments[K] }

export function parseArguments(words: readonly string[]): Arguments {
  const options = { ...simDefaults } as { -readonly [K in keyof Kind['options']]: Kind['options'][K] }
  const draft: Draft = {
    ...{ first: 1, last: 200, json: false, shrink: false, stop: false, trace: false },
    ...{ stride: 1, hours: 0, mode: 'seeds', options },
  }
  const rest = [...words]
  const valueOf = (option: string): string => {
    const value = rest.shift()
    if (value === undefined) throw new UsageError(`${option} needs a value`)
    return value
  }
  const flags: Record<string, (option: string) => void> = {
    '--seeds': (option) => {
      ;[draft.first, draft.last] = parseSeeds(valueOf(option))
    },
    '--validators': (option) => (options.validators = parseCount(option, valueOf(option), 1, 31)),
    '--observers': (option) => (options.observers = parseCount(option, valueOf(option), 0, 1_000)),
    '--minutes': (option) => (options.faultMs = Math.round(parseNumber(option, valueOf(option)) * 60_000)),
    '--events': (option) => (options.eventsMax = parseCount(option, valueOf(option), 0, 1e9)),
    '--hours': (option) => (draft.hours = parseNumber(option, valueOf(option))),
    '--only': (option) => (options.only = parseFaults(valueOf(option))),
    '--without': (option) => (options.without = parseFaults(valueOf(option))),
    '--byzantine': () => (options.byzantine = true),
    '--twins': () => (options.twins = true),
    '--trace': () => (draft.trace = true),
    '--shrink': () => (draft.shrink = true),
    '--stop': () => (draft.stop = true),
    '--twins-sweep': () => (draft.mode = 'twins'),
    '--recovery': () => (draft.mode = 'recovery'),
    '--accountability': () => (draft.mode = 'accountability'),
    '--observer-tree': () => (draft.mode = 'tree'),
    '--stride': (option) => (draft.stride = parseCount(option, valueOf(option), 1, 1_000_000)),
    '--json': () => (draft.json = true),
  }
  while (rest.length > 0) {
    const option = rest.shift()!
    const apply = Object.hasOwn(flags, option) ? flags[option] : undefined
    if (apply === undefined) throw new UsageError(`unknown option ${option}`)
    apply(option)
  }
  return checked(draft, words)
}

function checked(draft: Draft, words: readonly string[]): Arguments {
  const { mode, last, options, hours } = draft
  if (mode === 'twins' && last >= twinScenarioCount && words.includes('--seeds'))
    throw new UsageError(`twin scenarios are 0..${twinScenarioCount - 1}, not ${last}`)
  if (hours > 0 && (mode !== 'seeds' || options.byzantine || options.twins))
    throw new UsageError('--hours runs every seed in all ways; leave out the choice of one')
  if (mode !== 'tree' || options.observers !== simDefaults.observers) return draft
  return { ...draft, options: { ...options, observers: 1_000 } }
}

function parseSeeds(text: string): [number, number] {
  const match = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text)
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
  if (!/^\d+$/.test(text) || value < low || value > high) {
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

const modeFlags = {
  ...{ twins: '--twins-sweep', recovery: '--recovery', tree: '--observer-tree' },
  accountability: '--accountability',
} as const

/** The arguments that give this run again; what is as usual is left out. */
export function argumentsOf(seed: number, { mode, options }: Kind): string[] {
  const words = ['--seeds', String(seed)]
  const { validators, observers, faultMs, byzantine, twins, only, without } = options
  if (mode !== 'seeds') words.push(modeFlags[mode])
  if (observers !== (mode === 'tree' ? 1_000 : simDefaults.observers))
    words.push('--observers', String(observers))
  if (mode !== 'seeds') return words
  if (validators !== simDefaults.validators) words.push('--validators', String(validators))
  if (faultMs !== simDefaults.faultMs) words.push('--minutes', String(faultMs / 60_000))
  if (byzantine) words.push('--byzantine')
  if (twins) words.push('--twins')
  if (only.length > 0) words.push('--only', only.join(','))
  if (without.length > 0) words.push('--without', without.join(','))
  return words
}

/** The ways in which a night run takes each seed. */
export function nightKinds(options: Kind['options']): readonly (Kind & { readonly every: number })[] {
  return [
    { mode: 'seeds', options, every: 1 },
    { mode: 'seeds', options: { ...options, byzantine: true }, every: 1 },
    { mode: 'seeds', options: { ...options, byzantine: true, validators: 7 }, every: 2 },
    { mode: 'seeds', options: { ...options, twins: true }, every: 1 },
    { mode: 'twins', options, every: 1 },
    { mode: 'recovery', options, every: 2 },
    { mode: 'accountability', options, every: 2 },
  ]
}
