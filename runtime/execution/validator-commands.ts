// Commands that change who votes: one validator at a time, or the whole set by institution keys. What they do
// at the block's end is in membership-commands.ts.
import { bytesToHex, equalBytes } from '../protocol/bytes.js'
import type { Validator } from '../protocol/certificate.js'
import { validatorsHash } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { validatorsMax } from '../protocol/limits.js'
import {
  countSignatures,
  forceValidatorsBytes,
  hasQuorum,
  nodeRoles,
  readinessBytes,
  validatorAction,
  type KeySignature,
  type ValidatorChangeFields,
} from '../protocol/membership.js'
import { assert, ok, refused, type Result } from '../protocol/result.js'
import { readValidators } from './block-validity.js'
import type { Run } from './kernel.js'
import {
  pendingOf,
  readInstitution,
  readPending,
  type Checked,
  type MembershipCommand,
  type RoleChange,
} from './membership-commands.js'
import { readNode } from './node-registry.js'
import { recentResult, recentResultsMax } from './recent-results.js'
import { isConsented, judgeValidators } from './validator-words.js'

/** A proof of readiness may be so many blocks old. */
const readinessAgeMax = recentResultsMax
/** From so many members on a hospital survives a fault: a change may not go below it without force. */
const tolerantMin = 4

const validatorIndex = nodeRoles.indexOf('validator')
const observerIndex = nodeRoles.indexOf('observer')

const isInFlight = (run: Run): boolean =>
  readPending(run.kernel.overlay) !== undefined ||
  pendingOf(run).some((command) => command.type === 'setValidators')

/**
 * One validator comes, goes, gets another key, or makes way for a listed node that is at the tip. A key
 * that the chain does not know for the node is consented to by the one that it knows, or by a second
 * administrator.
 */
export function checkChangeValidator(
  run: Run,
  change: ValidatorChangeFields,
  signer: Uint8Array | undefined,
): Checked {
  const { overlay } = run.kernel
  if (isInFlight(run)) return refused('CHANGE_IN_FLIGHT')
  const current = readValidators(overlay)
  const index = current.findIndex((validator) => equalBytes(validator.entity, change.entity))
  const next = [...current]
  const roles: RoleChange[] = []
  switch (change.action) {
    case validatorAction.add:
      if (index >= 0) return refused('VALIDATORS_REFUSED', 'it is a validator already')
      if (current.length >= validatorsMax)
        return refused('VALIDATORS_REFUSED', `at most ${validatorsMax} validators`)
      next.push({ entity: change.entity, voteKey: change.voteKey })
      roles.push({ entity: change.entity, role: validatorIndex, voteKey: change.voteKey })
      break
    case validatorAction.remove:
      if (index < 0) return refused('VALIDATORS_REFUSED', 'it is not a validator')
      if (current.length === 1) return refused('VALIDATORS_REFUSED', 'it is the last one')
      if (current.length === tolerantMin)
        return refused('QUORUM_AT_RISK', 'with three validators no fault is tolerated')
      next.splice(index, 1)
      roles.push({ entity: change.entity, role: observerIndex, voteKey: null })
      return ok({ type: 'setValidators', validators: next, roles })
    case validatorAction.rotate:
    case validatorAction.replace:
      if (index < 0) return refused('VALIDATORS_REFUSED', 'it is not a validator')
      next[index] = { entity: change.successor, voteKey: change.voteKey }
      if (change.action === validatorAction.replace)
        roles.push({ entity: change.entity, role: observerIndex, voteKey: null })
      roles.push({ entity: change.successor, role: validatorIndex, voteKey: change.voteKey })
      break
    default:
      return refused('ARGUMENT_INVALID', 'action')
  }
  const problem = successorProblem(run, change, current)
  if (problem !== undefined) return problem
  const { successor } = change
  const seat = current.find((validator) => equalBytes(validator.entity, successor))
  const known = (seat ?? readNode(overlay, successor))?.voteKey
  assert(known !== undefined, 'who shall vote is listed')
  const consented = isConsented(run.kernel, known, change)
  if (!consented.ok) return consented
  const command: MembershipCommand = { type: 'setValidators', validators: next, roles }
  return consented.value ? ok(command) : byTwo(run, command, signer, current)
}

/** The command itself when a second administrator says it, the request for one at the first. */
function byTwo(
  run: Run,
  command: Extract<MembershipCommand, { type: 'setValidators' }>,
  signer: Uint8Array | undefined,
  current: readonly Validator[],
): Checked {
  const change = { current, next: command.validators }
  const judged = judgeValidators(run, pendingOf(run), signer, change)
  if (!judged.ok) return judged
  return ok(judged.value === 'second' ? command : judged.value)
}

