// Who waits for which transaction to become final. One bounded wait per caller; a late answer is not a
// lost one.
import type { ErrorCode } from '../../runtime/protocol/index.js'
import type { ReceiptEntry } from '../executor/messages.js'

/** Receipts of the transaction and of what it triggered, or why it can never become final. */
export type WaitEnd = { ok: true; receipts: ReceiptEntry[] } | { ok: false; code: ErrorCode }

interface Waiter {
  resolve(end: WaitEnd | undefined): void
  timer: NodeJS.Timeout
}

export class FinalWaiter {
  private readonly waiters = new Map<string, Set<Waiter>>()

  /** How the transaction ends, or undefined when `timeoutMs` passes first. */
  wait(id: string, timeoutMs: number): Promise<WaitEnd | undefined> {
    return new Promise((resolve) => {
      const group = this.waiters.get(id) ?? new Set<Waiter>()
      const waiter: Waiter = {
        resolve,
        timer: setTimeout(() => {
          group.delete(waiter)
          if (group.size === 0) this.waiters.delete(id)
          resolve(undefined)
        }, timeoutMs),
      }
      group.add(waiter)
      this.waiters.set(id, group)
    })
  }

  /** Called with all receipts of a block, in order: a signed transaction is followed by its derived ones. */
  settle(receipts: readonly ReceiptEntry[]): void {
    if (this.waiters.size === 0) return
    for (const receipt of receipts) {
      if (!this.waiters.has(receipt.id)) continue
      this.answer(receipt.id, { ok: true, receipts: [receipt, ...descendants(receipt.id, receipts)] })
    }
  }

  /** The transaction left the pool and will not become final: whoever waits is told why, at once. */
  refuse(id: string, code: ErrorCode): void {
    this.answer(id, { ok: false, code })
  }

  private answer(id: string, end: WaitEnd): void {
    const group = this.waiters.get(id) ?? []
    this.waiters.delete(id)
    for (const waiter of group) {
      clearTimeout(waiter.timer)
      waiter.resolve(end)
    }
  }

  close(): void {
    for (const group of this.waiters.values()) {
      for (const waiter of group) {
        clearTimeout(waiter.timer)
        waiter.resolve(undefined)
      }
    }
    this.waiters.clear()
  }
}

/** Receipts that the transaction caused, directly or through another, in block order. */
function descendants(id: string, receipts: readonly ReceiptEntry[]): ReceiptEntry[] {
  const causes = new Set([id])
  const found: ReceiptEntry[] = []
  for (const receipt of receipts) {
    if (receipt.cause === '' || !causes.has(receipt.cause)) continue
    causes.add(receipt.id)
    found.push(receipt)
  }
  return found
}
