// The ledger's indexes: outside the tree, rebuilt from `$record`, equal on every replica. During a block
// new records are found in memory; the rows are written once, at its end. No row needs a look at the store
// to be placed: the sequence of a row is the record's number per patient, or its place in the block.
import { equalBytes } from '../protocol/bytes.js'
import { encodeNumberedKey } from '../state/state-keys.js'
import { asciiBytes, byteText } from './byte-text.js'
import type { OrderedEntry, StateWrite } from '../state/store-interface.js'
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

export type LatestSearch = Omit<RecordSearch, 'limit'>

/**
 * Versions of one code that count when the newest is chosen: what corrects a record carries its code and lies
 * beside it in time.
 */
export const latestVersionsMax = 6

/** One answer of the parent state. */
interface Scan {
  from: bigint
  to: bigint
  limit: number
  records: IndexedRecord[]
}

/** What this block knows of one patient's records of one kind. */
interface Group {
  /** Records of this block, in order of arrival. */
  arrived: IndexedRecord[]
  /** Answers of the parent state by code; empty: every code. */
  scans: Map<string, Scan[]>
  /** Newest versions in the parent state up to a time, by code. */
  versions: Map<string, { to: number; records: IndexedRecord[] }>
}

/** Answers kept of one partition: rules ask for few different ranges. */
const scansPerPartitionMax = 8

/** Answers of the parent state kept for one block: it does not change while the block runs. */
const answersMax = 50_000

export class RecordIndex {
  readonly #parent: ParentState
  /** By patient and kind. */
  readonly #groups = new Map<string, Group>()
  readonly #known = new Map<string, IndexedRecord>()
  /** Answers of the parent state that are kept. */
  #kept = 0

  constructor(parent: ParentState) {
    this.#parent = parent
  }

  /** Adds a record of this block. */
  add(record: LedgerRecord, row: RecordRow): void {
    const { id, header } = record
    const key = byteText(id)
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
    this.#group(header.patient, header.kind).arrived.push(indexed)
    this.#known.set(key, indexed)
  }

  /** Takes back a record that a failing frame made. */
  remove({ id, header }: LedgerRecord): void {
    const key = byteText(id)
    const group = this.#group(header.patient, header.kind)
    group.arrived = group.arrived.filter((record) => record.key !== key)
    this.#known.delete(key)
  }

  /** A record by its id; undefined when the ledger has none. */
  find(id: Uint8Array): IndexedRecord | undefined {
    const key = byteText(id)
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
    const group = this.#group(patient, kind)
    if (codes.length === 0) this.#scan(found, group, search, undefined)
    for (const code of codes) this.#scan(found, group, search, code)
    const before = found.length
    for (const record of group.arrived) {
      if (record.effectiveTime < from || record.effectiveTime > to) continue
      if (codes.length === 0 || codes.includes(record.code)) found.push(record)
    }
    // One list of the parent is sorted as it is.
    if (codes.length > 1 || found.length > before) found.sort(newestFirst)
    return found.length > limit ? found.slice(0, limit) : found
  }

  /**
   * In the order of the codes, the newest record of each in [from, to] that none of its `latestVersionsMax`
   * newest versions there corrects; of equal times the one that arrived later.
   */
  latest(search: LatestSearch): IndexedRecord[] {
    const group = this.#group(search.patient, search.kind)
    const found: IndexedRecord[] = []
    for (const code of search.codes) {
      const newest = this.#latestOf(group, code, search)
      if (newest !== undefined) found.push(newest)
    }
    return found
  }

