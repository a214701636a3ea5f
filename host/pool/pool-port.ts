// The driver's view of the pool: admission by the executor, choice for a block, and what a block takes
// out again.
import { bytesToHex, decodePayload, lane as lanes, type ErrorCode } from '../../runtime/protocol/index.js'
import { overdraftOf, retryAfterMs, retryDetail } from '../../runtime/execution/index.js'
import type {
  Block,
  PayloadRequest,
  Reception,
  TransactionPort,
  Urgency,
  Waiting,
} from '../../consensus/net/ports.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import { deadInWindow } from '../executor/key-changes.js'
import type { AdmitReply, CommitReply } from '../executor/messages.js'
import { sha256 } from '../keys/crypto.js'
import { AdmissionQueue } from './admission-queue.js'
import { BlockPace } from './block-pace.js'
import { slotParts, TransactionPool, type PickLimits, type PoolEntry } from './transaction-pool.js'

/** One block's choice: its clinical share, 500, is about 50 ms of execution with two rules each. */
export interface BlockTarget {
  transactionsMax: number
  bytesMax: number
}

export const blockTargetDefault: BlockTarget = { transactionsMax: 625, bytesMax: 2 * 1_048_576 }

/** The payload's own framing around the bundles: five lanes, and a length before each bundle. */
const payloadFramingBytes = 64 * 1_024
/** System and clinical ones, each, that go along with an emergency; the lanes below wait for the next. */
const withEmergencyCountMax = 32
/** A sender with less than this part of its allowance is at its limit: no leader is blamed for what waits. */
const creditLowShare = 0.5
/** What has waited this long is asked about again before anybody complains of a leader. */
const recheckAfterMs = 3_000
/** Bounds what asking again may cost one block: about 5 ms of the executor. */
const recheckCountMax = 64

export type SubmitOutcome =
  { ok: true; id: string; known: boolean } | { ok: false; id: string; code: ErrorCode; detail: string }

/** Told of each transaction that leaves the pool although it did not become final. */
export type OnDropped = (id: string, code: ErrorCode) => void

export class PoolPort implements TransactionPort {
  private readonly pool = new TransactionPool()
  /** Transactions of blocks that crashed an executor or split the result; released by governance (R18). */
  private readonly asideBundles = new Set<string>()
  private readonly admission: AdmissionQueue
  private readonly pace: BlockPace
  /** Asks that the core is told of the waiting transactions once more, so many milliseconds from now. */
  later: (ms: number) => void = () => undefined

  constructor(
    private readonly executor: Pick<ExecutorClient, 'call'>,
    private readonly now: () => number,
    private readonly onDropped: OnDropped = () => undefined,
    private readonly target: BlockTarget = blockTargetDefault,
  ) {
    this.admission = new AdmissionQueue((bundles) => executor.call('admit', { bundles, now: now() }))
    this.pace = new BlockPace(Math.floor(target.transactionsMax / 2))
  }

  get size(): number {
    return this.pool.size
  }

  /** Waiting transactions of each lane. */
  get laneCounts(): readonly number[] {
    return this.pool.laneCounts
  }

  waiting(): Waiting {
    return this.pool.waiting(this.target.transactionsMax)
  }

  /**
   * Admits and keeps bundles; the answers say which were new here. Used for gossip and for local
   * submission.
   */
  async admit(bundles: readonly Uint8Array[]): Promise<SubmitOutcome[]> {
    const replies = await this.admission.run(bundles)
    return replies.map((reply, index) => this.keep(reply, bundles[index]))
  }

  private keep(reply: AdmitReply, bundle: Uint8Array): SubmitOutcome {
    if (!reply.ok) return { ok: false, id: reply.id, code: reply.code, detail: reply.detail }
    const { id, lane, slot, sender, validUntil } = reply
    const poor = this.refuseCredit(reply)
    if (poor !== undefined) return poor
    const receivedAt = this.now()
    const creditCost = reply.credit.cost
    const outcome = this.pool.add({ id, lane, bundle, slot, validUntil, receivedAt, sender, creditCost })
    if (outcome === 'slot-taken') return { ok: false, id, code: 'SEQUENCE_REUSED', detail: 'waiting' }
    if (outcome === 'full') return { ok: false, id, code: 'POOL_FULL', detail: '' }
    if (outcome === 'added' && lane === lanes.emergency) this.pace.emergency(receivedAt)
    if (outcome === 'added' && this.isAside(bundle)) this.pool.setAside(id)
    return { ok: true, id, known: outcome === 'known' }
  }

