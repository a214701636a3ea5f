// Who may be one of two administrators: in the real contracts, on a chain in this process.
import t, { type Test } from 'tap'
import { entityKind } from '../runtime/protocol/index.js'
import { buildContracts } from './build-contracts.js'
import {
  ContractChain,
  createSigner,
  hex,
  zeroId,
  type BlockView,
  type Signer,
} from './contract-chain.fixture.js'

// Compiling on a busy machine takes longer than the default of 30 seconds.
t.setTimeout(600_000)
await buildContracts({ quiet: true })

const aborted = (t: Test, view: BlockView, code: number): void => {
  t.equal(view.receipt.status, 110, 'the contract refused')
  t.match(view.receipt.detail, new RegExp(`^${code}\\b`), `with its own code ${code}`)
}

t.test('whoever may be one of two is made by two', async (t) => {
  const admin = createSigner(entityKind.person, 'admin')
  const nurse = createSigner(entityKind.person, 'nurse')
  const doctor = createSigner(entityKind.person, 'doctor')
  const monitor = createSigner(entityKind.source, 'source')
  const chain = new ContractChain([admin, nurse, doctor, monitor], [])
  const say = (signer: Signer, method: string, args: object): BlockView =>
    chain.call(signer, 'ward/policy', method, args)
  const roles = (of: Signer): string[] => chain.view('ward/policy', 'rolesOfEntity', { entity: of.entity })
  const asAdmin = (of: Signer): object => ({ entity: of.entity, role: 'admin' })

  // One administrator: with a person, never with a device, and nobody makes oneself one.
  aborted(t, say(doctor, 'assignRole', asAdmin(doctor)), 101)
  t.equal(hex(say(admin, 'assignRole', asAdmin(doctor)).receipt.returned!), '00', 'noted')
  aborted(t, say(admin, 'assignRole', asAdmin(doctor)), 1004)
  aborted(t, say(nurse, 'assignRole', asAdmin(doctor)), 101)
  t.same(roles(doctor), ['doctor'], 'not yet')
  const back = say(admin, 'removeRole', asAdmin(doctor)).receipt
  t.equal(back.events[0].topic, 'role-request-withdrawn', 'taken back')
  aborted(t, say(doctor, 'assignRole', asAdmin(doctor)), 101)
  t.equal(say(admin, 'assignRole', asAdmin(monitor)).receipt.status, 0)
  aborted(t, say(monitor, 'assignRole', asAdmin(monitor)), 1005)
  say(admin, 'assignRole', asAdmin(doctor))
  t.equal(hex(say(doctor, 'assignRole', asAdmin(doctor)).receipt.returned!), '01', 'the doctor agrees')

  // Two administrators: both say it, and the person's own word counts no more.
  t.equal(say(admin, 'assignRole', asAdmin(nurse)).receipt.status, 0)
  aborted(t, say(nurse, 'assignRole', asAdmin(nurse)), 101)
  aborted(t, say(doctor, 'assignRole', asAdmin(monitor)), 1005)
  chain.time += 7 * 24 * 3_600_000
  t.equal(hex(say(doctor, 'assignRole', asAdmin(nurse)).receipt.returned!), '00', 'too late: a first word')
  t.equal(hex(say(admin, 'assignRole', asAdmin(nurse)).receipt.returned!), '01')
  t.same(roles(nurse), ['nurse', 'admin'])
  t.equal(say(doctor, 'removeRole', asAdmin(nurse)).receipt.status, 0, 'one is enough to take it away')

  // The same for permissions, and for the roles that have them.
  const any = { id: new Uint8Array(16), role: '', kind: 0, patient: null, validUntil: 0n }
  const wipes = { ...any, entity: nurse.entity, action: 3, target: 'ward/appliance', names: ['orderWipe'] }
  t.match(hex(say(admin, 'grant', wipes).receipt.returned!), /^0{32}$/, 'noted')
  aborted(t, say(admin, 'grant', wipes), 1004)
  aborted(t, say(nurse, 'grant', wipes), 101)
  aborted(t, say(nurse, 'withdrawGrant', wipes), 101)
  const withdrawn = say(doctor, 'withdrawGrant', wipes).receipt
  t.equal(withdrawn.events[0].topic, 'grant-request-withdrawn', 'one is enough to take it back')
  aborted(t, say(doctor, 'withdrawGrant', wipes), 1002)
  t.match(hex(say(doctor, 'grant', wipes).receipt.returned!), /^0{32}$/, 'a first word again')
  t.notMatch(hex(say(admin, 'grant', wipes).receipt.returned!), /^0{32}$/)
  for (const name of ['changeValidator', 'setValidators']) {
    const votes = { ...wipes, target: 'ward/governance', names: [name] }
    t.match(hex(say(admin, 'grant', votes).receipt.returned!), /^0{32}$/, `${name} is noted as well`)
  }
  const deputy = { ...wipes, entity: zeroId, role: 'deputy', target: 'ward/governance', names: [] }
  const device = { entity: monitor.entity, role: 'deputy' }
  t.equal(hex(say(admin, 'assignRole', { ...device, entity: nurse.entity }).receipt.returned!), '01')
  for (const signer of [admin, doctor]) t.equal(say(signer, 'grant', deputy).receipt.status, 0)
  t.equal(hex(say(admin, 'assignRole', device).receipt.returned!), '00', 'this role counts now')
  aborted(t, say(doctor, 'assignRole', device), 1005)
  const other = { ...wipes, target: 'ward/governance', names: ['grantCredit'] }
  t.notMatch(hex(say(admin, 'grant', other).receipt.returned!), /^0{32}$/, 'one decides about the rest')

  // Whoever asked and is no administrator any more does not count.
  say(doctor, 'assignRole', asAdmin(nurse))
  say(admin, 'removeRole', asAdmin(doctor))
  t.equal(hex(say(admin, 'assignRole', asAdmin(nurse)).receipt.returned!), '00')

  // Who made itself the only one does not choose the other one for seven days.
  aborted(t, say(nurse, 'assignRole', asAdmin(nurse)), 1006)
  t.notOk(roles(nurse).includes('admin'))
  chain.time += 7 * 24 * 3_600_000
  aborted(t, say(nurse, 'assignRole', asAdmin(nurse)), 101)
  t.equal(hex(say(admin, 'assignRole', asAdmin(nurse)).receipt.returned!), '00', 'that request has lapsed')
  t.equal(hex(say(nurse, 'assignRole', asAdmin(nurse)).receipt.returned!), '01')
})
