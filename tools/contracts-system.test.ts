// The system contracts in the real runtime: who may what, alerts and their answers, orders and their
// signatures.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { bytesToHex, contractAddress, entityKind, recordKind } from '../runtime/protocol/index.js'
import { randomBytes, sha256 } from '../host/keys/crypto.js'
import { buildContracts } from './build-contracts.js'
import {
  admission,
  builtContract,
  ContractChain,
  createSigner,
  finding,
  hex,
  observation,
  zeroId,
  type BlockView,
  type Signer,
} from './contract-chain.fixture.js'

// Compiling on a busy machine takes longer than the default of 30 seconds.
t.setTimeout(600_000)
await buildContracts({ quiet: true })

interface Ward {
  chain: ContractChain
  admin: Signer
  nurse: Signer
  doctor: Signer
  vendor: Signer
  monitor: Signer
  patient: Uint8Array
  monitorGrant: Uint8Array
}

const vitalCodes = ['8310-5', '8480-6', '8462-4', '8867-4', '9279-1', '59408-5', '80288-4', '3151-8']

function foundWard(contracts?: readonly string[]): Ward {
  const admin = createSigner(entityKind.person, 'admin')
  const nurse = createSigner(entityKind.person, 'nurse')
  const doctor = createSigner(entityKind.person, 'doctor')
  const vendor = createSigner(entityKind.vendor, 'vendor')
  const monitor = createSigner(entityKind.source, 'source')
  const monitorGrant = randomBytes(16)
  const grant = { ...sourceGrant(monitor), id: monitorGrant }
  const chain = new ContractChain([admin, nurse, doctor, vendor, monitor], [grant], contracts)
  const patient = randomBytes(16)
  const admitted = chain.append(nurse, patient, [admission()])
  if (admitted.receipt.status !== 0) throw new Error(`not admitted: ${admitted.receipt.detail}`)
  return { chain, admin, nurse, doctor, vendor, monitor, patient, monitorGrant }
}

const sourceGrant = (source: Signer): Record<string, unknown> => ({
  id: new Uint8Array(16),
  role: '',
  entity: source.entity,
  action: 1,
  kind: recordKind.observation,
  target: '',
  names: vitalCodes,
  patient: null,
  validUntil: 0n,
})

const aborted = (t: Test, view: BlockView, code: number): void => {
  t.equal(view.receipt.status, 110, 'the contract refused')
  t.match(view.receipt.detail, new RegExp(`^${code}\\b`), `with its own code ${code}`)
}

t.test('a source appends under its grant, and not after that one grant is revoked', async (t) => {
  const { chain, admin, monitor, patient, monitorGrant } = foundWard()
  const reading = [observation('8310-5', '37.0')]
  const before = chain.append(monitor, patient, reading)
  t.equal(before.receipt.status, 0)
  t.equal(before.receipt.detail, hex(monitorGrant), 'the receipt names the grant')

  t.equal(chain.call(admin, 'ward/policy', 'revoke', { id: monitorGrant }).receipt.status, 0)
  const after = chain.append(monitor, patient, reading)
  t.equal(after.receipt.status, 100, 'the same reading fails')
  t.equal(
    after.receipt.detail,
    'append observation 8310-5 for this patient: ask for a grant with role nurse or a source grant',
  )
  t.same(after.block.records, [], 'nothing was recorded')

  const again = chain.call(admin, 'ward/policy', 'grant', sourceGrant(monitor))
  t.equal(again.receipt.status, 0)
  const granted = again.receipt.returned!
  t.equal(granted.length, 16, 'a grant without an id gets one')
  t.equal(chain.append(monitor, patient, reading).receipt.detail, bytesToHex(granted))
  aborted(t, chain.call(admin, 'ward/policy', 'revoke', { id: monitorGrant }), 1002)
})

