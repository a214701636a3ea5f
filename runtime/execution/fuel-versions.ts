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

/** A change that has not taken effect. */
export function readPlannedVersions(state: StateReader): PlannedVersions | undefined {
  const row = state.get(store.chain, plannedVersionsKey)
  return row === undefined ? undefined : decodeRow<PlannedVersions>(plannedVersionsRow, row)
}

/**
 * Decided by the state alone, never by what this software knows, or two releases would answer differently
 * in one block: neither goes back and at least one goes a single step forward. A node that does not know them
 * cannot run the block at that height, and says so with a fault. Those in force withdraw the plan.
 */
export function checkVersions(kernel: Kernel, wanted: PlannedVersions): Result<PlannedVersions, ErrorCode> {
  const { chain, height } = kernel
  const isOlder = wanted.fuelSchedule < chain.fuelSchedule || wanted.instrumenter < chain.instrumenter
  const isSame = isInForce(wanted, chain)
  if (isSame && readPlannedVersions(kernel.overlay) !== undefined) return ok(wanted)
  if (isOlder || isSame) {
    const { fuelSchedule, instrumenter } = chain
    return refused('SCHEDULE_REFUSED', `in force: schedule ${fuelSchedule}, instrumenter ${instrumenter}`)
  }
  const isFar = wanted.fuelSchedule > chain.fuelSchedule + 1 || wanted.instrumenter > chain.instrumenter + 1
  if (isFar) return refused('SCHEDULE_REFUSED', 'more than one step forward')
  if (wanted.height <= BigInt(height)) return refused('SCHEDULE_REFUSED', `height ${height} is past`)
  return ok(wanted)
}

const isInForce = (wanted: PlannedVersions, chain: ChainRow): boolean =>
  wanted.fuelSchedule === chain.fuelSchedule && wanted.instrumenter === chain.instrumenter

/** A later plan replaces an earlier one that has not taken effect; the versions in force withdraw it. */
export function planVersions(overlay: Overlay, chain: ChainRow, planned: PlannedVersions): void {
  if (isInForce(planned, chain)) overlay.remove(store.chain, plannedVersionsKey)
  else overlay.set(store.chain, plannedVersionsKey, encodeRow(plannedVersionsRow, planned))
}

/** After the last command of a block: does the next one run under other versions? */
export function promoteVersions(overlay: Overlay, chain: ChainRow, height: number): void {
  const planned = readPlannedVersions(overlay)
  if (planned === undefined || planned.height !== BigInt(height + 1)) return
  const { fuelSchedule, instrumenter } = planned
  overlay.set(store.chain, onlyKey, encodeRow(chainRow, { ...chain, fuelSchedule, instrumenter }))
  overlay.remove(store.chain, plannedVersionsKey)
}