/** Who shall vote is listed with an address, holds the key, and saw a recent block. */
function successorProblem(
  run: Run,
  change: ValidatorChangeFields,
  current: readonly Validator[],
): Result<never, ErrorCode> | undefined {
  const { kernel } = run
  const { action, entity, successor, voteKey, proof } = change
  const isSame = equalBytes(successor, entity)
  if (isSame !== (action !== validatorAction.replace)) return refused('ARGUMENT_INVALID', 'successor')
  const isTwice = current.some(
    (validator) =>
      equalBytes(validator.voteKey, voteKey) || (!isSame && equalBytes(validator.entity, successor)),
  )
  if (isTwice) return refused('VALIDATORS_REFUSED', 'this node or key votes already')
  const row = readNode(kernel.overlay, successor)
  if (row?.listed !== true) return refused('VALIDATORS_REFUSED', 'no such node is listed')
  if (row.port === 0) return refused('VALIDATORS_REFUSED', 'a validator needs a fixed port')
  // A key that is new for this node proves itself; the card's own key has done so at its admission, and
  // signs again to say where it stands.
  const { proof: _, consent: __, ...statement } = change
  if (!kernel.ports.verify(voteKey, readinessBytes(kernel.chain.chainId, statement), proof)) {
    return refused('PROOF_INVALID', row.name)
  }
  const height = BigInt(kernel.height)
  const isRecent = change.height < height && change.height + BigInt(readinessAgeMax) >= height
  if (!isRecent) return refused('NOT_AT_TIP', `it stood at ${change.height}, this is ${height}`)
  // It stood there with the state that the quorum has, or its votes would be of no use to anybody.
  const result = recentResult(kernel.overlay, Number(change.height))
  if (result === undefined)
    return refused('RESULT_DIFFERS', `the result of ${change.height} is not known here`)
  return equalBytes(result, change.resultHash)
    ? undefined
    : refused('RESULT_DIFFERS', `at ${change.height}`)
}

/**
 * The whole set at once. On a chain with institution keys enough of them must have signed it; on another one
 * two administrators say it.
 */
export function checkSetValidators(
  run: Run,
  body: { validators: Validator[]; signatures: KeySignature[] },
  signer: Uint8Array | undefined,
): Checked {
  const { validators, signatures } = body
  const { kernel } = run
  if (validators.length === 0 || validators.length > validatorsMax) {
    return refused('VALIDATORS_REFUSED', `1 to ${validatorsMax} validators`)
  }
  const entities = new Set(validators.map((validator) => bytesToHex(validator.entity)))
  const keys = new Set(validators.map((validator) => bytesToHex(validator.voteKey)))
  if (entities.size !== validators.length || keys.size !== validators.length) {
    return refused('VALIDATORS_REFUSED', 'an entity or key occurs twice')
  }
  for (const { entity } of validators) {
    const row = readNode(kernel.overlay, entity)
    if (row?.listed !== true || row.port === 0)
      return refused('VALIDATORS_REFUSED', `no listed node with an address: ${bytesToHex(entity)}`)
  }
  if (isInFlight(run)) return refused('CHANGE_IN_FLIGHT')
  const current = readValidators(kernel.overlay)
  const quorum = readInstitution(kernel.overlay)
  if (quorum !== undefined) {
    const bytes = forceValidatorsBytes({
      chainId: kernel.chain.chainId,
      epoch: kernel.chain.epoch,
      currentHash: validatorsHash(kernel.hash, current),
      nextHash: validatorsHash(kernel.hash, validators),
    })
    const count = countSignatures(quorum, bytes, signatures, kernel.ports.verify)
    if (!hasQuorum(quorum, count))
      return refused('INSTITUTION_KEYS_NEEDED', `${count} of ${quorum.threshold}`)
  }
  const roles = roleChanges(current, validators)
  const command: MembershipCommand = { type: 'setValidators', validators, roles }
  return quorum === undefined ? byTwo(run, command, signer, current) : ok(command)
}

function roleChanges(current: readonly Validator[], next: readonly Validator[]): RoleChange[] {
  const leaving = current.filter(({ entity }) => !next.some((other) => equalBytes(other.entity, entity)))
  return [
    ...leaving.map(({ entity }) => ({ entity, role: observerIndex, voteKey: null })),
    ...next.map(({ entity, voteKey }) => ({ entity, role: validatorIndex, voteKey })),
  ]
}
