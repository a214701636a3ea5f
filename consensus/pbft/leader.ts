// Who may propose at (height, view). From the members and final headers only, never from one's own
// certificate (R3).

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import type { CoreConfig, SkippedLeaders, Tip, ValidatorSet } from './types.js'

/**
 * Member indexes in the order in which they lead the views of height `tip.height + 1`.
 * R3: starts at the proposer named in the parent's header (one after it at a planned hand-over); leaders
 * that the
 * headers of the last heights show as skipped go last.
 */
export function leaderOrder(config: CoreConfig, tip: Tip, validators: ValidatorSet): number[] {
  const { members } = validators
  const height = tip.height + 1
  const ids = members.map((member) => bytesToHex(member.entity))
  // A proposer that has left the set hands over to the first member.
  let start = Math.max(0, ids.indexOf(bytesToHex(tip.proposer)))
  const isHandover = config.handoverHeights > 0 && height % config.handoverHeights === 0
  if (isHandover) start += 1
  const rotation = members.map((_, offset) => (start + offset) % members.length)
  const skipped = new Set<string>()
  for (const entry of tip.skipped) {
    if (entry.height + config.skipMemoryHeights < height) continue
    for (const id of entry.ids) skipped.add(bytesToHex(id))
  }
  const isSkipped = (index: number) => skipped.has(ids[index])
  return [...rotation.filter((index) => !isSkipped(index)), ...rotation.filter(isSkipped)]
}

/** The skip memory after a header of `height` whose first proposal was made in `view`. */
export function skippedAfter(
  config: CoreConfig,
  before: readonly SkippedLeaders[],
  header: { height: number; view: number },
  leaders: { order: readonly number[]; validators: ValidatorSet },
): SkippedLeaders[] {
  const kept = before.filter((entry) => entry.height + config.skipMemoryHeights > header.height)
  if (header.view === 0) return kept
  const { order, validators } = leaders
  const ids: Uint8Array[] = []
  for (let view = 0; view < Math.min(header.view, order.length); view += 1) {
    ids.push(validators.members[order[view]].entity)
  }
  // A whole round of skipped leaders says nothing about any of them.
  if (header.view >= order.length) return kept
  return [...kept, { height: header.height, ids }]
}
