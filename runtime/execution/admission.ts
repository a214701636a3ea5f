// What header and parent state decide about a transaction. A block that holds one that fails here is
// invalid; the mempool asks the same question before it takes a transaction in.
import { equalBytes } from '../protocol/bytes.js'
import { entityKind } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { decodeBorsh } from '../protocol/borsh.js'
import {
  foundingLaneTable,
  laneIn,
  laneSharePercentMax,
  laneTableSchema,
  lane as lanes,
  systemSharePercentMax,
  type Lane,
  type LaneTable,
} from '../protocol/lanes.js'
import {
  blockFuelMax,
  fuelLimitMax,
  payloadBytesMax,
  transactionsPerBlockMax,
  validUntilAheadMsMax,
} from '../protocol/limits.js'
import { assert, ok, refused, type Result } from '../protocol/result.js'
import type { Bundle, Transaction } from '../protocol/transaction.js'
import type { StateReader } from '../state/store-interface.js'
import { CreditBook, creditCost, priorityOf, termsOf } from './credit.js'
import { readKey, type KeyRow } from './entities.js'
import { reservedFuel } from './execute-signed.js'
import { onlyKey, store } from './kernel-tables.js'
import type { Admission, AdmissionPoint, ExecutionPorts } from './ports.js'
import { patientStatus, readPatient } from './record-rows.js'
import { checkSequence, type SequenceBook } from './replay-window.js'

/**
 * Fuel that signed transactions of one block may reserve. The other half is kept for what they cause, so
 * that work carried over always makes progress.
 */
export const signedFuelMax = blockFuelMax / 2

/** The table in force. A state without one is not founded yet: it has the founding one. */
export function readLanes(state: StateReader): LaneTable {
  const row = state.get(store.lanes, onlyKey)
  if (row === undefined) return foundingLaneTable
  const decoded = decodeBorsh(laneTableSchema, row)
  assert(decoded.ok, 'the lane table decodes by its schema')
  return decoded.value as unknown as LaneTable
}

/** What state and times say of senders and lanes: read once for a block, or for what is admitted together. */
export interface Standing {
  lanes: LaneTable
  credits: CreditBook
}

export const standingAt = (
  state: StateReader,
  at: Pick<AdmissionPoint, 'time' | 'parentTime'>,
): Standing => ({ lanes: readLanes(state), credits: new CreditBook(state, at) })

/** Lane of a transaction by the state's table; undefined when its key is not known. */
export function laneOf(state: StateReader, transaction: Transaction): Lane | undefined {
  const key = readKey(state, transaction.keyId)
  if (key === undefined) return undefined
  const { credits, lanes } = standingAt(state, { time: 0, parentTime: 0 })
  const row = credits.row(key.entity, key.kind)
  return laneIn(lanes, transaction, { kind: key.kind, priority: priorityOf(row) })
}

/** Most fuel that transactions of this lane and those below it may reserve together. */
export const laneFuelMax = (of: Lane): number => Math.floor((signedFuelMax * laneSharePercentMax[of]) / 100)

/** Most bytes of bundles of this lane and those below it. */
export const laneBytesMax = (of: Lane): number =>
  Math.floor((payloadBytesMax * laneSharePercentMax[of]) / 100)

/** Most transactions of this lane and those below it. */
export const laneCountMax = (of: Lane): number =>
  Math.floor((transactionsPerBlockMax * laneSharePercentMax[of]) / 100)

/** Most that one transaction of a lane may take of what a block has: `whole` is its bytes or its fuel. */
function aloneMax(of: Lane, whole: number): number {
  const percent = of === lanes.system ? systemSharePercentMax.first : laneSharePercentMax[of]
  return Math.floor((whole * percent) / 100)
}

export interface AdmissionOptions {
  verifySignature: boolean
  /** Length of the encoded bundle. */
  bundleBytes: number
  /** Of this state and these times; read anew when left out. */
  standing?: Standing
  /** Of the block that is checked: knows what the transactions before this one used. */
  sequences?: SequenceBook
}