  /** What waits here already spends the sender's credit too: a flood is refused at the door. */
  private refuseCredit(reply: Extract<AdmitReply, { ok: true }>): SubmitOutcome | undefined {
    const { id, lane, sender, credit } = reply
    if (this.pool.has(id)) return undefined
    const left = credit.left - this.pool.creditOf(sender)
    const lowest = lane === lanes.emergency ? -overdraftOf(credit) : 0
    if (left - credit.cost >= lowest) return undefined
    const detail = retryDetail(retryAfterMs(credit, left, credit.cost))
    return { ok: false, id, code: 'CREDIT_EXHAUSTED', detail }
  }

  private isAside(bundle: Uint8Array): boolean {
    return this.asideBundles.size > 0 && this.asideBundles.has(bytesToHex(sha256(bundle)))
  }

  async receive(bundles: readonly Uint8Array[]): Promise<readonly Reception[]> {
    const outcomes = await this.admit(bundles)
    return outcomes.map((outcome) => {
      if (outcome.ok) return outcome.known ? 'known' : this.urgencyOf(outcome.id)
      if (lateCodes.includes(outcome.code)) return 'late'
      if (outcome.code === 'POOL_FULL') return 'known'
      return outcome.code === 'CREDIT_EXHAUSTED' ? 'over' : 'refused'
    })
  }

  /** Emergency and system transactions travel with the votes, imports behind everything else. */
  urgencyOf(id: string): Urgency {
    const lane = this.pool.get(id)?.lane ?? lanes.operational
    if (lane <= lanes.emergency) return 'urgent'
    return lane === lanes.clinical ? 'normal' : 'low'
  }

  /** True when a leader left something out for longer than `patienceMs` that it could have taken. */
  hasOverdue(patienceMs: number): boolean {
    const now = this.now()
    return this.pool.hasOverdue(now, patienceMs, this.pace.isLowExcused(now) ? lanes.clinical : lanes.bulk)
  }

  /**
   * Clinical and emergency transactions that have waited at least `ageMs`: the newest `countMax`, in order
   * of arrival. Those set aside are not among them.
   */
  late(ageMs: number, countMax: number): { id: string; bundle: Uint8Array }[] {
    const late: PoolEntry[] = []
    const before = this.now() - ageMs
    for (const entry of this.pool.inLanes([lanes.emergency, lanes.clinical]))
      if (entry.receivedAt <= before) late.push(entry)
    late.sort((left, right) => left.receivedAt - right.receivedAt)
    return late.slice(-countMax).map(({ id, bundle }) => ({ id, bundle }))
  }

  async buildPayload(
    request: PayloadRequest,
  ): Promise<{ payload: Uint8Array; transactionRoots: readonly Uint8Array[] } | null> {
    const picked = this.pool.pick(this.blockLimits(request.bytesMax - payloadFramingBytes))
    if (picked.length === 0 && !request.due) {
      const restMs = this.pace.restMs(this.now())
      if (restMs > 0) this.later(restMs)
      return null
    }
    const lowCount = picked.filter(({ lane }) => lane > lanes.clinical).length
    this.pace.built(request.height, this.now(), lowCount)
    const bundles = picked.map((entry) => entry.bundle)
    const built = await this.executor.call('build', { bundles, height: request.height, time: request.time })
    for (const { id, code } of built.dropped) if (isForGood(code)) this.drop(id, code)
    if (built.count === 0 && !request.due) return null
    return { payload: built.payload, transactionRoots: built.transactionRoots }
  }

  /** An emergency's block is short: it carries little else, and nothing of the lanes below clinical. */
  private blockLimits(bytesMaxHard: number): PickLimits {
    const { transactionsMax } = this.target
    const bytesMax = Math.min(bytesMaxHard, this.target.bytesMax)
    const limits = { transactionsMax, bytesMax, bytesMaxHard }
    if (this.pool.waiting(0).emergency) {
      const laneCountMax = {
        [lanes.system]: withEmergencyCountMax,
        [lanes.clinical]: withEmergencyCountMax,
        [lanes.operational]: 0,
        [lanes.bulk]: 0,
      }
      return { ...limits, laneCountMax }
    }
    const low = this.pace.restMs(this.now()) > 0 ? 0 : this.pace.lowCountMax
    const laneCountMax = {
      [lanes.operational]: Math.ceil(low * (2 / 3)),
      [lanes.bulk]: Math.ceil(low / 3),
    }
    if (this.pool.laneCounts[lanes.operational] === 0) laneCountMax[lanes.bulk] = low
    return { ...limits, laneCountMax }
  }

