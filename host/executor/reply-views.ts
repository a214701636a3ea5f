// Execution's own values as plain data for the main thread.
import { bytesToHex, type Receipt } from '../../runtime/protocol/index.js'
import type { LedgerRecord } from '../../runtime/execution/index.js'
import type { LedgerEntry, ReceiptEntry } from './messages.js'

export function receiptEntries(
  receipts: readonly Receipt[],
  height: number,
  blockTime: number,
): ReceiptEntry[] {
  return receipts.map((receipt) => ({
    id: bytesToHex(receipt.transactionId),
    status: receipt.status,
    fuelUsed: receipt.fuelUsed,
    detail: receipt.detail ?? '',
    records: receipt.records.map(bytesToHex),
    cause: receipt.cause ? bytesToHex(receipt.cause) : '',
    target: receipt.target ? `${receipt.target.alias}.${receipt.target.method}` : '',
    address: receipt.target ? bytesToHex(receipt.target.address) : '',
    height,
    blockTime,
  }))
}

export function ledgerEntry(record: LedgerRecord): LedgerEntry {
  return {
    id: record.id,
    kind: record.header.kind,
    patient: record.header.patient,
    code: record.header.code,
    effectiveTime: record.header.effectiveTime,
    arrivalHeight: record.height,
    arrivalTime: record.time,
    number: record.number,
    author: record.author,
    origin: record.origin ?? null,
    supersedes: record.header.supersedes ?? null,
    // A copy: the content may be a view of a whole payload, which would travel with it.
    body: record.body.content.slice(),
  }
}
