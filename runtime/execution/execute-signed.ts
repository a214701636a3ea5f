// One signed transaction: an append with its policy questions, or a call.
import type { ErrorCode } from '../protocol/error-codes.js'
import type { Receipt } from '../protocol/receipt.js'
import type { AppendAction, Bundle, CallAction, Transaction } from '../protocol/transaction.js'
import { STACK_BYTES_MAX } from '../module/index.js'
import { byteText } from './byte-text.js'
import { contractNamed } from './contracts.js'
import { runFrame, trigger } from './frame.js'
import { kernelPrices } from './host-prices.js'
import { createRun, markEffects, rollbackEffects, type Kernel, type Run } from './kernel.js'
import { appendRecord } from './ledger.js'
import { askMayAppend } from './policy.js'
import { failureOf, receiptOf, type Outcome } from './receipts.js'

export interface FinishedRun {
  run: Run
  receipt: Receipt
}

/** Event of a transaction that went below its sender's credit: the audit trail of overdrafts. */
const overdraftEvent = { source: '$kernel', topic: 'credit-overdrawn', content: new Uint8Array(0) }

/**
 * Runs a transaction that admission accepted. Whatever it does, its receipt says so. `isOverdrawn`: an
 * emergency beyond its sender's credit.
 */
export function executeSigned(kernel: Kernel, bundle: Bundle, isOverdrawn = false): FinishedRun {
  const { signed, bodies, attachments } = bundle
  const { transaction } = signed
  const run = createRun(kernel, signed.id, transaction.sender)
  const { action } = transaction
  if (action.type === 'call') {
    action.attachments.forEach((hash, index) => {
      kernel.attachments.set(byteText(hash), attachments[index])
    })
  }
  const outcome =
    action.type === 'append' ? append(run, transaction, action, bodies) : call(run, transaction, action)
  if (isOverdrawn) run.effects.events.push(overdraftEvent)
  return { run, receipt: receiptOf(run, outcome) }
}

/**
 * Fuel of an append, known from the transaction alone. Policy questions are paid by the system: they count
 * in the receipt and the block, and not against the sender's limit.
 */
export function appendPrice(action: AppendAction, bodyBytes: number): { records: number; policy: number } {
  return {
    records: action.records.length * kernelPrices.record + bodyBytes * kernelPrices.recordByte,
    policy: questionCount(action.records) * kernelPrices.policyQuestion,
  }
}

/** Different (patient, kind, code); most appends have one record. */
function questionCount(records: AppendAction['records']): number {
  if (records.length < 2) return records.length
  return new Set(records.map(({ patient, kind, code }) => `${byteText(patient)}/${kind}/${code}`)).size
}

const bytesOf = (bodies: Bundle['bodies']): number =>
  bodies.reduce((byteCount, body) => byteCount + body.content.length, 0)

/** Fuel that a transaction takes from its lane's share of a block. */
export function reservedFuel(bundle: Bundle): number {
  const { action, fuelLimit } = bundle.signed.transaction
  if (action.type === 'call') return fuelLimit
  const price = appendPrice(action, bytesOf(bundle.bodies))
  return price.records + price.policy
}

function append(
  run: Run,
  transaction: Transaction,
  action: AppendAction,
  bodies: Bundle['bodies'],
): Outcome {
  const { kernel } = run
  const price = appendPrice(action, bytesOf(bodies))
  if (price.records > transaction.fuelLimit) {
    return {
      code: 'OUT_OF_FUEL',
      fuelUsed: transaction.fuelLimit,
      detail: `an append of this size needs ${price.records}`,
    }
  }
  const grants: string[] = []
  const fuelUsed = price.records + price.policy
  for (const record of action.records) {
    const answer = askMayAppend(
      kernel,
      {
        author: transaction.sender,
        patient: record.patient,
        kind: record.kind,
        code: record.code,
      },
      run,
    )
    if ('failed' in answer) return { code: 'POLICY_FAILED', fuelUsed }
    if (!answer.allowed) return { code: 'APPEND_NOT_GRANTED', fuelUsed, detail: answer.missing }
    if (!grants.includes(answer.grant)) grants.push(answer.grant)
  }
  const refusal = appendAll(run, action, bodies)
  if (refusal !== undefined) return { code: refusal, fuelUsed }
  return { code: 'OK', fuelUsed, detail: grants.join(' ') }
}

/** All records of a transaction or none. */
function appendAll(run: Run, action: AppendAction, bodies: Bundle['bodies']): ErrorCode | undefined {
  const { overlay } = run.kernel
  const mark = markEffects(run)
  overlay.begin()
  for (let index = 0; index < action.records.length; index += 1) {
    const appended = appendRecord(run, {
      header: action.records[index],
      body: bodies[index],
      author: run.origin,
      derived: false,
    })
    if (appended.ok) continue
    overlay.rollback()
    rollbackEffects(run, mark)
    return appended.code
  }
  overlay.commit()
  return undefined
}

function call(run: Run, transaction: Transaction, action: CallAction): Outcome {
  const contract = contractNamed(run.kernel, action.target)
  if (contract === undefined) return { code: 'CONTRACT_UNKNOWN', fuelUsed: 0, detail: action.target }
  const target = { alias: contract.alias, address: contract.address, method: action.method }
  const outcome = runFrame(run, {
    contract,
    method: action.method,
    kinds: ['call'],
    input: action.args,
    caller: transaction.sender,
    trigger: trigger.call,
    readOnly: false,
    fuel: transaction.fuelLimit,
    stackLeft: STACK_BYTES_MAX,
  })
  const { fuelUsed } = outcome
  if (outcome.ok) {
    const { returned, frozenSince } = outcome
    // A former version answers from tables that nobody writes any more: its reader is told how old they are.
    const detail = frozenSince === undefined ? undefined : `answered as of height ${frozenSince}`
    return { code: 'OK', fuelUsed, target, returned, detail }
  }
  return { fuelUsed, target, ...failureOf(run, outcome.code, outcome.detail) }
}
