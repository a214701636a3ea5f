// The bedside before agreement: what waits is judged here, shown as tentative, and then final or taken back.
import t from 'tap'
import { recordKind } from '../../runtime/protocol/index.js'
import type { ApiEvent, RecordJson } from '../api/node-port.js'
import type { ExecutorCalls, LedgerEntry } from '../executor/messages.js'
import type { RunningNode } from './running-node.js'
import { createSingleNode } from './single-node.fixture.js'
import { localAlarmMs, TentativeRecords, type TentativeRecord } from './tentative-records.js'

const lisa = '07'.repeat(16)
const via = { application: 'test' }

function entryOf(id: number, kind: number): LedgerEntry {
  return {
    id: new Uint8Array(32).fill(id),
    kind,
    patient: new Uint8Array(16).fill(7),
    code: '',
    effectiveTime: 1,
    arrivalHeight: 1,
    arrivalTime: 1,
    number: 1,
    author: new Uint8Array(32),
    origin: null,
    supersedes: null,
    body: null,
  }
}

/** A clock, a pool and an executor that say what the test tells them to. */
function bench() {
  const pool = {
    size: 1,
    waiting: ['a'],
    late: (_ms: number) => [] as { id: string; bundle: Uint8Array }[],
  }
  const asked: number[] = []
  pool.late = (ms) => {
    asked.push(ms)
    return pool.waiting.map((id) => ({ id, bundle: new Uint8Array([1]) }))
  }
  const clock = { now: 1_000, runMs: 0 }
  const told: string[] = []
  const alert = entryOf(2, recordKind.alert)
  const brought = [
    { source: 'a', entry: entryOf(1, recordKind.observation) },
    { source: 'a', entry: alert },
  ]
  const runs: number[] = []
  const records = new TentativeRecords({
    pool,
    now: () => clock.now,
    run: async ({ bundles }): Promise<ExecutorCalls['tentative'][1]> => {
      runs.push(bundles.length)
      clock.now += clock.runMs
      return { records: brought }
    },
    onChange: (changed: readonly TentativeRecord[]) =>
      told.push(changed.map(({ entry, finality }) => `${entry.id[0]} ${finality}`).join(', ')),
  })
  return { pool, asked, clock, told, alert, brought, runs, records }
}

const receipt = (id: string) => ({ id }) as ExecutorCalls['receipt'][1]['receipts'][number]

t.test('late agreement: each transaction is judged once', async (t) => {
  const { records, told, runs, asked, pool } = bench()
  await records.tick(true)
  t.same(told, ['1 tentative, 2 tentative'])
  await records.tick(true)
  t.same(runs, [1])
  await records.tick(false)
  t.same(asked, [localAlarmMs, localAlarmMs, 0], 'without a quorum nothing is waited for')
  pool.waiting = ['a', 'b']
  await records.tick(true)
  t.same(runs, [1, 2], 'together with those before it, which it may build on')
  t.same(told.length, 1, 'what stands is not told again')
  pool.size = 0
  await records.tick(true)
  t.equal(asked.length, 4)
})

t.test('only what stands for itself appears: no answer, signature or admission', async (t) => {
  const { records, told, brought } = bench()
  const kinds = Object.values(recordKind)
  brought.splice(0, 2, ...kinds.map((kind, index) => ({ source: 'a', entry: entryOf(index + 1, kind) })))
  await records.tick(true)
  const { observation, finding, alert, order } = recordKind
  t.same(
    new Set(records.of(kinds).map(({ entry }) => entry.kind)),
    new Set([observation, finding, alert, order]),
  )
  t.equal(told[0].split(',').length, 4, 'nor is anybody told of it')
})

t.test('the final record takes over; what was not confirmed is taken back, visibly', async (t) => {
  const { records, told, clock, brought, alert, pool } = bench()
  await records.tick(true)
  pool.waiting = []
  records.onCommit({ receipts: [receipt('a')], records: [brought[0].entry], erased: false })
  t.same(
    records.of([recordKind.observation, recordKind.alert]).map(({ entry }) => entry.id[0]),
    [2],
  )
  clock.now += 1_999
  await records.tick(true)
  t.same(told.length, 1, 'rules may be carried over to the next blocks')
  clock.now += 1
  await records.tick(true)
  t.same(told[1], '2 retracted')
  t.match(records.of([recordKind.alert]), [{ entry: alert, finality: 'retracted' }], 'stays where it stood')
  clock.now += 10 * 60_000
  await records.tick(true)
  t.same(records.of([recordKind.alert]), [])
})

