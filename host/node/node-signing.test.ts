// What a running node says about a proposal before anyone signs it: whom it concerns, from its own ledger
// and as far as the signer may see it.
import t from 'tap'
import type { Prepared, Proposal } from '../api/node-port.js'
import { createSingleNode, type SingleNode } from './single-node.fixture.js'

const lisa = '07'.repeat(16)
const peter = '08'.repeat(16)

const admit = (patient: string, family: string): Proposal => ({
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient,
      code: 'ADT^A01',
      body: {
        family,
        given: '',
        birthDate: 0,
        sex: '',
        pregnancy: 0,
        identifiers: [],
        ward: '',
        room: '',
        bed: '',
        visitNumber: '',
        reason: '',
      },
    },
  ],
})

const finding = (patient: string, supersedes?: string): Proposal => ({
  type: 'append',
  records: [
    {
      kind: 'finding',
      patient,
      code: 'wound-assessment',
      effectiveTime: Date.UTC(2026, 10, 22, 10, 32),
      body: { concepts: ['redness'], site: '', text: '' },
      ...(supersedes === undefined ? {} : { supersedes }),
    },
  ],
})

async function prepare(
  single: SingleNode,
  role: 'admin' | 'nurse' | 'doctor',
  proposal: Proposal,
): Promise<Prepared> {
  const session = await single.signIn(role)
  const prepared = await single.node.prepare(session, proposal)
  if (!prepared.ok) throw new Error(`${prepared.code} ${prepared.detail ?? ''}`)
  return prepared.value
}

const idsOf = (prepared: Prepared): string[] => prepared.patients.map((view) => view.patient)

t.test('subjects of proposals on a running node', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const nurse = await single.signIn('nurse')
  for (const proposal of [admit(lisa, 'Jones'), admit(peter, 'Brown')]) await single.sign(nurse, proposal)
  const { records } = await single.sign(nurse, finding(peter))

  const own = await prepare(single, 'nurse', finding(lisa))
  t.same(idsOf(own), [lisa])
  t.same(own.unknownSubjects, [])
  t.match(own.summary[1], { label: 'Patient', text: `Jones,  (${lisa})` })
  t.match(own.summary[2], { label: 'Time', text: '2026-11-22 10:32:00.000 UTC' })

  const both = await prepare(single, 'nurse', finding(lisa, records[0]))
  t.same(idsOf(both), [lisa, peter], 'a record of one patient that answers a record of another')
  const absent = await prepare(single, 'nurse', finding('09'.repeat(16)))
  t.match(absent, { patients: [], unknownSubjects: ['09'.repeat(16)] })
  const alert = { alert: 'ee'.repeat(32), response: 'acknowledged', reason: '' }
  t.match(
    await prepare(single, 'nurse', {
      type: 'call',
      target: 'ward/alerts',
      method: 'acknowledge',
      args: alert,
    }),
    { meaning: 'I acknowledge', patients: [], unknownSubjects: ['ee'.repeat(32)] },
  )
  const revoke = { type: 'call', target: 'ward/governance', method: 'revokeKey' } as const
  const revoked = await prepare(single, 'admin', { ...revoke, args: { keyId: '12'.repeat(16) } })
  t.match(revoked, { meaning: 'I revoke this key', patients: [], unknownSubjects: [] })
  const erase = { type: 'call', target: 'ward/governance', method: 'erasePatient' } as const
  const erased = await prepare(single, 'admin', { ...erase, args: { patient: lisa } })
  t.equal(erased.patients.length + erased.unknownSubjects.length, 1, 'erasing concerns a patient')
})
