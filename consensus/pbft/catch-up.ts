// Following by certificates: whom to ask, what to believe (R27), and bodies of blocks that are voted on
// but missing.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { encodeResult, resultHash } from '../../runtime/protocol/block.js'
import { syncBlocksMax, syncBytesMax } from './config.js'
import { decide } from './commit.js'
import { epochOf, isOnBranch } from './epochs.js'
import { isCertificateValid, quorumSizes } from './quorum.js'
import { groupsOf } from './prepare.js'
import { proposedBlock } from './safety.js'
import { addCandidate, alarm, emit, hashOfBlock, isLeader, send, type CoreState } from './state.js'
import type { BodyMessage, BodyRequestMessage, Certificate, CoreEvent, FinalBlock } from './types.js'
import { forcedCertificate } from './view-change.js'

type BlocksReceived = Extract<CoreEvent, { type: 'blocksReceived' }>

/** A peer says it has finalized `height`. Proves nothing (R27); it only becomes somebody to ask. */
export function noteClaim(state: CoreState, peer: Uint8Array, height: number): void {
  if (height <= state.tip.height) return
  const key = bytesToHex(peer)
  const known = state.sync.claims.get(key)
  if (known !== undefined && known.height >= height) return
  // R26: one claim per peer, and no more peers than there can be members and upstreams.
  if (known === undefined && state.sync.claims.size >= syncBlocksMax * 2) return
  state.sync.claims.set(key, { peer, height })
}

/** The highest tip that any peer claims, or the own one. */
export function claimedHeight(state: CoreState): number {
  let highest = state.tip.height
  for (const claim of state.sync.claims.values()) highest = Math.max(highest, claim.height)
  return highest
}

export function onBlocksReceived(state: CoreState, event: BlocksReceived): void {
  // Whoever answers lives: no longer a silent leader (R3).
  state.suspects.delete(bytesToHex(event.from))
  let bytes = 0
  for (const { final } of state.sync.blocks.values()) bytes += final.block.payload.length
  for (const final of event.blocks) {
    const { height } = final.block.header
    bytes += final.block.payload.length
    // R26: the next block always fits; what lies further ahead is asked for again.
    if (bytes > syncBytesMax && height > state.height) return
    if (height <= state.tip.height || height > state.tip.height + syncBlocksMax) continue
    if (state.sync.blocks.has(height)) continue
    state.sync.blocks.set(height, { final, from: event.from })
  }
}

/** Takes the next received block if it verifies; otherwise distrusts whoever sent it. Idempotent. */
export function advanceCatchUp(state: CoreState): void {
  if (state.applying) return
  const next = state.sync.blocks.get(state.height)
  if (next !== undefined) {
    state.sync.blocks.delete(state.height)
    const fault = faultOfFinalBlock(state, next.final)
    if (fault === null) takeFinalBlock(state, next.final, next.from)
    else distrust(state, next.from, fault)
  }
  advanceBodies(state)
}

function takeFinalBlock(state: CoreState, final: FinalBlock, from: Uint8Array): void {
  const { block, certificate } = final
  addCandidate(state, certificate.blockHash, { block, parentCertificate: null }, from)
  decide(state, certificate)
}

/**
 * R27: everything about a foreign block is checked under the members of that height; null when it stands.
 */
function faultOfFinalBlock(state: CoreState, { block, result, certificate }: FinalBlock): string | null {
  const { header } = block
  const { tip, config, validators } = state
  if (header.height !== state.height || certificate.height !== state.height) return 'height'
  if (!equalBytes(header.chainId, config.chainId)) return 'chain'
  if (header.epoch !== epochOf(config, header.height)) return 'epoch'
  if (!isOnBranch(config, header.height, certificate.blockHash)) return 'not the base of the recovery'
  if (!equalBytes(header.parentHash, tip.blockHash)) return 'parent hash'
  if (!equalBytes(header.parentResultHash, tip.resultHash)) return 'parent result'
  if (!equalBytes(header.validatorsHash, validators.hash)) return 'validators hash'
  if (!equalBytes(hashOfBlock(state, block), certificate.blockHash)) return 'block hash'
  if (!equalBytes(resultHash(state.ports.hash, encodeResult(result)), certificate.resultHash))
    return 'result hash'
  const options = { phase: 'commit', set: validators, epoch: header.epoch } as const
  if (!isCertificateValid(state, certificate, options)) return 'certificate'
  if (block.payload.length > config.payloadBytesMax) return 'payload size'
  return state.ports.payloadMatches(header, block.payload) ? null : 'payload'
}

function distrust(state: CoreState, peer: Uint8Array, reason: string): void {
  const key = bytesToHex(peer)
  alarm(state, 'BAD_SYNC_PEER', key, { peer: key, reason })
  state.sync.claims.delete(key)
  for (const [height, entry] of [...state.sync.blocks]) {
    if (equalBytes(entry.from, peer)) state.sync.blocks.delete(height)
  }
  if (state.sync.asked === key) requestNext(state)
}

