// Lists over pages: nothing lost between them, nothing read twice, and a cut that never reopens an alert.
import t from 'tap'
import { bytesToHex, recordKind } from '../../runtime/protocol/index.js'
import type { RecordJson } from '../api/node-port.js'
import { alertViews, recordToJson } from '../api/views.js'
import type { LedgerEntry, RecordsQuery } from '../executor/messages.js'
import { RecordLists } from './record-lists.js'

const idOf = (number: number): Uint8Array => {
  const id = new Uint8Array(32)
  new DataView(id.buffer).setUint32(0, number)
  return id
}

/** A ledger in memory that answers as the executor does: by height of arrival, no more than asked for. */
class Ledger {
  readonly entries: LedgerEntry[] = []
  readonly asked: RecordsQuery[] = []
  height = 0

  block(records: { kind: number; supersedes?: Uint8Array }[]): LedgerEntry[] {
    this.height += 1
    const added = records.map(({ kind, supersedes }, place): LedgerEntry => {
      const number = this.entries.length + place
      return {
        id: idOf(number),
        kind,
        patient: new Uint8Array(16).fill(number % 7),
        code: '',
        effectiveTime: this.height,
        arrivalHeight: this.height,
        arrivalTime: this.height,
        number,
        author: new Uint8Array(32),
        origin: null,
        supersedes: supersedes ?? null,
        body: null,
      }
    })
    this.entries.push(...added)
    return added
  }

  lists(countMax?: number): RecordLists {
    const author = { entity: '', label: '', roles: [] }
    return new RecordLists(
      (query) => {
        this.asked.push(query)
        const records = this.entries
          .filter((entry) => entry.kind === query.kind && entry.arrivalHeight >= query.from)
          .slice(0, query.limit)
        return Promise.resolve({
          pin: { height: this.height, blockTime: this.height, stateRoot: new Uint8Array(32) },
          records,
        })
      },
      // The views leave out what has no body; what a body says does not matter here.
      (entry) => {
        const json = recordToJson(entry, author)
        return json && { ...json, body: {} }
      },
      countMax,
    )
  }
}

const admissions = (count: number): { kind: number }[] =>
  Array.from({ length: count }, () => ({ kind: recordKind.admission }))

const idsOf = (lists: readonly ReadonlyMap<string, readonly RecordJson[]>[]): string[] =>
  lists
    .flatMap((list) => [...list.values()].flat())
    .sort((left, right) => left.number - right.number)
    .map((record) => record.id)

t.test('pages end anywhere, also within one block that is larger than a page', async (t) => {
  for (const sizes of [[0], [500], [499, 3], [1_700], [3, 1_200, 3], [250, 250, 250, 250, 1], [500, 500]]) {
    const ledger = new Ledger()
    for (const size of sizes) ledger.block(admissions(size))
    const { pin, lists } = await ledger.lists().group(['admission'])
    t.same(
      idsOf(lists),
      ledger.entries.map((entry) => bytesToHex(entry.id)),
      `blocks of ${sizes.join(', ')}`,
    )
    t.equal(pin.height, ledger.height)
  }
})

t.test('only what is new is read again, and everything after an erasure', async (t) => {
  const ledger = new Ledger()
  for (let block = 0; block < 4; block += 1) ledger.block(admissions(300))
  const lists = ledger.lists()
  await lists.group(['admission'])
  ledger.asked.length = 0
  ledger.block(admissions(2))
  const both = await Promise.all([lists.group(['admission']), lists.group(['admission'])])
  for (const answer of both)
    t.equal(idsOf(answer.lists).length, 1_202, 'readers at once do not double rows')
  t.same(
    ledger.asked.map((query) => query.from),
    [5, 6],
  )
  lists.forget()
  ledger.asked.length = 0
  t.equal(idsOf((await lists.group(['admission'])).lists).length, 1_202)
  t.equal(ledger.asked[0].from, 0)
})

t.test('past the bound the oldest go, and no answered alert opens again', async (t) => {
  const ledger = new Ledger()
  for (let round = 0; round < 200; round += 1) {
    const [alert] = ledger.block([{ kind: recordKind.alert }])
    ledger.block([
      { kind: recordKind.alertResponse, supersedes: alert.id },
      { kind: recordKind.alertResponse, supersedes: alert.id },
    ])
  }
  const [open] = ledger.block([{ kind: recordKind.alert }])
  const { lists } = await ledger.lists(100).group(['alert', 'alertResponse'])
  const records = lists.flatMap((list) => [...list.values()].flat())
  t.ok(records.filter((record) => record.kind === 'alertResponse').length <= 100)
  const views = alertViews(records)
  t.ok(views.length > 30)
  t.same(
    views.filter((view) => view.state === 'open').map((view) => view.id),
    [bytesToHex(open.id)],
  )
})
