// A signed transaction handed in at this node: admitted, told to the others, and waited for. The same bytes
// handed in again get the same answer: what is final already is answered with its receipt, wherever and
// however often it was sent before. Its signature is checked for that too: a receipt is for who signed.
import { decodeBundle, hexToBytes, type ErrorCode } from '../../runtime/protocol/index.js'
import type { Driver } from '../../consensus/net/driver.js'
import type { Urgency } from '../../consensus/net/ports.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { ReceiptEntry } from '../executor/messages.js'
import type { ReaderClient } from '../executor/reader-client.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import type { PoolPort, SubmitOutcome } from '../pool/pool-port.js'
import type { FinalWaiter } from './final-waiter.js'

export type FinalOutcome =
  { ok: true; receipts: ReceiptEntry[] } | { ok: false; id: string; code: ErrorCode; detail: string }

export interface SubmissionPorts {
  pool: PoolPort
  waiter: FinalWaiter
  readers: Pick<ReaderClient, 'call'>
  executor: Pick<ExecutorClient, 'call'>
  driver(): Driver
}

export class Submission {
  constructor(private readonly ports: SubmissionPorts) {}

  /** Admits a bundle here, tells the others, and waits until it is final or `timeoutMs` has passed. */
  async one(bundle: Uint8Array, timeoutMs: number): Promise<FinalOutcome> {
    const { pool, waiter } = this.ports
    const [outcome] = await pool.admit([bundle])
    if (!outcome.ok) return this.finalOr(outcome, bundle)
    const { id } = outcome
    const final = waiter.wait(id, timeoutMs)
    const driver = this.ports.driver()
    if (!outcome.known) driver.gossip([bundle], pool.urgencyOf(id))
    driver.transactionsWaiting()
    const end = await final
    if (!end) return { ok: false, id, code: 'NOT_FINAL_IN_TIME', detail: id }
    return end.ok ? end : this.finalOr({ ok: false, id, code: end.code, detail: '' }, bundle)
  }

  /** Admits many bundles and tells the others of those that are new; nobody waits. */
  async many(bundles: readonly Uint8Array[]): Promise<SubmitOutcome[]> {
    const { pool } = this.ports
    const outcomes = await pool.admit(bundles)
    const fresh: Record<Urgency, Uint8Array[]> = { urgent: [], normal: [], low: [] }
    outcomes.forEach((outcome, index) => {
      if (outcome.ok && !outcome.known) fresh[pool.urgencyOf(outcome.id)].push(bundles[index])
    })
    const driver = this.ports.driver()
    for (const urgency of ['urgent', 'normal', 'low'] as const)
      if (fresh[urgency].length > 0) driver.gossip(fresh[urgency], urgency)
    driver.transactionsWaiting()
    // One after the other: a batch that was sent before may not fill the readers' queue.
    const answers: SubmitOutcome[] = []
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.ok) {
        answers.push(outcome)
        continue
      }
      const end = await this.finalOr(outcome, bundles[index])
      answers.push(end.ok ? { ok: true, id: outcome.id, known: true } : end)
    }
    return answers
  }

  private async finalOr(
    refusal: Extract<FinalOutcome, { ok: false }>,
    bundle: Uint8Array,
  ): Promise<FinalOutcome> {
    if (!mayBeFinal(refusal)) return refusal
    const receipts = await this.receiptsOf(refusal.id)
    if (receipts.length === 0) return refusal
    // An id covers what was signed and not the signature: anybody could put another one there.
    const isSigned = await this.isSigned(bundle)
    if (isSigned === undefined) return refusal
    return isSigned ? { ok: true, receipts } : { ...refusal, code: 'SIGNATURE_INVALID', detail: '' }
  }

  /** With the key that it names, revoked or not. Undefined when the executor cannot tell now. */
  private async isSigned(bundle: Uint8Array): Promise<boolean | undefined> {
    const decoded = decodeBundle(bundle, sha256)
    if (!decoded.ok) return false
    const { transaction, signingBytes, signature } = decoded.value.signed
    const { keyId } = transaction
    const key = await this.ports.executor.call('keyState', { keyId }).catch(() => undefined)
    return key?.publicKey ? verifySignature(key.publicKey, signingBytes, signature) : undefined
  }

  /** Empty too when the readers cannot tell now: the refusal stands, and says nothing untrue. */
  private async receiptsOf(idHex: string): Promise<ReceiptEntry[]> {
    const id = hexToBytes(idHex)
    if (id?.length !== 32) return []
    const found = await this.ports.readers.call('receipt', { id }).catch(() => undefined)
    return found?.receipts ?? []
  }
}

/** What a transaction that is final already is refused with, depending on what has happened since. */
const codesOfFinal: readonly ErrorCode[] = [
  'SEQUENCE_REUSED',
  'SEQUENCE_TOO_OLD',
  'EXPIRED',
  'KEY_REVOKED',
  'PATIENT_ERASED',
  // Lanes were changed by governance.
  'TRANSACTION_TOO_LARGE',
  'FUEL_LIMIT_TOO_HIGH',
]

/** A slot that another waiting transaction holds is no sign of an earlier one. */
const mayBeFinal = ({ code, detail }: { code: ErrorCode; detail: string }): boolean =>
  codesOfFinal.includes(code) && detail !== 'waiting'
