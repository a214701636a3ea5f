// How much of the lower lanes a leader puts into one block. An emergency that arrives waits for the block in
// flight: the lower lanes may not make blocks long. The bounds that every validator enforces are wider
// (runtime/execution/admission.ts); this is the leader's own pace.

import { lane as lanes, type Lane } from '../../runtime/protocol/index.js'

/** A block with lower lanes may last so long from choice to final, or so many times one without. */
const blockMsTarget = 60
const slowerThanUsual = 1.5
const countMin = 4
const countStep = 4
const shrink = 0.7
/** After a block with lower lanes the network rests for as long as it took, at most this. */
const restMsMax = 150
/**
 * An emergency seldom comes alone: for so long after one the bulk lane keeps still, so that the next finds no
 * block of an import in its way. A stream of emergencies stops an import for no longer than this after its
 * last block: it keeps about a quarter of its pace, a block with its rest lasting 120 ms.
 */
const hushMs = 500
/** A block with an emergency holds nothing of a lower lane, unless that got nothing for so long. */
const starvedMs = 2_000
/** Then it has this part of its usual count. */
const besideEmergencyShare = 1 / 4
/** Who makes an import wait for emergencies owes it the time to catch up before anybody complains, */
const emergencyExcuseMs = 15_000
/** as long as something of its lane becomes final: a leader that leaves the lane out is to blame. */
const movingMs = 5_000
/** Weight of a new sample in the usual duration. */
const smoothing = 0.2

/** Additive increase, multiplicative decrease over the blocks that this node built. */
export class BlockPace {
  private open: { height: number; at: number; lowCount: number } | undefined
  private usualMs = blockMsTarget / slowerThanUsual
  private max = 16
  private restUntil = 0
  private emergencyAt = -Infinity
  /** By lane, when something of it became final last. */
  private readonly finalAt = new Map<Lane, number>()

  constructor(private readonly countCeiling: number) {}

  /** Most transactions of the operational and bulk lanes, together, in the next block. */
  get lowCountMax(): number {
    return this.max
  }

  /** Most of a lower lane in a block that goes out now, of `countMax` without emergencies. */
  countMax(lane: Lane, countMax: number, now: number, besideEmergency: boolean): number {
    if (!besideEmergency) return this.restMs(lane, now) > 0 ? 0 : countMax
    const isStarved = now - this.lastFinal(lane) >= starvedMs
    return isStarved ? Math.ceil(countMax * besideEmergencyShare) : 0
  }

  /** Milliseconds until a lower lane may have a block again: an alarm finds an idle network. */
  restMs(lane: Lane, now: number): number {
    const hushedUntil = Math.min(this.emergencyAt, this.lastFinal(lanes.bulk)) + hushMs
    return Math.max(0, this.restUntil - now, lane === lanes.bulk ? hushedUntil - now : 0)
  }

  /** An emergency arrived here. */
  emergency(now: number): void {
    this.emergencyAt = now
  }

  /** Something of this lane became final, whoever built the block. */
  laneFinal(lane: Lane, now: number): void {
    this.finalAt.set(lane, now)
  }

  /** Emergencies were about not long ago, and the lane moves: what waits in it is no leader's fault. */
  isExcused(lane: Lane, now: number): boolean {
    if (lane <= lanes.clinical || now - this.emergencyAt >= emergencyExcuseMs) return false
    return now - this.lastFinal(lane) < movingMs
  }

  private lastFinal(lane: Lane): number {
    return this.finalAt.get(lane) ?? -Infinity
  }

  built(height: number, at: number, lowCount: number): void {
    this.open = { height, at, lowCount }
  }

  final(height: number, now: number): void {
    const { open } = this
    if (open?.height !== height) return
    this.open = undefined
    const lastedMs = now - open.at
    if (open.lowCount === 0) {
      this.usualMs += (lastedMs - this.usualMs) * smoothing
      return
    }
    this.restUntil = now + Math.min(restMsMax, lastedMs)
    // Only a full share says that more would have been too much, or that more would fit.
    if (open.lowCount < this.max / 2) return
    const isSlow = lastedMs > Math.max(blockMsTarget, this.usualMs * slowerThanUsual)
    this.max = isSlow
      ? Math.max(countMin, Math.floor(this.max * shrink))
      : Math.min(this.countCeiling, this.max + countStep)
  }
}
