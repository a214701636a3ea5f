// Signed liveness instead of empty blocks (R25): tip and view of every validator, and what a peer in need
// gets.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { heartbeatAgeMsMax } from './config.js'
import { quorumSizes } from './quorum.js'
import { signingBytes } from './signing.js'
import { alarm, emit, memberIndex, send, type CoreState } from './state.js'
import type { HeartbeatMessage, SignedMessage } from './types.js'

/** Sends one unless something else was sent to all in the meantime; a busy replica is heard anyway. */
export function beat(state: CoreState): void {
  if (state.selfIndex < 0 || state.now < state.lastBroadcastAt + state.config.heartbeatMs) return
  // Strictly above the one before, also when the clock stands still.
  const time = Math.max(state.now, state.lastBeatTime + 1)
  state.lastBeatTime = time
  const unsigned = {
    type: 'heartbeat',
    epoch: state.config.epoch,
    height: state.tip.height,
    view: state.view,
    sender: state.config.self,
    blockHash: state.tip.blockHash,
    resultHash: state.tip.resultHash,
    time,
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

/**
 * A signed message that its sender cannot have made long ago shows that it lives and how far it claims to be.
 * Anybody may hand over a recorded one (F7): that must not keep a dead leader alive (R3, R24).
 */
export function noteHeard(state: CoreState, message: SignedMessage): void {
  const key = bytesToHex(message.sender)
  if (!state.memberIndexes.has(key) || !isNews(state, key, message)) return
  state.lastHeard.set(key, state.now)
  state.suspects.delete(key)
  if (state.amnesia === null) return
  const tip = message.type === 'heartbeat' ? message.height : message.height - 1
  state.amnesia.heard.set(key, Math.max(tip, state.amnesia.heard.get(key) ?? 0))
}

const phases = { proposal: 0, prepare: 1, commit: 2, viewChange: 3 } as const

/** Heartbeats carry a rising time; everything else must go beyond what the sender was heard to sign. */
function isNews(state: CoreState, key: string, message: SignedMessage): boolean {
  if (message.type === 'heartbeat') {
    const last = state.heartbeatTimes.get(key) ?? 0
    if (message.time <= last || Math.abs(message.time - state.now) > heartbeatAgeMsMax) return false
    state.heartbeatTimes.set(key, message.time)
    return true
  }
  const place = [message.height, message.view, phases[message.type]] as const
  const known = state.furthest.get(key) ?? [0, 0, -1]
  const differing = place.findIndex((part, at) => part !== known[at])
  if (differing < 0 || place[differing] < known[differing]) return false
  state.furthest.set(key, place)
  return true
}

/** Members that left take their marks with them: every map here is bounded by the members (R26). */
export function forgetStrangers(state: CoreState): void {
  const { lastHeard, heartbeatTimes, furthest, suspects } = state
  for (const known of [lastHeard, heartbeatTimes, furthest, suspects]) {
    for (const key of [...known.keys()]) if (!state.memberIndexes.has(key)) known.delete(key)
  }
  // Peers that are no members may ask for help too; what is long ago limits nobody any more.
  for (const [key, at] of [...state.helpedAt]) {
    if (state.now >= at + state.config.viewChangeResendMs) state.helpedAt.delete(key)
  }
}

/**
 * R17: after a lost record, wait one full view. Any `q` members heard include a correct one that committed
 * the height before a vote of this key, and its tip is at most two below that vote. The `q` lowest claims
 * will do: a higher one may be invented to keep this key silent for ever.
 */
export function advanceAmnesia(state: CoreState): void {
  const { amnesia } = state
  if (amnesia === null || state.now < amnesia.since + state.config.viewTimeoutMsMax) return
  const { n, q } = quorumSizes(state.validators.members.length)
  const enough = Math.min(q, n - 1)
  const claims = [...amnesia.heard]
    .filter(([key]) => state.memberIndexes.has(key))
    .map(([, height]) => height)
    .sort((left, right) => left - right)
  if (claims.length < enough) return
  state.voteFloor = Math.max(state.tip.height, ...claims.slice(0, enough)) + 3
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
