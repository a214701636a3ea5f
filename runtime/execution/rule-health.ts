// Health of triggered rules. A rule whose runs fail for several sources and several patients, without a
// success in between for those sources, is quarantined; governance lifts it. One broken device cannot
// quarantine a rule.
import { compareBytes, utf8 } from '../protocol/bytes.js'
import { bytesToHex } from '../protocol/bytes.js'
import { statusOf, type ErrorCode } from '../protocol/error-codes.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { decodeRow, encodeRow, healthRow, store, type HealthRow } from './kernel-tables.js'

/** Distinct sources and distinct patients whose last run failed, within the window. */
export const quarantineSources = 3
export const quarantinePatients = 3
export const quarantineWindowMs = 3_600_000
/** Failures remembered for one rule. */
const failuresMax = 32

export function readHealth(state: StateReader, alias: string): HealthRow | undefined {
  const row = state.get(store.health, utf8(alias))
  return row === undefined ? undefined : decodeRow<HealthRow>(healthRow, row)
}

/** Health rows of one block, read once and written through. Runs note their end outside every frame. */
export class HealthBook {
  readonly #overlay: Overlay
  readonly #rows = new Map<string, HealthRow | undefined>()

  constructor(overlay: Overlay) {
    this.#overlay = overlay
  }

  isQuarantined(alias: string): boolean {
    return (this.#read(alias)?.quarantinedAt ?? 0n) !== 0n
  }

  /** Notes a failed run; true when this one puts the rule into quarantine. */
  noteFailure(
    alias: string,
    failure: { time: number; source: Uint8Array; patient: Uint8Array; code: ErrorCode },
  ): boolean {
    const health = this.#read(alias) ?? { quarantinedAt: 0n, failures: [] }
    const since = BigInt(Math.max(0, failure.time - quarantineWindowMs))
    const failures = health.failures
      .filter((entry) => entry.time >= since && !isSame(entry, failure))
      .slice(1 - failuresMax)
    failures.push({
      time: BigInt(failure.time),
      source: failure.source,
      patient: failure.patient,
      status: statusOf(failure.code),
    })
    const quarantines =
      health.quarantinedAt === 0n &&
      distinct(failures.map((entry) => entry.source)) >= quarantineSources &&
      distinct(failures.map((entry) => entry.patient)) >= quarantinePatients
    const quarantinedAt = quarantines ? BigInt(failure.time) : health.quarantinedAt
    this.#write(alias, { quarantinedAt, failures })
    return quarantines
  }

  /**
   * A success for a source and patient forgets the failure noted for them. Writes only when there was one.
   */
  noteSuccess(alias: string, source: Uint8Array, patient: Uint8Array): void {
    const health = this.#read(alias)
    if (health === undefined) return
    const failures = health.failures.filter((entry) => !isSame(entry, { source, patient }))
    if (failures.length === health.failures.length) return
    const isClean = failures.length === 0 && health.quarantinedAt === 0n
    this.#write(alias, isClean ? undefined : { ...health, failures })
  }

  #read(alias: string): HealthRow | undefined {
    if (!this.#rows.has(alias)) this.#rows.set(alias, readHealth(this.#overlay, alias))
    return this.#rows.get(alias)
  }

  #write(alias: string, row: HealthRow | undefined): void {
    this.#rows.set(alias, row)
    if (row === undefined) this.#overlay.remove(store.health, utf8(alias))
    else this.#overlay.set(store.health, utf8(alias), encodeRow(healthRow, row))
  }
}

export function liftQuarantine(overlay: Overlay, alias: string): void {
  overlay.remove(store.health, utf8(alias))
}

function isSame(
  left: { source: Uint8Array; patient: Uint8Array },
  right: { source: Uint8Array; patient: Uint8Array },
): boolean {
  return compareBytes(left.source, right.source) === 0 && compareBytes(left.patient, right.patient) === 0
}

const distinct = (items: readonly Uint8Array[]): number => new Set(items.map(bytesToHex)).size
