// The core's only way in: one event, the actions it causes. Pure, total, single-threaded (R32).

import { assert, unreachable } from '../../runtime/protocol/result.js'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { advanceCatchUp, noteClaim, onBlocksReceived, onBody, onBodyRequest } from './catch-up.js'
import { advanceCommit, considerCertificate, onCommit } from './commit.js'
import { futureBytesMax, futureMessagesMax } from './config.js'
import { closedHeight } from './epochs.js'
import { onEvidence } from './evidence.js'
import { advanceAmnesia, help, helpBehind, noteHeard, onHeartbeat } from './heartbeat.js'
import { onApplied, onStart } from './height.js'
import { advancePrepare, onExecuted, onPrepare } from './prepare.js'
import { advanceProposal, onPayloadReady, onProposal } from './proposal.js'
import { leaderIndex, memberIndex, type CoreState } from './state.js'
import { onOverdue, onTimerExpired, refreshTimers, requestGap } from './timers.js'
import type { Action, CoreEvent, CoreMessage, ProposalMessage, SignedMessage } from './types.js'
import { advanceView, onViewChange, standDown } from './view-change.js'

/**
 * Takes one event and returns what the host must do, strictly in order. `state` is changed in place and
 * belongs to
 * `step` alone. Total over any message: bytes from a peer cause actions, never an exception.
 */
export function step(state: CoreState, event: CoreEvent): Action[] {
  state.actions = []
  if (state.phase === 'halted' || (state.phase === 'created') !== (event.type === 'start')) return []
  // A clock that jumps back does not take the core's time with it (F10).
  state.now = Math.max(state.now, event.now)
  const heightBefore = state.height
  onEvent(state, event)
  advance(state)
  if (state.height > heightBefore && heightBefore > 0) replayFuture(state)
  if (isRunning(state)) refreshTimers(state)
  assertInvariants(state)
  return state.actions
}

/** Only so that the compiler does not narrow `phase` across calls that change it. */
const isRunning = (state: CoreState): boolean => state.phase === 'running'

function onEvent(state: CoreState, event: CoreEvent): void {
  switch (event.type) {
    case 'start':
      return onStart(state, event)
    case 'message':
      return onMessage(state, event.from, event.message, state.now)
    case 'executed':
      return onExecuted(state, event)
    case 'payloadReady':
      return onPayloadReady(state, event)
    case 'transactionsWaiting':
      state.waiting = event.waiting
      return
    case 'transactionOverdue':
      return onOverdue(state)
    case 'standDown':
      return standDown(state)
    case 'timerExpired':
      return onTimerExpired(state, event)
    case 'blocksReceived':
      return onBlocksReceived(state, event)
    case 'applied':
      return onApplied(state, event)
    case 'measured':
      // R22, R33: five times the slower of commits and the event loop, never below the floor.
      state.viewTimeoutMs = Math.max(
        state.config.viewTimeoutMs,
        5 * event.commitP99Ms,
        5 * event.loopLagP99Ms,
      )
      return
    default:
      return unreachable(event)
  }
}

/** What the state alone now calls for. Each part is idempotent; the order follows the protocol's. */
function advance(state: CoreState): void {
  advanceAmnesia(state)
  if (isRunning(state)) advanceView(state)
  if (isRunning(state)) advanceProposal(state)
  if (isRunning(state)) advancePrepare(state)
  if (isRunning(state)) advanceCommit(state)
  if (isRunning(state)) advanceCatchUp(state)
  // Catch-up may have decided the height or brought the body that a decision waited for.
  if (isRunning(state)) advanceCommit(state)
  if (isRunning(state)) requestGap(state)
}

function onMessage(state: CoreState, from: Uint8Array, message: CoreMessage, receivedAt: number): void {
  switch (message.type) {
    case 'bodyRequest':
      return onBodyRequest(state, from, message)
    case 'body':
      return onBody(state, from, message)
    case 'evidence':
      return onEvidence(state, message)
    default:
      return onSigned(state, from, message, receivedAt)
  }
}

