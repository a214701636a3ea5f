// The budget of a rule for one source: fuel that regenerates with block time. A device that floods a rule
// spends its own budget and nobody else's. A little is free in every block, so that a source of ordinary
// pace needs no row at all.
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { byteText } from './byte-text.js'
import { budgetRow, decodeRow, encodeRow, store, type BudgetEntry } from './kernel-tables.js'

/** Fuel of one rule for one source that each block gives without touching the budget. */
export const budgetFreePerBlock = 50_000_000
export const budgetBurst = 2_000_000_000
/** Fuel that comes back per second of block time. */
export const budgetPerSecond = 200_000_000
/** Rules listed for one source; the one that spent longest ago leaves first. */
const entriesMax = 64

/** What each (source, rule) used in this block. Lives as long as the block. */
export class BudgetMeter {
  readonly #used = new Map<string, number>()

  usedBy(source: Uint8Array, alias: string): number {
    return this.#used.get(`${byteText(source)}/${alias}`) ?? 0
  }

  add(source: Uint8Array, alias: string, fuel: number): number {
    const total = this.usedBy(source, alias) + fuel
    this.#used.set(`${byteText(source)}/${alias}`, total)
    return total
  }
}

function readBudget(state: StateReader, source: Uint8Array): BudgetEntry[] {
  const row = state.get(store.budget, source)
  return row === undefined ? [] : decodeRow<BudgetEntry[]>(budgetRow, row)
}

/** Fuel left at `time`: what was left, and what came back since. */
function fuelLeft(entry: BudgetEntry | undefined, time: number): number {
  if (entry === undefined) return budgetBurst
  const elapsed = Math.max(0, time - Number(entry.time))
  return Math.min(budgetBurst, Number(entry.fuel) + Math.floor((elapsed * budgetPerSecond) / 1_000))
}

/** May the rule run once more for this source? The last run may overdraw by its own bound. */
export function mayRun(
  state: StateReader,
  meter: BudgetMeter,
  source: Uint8Array,
  alias: string,
  time: number,
): boolean {
  if (meter.usedBy(source, alias) < budgetFreePerBlock) return true
  return (
    fuelLeft(
      readBudget(state, source).find((entry) => entry.alias === alias),
      time,
    ) > 0
  )
}

/** Books a run. Only fuel above the block's free part reaches the state. */
export function spend(
  overlay: Overlay,
  meter: BudgetMeter,
  source: Uint8Array,
  run: { alias: string; fuel: number; time: number },
): void {
  const total = meter.add(source, run.alias, run.fuel)
  const charged = Math.min(run.fuel, total - budgetFreePerBlock)
  if (charged <= 0) return
  const entries = readBudget(overlay, source)
  const left = fuelLeft(
    entries.find((entry) => entry.alias === run.alias),
    run.time,
  )
  const others = entries.filter((entry) => entry.alias !== run.alias).slice(1 - entriesMax)
  const entry: BudgetEntry = {
    alias: run.alias,
    fuel: BigInt(Math.max(0, left - charged)),
    time: BigInt(run.time),
  }
  overlay.set(store.budget, source, encodeRow(budgetRow, [...others, entry]))
}
