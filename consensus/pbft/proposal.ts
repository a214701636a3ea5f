// PRE-PREPARE: the leader chooses a block, followers check it before anything else (R4, R5, R12, R15).

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { assert } from '../../runtime/protocol/result.js'
import { reportConflict } from './evidence.js'
import { isCertificateValid } from './quorum.js'
import { persist } from './safety.js'
import { signingBytes } from './signing.js'
import {
  addCandidate,
  alarm,
  canVote,
  certificateHash,
  emit,
  ensureExecution,
  hashOfBlock,
  isLeader,
  leaderIndex,
  memberIndex,
  send,
  type CoreState,
} from './state.js'
import { isDue, setTimer } from './timers.js'
import type { BlockHeader, CoreEvent, ProposalMessage, ProposedBlock } from './types.js'
import {
  abandonView,
  faultOfJustification,
  forcedCertificate,
  highestPrepared,
  joinView,
} from './view-change.js'

type PayloadReady = Extract<CoreEvent, { type: 'payloadReady' }>

// ------------------------------------------------------------------------------------------- the leader

/** Proposes when it is this replica's turn and there is a reason. Called after every event; idempotent. */
export function advanceProposal(state: CoreState): void {
  if (!canVote(state) || !isLeader(state) || !state.started || state.decided !== null) return
  if (state.own.proposal !== null || state.ballot !== '' || state.building?.view === state.view) return
  // R12: what the justification forces comes first, whatever waits in the pool.
  const forced = forcedCertificate(state)
  if (forced !== null) {
    const candidate = state.candidates.get(bytesToHex(forced.blockHash))
    const isCarried =
      candidate !== undefined && (state.tip.height === 0 || candidate.parentCertificate !== null)
    if (isCarried) propose(state, candidate)
    return
  }
  const due = isDue(state, 0) && state.now >= state.dueRetryAt
  const { normal, emergency, full } = state.waiting
  if (!due && !normal && !emergency) return
  // R4: at once for an emergency, due work, a full block or an idle pipeline; else the batch window.
  const windowLeft = state.lastProposalAt + state.config.batchWindowMs - state.now
  if (!due && !emergency && full !== true && windowLeft > 0) {
    setTimer(state, 'batch', `${state.height}/${state.view}`, state.now + windowLeft)
    return
  }
  // R15: the leader's clock, strictly above the parent's time.
  const time = Math.max(state.now, state.tip.time + 1)
  state.building = { view: state.view, time }
  emit(state, { type: 'buildPayload', height: state.height, view: state.view, time, due, emergency })
}

export function onPayloadReady(state: CoreState, event: PayloadReady): void {
  const { building } = state
  if (building === null || event.height !== state.height || event.view !== building.view) return
  if (event.view !== state.view || !state.started || !canVote(state) || !isLeader(state)) return
  if (state.own.proposal !== null || state.ballot !== '') return
  if (event.payload === null) {
    // Nothing to propose after all: wait for the pool's next word; due work is tried again a little later.
    state.building = null
    state.waiting = { normal: false, emergency: false }
    state.dueRetryAt = state.now + state.config.heartbeatMs
    return
  }
  propose(state, {
    block: { header: freshHeader(state, building.time, event.transactionRoots), payload: event.payload },
    parentCertificate: state.tip.certificate,
  })
}

function freshHeader(state: CoreState, time: number, transactionRoots: readonly Uint8Array[]): BlockHeader {
  const { config, tip } = state
  return {
    version: config.version,
    appVersion: config.appVersion,
    chainId: config.chainId,
    epoch: config.epoch,
    height: state.height,
    view: state.view,
    time,
    proposer: config.self,
    parentHash: tip.blockHash,
    parentResultHash: tip.resultHash,
    parentCertificateHash: certificateHash(state, tip.certificate),
    transactionRoots: [...transactionRoots],
    validatorsHash: state.validators.hash,
  }
}

function propose(state: CoreState, { block, parentCertificate }: ProposedBlock): void {
  assert(isLeader(state) && state.started && state.own.proposal === null, 'proposes once, in its own view')
  const unsigned = {
    type: 'proposal',
    epoch: state.config.epoch,
    height: state.height,
    view: state.view,
    sender: state.config.self,
    block,
    // R9: the certificate whose hash the header names; a re-proposed header may name another one than our
    // own.
    parentCertificate,
    justification: state.view === 0 ? [] : state.justification,
  } as const
  const signature = state.ports.sign(signingBytes(unsigned, state.config.chainId, state.ports.hash))
  const message: ProposalMessage = { ...unsigned, signature }
  const candidate = addCandidate(state, hashOfBlock(state, block), message, state.config.self)
  state.own.proposal = message
  state.proposal = message
  state.ballot = candidate.key
  state.ballotTimely = true
  state.lastProposalAt = state.now
  persist(state)
  // R4: it sends before it executes.
  send(state, null, message)
  ensureExecution(state, candidate)
}

// ----------------------------------------------------------------------------------------- the follower

