// Receipts: what one signed or derived transaction did. Certified through the receipts root.
import { decodeCbor, encodeCbor, type CborMap, type CborValue } from './cbor.js'
import { asArray, asAscii, asBytes, asMap, asUint, FieldError } from './fields.js'
import { aliasLengthMax, eventsPerTransactionMax, methodLengthMax, receiptBytesMax } from './limits.js'
import { ok, refused, type Result } from './result.js'

export interface ReceiptEvent {
  /** Alias of the contract, or `$kernel`. */
  source: string
  topic: string
  /** Ids and codes only: patient values are bodies. */
  content: Uint8Array
}

export interface Receipt {
  transactionId: Uint8Array
  /** Number from `error-codes.ts`; 0 is success. */
  status: number
  fuelUsed: number
  /** Ids of the records appended, in order. */
  records: Uint8Array[]
  events: ReceiptEvent[]
  /** For a derived transaction: the transaction or timer that caused it. */
  cause?: Uint8Array
  /** For calls and derived transactions: alias, address and method that ran. */
  target?: { alias: string; address: Uint8Array; method: string }
  /** Borsh detail of the status: the granting grant's id, or what is missing, as ASCII. */
  detail?: string
  /** Return value of a call, at most 4 KiB; longer values are left out. */
  returned?: Uint8Array
}

/**
 * CBOR {1 id, 2 status, 3 fuel, 4 [record id...], 5 [[source, topic, content]...], ?6 cause, ?7 [alias,
 * address, method], ?8 detail, ?9 returned}.
 */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const map: CborMap = new Map<number, CborValue>([
    [1, receipt.transactionId],
    [2, receipt.status],
    [3, receipt.fuelUsed],
    [4, receipt.records],
    [5, receipt.events.map((event) => [event.source, event.topic, event.content])],
  ])
  if (receipt.cause) map.set(6, receipt.cause)
  if (receipt.target) map.set(7, [receipt.target.alias, receipt.target.address, receipt.target.method])
  if (receipt.detail !== undefined) map.set(8, receipt.detail)
  if (receipt.returned) map.set(9, receipt.returned)
  return encodeCbor(map)
}

export function decodeReceipt(bytes: Uint8Array): Result<Receipt, 'RECEIPT_MALFORMED'> {
  if (bytes.length > receiptBytesMax) return refused('RECEIPT_MALFORMED', 'too large')
  const decoded = decodeCbor(bytes)
  if (!decoded.ok) return refused('RECEIPT_MALFORMED', decoded.code)
  try {
    return ok(receiptFromCbor(decoded.value))
  } catch (error) {
    if (error instanceof FieldError) return refused('RECEIPT_MALFORMED', error.message)
    throw error
  }
}

function receiptFromCbor(value: CborValue): Receipt {
  const map = asMap(value, [1, 2, 3, 4, 5, 6, 7, 8, 9], 5)
  const receipt: Receipt = {
    transactionId: asBytes(map.get(1), 32),
    status: asUint(map.get(2), 65_535),
    fuelUsed: asUint(map.get(3)),
    records: asArray(map.get(4), 0, 4_096).map((id) => asBytes(id, 32)),
    events: asArray(map.get(5), 0, eventsPerTransactionMax).map(eventFromCbor),
  }
  if (map.has(6)) receipt.cause = asBytes(map.get(6), 32)
  if (map.has(7)) receipt.target = targetFromCbor(map.get(7))
  if (map.has(8)) receipt.detail = asAscii(map.get(8), 0, 512)
  if (map.has(9)) receipt.returned = asBytes(map.get(9), 0, 4_096)
  return receipt
}

function eventFromCbor(value: CborValue): ReceiptEvent {
  const [source, topic, content] = asArray(value, 3, 3)
  return {
    source: asAscii(source, 1, 64),
    topic: asAscii(topic, 1, 64),
    content: asBytes(content, 0, 4_096),
  }
}

function targetFromCbor(value: CborValue | undefined): {
  alias: string
  address: Uint8Array
  method: string
} {
  const [alias, address, method] = asArray(value, 3, 3)
  return {
    alias: asAscii(alias, 0, aliasLengthMax),
    address: asBytes(address, 32),
    method: asAscii(method, 0, methodLengthMax),
  }
}
