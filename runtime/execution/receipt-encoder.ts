// Receipts to deterministic CBOR without a generic encoder: three of them are made for every vital sign.
// The bytes are those of `encodeReceipt` of runtime/protocol (tested against it).
import type { Receipt } from '../protocol/receipt.js'
import { CborWriter } from './cbor-writer.js'

const writer = new CborWriter(4_096)

/**
 * CBOR {1 id, 2 status, 3 fuel, 4 [record id...], 5 [[source, topic, content]...], ?6 cause, ?7 target, ?8
 * detail, ?9 returned}.
 */
export function encodeReceiptFast(receipt: Receipt): Uint8Array {
  const { cause, target, detail, returned } = receipt
  writer.clear()
  writer.map(5 + Number(!!cause) + Number(!!target) + Number(detail !== undefined) + Number(!!returned))
  writer.uint(1)
  writer.bytes(receipt.transactionId)
  writer.uint(2)
  writer.uint(receipt.status)
  writer.uint(3)
  writer.uint(receipt.fuelUsed)
  writer.uint(4)
  writer.array(receipt.records.length)
  for (const id of receipt.records) writer.bytes(id)
  writer.uint(5)
  writer.array(receipt.events.length)
  for (const { source, topic, content } of receipt.events) {
    writer.array(3)
    writer.ascii(source)
    writer.ascii(topic)
    writer.bytes(content)
  }
  if (cause) {
    writer.uint(6)
    writer.bytes(cause)
  }
  if (target) {
    writer.uint(7)
    writer.array(3)
    writer.ascii(target.alias)
    writer.bytes(target.address)
    writer.ascii(target.method)
  }
  if (detail !== undefined) {
    writer.uint(8)
    writer.ascii(detail)
  }
  if (returned) {
    writer.uint(9)
    writer.bytes(returned)
  }
  return writer.finish()
}
