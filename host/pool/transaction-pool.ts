// Transactions that wait for a block: FIFO for each key, keys taking turns inside each lane, bounded in count
// and bytes, for all and for each key, picked by lane shares. Plain bookkeeping over admitted bundles:
// signatures, keys, sequences and credit were checked by the executor (`admit`).
import {
  laneCount,
  laneSharePercentMax,
  lane as lanes,
  systemSharePercentMax,
  type Lane,
} from '../../runtime/protocol/index.js'

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
  /** Hex of the sending entity, and what the transaction reserves of its credit. */
  sender: string
  creditCost: number
}

export interface PoolLimits {
  entriesMax: number
  bytesMax: number
}

/** Bounds one block's choice; shares of lanes are taken of `bytesMax` and `transactionsMax`. */
export interface PickLimits {
  transactionsMax: number
  bytesMax: number
  /** What the block can hold at most: the first of a lane may go up to here. Default: `bytesMax`. */
  bytesMaxHard?: number
  /** Most transactions of each lane; a lane that is not named has its share of `transactionsMax`. */
  laneCountMax?: Partial<Record<Lane, number>>
  /** Keys whose emergencies stay out of this block. */
  withoutEmergencies?: ReadonlySet<string>
}

export type AddOutcome = 'added' | 'known' | 'slot-taken' | 'full'

/** Room for about ten seconds of the fastest load; beyond it a sender is told POOL_FULL. */
export const poolLimitsDefault: PoolLimits = { entriesMax: 20_000, bytesMax: 64 * 1_048_576 }

/**
 * What a lane and those below it may use of the pool together: an import never keeps a vital sign out, and
 * nothing keeps an emergency out.
 */
const laneShareOfPool: readonly number[] = [1, 1, 0.9, 0.6, 0.5]
/**
 * The system lane's own share, and what all but emergencies may use together: governance, which takes a
 * flooding key away, has a twentieth that nothing below it fills, and so have emergencies.
 */
const systemShareOfPool = 0.25
const shareBesideEmergencies = 0.95
/**
 * What one key may use of it in all lanes but emergency, so that a key gone wild crowds out nobody.
 * Emergencies are not held back by it.
 */
const keyShare = 0.1
/** All that waits under one key; the counts are of all lanes but emergency. */
interface OfKey {
  entries: Map<string, PoolEntry>
  count: number
  byteCount: number
  /** By lane, of those that became final: when the last one did, and the latest arrival among them. */
  served: ({ at: number; arrivedAt: number } | undefined)[]
  /** By lane, when its sender was last found without the credit for more. */
  poorAt: (number | undefined)[]
}