/**
 * A proposal for the current height, signature checked. `receivedAt` is when it reached this replica, which
 * may be before its height began; `from` handed it over.
 */
export function onProposal(
  state: CoreState,
  message: ProposalMessage,
  { from, receivedAt }: { from: Uint8Array; receivedAt: number },
): void {
  if (message.view < state.view || state.applying) return
  const sender = memberIndex(state, message.sender)
  if (sender < 0 || sender !== leaderIndex(state, message.view)) return
  const hash = hashOfBlock(state, message.block)
  const key = bytesToHex(hash)
  if (message.view === state.view && state.ballot !== '') {
    if (state.ballot !== key) onEquivocation(state, message)
    else state.proposal ??= message
    return
  }
  // A payload that does not belong to the signed header proves nothing about the leader: a relay may have
  // cut it.
  if (message.block.payload.length > state.config.payloadBytesMax) return
  if (!state.ports.payloadMatches(message.block.header, message.block.payload)) return
  const justificationFault = faultOfJustification(state, message)
  if (justificationFault !== null) return onInvalidProposal(state, message, justificationFault)
  const forced = highestPrepared(message.justification)
  const isForced = forced.length > 0
  if (isForced && !forced.some((certificate) => equalBytes(certificate.blockHash, hash))) {
    return onInvalidProposal(state, message, 'another block than the highest prepared one')
  }
  const fault = headerFault(state, message, isForced)
  if (fault !== null) return onInvalidProposal(state, message, fault)
  acceptProposal(state, message, { hash, isForced, receivedAt, from })
}

function acceptProposal(
  state: CoreState,
  message: ProposalMessage,
  about: { hash: Uint8Array; isForced: boolean; receivedAt: number; from: Uint8Array },
): void {
  // R12: the justification is the new view's proof; this replica need not have asked for it.
  if (message.view > state.view) joinView(state, message.view)
  state.started = true
  state.justification = message.justification
  const { header } = message.block
  const skew = Math.abs(header.time - about.receivedAt)
  // R15: skew is judged on fresh proposals only; a late block is executed and may be committed, not
  // prepared by us.
  state.ballotTimely = about.isForced || skew <= state.config.clockSkewMsMax
  if (!state.ballotTimely) {
    alarm(state, 'CLOCK_SKEW', `${message.view}`, { skewMs: skew, sender: bytesToHex(message.sender) })
  }
  const candidate = addCandidate(state, about.hash, message, about.from)
  state.proposal = message
  state.ballot = candidate.key
  ensureExecution(state, candidate)
}

/** R5: everything that the header alone decides. Null when all is well, else what is wrong. */
function headerFault(state: CoreState, message: ProposalMessage, isForced: boolean): string | null {
  const { header } = message.block
  const { config, tip } = state
  if (header.version !== config.version || header.appVersion !== config.appVersion) return 'version'
  if (!equalBytes(header.chainId, config.chainId) || header.epoch !== config.epoch) return 'chain or epoch'
  if (header.height !== state.height) return 'height'
  if (!equalBytes(header.parentHash, tip.blockHash)) return 'parent hash'
  if (!equalBytes(header.parentResultHash, tip.resultHash)) return 'parent result'
  if (!equalBytes(header.validatorsHash, state.validators.hash)) return 'validators hash'
  if (header.time <= tip.time) return 'time not above the parent'
  // R14: a re-proposed header keeps the view and proposer of its first proposal.
  if (isForced ? header.view >= message.view : header.view !== message.view) return 'header view'
  const proposer = state.validators.members[leaderIndex(state, header.view)]
  if (!equalBytes(header.proposer, proposer.entity)) return 'proposer'
  return isParentCertified(state, message) ? null : 'parent certificate'
}

/**
 * R9, S3: the embedded certificate is the one the header names and certifies our tip under its own
 * members.
 */
function isParentCertified(state: CoreState, message: ProposalMessage): boolean {
  const { tip } = state
  const { parentCertificate: certificate, block } = message
  if (!equalBytes(block.header.parentCertificateHash, certificateHash(state, certificate))) return false
  if (certificate === null) return tip.height === 0
  return (
    certificate.height === tip.height &&
    equalBytes(certificate.blockHash, tip.blockHash) &&
    equalBytes(certificate.resultHash, tip.resultHash) &&
    isCertificateValid(state, certificate, { phase: 'commit', set: tip.validators, epoch: tip.epoch })
  )
}

// R23: a leader proved wrong ends its view at once.
function onInvalidProposal(state: CoreState, message: ProposalMessage, reason: string): void {
  alarm(state, 'LEADER_INVALID', bytesToHex(message.sender), { sender: bytesToHex(message.sender), reason })
  if (message.view === state.view) abandonView(state, 'invalid proposal')
}

function onEquivocation(state: CoreState, message: ProposalMessage): void {
  const first = state.proposal
  if (first === null || memberIndex(state, first.sender) !== memberIndex(state, message.sender)) return
  reportConflict(state, first, message)
  abandonView(state, 'two proposals')
}
