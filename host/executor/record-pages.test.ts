// Pages of records pinned to one height, while blocks are applied between them: by effective time and by
// arrival, of one patient and of all, by code and by author; and nothing of a younger height in any of them.
import t from 'tap'
import type { Proposal, RecordPage, RecordQuery, Session } from '../api/node-port.js'
import { createSingleNode, type SingleNode } from '../node/single-node.fixture.js'

const lisa = 'a1'.repeat(16)
const other = 'b2'.repeat(16)
const via = { application: 'test' }

const admission = (patient: string): Proposal => ({
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient,
      code: 'ADT^A01',
      body: {
        family: 'Jones',
        given: 'Lisa',
        birthDate: 19970214,
        sex: 'F',
        pregnancy: 1,
        identifiers: [],
        ward: '4',
        room: '12',
        bed: 'A',
        visitNumber: patient,
        reason: '',
      },
    },
  ],
})

/** Effective times run backwards, so that both orders differ. */
const pulse = (patient: string, value: number, code = '8867-4'): Proposal => ({
  type: 'append',
  records: [
    {
      kind: 'observation',
      patient,
      code,
      effectiveTime: 1_700_000_000_000 - value,
      body: {
        value: String(value),
        scale: 0,
        unit: '/min',
        text: '',
        status: 'F',
        validation: 2,
        sourceText: '',
        device: '',
      },
    },
  ],
})

const textOf = (body: RecordPage['records'][number]['body']): string =>
  typeof body?.value === 'string' ? body.value : ''

async function pages(
  single: SingleNode,
  session: Session,
  query: Omit<RecordQuery, 'application' | 'after'>,
  between: () => Promise<unknown>,
): Promise<{ values: string[]; pins: Set<string>; count: number }> {
  const values: string[] = []
  const pins = new Set<string>()
  let count = 0
  let after: string | null = null
  do {
    const page: RecordPage = await ask(single, session, after === null ? query : { ...query, after })
    for (const { body } of page.records) values.push(textOf(body))
    pins.add(`${page.height}/${page.blockTime}/${page.stateRoot}`)
    count += 1
    after = page.next
    if (after !== null) await between()
  } while (after !== null)
  return { values, pins, count }
}

async function ask(
  single: SingleNode,
  session: Session,
  query: Omit<RecordQuery, 'application'>,
): Promise<RecordPage> {
  const outcome = await single.node.records(session, { ...query, ...via })
  if (!outcome.ok) throw new Error(`${outcome.code} ${outcome.detail ?? ''}`)
  return outcome.value
}

t.test('a paged query sees one height, whatever is applied between its pages', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const [nurse, doctor] = await Promise.all([single.signIn('nurse'), single.signIn('doctor')])
  for (const patient of [lisa, other]) await single.sign(nurse, admission(patient))
  for (const value of [1, 2, 3, 4, 5, 6]) await single.sign(nurse, pulse(lisa, value))
  await single.sign(nurse, pulse(other, 50))
  await single.sign(nurse, pulse(lisa, 60, '9279-1'))
  let next = 100
  const between = async (): Promise<void> => {
    next += 1
    await single.sign(nurse, pulse(next % 2 === 0 ? lisa : other, next))
  }
  const base = { kind: 'observation', limit: 2 } as const
  const runs: [string, Omit<RecordQuery, 'application'>, string[]][] = [
    [
      'newest effective',
      { ...base, patient: lisa, code: '8867-4', order: 'newest' },
      ['1', '2', '3', '4', '5', '6'],
    ],
    ['oldest effective', { ...base, patient: lisa, order: 'oldest' }, ['60', '6', '5', '4', '3', '2', '1']],
    [
      'oldest arrival',
      { ...base, patient: lisa, by: 'arrival', order: 'oldest' },
      ['1', '2', '3', '4', '5', '6', '60'],
    ],
    [
      'arrival, one code',
      { ...base, patient: lisa, by: 'arrival', code: '9279-1', order: 'newest' },
      ['60'],
    ],
  ]
  const { height } = single.node.status()
  for (const [name, query, expected] of runs) {
    const { values, pins, count } = await pages(single, nurse, { ...query, pinned: height }, between)
    t.same(values, expected, name)
    t.equal(pins.size, 1, `${name}: one height, time and root`)
    t.ok(count >= Math.ceil(expected.length / 2))
  }
  const all = await pages(
    single,
    nurse,
    { ...base, by: 'arrival', order: 'newest', pinned: height },
    between,
  )
  t.same(all.values, ['60', '50', '6', '5', '4', '3', '2', '1'], 'every patient, by arrival')
  t.equal(all.pins.size, 1)
  t.ok(single.node.status().height > height + 8, 'blocks were applied meanwhile')

  // Without a height the first page chooses it.
  const before = await ask(single, nurse, { ...base, patient: lisa, by: 'arrival', order: 'newest' })
  const free = await pages(
    single,
    nurse,
    { ...base, patient: lisa, by: 'arrival', order: 'newest' },
    between,
  )
  t.equal(free.values[0], textOf(before.records[0].body))
  t.equal(free.pins.size, 1)

  const author = single.persons.nurse
  const mine = await pages(
    single,
    doctor,
    { ...base, author, patient: lisa, order: 'newest', pinned: height },
    between,
  )
  t.equal(mine.values.length, 7)
  const nobody = { ...base, author: single.persons.doctor, patient: lisa, order: 'newest' } as const
  t.same((await pages(single, doctor, nobody, between)).values, [])

  // Who may not see a patient gets a list without that patient.
  const vendor = await single.signIn('vendor')
  t.same((await pages(single, vendor, { ...base, by: 'arrival', order: 'newest' }, between)).values, [])
  const refusals: Partial<RecordQuery>[] = [
    { pinned: 1_000_000 },
    { after: '1.2' },
    { author: 'ab' },
    { patient: 'ab' },
    { patient: undefined, by: 'effective' },
  ]
  for (const change of refusals) {
    const query = { ...base, ...via, patient: lisa, order: 'newest' as const, ...change }
    t.match(await single.node.records(nurse, query), { ok: false, code: 'REQUEST_MALFORMED' })
  }
})
