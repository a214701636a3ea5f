// Execute, then vote (R6); q PREPAREs for one pair are the lock (R7); a split result ends the view (R18,
// R23).

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { assert } from '../../runtime/protocol/result.js'
import { viewsAheadMax } from './config.js'
import { isConflictingVote, reportConflict } from './evidence.js'
import { certificateOf, quorumSizes } from './quorum.js'
import { persist, proposedBlock } from './safety.js'
import { signingBytes } from './signing.js'
import {
  alarm,
  canVote,
  emit,
  ensureExecution,
  halt,
  memberIndex,
  send,
  type Candidate,
  type CoreState,
  type VoteLog,
} from './state.js'
import type { CoreEvent, VoteMessage } from './types.js'
import { abandonView } from './view-change.js'

type Executed = Extract<CoreEvent, { type: 'executed' }>

export function onExecuted(state: CoreState, event: Executed): void {
  const candidate = state.candidates.get(bytesToHex(event.blockHash))
  if (candidate === undefined || candidate.execution !== 'running') return
  const isValid = event.ok && event.resultHash !== null && event.result !== null
  candidate.execution = isValid ? 'valid' : 'refused'
  if (!isValid) return
  candidate.resultHash = event.resultHash
  candidate.result = event.result
}

/** PREPARE of the current view or a few above (R26). */
export function onPrepare(state: CoreState, message: VoteMessage): void {
  if (message.view < state.view || message.view > state.view + viewsAheadMax) return
  logVote(state, state.prepares, message)
}

/** The first vote of each sender counts; another one is evidence (R26, R30). */
export function logVote(state: CoreState, log: VoteLog, message: VoteMessage): void {
  const sender = memberIndex(state, message.sender)
  if (sender < 0 || state.applying) return
  const votes = log.get(message.view) ?? new Map<number, VoteMessage>()
  log.set(message.view, votes)
  const first = votes.get(sender)
  if (first === undefined) votes.set(sender, message)
  else if (isConflictingVote(first, message)) reportConflict(state, first, message)
}

/** Made once a vote: groups are formed after every event. */
const pairKeys = new WeakMap<VoteMessage, string>()

function pairKey(vote: VoteMessage): string {
  const known = pairKeys.get(vote)
  if (known !== undefined) return known
  const key = bytesToHex(vote.blockHash) + bytesToHex(vote.resultHash)
  pairKeys.set(vote, key)
  return key
}

/** Votes grouped by pair: the largest group first. */
export function groupsOf(votes: ReadonlyMap<number, VoteMessage> | undefined): Map<number, VoteMessage>[] {
  const groups = new Map<string, Map<number, VoteMessage>>()
  for (const [sender, vote] of votes ?? []) {
    const key = pairKey(vote)
    const group = groups.get(key) ?? new Map<number, VoteMessage>()
    groups.set(key, group.set(sender, vote))
  }
  return [...groups.values()].sort((left, right) => right.size - left.size)
}

/** Votes when the ballot was executed, and locks when q others did the same. Idempotent. */
export function advancePrepare(state: CoreState): void {
  if (!state.started || state.applying) return
  castPrepare(state)
  const votes = state.prepares.get(state.view)
  if (votes === undefined || state.decided !== null) return
  const groups = groupsOf(votes)
  const { q } = quorumSizes(state.validators.members.length)
  if (groups[0].size >= q) return onPrepared(state, groups[0])
  checkMinority(state, groups)
  checkSplit(state, votes.size, groups)
}

// R6: no PREPARE before the own execution; a refused block gets none and ends the view.
function castPrepare(state: CoreState): void {
  const candidate = state.candidates.get(state.ballot)
  if (candidate === undefined) return
  ensureExecution(state, candidate)
  if (candidate.execution === 'refused' && state.decided === null) {
    if (isRelayed(state, candidate)) return forgetBallot(state, candidate)
    alarm(state, 'EXECUTION_REFUSED', candidate.key, { block: candidate.key })
    return abandonView(state, 'execution refused')
  }
  if (candidate.execution !== 'valid' || !state.ballotTimely) return
  if (!canVote(state) || state.own.prepare !== null) return
  const message = signVote(state, 'prepare', candidate.hash, candidate.resultHash)
  state.own.prepare = message
  logVote(state, state.prepares, message)
  persist(state)
  send(state, null, message)
}

/**
 * The leader's signature covers the header only. A body that somebody else handed over may have been changed
 * on its way, so its refusal proves nothing about the leader: its own copy is waited for.
 */
