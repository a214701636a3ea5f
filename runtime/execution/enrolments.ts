// Two persons for every key that signs for a person or a vendor. With such a key an administrator could be
// the second person of its own approvals: whoever enrols it, or adds it to someone, needs another one who
// does the same. The kernel counts, as it does for approvals: it knows who signed and as what they are
// enrolled.
import { concatBytes, equalBytes } from '../protocol/bytes.js'
import { entityKind } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { ok, refused, type Result } from '../protocol/result.js'
import type { Schema } from '../protocol/borsh.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { readEntity } from './entities.js'
import { decodeRow, encodeRow, store } from './kernel-tables.js'

/** A request that nobody joined in this time is forgotten: the next one is a first one again. */
export const enrolmentRequestMsMax = 7 * 24 * 3_600_000

export interface KeyClaim {
  entity: Uint8Array
  kind: number
  publicKey: Uint8Array
}

export interface EnrolmentRequest extends KeyClaim, Word {}

const requestRow: Schema = {
  struct: [
    ['by', { fixed: 32 }],
    ['at', 'u64'],
  ],
}

/** Who may be the second person of anything, or whose signature a second person judges. */
export const needsTwo = (kind: number): boolean => kind === entityKind.person || kind === entityKind.vendor

const requestKey = ({ entity, kind, publicKey }: KeyClaim): Uint8Array =>
  concatBytes(entity, new Uint8Array([kind]), publicKey)

export const isSameClaim = (left: KeyClaim, right: KeyClaim): boolean =>
  equalBytes(requestKey(left), requestKey(right))

export interface Word {
  by: Uint8Array
  /** Block time. */
  at: number
}

/**
 * `first`: noted, waits for another person. `second`: two have signed. `requested` is the request of this
 * very block, if there is one. SECOND_PERSON_REQUIRED for anybody who is no person, and for the same one
 * twice.
 */
export function judgeRequest(
  state: StateReader,
  key: Uint8Array,
  now: { signer: Uint8Array | undefined; time: number; requested: Word | undefined },
): Result<{ word: 'first' | 'second'; signer: Uint8Array }, ErrorCode> {
  const { signer, time } = now
  if (signer === undefined || readEntity(state, signer)?.kind !== entityKind.person) {
    return refused('SECOND_PERSON_REQUIRED', 'no person signed this call itself')
  }
  const row = state.get(store.enrolment, key)
  const kept = row === undefined ? undefined : decodeRow<{ by: Uint8Array; at: bigint }>(requestRow, row)
  const first = now.requested ?? (kept && { by: kept.by, at: Number(kept.at) })
  if (first === undefined || time - first.at > enrolmentRequestMsMax) return ok({ word: 'first', signer })
  if (equalBytes(first.by, signer)) return refused('SECOND_PERSON_REQUIRED', 'the same person asked before')
  return ok({ word: 'second', signer })
}

export function judgeEnrolment(
  state: StateReader,
  claim: KeyClaim,
  now: { signer: Uint8Array | undefined; time: number; requested: EnrolmentRequest | undefined },
): Result<'first' | 'second', ErrorCode> {
  const judged = judgeRequest(state, requestKey(claim), now)
  return judged.ok ? ok(judged.value.word) : judged
}

export function putEnrolmentRequest(overlay: Overlay, request: EnrolmentRequest): void {
  putRequest(overlay, requestKey(request), request)
}

/** Carried out: the next one of this kind begins anew. */
export function dropEnrolmentRequest(overlay: Overlay, claim: KeyClaim): void {
  dropRequest(overlay, requestKey(claim))
}

/** `$enrolment` at what was asked for: keys of people by `requestKey`, sets of validators by a hash. */
export function putRequest(overlay: Overlay, key: Uint8Array, { by, at }: Word): void {
  overlay.set(store.enrolment, key, encodeRow(requestRow, { by, at: BigInt(at) }))
}

export function dropRequest(overlay: Overlay, key: Uint8Array): void {
  overlay.remove(store.enrolment, key)
}
