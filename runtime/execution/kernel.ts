// What the execution of one block, view or genesis shares: state, ports, time, and what was loaded or made
// so far.
import { equalBytes } from '../protocol/bytes.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { zeroHash, type Hash } from '../protocol/hash.js'
import { patientBytes } from '../protocol/record.js'
import type { ReceiptEvent } from '../protocol/receipt.js'
import type { Overlay } from '../state/overlay.js'
import type { Contract } from './contracts.js'
import { hostPricesOf, type HostPrices } from './host-prices.js'
import type { KernelCommand } from './kernel-commands.js'
import type { ModuleCache } from './module-cache.js'
import { createPolicyMemo, type PolicyMemo } from './policy.js'
import type { Attachment, Diagnostic, ExecutionPorts, LedgerRecord, ParentState } from './ports.js'
import type { TraceSink } from './trace.js'
import { chainRow, decodeRow, onlyKey, store, type ChainRow } from './kernel-tables.js'
import { RecordIndex } from './record-index.js'
import { BudgetBook } from './rule-budget.js'
import { HealthBook } from './rule-health.js'
import type { Subscriber } from './triggers.js'
import { assert } from '../protocol/result.js'

export interface Kernel {
  ports: ExecutionPorts
  hash: Hash
  cache: ModuleCache
  parent: ParentState
  overlay: Overlay
  chain: ChainRow
  /** Prices of host functions under the block's schedule. */
  prices: HostPrices
  height: number
  /** Block time, ms. */
  time: number
  /** The ledger's searches: the parent's records and those of this block. */
  index: RecordIndex
  /** Versions loaded for this block by address as text; aliases switch at block boundaries only. */
  contracts: Map<string, Contract | undefined>
  aliases: Map<string, Contract | undefined>
  policy: PolicyMemo
  /** The answers kept across blocks were found to belong to the parent's policy store. */
  policyChecked: boolean
  /** Subscriptions by record kind. */
  triggers: Map<number, readonly Subscriber[]>
  health: HealthBook
  /**
   * Patients looked up in this block and whether they are erased, which changes at block boundaries only.
   */
  erased: Map<string, boolean>
  budgets: BudgetBook
  /** Commands of finished transactions, applied at the end of the block. */
  commands: KernelCommand[]
  /** What the block's transactions brought along, by hash as text. */
  attachments: Map<string, Uint8Array>
  trace: TraceSink | undefined
  /** Only this transaction is traced; every one when left out. */
  traceOnly: Uint8Array | undefined
  /** What led to the work that is done now: see `FrameStart`. For the watch alone. */
  cause: Uint8Array
}

/** Everything that a transaction makes and that a failing frame takes back. */
export interface Effects {
  records: LedgerRecord[]
  events: ReceiptEvent[]
  commands: KernelCommand[]
  deployed: Attachment[]
  explanations: { alias: string; method: string; entry: Uint8Array }[]
}

/** One signed, derived or kernel-made transaction while it runs. */
export interface Run {
  kernel: Kernel
  id: Uint8Array
  /** The signing entity, or for derived work the rule's own entity. */
  origin: Uint8Array
  /** Who signed what led to this run. */
  source: Uint8Array
  /** Whom a derived transaction is about; zero: nobody in particular. */
  patient: Uint8Array
  effects: Effects
  /** Aliases of the open frames, outermost first. */
  open: string[]
  framesOpened: number
  /** Addresses as text of versions that are not active and that it has entered: loading is paid once. */
  loaded: Set<string>
  /** Memory pages of the open frames. */
  pagesOpen: number
  /** Salts of the bodies read, in order of first reading: they blind the bodies that are made from them. */
  saltsRead: Map<string, Uint8Array>
  timersSet: number
  eventBytes: number
  /** Why the kernel last refused a command: the detail of the receipt when the transaction fails. */
  refusal: { code: ErrorCode; detail?: string } | undefined
  diagnostics: Diagnostic[]
  /** Where its frames and host calls are told; undefined when nobody listens. */
  trace: TraceSink | undefined
  /** The transaction that the watch hears of: not its own id where it is a question for another one. */
  watchedAs: Uint8Array
}

export function createKernel(
  parts: Pick<Kernel, 'ports' | 'cache' | 'parent' | 'overlay' | 'height' | 'time'> & {
    trace?: TraceSink
    traceOnly?: Uint8Array
  },
): Kernel {
  const row = parts.overlay.get(store.chain, onlyKey)
  assert(row !== undefined, 'the state has a founding row')
  const chain = decodeRow<ChainRow>(chainRow, row)
  return {
    ...parts,
    hash: parts.ports.hash,
    chain,
    prices: hostPricesOf(chain.fuelSchedule),
    index: new RecordIndex(parts.parent),
    contracts: new Map(),
    aliases: new Map(),
    policy: createPolicyMemo(),
    policyChecked: false,
    triggers: new Map(),
    health: new HealthBook(parts.overlay),
    erased: new Map(),
    budgets: new BudgetBook(parts.overlay, parts.time),
    commands: [],
    attachments: new Map(),
    trace: parts.trace,
    traceOnly: parts.traceOnly,
    cause: zeroHash,
  }
}

export function createRun(
  kernel: Kernel,
  id: Uint8Array,
  origin: Uint8Array,
  patient: Uint8Array = nobody,
  source: Uint8Array = origin,
): Run {
  return {
    kernel,
    id,
    origin,
    source,
    patient,
    effects: { records: [], events: [], commands: [], deployed: [], explanations: [] },
    open: [],
    framesOpened: 0,
    loaded: new Set(),
    pagesOpen: 0,
    saltsRead: new Map(),
    timersSet: 0,
    eventBytes: 0,
    refusal: undefined,
    diagnostics: [],
    trace: isTraced(kernel, id) ? kernel.trace : undefined,
    watchedAs: id,
  }
}

const nobody = new Uint8Array(patientBytes)

const isTraced = ({ traceOnly }: Kernel, id: Uint8Array): boolean =>
  traceOnly === undefined || equalBytes(traceOnly, id)

/** How much of each effect there is now: what `rollbackEffects` goes back to. */
export interface EffectMark {
  records: number
  events: number
  commands: number
  deployed: number
  explanations: number
  eventBytes: number
}

export function markEffects(run: Run): EffectMark {
  const { effects } = run
  return {
    records: effects.records.length,
    events: effects.events.length,
    commands: effects.commands.length,
    deployed: effects.deployed.length,
    explanations: effects.explanations.length,
    eventBytes: run.eventBytes,
  }
}

export function rollbackEffects(run: Run, mark: EffectMark): void {
  const { effects, kernel } = run
  for (const record of effects.records.slice(mark.records)) kernel.index.remove(record)
  effects.records.length = mark.records
  effects.events.length = mark.events
  effects.commands.length = mark.commands
  effects.deployed.length = mark.deployed
  effects.explanations.length = mark.explanations
  run.eventBytes = mark.eventBytes
}
