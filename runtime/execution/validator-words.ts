// Who may give a validator another vote key. Whoever holds that key speaks as the node, and f + 1 such keys
// break safety, so the word of one administrator is not enough: the key that votes now consents, or another
// administrator says the same. The kernel counts, as it does for keys of persons (enrolments.ts).
import { concatBytes, equalBytes, utf8 } from '../protocol/bytes.js'
import type { Validator } from '../protocol/certificate.js'
import { validatorsHash } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { consentBytes, type ValidatorChangeFields } from '../protocol/membership.js'
import { ok, refused, type Result } from '../protocol/result.js'
import type { Overlay } from '../state/overlay.js'
import { dropRequest, judgeRequest, putRequest } from './enrolments.js'
import type { KernelCommand } from './kernel-commands.js'
import type { Kernel, Run } from './kernel.js'

/** One administrator has said it; `what` names the change of the set in force to the next one. */
export interface ValidatorsRequest {
  type: 'requestValidators'
  what: Uint8Array
  by: Uint8Array
  /** Block time. */
  at: number
}

interface Change {
  current: readonly Validator[]
  next: readonly Validator[]
}

/**
 * True when the key of this change is the one that the chain knows for the node, or that one signed the
 * change: an administrator says it alone then. PROOF_INVALID for a consent that is not that key's.
 */
export function isConsented(
  { ports, chain }: Kernel,
  known: Uint8Array,
  change: ValidatorChangeFields,
): Result<boolean, ErrorCode> {
  if (equalBytes(known, change.voteKey)) return ok(true)
  const { consent, proof: _, ...statement } = change
  if (consent === null) return ok(false)
  return ports.verify(known, consentBytes(chain.chainId, statement), consent)
    ? ok(true)
    : refused('PROOF_INVALID', 'the consent is not of the key that the chain knows for this node')
}

/** `first`: noted, another administrator says the same within seven days, while the same set is in force. */
export function judgeValidators(
  run: Run,
  pending: readonly KernelCommand[],
  signer: Uint8Array | undefined,
  change: Change,
): Result<ValidatorsRequest | 'second', ErrorCode> {
  const { overlay, time } = run.kernel
  const what = nameOf(run.kernel, change)
  const requested = pending
    .filter((command) => command.type === 'requestValidators')
    .find((command) => equalBytes(command.what, what))
  const judged = judgeRequest(overlay, what, { signer, time, requested })
  if (!judged.ok) return judged
  if (judged.value.word === 'second') return ok('second')
  return ok({ type: 'requestValidators', what, by: judged.value.signer, at: time })
}

/** SHA-256("wardchain/validators-request/1" ‖ hash of the set in force 32 ‖ hash of the next one 32). */
const nameOf = ({ hash }: Pick<Kernel, 'hash'>, { current, next }: Change): Uint8Array =>
  hash(
    concatBytes(
      utf8('wardchain/validators-request/1'),
      validatorsHash(hash, current),
      validatorsHash(hash, next),
    ),
  )

export function putValidatorsRequest(overlay: Overlay, { what, by, at }: ValidatorsRequest): void {
  putRequest(overlay, what, { by, at })
}

/** Carried out; requests for other sets name one that is in force no more. */
export function dropValidatorsRequest(
  overlay: Overlay,
  kernel: Pick<Kernel, 'hash'>,
  change: Change,
): void {
  dropRequest(overlay, nameOf(kernel, change))
}