t.test('grants are exact: kind, code, patient, end', async (t) => {
  const { chain, admin, monitor, patient, nurse } = foundWard()
  t.equal(
    chain.append(monitor, patient, [observation('2524-7', '2.0')]).receipt.status,
    100,
    'another code',
  )
  t.equal(
    chain.append(monitor, patient, [finding('wound-assessment', [])]).receipt.status,
    100,
    'another kind',
  )
  const mixed = chain.append(monitor, patient, [
    observation('8310-5', '37.0'),
    observation('2524-7', '2.0'),
  ])
  t.equal(mixed.receipt.status, 100, 'one record without a grant takes the others with it')
  t.same(mixed.block.records, [])

  const analyser = createSigner(entityKind.source)
  const other = randomBytes(16)
  chain.append(nurse, other, [admission()])
  chain.call(admin, 'ward/governance', 'enrol', {
    kind: entityKind.source,
    publicKey: analyser.key.publicKey,
  })
  const forOne = {
    ...sourceGrant(analyser),
    names: ['2524-7'],
    patient,
    validUntil: BigInt(chain.time + 300_000),
  }
  chain.call(admin, 'ward/policy', 'grant', forOne)
  t.equal(chain.append(analyser, patient, [observation('2524-7', '2.0')]).receipt.status, 0)
  t.equal(
    chain.append(analyser, other, [observation('2524-7', '2.0')]).receipt.status,
    100,
    'another patient',
  )
  const late = chain.append(analyser, patient, [observation('2524-7', '2.0')], 10)
  t.equal(late.receipt.status, 100, 'after its end')
})

t.test('only a prescriber may set SpO2 scale 2', async (t) => {
  const { chain, nurse, doctor, patient } = foundWard()
  const scale = [finding('spo2-scale-2', [])]
  t.equal(chain.append(nurse, patient, scale).receipt.status, 100)
  t.equal(chain.append(doctor, patient, scale).receipt.status, 0)
})

t.test('roles: administrators only, and the last one stays', async (t) => {
  const { chain, admin, nurse, doctor, patient } = foundWard()
  aborted(t, chain.call(nurse, 'ward/policy', 'assignRole', { entity: nurse.entity, role: 'admin' }), 101)
  aborted(t, chain.call(nurse, 'ward/policy', 'grant', sourceGrant(nurse)), 101)
  aborted(t, chain.call(admin, 'ward/policy', 'removeRole', { entity: admin.entity, role: 'admin' }), 1001)
  makeAdmin(chain, admin, doctor)
  aborted(t, chain.call(admin, 'ward/policy', 'assignRole', { entity: doctor.entity, role: 'admin' }), 1000)
  t.equal(
    chain.call(doctor, 'ward/policy', 'removeRole', { entity: admin.entity, role: 'admin' }).receipt.status,
    0,
  )
  aborted(t, chain.call(admin, 'ward/policy', 'removeRole', { entity: nurse.entity, role: 'nurse' }), 101)
  t.equal(
    chain.call(doctor, 'ward/policy', 'removeRole', { entity: nurse.entity, role: 'nurse' }).receipt.status,
    0,
  )
  const refused = chain.append(nurse, patient, [finding('wound-assessment', ['redness'])])
  t.equal(refused.receipt.status, 100, 'without the role the nurse may not append')
  const unfit = { entity: nurse.entity, role: 'Nurse 2' }
  aborted(t, chain.call(doctor, 'ward/policy', 'assignRole', unfit), 116)
})

/** While there is one administrator only, the second word is the person's own. */
function makeAdmin(chain: ContractChain, admin: Signer, person: Signer): void {
  const role = { entity: person.entity, role: 'admin' }
  for (const signer of [admin, person]) {
    const { receipt } = chain.call(signer, 'ward/policy', 'assignRole', role)
    if (receipt.status !== 0) throw new Error(`not an administrator: ${receipt.detail}`)
  }
}

