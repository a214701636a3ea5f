// Which clocks run, decided anew after every event from the state alone: no transition can forget to start
// one.

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { claimedHeight, missingBody, onSyncTimer, requestNext } from './catch-up.js'
import { beat } from './heartbeat.js'
import { reportSplit } from './prepare.js'
import { quorumSizes } from './quorum.js'
import { alarm, canVote, emit, isLeader, leaderIndex, send, type CoreState } from './state.js'
import type { CoreEvent, ProposalMessage, TimerId } from './types.js'
import { abandonLeader, countAtOrAbove } from './view-change.js'

type TimerExpired = Extract<CoreEvent, { type: 'timerExpired' }>

/** Hosts' timers are 31-bit at worst; a far due time is approached in steps. */
const timerMsMax = 60_000

/**
 * R22: doubles per view, capped; the base adapts to measured latencies. A new height starts at the base
 * again.
 */
export function viewTimeout(state: CoreState, view: number): number {
  return Math.min(state.viewTimeoutMs * 2 ** Math.min(view, 16), state.config.viewTimeoutMsMax)
}

/** R25: a contract timer or carried-over work asks for a block. 0 means nothing is due. */
export function isDue(state: CoreState, slackMs: number): boolean {
  const { nextDueTime } = state.tip.result
  return nextDueTime !== 0 && state.now >= nextDueTime + slackMs
}

/** Starts the timer unless it runs for the same purpose already. `deadline` is on the host's clock. */
export function setTimer(state: CoreState, id: TimerId, purpose: string, deadline: number): void {
  if (state.timers.get(id)?.purpose === purpose) return
  const token = state.nextToken
  state.nextToken += 1
  const until = Math.min(deadline, state.now + timerMsMax)
  state.timers.set(id, { token, purpose, deadline: until })
  emit(state, { type: 'setTimer', id, token, afterMs: Math.max(0, until - state.now) })
}

export function clearTimer(state: CoreState, id: TimerId): void {
  if (state.timers.delete(id)) emit(state, { type: 'clearTimer', id })
}

interface Wanted {
  readonly purpose: string
  readonly deadline: number
}

function apply(state: CoreState, id: TimerId, wanted: Wanted | null): void {
  if (wanted === null) clearTimer(state, id)
  else setTimer(state, id, wanted.purpose, wanted.deadline)
}

/** Called at the end of every step. */
export function refreshTimers(state: CoreState): void {
  const leader = leaderKey(state)
  if (state.term.leader !== leader) state.term = { leader, since: state.now }
  apply(state, 'view', viewTimer(state))
  apply(state, 'silence', silenceTimer(state))
  apply(state, 'resend', resendTimer(state))
  apply(state, 'heartbeat', heartbeatTimer(state))
  apply(state, 'due', dueTimer(state))
  apply(state, 'emergency', emergencyTimer(state))
  apply(state, 'sync', syncTimer(state))
  if (!canVote(state) || !isLeader(state) || state.own.proposal !== null) clearTimer(state, 'batch')
}

/** R24: runs only when there is something to agree on. */
function viewTimer(state: CoreState): Wanted | null {
  if (!canVote(state) || state.decided !== null) return null
  const timeout = viewTimeout(state, state.view)
  const at = `${state.height}/${state.view}`
  if (!state.started) {
    // R21: a view's clock starts when q members have left the ones below.
    const { q } = quorumSizes(state.validators.members.length)
    if (countAtOrAbove(state, state.view) < q) return null
    return { purpose: `${at}/change`, deadline: state.now + timeout }
  }
  if (state.ballot !== '') return { purpose: `${at}/ballot`, deadline: state.now + timeout }
  const agenda = agendaOf(state)
  if (agenda === '') return null
  // Ordinary traffic may wait twice as long for a leader that has not failed yet (normalRequest).
  const patience = agenda === 'normal' && state.view === 0 ? 2 : 1
  return shortened(state, `${at}/${agenda}`, state.now + timeout * patience)
}

/** A more urgent reason may shorten the wait for a proposal, never lengthen it. */
function shortened(state: CoreState, purpose: string, deadline: number): Wanted {
  const running = state.timers.get('view')
  const isSameWait = running !== undefined && running.purpose.startsWith(`${state.height}/${state.view}/`)
  const isStarted = isSameWait && !running.purpose.endsWith('/change')
  return { purpose, deadline: isStarted ? Math.min(deadline, running.deadline) : deadline }
}

function agendaOf(state: CoreState): string {
  const isLocked = state.prepared !== null || state.justification.some((item) => item.prepared !== null)
  if (isLocked) return 'locked'
  if (state.waiting.emergency) return 'emergency'
  // Followers allow the leader's clock its skew before due work counts as late.
  if (isDue(state, state.config.clockSkewMsMax)) return 'due'
  return state.waiting.normal ? 'normal' : ''
}

/**
 * R24: a leader whose heartbeats stop is replaced, when it is idle before an emergency arrives, and when
 * transactions wait sooner than their own timer would: silence says more than slowness.
 */
