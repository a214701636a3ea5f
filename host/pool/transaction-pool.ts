// Transactions that wait for a block: FIFO inside each lane, bounded in count and bytes, for all and for
// each key, picked by lane shares. Plain bookkeeping over admitted bundles: signatures, keys and sequences
// were checked by the executor (`admit`).
import { laneCount, laneSharePercentMax, lane as lanes, type Lane } from '../../runtime/protocol/index.js'

export interface PoolEntry {
  /** Hex of the transaction id. */
  id: string
  lane: Lane
  /** The encoded bundle: transaction, bodies, attachments. */
  bundle: Uint8Array
  /** `keyId:stream:sequence`: two transactions with the same one cannot both become final. */
  slot: string
  /** Last block time, ms, at which it may become final; null when it has no end. */
  validUntil: number | null
  receivedAt: number
}

export interface PoolLimits {
  entriesMax: number
  bytesMax: number
}

/** Bounds one block's choice; shares of lanes are taken of `bytesMax`. */
export interface PickLimits {
  transactionsMax: number
  bytesMax: number
  /** What the block can hold at most: the first of a lane may go up to here. Default: `bytesMax`. */
  bytesMaxHard?: number
}

export type AddOutcome = 'added' | 'known' | 'slot-taken' | 'full'

/** Room for about ten seconds of the fastest load; beyond it a sender is told POOL_FULL. */
export const poolLimitsDefault: PoolLimits = { entriesMax: 20_000, bytesMax: 64 * 1_048_576 }

/** What the lanes below emergency may use of the pool together. */
const ordinaryShare = 0.9
/**
 * What one key may use of it in those lanes, so that a device gone wild crowds out nobody. Emergencies and
 * governance are not held back by it.
 */
const keyShare = 0.1

/** All that waits under one key; the counts are of the lanes below emergency. */
interface OfKey {
  entries: Map<string, PoolEntry>
  count: number
  byteCount: number
}

/** The parts of a slot; the pool's own, so that nothing is parsed that `admit` did not make. */
export function slotParts(slot: string): { keyId: string; stream: number; sequence: number } {
  const [keyId, stream, sequence] = slot.split(':')
  return { keyId, stream: Number(stream), sequence: Number(sequence) }
}

const keyOf = (entry: PoolEntry): string => entry.slot.split(':', 1)[0]

export class TransactionPool {
  private readonly entries = new Map<string, PoolEntry>()
  private readonly slots = new Map<string, string>()
  private readonly keys = new Map<string, OfKey>()
  /** Entries that may be proposed; those set aside are in none of them. */
  private readonly laneQueues = Array.from({ length: laneCount }, () => new Map<string, PoolEntry>())
  private readonly asideIds = new Set<string>()
  private byteCount = 0

  constructor(private readonly limits: PoolLimits = poolLimitsDefault) {}

  get size(): number {
    return this.entries.size
  }

  /** The emergency lane may use the last tenth of the pool, which the others may not. */
  add(entry: PoolEntry): AddOutcome {
    if (this.entries.has(entry.id)) return 'known'
    if (this.slots.has(entry.slot)) return 'slot-taken'
    const isOrdinary = entry.lane > lanes.emergency
    const share = isOrdinary ? ordinaryShare : 1
    const bytesAfter = this.byteCount + entry.bundle.length
    if (this.entries.size >= this.limits.entriesMax * share || bytesAfter > this.limits.bytesMax * share)
      return 'full'
    const ofKey = this.keys.get(keyOf(entry)) ?? { entries: new Map(), count: 0, byteCount: 0 }
    if (isOrdinary && this.isKeyFull(ofKey, entry.bundle.length)) return 'full'
    this.entries.set(entry.id, entry)
    this.slots.set(entry.slot, entry.id)
    this.laneQueues[entry.lane].set(entry.id, entry)
    this.byteCount = bytesAfter
    this.keys.set(keyOf(entry), ofKey)
    ofKey.entries.set(entry.id, entry)
    if (isOrdinary) {
      ofKey.count += 1
      ofKey.byteCount += entry.bundle.length
    }
    return 'added'
  }

