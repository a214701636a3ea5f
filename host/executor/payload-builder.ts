// From candidates to a payload that every validator will accept: each is admitted again by the parent
// state, no key's sequence occurs twice, and no sender spends more than its credit.
import {
  bytesToHex,
  encodePayload,
  lane as laneNumbers,
  laneCount,
  transactionRoots,
  transactionsPerBlockMax,
  type Bundle,
  type ErrorCode,
  type Result,
} from '../../runtime/protocol/index.js'
import { LaneMeter, type Admission, type Standing } from '../../runtime/execution/index.js'
import { sha256 } from '../keys/crypto.js'
import type { BuildReply } from './messages.js'

export function buildPayload(
  candidates: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => Bundle | undefined,
  admit: (bundle: Bundle, bundleBytes: number) => Result<Admission, ErrorCode>,
  credits: Standing['credits'],
): BuildReply {
  const lanes: Uint8Array[][] = Array.from({ length: laneCount }, () => [])
  const signed: Uint8Array[][] = Array.from({ length: laneCount }, () => [])
  const slots = new Set<string>()
  const passedOver = new Set<string>()
  const urgentPassedOver = new Set<string>()
  const admitted = candidates.flatMap((bytes): Candidate[] => {
    const bundle = decode(bytes)
    return bundle === undefined ? [] : [{ bytes, bundle, admission: admit(bundle, bytes.length) }]
  })
  const meter = new LaneMeter({ isSystemWide: !needsRoom(admitted) })
  const dropped: BuildReply['dropped'] = []
  let count = 0
  for (const { bytes, bundle, admission } of admitted) {
    const id = bytesToHex(bundle.signed.id)
    if (!admission.ok) {
      dropped.push({ id, code: admission.code })
      continue
    }
    const { keyId, stream, sequence, lane, fuelReserved } = admission.value
    const slot = `${bytesToHex(keyId)}:${stream}:${sequence}`
    if (slots.has(slot)) {
      dropped.push({ id, code: 'SEQUENCE_REUSED' })
      continue
    }
    // What does not fit its lane's share of this block stays in the pool for the next one, and so does what
    // its sender signed after it; an emergency waits for emergencies only.
    const key = bytesToHex(keyId)
    const isEmergency = admission.value.lane === laneNumbers.emergency
    const before = isEmergency ? urgentPassedOver : passedOver
    const isBehind = before.has(key) || count >= transactionsPerBlockMax
    if (isBehind || !meter.admit(lane, bytes.length, fuelReserved)) {
      passedOver.add(key)
      before.add(key)
      continue
    }
    const { sender, kind, creditCost } = admission.value
    if (credits.reserve(sender, kind, lane, creditCost) === 'exhausted') {
      dropped.push({ id, code: 'CREDIT_EXHAUSTED' })
      passedOver.add(key)
      before.add(key)
      continue
    }
    slots.add(slot)
    lanes[lane].push(bytes)
    signed[lane].push(bundle.signed.bytes)
    count += 1
  }
  return {
    payload: encodePayload({ lanes }),
    transactionRoots: transactionRoots(sha256, signed),
    count,
    dropped,
  }
}

interface Candidate {
  bytes: Uint8Array
  bundle: Bundle
  admission: Result<Admission, ErrorCode>
}

/**
 * Do waiting emergencies need more than what a large system transaction would leave them? Then it waits:
 * whoever sends one after the other would otherwise hold up a large emergency for as long.
 */
function needsRoom(candidates: readonly Candidate[]): boolean {
  const beside = { bytes: 0, fuel: 0 }
  for (const { bytes, admission } of candidates) {
    if (!admission.ok || admission.value.lane !== laneNumbers.emergency) continue
    beside.bytes += bytes.length
    beside.fuel += admission.value.fuelReserved
  }
  return !LaneMeter.fitsBesideSystem(beside)
}
