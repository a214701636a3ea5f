// The budget of a rule for one source: fuel that regenerates with block time. A device that floods a rule
// spends its own budget and nobody else's. A little is free in every block, so that a source of ordinary
// pace needs no row at all. The timers of a contract have one budget together.
import { utf8 } from '../protocol/bytes.js'
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

/** At least between two timers of an alias that wait for its budget. */
const timerSpacingMs = 100

/** The second entry of an alias' timers: what the last run used, and when the last that waits is due. */
const lineName = ''

/** Longer than an entity id, so that it is nobody's. */
const timersKey = (alias: string): Uint8Array => utf8(`timers/${alias}/`.padEnd(33, '.'))

interface TimerBudget {
  entry: BudgetEntry
  line: BudgetEntry
  isChanged: boolean
}

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
  /** Budgets of timers that were looked at, by alias. */
  readonly #timers = new Map<string, TimerBudget>()

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

  /** Is anything left for the timers of the alias? */
  mayRing(alias: string): boolean {
    return this.#timersOf(alias).entry.fuel > 0n
  }

  /**
   * Books a timer's run. Nothing is free, and what it overdraws is a debt: the budget begins to refill only
   * when the debt is paid, so that no contract's timers use more than the rate for long.
   */
  spendOnTimer(alias: string, fuel: number): void {
    const budget = this.#timersOf(alias)
    const left = Number(budget.entry.fuel) - fuel
    const debt = Math.ceil((Math.max(0, -left) * 1_000) / budgetPerSecond)
    const time = budget.entry.time + BigInt(debt)
    budget.entry = { alias, fuel: BigInt(Math.max(0, left)), time }
    budget.line.fuel = BigInt(fuel)
    budget.isChanged = true
  }

  /**
   * When a timer that may not run now is to be asked again: ms of block time, after now. Those that wait
   * stand in line over all blocks, as far apart as the budget needs to pay a run like the last one: they
   * neither come back as one crowd nor make blocks due that could run none of them.
   */
  timerWaitsUntil(alias: string): number {
    const budget = this.#timersOf(alias)
    const { entry, line } = budget
    const spacing = Math.ceil((Number(line.fuel) * 1_000) / budgetPerSecond)
    const behind = Math.max(this.#time, Number(entry.time), Number(line.time))
    line.time = BigInt(behind + Math.max(timerSpacingMs, spacing))
    budget.isChanged = true
    return Number(line.time)
  }

  /** Writes the budgets that were drawn upon. */
  flush(overlay: Overlay): void {
    for (const [alias, { entry, line, isChanged }] of this.#timers) {
      if (isChanged) overlay.set(store.budget, timersKey(alias), encodeRow(budgetRow, [entry, line]))
    }
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

  #timersOf(alias: string): TimerBudget {
    let budget = this.#timers.get(alias)
    if (budget === undefined) {
      const row = this.#state.get(store.budget, timersKey(alias))
      const known = row === undefined ? [] : decodeRow<BudgetEntry[]>(budgetRow, row)
      const fuel = BigInt(this.#left(known, alias))
      // A debt lies in the future: until then nothing comes back.
      const own = known.find((entry) => entry.alias === alias)
      const time = Math.max(this.#time, Number(own?.time ?? 0n))
      const line = known.find((entry) => entry.alias === lineName) ?? {
        alias: lineName,
        fuel: 0n,
        time: 0n,
      }
      budget = { entry: { alias, fuel, time: BigInt(time) }, line, isChanged: false }
      this.#timers.set(alias, budget)
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
