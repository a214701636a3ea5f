// A block: checked, then executed lane by lane, then closed. Everything that replicas compare comes from
// here.
import type { Receipt } from '../protocol/receipt.js'
import { listRoot, zeroHash } from '../protocol/hash.js'
import { lane, laneCount, type Lane } from '../protocol/lanes.js'
import { blockFuelMax } from '../protocol/limits.js'
import { validatorsHash } from '../protocol/entity.js'
import { assert } from '../protocol/result.js'
import type { BlockResult } from '../protocol/block.js'
import { Overlay } from '../state/overlay.js'
import { compareWrites } from '../state/state-keys.js'
import { applyCommands } from './block-boundary.js'
import { checkBlock, readValidators, type CheckedBlock } from './block-validity.js'
import { hasChores, runChores } from './chores.js'
import { boundOf, executeDerived, executeTimer, followLayout, mustWait } from './execute-derived.js'
import { executeSigned, type FinishedRun } from './execute-signed.js'
import { activeContract } from './contracts.js'
import { promoteVersions } from './fuel-versions.js'
import { createKernel, type Kernel } from './kernel.js'
import { encodeRow, headKey, headRow, store } from './kernel-tables.js'
import { noteParentResult } from './recent-results.js'
import { promoteValidators, readPending } from './membership-commands.js'
import type { ModuleCache } from './module-cache.js'
import type {
  Attachment,
  BlockInput,
  BlockOptions,
  BlockOutcome,
  Diagnostic,
  ExecutedBlock,
  ExecutionPorts,
  Explanation,
  LedgerRecord,
  ParentState,
} from './ports.js'
import { encodeReceiptFast } from './receipt-encoder.js'
import { indexWrites } from './record-index.js'
import { dueTimers, firstDue, removeTimer } from './timers.js'
import { applyRecovery } from './recovery.js'
import { derivedWork, type DerivedItem } from './triggers.js'
import { dequeue, enqueue, isQueueEmpty, queuedWork } from './work-queue.js'

/** What a block has made so far. */
export interface BlockProgress {
  kernel: Kernel
  receipts: Receipt[]
  records: LedgerRecord[]
  explanations: Explanation[]
  diagnostics: Diagnostic[]
  attachments: Attachment[]
  transactionIds: Uint8Array[]
  fuelUsed: number
  /** Reserved by signed transactions of this block that have not run yet. */
  fuelReserved: number
  /** Set once derived work did not fit: from then on all of it carries over, so that its order stays. */
  isFull: boolean
}

/** Due timers that one block looks at. */
const timersPerBlockMax = 1_024

/**
 * Executes a block on its parent state, which stays as it is. Gives the same outcome on every replica,
 * whatever its cache holds. Throws NodeFault when this machine failed: then there is no outcome to vote on.
 */
export function executeBlock(
  input: BlockInput,
  state: ParentState,
  cache: ModuleCache,
  ports: ExecutionPorts,
  options: BlockOptions = {},
): BlockOutcome {
  const { header } = input
  const overlay = new Overlay(state)
  if (input.recovery !== undefined) {
    const recovered = applyRecovery(overlay, header, input.recovery, ports)
    if (!recovered.ok) return { ok: false, code: recovered.code, detail: recovered.detail }
  }
  noteParentResult(overlay, header)
  const kernel = createKernel({
    ports,
    cache,
    parent: state,
    overlay,
    height: header.height,
    time: header.time,
    trace: options.trace,
    traceOnly: options.traceOnly,
  })
  // A node that does not know the versions in force has no vote, not even on a block that runs nothing.
  cache.metering(kernel.chain)
  const checked = checkBlock(kernel, input, options)
  if (!checked.ok) return { ok: false, code: checked.code, detail: checked.detail }
  const progress = createProgress(kernel)
  executeLanes(progress, checked.value)
  checked.value.credits.flush(overlay)
  return finishBlock(progress)
}

export function createProgress(kernel: Kernel): BlockProgress {
  return {
    kernel,
    receipts: [],
    records: [],
    explanations: [],
    diagnostics: [],
    attachments: [],
    transactionIds: [],
    fuelUsed: 0,
    fuelReserved: 0,
    isFull: false,
  }
}

/**
 * Lanes from system to bulk; in each: what was carried over, then (in the clinical lane) due timers, then
 * each signed transaction followed at once by what it causes.
 */
function executeLanes(progress: BlockProgress, block: CheckedBlock): void {
  for (const group of block.lanes)
    for (const { fuelReserved } of group) progress.fuelReserved += fuelReserved
  for (let index = 0; index < laneCount; index += 1) {
    const current = index as Lane
    runCarriedOver(progress, current)
    if (current === lane.clinical) runTimers(progress)
    for (const { bundle, fuelReserved, isOverdrawn } of block.lanes[index]) {
      progress.fuelReserved -= fuelReserved
      progress.kernel.cause = bundle.signed.id
      const finished = executeSigned(progress.kernel, bundle, isOverdrawn)
      progress.transactionIds.push(finished.run.id)
      keep(progress, finished)
      const source = bundle.signed.transaction.sender
      block.credits.giveBack(source, Math.max(0, fuelReserved - finished.receipt.fuelUsed))
      drain(
        progress,
        derivedWork(progress.kernel, finished.run.effects.records, {
          parent: finished.run.id,
          source,
          generation: 1,
          lane: current,
        }),
      )
    }
  }
}

