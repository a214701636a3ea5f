// Derived transactions: rules run by records, contracts run by timers. Each has its own fuel and receipt; a
// failure is its own and never touches what caused it.
import { utf8 } from '../protocol/bytes.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { hashBytes } from '../protocol/hash.js'
import { assert } from '../protocol/result.js'
import { STACK_BYTES_MAX } from '../module/index.js'
import { activeContract, contractAt, type Contract } from './contracts.js'
import type { FinishedRun } from './execute-signed.js'
import { runFrame, trigger } from './frame.js'
import { createRun, type Kernel, type Run } from './kernel.js'
import { isErased, readView } from './ledger.js'
import { failureOf, receiptOf, type Outcome } from './receipts.js'
import { parkTimer, postponeTimer, timerRunId, type DueTimer } from './timers.js'
import { derivedId, encodeTriggerInput, type DerivedItem } from './triggers.js'

/** Records written by rules trigger again, this many steps deep. */
export const generationMax = 4

/** Fuel bound of a derived item: what must still fit into the block before it starts. */
export function boundOf(kernel: Kernel, item: Pick<DerivedItem, 'address' | 'method'>): number {
  return contractAt(kernel, item.address)?.methods.get(item.method)?.fuel ?? 0
}

/**
 * Work that waited keeps the version that it was queued with, unless a newer layout was activated meanwhile:
 * the older tables are not written any more, and readers are told so. Then the active version judges the
 * records, if it listens to them; otherwise the item stays as it is and is refused.
 */
export function followLayout(kernel: Kernel, item: DerivedItem): DerivedItem {
  if (!isSuperseded(kernel, item)) return item
  const active = activeContract(kernel, item.alias)
  const method = active === undefined ? undefined : heir(kernel, item, active)
  if (active === undefined || method === undefined) return item
  const records = item.records.filter((id) => hears(kernel, active, method, id))
  return { ...item, address: active.address, method, records }
}

/**
 * The active version's method for the item's records: that of its name, or when that was renamed the one
 * in its place among those that only one of the two versions has.
 */
function heir(kernel: Kernel, item: DerivedItem, active: Contract): string | undefined {
  const former = contractAt(kernel, item.address)
  assert(former !== undefined, 'derived work names a deployed version')
  const listeners = (contract: Contract): string[] => [
    ...new Set(
      contract.manifest.subscriptions
        .map(({ method }) => method)
        .filter((method) => item.records.some((id) => hears(kernel, contract, method, id))),
    ),
  ]
  const now = listeners(active)
  if (active.methods.has(item.method)) return now.find((method) => method === item.method)
  const gone = listeners(former).filter((method) => !active.methods.has(method))
  const fresh = now.filter((method) => !former.methods.has(method))
  return fresh[gone.indexOf(item.method)]
}

function hears({ index }: Kernel, { manifest }: Contract, method: string, id: Uint8Array): boolean {
  const header = index.find(id)?.row.header
  return manifest.subscriptions.some(
    (one) =>
      one.method === method &&
      header?.kind === one.kind &&
      (one.codes.length === 0 || one.codes.includes(header.code)),
  )
}

const isSuperseded = (kernel: Kernel, item: DerivedItem): boolean =>
  contractAt(kernel, item.address)?.frozenSince !== undefined

export function executeDerived(kernel: Kernel, item: DerivedItem): FinishedRun {
  const contract = contractAt(kernel, item.address)
  assert(contract !== undefined, 'derived work names a deployed version')
  const run = createRun(kernel, derivedId(kernel.hash, item), contract.entity, item.patient, item.source)
  const target = { alias: item.alias, address: item.address, method: item.method }
  const cause = item.parent
  const refusal = refuseRun(kernel, item)
  if (refusal !== undefined) {
    return { run, receipt: receiptOf(run, { code: refusal, fuelUsed: 0, cause, target }) }
  }
  const input = triggerInputOf(run, item)
  if (input === 'ERASED')
    return { run, receipt: receiptOf(run, { code: 'ERASED', fuelUsed: 0, cause, target }) }
  const outcome = enter(run, contract, item.method, input, trigger.record)
  kernel.budgets.spend(item.source, item.alias, outcome.fuelUsed)
  noteHealth(run, item, outcome.code)
  outcome.cause = cause
  outcome.target = target
  return { run, receipt: receiptOf(run, outcome) }
}