function onSigned(state: CoreState, from: Uint8Array, message: SignedMessage, receivedAt: number): void {
  if (message.epoch !== state.config.epoch) return
  noteHeard(state, message)
  if (message.type === 'heartbeat') {
    noteClaim(state, message.sender, message.height)
    return onHeartbeat(state, message)
  }
  // What is signed in this epoch for a height of an earlier one decides nothing, whoever signs it.
  if (message.height <= closedHeight(state.config)) return
  if (message.height > state.height) return onFuture(state, from, message, receivedAt)
  if (message.height < state.height) return onPast(state, message)
  const isOlderView = message.view < state.view
  const isStuck = message.type === 'viewChange' && message.view === state.view && state.started
  if (isOlderView || isStuck) help(state, message.sender)
  switch (message.type) {
    case 'proposal':
      return onProposal(state, message, { from, receivedAt })
    case 'prepare':
      return onPrepare(state, message)
    case 'commit':
      return onCommit(state, message)
    case 'viewChange':
      return onViewChange(state, message)
  }
}

// F28: a VIEW-CHANGE after progress is answered with the progress. Votes for the tip are only late, not
// lost.
function onPast(state: CoreState, message: SignedMessage): void {
  if (message.type !== 'viewChange' && message.height >= state.tip.height) return
  helpBehind(state, message.sender, message.height)
}

/**
 * One height ahead is kept, one message per sender and type (R26); its embedded certificate may end this
 * height.
 */
function onFuture(state: CoreState, from: Uint8Array, message: SignedMessage, receivedAt: number): void {
  noteClaim(state, message.sender, message.height - 1)
  if (message.height !== state.height + 1) return
  const embedded = certificateIn(message)
  if (embedded !== null) considerCertificate(state, embedded)
  const key = `${message.type}/${bytesToHex(message.sender)}`
  const known = state.future.get(key)
  if (known === undefined && state.future.size >= futureMessagesMax) return
  if (known !== undefined && 'view' in known.message && known.message.view > message.view) return
  if (message.type === 'proposal' && !makeRoom(state, key, message)) return
  state.future.set(key, { from, message, at: receivedAt })
}

/**
 * R26: bodies of the next height are bounded in bytes. The leader of this height most likely leads the next
 * one (R3), so its proposal goes before everybody else's; a leader that finds no room sends again.
 */
function makeRoom(state: CoreState, key: string, message: ProposalMessage): boolean {
  const size = ({ block }: ProposalMessage) => block.payload.length
  const others = [...state.future].filter(([at, kept]) => at !== key && kept.message.type === 'proposal')
  let bytes = others.reduce((sum, [, kept]) => sum + size(kept.message as ProposalMessage), size(message))
  const isLikely = memberIndex(state, message.sender) === leaderIndex(state, state.view)
  for (const [at, kept] of others) {
    if (bytes <= futureBytesMax || !isLikely) break
    state.future.delete(at)
    bytes -= size(kept.message as ProposalMessage)
  }
  return bytes <= futureBytesMax
}

function certificateIn(message: SignedMessage) {
  if (message.type === 'proposal') return message.parentCertificate
  return message.type === 'viewChange' ? message.lastCertificate : null
}

/** Messages that came before their height began. */
function replayFuture(state: CoreState): void {
  const kept = [...state.future.values()]
  state.future.clear()
  for (const { from, message, at } of kept) {
    if (isRunning(state)) onMessage(state, from, message, at)
  }
  if (isRunning(state)) advance(state)
}

/** What must hold after every step; a broken one is a bug of ours and stops the node. */
function assertInvariants(state: CoreState): void {
  if (state.phase !== 'running') return
  const { own, view, height } = state
  assert(height === state.tip.height + 1, 'the height in flight follows the tip')
  assert(
    own.prepare === null || (own.prepare.view === view && own.prepare.height === height),
    'own PREPARE is current',
  )
  assert(own.commit === null || own.commit.view === view, 'own COMMIT is current')
  assert(own.commit === null || state.prepared?.view === view, 'COMMIT only under a lock of its view')
  assert(state.prepared === null || state.preparedBlock !== null, 'a lock has its body')
  assert(state.started || state.ballot === '', 'no ballot before its view starts')
  assert(state.future.size <= futureMessagesMax, 'messages ahead are bounded')
  assert(state.prepares.size <= 8 && state.commits.size <= 16, 'vote logs are bounded')
}
