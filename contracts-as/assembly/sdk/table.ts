// A contract's own store: point tables (get, set, remove) and ordered tables (put, remove, scan). Values
// are Borsh with a u16 schema version in front, so that a later version of the code can tell old entries
// from new ones.
import { pointer, takeResult, Bytes } from './bytes'
import { Reader, Writer } from './borsh'
import {
  ordered_put,
  ordered_remove,
  result_len,
  state_get,
  state_remove,
  state_scan,
  state_set,
} from './env'

export class Table {
  constructor(private id: u8) {}

  get(key: Bytes): Bytes | null {
    const length = state_get(this.id, pointer(key), key.length)
    return length < 0 ? null : takeResult(length)
  }

  has(key: Bytes): bool {
    return state_get(this.id, pointer(key), key.length) >= 0
  }

  set(key: Bytes, value: Writer): void {
    const bytes = value.finish()
    state_set(this.id, pointer(key), key.length, pointer(bytes), bytes.length)
  }

  remove(key: Bytes): void {
    state_remove(this.id, pointer(key), key.length)
  }
}

export class OrderedRow {
  constructor(
    public order: u64,
    public sequence: u32,
    public value: Bytes,
  ) {}
}

/** Rows of one partition, ascending by (order, sequence). Ties in order get the next sequence. */
export class OrderedTable {
  constructor(private id: u8) {}

  put(partition: Bytes, order: u64, value: Bytes): void {
    ordered_put(this.id, pointer(partition), partition.length, order as i64, pointer(value), value.length)
  }

  remove(partition: Bytes, order: u64, sequence: u32): bool {
    return ordered_remove(this.id, pointer(partition), partition.length, order as i64, sequence as i32) == 1
  }

  /** Rows with from <= order <= to, at most `limit` (the host caps it at 100). */
  scan(partition: Bytes, from: u64, to: u64, limit: i32): OrderedRow[] {
    state_scan(this.id, pointer(partition), partition.length, from as i64, to as i64, limit)
    const reader = new Reader(takeResult(result_len()))
    const count = reader.count()
    const rows: OrderedRow[] = []
    for (let index = 0; index < count; index++) {
      const order = reader.u64()
      const sequence = reader.u32()
      rows.push(new OrderedRow(order, sequence, reader.bytesValue(65536)))
    }
    return rows
  }
}
