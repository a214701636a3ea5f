// One rule in the real runtime on given records, for `ward rule eval`, rehearsals and conformance vectors:
// same instrumented code, same fuel, same ledger and alerts contract, on an overlay that is thrown away.
import { encodeBorsh } from '../protocol/borsh.js'
import { codeOfStatus, type ErrorCode } from '../protocol/error-codes.js'
import { kernelEntity } from '../protocol/entity.js'
import { hashWithDomain } from '../protocol/hash.js'
import { lane } from '../protocol/lanes.js'
import { bodyHash, recordKind, recordKindMax, saltBytes, type RecordHeader } from '../protocol/record.js'
import type { Receipt } from '../protocol/receipt.js'
import { concatBytes, u32Bytes } from '../protocol/bytes.js'
import { admissionBody, bodySchemaVersion } from '../protocol/record-bodies.js'
import { assert, ok, refused, type Result } from '../protocol/result.js'
import { byteText } from './byte-text.js'
import { Overlay } from '../state/overlay.js'
import { applyDeployment, putAlias } from './block-boundary.js'
import { activeContract, contractAt, readCode, type Contract } from './contracts.js'
import { checkDeployment, nobodyPays } from './deployment.js'
import { executeDerived } from './execute-derived.js'
import { createProgress, keep } from './execute-block.js'
import { createKernel, createRun, type Kernel } from './kernel.js'
import { appendRecord } from './ledger.js'
import type { ModuleCache } from './module-cache.js'
import type { Diagnostic, ExecutionPorts, Explanation, LedgerRecord, ParentState } from './ports.js'
import { readPatient } from './record-rows.js'
import { claimTables } from './table-layouts.js'
import type { TraceSink } from './trace.js'
import { derivedWork, toSubscriber, type DerivedItem, type Subscriber } from './triggers.js'

export interface RuleInput {
  /** An active alias, a deployed address, or code that no chain has seen. */
  rule: { alias: string } | { address: Uint8Array } | { manifest: Uint8Array; code: Uint8Array }
  patient: Uint8Array
  /**
   * Appended in this order as one transaction; without an admission of the patient an empty one comes
   * first.
   */
  records: { kind: number; code: string; effectiveTime: number; body: Uint8Array }[]
  /** Records that are there before, without triggering anything: the patient's history. */
  history?: RuleInput['records']
  /** Who appended them; shows in the records' author. */
  author?: Uint8Array
}

export interface RuleOutcome {
  /** One receipt for each method of the rule that ran, then those of what it caused. */
  receipts: Receipt[]
  /** Code of the rule's own runs: OK, or the first failure. `NOT_TRIGGERED` when no record matches. */
  code: ErrorCode | 'NOT_TRIGGERED'
  detail: string
  /** Fuel of the rule's own runs. */
  fuelUsed: number
  /** Records that came out of it: alerts, orders. */
  records: LedgerRecord[]
  explanations: Explanation[]
  diagnostics: Diagnostic[]
}

/**
 * Evaluates one rule. What its alerts and orders cause runs too; other rules do not see the given records.
 */
export function evaluateRule(
  state: ParentState,
  input: RuleInput,
  at: { height: number; time: number },
  cache: ModuleCache,
  ports: ExecutionPorts,
  trace?: TraceSink,
): Result<RuleOutcome, ErrorCode> {
  const overlay = new Overlay(state)
  const kernel = createKernel({
    ports,
    cache,
    parent: state,
    overlay,
    height: at.height,
    time: at.time,
    trace,
  })
  const found = findRule(kernel, input.rule)
  if (!found.ok) return found
  const rule = found.value
  const author = input.author ?? kernelEntity
  const given = appendGiven(kernel, input, author)
  if (!given.ok) return given
  const parent = given.value[0]?.transactionId ?? kernelEntity
  const cause = { parent, source: author, generation: 1, lane: lane.clinical }
  kernel.triggers = new Map(ownSubscriptions(rule))
  const items = derivedWork(kernel, given.value, cause)
  kernel.triggers = new Map()
  return ok(runItems(kernel, items))
}

function findRule(kernel: Kernel, rule: RuleInput['rule']): Result<Contract, ErrorCode> {
  if ('alias' in rule) {
    const active = activeContract(kernel, rule.alias)
    return active === undefined ? refused('CONTRACT_UNKNOWN', rule.alias) : ok(active)
  }
  const address = 'address' in rule ? rule.address : deployScratch(kernel, rule)
  if (!(address instanceof Uint8Array)) return address
  const contract = contractAt(kernel, address)
  return contract === undefined ? refused('CONTRACT_UNKNOWN') : ok(contract)
}

