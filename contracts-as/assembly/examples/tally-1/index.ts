// Example, layout 1: counts readings of each patient and keeps a list of what came when. `tally-2` follows
// it with a migration; both are built by the tests and by the bench `version-switch`.
import { answer, Context, emitEvent, input, OrderedTable, RecordTrigger, Reader, Table, Writer } from '../../sdk'

const SCHEMA: u16 = 1
/** Patient -> schema u16, count u32. */
const counts = new Table(1)
/** One partition, by block time: patient 16. */
const list = new OrderedTable(2)

export function onRecords(): void {
  const trigger = RecordTrigger.read(input())
  const stored = counts.get(trigger.patient)
  let count: u32 = 0
  if (stored !== null) {
    const reader = new Reader(stored)
    reader.u16()
    count = reader.u32()
  }
  count += trigger.records.length
  counts.set(trigger.patient, new Writer().u16(SCHEMA).u32(count))
  list.put(new StaticArray<u8>(0), new Context().time, trigger.patient)
  emitEvent('tally', new Writer().u32(count))
}

/** {patient} -> {count}. */
export function count(): void {
  const reader = input()
  const patient = reader.fixed(16)
  reader.end()
  const stored = counts.get(patient)
  let total: u32 = 0
  if (stored !== null) {
    const row = new Reader(stored)
    row.u16()
    total = row.u32()
  }
  answer(new Writer().u32(total))
}
