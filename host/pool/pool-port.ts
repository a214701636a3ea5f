// The driver's view of the pool: admission by the executor, choice for a block, and what a block takes
// out again.
import {
  bytesToHex,
  decodePayload,
  lane as lanes,
  type ErrorCode,
  type Lane,
} from '../../runtime/protocol/index.js'
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
import { heldBundles } from '../executor/crash-journal.js'
import { HeldBack, type HeldBlock } from '../executor/held-back.js'
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
/** An emergency that no block could take (mostly its sender has no credit left) is tried again after this. */
const emergencyRetryMs = 250
/** A build that gave nothing, although something waits, is tried again after this. */
const emptyRetryMs = 100

export type SubmitOutcome =
  { ok: true; id: string; known: boolean } | { ok: false; id: string; code: ErrorCode; detail: string }

/** Told of each transaction that leaves the pool although it did not become final. */
export type OnDropped = (id: string, code: ErrorCode) => void

export class PoolPort implements TransactionPort {
  private readonly pool = new TransactionPool()
  private readonly admission: AdmissionQueue
  private readonly pace: BlockPace
  /** How many were added, ever. */
  private arrivals = 0
  /** Asks that the core is told of the waiting transactions once more, so many milliseconds from now. */
  later: (ms: number) => void = () => undefined

  constructor(
    private readonly executor: Pick<ExecutorClient, 'call'>,
    private readonly now: () => number,
    private readonly onDropped: OnDropped = () => undefined,
    private readonly target: BlockTarget = blockTargetDefault,
    /** What stays out of fresh proposals (R18). */
    readonly held: HeldBack = new HeldBack(),
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
    return this.pool.waiting(this.target.transactionsMax, this.emergenciesToRetry())
  }

  /** Keys whose emergencies found no room in a block just now: they hold up nobody meanwhile. */
  private emergenciesToRetry(): Set<string> {
    return this.pool.excusedEmergencies(this.now(), emergencyRetryMs)
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
    if (!reply.ok) {
      // Brought again after its end: nothing of it is to be decided any more.
      if (over.includes(reply.code) && this.isAside(bundle))
        this.held.dropSoon([bytesToHex(sha256(bundle))])
      return { ok: false, id: reply.id, code: reply.code, detail: reply.detail }
    }
    const { id, lane, slot, sender, validUntil } = reply
    const poor = this.refuseCredit(reply)
    if (poor !== undefined) return poor
    const receivedAt = this.now()
    const creditCost = reply.credit.cost
    const outcome = this.pool.add({ id, lane, bundle, slot, validUntil, receivedAt, sender, creditCost })
    if (outcome === 'slot-taken') return { ok: false, id, code: 'SEQUENCE_REUSED', detail: 'waiting' }
    if (outcome === 'full') return { ok: false, id, code: 'POOL_FULL', detail: '' }
    if (outcome === 'added') this.added(id, bundle, receivedAt)
    return { ok: true, id, known: outcome === 'known' }
  }

  private added(id: string, bundle: Uint8Array, now: number): void {
    this.arrivals += 1
    if (this.isAside(bundle)) {
      this.held.learn(bytesToHex(sha256(bundle)), id)
      return this.pool.setAside(id)
    }
    const entry = this.pool.get(id)
    if (entry?.lane !== lanes.emergency || this.pool.isExcused(entry, now, emergencyRetryMs)) return
    this.pace.emergency(now)
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
    return this.held.count > 0 && this.held.has(bytesToHex(sha256(bundle)))
  }

