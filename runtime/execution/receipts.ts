// From a finished run to its receipt. Only numbers of ours and printable ASCII get in.
import { statusOf, type ErrorCode } from '../protocol/error-codes.js'
import type { Receipt } from '../protocol/receipt.js'
import type { Run } from './kernel.js'

const detailLengthMax = 512
/** Longer return values are left out of the receipt. */
const returnedBytesMax = 4_096

export interface Outcome {
  code: ErrorCode
  fuelUsed: number
  detail?: string
  returned?: Uint8Array
  cause?: Uint8Array
  target?: Receipt['target']
}

export function receiptOf(run: Run, outcome: Outcome): Receipt {
  const receipt: Receipt = {
    transactionId: run.id,
    status: statusOf(outcome.code),
    fuelUsed: outcome.fuelUsed,
    records: run.effects.records.map((record) => record.id),
    events: run.effects.events,
  }
  if (outcome.cause) receipt.cause = outcome.cause
  if (outcome.target) receipt.target = outcome.target
  if (outcome.detail !== undefined && outcome.detail !== '') receipt.detail = asDetail(outcome.detail)
  const { returned } = outcome
  if (returned !== undefined && returned.length > 0 && returned.length <= returnedBytesMax) {
    receipt.returned = returned
  }
  return receipt
}

/**
 * Why a call failed. When a contract aborts because the kernel refused its command, the kernel's code is
 * the answer that the sender can act on: what is wrong with the module, not that governance said no.
 */
export function failureOf(
  run: Run,
  code: ErrorCode,
  detail: string | undefined,
): { code: ErrorCode; detail?: string } {
  if (run.refusal === undefined || code !== 'CONTRACT_ABORTED') return { code, detail }
  return run.refusal
}

/**
 * Printable ASCII of at most 512 characters: what a contract says about a refusal is not trusted to be
 * either.
 */
export function asDetail(text: string): string {
  return text.slice(0, detailLengthMax).replace(/[^\x20-\x7e]/g, '?')
}
