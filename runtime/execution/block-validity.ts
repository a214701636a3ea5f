// Is this a block that may be voted for? Decided by header, payload and parent state, before anything runs.
import { transactionRoots, decodePayload, type BlockHeader, type Payload } from '../protocol/block.js'
import { equalBytes, bytesToHex } from '../protocol/bytes.js'
import type { Validator } from '../protocol/certificate.js'
import { validatorsHash } from '../protocol/entity.js'
import { laneCount, type Lane } from '../protocol/lanes.js'
import { appVersion, protocolVersion, transactionsPerBlockMax } from '../protocol/limits.js'
import { ok, refused, type Result } from '../protocol/result.js'
import { decodeBundle, type Bundle } from '../protocol/transaction.js'
import { checkTransaction, LaneMeter, retryDetail, standingAt, type Standing } from './admission.js'
import type { Kernel } from './kernel.js'
import { decodeRow, headKey, headRow, onlyKey, store, validatorRow, type HeadRow } from './kernel-tables.js'
import type { BlockInput, BlockOptions, BlockRefusalCode } from './ports.js'
import { SequenceBook } from './replay-window.js'
import type { StateReader } from '../state/store-interface.js'

/** One signed transaction of a valid block. */
export interface CheckedBundle {
  bundle: Bundle
  fuelReserved: number
  /** An emergency that its sender's credit does not cover: it runs, and its receipt says so. */
  isOverdrawn: boolean
}

export interface CheckedBlock {
  lanes: CheckedBundle[][]
  /** With the credit that these transactions reserve. */
  credits: Standing['credits']
}

type Refusal = Result<never, BlockRefusalCode>

export function readValidators(state: StateReader): Validator[] {
  const row = state.get(store.validator, onlyKey)
  return row === undefined ? [] : decodeRow<Validator[]>(validatorRow, row)
}

export function readHead(state: StateReader): HeadRow {
  const row = state.get(store.chain, headKey)
  return row === undefined ? { height: 0n, time: 0n } : decodeRow<HeadRow>(headRow, row)
}

/** Checks everything, and marks the sequences of the block's transactions as used in the overlay. */
export function checkBlock(
  kernel: Kernel,
  input: BlockInput,
  options: BlockOptions,
): Result<CheckedBlock, BlockRefusalCode> {
  const { header } = input
  const headerRefusal = refuseHeader(kernel, header)
  if (headerRefusal !== undefined) return headerRefusal
  const payload = payloadOf(input.payload)
  if (!payload.ok) return payload
  if (payload.value.lanes.reduce((count, group) => count + group.length, 0) > transactionsPerBlockMax) {
    return refused('TRANSACTIONS_TOO_MANY')
  }
  const meter = new LaneMeter()
  const parentTime = Number(readHead(kernel.overlay).time)
  const standing = standingAt(kernel.overlay, { time: header.time, parentTime })
  const sequences = new SequenceBook(kernel.overlay)
  const context = { meter, options, standing, sequences, parentTime }
  const lanes: CheckedBlock['lanes'] = []
  for (let lane = 0; lane < laneCount; lane += 1) {
    const group: CheckedBlock['lanes'][number] = []
    for (const bytes of payload.value.lanes[lane]) {
      const checked = checkBundle(kernel, header, bytes, lane as Lane, context)
      if (!checked.ok) return checked
      group.push(checked.value)
    }
    lanes.push(group)
  }
  sequences.flush(kernel.overlay)
  const signed = lanes.map((group) => group.map(({ bundle }) => bundle.signed.bytes))
  const roots = transactionRoots(kernel.hash, signed)
  const rootsFit = roots.every((root, lane) => equalBytes(root, header.transactionRoots[lane]))
  return rootsFit ? ok({ lanes, credits: standing.credits }) : refused('ROOTS_WRONG')
}

/** Parent hash, certificate and clock skew are the consensus core's part. */
function refuseHeader(kernel: Kernel, header: BlockHeader): Refusal | undefined {
  const { chain, overlay } = kernel
  if (!equalBytes(header.chainId, chain.chainId)) return refused('CHAIN_WRONG')
  if (header.version !== protocolVersion || header.appVersion !== appVersion)
    return refused('VERSION_UNKNOWN')
  if (header.epoch !== chain.epoch) return refused('VERSION_UNKNOWN', 'epoch')
  const head = readHead(overlay)
  if (BigInt(header.height) !== head.height + 1n) return refused('HEIGHT_WRONG')
  if (BigInt(header.time) <= head.time) return refused('TIME_NOT_LATER')
  const expected = validatorsHash(kernel.hash, readValidators(overlay))
  return equalBytes(header.validatorsHash, expected) ? undefined : refused('VALIDATORS_WRONG')
}

function payloadOf(payload: Payload | Uint8Array): Result<Payload, BlockRefusalCode> {
  return payload instanceof Uint8Array ? decodePayload(payload) : ok(payload)
}

interface CheckContext {
  meter: LaneMeter
  options: BlockOptions
  standing: Standing
  sequences: SequenceBook
  parentTime: number
}

function checkBundle(
  kernel: Kernel,
  header: BlockHeader,
  bytes: Uint8Array,
  lane: Lane,
  context: CheckContext,
): Result<CheckedBundle, BlockRefusalCode> {
  const { meter, options, standing, sequences, parentTime } = context
  const kept = options.decodedBundle?.(bytes)
  const decoded = kept === undefined ? decodeBundle(bytes, kernel.hash) : ok(kept)
  if (!decoded.ok) return decoded
  const bundle = decoded.value
  const { chainId } = kernel.chain
  const at = { chainId, height: header.height, time: header.time, parentTime }
  const verifySignature = options.signatureChecked?.(bundle) !== true
  const admission = checkTransaction(kernel.overlay, bundle, at, kernel.ports, {
    verifySignature,
    bundleBytes: bytes.length,
    standing,
    sequences,
  })
  const name = (): string => bytesToHex(bundle.signed.id)
  if (!admission.ok) {
    const { code, detail } = admission
    return refused(code, detail === undefined ? name() : `${name()}: ${detail}`)
  }
  const { fuelReserved, keyId, stream, sequence, sender, kind, creditCost } = admission.value
  if (admission.value.lane !== lane) return refused('LANE_WRONG', name())
  if (!meter.admit(lane, bytes.length, fuelReserved)) return refused('LANE_FULL', name())
  const reservation = standing.credits.reserve(sender, kind, lane, creditCost)
  if (reservation === 'exhausted') {
    const retry = retryDetail(standing.credits.retryAfterMs(sender, kind, creditCost))
    return refused('CREDIT_EXHAUSTED', `${name()}: ${retry}`)
  }
  const verdict = sequences.use(keyId, stream, sequence)
  if (verdict !== 'OK') return refused(verdict, name())
  return ok({ bundle, fuelReserved, isOverdrawn: reservation === 'overdrawn' })
}