/**
 * Decides admission of a decoded bundle (its bodies and attachments fit its commitments) at a block height
 * and time. Reserves no credit: whoever puts transactions together does. Codes: WRONG_CHAIN, KEY_UNKNOWN,
 * KEY_REVOKED, SENDER_MISMATCH, VALID_UNTIL_MISSING, EXPIRED, VALID_TOO_LONG, TRANSACTION_TOO_LARGE,
 * FUEL_LIMIT_TOO_HIGH, SEQUENCE_REUSED, SEQUENCE_TOO_OLD, SEQUENCE_JUMP, CREDIT_EXHAUSTED (the detail says
 * when to retry), CREDIT_TOO_SMALL, PATIENT_ERASED, SIGNATURE_INVALID.
 */
export function checkTransaction(
  state: StateReader,
  bundle: Bundle,
  at: AdmissionPoint,
  ports: Pick<ExecutionPorts, 'verify'>,
  options: AdmissionOptions,
): Result<Admission, ErrorCode> {
  const { signed } = bundle
  const { transaction } = signed
  if (!equalBytes(transaction.chainId, at.chainId)) return refused('WRONG_CHAIN')
  if (transaction.fuelLimit > fuelLimitMax) return refused('FUEL_LIMIT_TOO_HIGH', `at most ${fuelLimitMax}`)
  const key = readKey(state, transaction.keyId)
  if (key === undefined) return refused('KEY_UNKNOWN')
  const refusal = refuseSender(transaction, key, at.time)
  if (refusal !== undefined) return refused(refusal)
  if (namesErased(state, transaction)) return refused('PATIENT_ERASED')
  const standing = options.standing ?? standingAt(state, at)
  const charged = weigh(bundle, key, standing, options.bundleBytes)
  if (!charged.ok) return charged
  const { keyId, stream, sequence } = transaction
  const verdict =
    options.sequences?.check(keyId, stream, sequence) ?? checkSequence(state, keyId, stream, sequence)
  if (verdict !== 'OK') return refused(verdict)
  const creditRefusal = refuseCredit(standing.credits, charged.value)
  if (creditRefusal !== undefined) return creditRefusal
  // The dearest check comes last.
  if (options.verifySignature && !ports.verify(key.publicKey, signed.signingBytes, signed.signature)) {
    return refused('SIGNATURE_INVALID')
  }
  return ok({ ...charged.value, id: signed.id, keyId, stream, sequence })
}

type Weighed = Pick<
  Admission,
  'lane' | 'fuelReserved' | 'sender' | 'kind' | 'creditCost' | 'creditLeft' | 'creditTerms'
>

/** Lane, fuel and credit of a transaction, refused when no block could ever hold it. */
function weigh(
  bundle: Bundle,
  key: KeyRow,
  { lanes, credits }: Standing,
  bundleBytes: number,
): Result<Weighed, ErrorCode> {
  const { entity: sender, kind } = key
  const row = credits.row(sender, kind)
  const ownLane = laneIn(lanes, bundle.signed.transaction, { kind, priority: priorityOf(row) })
  const bytesMax = aloneMax(ownLane, payloadBytesMax)
  if (bundleBytes > bytesMax) {
    return refused('TRANSACTION_TOO_LARGE', `lane ${ownLane} allows ${bytesMax}`)
  }
  const fuelReserved = reservedFuel(bundle)
  const fuelMax = aloneMax(ownLane, signedFuelMax)
  if (fuelReserved > fuelMax) {
    return refused('FUEL_LIMIT_TOO_HIGH', `lane ${ownLane} allows ${fuelMax}`)
  }
  return ok({
    lane: ownLane,
    fuelReserved,
    sender,
    kind,
    creditCost: creditCost(fuelReserved, bundleBytes),
    creditLeft: credits.left(sender, kind),
    creditTerms: termsOf(kind, row),
  })
}

