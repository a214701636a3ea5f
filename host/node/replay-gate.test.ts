// One replay at a time, rests in proportion to what the last one took, and what raw bytes a trace keeps back.
import t from 'tap'
import type { ReplayView } from '../api/node-port.js'
import { ReplayGate } from './replay-gate.js'
import { guarded } from './trace-guard.js'

t.test('a person who loops a replay waits, and so does the node', async (t) => {
  let now = 0
  const gate = new ReplayGate(() => now)
  const work = (): Promise<string> => {
    now += 4_000
    return Promise.resolve('done')
  }
  t.same(await gate.run('nurse', work), { value: 'done' })
  t.same(await gate.run('nurse', work), { retryMs: 32_000 })
  t.same(await gate.run('doctor', work), { retryMs: 8_000 }, 'the node rests too')
  now += 8_000
  t.same(await gate.run('doctor', work), { value: 'done' })
  t.match(await gate.run('nurse', work), { retryMs: 20_000 })
  now += 20_000
  t.same(await gate.run('nurse', work), { value: 'done' })
})

t.test('replays do not overlap, and one that fails frees the place', async (t) => {
  let now = 0
  const gate = new ReplayGate(() => now)
  let end = (): void => undefined
  const first = gate.run('nurse', () => new Promise<void>((resolve) => (end = resolve)))
  t.same(await gate.run('doctor', () => Promise.resolve(1)), { retryMs: 1_000 })
  end()
  await first
  now += 1
  await t.rejects(gate.run('doctor', () => Promise.reject(new Error('executor'))))
  t.same(await gate.run('doctor', () => Promise.resolve(2)), { value: 2 })
})

t.test('raw bytes of contracts stay behind, decoded ids do not', async (t) => {
  const [patient, record] = ['a1'.repeat(16), 'b2'.repeat(32)]
  const host = { type: 'host', depth: 0, fuelLeft: 1 } as const
  const replay = {
    signed: null,
    steps: [
      { ...host, name: 'state_get', arguments: { table: 1, key: `${patient}04` }, result: record },
      { ...host, name: 'state_scan', arguments: { partition: patient }, result: [{ value: patient }] },
      { ...host, name: 'log_write', arguments: { text: `reads ${patient}` } },
      { ...host, name: 'return_set', arguments: { value: 'a1'.repeat(40) } },
      { ...host, name: 'record_get', arguments: { record }, result: { patient, body: { text: 'warm' } } },
      { type: 'leave', depth: 0, code: 'OK', fuelUsed: 1, returned: { rows: 'a1'.repeat(20), id: record } },
      { type: 'leave', depth: 0, code: 'OK', fuelUsed: 1, returned: 'a1'.repeat(32) },
    ],
  } as unknown as ReplayView
  t.same(guarded(replay).steps, [
    {
      ...host,
      name: 'state_get',
      arguments: { table: 1, key: { hidden: '17 bytes' } },
      result: { hidden: '32 bytes' },
    },
    {
      ...host,
      name: 'state_scan',
      arguments: { partition: { hidden: '16 bytes' } },
      result: { hidden: 'rows of a contract' },
    },
    { ...host, name: 'log_write', arguments: { text: { hidden: 'text of a contract' } } },
    { ...host, name: 'return_set', arguments: { value: { hidden: '40 bytes' } } },
    { ...host, name: 'record_get', arguments: { record }, result: { patient, body: { text: 'warm' } } },
    {
      type: 'leave',
      depth: 0,
      code: 'OK',
      fuelUsed: 1,
      returned: { rows: { hidden: '20 bytes' }, id: record },
    },
    { type: 'leave', depth: 0, code: 'OK', fuelUsed: 1, returned: { hidden: '32 bytes' } },
  ])
})
