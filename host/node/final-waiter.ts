// Who waits for which transaction to become final. One bounded wait per caller; a late answer is not a
// lost one.
import type { ReceiptEntry } from '../executor/messages.js'

interface Waiter {
  resolve(receipts: ReceiptEntry[] | undefined): void
  timer: NodeJS.Timeout
}

export class FinalWaiter {
  private readonly waiters = new Map<string, Set<Waiter>>()

  /** Receipts of the transaction and of what it triggered, or undefined when `timeoutMs` passes first. */
  wait(id: string, timeoutMs: number): Promise<ReceiptEntry[] | undefined> {
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
      const group = this.waiters.get(receipt.id)
      if (!group) continue
      this.waiters.delete(receipt.id)
      const related = [receipt, ...descendants(receipt.id, receipts)]
      for (const waiter of group) {
        clearTimeout(waiter.timer)
        waiter.resolve(related)
      }
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
