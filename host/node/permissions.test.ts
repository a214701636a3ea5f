// Who may read and sign in, as the chain says it now: grants end, keys are revoked, and lists stay whole.
import t from 'tap'
import { bytesToHex, entityIdOf, hexToBytes, keyIdOf, recordKind } from '../../runtime/protocol/index.js'
import type { Proposal, Session } from '../api/node-port.js'
import { generateSigningKey, sha256, type SigningKey } from '../keys/crypto.js'
import { createSingleNode, personPassword, type SingleNode } from './single-node.fixture.js'
import { draftAppend, payloadOf, signBundle, type DraftRecord } from './transaction-builder.js'

const via = { application: 'test' }

const call = (target: string, method: string, args: Record<string, unknown>): Proposal =>
  ({ type: 'call', target, method, args }) as Proposal

const grant = (change: Record<string, unknown>): Proposal =>
  call('ward/policy', 'grant', {
    role: '',
    entity: '00'.repeat(32),
    target: '',
    names: [],
    patient: null,
    validUntil: '0',
    ...change,
  })

async function expectOk(single: SingleNode, session: Session, proposal: Proposal): Promise<void> {
  const receipt = await single.sign(session, proposal)
  if (receipt.code !== 'OK') throw new Error(`${receipt.code} ${receipt.detail}`)
}

const admission = (patient: Uint8Array, family: string): DraftRecord => ({
  kind: recordKind.admission,
  patient,
  code: 'ADT^A01',
  effectiveTime: Date.now(),
  body: {
    schema: 1,
    family,
    given: 'Lisa',
    birthDate: 19970214,
    sex: 'F',
    pregnancy: 0,
    identifiers: [],
    ward: '4',
    room: '12',
    bed: 'A',
    visitNumber: family,
    reason: '',
  },
})

const patientOf = (number: number): Uint8Array => {
  const patient = new Uint8Array(16).fill(1)
  new DataView(patient.buffer).setUint32(0, number)
  return patient
}

/** A source of the hospital's own system: enrolled, and granted to admit. */
class Registry {
  readonly key: SigningKey = generateSigningKey()
  readonly entity = entityIdOf(sha256, this.key.publicKey)
  private sequence = 0

  async enrol(single: SingleNode, admin: Session): Promise<void> {
    const publicKey = bytesToHex(this.key.publicKey)
    await expectOk(single, admin, call('ward/governance', 'enrol', { kind: 2, publicKey }))
    const entity = bytesToHex(this.entity)
    const kind = recordKind.admission
    await expectOk(single, admin, grant({ id: 'ad'.repeat(16), entity, action: 1, kind }))
  }

  bundle(single: SingleNode, records: DraftRecord[]): Uint8Array {
    const draft = draftAppend(records)
    if (!draft.ok) throw new Error(draft.detail)
    const sender = {
      chainId: hexToBytes(single.node.status().chainId) ?? new Uint8Array(32),
      entity: this.entity,
      publicKey: this.key.publicKey,
    }
    const terms = { stream: 0, sequence: this.sequence++, fuelLimit: 50_000_000 }
    return signBundle(payloadOf(sender, draft.value, terms), draft.value, this.key)
  }
}

t.test('a read grant ends with the block time it names', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const nurse = await single.signIn('nurse')
  const vendor = await single.signIn('vendor')
  const patient = bytesToHex(patientOf(1))
  const { body, ...rest } = admission(patientOf(1), 'Jones')
  const { schema: _, ...shown } = body as Record<string, unknown>
  await expectOk(single, nurse, {
    type: 'append',
    records: [{ kind: 'admission', patient, code: rest.code, body: shown as never }],
  })
  const query = { ...via, patient, kind: 'admission', limit: 10, order: 'newest' } as const
  const read = () => single.node.records(vendor, query)
  t.match(await read(), { ok: false, code: 'READ_NOT_GRANTED' })

  const entity = single.persons.vendor
  // Long enough for the grant to be final before, on a busy machine too.
  const until = Date.now() + 8_000
  const short = grant({ id: '51'.repeat(16), entity, action: 2, kind: 0, validUntil: String(until) })
  await expectOk(single, admin, short)
  t.match(await read(), { ok: true })
  const listed = await single.node.patients(vendor, via)
  t.equal(listed.ok && listed.value.patients.length, 1)

  await new Promise((resolve) => setTimeout(resolve, Math.max(0, until - Date.now()) + 50))
  // A record, not a call of the policy: nothing but the chain's clock may make the node ask again.
  await expectOk(single, nurse, {
    type: 'append',
    records: [
      { kind: 'admission', patient: bytesToHex(patientOf(2)), code: rest.code, body: shown as never },
    ],
  })
  t.ok(single.node.status().blockTime > until)
  const ended = await read()
  t.match(ended, { ok: false, code: 'READ_NOT_GRANTED' })
  t.match(!ended.ok && ended.detail, /ended/)
  const gone = await single.node.patients(vendor, via)
  t.equal(gone.ok && gone.value.patients.length, 0)

  await expectOk(single, admin, grant({ id: '52'.repeat(16), entity, action: 2, kind: 0 }))
  t.match(await read(), { ok: true }, 'another grant holds')
})

