// Conflicting signed messages of one validator (R30). Kept, shown and told to the others; they decide
// nothing here.

import { blockHash, encodeHeader } from '../../runtime/protocol/block.js'
import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { evidencePerSenderMax } from './config.js'
import { signingBytes } from './signing.js'
import { alarm, emit, send, senderKey, type CoreState } from './state.js'
import type { EvidenceMessage, SignedMessage, VoteMessage } from './types.js'

/** Same validator, height, view and phase, another pair. */
export function isConflictingVote(first: VoteMessage, second: VoteMessage): boolean {
  return !equalBytes(first.blockHash, second.blockHash) || !equalBytes(first.resultHash, second.resultHash)
}

/** Both come from one validator and one place in the protocol, and no correct one signs both. */
function isConflict(state: CoreState, first: SignedMessage, second: SignedMessage): boolean {
  if (first.type !== second.type || first.epoch !== second.epoch || first.height !== second.height)
    return false
  if (!equalBytes(first.sender, second.sender)) return false
  // A validator has one final block at a height, in whatever view it is.
  if (first.type === 'heartbeat') {
    return second.type === 'heartbeat' && isOtherPair(first, second)
  }
  if (first.view !== second.view) return false
  if (first.type === 'proposal' && second.type === 'proposal') {
    const hashOf = ({ block }: typeof first) => blockHash(state.ports.hash, encodeHeader(block.header))
    return !equalBytes(hashOf(first), hashOf(second))
  }
  if (first.type === 'viewChange') return !equalBytes(bytesOf(state, first), bytesOf(state, second))
  return isOtherPair(first as VoteMessage, second as VoteMessage)
}

interface Pair {
  readonly blockHash: Uint8Array
  readonly resultHash: Uint8Array
}
const isOtherPair = (first: Pair, second: Pair): boolean =>
  !equalBytes(first.blockHash, second.blockHash) || !equalBytes(first.resultHash, second.resultHash)

const bytesOf = (state: CoreState, message: SignedMessage): Uint8Array =>
  signingBytes(message, state.config.chainId, state.ports.hash)

/** Both messages reached this replica and their signatures were checked: told to all members at once. */
export function reportConflict(state: CoreState, first: SignedMessage, second: SignedMessage): void {
  if (!isConflict(state, first, second) || !keepConflict(state, first, second)) return
  const { epoch } = state.config
  send(state, null, { type: 'evidence', epoch, first: withoutBodies(first), second: withoutBodies(second) })
}

/** Evidence that another member found: believed only for its two signatures. */
export function onEvidence(state: CoreState, { first, second }: EvidenceMessage): void {
  if (first.epoch !== state.config.epoch || !isConflict(state, first, second)) return
  // Only around the height in flight are the members known under whose keys it must verify.
  if (first.height < state.tip.height || first.height > state.height + 1) return
  if (isKnown(state, first)) return
  const key = senderKey(state, first)
  if (key === null) return
  const areGenuine = [first, second].every((message) =>
    state.ports.verify(key, bytesOf(state, message), message.signature),
  )
  if (areGenuine) keepConflict(state, first, second)
}

const placeOf = ({ type, height, view }: SignedMessage): string => `${type}/${height}/${view}`

function isKnown(state: CoreState, first: SignedMessage): boolean {
  const known = state.conflicts.get(bytesToHex(first.sender))
  return known !== undefined && (known.has(placeOf(first)) || known.size >= evidencePerSenderMax)
}

/** True when it is new. R26: a few for each accused, so that none can hide behind another's. */
function keepConflict(state: CoreState, first: SignedMessage, second: SignedMessage): boolean {
  if (isKnown(state, first)) return false
  const accused = bytesToHex(first.sender)
  const known = state.conflicts.get(accused) ?? new Set<string>()
  state.conflicts.set(accused, known.add(placeOf(first)))
  emit(state, {
    type: 'evidence',
    evidence: { first: withoutBodies(first), second: withoutBodies(second) },
  })
  alarm(state, 'EQUIVOCATION', `${accused}/${placeOf(first)}`, { sender: accused, phase: first.type })
  return true
}

const nothing = new Uint8Array(0)

/** What is not signed over proves nothing and may be large. */
function withoutBodies(message: SignedMessage): SignedMessage {
  if (message.type !== 'proposal') return message
  const block = { header: message.block.header, payload: nothing }
  return { ...message, block, parentCertificate: null }
}
