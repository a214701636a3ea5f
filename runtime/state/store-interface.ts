// What execution sees of the chain's state: stores of point keys and ordered tables, and index tables
// beside them.
//
// A store is named by an ASCII alias (`ward/policy`) or a kernel table (`$record`). Everything in a store
// is under the state root; index tables are derived data, equal on every replica but outside the root.

/** One row of an ordered table. Rows sort by (order, sequence). */
export interface OrderedEntry {
  /** u64: a time in ms, a height, or any number that the table is sorted by. */
  order: bigint
  /** u32: breaks ties between rows of one order, 0-based. */
  sequence: number
  value: Uint8Array
}

export interface StateReader {
  /** The value under a point key, or undefined. The caller must not change the bytes. */
  get(store: string, key: Uint8Array): Uint8Array | undefined
  /**
   * Rows of one partition with from <= order <= to (both inclusive), at most `limit`, ascending by (order,
   * sequence), or descending when asked. Ascending, `sequenceFrom` leaves out the rows of order `from` with
   * a lower sequence.
   */
  scan(
    store: string,
    table: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    descending?: boolean,
    sequenceFrom?: number,
  ): OrderedEntry[]
}

/** Index tables: the same shape as `scan`, in a space of their own, outside the tree. */
export interface IndexReader {
  scanIndex(
    store: string,
    table: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    descending?: boolean,
    sequenceFrom?: number,
  ): OrderedEntry[]
}

/** One changed key. `key` is an encoded state key (`state-keys.ts`); an undefined value is a removal. */
export interface StateWrite {
  store: string
  key: Uint8Array
  value: Uint8Array | undefined
}

/**
 * What a block changed, each list sorted by (store, key) bytes, one entry a key: the same on every
 * replica.
 */
export interface WriteSet {
  state: StateWrite[]
  index: StateWrite[]
}

export const orderMax = 0xffff_ffff_ffff_ffffn
export const sequenceMax = 0xffff_ffff
