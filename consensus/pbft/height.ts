// Where a height begins: at start, after a crash, and after every final block. One function resets
// everything (R10).

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { forgetReachedClaims } from './catch-up.js'
import { forgetStrangers } from './heartbeat.js'
import { expectedValidators, faultOfTip } from './epochs.js'
import { keepTipBlock } from './commit.js'
import { skippedAfter, leaderOrder } from './leader.js'
import { isLockConsistent } from './safety.js'
import {
  addCandidate,
  alarm,
  emit,
  ensureExecution,
  halt,
  hashOfBlock,
  newHeightState,
  type CoreState,
} from './state.js'
import type { CoreEvent, ProposedBlock, SafetyRecord, Tip, ValidatorSet } from './types.js'
import { enterView, joinView, passSuspectedLeader } from './view-change.js'
import { logVote } from './prepare.js'

type Start = Extract<CoreEvent, { type: 'start' }>
type Applied = Extract<CoreEvent, { type: 'applied' }>

export function onStart(state: CoreState, event: Start): void {
  if (state.phase !== 'created') return
  state.phase = 'running'
  state.waiting = event.waiting
  state.lastProposalAt = -state.config.batchWindowMs
  // The first heartbeat leaves at once: peers learn that this replica is back.
  state.lastBroadcastAt = -state.config.heartbeatMs
  restoreSafety(state, event)
  beginHeight(state, event.tip, event.validators)
}

function restoreSafety(state: CoreState, event: Start): void {
  const { safety, tip } = event
  const isDamaged = safety !== null && !isLockConsistent(state, safety)
  if (event.amnesia || isDamaged) {
    // R17: silent until the chain has passed everything this key may have signed.
    state.voteFloor = Number.MAX_SAFE_INTEGER
    state.amnesia = { since: state.now, heard: new Map() }
    alarm(state, 'SAFETY_RECORD_LOST', 'start', { tip: tip.height })
    return
  }
  if (safety === null || safety.epoch < state.config.epoch) return
  if (safety.epoch > state.config.epoch) {
    state.voteFloor = Number.MAX_SAFE_INTEGER
    alarm(state, 'SAFETY_RECORD_AHEAD', 'epoch', { recordEpoch: safety.epoch })
    return
  }
  const { proposal, prepare, commit } = safety
  state.leavesProposal =
    event.leavesProposal === true && proposal !== null && prepare === null && commit === null
  // S8: the store may be older than the votes; below the recorded height this key has said all it will say.
  state.voteFloor = safety.height
  state.restored = safety
  if (safety.height > tip.height + 1) {
    alarm(state, 'SAFETY_RECORD_AHEAD', 'height', { recordHeight: safety.height, tip: tip.height })
  }
}

/**
 * Everything per height anew: mode, timers, vote logs (R10). Then what was signed before a crash comes
 * back.
 */
export function beginHeight(state: CoreState, tip: Tip, validators: ValidatorSet): void {
  for (const candidate of state.candidates.values()) {
    if (!equalBytes(candidate.hash, tip.blockHash))
      emit(state, { type: 'discard', blockHash: candidate.hash })
  }
  Object.assign(state, newHeightState(tip.height + 1))
  state.tip = tip
  state.validators = validators
  state.memberIndexes = new Map(
    validators.members.map((member, index) => [bytesToHex(member.entity), index]),
  )
  state.selfIndex = state.memberIndexes.get(bytesToHex(state.config.self)) ?? -1
  state.order = leaderOrder(state.config, tip, validators)
  state.viewSince = state.now
  state.sync.refused.clear()
  if (state.sync.asked !== '')
    state.sync.asked = state.sync.claims.has(state.sync.asked) ? state.sync.asked : ''
  forgetReachedClaims(state)
  forgetStrangers(state)
  const foreign = faultOfTip(state.config, tip)
  if (foreign !== null) return halt(state, foreign, { tip: tip.height, block: bytesToHex(tip.blockHash) })
  const expected = expectedValidators(state.config, tip)
  if (!equalBytes(validators.hash, expected) || validators.members.length === 0) {
    return halt(state, 'VALIDATORS_MISMATCH', { given: bytesToHex(validators.hash) })
  }
  restoreHeight(state)
  passSuspectedLeader(state)
}

/** The votes of this height from before a crash: never signed again, only sent again (R16, S5). */
function restoreHeight(state: CoreState): void {
  const record = state.restored
  if (record === null || record.height > state.height) return
  state.restored = null
  if (record.height < state.height || state.selfIndex < 0) return
  state.view = record.view
  const { proposal, prepare, commit, viewChange } = record
  state.own = { proposal, prepare, commit, viewChange }
  state.prepared = record.prepared
  state.preparedBlock = record.preparedBlock
  if (state.leavesProposal) return leaveProposal(state, record)
  restoreBody(state, proposal)
  restoreBody(state, record.preparedBlock)
  restoreBody(state, record.votedBlock)
  if (prepare !== null) logVote(state, state.prepares, prepare)
  if (commit !== null) logVote(state, state.commits, commit)
  if (viewChange !== null) state.viewChanges.set(state.selfIndex, viewChange)
  state.proposal = proposal
  state.justification = proposal?.justification ?? []
  state.ballot = ballotOf(state, record)
  // A view that this key voted in had started; one that it only asked for has to be justified again.
  state.started = record.view === 0 || state.ballot !== ''
}

/**
 * R18: a leader that died of its own proposal, before it voted on it, would send it at each start and die of
 * it again. It leaves that view by a VIEW-CHANGE and signs nothing in it any more, so what it signed there
 * stays the only proposal of this key; a block that others voted on can still be decided.
 */
function leaveProposal(state: CoreState, record: SafetyRecord): void {
  state.leavesProposal = false
  restoreBody(state, record.preparedBlock)
  enterView(state, record.view + 1, 'its own proposal ended the executor')
  if (state.view === record.view) joinView(state, record.view + 1)
}

function restoreBody(state: CoreState, kept: ProposedBlock | null): void {
  if (kept === null) return
  const candidate = addCandidate(state, hashOfBlock(state, kept.block), kept, state.config.self)
  ensureExecution(state, candidate)
}

function ballotOf(state: CoreState, record: SafetyRecord): string {
  if (record.proposal !== null) return bytesToHex(hashOfBlock(state, record.proposal.block))
  const vote = record.prepare ?? record.commit
  return vote === null ? '' : bytesToHex(vote.blockHash)
}

/** The store has the block: the height ends here, whichever way it was decided. Idempotent by height. */
export function onApplied(state: CoreState, event: Applied): void {
  if (!state.applying || event.height !== state.height || state.decided === null) return
  keepTipBlock(state)
  const { block } = state.tipBlock!
  const candidate = state.candidates.get(bytesToHex(state.decided.blockHash))
  const leaders = { order: state.order, validators: state.validators }
  const tip: Tip = {
    epoch: block.header.epoch,
    height: state.height,
    blockHash: state.decided.blockHash,
    resultHash: state.decided.resultHash,
    result: candidate!.result!,
    time: block.header.time,
    proposer: block.header.proposer,
    certificate: state.decided,
    validators: state.validators,
    skipped: skippedAfter(state.config, state.tip.skipped, block.header, leaders),
  }
  state.waiting = event.waiting
  beginHeight(state, tip, event.validators)
}