  #latestOf(group: Group, code: string, search: LatestSearch): IndexedRecord | undefined {
    // Effective times are safe integers, so that comparing numbers decides as comparing u64 would.
    const from = Number(search.from)
    const to = Number(search.to)
    const versions: IndexedRecord[] = []
    for (const record of this.#newest(group, code, search, to)) {
      if (record.effectiveTime >= from) versions.push(record)
    }
    const before = versions.length
    for (const record of group.arrived) {
      if (record.code === code && record.effectiveTime >= from && record.effectiveTime <= to) {
        versions.push(record)
      }
    }
    if (versions.length > before) versions.sort(newestFirst)
    if (versions.length > latestVersionsMax) versions.length = latestVersionsMax
    return firstUncorrected(versions)
  }

  /** The parent's newest versions up to `to`, whatever the start of the range: rules ask for many starts. */
  #newest(group: Group, code: string, search: LatestSearch, to: number): readonly IndexedRecord[] {
    const kept = group.versions.get(code)
    if (kept?.to === to) return kept.records
    const range = { from: 0n, to: search.to, limit: latestVersionsMax }
    const partition = codeTimePartition(search.patient, search.kind, asciiBytes(code))
    const records = this.#named(this.#rows(recordIndex.codeTime, partition, range))
    this.#keepOne()
    group.versions.set(code, { to, records })
    return records
  }

  #group(patient: Uint8Array, kind: number): Group {
    const key = `${byteText(patient)}${kind}`
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = { arrived: [], scans: new Map(), versions: new Map() }
      this.#groups.set(key, group)
    }
    return group
  }

  #keepOne(): void {
    if (this.#kept >= answersMax) {
      for (const group of this.#groups.values()) {
        group.scans.clear()
        group.versions.clear()
      }
      this.#kept = 0
    }
    this.#kept += 1
  }

  #named(rows: readonly OrderedEntry[]): IndexedRecord[] {
    return rows.map(({ value }) => {
      const record = this.find(value)
      if (record === undefined)
        throw new NodeFault('BODY_MISSING', 'an index names a record that does not exist')
      return record
    })
  }

  /** Adds what the parent state has of one code, or of every code of the kind. */
  #scan(
    found: IndexedRecord[],
    { scans: byCode }: Group,
    search: RecordSearch,
    code: string | undefined,
  ): void {
    const { patient, kind, from, to, limit } = search
    const scans = byCode.get(code ?? '')
    const kept = scans?.find((scan) => scan.limit === limit && scan.from === from && scan.to === to)
    if (kept !== undefined) {
      for (const record of kept.records) found.push(record)
      return
    }
    const rows =
      code === undefined
        ? this.#rows(recordIndex.kindTime, kindTimePartition(patient, kind), search)
        : this.#rows(recordIndex.codeTime, codeTimePartition(patient, kind, asciiBytes(code)), search)
    const records = this.#named(rows)
    this.#keepOne()
    const scan = { from, to, limit, records }
    if (scans === undefined || scans.length >= scansPerPartitionMax) byCode.set(code ?? '', [scan])
    else scans.push(scan)
    found.push(...records)
  }

  #rows(
    table: number,
    partition: Uint8Array,
    { from, to, limit }: Pick<RecordSearch, 'from' | 'to' | 'limit'>,
  ): OrderedEntry[] {
    return this.#parent.scanIndex(store.record, table, partition, from, to, limit, true)
  }
}

const corrects = (other: IndexedRecord, record: IndexedRecord): boolean =>
  other.row.header.supersedes !== undefined && equalBytes(other.row.header.supersedes, record.id)

function firstUncorrected(versions: readonly IndexedRecord[]): IndexedRecord | undefined {
  for (const record of versions) {
    let isCorrected = false
    for (const other of versions) isCorrected ||= corrects(other, record)
    if (!isCorrected) return record
  }
  return undefined
}

function newestFirst(left: IndexedRecord, right: IndexedRecord): number {
  return right.effectiveTime - left.effectiveTime || right.number - left.number
}

/** Index rows of a block's records, in no particular order; `placeOf`: of the record in its block. */
export function indexWrites(
  records: readonly Pick<LedgerRecord, 'id' | 'header' | 'number' | 'height'>[],
  placeOf: (index: number) => number = (index) => index,
): StateWrite[] {
  const writes: StateWrite[] = []
  const put = (
    table: number,
    partition: Uint8Array,
    order: number,
    sequence: number,
    id: Uint8Array,
  ): void => {
    const key = encodeNumberedKey(table, partition, order, sequence)
    writes.push({ store: store.record, key, value: id })
  }
  records.forEach(({ id, header, number, height }, index) => {
    const { patient, kind, code, effectiveTime } = header
    put(recordIndex.codeTime, codeTimePartition(patient, kind, asciiBytes(code)), effectiveTime, number, id)
    put(recordIndex.kindTime, kindTimePartition(patient, kind), effectiveTime, number, id)
    put(recordIndex.number, patient, number, 0, id)
    put(recordIndex.kindArrival, new Uint8Array([kind]), height, placeOf(index), id)
  })
  return writes
}
