// Why the present round is not done: one code, what it has and what it needs. Read from the core's state for
// people and metrics; decides nothing.
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { leaderIndex, quorumOf, type CoreState, type VoteMessage } from '../pbft/index.js'

export type RoundReasonCode =
  | 'IDLE'
  | 'STARTING'
  | 'HALTED'
  | 'NO_QUORUM'
  | 'SYNCING'
  | 'STORING'
  | 'VIEW_CHANGE'
  | 'WAITS_FOR_LEADER'
  | 'EXECUTING'
  | 'BLOCK_REFUSED'
  | 'RESULT_SPLIT'
  | 'WAITS_FOR_PREPARES'
  | 'WAITS_FOR_COMMITS'

export interface RoundReason {
  readonly code: RoundReasonCode
  /** Votes, view changes or connected validators that count, and how many are needed; 0 where none do. */
  readonly have: number
  readonly need: number
  /** Since this view began, ms; 0 at rest. */
  readonly sinceMs: number
  /** Of RESULT_SPLIT: hex of each result that was voted for, and for how many votes. */
  readonly results: readonly { readonly result: string; readonly votes: number }[]
}

export interface ReasonSources {
  readonly core: CoreState
  readonly phase: string
  /** Members that are connected, this node included. */
  readonly present: number
  readonly now: number
}

export function roundReasonOf({ core, phase, present, now }: ReasonSources): RoundReason {
  const need = quorumOf(core.validators.members.length)
  const sinceMs = phase === 'idle' && !hasWork(core) ? 0 : Math.max(0, now - core.viewSince)
  const reason = (code: RoundReasonCode, have = 0, of = 0): RoundReason => ({
    ...{ code, have, need: of, sinceMs },
    results: code === 'RESULT_SPLIT' ? tally(core) : [],
  })
  if (phase === 'halted') return reason('HALTED')
  if (phase === 'starting') return reason('STARTING')
  if (phase === 'applying') return reason('STORING')
  if (present < need) return reason('NO_QUORUM', present, need)
  if (phase === 'syncing') return reason('SYNCING')
  if (phase === 'view-change') return reason('VIEW_CHANGE', requestsOf(core), need)
  if (phase === 'idle') return reason(hasWork(core) ? 'WAITS_FOR_LEADER' : 'IDLE')
  if (phase === 'prepared') return reason('WAITS_FOR_COMMITS', best(core.commits.get(core.view)), need)
  const execution = core.candidates.get(core.ballot)?.execution
  if (execution === 'refused') return reason('BLOCK_REFUSED')
  if (tally(core).length > 1) return reason('RESULT_SPLIT', best(core.prepares.get(core.view)), need)
  if (execution === 'running') return reason('EXECUTING')
  return reason('WAITS_FOR_PREPARES', best(core.prepares.get(core.view)), need)
}

const hasWork = ({ waiting }: CoreState): boolean => waiting.normal || waiting.emergency

/** Of this view: what somebody asks of another one starts none (R12). */
const requestsOf = ({ viewChanges, view }: CoreState): number =>
  [...viewChanges.values()].filter((message) => message.view === view).length

type Votes = ReadonlyMap<number, VoteMessage> | undefined

function counts(votes: Votes): Map<string, number> {
  const byResult = new Map<string, number>()
  for (const vote of votes?.values() ?? []) {
    const key = bytesToHex(vote.resultHash)
    byResult.set(key, (byResult.get(key) ?? 0) + 1)
  }
  return byResult
}

/** Votes for the result that most agree on. */
const best = (votes: Votes): number => Math.max(0, ...counts(votes).values())

const tally = (core: CoreState): { result: string; votes: number }[] =>
  [...counts(core.prepares.get(core.view))].map(([result, votes]) => ({ result, votes }))

/** Milliseconds since the leader of this view was last heard; 0: it is this node, -1: never. */
export function leaderSilenceMs(core: CoreState, now: number): number {
  if (core.order.length === 0) return -1
  const index = leaderIndex(core, core.view)
  if (index === core.selfIndex) return 0
  const heardAt = core.lastHeard.get(bytesToHex(core.validators.members[index].entity))
  return heardAt === undefined ? -1 : Math.max(0, now - heardAt)
}