function runCarriedOver(progress: BlockProgress, current: Lane): void {
  const { kernel } = progress
  for (const queued of queuedWork(kernel.overlay, current)) {
    const item = followLayout(kernel, queued.item)
    if (!fits(progress, boundOf(kernel, item))) return
    dequeue(kernel.overlay, queued)
    kernel.cause = item.parent
    drain(progress, [item])
  }
}

function runTimers(progress: BlockProgress): void {
  const { kernel } = progress
  for (const timer of dueTimers(kernel, timersPerBlockMax)) {
    if (mustWait(kernel, timer)) continue
    if (!fits(progress, Number(timer.fuel))) return
    removeTimer(kernel.overlay, timer)
    kernel.cause = zeroHash
    const finished = executeTimer(kernel, timer)
    keep(progress, finished)
    const contract = activeContract(kernel, timer.alias)
    assert(contract !== undefined, 'a timer belongs to an alias that was activated')
    drain(
      progress,
      derivedWork(kernel, finished.run.effects.records, {
        parent: finished.run.id,
        source: contract.entity,
        generation: 1,
        lane: lane.clinical,
      }),
    )
  }
}

/**
 * May work with this bound start? Once something did not fit nothing derived starts any more in this block.
 */
function fits(progress: BlockProgress, bound: number): boolean {
  if (progress.isFull) return false
  if (progress.fuelUsed + progress.fuelReserved + bound <= blockFuelMax) return true
  progress.isFull = true
  return false
}

/** Runs derived work and what it causes, step by step, in order; what does not fit goes to the queue. */
function drain(progress: BlockProgress, items: DerivedItem[]): void {
  const { kernel } = progress
  const waiting = [...items]
  for (let index = 0; index < waiting.length; index += 1) {
    const item = waiting[index]
    if (!fits(progress, boundOf(kernel, item))) {
      enqueue(kernel.overlay, kernel.height, item)
      continue
    }
    const finished = executeDerived(kernel, item)
    keep(progress, finished, item.patient)
    waiting.push(
      ...derivedWork(kernel, finished.run.effects.records, {
        parent: finished.run.id,
        source: item.source,
        generation: item.generation + 1,
        lane: item.lane,
      }),
    )
  }
}

/** Books a finished transaction: its frame journal is part of the block now. */
export function keep(progress: BlockProgress, finished: FinishedRun, patient?: Uint8Array): void {
  const { run, receipt } = finished
  const { effects } = run
  progress.receipts.push(receipt)
  progress.fuelUsed += receipt.fuelUsed
  progress.records.push(...effects.records)
  progress.diagnostics.push(...run.diagnostics)
  progress.attachments.push(...effects.deployed)
  progress.kernel.commands.push(...effects.commands)
  for (const { alias, method, entry } of effects.explanations) {
    const last = progress.explanations[progress.explanations.length - 1]
    if (
      last !== undefined &&
      last.transactionId === run.id &&
      last.alias === alias &&
      last.method === method
    ) {
      last.entries.push(entry)
    } else {
      progress.explanations.push({ transactionId: run.id, alias, method, patient, entries: [entry] })
    }
  }
}

/** Applies commands, writes the head, and computes what is voted on. */
function finishBlock(progress: BlockProgress): ExecutedBlock {
  const { kernel } = progress
  const { overlay } = kernel
  kernel.budgets.flush(overlay)
  promoteValidators(overlay, kernel.height)
  for (const finished of applyCommands(kernel)) keep(progress, finished)
  runChores(overlay)
  promoteVersions(overlay, kernel.chain, kernel.height)
  assert(progress.fuelUsed <= blockFuelMax, 'a block stays within its fuel')
  return {
    ok: true,
    ...closeBlock(progress, dueTimeAfter(kernel)),
    attachments: uniqueAttachments(progress),
  }

  function dueTimeAfter({ time }: Kernel): number {
    // A set that waits needs the next block to take effect, whether anybody has something to say or not.
    if (!isQueueEmpty(overlay) || hasChores(overlay) || readPending(overlay) !== undefined) return time
    const due = firstDue(overlay)
    // A timer that is due and did not fit is work carried over too.
    return due === undefined ? 0 : Math.max(time, Number(due))
  }
}

/** Writes the head row and takes the roots. */
export function closeBlock(
  progress: BlockProgress,
  nextDueTime: number,
): Omit<ExecutedBlock, 'ok' | 'attachments'> {
  const { kernel } = progress
  const { overlay, hash, height, time, parent } = kernel
  overlay.set(store.chain, headKey, encodeRow(headRow, { height: BigInt(height), time: BigInt(time) }))
  const { state, index } = overlay.writeSet()
  const writeSet = { state, index: [...index, ...indexWrites(progress.records)].sort(compareWrites) }
  const tree = parent.updateTree(writeSet.state)
  const receipts = progress.receipts.map(encodeReceiptFast)
  const validators = readValidators(overlay)
  const result: BlockResult = {
    stateRoot: tree.root,
    receiptsRoot: listRoot(hash, receipts),
    nextValidatorsHash: validatorsHash(hash, validators),
    fuelUsed: progress.fuelUsed,
    nextDueTime,
  }
  const { records, explanations, diagnostics, transactionIds } = progress
  return {
    result,
    receipts,
    receiptsDecoded: progress.receipts,
    records,
    writeSet,
    tree,
    transactionIds,
    validators,
    explanations,
    diagnostics,
  }
}

/** A manifest or module that two deployments share is stored once. */
function uniqueAttachments(progress: BlockProgress): Attachment[] {
  const unique = new Map(progress.attachments.map((attachment) => [attachment.hash.join(), attachment]))
  return [...unique.values()]
}
