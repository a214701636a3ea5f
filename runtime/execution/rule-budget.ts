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
/** Rules listed for one source; the one that was drawn upon longest ago leaves first. */
const entriesMax = 64

interface SourceBudget {
  source: Uint8Array
  /** Fuel used in this block, by alias. */
  used: Map<string, number>
  /** What the state says, with this block's draws; undefined until somebody draws. */
  entries: BudgetEntry[] | undefined
  isChanged: boolean
}

/**
 * Budgets during one block: read once, written once. Runs book outside every frame, so nothing rolls back.
 */
export class BudgetBook {
  readonly #state: StateReader
  readonly #time: number
  readonly #sources = new Map<string, SourceBudget>()

  /** `time` is the block's. */
  constructor(state: StateReader, time: number) {
    this.#state = state
    this.#time = time
  }

  /** May the rule run once more for this source? The last run may overdraw by its own bound. */
  mayRun(source: Uint8Array, alias: string): boolean {
    const budget = this.#budgetOf(source)
    if ((budget.used.get(alias) ?? 0) < budgetFreePerBlock) return true
    return this.#left(this.#entries(budget), alias) > 0
  }

  /** Books a run. Only fuel above the block's free part is drawn from the budget. */
  spend(source: Uint8Array, alias: string, fuel: number): void {
    const budget = this.#budgetOf(source)
    const total = (budget.used.get(alias) ?? 0) + fuel
    budget.used.set(alias, total)
    const drawn = Math.min(fuel, total - budgetFreePerBlock)
    if (drawn <= 0) return
    const entries = this.#entries(budget)
    const left = Math.max(0, this.#left(entries, alias) - drawn)
    const others = entries.filter((entry) => entry.alias !== alias).slice(1 - entriesMax)
    budget.entries = [...others, { alias, fuel: BigInt(left), time: BigInt(this.#time) }]
    budget.isChanged = true
  }

  /** Writes the budgets that were drawn upon. */
  flush(overlay: Overlay): void {
    for (const { source, entries, isChanged } of this.#sources.values()) {
      if (isChanged) overlay.set(store.budget, source, encodeRow(budgetRow, entries))
    }
  }

  #budgetOf(source: Uint8Array): SourceBudget {
    const key = byteText(source)
    let budget = this.#sources.get(key)
    if (budget === undefined) {
      budget = { source, used: new Map(), entries: undefined, isChanged: false }
      this.#sources.set(key, budget)
    }
    return budget
  }

  #entries(budget: SourceBudget): BudgetEntry[] {
    if (budget.entries === undefined) {
      const row = this.#state.get(store.budget, budget.source)
      budget.entries = row === undefined ? [] : decodeRow<BudgetEntry[]>(budgetRow, row)
    }
    return budget.entries
  }

  /** What was left, and what came back since; a rule that is not listed has its full budget. */
  #left(entries: readonly BudgetEntry[], alias: string): number {
    const entry = entries.find((known) => known.alias === alias)
    if (entry === undefined) return budgetBurst
    const elapsed = Math.max(0, this.#time - Number(entry.time))
    return Math.min(budgetBurst, Number(entry.fuel) + Math.floor((elapsed * budgetPerSecond) / 1_000))
  }
}
