// The judge of `version-switch`: from what a node's API tells of its chain, and from nothing that the load
// generator or the switch's code believes. Pure, so that planted faults can be shown to be found.
import { judgeSwitch, type JudgedReading, type VersionSet } from './version-check.js'

/** What the chain says. */
export interface SwitchRecords {
  /** First and last height that must be there. */
  from: number
  to: number
  /** Heights of blocks that the node's store was asked for one by one and had. */
  present: readonly number[]
  /** Ids that some node accepted. */
  acknowledged: readonly string[]
  /** By transaction id: its reading as the chain has it; absent or null: not on the chain. */
  readings: ReadonlyMap<string, JudgedReading | null>
  /** Each alias: heights at which it was switched to the version of the new set. */
  switchedAt: ReadonlyMap<string, readonly number[]>
}

export interface SwitchCounts {
  skipped: number
  lost: number
  mixed: number
  unjudged: number
  /** Aliases that did not switch exactly once, at one and the same height. */
  apart: number
  before: number
  after: number
  carriedOver: number
}

export function countSwitch(records: SwitchRecords, former: VersionSet, next: VersionSet): SwitchCounts {
  const present = new Set(records.present)
  let skipped = 0
  for (let height = records.from; height <= records.to; height += 1) if (!present.has(height)) skipped += 1
  const found: JudgedReading[] = []
  let lost = 0
  for (const id of new Set(records.acknowledged)) {
    const reading = records.readings.get(id)
    if (reading === undefined || reading === null) lost += 1
    else found.push(reading)
  }
  const heights = [...next.keys()].map((alias) => records.switchedAt.get(alias) ?? [])
  const height = heights.at(0)?.at(0) ?? 0
  const apart = heights.filter((list) => list.length !== 1 || list[0] !== height).length
  const { before, after, mixed, unjudged, carriedOver } = judgeSwitch(found, height, former, next)
  return { skipped, lost, mixed, unjudged, apart, before, after, carriedOver }
}

/** Why the switch did not go well, one sentence a cause; empty when it did. */
export function faultsOf(counts: SwitchCounts): string[] {
  const { skipped, lost, mixed, unjudged, apart, before, after } = counts
  return [
    ...(skipped > 0 ? [`${skipped} heights have no block in the node's store.`] : []),
    ...(lost > 0 ? [`${lost} acknowledged transactions are not on the chain.`] : []),
    ...(mixed > 0 ? [`${mixed} readings were judged by a mixture of versions.`] : []),
    ...(unjudged > 0 ? [`${unjudged} readings were not judged exactly once by every rule.`] : []),
    ...(apart > 0 ? [`${apart} aliases did not switch once, all at the same height.`] : []),
    ...(before === 0 || after === 0 ? ['One side of the switch has no readings: nothing was shown.'] : []),
  ]
}
