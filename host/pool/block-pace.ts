// How much of the lower lanes a leader puts into one block. An emergency that arrives waits for the block in
// flight: the lower lanes may not make blocks long. The bounds that every validator enforces are wider
// (runtime/execution/admission.ts); this is the leader's own pace.

/** A block with lower lanes may last so long from choice to final, or so many times one without. */
const blockMsTarget = 60
const slowerThanUsual = 1.5
const countMin = 4
const countStep = 4
const shrink = 0.7
/** After a block with lower lanes the network rests for as long as it took, at most this. */
const restMsMax = 150
/**
 * An emergency seldom comes alone: for so long after one the lower lanes keep still, so that the next finds
 * no block of theirs in its way. Below the shortest view timeout: nobody waits that long for a leader.
 */
const hushMs = 700
/** A stream of emergencies stops an import for no longer than this: then it gets one block. */
const hushedBlockEveryMs = 2_000
/** Who makes an import wait for emergencies owes it the time to catch up before anybody complains. */
const hushExcuseMs = 15_000
/** Weight of a new sample in the usual duration. */
const smoothing = 0.2

/** Additive increase, multiplicative decrease over the blocks that this node built. */
export class BlockPace {
  private open: { height: number; at: number; lowCount: number } | undefined
  private usualMs = blockMsTarget / slowerThanUsual
  private max = 16
  private restUntil = 0
  private emergencyAt = -Infinity
  private lowAt = -Infinity

  constructor(private readonly countCeiling: number) {}

  /** Most transactions of the operational and bulk lanes, together, in the next block. */
  get lowCountMax(): number {
    return this.max
  }

  /** Milliseconds until the lower lanes may have a block again: an alarm finds an idle network. */
  restMs(now: number): number {
    const hushedUntil = Math.min(this.emergencyAt + hushMs, this.lowAt + hushedBlockEveryMs)
    return Math.max(0, this.restUntil - now, hushedUntil - now)
  }

  /** An emergency arrived here. */
  emergency(now: number): void {
    this.emergencyAt = now
  }

  /** Something of the lower lanes became final, whoever built the block. */
  lowFinal(now: number): void {
    this.lowAt = now
  }

  /** Emergencies were about not long ago: what waits in the lower lanes is no leader's fault. */
  isLowExcused(now: number): boolean {
    return now - this.emergencyAt < hushExcuseMs
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