t.test('a transaction that died takes everything with it at once', async (t) => {
  const { records, told } = bench()
  await records.tick(true)
  records.onDropped('a')
  t.same(told[1], '1 retracted, 2 retracted')
  t.same(records.of([recordKind.observation]), [], 'a reading that never was is not shown')
  records.onDropped('unknown')
  t.equal(told.length, 2)
})

t.test('dropped and sent again: its alert stands again', async (t) => {
  const { records, told, clock } = bench()
  await records.tick(true)
  records.onDropped('a')
  clock.now += 1_000
  await records.tick(true)
  t.equal(told[2], '1 tentative, 2 tentative')
  t.match(records.of([recordKind.alert]), [{ finality: 'tentative' }])
  clock.now += 10 * 60_000
  await records.tick(true)
  t.match(
    records.of([recordKind.alert]),
    [{ finality: 'tentative' }],
    'the old end does not count any more',
  )
})

t.test('an erasure leaves nothing behind, not even of a run under way', async (t) => {
  const { records, told, pool, clock } = bench()
  const kinds = [recordKind.observation, recordKind.alert]
  const erasure = { receipts: [], records: [], erased: true }
  await records.tick(true)
  records.onCommit(erasure)
  t.same(records.of(kinds), [])
  clock.now += 1_000
  const tick = records.tick(true)
  records.onCommit(erasure)
  await tick
  t.same(records.of(kinds), [], 'it ran on the state before')
  t.equal(told.length, 1)
  clock.now += 1_000
  await records.tick(true)
  t.equal(records.of(kinds).length, 2, 'what still waits is judged anew')
  records.onDropped('a')
  records.onCommit(erasure)
  t.same(records.of(kinds), [], 'what was taken back goes too')
  pool.size = 0
})

t.test('final while the rules ran: nothing appears', async (t) => {
  const { records, told, pool } = bench()
  const tick = records.tick(true)
  pool.waiting = []
  records.onCommit({ receipts: [receipt('a')], records: [], erased: false })
  await tick
  t.same(told, [])
})

t.test('a run that costs much is followed by a rest twenty times as long', async (t) => {
  const { records, runs, clock, pool } = bench()
  clock.runMs = 50
  await records.tick(true)
  pool.waiting = ['b']
  clock.now += 999
  await records.tick(true)
  t.equal(runs.length, 1)
  clock.now += 1
  await records.tick(true)
  t.equal(runs.length, 2)
})

t.test('on a running node whose leader is slow', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const nurse = await single.signIn('nurse')
  const admission = {
    family: 'Jones',
    given: 'Lisa',
    birthDate: 0,
    sex: '',
    pregnancy: 0,
    identifiers: [],
    ward: '',
    room: '',
    bed: '',
    visitNumber: '',
    reason: '',
  }
  await single.sign(nurse, {
    type: 'append',
    records: [{ kind: 'admission', patient: lisa, code: 'ADT^A01', body: admission }],
  })
  const { pool } = (single.node as unknown as { unsealed: { node: RunningNode } }).unsealed.node
  const build = pool.buildPayload.bind(pool)
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  pool.buildPayload = (request) => held.then(() => build(request))
  const events: RecordJson[] = []
  let tell: () => void = () => undefined
  const heard = (count: number) =>
    new Promise<void>((resolve) => {
      tell = () => events.length >= count && resolve()
      tell()
    })
  single.node.subscribe(nurse, (event: ApiEvent) => {
    if (event.type === 'record') events.push(event.record)
    tell()
  })
  const body = { concepts: ['redness'], site: '', text: 'warm' }
  const height = single.node.status().height
  const signing = single.sign(nurse, {
    type: 'append',
    records: [{ kind: 'finding', patient: lisa, code: 'wound-assessment', body }],
  })
  await heard(1)
  t.match(events, [{ kind: 'finding', finality: 'tentative', body: { text: 'warm' } }])
  t.equal(single.node.status().height, height, 'nothing is final')
  const query = { patient: lisa, kind: 'finding' as const, limit: 10, order: 'newest' as const, ...via }
  t.match(await single.node.records(nurse, query), { value: { records: [{ finality: 'tentative' }] } })
  const vendor = await single.signIn('vendor')
  t.match(await single.node.records(vendor, query), { code: 'READ_NOT_GRANTED' })
  release()
  const { records } = await signing
  await heard(2)
  t.match(events[1], { id: records[0], finality: 'final' })
  t.equal(events[0].id, records[0], 'the final record has the id of the tentative one')
  t.match(await single.node.records(nurse, query), {
    value: { records: [{ id: records[0], finality: 'final' }] },
  })
})