  /**
   * What is too large for the bound is passed over; when nothing else waits, the oldest goes alone (never in
   * the emergency lane, whose frames share the way of the votes).
   */
  resend(which: 'emergency' | 'all', bytesMax: number): readonly Uint8Array[] {
    if (which === 'emergency') return firstThatFit(this.pool.emergencies(), bytesMax)
    const picked = this.pool.pick({ transactionsMax: 1_000, bytesMax })
    if (picked.length > 0) return picked.map(({ bundle }) => bundle)
    return this.pool
      .pick({ transactionsMax: 1, bytesMax, bytesMaxHard: Infinity })
      .map(({ bundle }) => bundle)
  }

  setAside(block: Block): void {
    const payload = decodePayload(block.payload)
    if (!payload.ok) return
    this.setAsideHashes(payload.value.lanes.flat().map((bundle) => bytesToHex(sha256(bundle))))
  }

  /** How many bundles stay out of this node's fresh proposals. */
  get setAsideCount(): number {
    return this.asideBundles.size
  }

  /** The same for bundles known by the hex of their SHA-256: those that an earlier process died on. */
  setAsideHashes(hashes: readonly string[]): void {
    for (const hash of hashes) this.asideBundles.add(hash)
    for (const { id, bundle } of this.pool.all()) if (this.isAside(bundle)) this.pool.setAside(id)
  }

  /**
   * What became final leaves the pool, and what can no longer: its sequence was used by another, its key was
   * revoked, or it is valid only until this block's time (the next block's is later). On every node, also on
   * those that never build a block.
   */
  settle(commit: Pick<CommitReply, 'height' | 'receipts' | 'blockTime' | 'keyChanges'>): void {
    const now = this.now()
    this.pace.final(commit.height, now)
    for (const { id } of commit.receipts) {
      if ((this.pool.get(id)?.lane ?? lanes.system) > lanes.clinical) this.pace.lowFinal(now)
      this.pool.finalize(id, now)
    }
    for (const window of commit.keyChanges.windows) {
      for (const entry of this.pool.ofKey(bytesToHex(window.keyId))) {
        const { stream, sequence } = slotParts(entry.slot)
        const code = stream === window.stream ? deadInWindow(window, sequence) : undefined
        if (code !== undefined) this.drop(entry.id, code)
      }
    }
    for (const keyId of commit.keyChanges.revoked)
      for (const entry of this.pool.ofKey(keyId)) this.drop(entry.id, 'KEY_REVOKED')
    for (const { id, validUntil } of this.pool.all())
      if (validUntil !== null && validUntil <= commit.blockTime) this.drop(id, 'EXPIRED')
  }

  /**
   * Asks the executor again about the oldest that have waited long: what it refuses for good is dropped. What
   * only lacks credit stays: other nodes hold it too, so it may still become final when credit comes back,
   * and nobody may be told that it will not.
   */
  async recheck(): Promise<void> {
    const old: PoolEntry[] = []
    for (const entry of this.pool.all()) {
      if (this.now() - entry.receivedAt <= recheckAfterMs || old.length >= recheckCountMax) break
      if (!this.pool.isExcused(entry, this.now(), recheckAfterMs)) old.push(entry)
    }
    if (old.length === 0) return
    const bundles = old.map((entry) => entry.bundle)
    const replies = await this.admission.run(bundles)
    replies.forEach((reply, index) => {
      const { id } = old[index]
      if (!reply.ok && isForGood(reply.code)) this.drop(id, reply.code)
      else if (isPoor(reply)) this.pool.excuse(id, this.now())
    })
  }

  private drop(id: string, code: ErrorCode): void {
    if (!this.pool.has(id)) return
    this.pool.remove(id)
    this.onDropped(id, code)
  }
}

/** What a node that was away still holds, and what the others have long made final. */
const lateCodes: readonly ErrorCode[] = ['SEQUENCE_REUSED', 'SEQUENCE_TOO_OLD', 'EXPIRED', 'KEY_REVOKED']

/** Time heals these: a transaction with them may still enter a later block. */
const healing: readonly ErrorCode[] = ['VALID_TOO_LONG', 'SEQUENCE_JUMP', 'CREDIT_EXHAUSTED']
const isForGood = (code: ErrorCode): boolean => !healing.includes(code)

function isPoor(reply: AdmitReply): boolean {
  if (!reply.ok) return reply.code === 'CREDIT_EXHAUSTED'
  return reply.lane > lanes.emergency && reply.credit.left < reply.credit.burst * creditLowShare
}

function firstThatFit(entries: readonly PoolEntry[], bytesMax: number): Uint8Array[] {
  const bundles: Uint8Array[] = []
  let bytes = 0
  for (const { bundle } of entries) {
    if (bytes + bundle.length > bytesMax) continue
    bytes += bundle.length
    bundles.push(bundle)
  }
  return bundles
}