t.test('views: who holds what, who may read', async (t) => {
  const { chain, nurse, monitor, patient, monitorGrant } = foundWard()
  t.same(chain.view('ward/policy', 'rolesOfEntity', { entity: nurse.entity }), ['nurse'])
  const held = chain.view<{ id: Uint8Array; names: string[] }[]>('ward/policy', 'grantsOf', {
    role: '',
    entity: monitor.entity,
  })
  t.equal(held.length, 1)
  t.equal(hex(held[0].id), hex(monitorGrant))
  t.same(held[0].names, vitalCodes)
  const ofNurse = chain.view<{ role: string }[]>('ward/policy', 'grantsOf', {
    role: 'nurse',
    entity: zeroId,
  })
  t.ok(ofNurse.length >= 5, 'the built-in role is made of grants')
  t.ok(ofNurse.every(({ role }) => role === 'nurse'))
  const question = { patient, kind: recordKind.observation }
  t.match(chain.view('ward/policy', 'mayRead', { reader: nurse.entity, ...question }), { allowed: true })
  t.match(chain.view('ward/policy', 'mayRead', { reader: monitor.entity, ...question }), {
    allowed: false,
    missing: 'read observation of this patient: ask for a grant with role nurse or doctor',
  })
  t.match(
    chain.view('ward/policy', 'mayCall', { caller: nurse.entity, target: 'ward/orders', method: 'sign' }),
    {
      allowed: false,
      missing: 'call ward/orders sign: ask for role doctor',
    },
  )
})

t.test('governance: a rule arrives by transactions', async (t) => {
  const system = ['ward-policy', 'ward-governance', 'ward-alerts', 'ward-orders']
  const { chain, admin, vendor, monitor, patient } = foundWard(system)
  const low = [observation('8480-6', '80')]
  t.equal(chain.append(monitor, patient, low).ruleReceipts('ward/deterioration').length, 0, 'no rule yet')

  const { manifest, code } = builtContract('ward-deterioration')
  const names = { manifest: sha256(manifest), code: sha256(code) }
  aborted(t, chain.call(admin, 'ward/governance', 'deploy', names, [manifest, code]), 101)
  const deployed = chain.call(vendor, 'ward/governance', 'deploy', names, [manifest, code])
  t.equal(deployed.receipt.status, 0, deployed.receipt.detail ?? 'deployed')
  const address = contractAddress(sha256, {
    chainId: chain.chainId,
    alias: 'ward/deterioration',
    manifestHash: names.manifest,
    codeHash: names.code,
  })
  t.equal(
    chain.append(monitor, patient, low).ruleReceipts('ward/deterioration').length,
    0,
    'deployed, not active',
  )
  const now = { addresses: [address], at: 0n }
  aborted(t, chain.call(vendor, 'ward/governance', 'activate', now), 101)
  t.equal(
    chain.call(admin, 'ward/governance', 'activate', now).receipt.status,
    140,
    'nobody has approved it',
  )
  aborted(t, chain.call(vendor, 'ward/governance', 'approve', { address }), 101)
  t.equal(chain.call(admin, 'ward/governance', 'approve', { address }).receipt.status, 0)
  t.equal(chain.call(admin, 'ward/governance', 'activate', now).receipt.status, 0)
  const fired = chain.append(monitor, patient, low)
  t.equal(fired.ruleReceipts('ward/deterioration')[0].status, 0)
  t.equal(fired.made(recordKind.alert).length, 1, 'the active rule raises an alert')
  t.equal(
    chain.call(vendor, 'ward/governance', 'deploy', names, [manifest, code]).receipt.status,
    122,
    'deployed already',
  )
  t.equal(
    chain.call(admin, 'ward/governance', 'activate', { addresses: [zeroId], at: 0n }).receipt.status,
    105,
    'no such version',
  )
})

