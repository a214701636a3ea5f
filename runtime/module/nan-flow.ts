// Which float results need their NaN made canonical. V8's tiers choose different NaN bits for the same
// arithmetic (runtime reference, hazard 1), so a NaN of arithmetic may not reach anything that shows its
// bits: memory, a call, a global, a branch, `reinterpret`, `copysign`'s sign. Other arithmetic and
// comparisons do not show them.
//
// Every operand on the validator's stack carries its origin: the arithmetic instruction, or the
// `local.get`, whose value it is. When something that shows bits takes the operand, its origin is marked. A
// float local is either *clean* (what flows into it is made canonical) or *raw* (its marked reads are),
// whichever is cheaper by loop depth.

import { F64 } from './wasm-types.js'

/** The origin of a value whose bits are the same everywhere. */
export const ORIGIN_CLEAN = -1

export interface NanFlow {
  /** Offset just behind the instruction that made the value. */
  readonly at: number[]
  readonly type: number[]
  /** The local that was read, or -1 for arithmetic. */
  readonly local: number[]
  readonly shown: boolean[]
  readonly weight: number[]
  /** Writes of an origin's value into a local. */
  readonly flows: { readonly origin: number; readonly local: number; readonly weight: number }[]
  loopDepth: number
}

/** A place behind which a canonicalising sequence is inserted. */
export interface NanPoint {
  readonly at: number
  readonly isDouble: boolean
}

/** Each loop level counts as eight runs; beyond six levels no finer. */
const LOOP_WEIGHT_LOG2 = 3
const LOOP_DEPTH_MAX = 6

export function createNanFlow(): NanFlow {
  return { at: [], type: [], local: [], shown: [], weight: [], flows: [], loopDepth: 0 }
}

/** Records a value of arithmetic (`local` -1) or of a read local; returns its origin. */
export function addOrigin(flow: NanFlow, at: number, type: number, local: number): number {
  flow.at.push(at)
  flow.type.push(type)
  flow.local.push(local)
  flow.shown.push(false)
  flow.weight.push(loopWeight(flow))
  return flow.at.length - 1
}

export function showOrigin(flow: NanFlow, origin: number): void {
  if (origin >= 0) flow.shown[origin] = true
}

/** Records that the value of `origin` was written into `local`. */
export function addFlow(flow: NanFlow, origin: number, local: number): void {
  if (origin >= 0) flow.flows.push({ origin, local, weight: loopWeight(flow) })
}

function loopWeight(flow: NanFlow): number {
  return 2 ** (LOOP_WEIGHT_LOG2 * Math.min(flow.loopDepth, LOOP_DEPTH_MAX))
}

/** The points of one function, ascending. */
export function resolveNanPoints(flow: NanFlow): NanPoint[] {
  if (flow.at.length === 0) return []
  const isRaw = chooseRawLocals(flow)
  const { shown } = flow
  // A clean local shows what is written into it; that may be another local's value, hence marks the read.
  for (const { origin, local } of flow.flows) if (!isRaw.has(local)) shown[origin] = true
  const points: NanPoint[] = []
  for (let origin = 0; origin < flow.at.length; origin++) {
    const local = flow.local[origin]
    const isDirty = local < 0 || isRaw.has(local)
    if (isDirty && shown[origin]) points.push({ at: flow.at[origin], isDouble: flow.type[origin] === F64 })
  }
  return points
}

/** A local stays raw when its marked reads are run less often than the arithmetic writes into it. */
function chooseRawLocals(flow: NanFlow): Set<number> {
  const writeCost = new Map<number, number>()
  const readCost = new Map<number, number>()
  for (const { origin, local, weight } of flow.flows) {
    // A value that is shown elsewhere is made canonical at its origin anyway.
    if (!flow.shown[origin]) writeCost.set(local, (writeCost.get(local) ?? 0) + weight)
  }
  for (let origin = 0; origin < flow.at.length; origin++) {
    const local = flow.local[origin]
    if (local < 0 || !flow.shown[origin]) continue
    readCost.set(local, (readCost.get(local) ?? 0) + flow.weight[origin])
  }
  const isRaw = new Set<number>()
  for (const [local, cost] of writeCost) if ((readCost.get(local) ?? 0) < cost) isRaw.add(local)
  return isRaw
}
