// Every record of a kind, whole hospital, in order of arrival: read page by page once and then only what
// is new. Lists must be complete, or an inpatient vanishes and an answered alert opens again.
import { recordKind, type RecordKindName } from '../../runtime/protocol/index.js'
import type { RecordJson } from '../api/node-port.js'
import type { ExecutorCalls, LedgerEntry, Pin, RecordsQuery } from '../executor/messages.js'

/** Rows that one question to the executor asks for; more only when one block alone holds more. */
const pageCount = 500
/** Records of one kind that are kept. Past it the oldest go, in every list of the group alike. */
export const keptCountMax = 50_000
const timeMax = Number.MAX_SAFE_INTEGER

type ReadPage = (query: RecordsQuery) => Promise<ExecutorCalls['records'][1]>

/** Records by patient (hex), each list in order of arrival. */
export type ByPatient = ReadonlyMap<string, readonly RecordJson[]>

interface KindList {
  /** Complete up to this height, which is final. */
  pin: Pin | undefined
  count: number
  byPatient: Map<string, RecordJson[]>
}

export class RecordLists {
  private readonly lists = new Map<RecordKindName, KindList>()
  /** Readers wait for each other, so that one page is not read twice. */
  private reading: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly readPage: ReadPage,
    private readonly toJson: (entry: LedgerEntry) => RecordJson | undefined,
    private readonly countMax = keptCountMax,
  ) {}

  /** Bodies were erased, or labels changed: everything is read again when somebody asks. */
  forget(): void {
    this.lists.clear()
  }

  /**
   * Lists of kinds that belong together, the answering kind last: an alert is read before its responses,
   * so that a response may come without its alert but no alert without a response that it had.
   */
  group(kinds: readonly RecordKindName[]): Promise<{ pin: Pin; lists: ByPatient[] }> {
    const read = this.reading.then(() => this.readGroup(kinds))
    this.reading = read.catch(() => undefined)
    return read
  }

  private async readGroup(kinds: readonly RecordKindName[]): Promise<{ pin: Pin; lists: ByPatient[] }> {
    const lists: KindList[] = []
    for (const kind of kinds) {
      const list = this.lists.get(kind) ?? { pin: undefined, count: 0, byPatient: new Map() }
      await this.catchUp(kind, list)
      this.lists.set(kind, list)
      lists.push(list)
    }
    if (lists.some((list) => list.count > this.countMax)) this.dropOldest(lists)
    const [{ pin }] = lists
    if (!pin) throw new Error('a list that was read has a height')
    return { pin, lists: lists.map((list) => list.byPatient) }
  }

  private async catchUp(kind: RecordKindName, list: KindList): Promise<void> {
    let from = list.pin ? list.pin.height + 1 : 0
    let limit = pageCount
    for (;;) {
      const query = { patient: null, kind: recordKind[kind], code: '', from, to: timeMax, newest: false }
      const { pin, records } = await this.readPage({ ...query, limit })
      const isLast = records.length < limit
      // The last height of a full page may go on in the next one; it is taken there, whole.
      const next = isLast ? pin.height + 1 : records[records.length - 1].arrivalHeight
      for (const record of records) if (record.arrivalHeight < next) this.add(list, record)
      if (isLast) {
        list.pin = pin
        return
      }
      limit = next === from ? limit * 2 : pageCount
      from = next
    }
  }

  private add(list: KindList, record: LedgerEntry): void {
    const json = this.toJson(record)
    if (!json) return
    const known = list.byPatient.get(json.patient)
    if (known) known.push(json)
    else list.byPatient.set(json.patient, [json])
    list.count += 1
  }

  /** Cuts all lists of a group at one height: what answers a record that stays is younger and stays too. */
  private dropOldest(lists: readonly KindList[]): void {
    let cut = 0
    for (const list of lists) {
      if (list.count <= this.countMax) continue
      const heights = [...list.byPatient.values()].flat().map((record) => record.arrivalHeight)
      heights.sort((left, right) => left - right)
      // A tenth more than needed, so that the next record does not mean the same work again.
      cut = Math.max(cut, heights[list.count - Math.floor(this.countMax * 0.9)])
    }
    for (const list of lists) {
      for (const [patient, records] of list.byPatient) {
        const kept = records.filter((record) => record.arrivalHeight >= cut)
        list.count -= records.length - kept.length
        if (kept.length === 0) list.byPatient.delete(patient)
        else list.byPatient.set(patient, kept)
      }
    }
  }
}
