// The safety record: what this key has signed at this height. Durable before any of it is sent (R16).

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { hashOfBlock, emit, type Candidate, type CoreState } from './state.js'
import type { ProposedBlock, SafetyRecord } from './types.js'

/**
 * The record of this moment. The body voted on travels with it, so that a power loss of the whole site
 * loses none.
 */
export function safetyRecord(state: CoreState): SafetyRecord {
  const lockedKey = state.prepared === null ? '' : bytesToHex(state.prepared.blockHash)
  const voted =
    state.ballot === '' || state.ballot === lockedKey ? undefined : state.candidates.get(state.ballot)
  // The own proposal carries its body already.
  const hasVoted = state.own.proposal === null && (state.own.prepare !== null || state.own.commit !== null)
  return {
    epoch: state.config.epoch,
    height: state.height,
    view: state.view,
    ...state.own,
    prepared: state.prepared,
    preparedBlock: state.preparedBlock,
    votedBlock: hasVoted && voted !== undefined ? proposedBlock(voted) : null,
  }
}

export function proposedBlock({ block, parentCertificate }: Candidate): ProposedBlock {
  return { block, parentCertificate }
}

// R16: persist precedes every send of a vote, proposal or VIEW-CHANGE in the same list.
export function persist(state: CoreState): void {
  emit(state, { type: 'persist', record: safetyRecord(state) })
}

/**
 * Does the proposal's or record's body fit the certificate it stands for? Guards against a damaged record.
 */
export function isLockConsistent(state: CoreState, record: SafetyRecord): boolean {
  if (record.prepared === null) return record.preparedBlock === null
  if (record.preparedBlock === null) return false
  return (
    bytesToHex(hashOfBlock(state, record.preparedBlock.block)) === bytesToHex(record.prepared.blockHash)
  )
}
