// Pages of records as they were at one height. Records are only ever added and each says the height it came
// with, so an earlier height is read from today's indexes by passing over what is younger: pages agree
// whatever is applied between them. One page looks at a bounded number of rows, so that blocks do not wait.
import { equalBytes, utf8 } from '../../runtime/protocol/index.js'
import {
  codeTimePartition,
  kindTimePartition,
  recordIndex,
  store as tables,
} from '../../runtime/execution/kernel-tables.js'
import type { OrderedEntry } from '../../runtime/state/index.js'
import type { ChainState } from './chain-state.js'
import type { LedgerEntry, PagePlace, PageQuery, PageReply, Pin } from './messages.js'

/** Rows that one page looks at: about 5 ms. */
export const pageRowsMax = 500
/** Rows of one order (a block's records of a kind) are read together, and no block holds more. */
const rowsOfOneOrderMax = 65_536

interface PageSource {
  state: ChainState
  pinAt(height: number | null): Pin | null
  entry: (id: Uint8Array) => LedgerEntry | undefined
}

/** Null when the height is not there yet. */
export function recordPage(query: PageQuery, source: PageSource): PageReply | null {
  const pin = source.pinAt(query.height)
  if (pin === null) return null
  const limit = Math.max(1, Math.min(query.limit, pageRowsMax))
  const rows = rowsAfter(query, pin, source.state)
  const records: LedgerEntry[] = []
  let last: PagePlace | null = null
  for (const row of rows) {
    last = { order: row.order, sequence: row.sequence }
    const found = matching(query, row, pin, source)
    if (found !== undefined) records.push(found)
    if (records.length === limit) break
  }
  const isAll = rows.length < pageRowsMax && records.length < limit
  const isLastRow = last !== null && rows.length < pageRowsMax && samePlace(rows.at(-1), last)
  return { pin, records, next: isAll || isLastRow ? null : last }
}

const samePlace = (row: OrderedEntry | undefined, place: PagePlace): boolean =>
  row !== undefined && row.order === place.order && row.sequence === place.sequence

function matching(
  { author, code, by, kind }: PageQuery,
  row: OrderedEntry,
  pin: Pin,
  { state, entry }: PageSource,
): LedgerEntry | undefined {
  const record = state.recordRow(row.value)
  if (record === undefined || record.height > pin.height) return undefined
  // Only the index of effective times knows codes.
  if (by === 'arrival' && code !== '' && record.header.code !== code) return undefined
  if (kind !== 0 && record.header.kind !== kind) return undefined
  const isByAuthor =
    author === null ||
    equalBytes(record.author, author) ||
    (record.origin && equalBytes(record.origin, author))
  return isByAuthor ? entry(row.value) : undefined
}

/** At most `pageRowsMax` rows behind the place where the page before ended. */
function rowsAfter(query: PageQuery, { height }: Pin, state: ChainState): OrderedEntry[] {
  const { newest, after } = query
  const [table, partition] = indexOf(query)
  let from = BigInt(Math.max(0, query.from))
  let to = BigInt(Math.max(0, query.to))
  if (table === recordIndex.kindArrival && to > BigInt(height)) to = BigInt(height)
  if (after !== null && newest && after.order < to) to = after.order
  if (after !== null && !newest && after.order > from) from = after.order
  for (let asked = pageRowsMax; ; asked *= 2) {
    const read = state.scanIndex(tables.record, table, partition, from, to, asked, newest)
    const rows = after === null ? read : read.filter((row) => isBehind(row, after, newest))
    // A page must get past the rows of its first order.
    if (rows.length > 0 || read.length < asked || asked > rowsOfOneOrderMax)
      return rows.slice(0, pageRowsMax)
  }
}

function isBehind(row: OrderedEntry, after: PagePlace, newest: boolean): boolean {
  if (row.order !== after.order) return newest ? row.order < after.order : row.order > after.order
  return newest ? row.sequence < after.sequence : row.sequence > after.sequence
}

function indexOf({ patient, kind, code, by }: PageQuery): [table: number, partition: Uint8Array] {
  if (patient === null) return [recordIndex.kindArrival, new Uint8Array([kind])]
  if (by === 'arrival') return [recordIndex.number, patient]
  if (code === '') return [recordIndex.kindTime, kindTimePartition(patient, kind)]
  return [recordIndex.codeTime, codeTimePartition(patient, kind, utf8(code))]
}
