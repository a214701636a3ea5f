// Which orders are proposed and decided: one row for each (patient, order set), one for each order. Ids and
// codes only.
import { concat, HOUR, Reader, Table, utf8, Writer, Bytes } from '../../sdk'

const SCHEMA: u16 = 1
/**
 * A set of which something was signed is not proposed again so soon: no second cultures within the hour.
 */
const REPEAT_AFTER: u64 = 6 * HOUR

export namespace Status {
  export const Proposed: u8 = 1
  export const Signed: u8 = 2
  export const Declined: u8 = 3
}

const sets = new Table(1)
const orders = new Table(2)

export class SetState {
  proposedAt: u64 = 0
  undecided: u32 = 0
  signed: u32 = 0

  /** While open, the same set is not proposed again for this patient. */
  isOpen(time: u64): bool {
    return this.undecided > 0 || (this.signed > 0 && time < this.proposedAt + REPEAT_AFTER)
  }
}

export function setKey(patient: Bytes, orderSet: string): Bytes {
  return concat(patient, utf8(orderSet))
}

export function setOf(key: Bytes): SetState | null {
  const stored = sets.get(key)
  if (stored === null) return null
  const reader = new Reader(stored)
  reader.u16()
  const state = new SetState()
  state.proposedAt = reader.u64()
  state.undecided = reader.u32()
  state.signed = reader.u32()
  return state
}

export function storeSet(key: Bytes, state: SetState): void {
  sets.set(key, new Writer().u16(SCHEMA).u64(state.proposedAt).u32(state.undecided).u32(state.signed))
}

export class OrderState {
  patient: Bytes = new StaticArray<u8>(16)
  orderSet: string = ''
  item: string = ''
  status: u8 = Status.Proposed
  /** Who decided and when; zero while proposed. */
  decidedBy: Bytes = new StaticArray<u8>(32)
  decidedAt: u64 = 0
}

export function orderOf(id: Bytes): OrderState | null {
  const stored = orders.get(id)
  if (stored === null) return null
  const reader = new Reader(stored)
  reader.u16()
  const state = new OrderState()
  state.patient = reader.fixed(16)
  state.orderSet = reader.text(64)
  state.item = reader.text(64)
  state.status = reader.u8()
  state.decidedBy = reader.fixed(32)
  state.decidedAt = reader.u64()
  return state
}

export function writeOrder(writer: Writer, state: OrderState): Writer {
  return writer
    .fixed(state.patient)
    .text(state.orderSet)
    .text(state.item)
    .u8(state.status)
    .fixed(state.decidedBy)
    .u64(state.decidedAt)
}

export function storeOrder(id: Bytes, state: OrderState): void {
  orders.set(id, writeOrder(new Writer().u16(SCHEMA), state))
}