  private isKeyFull(ofKey: OfKey, bundleBytes: number): boolean {
    const { entriesMax, bytesMax } = this.limits
    return ofKey.count + 1 > entriesMax * keyShare || ofKey.byteCount + bundleBytes > bytesMax * keyShare
  }

  has(id: string): boolean {
    return this.entries.has(id)
  }

  get(id: string): PoolEntry | undefined {
    return this.entries.get(id)
  }

  /** All entries, the oldest first. */
  all(): Iterable<PoolEntry> {
    return this.entries.values()
  }

  /** Entries signed with this key (hex of its id). */
  ofKey(keyId: string): PoolEntry[] {
    return [...(this.keys.get(keyId)?.entries.values() ?? [])]
  }

  remove(id: string): void {
    const entry = this.entries.get(id)
    if (!entry) return
    this.entries.delete(id)
    this.slots.delete(entry.slot)
    this.laneQueues[entry.lane].delete(id)
    this.asideIds.delete(id)
    this.byteCount -= entry.bundle.length
    const ofKey = this.keys.get(keyOf(entry))
    if (!ofKey) return
    ofKey.entries.delete(id)
    if (ofKey.entries.size === 0) this.keys.delete(keyOf(entry))
    if (entry.lane <= lanes.emergency) return
    ofKey.count -= 1
    ofKey.byteCount -= entry.bundle.length
  }

  /** Keeps an entry, and its slot, but out of every choice. */
  setAside(id: string): void {
    const entry = this.entries.get(id)
    if (!entry) return
    this.laneQueues[entry.lane].delete(id)
    this.asideIds.add(id)
  }

  /**
   * Candidates for one block, lane 0 first, FIFO inside a lane, within the lane shares of `bytesMax`. The
   * first of a lane may be larger than that, up to what the block can hold, so that a large transaction gets
   * its turn; whatever does not fit is passed over and stops nobody but later ones of the same key, whose
   * order is kept.
   */
  pick(limits: PickLimits): PoolEntry[] {
    const picked: PoolEntry[] = []
    const bytesMaxHard = limits.bytesMaxHard ?? limits.bytesMax
    const passedOver = new Set<string>()
    let bytes = 0
    for (let lane = 0; lane < laneCount; lane += 1) {
      let laneBytes = 0
      const laneBytesMax = (limits.bytesMax * laneSharePercentMax[lane]) / 100
      for (const entry of this.laneQueues[lane].values()) {
        if (picked.length >= limits.transactionsMax) return picked
        const { length } = entry.bundle
        const fits =
          laneBytes === 0
            ? bytes + length <= bytesMaxHard
            : bytes + length <= limits.bytesMax && laneBytes + length <= laneBytesMax
        if (!fits || passedOver.has(keyOf(entry))) {
          passedOver.add(keyOf(entry))
          continue
        }
        picked.push(entry)
        laneBytes += length
        bytes += length
      }
    }
    return picked
  }

  /** What could be proposed now. */
  waiting(fullAt: number): { normal: boolean; emergency: boolean; full: boolean } {
    const count = this.entries.size - this.asideIds.size
    const emergency = this.laneQueues[lanes.emergency].size > 0
    return { normal: count > 0, emergency, full: count >= fullAt }
  }

  /** Arrival time of the oldest that a leader could have taken: one that leaves it too long censors (R20). */
  oldestReceivedAt(): number | undefined {
    for (const entry of this.entries.values()) {
      if (!this.asideIds.has(entry.id)) return entry.receivedAt
    }
    return undefined
  }

  /** What may be proposed of these lanes, lane by lane, the oldest first. */
  *inLanes(wanted: readonly Lane[]): Iterable<PoolEntry> {
    for (const lane of wanted) yield* this.laneQueues[lane].values()
  }

  emergencies(): PoolEntry[] {
    return [...this.laneQueues[lanes.emergency].values()]
  }
}
