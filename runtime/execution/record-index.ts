// The ledger's indexes: outside the tree, rebuilt from `$record`, equal on every replica. During a block new records are
// found in memory; the rows are written once, at its end. No row needs a look at the store to be placed: the sequence of
// a row is the record's number per patient, or its place in the block.
import { utf8 } from '../protocol/bytes.js'
import { bytesToText, compareWrites, encodeOrderedKey } from '../state/state-keys.js'
import type { StateWrite } from '../state/store-interface.js'
import { codeTimePartition, kindTimePartition, recordIndex, store } from './kernel-tables.js'
import { NodeFault, type LedgerRecord, type ParentState } from './ports.js'
import { decodeRecordRow, encodeRecordView, type RecordRow } from './record-rows.js'

/** A record as searches give it; `view` and `salt` are filled in when its body is first read. */
export interface IndexedRecord {
  id: Uint8Array
  /** Id as text. */
  key: string
  effectiveTime: number
  number: number
  code: string
  row: RecordRow
  view: Uint8Array | undefined
  salt: Uint8Array | undefined
}

export interface RecordSearch {
  patient: Uint8Array
  kind: number
  /** Empty: every code. */
  codes: readonly string[]
  from: bigint
  to: bigint
  limit: number
}

/** Answers of the parent state kept for one block: it does not change while the block runs. */
const scansMax = 50_000

export class RecordIndex {
  readonly #parent: ParentState
  /** Records of this block by patient and kind, in order of arrival. */
  readonly #arrived = new Map<string, IndexedRecord[]>()
  readonly #known = new Map<string, IndexedRecord>()
  readonly #scans = new Map<string, IndexedRecord[]>()

  constructor(parent: ParentState) {
    this.#parent = parent
  }

  /** Adds a record of this block. */
  add(record: LedgerRecord, row: RecordRow): void {
    const { id, header } = record
    const key = bytesToText(id)
    const indexed: IndexedRecord = {
      id,
      key,
      effectiveTime: header.effectiveTime,
      number: row.number,
      code: header.code,
      row,
      view: record.view,
      salt: record.body.salt,
    }
    const group = groupKey(header.patient, header.kind)
    const arrived = this.#arrived.get(group)
    if (arrived === undefined) this.#arrived.set(group, [indexed])
    else arrived.push(indexed)
    this.#known.set(key, indexed)
  }

  /** Takes back a record that a failing frame made. */
  remove({ id, header }: LedgerRecord): void {
    const key = bytesToText(id)
    const group = groupKey(header.patient, header.kind)
    const left = (this.#arrived.get(group) ?? []).filter((record) => record.key !== key)
    this.#arrived.set(group, left)
    this.#known.delete(key)
  }

  /** A record by its id; undefined when the ledger has none. */
  find(id: Uint8Array): IndexedRecord | undefined {
    const key = bytesToText(id)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const bytes = this.#parent.get(store.record, id)
    if (bytes === undefined) return undefined
    const row = decodeRecordRow(bytes)
    const { effectiveTime, code } = row.header
    const found = {
      id,
      key,
      effectiveTime,
      number: row.number,
      code,
      row,
      view: undefined,
      salt: undefined,
    }
    this.#known.set(key, found)
    return found
  }

  /** Fills in what needs the body. The caller knows that the patient is not erased. */
  readBody(record: IndexedRecord): void {
    if (record.view !== undefined) return
    const body = this.#parent.bodyOf(record.id)
    if (body === undefined || body === 'erased') {
      throw new NodeFault('BODY_MISSING', 'a body that the state counts on is not in the store')
    }
    record.view = encodeRecordView(record.id, record.row, body.content)
    record.salt = body.salt
  }

  /** Newest effective time first; of equal times the one that arrived later first. */
  search(search: RecordSearch): IndexedRecord[] {
    const { patient, kind, codes, from, to, limit } = search
    const found: IndexedRecord[] = []
    if (codes.length === 0) {
      found.push(...this.#scan(recordIndex.kindTime, kindTimePartition(patient, kind), from, to, limit))
    }
    for (const code of codes) {
      const partition = codeTimePartition(patient, kind, utf8(code))
      found.push(...this.#scan(recordIndex.codeTime, partition, from, to, limit))
    }
    const before = found.length
    for (const record of this.#arrived.get(groupKey(patient, kind)) ?? []) {
      const time = BigInt(record.effectiveTime)
      if (time < from || time > to) continue
      if (codes.length === 0 || codes.includes(record.code)) found.push(record)
    }
    // One list of the parent is sorted as it is.
    if (codes.length > 1 || found.length > before) found.sort(newestFirst)
    return found.length > limit ? found.slice(0, limit) : found
  }

  #scan(table: number, partition: Uint8Array, from: bigint, to: bigint, limit: number): IndexedRecord[] {
    const key = `${table}/${bytesToText(partition)}/${from}/${to}/${limit}`
    const kept = this.#scans.get(key)
    if (kept !== undefined) return kept
    const rows = this.#parent.scanIndex(store.record, table, partition, from, to, limit, true)
    const found = rows.map(({ value }) => {
      const record = this.find(value)
      if (record === undefined)
        throw new NodeFault('BODY_MISSING', 'an index names a record that does not exist')
      return record
    })
    if (this.#scans.size >= scansMax) this.#scans.clear()
    this.#scans.set(key, found)
    return found
  }
}

const groupKey = (patient: Uint8Array, kind: number): string => `${bytesToText(patient)}${kind}`

function newestFirst(left: IndexedRecord, right: IndexedRecord): number {
  return right.effectiveTime - left.effectiveTime || right.number - left.number
}

/** Index rows of a block's records, sorted as a write set is. */
export function indexWrites(records: readonly LedgerRecord[]): StateWrite[] {
  const writes: StateWrite[] = []
  const put = (
    table: number,
    partition: Uint8Array,
    order: number,
    sequence: number,
    id: Uint8Array,
  ): void => {
    const key = encodeOrderedKey(table, partition, BigInt(order), sequence)
    writes.push({ store: store.record, key, value: id })
  }
  records.forEach(({ id, header, number, height }, place) => {
    const { patient, kind, code, effectiveTime } = header
    put(recordIndex.codeTime, codeTimePartition(patient, kind, utf8(code)), effectiveTime, number, id)
    put(recordIndex.kindTime, kindTimePartition(patient, kind), effectiveTime, number, id)
    put(recordIndex.number, patient, number, 0, id)
    put(recordIndex.kindArrival, new Uint8Array([kind]), height, place, id)
  })
  return writes.sort(compareWrites)
}