t.test('governance: identities and keys', async (t) => {
  const { chain, admin, nurse, doctor, patient } = foundWard()
  makeAdmin(chain, admin, doctor)
  const newcomer = createSigner(entityKind.person)
  const { publicKey } = newcomer.key
  const card = { kind: entityKind.person, publicKey, label: 'Nurse, ward 4', keystore: randomBytes(96) }
  const asked = chain.call(admin, 'ward/governance', 'enrolPerson', card)
  t.equal(
    hex(asked.receipt.returned!),
    `${hex(newcomer.entity)}00`,
    'named by its first key, not enrolled yet',
  )
  t.equal(chain.call(admin, 'ward/governance', 'enrolPerson', card).receipt.status, 230, 'not by the same')
  t.throws(() => chain.append(newcomer, patient, [finding('wound-assessment', [])]), /KEY_UNKNOWN/)
  const other = { ...card, label: 'Chief physician' }
  aborted(t, chain.call(doctor, 'ward/governance', 'enrolPerson', other), 116)
  const device = { ...card, kind: entityKind.source }
  aborted(t, chain.call(admin, 'ward/governance', 'enrolPerson', device), 116)
  const enrolled = chain.call(doctor, 'ward/governance', 'enrolPerson', card)
  t.equal(hex(enrolled.receipt.returned!), `${hex(newcomer.entity)}01`)
  const asking = { keystore: randomBytes(96) }
  t.equal(chain.call(newcomer, 'ward/governance', 'setKeystore', asking).receipt.status, 0, 'its own')
  for (const keystore of [randomBytes(63), randomBytes(257)]) {
    t.not(chain.call(newcomer, 'ward/governance', 'setKeystore', { keystore }).receipt.status, 0)
  }
  t.equal(
    chain.append(newcomer, patient, [finding('wound-assessment', [])]).receipt.status,
    100,
    'known, not allowed',
  )
  chain.call(admin, 'ward/policy', 'assignRole', { entity: newcomer.entity, role: 'nurse' })
  t.equal(chain.append(newcomer, patient, [finding('wound-assessment', [])]).receipt.status, 0)
  const role = { entity: newcomer.entity, role: 'admin' }
  for (const by of [admin, doctor])
    t.equal(chain.call(by, 'ward/policy', 'assignRole', role).receipt.status, 0)
  aborted(t, chain.call(admin, 'ward/policy', 'personEnrolled', { entity: newcomer.entity }), 101)
  const keyId = sha256(newcomer.key.publicKey).subarray(0, 16)
  aborted(t, chain.call(nurse, 'ward/governance', 'revokeKey', { keyId }), 101)
  t.equal(chain.call(admin, 'ward/governance', 'revokeKey', { keyId }).receipt.status, 0)
  t.throws(() => chain.append(newcomer, patient, [finding('wound-assessment', [])]), /KEY_REVOKED/)
})

t.test('alerts: one for each patient, rule and branch', async (t) => {
  const { chain, monitor, patient, nurse } = foundWard()
  const low = [observation('8480-6', '88')]
  const first = chain.append(monitor, patient, low)
  const [alert] = first.made(recordKind.alert)
  t.equal(alert.header.code, 'ward/deterioration')
  const second = chain.append(monitor, patient, low)
  t.equal(second.made(recordKind.alert).length, 0, 'repeated evidence is folded')
  t.equal(second.ruleReceipts('ward/deterioration')[0].events[0].topic, 'alert-folded')
  const other = randomBytes(16)
  chain.append(nurse, other, [admission()])
  t.equal(chain.append(monitor, other, low).made(recordKind.alert).length, 1, 'another patient')
  const later = chain.append(monitor, patient, low, 6 * 60)
  const [repeated] = later.made(recordKind.alert)
  t.equal(
    hex(repeated.header.supersedes!),
    hex(alert.id),
    'after six hours a new one stands for the open one',
  )
})

t.test('alerts: only rules raise them, through the kernel', async (t) => {
  const { chain, doctor } = foundWard()
  const draft = {
    rule: 'ward/deterioration',
    ruleVersion: '1',
    ruleAddress: zeroId,
    patient: new Uint8Array(16),
    branch: 'red',
    severity: 3,
    summary: 'x',
    inputs: [],
    basis: [],
    missing: [],
    wouldChange: [],
    citation: '',
  }
  t.equal(chain.call(doctor, 'ward/alerts', 'raise', draft).receipt.status, 106, 'no method for people')
})

