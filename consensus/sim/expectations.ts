// What a scenario may expect of a node: `expect <nodes> <what> ...`.

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import type { SafetyRecord } from '../pbft/types.js'
import { entityOf } from './fake-crypto.js'
import { chosen, ScenarioFailure, type Actor, type Stage } from './scenario.js'

type Expectation = (stage: Stage, actor: Actor, words: readonly string[]) => string | null

/** Each gives null when it holds, else what is true instead. */
const expectations: Record<string, Expectation> = {
  tip: (_stage, actor, [height]) => differs(actor.core?.tip.height, Number(height)),
  view: (_stage, actor, [view]) => differs(actor.core?.view, Number(view)),
  started: (_stage, actor) => differs(actor.core?.started, true),
  changing: (_stage, actor) => differs(actor.core?.started, false),
  locked: (_stage, actor, [view]) => differs(actor.core?.prepared?.view, Number(view)),
  unlocked: (_stage, actor) => differs(actor.core?.prepared, null),
  halted: (_stage, actor, [code]) => differs(actor.halted, code),
  running: (_stage, actor) => differs(actor.halted, ''),
  alarm: (_stage, actor, [code]) =>
    actor.alarms.has(code) ? null : `alarms: ${[...actor.alarms].join(' ')}`,
  'no-alarm': (_stage, actor, [code]) => (actor.alarms.has(code) ? 'it was given' : null),
  'no-action': (_stage, actor, [name]) => (actor.requested.includes(name) ? 'it was asked for' : null),
  evidence: (_stage, actor, [count]) => differs(actor.evidence, Number(count)),
  action: (_stage, actor, [name]) => (actor.requested.includes(name) ? null : 'no such action'),
  /** `expect 1 timer view` or `expect 1 timer view 1000`: it runs, and runs out in so many milliseconds. */
  timer: (stage, actor, [id, afterMs]) => {
    const timer = actor.timers.get(id as never)
    if (timer === undefined) return `timers: ${[...actor.timers.keys()].join(' ')}`
    return afterMs === undefined ? null : differs(timer.at - stage.now, Number(afterMs))
  },
  /** `expect 3 finalized 1`: how often it was asked to store a final block. */
  finalized: (_stage, actor, [count]) =>
    differs(actor.requested.filter((name) => name === 'finalize').length, Number(count)),
  'no-timer': (_stage, actor, [id]) => (actor.timers.has(id as never) ? 'it runs' : null),
  /** `expect 1 sent prepare 1/0`: a letter on its way; `unsent` is the opposite. */
  sent: (stage, actor, words) =>
    isSent(stage, actor, words) ? null : `on its way: ${lettersOf(stage, actor)}`,
  unsent: (stage, actor, words) => (isSent(stage, actor, words) ? 'it is on its way' : null),
  /** `expect 1 recorded prepare 1/0`: in the synced safety record. */
  recorded: (_stage, actor, [phase, at]) => {
    const { record } = actor.disk
    const entry = record?.[phase as keyof SafetyRecord]
    if (record === null || entry === null || entry === undefined) return 'not in the record'
    return differs(`${record.height}/${record.view}`, at ?? '')
  },
  /** `expect 0 members 0,1,4`: who votes at its height. */
  members: (stage, actor, [list]) => {
    const entities = actor.core?.validators.members.map(({ entity }) => bytesToHex(entity)) ?? []
    const indexes = entities.map((hex) =>
      stage.actors.findIndex(({ index }) => bytesToHex(entityOf(index)) === hex),
    )
    return differs(indexes.join(), list)
  },
  voting: (_stage, actor) => differs((actor.core?.selfIndex ?? -1) >= 0, true),
  watching: (_stage, actor) => differs((actor.core?.selfIndex ?? -1) < 0, true),
  /** `expect 0,1 same-tip`: with node 0. */
  'same-tip': (stage, actor) => differs(tipOf(actor), tipOf(stage.actors[0])),
  leader: (_stage, actor, [index]) => {
    const { core } = actor
    return core === null ? 'down' : differs(core.order[core.view % core.order.length], Number(index))
  },
}

export function checkExpectation(stage: Stage, [who, what, ...words]: readonly string[]): void {
  const expectation = expectations[what]
  if (expectation === undefined) throw new ScenarioFailure(`unknown expectation ${what}`)
  for (const actor of chosen(stage, who)) {
    const instead = expectation(stage, actor, words)
    if (instead !== null) throw new ScenarioFailure(`node ${actor.index}: ${instead}`)
  }
}

const differs = (found: unknown, wanted: string | number | boolean | null): string | null => {
  if (found === wanted) return null
  return `it is ${typeof found === 'object' ? 'something else' : JSON.stringify(found)}`
}

const tipOf = (actor: Actor) => bytesToHex(actor.core?.tip.blockHash ?? new Uint8Array(0))

function isSent(stage: Stage, actor: Actor, [type, at]: readonly string[]): boolean {
  return stage.letters.some(({ from, message }) => {
    if (from !== actor.index || message.type !== type) return false
    return at === undefined || ('view' in message && `${message.height}/${message.view}` === at)
  })
}

function lettersOf(stage: Stage, actor: Actor): string {
  const names = stage.letters
    .filter(({ from }) => from === actor.index)
    .map(({ message }) =>
      'view' in message ? `${message.type} ${message.height}/${message.view}` : message.type,
    )
  return [...new Set(names)].join(', ')
}
