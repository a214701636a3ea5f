// Signed liveness instead of empty blocks (R25): tip and view of every validator, and what a peer in need
// gets.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { quorumSizes } from './quorum.js'
import { signingBytes } from './signing.js'
import { alarm, emit, memberIndex, send, type CoreState } from './state.js'
import type { HeartbeatMessage, SignedMessage } from './types.js'

/** Sends one unless something else was sent to all in the meantime; a busy replica is heard anyway. */
export function beat(state: CoreState): void {
  if (state.selfIndex < 0 || state.now < state.lastBroadcastAt + state.config.heartbeatMs) return
  const unsigned = {
    type: 'heartbeat',
    epoch: state.config.epoch,
    height: state.tip.height,
    view: state.view,
    sender: state.config.self,
    blockHash: state.tip.blockHash,
    resultHash: state.tip.resultHash,
  } as const
  const signature = state.ports.sign(signingBytes(unsigned, state.config.chainId, state.ports.hash))
  send(state, null, { ...unsigned, signature })
}

export function onHeartbeat(state: CoreState, message: HeartbeatMessage): void {
  if (message.height !== state.tip.height) return
  // R25: divergence shows without a block.
  const isSame =
    equalBytes(message.blockHash, state.tip.blockHash) &&
    equalBytes(message.resultHash, state.tip.resultHash)
  if (!isSame) {
    const sender = bytesToHex(message.sender)
    alarm(state, 'FOREIGN_TIP', sender, { sender, block: bytesToHex(message.blockHash) })
  }
  if (message.view < state.view) help(state, message.sender)
}

/** Any signed message shows that its sender lives and how far it claims to be. */
export function noteHeard(state: CoreState, message: SignedMessage): void {
  const key = bytesToHex(message.sender)
  if (!state.memberIndexes.has(key)) return
  state.lastHeard.set(key, state.now)
  state.suspects.delete(key)
  if (state.amnesia === null) return
  const tip = message.type === 'heartbeat' ? message.height : message.height - 1
  state.amnesia.heard.set(key, Math.max(tip, state.amnesia.heard.get(key) ?? 0))
}

/**
 * R17: after a lost record, wait one full view; the members heard by then include a correct one of any
 * quorum that
 * this key may have joined, and that one's tip is at most two below the height of such a vote.
 */
export function advanceAmnesia(state: CoreState): void {
  const { amnesia } = state
  if (amnesia === null || state.now < amnesia.since + state.config.viewTimeoutMsMax) return
  const { n, q } = quorumSizes(state.validators.members.length)
  if (amnesia.heard.size < Math.min(q, n - 1)) return
  state.voteFloor = Math.max(state.tip.height, ...amnesia.heard.values()) + 3
  state.amnesia = null
}

/**
 * What this replica signed and knows about its view, for a peer that missed it; at most once per resend
 * time.
 */
export function help(state: CoreState, peer: Uint8Array): void {
  if (state.applying || memberIndex(state, peer) < 0 || equalBytes(peer, state.config.self)) return
  if (!mayHelp(state, peer)) return
  const { own } = state
  if (own.viewChange !== null) send(state, peer, own.viewChange)
  // A justified proposal proves its view to anybody, whoever hands it over. An own one that only
  // peers remember (R17: our record is lost) is not ours to send.
  const isForgotten = own.proposal === null && state.proposal !== null && isOwn(state, state.proposal)
  if (state.proposal !== null && !isForgotten) send(state, peer, state.proposal)
  if (own.prepare !== null) send(state, peer, own.prepare)
  if (own.commit !== null) send(state, peer, own.commit)
}

/** A peer at a lower height gets final blocks from the store, at most once per resend time. */
export function helpBehind(state: CoreState, peer: Uint8Array, height: number): void {
  if (!mayHelp(state, peer)) return
  emit(state, { type: 'sendBlocks', to: peer, fromHeight: height })
}

const isOwn = (state: CoreState, message: SignedMessage): boolean =>
  equalBytes(message.sender, state.config.self)

function mayHelp(state: CoreState, peer: Uint8Array): boolean {
  const key = bytesToHex(peer)
  const last = state.helpedAt.get(key)
  if (last !== undefined && state.now < last + state.config.viewChangeResendMs / 2) return false
  state.helpedAt.set(key, state.now)
  return true
}