t.test('alerts: answers', async (t) => {
  const { chain, monitor, patient, nurse } = foundWard()
  const [{ id: alert }] = chain
    .append(monitor, patient, [observation('8480-6', '88')])
    .made(recordKind.alert)
  const answer = (signer: Signer, response: string, reason = ''): BlockView =>
    chain.call(signer, 'ward/alerts', 'acknowledge', { alert, response, reason })
  aborted(t, answer(monitor, 'acknowledged'), 101)
  aborted(t, answer(nurse, 'ignored'), 116)
  const seen = answer(nurse, 'acknowledged')
  t.equal(seen.receipt.status, 0)
  const [record] = seen.made(recordKind.alertResponse)
  t.equal(hex(record.header.supersedes!), hex(alert), 'the answer names the alert')
  t.equal(seen.receipt.events[0].topic, 'alert-answered')
  aborted(t, answer(nurse, 'acknowledged'), 1000)
  aborted(t, answer(nurse, 'disagree'), 1003)
  t.equal(answer(nurse, 'acted').receipt.status, 0, 'an acknowledged alert is acted upon')
  aborted(t, answer(nurse, 'will-review'), 1000)
  const status = chain.view<{ status: number; answeredBy: Uint8Array }>('ward/alerts', 'alertStatus', {
    alert,
  })
  t.equal(status.status, 3)
  t.equal(hex(status.answeredBy), hex(nurse.entity))
  const unknown = chain.call(nurse, 'ward/alerts', 'acknowledge', {
    alert: zeroId,
    response: 'acted',
    reason: '',
  })
  aborted(t, unknown, 104)
})

t.test('alerts: retracted by a physician with a reason', async (t) => {
  const { chain, monitor, patient, nurse, doctor } = foundWard()
  const low = [observation('8480-6', '88')]
  const [{ id: alert }] = chain.append(monitor, patient, low).made(recordKind.alert)
  aborted(t, chain.call(nurse, 'ward/alerts', 'retract', { alert, reason: 'cuff slipped' }), 101)
  aborted(t, chain.call(doctor, 'ward/alerts', 'retract', { alert, reason: '' }), 1003)
  t.equal(chain.call(doctor, 'ward/alerts', 'retract', { alert, reason: 'cuff slipped' }).receipt.status, 0)
  aborted(
    t,
    chain.call(nurse, 'ward/alerts', 'acknowledge', { alert, response: 'acted', reason: '' }),
    1000,
  )
  t.equal(
    chain.append(monitor, patient, low).made(recordKind.alert).length,
    1,
    'new evidence raises a new alert',
  )
})

const items = [
  { item: '2524-7', display: 'Lactate', category: 'laboratory', detail: '', needs: [] },
  { item: 'crystalloid', display: 'Crystalloid', category: 'fluid', detail: '', needs: ['weight'] },
]