t.test('a revoked key signs in no more, and its session ends with the block', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const nurse = await single.signIn('nurse')
  const doctor = await single.signIn('doctor')
  const heard: string[] = []
  single.node.subscribe(nurse, (event) => heard.push(event.type))
  const card = single.personCards.find((person) => person.roles.includes('nurse'))
  const keyId = bytesToHex(keyIdOf(sha256, card?.publicKey ?? new Uint8Array(32)))
  await expectOk(single, admin, call('ward/governance', 'revokeKey', { keyId }))

  for (let waited = 0; waited < 120_000 && single.node.session(nurse.token); waited += 20)
    await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(single.node.session(nurse.token), undefined, 'the session is over')
  t.ok(heard.includes('signedOut'))
  t.ok(single.node.session(doctor.token), 'nobody else was signed out')
  t.match(await single.node.signIn(single.persons.nurse, personPassword.slice()), {
    code: 'SIGN_IN_REJECTED',
  })
  await single.restart()
  t.match(
    await single.node.signIn(single.persons.nurse, personPassword.slice()),
    { code: 'SIGN_IN_REJECTED' },
    'genesis still has the keystore; the chain says no',
  )
  await single.signIn('doctor')
})

t.test('lists are whole: more admissions than one page holds', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const nurse = await single.signIn('nurse')
  const registry = new Registry()
  await registry.enrol(single, admin)
  const perBundle = 32
  const bundles = Array.from({ length: 38 }, (_, part) =>
    registry.bundle(
      single,
      Array.from({ length: perBundle }, (_, index) => {
        const number = part * perBundle + index
        return admission(patientOf(number), `Patient-${String(number).padStart(4, '0')}`)
      }),
    ),
  )
  const total = bundles.length * perBundle
  // The first list is read between two blocks, so that the rest has to be read on top of it.
  await append(single, bundles.slice(0, 2))
  const early = await single.node.patients(nurse, via)
  t.equal(early.ok && early.value.patients.length, 2 * perBundle)
  // All at once: more in one block than one page of the executor holds.
  await append(single, bundles.slice(2))
  const started = performance.now()
  const listed = await single.node.patients(nurse, via)
  const firstMs = performance.now() - started
  if (!listed.ok) throw new Error(listed.code)
  t.equal(listed.value.patients.length, total)
  t.equal(new Set(listed.value.patients.map((patient) => patient.patient)).size, total)
  t.equal(listed.value.patients[0].family, 'Patient-0000', 'the oldest inpatient is still there')
  const again = performance.now()
  await single.node.patients(nurse, via)
  t.comment(
    `${total} patients: ${firstMs.toFixed(0)} ms, then ${(performance.now() - again).toFixed(0)} ms`,
  )
  const denied = await single.node.patients(await single.signIn('vendor'), via)
  t.equal(denied.ok && denied.value.patients.length, 0, 'and nobody sees them without a grant')
})

async function append(single: SingleNode, bundles: Uint8Array[]): Promise<void> {
  const batch = await single.node.submitMany(bundles)
  if (!batch.ok || batch.value.refused.length > 0) throw new Error(JSON.stringify(batch))
  for (const id of batch.value.accepted) {
    for (let tries = 0; ; tries += 1) {
      const found = await single.node.transaction(id)
      if (found.ok && found.value.receipt.code === 'OK') break
      if (found.ok || tries > 500) throw new Error(found.ok ? found.value.receipt.detail : found.code)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
