// What header and parent state decide about a transaction. A block that holds one that fails here is
// invalid; the mempool asks the same question before it takes a transaction in.
import { equalBytes } from '../protocol/bytes.js'
import { entityKind } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { lane, laneOfCall, laneOfRecord, laneSharePercentMax, type Lane } from '../protocol/lanes.js'
import { blockFuelMax, fuelLimitMax, payloadBytesMax, validUntilAheadMsMax } from '../protocol/limits.js'
import { ok, refused, type Result } from '../protocol/result.js'
import type { Bundle, Transaction } from '../protocol/transaction.js'
import type { StateReader } from '../state/store-interface.js'
import { readKey, type KeyRow } from './entities.js'
import { reservedFuel } from './execute-signed.js'
import type { Admission, AdmissionPoint, ExecutionPorts } from './ports.js'
import { checkSequence } from './replay-window.js'

/**
 * Fuel that signed transactions of one block may reserve. The other half is kept for what they cause, so
 * that work carried over always makes progress.
 */
export const signedFuelMax = blockFuelMax / 2

/** Priority class: a transaction with records of several lanes takes the lowest. */
export function laneOf(transaction: Transaction): Lane {
  const { action } = transaction
  if (action.type === 'call') return laneOfCall(action.target)
  let lowest: Lane = lane.system
  for (const record of action.records) {
    const recordLane = laneOfRecord(record.kind)
    if (recordLane > lowest) lowest = recordLane
  }
  return lowest
}

/** Most fuel that transactions of this lane and those below it may reserve together. */
export const laneFuelMax = (of: Lane): number => Math.floor((signedFuelMax * laneSharePercentMax[of]) / 100)

/** Most bytes of bundles of this lane and those below it. */
export const laneBytesMax = (of: Lane): number =>
  Math.floor((payloadBytesMax * laneSharePercentMax[of]) / 100)

/**
 * Decides admission of a decoded bundle (its bodies and attachments fit its commitments) at a block height
 * and time; `bundleBytes` is its encoded length. Codes: WRONG_CHAIN, TRANSACTION_TOO_LARGE,
 * FUEL_LIMIT_TOO_HIGH, KEY_UNKNOWN, KEY_REVOKED, SENDER_MISMATCH, VALID_UNTIL_MISSING, EXPIRED,
 * VALID_TOO_LONG, SEQUENCE_REUSED, SEQUENCE_TOO_OLD, SEQUENCE_JUMP, SIGNATURE_INVALID.
 */
export function checkTransaction(
  state: StateReader,
  bundle: Bundle,
  at: AdmissionPoint,
  ports: Pick<ExecutionPorts, 'verify'>,
  options: { verifySignature: boolean; bundleBytes: number },
): Result<Admission, ErrorCode> {
  const { signed } = bundle
  const { transaction } = signed
  if (!equalBytes(transaction.chainId, at.chainId)) return refused('WRONG_CHAIN')
  const ownLane = laneOf(transaction)
  // Larger than everything its lane may fill: no block could ever hold it, so nobody lets it wait for one.
  if (options.bundleBytes > laneBytesMax(ownLane)) {
    return refused('TRANSACTION_TOO_LARGE', `lane ${ownLane} allows ${laneBytesMax(ownLane)}`)
  }
  if (transaction.fuelLimit > fuelLimitMax) return refused('FUEL_LIMIT_TOO_HIGH', `at most ${fuelLimitMax}`)
  const fuelReserved = reservedFuel(bundle)
  if (fuelReserved > laneFuelMax(ownLane)) {
    return refused('FUEL_LIMIT_TOO_HIGH', `lane ${ownLane} allows ${laneFuelMax(ownLane)}`)
  }
  const key = readKey(state, transaction.keyId)
  if (key === undefined) return refused('KEY_UNKNOWN')
  const refusal = refuseSender(transaction, key, at.time)
  if (refusal !== undefined) return refused(refusal)
  const verdict = checkSequence(state, transaction.keyId, transaction.stream, transaction.sequence)
  if (verdict !== 'OK') return refused(verdict)
  // The dearest check comes last.
  if (options.verifySignature && !ports.verify(key.publicKey, signed.signingBytes, signed.signature)) {
    return refused('SIGNATURE_INVALID')
  }
  const { keyId, stream, sequence } = transaction
  return ok({ lane: ownLane, id: signed.id, keyId, stream, sequence, fuelReserved })
}

function refuseSender(transaction: Transaction, key: KeyRow, time: number): ErrorCode | undefined {
  if (key.revoked) return 'KEY_REVOKED'
  if (!equalBytes(key.entity, transaction.sender)) return 'SENDER_MISMATCH'
  if (transaction.validUntil === undefined) {
    // A device may sign without ever having read a clock or the chain; people and services must bound their
    // word.
    const isDevice = key.kind === entityKind.source || key.kind === entityKind.gateway
    return isDevice ? undefined : 'VALID_UNTIL_MISSING'
  }
  if (transaction.validUntil < time) return 'EXPIRED'
  return transaction.validUntil > time + validUntilAheadMsMax ? 'VALID_TOO_LONG' : undefined
}

/**
 * Counts bytes and reserved fuel of a block being built or checked, lane by lane, against the lanes'
 * shares.
 */
export class LaneMeter {
  readonly #bytes = [0, 0, 0, 0, 0]
  readonly #fuel = [0, 0, 0, 0, 0]

  /** True, and counted, when the transaction still fits into its lane and into those above it. */
  admit(of: Lane, bundleBytes: number, fuelReserved: number): boolean {
    for (let above = of; above >= 0; above -= 1) {
      const share = above
      if (this.#from(this.#bytes, share) + bundleBytes > laneBytesMax(share)) return false
      if (this.#from(this.#fuel, share) + fuelReserved > laneFuelMax(share)) return false
    }
    this.#bytes[of] += bundleBytes
    this.#fuel[of] += fuelReserved
    return true
  }

  /** Sum over a lane and those below it. */
  #from(counts: readonly number[], of: Lane): number {
    let sum = 0
    for (let index: number = of; index < counts.length; index += 1) sum += counts[index]
    return sum
  }
}