/** Deploys and activates on the scratch overlay, with every check that a real deployment meets. */
function deployScratch(
  kernel: Kernel,
  rule: { manifest: Uint8Array; code: Uint8Array },
): Uint8Array | Result<never, ErrorCode> {
  const wanted = {
    vendor: kernelEntity,
    manifest: kernel.hash(rule.manifest),
    code: kernel.hash(rule.code),
  }
  kernel.attachments.set(byteText(wanted.manifest), rule.manifest)
  kernel.attachments.set(byteText(wanted.code), rule.code)
  const checked = checkDeployment(kernel, wanted, nobodyPays)
  if (!checked.ok) return checked
  const { address, manifest } = checked.value
  if (readCode(kernel.overlay, address) === undefined) applyDeployment(kernel, checked.value)
  claimTables(kernel.overlay, manifest)
  putAlias(kernel, manifest.alias, address, manifest.migrateVersion)
  kernel.aliases.clear()
  return address
}

/** Subscriptions of this rule alone; every kind gets an entry, so that none is read from the state. */
function ownSubscriptions(rule: Contract): [number, Subscriber[]][] {
  const { alias, address, manifest } = rule
  return Array.from({ length: recordKindMax + 1 }, (_, kind) => [
    kind,
    manifest.subscriptions
      .filter((subscription) => subscription.kind === kind)
      .map(({ priority, method, codes }) => toSubscriber({ priority, method, codes, address, alias })),
  ])
}

/** History first, as a transaction of its own; then the records that count as just arrived. */
function appendGiven(
  kernel: Kernel,
  input: RuleInput,
  author: Uint8Array,
): Result<LedgerRecord[], ErrorCode> {
  const isKnown = readPatient(kernel.overlay, input.patient) !== undefined
  const history = [...(input.history ?? [])]
  const brings = [...history, ...input.records].some(({ kind }) => kind === recordKind.admission)
  if (!isKnown && !brings) {
    history.unshift({
      kind: recordKind.admission,
      code: '',
      effectiveTime: kernel.time,
      body: unknownPerson(),
    })
  }
  const before = appendList(kernel, input.patient, history, author, 0)
  return before.ok ? appendList(kernel, input.patient, input.records, author, 1) : before
}

/** An admission that says nothing: rules must treat every part of it as unknown. */
function unknownPerson(): Uint8Array {
  const text = { family: '', given: '', sex: '', ward: '', room: '', bed: '', visitNumber: '', reason: '' }
  const body = { schema: bodySchemaVersion, birthDate: 0, pregnancy: 0, identifiers: [], ...text }
  const encoded = encodeBorsh(admissionBody, body)
  assert(encoded.ok, 'an empty admission fits its schema')
  return encoded.value
}

function appendList(
  kernel: Kernel,
  patient: Uint8Array,
  records: RuleInput['records'],
  author: Uint8Array,
  step: number,
): Result<LedgerRecord[], ErrorCode> {
  const id = hashWithDomain(kernel.hash, 'wardchain/evaluation/1', patient, u32Bytes(step))
  const run = createRun(kernel, id, author)
  for (let index = 0; index < records.length; index += 1) {
    const { kind, code, effectiveTime, body } = records[index]
    const salt = kernel.hash(concatBytes(id, u32Bytes(index))).slice(0, saltBytes)
    const recordBody = { salt, content: body }
    const header: RecordHeader = {
      kind,
      patient,
      code,
      effectiveTime,
      bodyHash: bodyHash(kernel.hash, recordBody),
    }
    const appended = appendRecord(run, { header, body: recordBody, author, derived: false })
    if (!appended.ok) return appended
  }
  return ok(run.effects.records)
}

function runItems(kernel: Kernel, items: DerivedItem[]): RuleOutcome {
  const progress = createProgress(kernel)
  const waiting = [...items]
  let fuelUsed = 0
  let failure: Receipt | undefined
  for (let index = 0; index < waiting.length; index += 1) {
    const item = waiting[index]
    const finished = executeDerived(kernel, item)
    keep(progress, finished, item.patient)
    if (index < items.length) {
      fuelUsed += finished.receipt.fuelUsed
      if (failure === undefined && finished.receipt.status !== 0) failure = finished.receipt
    }
    waiting.push(
      ...derivedWork(kernel, finished.run.effects.records, {
        parent: finished.run.id,
        source: item.source,
        generation: item.generation + 1,
        lane: item.lane,
      }),
    )
  }
  const { receipts, records, explanations, diagnostics } = progress
  const code = failure === undefined ? 'OK' : (codeOfStatus(failure.status) ?? 'TRAPPED')
  return {
    receipts,
    code: items.length === 0 ? 'NOT_TRIGGERED' : code,
    detail: failure?.detail ?? '',
    fuelUsed,
    records,
    explanations,
    diagnostics,
  }
}