  async receive(bundles: readonly Uint8Array[]): Promise<readonly Reception[]> {
    const outcomes = await this.admit(bundles)
    return outcomes.map((outcome) => {
      if (outcome.ok) return outcome.known ? 'known' : this.urgencyOf(outcome.id)
      return forgedCodes.includes(outcome.code) ? 'forged' : 'refused'
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
    return this.pool.hasOverdue(now, patienceMs, (lane) => this.pace.isExcused(lane, now))
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
      if (this.pool.size > 0) this.later(this.untilPickableMs())
      return null
    }
    const lowCount = picked.filter(({ lane }) => lane > lanes.clinical).length
    this.pace.built(request.height, this.now(), lowCount)
    const bundles = picked.map((entry) => entry.bundle)
    const { arrivals } = this
    const built = await this.executor.call('build', { bundles, height: request.height, time: request.time })
    const dead = new Map<string, ErrorCode>()
    for (const { id, code } of built.dropped) {
      if (isForGood(code)) dead.set(id, code)
      else if (code === 'CREDIT_EXHAUSTED' || this.pool.get(id)?.lane === lanes.emergency)
        this.pool.excuse(id, this.now())
    }
    this.dropAll(dead)
    if (built.count === 0 && !request.due) {
      // The core forgets what came meanwhile, an emergency too: it is told again.
      if (this.pool.size > 0) this.later(this.arrivals > arrivals ? 1 : emptyRetryMs)
      return null
    }
    return { payload: built.payload, transactionRoots: built.transactionRoots }
  }

  /** Until the first of what waits may have a block; a moment when nothing tells. */
  private untilPickableMs(): number {
    const now = this.now()
    const rests = [lanes.operational, lanes.bulk]
      .filter((lane) => this.pool.laneCounts[lane] > 0)
      .map((lane) => this.pace.restMs(lane, now))
    if (this.emergenciesToRetry().size > 0) rests.push(emergencyRetryMs)
    const soonestMs = Math.min(...rests.filter((restMs) => restMs > 0))
    return Number.isFinite(soonestMs) ? soonestMs : emptyRetryMs
  }

  /** An emergency's block is short: little else goes along, seldom anything of the lanes below clinical. */
  private blockLimits(bytesMaxHard: number): PickLimits {
    const { transactionsMax } = this.target
    const bytesMax = Math.min(bytesMaxHard, this.target.bytesMax)
    const withoutEmergencies = this.emergenciesToRetry()
    const isEmergency = this.pool.waiting(0, withoutEmergencies).emergency
    const now = this.now()
    const low = this.pace.lowCountMax
    const isBulkAlone = this.pool.laneCounts[lanes.operational] === 0
    const ofLow = (lane: Lane, count: number): number => this.pace.countMax(lane, count, now, isEmergency)
    const laneCountMax = {
      ...(isEmergency && {
        [lanes.system]: withEmergencyCountMax,
        [lanes.clinical]: withEmergencyCountMax,
      }),
      [lanes.operational]: ofLow(lanes.operational, Math.ceil(low * (2 / 3))),
      [lanes.bulk]: ofLow(lanes.bulk, isBulkAlone ? low : Math.ceil(low / 3)),
    }
    return { transactionsMax, bytesMax, bytesMaxHard, laneCountMax, withoutEmergencies }
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

  /** The result of this block was split: nobody knows why yet (R18). */
  setAside({ header, payload }: Block): void {
    const bundles = heldBundles(payload)
    const block: HeldBlock = { since: this.now(), reason: 'RESULT_SPLIT', height: header.height, bundles }
    this.putBack(this.held.add(block))
    for (const { id, bundle } of this.pool.all()) if (this.isAside(bundle)) this.pool.setAside(id)
  }

  isHeld({ payload }: Pick<Block, 'payload'>): boolean {
    return this.held.count > 0 && heldBundles(payload).some(({ hash }) => this.held.has(hash))
  }

  /** Bundles by the hex of their SHA-256: from now on they may be proposed again. How many were held back. */
  release(hashes: readonly string[]): number {
    const released = this.held.drop(hashes)
    this.putBack(released)
    return released.length
  }

  /** What left the list although it may still become final is proposed as any other. */
  private putBack(hashes: readonly string[]): void {
    if (hashes.length === 0) return
    const free = new Set(hashes)
    for (const { id, bundle } of [...this.pool.all()])
      if (this.pool.isAside(id) && free.has(bytesToHex(sha256(bundle)))) this.pool.putBack(id, this.now())
    this.arrivals += 1
    this.later(1)
  }

  /** Whoever proposed them: what is final is held back no more. */
  becameFinal({ payload }: Pick<Block, 'payload'>): void {
    this.held.saveAgain()
    if (this.held.count === 0) return
    this.held.dropSoon(heldBundles(payload).map(({ hash }) => hash))
  }

  async takeBack(block: Block): Promise<void> {
    const payload = decodePayload(block.payload)
    // An executor that fails has been reported already.
    if (payload.ok) await this.admit(payload.value.lanes.flat()).catch(() => undefined)
  }

  /**
   * What became final leaves the pool, and what can no longer: its sequence was used by another, its key was
   * revoked, or it is valid only until this block's time (the next block's is later). On every node, also on
   * those that never build a block.
   */
  settle(commit: Pick<CommitReply, 'height' | 'receipts' | 'blockTime' | 'keyChanges'>): void {
    const now = this.now()
    const dead = new Map<string, ErrorCode>()
    this.pace.final(commit.height, now)
    for (const { id } of commit.receipts) {
      const lane = this.pool.get(id)?.lane
      if (lane !== undefined) this.pace.laneFinal(lane, now)
      this.pool.finalize(id, now)
    }
    for (const window of commit.keyChanges.windows) {
      for (const entry of this.pool.ofKey(bytesToHex(window.keyId))) {
        const { stream, sequence } = slotParts(entry.slot)
        const code = stream === window.stream ? deadInWindow(window, sequence) : undefined
        if (code !== undefined) dead.set(entry.id, code)
      }
    }
    for (const keyId of commit.keyChanges.revoked)
      for (const entry of this.pool.ofKey(keyId)) dead.set(entry.id, 'KEY_REVOKED')
    for (const { id, validUntil } of this.pool.all())
      if (validUntil !== null && validUntil <= commit.blockTime) dead.set(id, 'EXPIRED')
    this.dropAll(dead)
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
      // No leader is blamed for these, and they may wait for days: they take no place of the others.
      if (this.pool.isAside(entry.id)) continue
      if (!this.pool.isExcused(entry, this.now(), recheckAfterMs)) old.push(entry)
    }
    if (old.length === 0) return
    const bundles = old.map((entry) => entry.bundle)
    const replies = await this.admission.run(bundles)
    const dead = new Map<string, ErrorCode>()
    replies.forEach((reply, index) => {
      const { id } = old[index]
      if (!reply.ok && isForGood(reply.code)) dead.set(id, reply.code)
      else if (isPoor(reply)) this.pool.excuse(id, this.now())
    })
    this.dropAll(dead)
  }

  /** What can no longer become final is held back no more either: one change of the list for all of them. */
  private dropAll(dead: ReadonlyMap<string, ErrorCode>): void {
    const hashes: string[] = []
    for (const [id, code] of dead) {
      const entry = this.pool.get(id)
      if (!entry) continue
      if (this.pool.isAside(id)) hashes.push(bytesToHex(sha256(entry.bundle)))
      this.pool.remove(id)
      this.onDropped(id, code)
    }
    this.held.dropSoon(hashes)
  }
}

/** Neither time nor state makes these of what another node admitted: whoever brings them made them. */
const forgedCodes: readonly ErrorCode[] = [
  'BUNDLE_MALFORMED',
  'TRANSACTION_MALFORMED',
  'BODY_MISMATCH',
  'ATTACHMENT_MISMATCH',
  'SIGNATURE_INVALID',
]

/** No later state takes these back, not even for a node that is behind. */
const over: readonly ErrorCode[] = ['EXPIRED', 'SEQUENCE_REUSED', 'KEY_REVOKED']

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