t.test('orders: proposed, signed, declined', async (t) => {
  const { chain, admin, doctor, nurse, patient } = foundWard()
  const proposal = {
    rule: 'ward/sepsis-screen',
    ruleVersion: '1',
    ruleAddress: zeroId,
    patient,
    alert: null,
    orderSet: 'test-set',
    items,
  }
  aborted(t, chain.call(doctor, 'ward/orders', 'propose', proposal), 101)
  chain.call(admin, 'ward/policy', 'grant', {
    ...sourceGrant(doctor),
    action: 3,
    kind: 0,
    target: 'ward/orders',
    names: ['propose'],
  })
  const proposed = chain.call(doctor, 'ward/orders', 'propose', proposal)
  t.equal(proposed.receipt.status, 0, proposed.receipt.detail ?? 'proposed')
  const orders = proposed.made(recordKind.order)
  t.same(
    orders.map(({ header }) => header.code),
    ['2524-7', 'crystalloid'],
    'one record for each item, in order',
  )
  t.same(chain.call(doctor, 'ward/orders', 'propose', proposal).made(recordKind.order), [], 'open already')

  const [lactate, fluid] = orders
  aborted(t, chain.call(nurse, 'ward/orders', 'sign', { order: lactate.id, meaning: 'I order' }), 101)
  aborted(t, chain.call(doctor, 'ward/orders', 'sign', { order: lactate.id, meaning: '' }), 1003)
  const signed = chain.call(doctor, 'ward/orders', 'sign', { order: lactate.id, meaning: 'I order' })
  t.equal(hex(signed.made(recordKind.orderEvent)[0].header.supersedes!), hex(lactate.id))
  aborted(t, chain.call(doctor, 'ward/orders', 'sign', { order: lactate.id, meaning: 'I order' }), 1000)
  aborted(t, chain.call(doctor, 'ward/orders', 'decline', { order: fluid.id, reason: '' }), 1003)
  t.equal(
    chain.call(doctor, 'ward/orders', 'decline', { order: fluid.id, reason: 'heart failure' }).receipt
      .status,
    0,
  )
  const status = chain.view<{ status: number; decidedBy: Uint8Array }>('ward/orders', 'orderStatus', {
    order: fluid.id,
  })
  t.equal(status.status, 3)
  t.equal(hex(status.decidedBy), hex(doctor.entity))
  aborted(t, chain.call(doctor, 'ward/orders', 'sign', { order: zeroId, meaning: 'I order' }), 104)
  t.same(
    chain.call(doctor, 'ward/orders', 'propose', proposal).made(recordKind.order),
    [],
    'signed a moment ago',
  )
  chain.append(nurse, patient, [finding('wound-assessment', [])], 6 * 60)
  t.equal(
    chain.call(doctor, 'ward/orders', 'propose', proposal).made(recordKind.order).length,
    2,
    'six hours later',
  )
})

t.test('what is stored comes back: Borsh in the contract and in TypeScript agree', async (t) => {
  const { chain, admin } = foundWard()
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((text) => new TextEncoder().encode(text).length <= 64)
  const grants = fc.record({
    id: fc.uint8Array({ minLength: 16, maxLength: 16 }).filter((bytes) => bytes.some((byte) => byte !== 0)),
    entity: fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .filter((bytes) => bytes.some((byte) => byte !== 0)),
    action: fc.constantFrom(1, 2),
    kind: fc.integer({ min: 1, max: 63 }),
    names: fc.array(name, { maxLength: 8 }),
    patient: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 })),
    validUntil: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  })
  fc.assert(
    fc.property(grants, (drawn) => {
      const grant = { ...drawn, role: '', target: '' }
      const { receipt } = chain.call(admin, 'ward/policy', 'grant', grant)
      if (receipt.status !== 0) throw new Error(`refused: ${receipt.detail}`)
      const held = chain.view<(typeof grant)[]>('ward/policy', 'grantsOf', {
        role: '',
        entity: grant.entity,
      })
      const found = held.find(({ id }) => hex(id) === hex(grant.id))
      t.same({ ...found }, grant)
      chain.call(admin, 'ward/policy', 'revoke', { id: grant.id })
      const left = chain.view<unknown[]>('ward/policy', 'grantsOf', { role: '', entity: grant.entity })
      t.equal(left.length, held.length - 1, 'revoked')
    }),
    { numRuns: 40 },
  )
})

t.test('a policy question is cheap and does not grow with the number of grants', async (t) => {
  const { chain, admin, monitor, nurse, patient } = foundWard()
  const question = { author: monitor.entity, patient, kind: recordKind.observation, code: '8310-5' }
  const before = chain.viewFuel('ward/policy', 'mayAppend', question)
  for (let index = 0; index < 30; index += 1) {
    chain.call(admin, 'ward/policy', 'grant', { ...sourceGrant(monitor), patient: randomBytes(16) })
  }
  t.equal(
    chain.viewFuel('ward/policy', 'mayAppend', question),
    before,
    'grants for other patients cost nothing',
  )
  t.ok(before > 0 && before < 150_000, `${before} fuel for a source`)
  const ofNurse = chain.viewFuel('ward/policy', 'mayAppend', { ...question, author: nurse.entity })
  t.ok(ofNurse < 160_000, `${ofNurse} fuel for a role`)
})
