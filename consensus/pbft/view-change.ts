// VIEW-CHANGE: leaving a leader without losing what may have been decided under it (R11-R14, R21-R24).

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import type { Certificate } from '../../runtime/protocol/certificate.js'
import { assert } from '../../runtime/protocol/result.js'
import { viewsBehindMax } from './config.js'
import { reportConflict } from './evidence.js'
import { isCertificateValid, quorumSizes } from './quorum.js'
import { persist } from './safety.js'
import { signingBytes } from './signing.js'
import { canVote, emit, leaderIndex, memberIndex, send, type CoreState } from './state.js'
import type { ProposalMessage, ViewChangeMessage } from './types.js'

/** Leaves the current view for the next one (R23, timers). */
export function abandonView(state: CoreState, reason: string): void {
  enterView(state, state.view + 1, reason)
}

/** The leader of the current view let its time pass: it is suspected until it is heard again (R3). */
export function abandonLeader(state: CoreState, reason: string): void {
  const leader = state.validators.members[leaderIndex(state, state.view)].entity
  const key = bytesToHex(leader)
  if (!equalBytes(leader, state.config.self)) state.suspects.add(key)
  abandonView(state, reason)
}

/** A leader that leaves on purpose says so by its own VIEW-CHANGE: the others follow without a timeout. */
export function standDown(state: CoreState): void {
  if (!canVote(state) || !state.started || state.validators.members.length === 1) return
  if (leaderIndex(state, state.view) === state.selfIndex) abandonView(state, 'planned hand-over')
}

/** Asks for `view`, once: signed, durable, sent, and from then on silent in every view below. */
export function enterView(state: CoreState, view: number, reason: string): void {
  if (!canVote(state) || state.decided !== null || view <= state.view) return
  const unsigned = {
    type: 'viewChange',
    epoch: state.config.epoch,
    height: state.height,
    view,
    sender: state.config.self,
    // R11: the highest lock travels, so that no value that may be decided can be lost.
    prepared: state.prepared,
    lastCertificate: state.tip.certificate,
  } as const
  assert(state.prepared === null || state.prepared.view < view, 'a lock lies below the view asked for')
  const signature = state.ports.sign(signingBytes(unsigned, state.config.chainId, state.ports.hash))
  const message: ViewChangeMessage = { ...unsigned, signature }
  emit(state, {
    type: 'alarm',
    code: 'VIEW_CHANGE',
    detail: { height: state.height, view: state.view, reason, toView: view },
  })
  resetView(state, view)
  state.own.viewChange = message
  state.viewChanges.set(state.selfIndex, message)
  persist(state)
  send(state, null, message)
}

/** Forgets the ballot of the view left behind; candidates, lock and view changes stay. */
function resetView(state: CoreState, view: number): void {
  state.view = view
  state.started = false
  state.viewSince = state.now
  state.proposal = null
  state.ballot = ''
  state.ballotTimely = true
  state.justification = []
  state.building = null
  state.own = { proposal: null, prepare: null, commit: null, viewChange: null }
  for (const logged of [...state.prepares.keys()]) if (logged < view) state.prepares.delete(logged)
  // COMMITs of views left behind still complete a certificate.
  for (const logged of [...state.commits.keys()]) {
    if (logged + viewsBehindMax < view) state.commits.delete(logged)
  }
}

/** A justified proposal takes this replica into a view that it did not ask for. */
export function joinView(state: CoreState, view: number): void {
  assert(view > state.view, 'views only rise within a height')
  resetView(state, view)
}

/** A VIEW-CHANGE for the current height, signature checked; what it embeds is checked here. */
export function onViewChange(state: CoreState, message: ViewChangeMessage): void {
  const sender = memberIndex(state, message.sender)
  if (sender < 0 || state.applying) return
  const known = state.viewChanges.get(sender)
  // R26: the highest one of each sender.
  if (known?.view === message.view) return reportConflict(state, known, message)
  if (known !== undefined && known.view > message.view) return
  if (faultOfViewChange(state, message) !== null) return
  state.viewChanges.set(sender, message)
  joinHigherViews(state)
  if (state.started && sender === leaderIndex(state, state.view)) passDepartedLeader(state)
}

// R23: a leader that asked for a higher view signs nothing in this one any more; waiting for it is pointless.
function passDepartedLeader(state: CoreState): void {
  const asked = state.viewChanges.get(leaderIndex(state, state.view))
  if (asked !== undefined && asked.view > state.view && canVote(state)) {
    abandonView(state, 'the leader left its view')
  }
}