function isRelayed(state: CoreState, candidate: Candidate): boolean {
  return state.proposal !== null && candidate.source !== bytesToHex(state.proposal.sender)
}

function forgetBallot(state: CoreState, candidate: Candidate): void {
  state.candidates.delete(candidate.key)
  emit(state, { type: 'discard', blockHash: candidate.hash })
  state.proposal = null
  state.ballot = ''
}

export function signVote(
  state: CoreState,
  type: 'prepare' | 'commit',
  blockHash: Uint8Array,
  resultHash: Uint8Array | null,
): VoteMessage {
  assert(
    resultHash !== null && canVote(state) && state.started,
    'votes on executed blocks in a started view',
  )
  const { epoch, self, chainId } = state.config
  const { height, view } = state
  const unsigned = { type, epoch, height, view, sender: self, blockHash, resultHash }
  return { ...unsigned, signature: state.ports.sign(signingBytes(unsigned, chainId, state.ports.hash)) }
}

// R7: a prepared certificate whose result equals the own one is persisted, then COMMIT is sent.
function onPrepared(state: CoreState, group: ReadonlyMap<number, VoteMessage>): void {
  const { q } = quorumSizes(state.validators.members.length)
  const certificate = certificateOf(group, q)
  const candidate = state.candidates.get(bytesToHex(certificate.blockHash))
  if (candidate === undefined) return
  ensureExecution(state, candidate)
  if (candidate.execution !== 'valid' || candidate.resultHash === null) return
  if (!equalBytes(candidate.resultHash, certificate.resultHash)) {
    // R18: q members got another result from the same block: this replica must not go on.
    return haltDivergent(state, candidate, certificate.resultHash)
  }
  if (!canVote(state) || state.own.commit !== null) return
  assert(state.prepared === null || state.prepared.view <= certificate.view, 'locks only rise')
  state.prepared = certificate
  state.preparedBlock = proposedBlock(candidate)
  const message = signVote(state, 'commit', candidate.hash, candidate.resultHash)
  state.own.commit = message
  logVote(state, state.commits, message)
  persist(state)
  send(state, null, message)
}

export function haltDivergent(state: CoreState, candidate: Candidate, certified: Uint8Array): void {
  halt(state, 'RESULT_DIVERGENCE', {
    block: candidate.key,
    ownResult: bytesToHex(candidate.resultHash ?? new Uint8Array(0)),
    certifiedResult: bytesToHex(certified),
  })
}

// R18: f+1 votes for another result of our ballot: at least one correct member disagrees with us.
function checkMinority(state: CoreState, groups: readonly Map<number, VoteMessage>[]): void {
  const candidate = state.candidates.get(state.ballot)
  if (candidate?.execution !== 'valid' || candidate.resultHash === null) return
  const { f } = quorumSizes(state.validators.members.length)
  let others = 0
  for (const group of groups) {
    const [vote] = group.values()
    const isOther =
      equalBytes(vote.blockHash, candidate.hash) && !equalBytes(vote.resultHash, candidate.resultHash)
    if (isOther) others += group.size
  }
  if (others > f) alarm(state, 'RESULT_MINORITY', candidate.key, { block: candidate.key, votes: others })
}

// R18, R23: when the missing votes cannot make any pair reach q, waiting for the timer is pointless.
function checkSplit(
  state: CoreState,
  voteCount: number,
  groups: readonly Map<number, VoteMessage>[],
): void {
  const { n, q } = quorumSizes(state.validators.members.length)
  if (groups[0].size + (n - voteCount) >= q) return
  reportSplit(state)
  abandonView(state, 'no pair can reach the quorum')
}

/**
 * R18: names the block whose result correct members disagree on, and keeps its transactions out. Votes for
 * one block outside its largest group must be more than f: fewer may all be lies, and a leader that shows
 * different blocks to different members must not get honest transactions set aside.
 */
export function reportSplit(state: CoreState): void {
  const candidate = state.candidates.get(state.ballot)
  if (candidate === undefined) return
  const groups = groupsOf(state.prepares.get(state.view)).filter((group) => {
    const [vote] = group.values()
    return equalBytes(vote.blockHash, candidate.hash)
  })
  const votes = groups.reduce((sum, group) => sum + group.size, 0)
  const { f } = quorumSizes(state.validators.members.length)
  if (groups.length === 0 || votes - groups[0].size <= f) return
  alarm(state, 'RESULT_SPLIT', `${state.view}`, { block: candidate.key, pairs: groups.length, votes })
  emit(state, { type: 'setAside', blockHash: candidate.hash, block: candidate.block })
}
