// What an operator sees: view, phase, who has not voted, and why a round is stuck. Read-only.

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { quorumSizes } from './quorum.js'
import { leaderIndex, type CoreState } from './state.js'

export type RoundPhase =
  | 'halted'
  | 'applying'
  | 'waiting-for-body'
  | 'changing-view'
  | 'idle'
  | 'waiting-for-proposal'
  | 'executing'
  | 'preparing'
  | 'committing'

export interface CoreStatus {
  readonly height: number
  readonly view: number
  readonly phase: RoundPhase
  readonly role: 'leader' | 'validator' | 'silent' | 'observer'
  /** Entity id of the leader of the current view, hex; empty before the start. */
  readonly leader: string
  readonly validators: number
  readonly quorum: number
  /** Members, hex, that have sent what the phase waits for (PREPARE, COMMIT or VIEW-CHANGE), and those that have not. */
  readonly voted: readonly string[]
  readonly missing: readonly string[]
  /** Leaders that timed out and were not heard since, hex. */
  readonly suspects: readonly string[]
  /** The highest tip that any peer claims; above `height - 1` means this node is behind. */
  readonly claimedHeight: number
  readonly viewTimeoutMs: number
}

/** The state of the round in one value; cheap enough for every metrics scrape. */
export function statusOf(state: CoreState): CoreStatus {
  const { members } = state.validators
  const phase = phaseOf(state)
  const voters = votersOf(state, phase)
  const ids = members.map((member) => bytesToHex(member.entity))
  let claimedHeight = state.tip.height
  for (const claim of state.sync.claims.values()) claimedHeight = Math.max(claimedHeight, claim.height)
  return {
    height: state.height,
    view: state.view,
    phase,
    role: roleOf(state),
    leader: members.length === 0 ? '' : ids[leaderIndex(state, state.view)],
    validators: members.length,
    quorum: quorumSizes(members.length).q,
    voted: ids.filter((_, index) => voters.has(index)),
    missing: ids.filter((_, index) => !voters.has(index)),
    suspects: [...state.suspects].sort(),
    claimedHeight,
    viewTimeoutMs: state.viewTimeoutMs,
  }
}

function phaseOf(state: CoreState): RoundPhase {
  if (state.phase === 'halted') return 'halted'
  if (state.applying) return 'applying'
  if (state.decided !== null) return 'waiting-for-body'
  if (!state.started) return 'changing-view'
  if (state.ballot === '')
    return state.waiting.normal || state.waiting.emergency ? 'waiting-for-proposal' : 'idle'
  if (state.candidates.get(state.ballot)?.execution === 'running') return 'executing'
  return state.own.commit === null ? 'preparing' : 'committing'
}

function roleOf(state: CoreState): CoreStatus['role'] {
  if (state.selfIndex < 0) return 'observer'
  if (state.height < state.voteFloor) return 'silent'
  return leaderIndex(state, state.view) === state.selfIndex ? 'leader' : 'validator'
}

function votersOf(state: CoreState, phase: RoundPhase): ReadonlySet<number> {
  if (phase === 'committing' || phase === 'applying') return new Set(state.commits.get(state.view)?.keys())
  if (phase !== 'changing-view') return new Set(state.prepares.get(state.view)?.keys())
  const asking = [...state.viewChanges].filter(([, message]) => message.view >= state.view)
  return new Set(asking.map(([index]) => index))
}