type LaneQueue = Map<string, Map<string, PoolEntry>>

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
  /** Entries that may be proposed, by key in the order of turns; those set aside are in none of them. */
  private readonly laneQueues = Array.from({ length: laneCount }, (): LaneQueue => new Map())
  private readonly asideIds = new Set<string>()
  private readonly credits = new Map<string, number>()
  private readonly counts = [0, 0, 0, 0, 0]
  private readonly byteCounts = [0, 0, 0, 0, 0]

  constructor(private readonly limits: PoolLimits = poolLimitsDefault) {}

  get size(): number {
    return this.entries.size
  }

  /** Entries of each lane. */
  get laneCounts(): readonly number[] {
    return this.counts
  }

  /** Credit that the waiting transactions of a sender reserve. */
  creditOf(sender: string): number {
    return this.credits.get(sender) ?? 0
  }

  /** Each lane leaves room for those above it, and all leave room for emergencies. */
  add(entry: PoolEntry): AddOutcome {
    if (this.entries.has(entry.id)) return 'known'
    if (this.slots.has(entry.slot)) return 'slot-taken'
    const { lane } = entry
    if (this.isFull(lane, entry.bundle.length)) return 'full'
    const key = keyOf(entry)
    const ofKey = this.keys.get(key) ?? {
      entries: new Map(),
      count: 0,
      byteCount: 0,
      served: [],
      poorAt: [],
    }
    const isOrdinary = lane !== lanes.emergency
    if (isOrdinary && this.isKeyFull(ofKey, entry.bundle.length)) return 'full'
    this.entries.set(entry.id, entry)
    this.slots.set(entry.slot, entry.id)
    const queue = this.laneQueues[lane]
    const turn = queue.get(key) ?? new Map<string, PoolEntry>()
    queue.set(key, turn.set(entry.id, entry))
    this.counts[lane] += 1
    this.byteCounts[lane] += entry.bundle.length
    this.credits.set(entry.sender, this.creditOf(entry.sender) + entry.creditCost)
    this.keys.set(key, ofKey)
    ofKey.entries.set(entry.id, entry)
    if (isOrdinary) {
      ofKey.count += 1
      ofKey.byteCount += entry.bundle.length
    }
    return 'added'
  }

  private isFull(of: Lane, bundleBytes: number): boolean {
    const { entriesMax, bytesMax } = this.limits
    const isOver = (counts: readonly number[], added: number, max: number): boolean => {
      if (of === lanes.emergency) return false
      if (of === lanes.system && counts[of] + added > max * systemShareOfPool) return true
      return sumFrom(counts, 0) - counts[lanes.emergency] + added > max * shareBesideEmergencies
    }
    if (isOver(this.counts, 1, entriesMax) || isOver(this.byteCounts, bundleBytes, bytesMax)) return true
    for (let lane: number = of; lane >= 0; lane -= 1) {
      const share = laneShareOfPool[lane]
      if (sumFrom(this.counts, lane) + 1 > entriesMax * share) return true
      if (sumFrom(this.byteCounts, lane) + bundleBytes > bytesMax * share) return true
    }
    return false
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

  /** It became final: the turn goes to the next key of its lane. */
  finalize(id: string, now: number): void {
    const entry = this.entries.get(id)
    if (!entry) return
    const key = keyOf(entry)
    const ofKey = this.keys.get(key)
    if (ofKey) {
      const arrivedAt = Math.max(entry.receivedAt, ofKey.served[entry.lane]?.arrivedAt ?? 0)
      ofKey.served[entry.lane] = { at: now, arrivedAt }
    }
    this.remove(id)
    const queue = this.laneQueues[entry.lane]
    const turn = queue.get(key)
    if (!turn) return
    queue.delete(key)
    queue.set(key, turn)
  }

  remove(id: string): void {
    const entry = this.entries.get(id)
    if (!entry) return
    const key = keyOf(entry)
    const { lane } = entry
    this.entries.delete(id)
    this.slots.delete(entry.slot)
    this.dequeue(entry)
    this.asideIds.delete(id)
    this.counts[lane] -= 1
    this.byteCounts[lane] -= entry.bundle.length
    const credit = this.creditOf(entry.sender) - entry.creditCost
    if (credit > 0) this.credits.set(entry.sender, credit)
    else this.credits.delete(entry.sender)
    const ofKey = this.keys.get(key)
    if (!ofKey) return
    ofKey.entries.delete(id)
    if (ofKey.entries.size === 0) this.keys.delete(key)
    if (lane === lanes.emergency) return
    ofKey.count -= 1
    ofKey.byteCount -= entry.bundle.length
  }

  private dequeue(entry: PoolEntry): void {
    const queue = this.laneQueues[entry.lane]
    const turn = queue.get(keyOf(entry))
    turn?.delete(entry.id)
    if (turn?.size === 0) queue.delete(keyOf(entry))
  }

  /** Keeps an entry, and its slot, but out of every choice. */
  setAside(id: string): void {
    const entry = this.entries.get(id)
    if (!entry) return
    this.dequeue(entry)
    this.asideIds.add(id)
  }

  isAside(id: string): boolean {
    return this.asideIds.has(id)
  }

  /** May be proposed again, as if it had come just now: no leader is blamed for the time before. */
  putBack(id: string, now: number): void {
    const entry = this.entries.get(id)
    if (!entry || !this.asideIds.delete(id)) return
    entry.receivedAt = now
    // Entries stand in the order of arrival.
    this.entries.delete(id)
    this.entries.set(id, entry)
    const queue = this.laneQueues[entry.lane]
    const turn = queue.get(keyOf(entry)) ?? new Map<string, PoolEntry>()
    queue.set(keyOf(entry), turn.set(id, entry))
  }

  /**
   * Candidates for one block, lane 0 first, within the lane shares. Inside a lane the keys take turns, one
   * transaction each, so that a flood under one key delays itself only. The first of a lane may be larger
   * than its share, up to what the block can hold, so that a large transaction gets its turn; whatever does
   * not fit is passed over and stops nobody but later ones of the same key, whose order is kept; an emergency
   * waits for emergencies only. The system lane, though first, leaves a place for them.
   */
  pick(limits: PickLimits): PoolEntry[] {
    const picked: PoolEntry[] = []
    const bytesMaxHard = limits.bytesMaxHard ?? limits.bytesMax
    const passedOver = new Set<string>()
    const urgentPassedOver = new Set(limits.withoutEmergencies)
    let bytes = 0
    for (let index = 0; index < laneCount; index += 1) {
      const lane = index as Lane
      const isSystem = lane === lanes.system
      const isEmergency = lane === lanes.emergency
      const before = isEmergency ? urgentPassedOver : passedOver
      const share = (isSystem ? systemSharePercentMax.all : laneSharePercentMax[lane]) / 100
      const laneBytesMax = limits.bytesMax * share
      const firstBytesMax = bytesMaxHard - (isSystem ? laneBytesMax : 0)
      // A large one of the system lane in front of them takes nothing of what emergencies may fill.
      const laterBytesMax = isEmergency ? bytesMaxHard : limits.bytesMax
      const countMax =
        limits.laneCountMax?.[lane] ?? Math.max(1, Math.floor(limits.transactionsMax * share))
      let [laneBytes, laneCountPicked] = [0, 0]
      for (const entry of inTurns(this.laneQueues[lane], before)) {
        if (picked.length >= limits.transactionsMax) return picked
        if (laneCountPicked >= countMax) break
        const { length } = entry.bundle
        const fits =
          laneBytes === 0
            ? bytes + length <= firstBytesMax
            : bytes + length <= laterBytesMax && laneBytes + length <= laneBytesMax
        if (!fits) {
          passedOver.add(keyOf(entry))
          before.add(keyOf(entry))
          continue
        }
        picked.push(entry)
        laneCountPicked += 1
        laneBytes += length
        bytes += length
      }
    }
    return picked
  }

  /** Its sender lacks credit: for a while no leader is to blame for what waits in this lane of its key. */
  excuse(id: string, now: number): void {
    const entry = this.entries.get(id)
    const ofKey = entry && this.keys.get(keyOf(entry))
    if (ofKey) ofKey.poorAt[entry.lane] = now
  }

  /** Whether `excuse` was said of its lane and key within the last `withinMs`. */
  isExcused(entry: PoolEntry, now: number, withinMs: number): boolean {
    const poorAt = this.keys.get(keyOf(entry))?.poorAt[entry.lane]
    return poorAt !== undefined && now - poorAt <= withinMs
  }

  /** Keys with waiting emergencies of which `excuse` was said less than `withinMs` ago. */
  excusedEmergencies(now: number, withinMs: number): Set<string> {
    const keys = [...this.laneQueues[lanes.emergency].keys()]
    return new Set(
      keys.filter((key) => now - (this.keys.get(key)?.poorAt[lanes.emergency] ?? -Infinity) < withinMs),
    )
  }

  /** What could be proposed now, without emergencies of these keys. */
  waiting(
    fullAt: number,
    without: ReadonlySet<string> = new Set(),
  ): { normal: boolean; emergency: boolean; full: boolean } {
    const urgent = this.laneQueues[lanes.emergency]
    let count = this.entries.size - this.asideIds.size
    for (const key of without) count -= urgent.get(key)?.size ?? 0
    const emergency = [...urgent.keys()].some((key) => !without.has(key))
    return { normal: count > 0, emergency, full: count >= fullAt }
  }

  /**
   * Has the leader left something out that it could have taken (R20)? Nothing of its key and lane became
   * final for `patienceMs` although it waited; or what came so much later under the same key did. A long
   * queue that moves is nobody's fault. Excused lanes are not looked at.
   */
  hasOverdue(
    now: number,
    patienceMs: number,
    isLaneExcused: (lane: Lane) => boolean = () => false,
  ): boolean {
    for (const entry of this.entries.values()) {
      const waitedMs = now - entry.receivedAt
      // In the order of arrival: whoever comes after has waited less.
      if (waitedMs <= patienceMs) return false
      if (isLaneExcused(entry.lane)) continue
      if (this.asideIds.has(entry.id) || this.isExcused(entry, now, patienceMs)) continue
      const served = this.keys.get(keyOf(entry))?.served[entry.lane]
      if (served === undefined || now - served.at > patienceMs) return true
      if (served.arrivedAt - entry.receivedAt > patienceMs) return true
    }
    return false
  }

  /** What may be proposed of these lanes, lane by lane, keys in turns. */
  *inLanes(wanted: readonly Lane[]): Iterable<PoolEntry> {
    for (const lane of wanted) yield* inTurns(this.laneQueues[lane], new Set())
  }

  emergencies(): PoolEntry[] {
    return [...inTurns(this.laneQueues[lanes.emergency], new Set())]
  }
}

function sumFrom(counts: readonly number[], from: number): number {
  let sum = 0
  for (let index = from; index < counts.length; index += 1) sum += counts[index]
  return sum
}

/** One of each key, then the next of each; a key that is passed over meanwhile gives nothing more. */
function* inTurns(queue: LaneQueue, passedOver: ReadonlySet<string>): Generator<PoolEntry> {
  let turns = [...queue].map(([key, entries]) => ({ key, entries: entries.values() }))
  while (turns.length > 0) {
    const next: typeof turns = []
    for (const turn of turns) {
      if (passedOver.has(turn.key)) continue
      const step = turn.entries.next()
      if (step.done === true) continue
      yield step.value
      next.push(turn)
    }
    turns = next
  }
}
