// People who come after the founding, and people who change their password: on a real node, by real
// signatures.
import t from 'tap'
import { bytesToHex, entityIdOf, keyIdOf } from '../../runtime/protocol/index.js'
import type { Proposal, ReceiptView, Session } from '../api/node-port.js'
import { sha256 } from '../keys/crypto.js'
import { createSingleNode, personCard, personPassword, type SingleNode } from './single-node.fixture.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const call = (target: string, method: string, args: Record<string, unknown>): Proposal =>
  ({ type: 'call', target, method, args }) as Proposal

/** Signs in with this password; the code when that is refused. */
async function tryIn(single: SingleNode, person: string, password: Uint8Array): Promise<Session | string> {
  const session = await single.node.signIn(person, password)
  return session.ok ? session.value : session.code
}

t.test('two administrators enrol a person, who signs in with a password of their own', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const card = await personCard('nurse')
  const { publicKey, keystore } = card
  const person = bytesToHex(entityIdOf(sha256, publicKey))
  const [keyHex, keystoreHex] = [publicKey, keystore].map(bytesToHex)
  const enrol = call('ward/governance', 'enrolPerson', {
    ...{ kind: 1, publicKey: keyHex, label: 'Nurse of the night', keystore: keystoreHex },
  })
  const role = call('ward/policy', 'assignRole', { entity: single.persons.doctor, role: 'admin' })
  t.equal((await single.sign(admin, role)).code, 'OK')
  t.match(await single.sign(admin, role), { code: 'CONTRACT_ABORTED', sentence: /another administrator/ })
  t.equal((await single.sign(admin, enrol)).code, 'OK')
  t.equal((await single.sign(admin, enrol)).code, 'SECOND_PERSON_REQUIRED')
  t.equal(await tryIn(single, person, personPassword.slice()), 'SIGN_IN_REJECTED', 'one is not enough')

  const doctor = await single.signIn('doctor')
  t.equal((await single.sign(doctor, enrol)).code, 'CONTRACT_ABORTED', 'no administrator yet')
  t.equal((await single.sign(doctor, role)).code, 'OK')
  t.equal((await single.sign(doctor, enrol)).code, 'OK')
  const nurse = call('ward/policy', 'assignRole', { entity: person, role: 'nurse' })
  t.equal((await single.sign(doctor, nurse)).code, 'OK')
  const session = await tryIn(single, person, personPassword.slice())
  t.match(session, { person: { entity: person, label: 'Nurse of the night', roles: ['nurse'] } })
  const people = await single.node.people()
  t.ok(people.ok && people.value.some(({ label }) => label === 'Nurse of the night'))

  await single.restart()
  t.match(await tryIn(single, person, personPassword.slice()), { person: { roles: ['nurse'] } })
  const again = await single.signIn('admin')
  const keyId = bytesToHex(keyIdOf(sha256, publicKey))
  t.equal((await single.sign(again, call('ward/governance', 'revokeKey', { keyId }))).code, 'OK')
  t.equal(await tryIn(single, person, personPassword.slice()), 'SIGN_IN_REJECTED', 'a revoked key is over')
})

t.test('a person changes the password and keeps the key', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const person = single.persons.nurse
  const session = await single.signIn('nurse')
  const fresh = bytes('another password')
  const change = (present: Uint8Array, changed: Uint8Array) =>
    single.node.changePassword(session, present.slice(), changed.slice())
  t.match(await change(bytes('not the present one'), fresh), { code: 'SIGN_IN_REJECTED' })
  t.match(await change(personPassword, bytes('short')), { code: 'PASSWORD_TOO_SHORT' })
  const changed = (await change(personPassword, fresh)) as { ok: true; value: ReceiptView }
  t.match(changed, { ok: true, value: { code: 'OK' } })
  t.equal(await tryIn(single, person, personPassword.slice()), 'SIGN_IN_REJECTED', 'the old one is over')
  t.match(await tryIn(single, person, fresh.slice()), { person: { entity: person } })

  await single.restart()
  t.equal(await tryIn(single, person, personPassword.slice()), 'SIGN_IN_REJECTED')
  const next = await tryIn(single, person, fresh.slice())
  t.match(next, { person: { entity: person } })
  t.match(await single.signIn('doctor'), { person: { roles: ['doctor'] } }, 'nobody else is touched')
  const spoilt = call('ward/governance', 'setKeystore', { keystore: '00'.repeat(96) })
  const refused = await single.node.prepare(next as Session, spoilt)
  t.match(refused, { code: 'REQUEST_MALFORMED' }, 'no page may propose a wrapping that nobody opens')
})
