// `ward record list`: what it asks of the local API for its options, and what a person sees of a real node.
import t from 'tap'
import type { Proposal } from '../../host/api/node-port.js'
import { startApi } from '../../host/api/server.js'
import { createNodeLogger } from '../../host/node/node-logger.js'
import { createSingleNode } from '../../host/node/single-node.fixture.js'
import { patienceMs, ward } from './appliance.fixture.js'
import { boundsText, recordQueryOf } from './query.js'

t.setTimeout(patienceMs)

const plain = { kind: 'observation', limit: '20' }

t.test('options become one question', (t) => {
  t.match(recordQueryOf(plain), { kind: 'observation', limit: 20, by: 'effective' })
  const asked = recordQueryOf({
    ...plain,
    from: '2026-11-23T08:00Z',
    to: '2026-11-23T10:00:00+01:00',
    atHeight: '77',
  })
  const from = Date.UTC(2026, 10, 23, 8)
  t.match(asked, { from, to: from + 3_600_000, pinned: 77 })
  t.match(recordQueryOf({ ...plain, from: '2026-11-23' }), { from: Date.UTC(2026, 10, 23) })
  const day = recordQueryOf({ ...plain, from: '2026-11-23', to: '2026-11-23' })
  t.match(day, { to: Date.UTC(2026, 10, 24) - 1 }, 'a day to its end')
  t.equal(boundsText(day), ', effective from 2026-11-23 00:00:00.000Z to 2026-11-23 23:59:59.999Z,')
  t.match(recordQueryOf({ ...plain, from: '1795420800000' }), { from: 1_795_420_800_000 })
  const arrived = recordQueryOf({ ...plain, by: 'arrival', from: '3', to: '9' })
  t.match(arrived, { by: 'arrival', from: 3, to: 9 })
  t.equal(boundsText(arrived), ', arrival from #3 to #9,')
  t.equal(boundsText(recordQueryOf(plain)), '')
  t.end()
})

t.test('what cannot be meant is refused before anybody signs in', (t) => {
  for (const wrong of [
    { kind: 'letter' },
    { by: 'name' },
    { from: 'yesterday' },
    { from: '2026-11-23T08:00' },
    { from: '2026' },
    { to: '20261123' },
    { to: '202611230800' },
    { from: '2026-02-30' },
    { to: '2026-11-23T25:00Z' },
    { by: 'arrival', from: '2026-11-23T08:00Z' },
    { atHeight: '-1' },
    { limit: '0' },
    { limit: '501' },
  ])
    t.throws(() => recordQueryOf({ ...plain, ...wrong }), { code: 'USAGE' }, JSON.stringify(wrong))
  t.end()
})

t.test('by author, time, arrival and height, on a real node', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const logger = createNodeLogger('test', 'silent')
  const api = await startApi(
    { port: 0, host: '127.0.0.1', staticFolder: 'dist/shell' },
    single.node,
    logger,
  )
  t.teardown(() => api.close())
  const patient = '44'.repeat(16)
  const eight = Date.UTC(2026, 0, 1, 8)
  const nurse = await single.signIn('nurse')
  await single.sign(nurse, admissionOf(patient))
  // Reported late: what was so at eight o'clock arrives after what was so at nine.
  const later = await single.sign(nurse, pulseOf(patient, '90', eight + 3_600_000))
  const doctor = await single.signIn('doctor')
  await single.sign(doctor, pulseOf(patient, '80', eight))

  const list = async (...args: string[]) => {
    const as = ['--as', 'Test nurse', '--json', '--api', api.url]
    const ran = await ward(['record', 'list', ...as, ...args], ['second password of the test'])
    t.equal(ran.status, 0, ran.stderr)
    const records = ran.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { body: { value: string }; number: number; author: object })
    return { values: records.map(({ body }) => body.value), records, note: ran.stderr }
  }
  const all = await list()
  t.same(all.values, ['90', '80'], 'the newest effective time first')
  const { author } = all.records[1] as unknown as { author: { entity: string } }
  t.match(all.note, /2 record\(s\) of 1 patient\(s\), as of height \d+\n$/)
  t.same((await list('--by', 'arrival')).values, ['80', '90'], 'the last to arrive first')
  const { number } = all.records[0]
  t.same((await list('--by', 'arrival', '--to', String(number))).values, ['90'])
  const since = await list('--from', '2026-01-01T08:30Z', '--to', '2026-01-01')
  t.same(since.values, ['90'], 'of a day with all its hours')
  t.match(
    since.note,
    /1 record\(s\), effective from 2026-01-01 08:30:00\.000Z to 2026-01-01 23:59:59\.999Z, of 1/,
  )
  t.same((await list('--to', '2026-01-01T09:30+01:00')).values, ['80'])
  t.same((await list('--author', 'Test doctor')).values, ['80'])
  t.same((await list('--author', author.entity)).values, ['80'])
  t.same((await list('--at-height', String(later.height))).values, ['90'], 'the other was not there yet')
  const first = await list('--limit', '1')
  t.same(first.values, ['90'])
  t.match(first.note, /there are more: --limit/)
  const above = ['record', 'list', '--as', 'Test nurse', '--api', api.url, '--at-height', '999999']
  t.match(await ward(above, ['second password of the test']), {
    status: 1,
    stderr: /no such height yet.*REQUEST_MALFORMED/,
  })
})

const admissionOf = (patient: string): Proposal => {
  const place = { ward: '', room: '', bed: '', visitNumber: '' }
  const words = { family: 'Test', given: 'Tess', sex: 'F', reason: '', ...place }
  const body = { ...words, birthDate: 19_700_101, pregnancy: 1, identifiers: [] }
  return { type: 'append', records: [{ kind: 'admission', patient, code: 'ADT^A01', body }] }
}

const pulseOf = (patient: string, value: string, effectiveTime: number): Proposal => {
  const words = { unit: '/min', text: '', status: 'F', sourceText: '', device: '' }
  const body = { ...words, value, scale: 0, validation: 2 }
  return {
    type: 'append',
    records: [{ kind: 'observation', patient, code: '8867-4', effectiveTime, body }],
  }
}
