// Which fuel schedule and instrumenter a block runs under: both are state, changed by governance from a
// height on that is named in advance. Old blocks are run again under those of their time.
import type { ErrorCode } from '../protocol/error-codes.js'
import { ok, refused, type Result } from '../protocol/result.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import type { Kernel } from './kernel.js'
import {
  chainRow,
  decodeRow,
  encodeRow,
  onlyKey,
  plannedVersionsKey,
  plannedVersionsRow,
  store,
  type ChainRow,
  type PlannedVersions,
} from './kernel-tables.js'
import { knowsVersions } from './module-cache.js'

/** A change that has not taken effect. */
export function readPlannedVersions(state: StateReader): PlannedVersions | undefined {
  const row = state.get(store.chain, plannedVersionsKey)
  return row === undefined ? undefined : decodeRow<PlannedVersions>(plannedVersionsRow, row)
}

/**
 * Neither goes back, one goes forward, and this software knows both: a node that does not know them cannot
 * run the block at that height, and says so with a fault.
 */
export function checkVersions(kernel: Kernel, wanted: PlannedVersions): Result<PlannedVersions, ErrorCode> {
  const { chain, height } = kernel
  if (!knowsVersions(wanted)) return refused('SCHEDULE_REFUSED', 'not known to this software')
  const isOlder = wanted.fuelSchedule < chain.fuelSchedule || wanted.instrumenter < chain.instrumenter
  const isSame = wanted.fuelSchedule === chain.fuelSchedule && wanted.instrumenter === chain.instrumenter
  if (isOlder || isSame) {
    const { fuelSchedule, instrumenter } = chain
    return refused('SCHEDULE_REFUSED', `in force: schedule ${fuelSchedule}, instrumenter ${instrumenter}`)
  }
  if (wanted.height <= BigInt(height)) return refused('SCHEDULE_REFUSED', `height ${height} is past`)
  return ok(wanted)
}

/** A later plan replaces an earlier one that has not taken effect. */
export function planVersions(overlay: Overlay, planned: PlannedVersions): void {
  overlay.set(store.chain, plannedVersionsKey, encodeRow(plannedVersionsRow, planned))
}

/** After the last command of a block: does the next one run under other versions? */
export function promoteVersions(overlay: Overlay, chain: ChainRow, height: number): void {
  const planned = readPlannedVersions(overlay)
  if (planned === undefined || planned.height !== BigInt(height + 1)) return
  const { fuelSchedule, instrumenter } = planned
  overlay.set(store.chain, onlyKey, encodeRow(chainRow, { ...chain, fuelSchedule, instrumenter }))
  overlay.remove(store.chain, plannedVersionsKey)
}