/** Asks the next claimant, in rotation, for what follows the tip. */
export function requestNext(state: CoreState): void {
  const claimants = [...state.sync.claims.entries()].filter(([, claim]) => claim.height > state.tip.height)
  if (claimants.length === 0) return
  const position = claimants.findIndex(([key]) => key === state.sync.asked)
  const [key, claim] = claimants[(position + 1) % claimants.length]
  state.sync.asked = key
  let fromHeight = state.height
  while (state.sync.blocks.has(fromHeight)) fromHeight += 1
  const count = Math.min(claim.height + 1 - fromHeight, syncBlocksMax)
  if (count > 0) emit(state, { type: 'requestBlocks', to: claim.peer, fromHeight, count })
}

/** The sync timer ran out: whoever was asked and gave nothing loses its claim, the next one is asked. */
export function onSyncTimer(state: CoreState): void {
  if (!state.sync.blocks.has(state.height)) {
    const claim = state.sync.claims.get(state.sync.asked)
    requestNext(state)
    if (claim !== undefined && state.sync.claims.size > 1) state.sync.claims.delete(bytesToHex(claim.peer))
  }
  state.bodyAskedAt = -1
}

export function forgetReachedClaims(state: CoreState): void {
  for (const [key, claim] of [...state.sync.claims]) {
    if (claim.height <= state.tip.height) state.sync.claims.delete(key)
  }
}

// ------------------------------------------------------------------------------------------ missing bodies

/**
 * The certificate whose block must be here and is not: decided, prepared by others, or to be re-proposed
 * by us.
 */
export function missingBody(state: CoreState): Certificate | null {
  const forced = isLeader(state) ? forcedCertificate(state) : null
  const wanted = state.decided ?? preparedByOthers(state) ?? forced
  if (wanted === null) return null
  const candidate = state.candidates.get(bytesToHex(wanted.blockHash))
  if (candidate === undefined) return wanted
  // A leader can re-propose only with the parent certificate that the header names.
  const isComplete = candidate.parentCertificate !== null || state.tip.height === 0
  return wanted === forced && !isComplete ? wanted : null
}

function preparedByOthers(state: CoreState): Certificate | null {
  const { q } = quorumSizes(state.validators.members.length)
  const [group] = groupsOf(state.prepares.get(state.view))
  if (group === undefined || group.size < q) return null
  const [vote] = group.values()
  const { height, view, blockHash, resultHash: result } = vote
  const signers = [...group.keys()].sort((left, right) => left - right)
  return { height, view, blockHash, resultHash: result, signers, signatures: [] }
}

/** Asks one signer after another; every signer of a certificate has the body on disk. */
function advanceBodies(state: CoreState): void {
  const wanted = missingBody(state)
  if (wanted === null) return
  if (state.bodyAskedAt >= 0 && state.now < state.bodyAskedAt + state.config.syncRetryMs) return
  const signers = wanted.signers.filter((index) => index !== state.selfIndex)
  if (signers.length === 0) return
  const signer = signers[state.bodyAttempts % signers.length]
  state.bodyAskedAt = state.now
  state.bodyAttempts += 1
  const { epoch } = state.config
  const { entity } = state.validators.members[signer]
  send(state, entity, { type: 'bodyRequest', epoch, height: state.height, blockHash: wanted.blockHash })
}

export function onBodyRequest(state: CoreState, from: Uint8Array, message: BodyRequestMessage): void {
  const { epoch } = state.config
  if (message.epoch !== epoch) return
  const isTip = message.height === state.tip.height && equalBytes(message.blockHash, state.tip.blockHash)
  if (isTip && state.tipBlock !== null) return send(state, from, { type: 'body', epoch, ...state.tipBlock })
  if (message.height < state.height) {
    emit(state, { type: 'sendBlocks', to: from, fromHeight: message.height })
    return
  }
  const candidate = state.candidates.get(bytesToHex(message.blockHash))
  if (candidate !== undefined) send(state, from, { type: 'body', epoch, ...proposedBlock(candidate) })
}

/** Taken only when it is the one asked for: a body that nobody needs costs no memory (R26). */
export function onBody(state: CoreState, from: Uint8Array, message: BodyMessage): void {
  const wanted = missingBody(state)
  if (wanted === null || state.applying || message.block.header.height !== state.height) return
  const hash = hashOfBlock(state, message.block)
  if (!equalBytes(hash, wanted.blockHash)) return
  if (message.block.payload.length > state.config.payloadBytesMax) return
  if (!state.ports.payloadMatches(message.block.header, message.block.payload)) return
  addCandidate(state, hash, message, from)
}