function refuseCredit(credits: CreditBook, weighed: Weighed): Result<never, ErrorCode> | undefined {
  const { sender, kind, creditCost: cost, creditTerms } = weighed
  const { burst } = creditTerms
  if (cost > burst) return refused('CREDIT_TOO_SMALL', `costs ${cost} of at most ${burst}`)
  if (credits.check(sender, kind, weighed.lane, cost) !== 'exhausted') return undefined
  return refused('CREDIT_EXHAUSTED', retryDetail(credits.retryAfterMs(sender, kind, cost)))
}

/** When to send again, in words. */
export const retryDetail = (afterMs: number | undefined): string =>
  afterMs === undefined ? 'no credit comes back under this grant' : `retry in ${afterMs} ms`

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
 * A body of an erased patient is kept by nobody: a block that carried one could never be handed on to a node
 * that is behind, even if its receipt refused the record.
 */
function namesErased(state: StateReader, { action }: Transaction): boolean {
  if (action.type !== 'append') return false
  let asked: Uint8Array | undefined
  for (const { patient } of action.records) {
    // A set of vital signs names one patient: it is looked up once.
    if (asked !== undefined && equalBytes(asked, patient)) continue
    if (readPatient(state, patient)?.status === patientStatus.erased) return true
    asked = patient
  }
  return false
}

/**
 * Counts bytes, reserved fuel and transactions of a block being built or checked, lane by lane, against the
 * lanes' shares. The system lane has a bound of its own, so that an emergency finds room beside it.
 */
export class LaneMeter {
  readonly #isSystemWide: boolean
  readonly #bytes = [0, 0, 0, 0, 0]
  readonly #fuel = [0, 0, 0, 0, 0]
  readonly #counts = [0, 0, 0, 0, 0]

  /** `isSystemWide` false: by a leader's choice no system transaction has more than the lane's own share. */
  constructor({ isSystemWide = true }: { isSystemWide?: boolean } = {}) {
    this.#isSystemWide = isSystemWide
  }

  /** Would so much still fit into a block beside the largest system transaction? */
  static fitsBesideSystem({ bytes, fuel }: { bytes: number; fuel: number }): boolean {
    const percent = 100 - systemSharePercentMax.first
    return bytes * 100 <= payloadBytesMax * percent && fuel * 100 <= signedFuelMax * percent
  }

  /** True, and counted, when the transaction still fits into its lane and into those above it. */
  admit(of: Lane, bundleBytes: number, fuelReserved: number): boolean {
    if (of === lanes.system && !this.#fitsSystem(bundleBytes, fuelReserved)) return false
    for (let above = of; above >= 0; above -= 1) {
      const share = above
      if (this.#from(this.#bytes, share) + bundleBytes > laneBytesMax(share)) return false
      if (this.#from(this.#fuel, share) + fuelReserved > laneFuelMax(share)) return false
      if (this.#from(this.#counts, share) + 1 > laneCountMax(share)) return false
    }
    this.#bytes[of] += bundleBytes
    this.#fuel[of] += fuelReserved
    this.#counts[of] += 1
    return true
  }

  /** The first may be large; whatever comes after it fits the lane's own share together with it. */
  #fitsSystem(bundleBytes: number, fuelReserved: number): boolean {
    const { first, all } = systemSharePercentMax
    const count = this.#counts[lanes.system]
    const share = count === 0 && this.#isSystemWide ? first : all
    const isWithin = (sum: number, whole: number, percent: number): boolean => sum * 100 <= whole * percent
    return (
      isWithin(this.#bytes[lanes.system] + bundleBytes, payloadBytesMax, share) &&
      isWithin(this.#fuel[lanes.system] + fuelReserved, signedFuelMax, share) &&
      isWithin(count + 1, transactionsPerBlockMax, all)
    )
  }

  /** Sum over a lane and those below it. */
  #from(counts: readonly number[], of: Lane): number {
    let sum = 0
    for (let index: number = of; index < counts.length; index += 1) sum += counts[index]
    return sum
  }
}
