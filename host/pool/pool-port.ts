// The driver's view of the pool: admission by the executor, choice for a block, and what a block takes
// out again.
import { bytesToHex, decodePayload, lane as lanes, type ErrorCode } from '../../runtime/protocol/index.js'
import type { Block, PayloadRequest, TransactionPort, Waiting } from '../../consensus/net/ports.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { AdmitReply, ReceiptEntry } from '../executor/messages.js'
import { sha256 } from '../keys/crypto.js'
import { TransactionPool, type PoolEntry } from './transaction-pool.js'

/** One block's choice: about 50 ms of execution for vital signs with two rules each. */
export interface BlockTarget {
  transactionsMax: number
  bytesMax: number
}

export const blockTargetDefault: BlockTarget = { transactionsMax: 500, bytesMax: 2 * 1_048_576 }

export type SubmitOutcome =
  { ok: true; id: string; known: boolean } | { ok: false; id: string; code: ErrorCode; detail: string }

export class PoolPort implements TransactionPort {
  private readonly pool = new TransactionPool()
  /** Transactions of blocks that crashed an executor or split the result; released by governance (R18). */
  private readonly asideBundles = new Set<string>()

  constructor(
    private readonly executor: ExecutorClient,
    private readonly now: () => number,
    private readonly target: BlockTarget = blockTargetDefault,
  ) {}

  get size(): number {
    return this.pool.size
  }

  waiting(): Waiting {
    return this.pool.waiting(this.target.transactionsMax)
  }

  /**
   * Admits and keeps bundles; the answers say which were new here. Used for gossip and for local
   * submission.
   */
  async admit(bundles: readonly Uint8Array[]): Promise<SubmitOutcome[]> {
    const replies = await this.executor.call('admit', { bundles: [...bundles], now: this.now() })
    return replies.map((reply, index) => this.keep(reply, bundles[index]))
  }

  private keep(reply: AdmitReply, bundle: Uint8Array): SubmitOutcome {
    if (!reply.ok) return { ok: false, id: reply.id, code: reply.code, detail: reply.detail }
    const entry: PoolEntry = {
      id: reply.id,
      lane: reply.lane,
      bundle,
      slot: reply.slot,
      receivedAt: this.now(),
    }
    const outcome = this.pool.add(entry)
    if (outcome === 'slot-taken')
      return { ok: false, id: reply.id, code: 'SEQUENCE_REUSED', detail: 'waiting' }
    if (outcome === 'full') return { ok: false, id: reply.id, code: 'POOL_FULL', detail: '' }
    return { ok: true, id: reply.id, known: outcome === 'known' }
  }

  async receive(bundles: readonly Uint8Array[]): Promise<readonly (boolean | 'urgent')[]> {
    const outcomes = await this.admit(bundles)
    return outcomes.map((outcome) => {
      if (!outcome.ok || outcome.known) return false
      return this.isUrgent(outcome.id) ? 'urgent' : true
    })
  }

  /** Emergency and system transactions travel with the votes. */
  isUrgent(id: string): boolean {
    const entry = this.pool.get(id)
    return entry !== undefined && entry.lane <= lanes.emergency
  }

  /** True when the oldest transaction has waited longer than `ageMsMax` although blocks were made. */
  hasOverdue(ageMsMax: number): boolean {
    const oldest = this.pool.oldestReceivedAt()
    return oldest !== undefined && this.now() - oldest > ageMsMax
  }

  async buildPayload(
    request: PayloadRequest,
  ): Promise<{ payload: Uint8Array; transactionRoots: readonly Uint8Array[] } | null> {
    const bytesMax = Math.min(request.bytesMax, this.target.bytesMax)
    const picked = this.pool
      .pick({ transactionsMax: this.target.transactionsMax, bytesMax })
      .filter((entry) => !this.asideBundles.has(bytesToHex(sha256(entry.bundle))))
    if (picked.length === 0 && !request.due) return null
    const bundles = picked.map((entry) => entry.bundle)
    const built = await this.executor.call('build', { bundles, height: request.height, time: request.time })
    for (const { id } of built.dropped) this.pool.remove(id)
    if (built.count === 0 && !request.due) return null
    return { payload: built.payload, transactionRoots: built.transactionRoots }
  }

  resend(which: 'emergency' | 'all', bytesMax: number): readonly Uint8Array[] {
    const entries =
      which === 'emergency' ? this.pool.emergencies() : this.pool.pick({ transactionsMax: 1_000, bytesMax })
    const bundles: Uint8Array[] = []
    let bytes = 0
    for (const { bundle } of entries) {
      bytes += bundle.length
      if (bytes > bytesMax) break
      bundles.push(bundle)
    }
    return bundles
  }

  setAside(block: Block): void {
    const payload = decodePayload(block.payload)
    if (!payload.ok) return
    for (const bundle of payload.value.lanes.flat()) this.asideBundles.add(bytesToHex(sha256(bundle)))
  }

  /** The same for bundles known by the hex of their SHA-256: those that an earlier process died on. */
  setAsideHashes(hashes: readonly string[]): void {
    for (const hash of hashes) this.asideBundles.add(hash)
  }

  /** What became final leaves the pool. */
  settle(receipts: readonly ReceiptEntry[]): void {
    for (const receipt of receipts) this.pool.remove(receipt.id)
  }
}
