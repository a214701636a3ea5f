// Transactions that wait for a block: FIFO inside each lane, bounded in count and bytes, picked by lane
// shares. Plain bookkeeping over admitted bundles: signatures, keys and sequences were checked by the
// executor (`admit`).
import { laneCount, laneSharePercentMax, lane as lanes, type Lane } from '../../runtime/protocol/index.js'

export interface PoolEntry {
  /** Hex of the transaction id. */
  id: string
  lane: Lane
  /** The encoded bundle: transaction, bodies, attachments. */
  bundle: Uint8Array
  /** `keyId:stream:sequence`: two transactions with the same one cannot both become final. */
  slot: string
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
}

export type AddOutcome = 'added' | 'known' | 'slot-taken' | 'full'

/** Room for about ten seconds of the fastest load; beyond it a sender is told POOL_FULL. */
export const poolLimitsDefault: PoolLimits = { entriesMax: 20_000, bytesMax: 64 * 1_048_576 }

export class TransactionPool {
  private readonly entries = new Map<string, PoolEntry>()
  private readonly slots = new Map<string, string>()
  private readonly laneQueues: Map<string, PoolEntry>[] = Array.from({ length: laneCount }, () => new Map())
  private byteCount = 0

  constructor(private readonly limits: PoolLimits = poolLimitsDefault) {}

  get size(): number {
    return this.entries.size
  }

  /** The emergency lane may use the last tenth of the pool, which the others may not. */
  add(entry: PoolEntry): AddOutcome {
    if (this.entries.has(entry.id)) return 'known'
    if (this.slots.has(entry.slot)) return 'slot-taken'
    const share = entry.lane <= lanes.emergency ? 1 : 0.9
    const bytesAfter = this.byteCount + entry.bundle.length
    if (this.entries.size >= this.limits.entriesMax * share || bytesAfter > this.limits.bytesMax * share)
      return 'full'
    this.entries.set(entry.id, entry)
    this.slots.set(entry.slot, entry.id)
    this.laneQueues[entry.lane].set(entry.id, entry)
    this.byteCount = bytesAfter
    return 'added'
  }

  has(id: string): boolean {
    return this.entries.has(id)
  }

  get(id: string): PoolEntry | undefined {
    return this.entries.get(id)
  }

  remove(id: string): void {
    const entry = this.entries.get(id)
    if (!entry) return
    this.entries.delete(id)
    this.slots.delete(entry.slot)
    this.laneQueues[entry.lane].delete(id)
    this.byteCount -= entry.bundle.length
  }

  /** Candidates for one block, lane 0 first, FIFO inside a lane, within the cumulative lane shares. */
  pick(limits: PickLimits): PoolEntry[] {
    const picked: PoolEntry[] = []
    let bytes = 0
    // A lane's share bounds this lane and all below it together; walking from the top, what is left for a
    // lane is the smaller of the free block and its own share minus what lanes below have taken (nothing
    // yet).
    for (let lane = 0; lane < laneCount; lane += 1) {
      let laneBytes = 0
      const laneBytesMax = (limits.bytesMax * laneSharePercentMax[lane]) / 100
      for (const entry of this.laneQueues[lane].values()) {
        const length = entry.bundle.length
        if (picked.length >= limits.transactionsMax || bytes + length > limits.bytesMax) return picked
        // The first of a lane always fits, so that one large transaction cannot wait for ever.
        if (laneBytes > 0 && laneBytes + length > laneBytesMax) break
        picked.push(entry)
        laneBytes += length
        bytes += length
      }
    }
    return picked
  }

  waiting(fullAt: number): { normal: boolean; emergency: boolean; full: boolean } {
    const emergency = this.laneQueues[lanes.emergency].size > 0
    return { normal: this.entries.size > 0, emergency, full: this.entries.size >= fullAt }
  }

  /** Arrival time of the oldest entry, or undefined: a leader that leaves it too long censors it (R20). */
  oldestReceivedAt(): number | undefined {
    const first = this.entries.values().next()
    return first.done ? undefined : first.value.receivedAt
  }

  emergencies(): PoolEntry[] {
    return [...this.laneQueues[lanes.emergency].values()]
  }
}