function refuseRun(kernel: Kernel, item: DerivedItem): ErrorCode | undefined {
  if (item.generation > generationMax) return 'GENERATION_EXCEEDED'
  if (isSuperseded(kernel, item)) return 'LAYOUT_SUPERSEDED'
  if (kernel.health.isQuarantined(item.alias)) return 'RULE_QUARANTINED'
  return kernel.budgets.mayRun(item.source, item.alias) ? undefined : 'BUDGET_EXHAUSTED'
}

/** The records that caused it, as the rule gets them; their bodies count as read. */
function triggerInputOf(run: Run, item: DerivedItem): Uint8Array | 'ERASED' {
  const { kernel } = run
  if (isErased(kernel, item.patient)) return 'ERASED'
  const views = item.records.map((id) => {
    const record = kernel.index.find(id)
    assert(record !== undefined, 'derived work names records that exist')
    return readView(run, record)
  })
  return encodeTriggerInput(item.patient, item.parent, views)
}

/** An entry of the kernel under the version's own identity, bounded by its manifest. */
function enter(
  run: Run,
  contract: Contract,
  method: string,
  input: Uint8Array,
  cause: typeof trigger.record | typeof trigger.timer,
  fuelMax = Number.MAX_SAFE_INTEGER,
): Outcome {
  const outcome = runFrame(run, {
    contract,
    method,
    kinds: [cause === trigger.record ? 'record' : 'timer'],
    input,
    caller: kernelCaller,
    trigger: cause,
    readOnly: false,
    pinned: true,
    fuel: Math.min(contract.methods.get(method)?.fuel ?? 0, fuelMax),
    stackLeft: STACK_BYTES_MAX,
  })
  const { fuelUsed } = outcome
  if (outcome.ok) return { code: 'OK', fuelUsed, returned: outcome.returned }
  return { fuelUsed, ...failureOf(run, outcome.code, outcome.detail) }
}

const kernelCaller = new Uint8Array(hashBytes)

function noteHealth(
  run: Run,
  item: Pick<DerivedItem, 'alias' | 'source' | 'patient'>,
  code: ErrorCode,
): void {
  const { health, time } = run.kernel
  const { alias, source, patient } = item
  if (code === 'OK') return health.noteSuccess(alias, source, patient)
  if (health.noteFailure(alias, { time, source, patient, code })) {
    run.effects.events.push({ source: '$kernel', topic: 'rule-quarantined', content: utf8(alias) })
  }
}

/**
 * A due timer may not run now: it is parked while its alias is quarantined, and due later while the budget of
 * its alias' timers is empty. Nothing is lost, and it makes no block due meanwhile.
 */
export function mustWait({ overlay, health, budgets }: Kernel, timer: DueTimer): boolean {
  if (health.isQuarantined(timer.alias)) {
    parkTimer(overlay, timer)
    return true
  }
  if (budgets.mayRing(timer.alias)) return false
  postponeTimer(overlay, timer, budgets.timerWaitsUntil(timer.alias))
  return true
}

/**
 * Runs a due timer on the active version of its alias. One about a patient who was erased meanwhile does not
 * run, and that is no failure of the rule.
 */
export function executeTimer(kernel: Kernel, timer: DueTimer): FinishedRun {
  const contract = activeContract(kernel, timer.alias)
  assert(contract !== undefined, 'a timer belongs to an alias that was activated')
  const run = createRun(kernel, timerRunId(kernel, timer), contract.entity, timer.patient, timer.source)
  const target = { alias: timer.alias, address: contract.address, method: timer.method }
  if (isErased(kernel, timer.patient))
    return { run, receipt: receiptOf(run, { code: 'ERASED', fuelUsed: 0, cause: timer.id, target }) }
  const outcome = enter(run, contract, timer.method, timer.args, trigger.timer, Number(timer.fuel))
  kernel.budgets.spendOnTimer(timer.alias, outcome.fuelUsed)
  noteHealth(run, timer, outcome.code)
  return { run, receipt: receiptOf(run, { ...outcome, cause: timer.id, target }) }
}