function silenceTimer(state: CoreState): Wanted | null {
  if (!canVote(state) || !state.started || isLeader(state)) return null
  if (state.decided !== null) return null
  return { purpose: `${state.view}/${leaderKey(state)}`, deadline: silenceDeadline(state) }
}

function leaderKey(state: CoreState): string {
  return bytesToHex(state.validators.members[leaderIndex(state, state.view)].entity)
}

function silenceDeadline(state: CoreState): number {
  const heard = Math.max(state.lastHeard.get(leaderKey(state)) ?? 0, state.viewSince)
  return heard + viewTimeout(state, state.view)
}

function resendTimer(state: CoreState): Wanted | null {
  const isOpen = !state.started || state.ballot !== ''
  if (!canVote(state) || !isOpen) return null
  return { purpose: `${state.height}/${state.view}`, deadline: state.now + state.config.viewChangeResendMs }
}

function heartbeatTimer(state: CoreState): Wanted | null {
  if (state.selfIndex < 0) return null
  return { purpose: 'beat', deadline: state.now + state.config.heartbeatMs }
}

function dueTimer(state: CoreState): Wanted | null {
  const { nextDueTime } = state.tip.result
  if (state.selfIndex < 0 || nextDueTime === 0) return null
  const slack = isLeader(state) ? 0 : state.config.clockSkewMsMax
  if (isDue(state, slack)) return null
  return { purpose: `${state.height}/${slack}`, deadline: nextDueTime + slack }
}

function emergencyTimer(state: CoreState): Wanted | null {
  if (!state.waiting.emergency || state.selfIndex < 0) return null
  return { purpose: `${state.height}`, deadline: state.now + state.config.emergencyRequestMs }
}

function syncTimer(state: CoreState): Wanted | null {
  const isBehind = claimedHeight(state) > state.tip.height
  if (!isBehind && missingBody(state) === null) return null
  // One height behind is usually a vote still on its way; more is a real gap and was asked for at once.
  return {
    purpose: 'sync',
    deadline: state.now + state.config.syncRetryMs / (state.sync.asked === '' ? 5 : 1),
  }
}

// ---------------------------------------------------------------------------------------------- expiry

/** A late or cancelled timer has a stale token and does nothing (F11). */
export function onTimerExpired(state: CoreState, event: TimerExpired): void {
  const timer = state.timers.get(event.id)
  if (timer?.token !== event.token) return
  state.timers.delete(event.id)
  switch (event.id) {
    case 'view':
      return onViewTimer(state)
    case 'silence':
      if (state.now >= silenceDeadline(state)) abandonLeader(state, 'leader silent')
      return
    case 'resend':
      return resend(state)
    case 'heartbeat':
      return beat(state)
    case 'sync':
      return onSyncTimer(state)
    case 'emergency':
      // R20: the soft stage helps at once; the hard stage is the view timer.
      alarm(state, 'EMERGENCY_LATE', `${state.height}`, { afterMs: state.config.emergencyRequestMs })
      emit(state, { type: 'resendEmergency' })
      return
    case 'batch':
    case 'due':
      // The proposal is decided by `advanceProposal` after every event; the expiry only brings the time.
      return
  }
}

/**
 * R20: blocks come, but never with this transaction: the leader censors it. Between views there is no
 * leader to complain
 * about, and a new one gets the time that an ordinary request has; else complaints would drive views
 * apart (R21).
 */
export function onOverdue(state: CoreState): void {
  const patience = 2 * viewTimeout(state, 0)
  if (!state.started || state.term.leader !== leaderKey(state)) return
  if (state.now >= state.term.since + patience) abandonLeader(state, 'transaction overdue')
}

function onViewTimer(state: CoreState): void {
  if (!canVote(state)) return
  // R18: a result that splits the members ends the view by its timer when votes are still missing.
  reportSplit(state)
  abandonLeader(state, state.started ? 'view timed out' : 'view did not start')
}

/** Losses at a reconnect: what this replica signed in the open view, once more. */
function resend(state: CoreState): void {
  const { own, lastBroadcastAt: last } = state
  if (!canVote(state)) return
  if (own.viewChange !== null && !state.started) send(state, null, own.viewChange)
  if (own.proposal !== null) resendProposal(state, own.proposal)
  if (own.prepare !== null) send(state, null, own.prepare)
  if (own.commit !== null) send(state, null, own.commit)
  // What was sent before is no sign of life (`noteHeard`): the next heartbeat is not put off.
  state.lastBroadcastAt = last
}

/** A block may be large: only to members whose PREPARE does not show that they have it. */
function resendProposal(state: CoreState, proposal: ProposalMessage): void {
  const votes = state.prepares.get(state.view)
  state.validators.members.forEach((member, index) => {
    if (index !== state.selfIndex && votes?.has(index) !== true) send(state, member.entity, proposal)
  })
}

/** A gap of more than the height in flight is asked for at once, not after the sync timer. */
export function requestGap(state: CoreState): void {
  if (state.sync.asked === '' && claimedHeight(state) > state.height) requestNext(state)
}
