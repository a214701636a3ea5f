// Activations that wait for their time: one row for each, and a timer that carries it out. Rows are kept by
// due time; a row whose time has passed is one that was refused when it was due.
import {
  ALREADY_DONE,
  ARGUMENT_INVALID,
  bytesEqual,
  Bytes,
  cancelTimer,
  Context,
  LIMIT_EXCEEDED,
  OrderedRow,
  OrderedTable,
  Reader,
  refuse,
  setTimer,
  Writer,
} from '../../sdk'

const SCHEMA: u16 = 1
const SCHEDULES_MAX: i32 = 64
const ADDRESSES_MAX: i32 = 64
/** A plan for more than a year ahead is a slip of the pen. */
const AHEAD_MAX: u64 = 366 * 24 * 3_600_000
/** All that the manifest allows to `activateScheduled`: migrations are paid from it. */
const ALL_FUEL: i64 = 0

/** Row: schema u16, schedule 32, timer 32, by 32, addresses. */
const rows = new OrderedTable(1)
const everyone: Bytes = new StaticArray<u8>(0)

class Schedule {
  row: OrderedRow
  id: Bytes
  timer: Bytes
  by: Bytes
  addresses: Bytes[] = []

  constructor(row: OrderedRow) {
    const reader = new Reader(row.value)
    reader.u16()
    this.row = row
    this.id = reader.fixed(32)
    this.timer = reader.fixed(32)
    this.by = reader.fixed(32)
    const count = reader.count(ADDRESSES_MAX)
    for (let index = 0; index < count; index++) this.addresses.push(reader.fixed(32))
  }

  remove(): void {
    rows.remove(everyone, this.row.order, this.row.sequence)
  }
}

/** The schedule's id is that of the transaction: it schedules once. */
export function schedule(context: Context, at: u64, addresses: Bytes[]): Bytes {
  if (at - context.time > AHEAD_MAX) refuse(ARGUMENT_INVALID, 'at: at most 366 days ahead')
  const known = all(0, u64.MAX_VALUE)
  if (known.length >= SCHEDULES_MAX) refuse(LIMIT_EXCEEDED, 'at most 64 activations are scheduled')
  const id = context.transaction
  const timer = setTimer(at, 'activateScheduled', new Writer().u64(at).fixed(id), ALL_FUEL)
  const row = new Writer().u16(SCHEMA).fixed(id).fixed(timer).fixed(context.caller).u32(addresses.length)
  for (let index = 0; index < addresses.length; index++) row.fixed(addresses[index])
  rows.put(everyone, at, row.finish())
  return id
}

/** Removes the schedule that is due and gives its addresses. */
export function takeSchedule(at: u64, id: Bytes): Bytes[] {
  const due = find(all(at, at), id)
  due.remove()
  return due.addresses
}

export function cancelSchedule(id: Bytes): void {
  const found = find(all(0, u64.MAX_VALUE), id)
  cancelTimer(found.timer)
  found.remove()
}

export function listSchedules(): Writer {
  const known = all(0, u64.MAX_VALUE)
  const writer = new Writer().u32(known.length)
  for (let index = 0; index < known.length; index++) {
    const entry = known[index]
    writer.fixed(entry.id).u64(entry.row.order).fixed(entry.by).u32(entry.addresses.length)
    for (let place = 0; place < entry.addresses.length; place++) writer.fixed(entry.addresses[place])
  }
  return writer
}

function all(from: u64, to: u64): Schedule[] {
  const found = rows.scan(everyone, from, to, SCHEDULES_MAX)
  const list: Schedule[] = []
  for (let index = 0; index < found.length; index++) list.push(new Schedule(found[index]))
  return list
}

function find(list: Schedule[], id: Bytes): Schedule {
  for (let index = 0; index < list.length; index++) {
    if (bytesEqual(list[index].id, id)) return list[index]
  }
  refuse(ALREADY_DONE, 'no such schedule: it was carried out or cancelled')
  return list[0]
}
