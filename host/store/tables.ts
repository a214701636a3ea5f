// The tables of the two environments and their stored keys. On disk a table is a number; names stay here.
//
//   point          table u8 | PRF16(true key)
//   ordered        table u8 | u64 BE
//   prefix + order table u8 | PRF16(prefix) | order u64 BE | sequence u32 BE
//
// A number is never reused for another meaning.
export const table = {
  /**
   * Clear: format version u8 | storeId 16. The one record that is not sealed; it says only whose file this
   * is.
   */
  label: 0,
  /** Point: applied height and root, id of the patient wrapping key, format marks. */
  meta: 1,
  statePoint: 2,
  stateOrdered: 3,
  index: 4,
  treePage: 5,
  /** Ordered by height: header and payload. */
  block: 6,
  /** Ordered by height: result and certificate. */
  outcome: 7,
  /** Ordered by height: receipts. */
  receipts: 8,
  body: 9,
  patientKey: 10,
  attachment: 11,
  transaction: 12,
  note: 13,
  /** Ordered by height: undo journals of the last blocks. */
  undo: 14,
  /** Ordered by sequence: what the last updates changed in tree pages that are written later. */
  treeRedo: 15,
  /** Votes environment. */
  voteRecord: 32,
  voteBody: 33,
  voteToken: 34,
} as const

/**
 * Redo records that a node keeps: 32,000 changed leaves, which a start after a crash plays in half a second,
 * and for which at most 36 MiB of pages wait in memory.
 */
export const treeRedoBytesMax = 2 * 2 ** 20

export type TableName = keyof typeof table
export type TableId = (typeof table)[TableName]

/** Tables whose records are hashes only: their length tells nothing and padding would cost a third. */
const unpadded: ReadonlySet<number> = new Set([table.treePage, table.treeRedo])

export const isPadded = (id: number): boolean => !unpadded.has(id)

export const chainTables: readonly TableId[] = [
  table.meta,
  table.statePoint,
  table.stateOrdered,
  table.index,
  table.treePage,
  table.block,
  table.outcome,
  table.receipts,
  table.body,
  table.patientKey,
  table.attachment,
  table.transaction,
  table.note,
  table.undo,
  table.treeRedo,
]

export const votesTables: readonly TableId[] = [table.voteRecord, table.voteBody, table.voteToken]

export function tableName(id: number): TableName | 'unknown' {
  for (const [name, number] of Object.entries(table)) if (number === id) return name as TableName
  return 'unknown'
}
