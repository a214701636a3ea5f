// A new layout follows a former one, whose tables stay as they are for the versions that read them. Three
// ways, from small to large: copy at once in `migrate`; read through (`LayeredTable`); copy in slices that
// timers carry on (`SlicedCopy`). All progress is state: a node that crashes goes on where the chain is.
import { pointer, slice, Bytes } from './bytes'
import { Reader, Writer } from './borsh'
import { LIMIT_EXCEEDED } from './codes'
import { refuse } from './env'
import { OrderedRow, OrderedTable, Table } from './table'

/** A value and the layout it comes from; `value` null: there is none in either. */
export class LayeredValue {
  constructor(
    public value: Bytes | null,
    public isFormer: bool,
  ) {}
}

const REMOVED: u8 = 0
const PRESENT: u8 = 1

/**
 * A point table of the new layout in front of one of the former. What is written or removed here hides what
 * is there; nothing is copied before it is written. Rows: u8 (1 value, 0 removed) ‖ value.
 */
export class LayeredTable {
  constructor(
    private current: Table,
    private former: Table,
  ) {}

  /** `isFormer` values are in the former schema: convert them as you read. */
  get(key: Bytes): LayeredValue {
    const row = this.current.get(key)
    if (row === null) return new LayeredValue(this.former.get(key), true)
    if (load<u8>(pointer(row)) == REMOVED) return new LayeredValue(null, false)
    return new LayeredValue(slice(row, 1, row.length - 1), false)
  }

  set(key: Bytes, value: Writer): void {
    this.current.set(key, new Writer().u8(PRESENT).fixed(value.finish()))
  }

  remove(key: Bytes): void {
    this.current.set(key, new Writer().u8(REMOVED))
  }
}

/** Rows that the host gives in one scan at most. */
const SCAN_MAX: i32 = 100

/**
 * Walks over one partition of a former ordered table, some rows at a time, over many blocks. The cursor
 * lies in `progress` under `name`. At most 99 rows may share one order.
 */
export class SlicedCopy {
  private order: u64 = 0
  private sequence: u32 = 0
  private isStarted: bool = false
  private done: bool = false

  constructor(
    private progress: Table,
    private name: Bytes,
    private former: OrderedTable,
    private partition: Bytes,
  ) {
    const row = progress.get(name)
    if (row !== null) {
      const reader = new Reader(row)
      this.order = reader.u64()
      this.sequence = reader.u32()
      this.done = reader.bool()
      this.isStarted = true
    }
  }

  /** Every row was given. */
  get isDone(): bool {
    return this.done
  }

  /** The next rows, at most `limit`, each once; write them to the new layout in the same run. */
  next(limit: i32): OrderedRow[] {
    const rows: OrderedRow[] = []
    if (this.done) return rows
    const found = this.former.scan(this.partition, this.order, u64.MAX_VALUE, SCAN_MAX)
    for (let index = 0; index < found.length && rows.length < limit; index++) {
      const row = found[index]
      const isKnown = this.isStarted && row.order == this.order && row.sequence <= this.sequence
      if (!isKnown) rows.push(row)
    }
    if (rows.length == 0 && found.length == SCAN_MAX) {
      refuse(LIMIT_EXCEEDED, 'more than 99 rows share one order')
    }
    this.done = rows.length == 0
    if (rows.length > 0) {
      this.order = rows[rows.length - 1].order
      this.sequence = rows[rows.length - 1].sequence
      this.isStarted = true
    }
    this.progress.set(this.name, new Writer().u64(this.order).u32(this.sequence).bool(this.done))
    return rows
  }
}
