// Conflicting signed messages of one validator (R30). Kept and shown; they decide nothing here.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { evidencePerHeightMax } from './config.js'
import { alarm, emit, type CoreState } from './state.js'
import type { SignedMessage, VoteMessage } from './types.js'

/** Same validator, height, view and phase, another pair. */
export function isConflictingVote(first: VoteMessage, second: VoteMessage): boolean {
  return !equalBytes(first.blockHash, second.blockHash) || !equalBytes(first.resultHash, second.resultHash)
}

export function reportConflict(state: CoreState, first: SignedMessage, second: SignedMessage): void {
  const key = `conflict/${first.type}/${first.view}/${bytesToHex(first.sender)}`
  if (state.reported.has(key) || state.reported.size >= evidencePerHeightMax) return
  state.reported.add(key)
  emit(state, { type: 'evidence', evidence: { first, second } })
  alarm(state, 'EQUIVOCATION', key, { sender: bytesToHex(first.sender), phase: first.type })
}