// R21: f+1 members in higher views: at least one of them is correct, follow to the (f+1)-th largest.
function joinHigherViews(state: CoreState): void {
  const { f } = quorumSizes(state.validators.members.length)
  const higher = [...state.viewChanges.values()]
    .map((message) => message.view)
    .filter((view) => view > state.view)
    .sort((left, right) => right - left)
  if (higher.length > f) enterView(state, higher[f], 'others left the view')
}

/** How many members ask for this view or a higher one. */
export function countAtOrAbove(state: CoreState, view: number): number {
  let count = 0
  for (const message of state.viewChanges.values()) if (message.view >= view) count += 1
  return count
}

// R12: `q` VIEW-CHANGEs start the view; the first `q` are frozen, so that the leader's choice cannot
// change later.
export function advanceView(state: CoreState): void {
  if (state.started || state.applying) return
  const { q } = quorumSizes(state.validators.members.length)
  const matching = [...state.viewChanges.entries()]
    .filter(([, message]) => message.view === state.view)
    .sort(([left], [right]) => left - right)
    .map(([, message]) => message)
  if (matching.length < q) return
  state.justification = matching.slice(0, q)
  state.started = true
  state.viewSince = state.now
  passSuspectedLeader(state)
  if (state.started) passDepartedLeader(state)
}

// R3: suspicion outlives the height: a leader that timed out and was not heard since is not waited for
// again.
export function passSuspectedLeader(state: CoreState): void {
  if (!canVote(state) || !state.started) return
  const leader = state.validators.members[leaderIndex(state, state.view)]
  if (state.suspects.has(bytesToHex(leader.entity))) abandonView(state, 'leader still silent')
}

/** The prepared certificates of the highest view among the view changes; empty when none holds one. */
export function highestPrepared(justification: readonly ViewChangeMessage[]): Certificate[] {
  let highest: Certificate[] = []
  for (const { prepared } of justification) {
    if (prepared === null) continue
    if (highest.length === 0 || prepared.view > highest[0].view) highest = [prepared]
    else if (prepared.view === highest[0].view) highest.push(prepared)
  }
  return highest
}

/** R12: what the leader of this view must re-propose, or null when it is free. */
export function forcedCertificate(state: CoreState): Certificate | null {
  return highestPrepared(state.justification)[0] ?? null
}

/** R13: all of the justification. Null when it stands, else what is wrong with it. */
export function faultOfJustification(state: CoreState, message: ProposalMessage): string | null {
  const { justification } = message
  if (message.view === 0) return justification.length === 0 ? null : 'justification in view 0'
  const { n, q } = quorumSizes(state.validators.members.length)
  if (justification.length < q || justification.length > n) return 'justification without quorum'
  const senders = new Set<number>()
  for (const item of justification) {
    const sender = memberIndex(state, item.sender)
    if (sender < 0 || senders.has(sender)) return 'justification with a stranger or a double'
    senders.add(sender)
    if (item.view !== message.view || item.height !== message.height)
      return 'justification for another view'
    if (item.epoch !== message.epoch) return 'justification of another epoch'
    const { voteKey } = state.validators.members[sender]
    const bytes = signingBytes(item, state.config.chainId, state.ports.hash)
    if (!isKnownViewChange(state, sender, item) && !state.ports.verify(voteKey, bytes, item.signature)) {
      return 'justification with a bad signature'
    }
    const fault = faultOfViewChange(state, item)
    if (fault !== null) return fault
  }
  return null
}

/**
 * The very message that this replica checked and kept: the object, not a look-alike with the same
 * signature.
 */
function isKnownViewChange(state: CoreState, sender: number, message: ViewChangeMessage): boolean {
  return state.viewChanges.get(sender) === message
}

/** R13: the certificates inside. Null when they stand. */
function faultOfViewChange(state: CoreState, message: ViewChangeMessage): string | null {
  const { prepared, lastCertificate } = message
  const { tip, config } = state
  if (message.height !== state.height || message.epoch !== config.epoch)
    return 'view change of another height'
  if (prepared !== null) {
    if (prepared.height !== state.height || prepared.view >= message.view)
      return 'lock of another height or view'
    const options = { phase: 'prepare', set: state.validators, epoch: config.epoch } as const
    if (!isCertificateValid(state, prepared, options)) return 'forged lock'
  }
  if (lastCertificate === null) return tip.height === 0 ? null : 'no certificate of the parent'
  if (lastCertificate.height !== tip.height) return 'certificate of another parent'
  if (!equalBytes(lastCertificate.blockHash, tip.blockHash)) return 'certificate of another parent'
  const options = { phase: 'commit', set: tip.validators, epoch: tip.epoch } as const
  return isCertificateValid(state, lastCertificate, options) ? null : 'forged certificate of the parent'
}
