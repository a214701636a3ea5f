// Who votes, with real nodes: a joined node becomes a validator and its vote is needed, gets another key,
// and one that is removed votes no more and goes on as an observer.
import t from 'tap'
import path from 'node:path'
import { validatorAction } from '../../runtime/protocol/index.js'
import { joinNetwork } from '../founding/join.js'
import type { Session } from '../api/node-port.js'
import { createHospital, nodeConfig, until, type TestHospital, type TestNode } from './network.fixture.js'
import { govern, networkOf, ticketFor } from './ticket.fixture.js'
import { freePorts } from '../../consensus/net/free-ports.js'
import { cheapKdf, storePassword } from './single-node.fixture.js'

let enrolled = 0
const anything = (hospital: TestHospital, at: TestNode, admin: Session): Promise<string> => {
  enrolled += 1
  const publicKey = enrolled.toString(16).padStart(8, '0').padStart(64, '3')
  return govern(hospital, at, admin, 'enrol', { kind: 2, publicKey })
}

const isVoting = async (at: TestNode, entity: string): Promise<boolean> =>
  (await networkOf(at)).validators.some((validator) => validator.entity === entity)

t.test('an observer becomes a validator and votes; a removed one votes no more', async (t) => {
  const hospital = await createHospital({ validators: 4 })
  t.teardown(() => hospital.close())
  const [first, , third, fourth] = hospital.validators
  const admin = await hospital.signIn(first, 'admin')
  const ticket = await ticketFor(hospital, first, admin)
  await joinNetwork({
    folder: path.join(hospital.folder, 'v5'),
    ticket,
    config: nodeConfig('v5', 'validator', (await freePorts(1, 'udp'))[0]),
    password: storePassword,
    cost: cheapKdf,
  })
  const fifth = await hospital.open('v5')
  await until('v5 follows', () => fifth.node.isCaughtUp())
  const { self } = await networkOf(fifth)
  t.equal(await isVoting(first, self), false)

  const away = await fifth.node.readiness(admin, { action: 'replace', entity: 'zz' })
  t.match(away, { ok: false, code: 'REQUEST_MALFORMED' })
  const ready = await fifth.node.readiness(admin, { action: 'add' })
  if (!ready.ok) throw new Error(ready.code)
  t.equal(await govern(hospital, first, admin, 'changeValidator', ready.value), 'OK')
  await until('v5 is in the set', () => isVoting(first, self))
  t.equal((await networkOf(first)).validators.length, 5)

  // Of five validators four must agree: without the fourth nothing is final but by the vote of the fifth.
  await until('v5 is connected to all', () => fifth.node.status().peersConnected >= 4)
  await fourth.node.close()
  t.equal(await anything(hospital, first, admin), 'OK', 'final by the vote of the new validator')

  const zero = '00'.repeat(32)
  const [gone] = (await networkOf(first)).nodes.filter((node) => node.name === 'v4')
  const remove = {
    ...{ action: validatorAction.remove, entity: gone.entity, successor: gone.entity, voteKey: zero },
    ...{ height: '0', resultHash: zero, proof: zero + zero, consent: null },
  }
  t.equal(await govern(hospital, first, admin, 'changeValidator', remove), 'OK')
  await until('v4 is out of the set', async () => !(await isVoting(first, gone.entity)))
  const back = await hospital.open('v4')
  await until('v4 follows as an observer', async () => {
    const [row] = (await networkOf(back)).nodes.filter((node) => node.name === 'v4')
    return row.role === 'observer' && (await back.node.isCaughtUp())
  })
  t.equal(await isVoting(back, gone.entity), false)
  t.equal(back.node.health().healthy, true, 'it is no fault to be an observer')
  t.same(
    [back, fifth].map(({ node }) => node.status().votes),
    [false, true],
    'each says whether it votes',
  )

  const rotation = await fifth.node.readiness(admin, { action: 'rotate' })
  if (!rotation.ok) throw new Error(rotation.code)
  t.equal(await govern(hospital, first, admin, 'changeValidator', rotation.value), 'OK')
  await until('the new key is in the set', async () =>
    (await networkOf(first)).validators.some(({ voteKey }) => voteKey === rotation.value.voteKey),
  )
  await until('v5 is back with its new key', () => fifth.node.status().peersConnected >= 3)
  // Of four validators three must agree: without the third the fifth's new key is needed.
  await third.node.close()
  t.equal(await anything(hospital, first, admin), 'OK', 'final by a vote with the new key')

  await until('no other may go', () => first.node.status().spare === 0)

  await fifth.node.close()
  await until('it says that it cannot go on', () => first.node.status().phase === 'QUORUM_LOST')
  const { spare, reason } = first.node.status()
  t.match({ spare, ...reason }, { spare: -1, code: 'NO_QUORUM' })
  t.ok(reason.sinceMs >= 4_000, 'since the quorum went, not since the view changed')
  t.match(first.node.health(), { healthy: false, detail: /QUORUM_LOST: Too few validators/ })
  const { height } = first.node.status()
  await hospital.open('v5')
  await until('it goes on', () => first.node.health().healthy)
  t.equal(await anything(hospital, first, admin), 'OK')
  t.ok(first.node.status().height > height)
})
