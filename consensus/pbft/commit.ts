// COMMIT, the quorum certificate, and the one path by which a height ends (R8, R10).

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import type { Certificate } from '../../runtime/protocol/certificate.js'
import { assert } from '../../runtime/protocol/result.js'
import { viewsAheadMax, viewsBehindMax } from './config.js'
import { closedHeight, epochOf, isOnBranch } from './epochs.js'
import { skippedAfter } from './leader.js'
import { groupsOf, haltDivergent, logVote } from './prepare.js'
import { certificateOf, isCertificateValid, quorumSizes } from './quorum.js'
import { proposedBlock } from './safety.js'
import { emit, ensureExecution, halt, type Candidate, type CoreState } from './state.js'
import type { VoteMessage } from './types.js'

/**
 * COMMIT of the current height; views a little behind count too, for their certificate is as final as any.
 */
export function onCommit(state: CoreState, message: VoteMessage): void {
  if (message.view + viewsBehindMax < state.view || message.view > state.view + viewsAheadMax) return
  logVote(state, state.commits, message)
}

/**
 * A certificate from anywhere (votes, a next proposal, catch-up). True when it is valid and decides this
 * height.
 */
export function considerCertificate(state: CoreState, certificate: Certificate): boolean {
  if (certificate.height !== state.height || state.applying) return false
  const epoch = epochOf(state.config, state.height)
  const options = { phase: 'commit', set: state.validators, epoch } as const
  if (!isOnBranch(state.config, certificate.height, certificate.blockHash)) return false
  if (!isCertificateValid(state, certificate, options)) return false
  decide(state, certificate)
  return true
}

/** `certificate` has been verified under the members and the epoch of this height. */
export function decide(state: CoreState, certificate: Certificate): void {
  const { decided } = state
  if (decided === null) {
    state.decided = certificate
    return
  }
  const isSame =
    equalBytes(decided.blockHash, certificate.blockHash) &&
    equalBytes(decided.resultHash, certificate.resultHash)
  // Two certificates for two pairs: more than f members signed both. Never choose.
  if (!isSame) {
    halt(state, 'CONFLICTING_CERTIFICATE', {
      first: bytesToHex(decided.blockHash),
      second: bytesToHex(certificate.blockHash),
    })
  }
}

/**
 * Forms the certificate when q COMMITs agree, and finalizes once the block was executed here. Idempotent
 * (R10).
 */
export function advanceCommit(state: CoreState): void {
  if (state.applying) return
  const { q } = quorumSizes(state.validators.members.length)
  for (const votes of state.commits.values()) {
    const [group] = groupsOf(votes)
    // R8: q COMMITs of distinct members over one pair in one view.
    if (group !== undefined && group.size >= q) decide(state, certificateOf(group, q))
  }
  if (state.decided !== null && state.phase === 'running') finalizeDecided(state, state.decided)
}

function finalizeDecided(state: CoreState, certificate: Certificate): void {
  const candidate = state.candidates.get(bytesToHex(certificate.blockHash))
  if (candidate === undefined) return
  ensureExecution(state, candidate)
  if (candidate.execution === 'refused') return onCertifiedRefused(state, candidate)
  if (candidate.execution !== 'valid' || candidate.resultHash === null || candidate.result === null) return
  if (!equalBytes(candidate.resultHash, certificate.resultHash)) {
    return haltDivergent(state, candidate, certificate.resultHash)
  }
  assert(candidate.block.header.height === state.height, 'finalizes its own height only')
  state.applying = true
  const leaders = { order: state.order, validators: state.validators }
  emit(state, {
    type: 'finalize',
    blockHash: candidate.hash,
    resultHash: candidate.resultHash,
    final: { block: candidate.block, result: candidate.result, certificate },
    skipped: skippedAfter(state.config, state.tip.skipped, candidate.block.header, leaders),
  })
}

// The body may be a forged one under the right hash, so others are asked first; f+1 refused bodies mean
// that this
// replica cannot execute what the quorum did.
function onCertifiedRefused(state: CoreState, candidate: Candidate): void {
  state.sync.refused.add(candidate.source)
  state.candidates.delete(candidate.key)
  const { f } = quorumSizes(state.validators.members.length)
  if (state.sync.refused.size > f) halt(state, 'CERTIFIED_BLOCK_REFUSED', { block: candidate.key })
}

/**
 * R29: the highest certificate that this replica holds. A member that sent COMMIT at a height holds at least
 * its lock there. Undefined for a replica that may have forgotten one, or never had a vote.
 */
export function heldBy(
  state: CoreState,
): { phase: 'prepare' | 'commit'; certificate: Certificate } | null | undefined {
  const { decided, prepared, tip } = state
  const isClosed = state.height <= closedHeight(state.config)
  if (state.phase !== 'running' || state.selfIndex < 0 || state.height < state.voteFloor || isClosed)
    return undefined
  if (decided !== null && decided.signatures.length > 0) return { phase: 'commit', certificate: decided }
  if (prepared !== null) return { phase: 'prepare', certificate: prepared }
  return tip.certificate === null ? null : { phase: 'commit', certificate: tip.certificate }
}

/** The body of the block being finalized, for peers that lack only that. */
export function decidedCandidate(state: CoreState): Candidate | undefined {
  return state.decided === null ? undefined : state.candidates.get(bytesToHex(state.decided.blockHash))
}

export function keepTipBlock(state: CoreState): void {
  const candidate = decidedCandidate(state)
  assert(candidate !== undefined, 'the finalized block was executed here')
  state.tipBlock = proposedBlock(candidate)
}
