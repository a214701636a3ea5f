// Example, layout 2: counts are u64 and are read through to layout 1 until they are written; the list is
// copied in slices by timers, beginning at the switch. Readings are counted throughout.
import {
  answer,
  Bytes,
  Context,
  emitEvent,
  input,
  LayeredTable,
  OrderedTable,
  Reader,
  RecordTrigger,
  setTimer,
  SlicedCopy,
  Table,
  utf8,
  Writer,
} from '../../sdk'

const SCHEMA: u16 = 2
const SLICE: i32 = 20
/** Half of what the manifest allows: a slice that needs more is a mistake. */
const SLICE_FUEL: i64 = 10_000_000

/** Patient -> schema u16, count u64; in front of layout 1 with a count of u32. */
const counts = new LayeredTable(new Table(11), new Table(1))
const formerList = new OrderedTable(2)
const list = new OrderedTable(12)
const progress = new Table(13)
const everyone: Bytes = new StaticArray<u8>(0)

/** At the switch: bounded work only. The rest is done by timers, the first in the next block. */
export function migrate(): void {
  nextSlice(new Context().time + 1)
}

function nextSlice(due: u64): void {
  setTimer(due, 'migrateSlice', new Writer(), SLICE_FUEL)
}

export function migrateSlice(): void {
  const copy = new SlicedCopy(progress, utf8('list'), formerList, everyone)
  const rows = copy.next(SLICE)
  for (let index = 0; index < rows.length; index++) list.put(everyone, rows[index].order, rows[index].value)
  if (copy.isDone) return emitEvent('migrated', new Writer())
  nextSlice(new Context().time + 1)
}

function countOf(patient: Bytes): u64 {
  const stored = counts.get(patient)
  const value = stored.value
  if (value === null) return 0
  const reader = new Reader(value)
  reader.u16()
  return stored.isFormer ? reader.u32() : reader.u64()
}

export function onRecords(): void {
  const trigger = RecordTrigger.read(input())
  const count = countOf(trigger.patient) + trigger.records.length
  counts.set(trigger.patient, new Writer().u16(SCHEMA).u64(count))
  list.put(everyone, new Context().time, trigger.patient)
  emitEvent('tally', new Writer().u32(count as u32))
}

/** {patient} -> {count}. */
export function count(): void {
  const reader = input()
  const patient = reader.fixed(16)
  reader.end()
  answer(new Writer().u32(countOf(patient) as u32))
}

/** -> {done}: is everything of layout 1 copied? */
export function migrated(): void {
  answer(new Writer().bool(new SlicedCopy(progress, utf8('list'), formerList, everyone).isDone))
}
