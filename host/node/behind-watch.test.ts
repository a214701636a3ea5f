// A validator that was away while a patient was erased: the blocks that it lacks cannot be given any more, so
// it goes on from a snapshot, by itself, and votes again.
import t from 'tap'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { ExecutorClient } from '../executor/executor-client.js'
import { takeSnapshot } from '../sync/snapshot-sync.js'
import type { Session } from '../api/node-port.js'
import { provenBeyond } from './behind-watch.js'
import { createHospital, until, type TestHospital, type TestNode } from './network.fixture.js'
import { nodeFiles } from './node-config.js'
import { openOffer, giverOf } from './offer.fixture.js'

t.setTimeout(600_000)

const patient = '22'.repeat(16)
const body = {
  ...{ family: 'Jones', given: 'Lisa', birthDate: 0, sex: '', pregnancy: 0, identifiers: [] },
  ...{ ward: '', room: '', bed: '', visitNumber: '', reason: '' },
}

async function admitAndErase(hospital: TestHospital, at: TestNode): Promise<Session> {
  const nurse = await hospital.signIn(at, 'nurse')
  const records = [{ kind: 'admission' as const, patient, code: '', body }]
  const admitted = await hospital.sign(at, nurse, { type: 'append', records })
  const admin = await hospital.signIn(at, 'admin')
  const call = { type: 'call' as const, target: 'ward/governance' }
  const erased = await hospital.sign(at, admin, { ...call, method: 'erasePatient', args: { patient } })
  if (admitted.code !== 'OK' || erased.code !== 'OK') throw new Error(`${admitted.code} ${erased.code}`)
  return admin
}

t.test('a validator behind an erasure comes back by a snapshot', async (t) => {
  const hospital = await createHospital({ validators: 4 })
  t.teardown(() => hospital.close())
  const [first, second, , last] = hospital.validators
  await last.node.close()
  const admin = await admitAndErase(hospital, first)

  const back = await hospital.open(last.name)
  const before = back.node.status().height
  await until('it is at the tip', async () => back.node.isCaughtUp())
  t.equal(back.node.status().stateRoot, first.node.status().stateRoot)
  t.ok(back.node.status().height > before)
  t.notOk(existsSync(nodeFiles(back.folder).resync), 'not again at the next start')

  await until('it is connected', () => back.node.status().peersConnected === 3)
  await second.node.close()
  const grant = { entity: hospital.personOf('nurse'), burst: '1000000', perSecond: '1000', priority: 1 }
  const call = { type: 'call' as const, target: 'ward/governance', method: 'grantCredit' }
  const receipt = await hospital.sign(first, admin, { ...call, args: grant })
  t.equal(receipt.code, 'OK', 'with one of the others gone its vote is needed')
  await until('it has that block', () => back.node.status().height >= receipt.height)

  await back.node.close()
  const again = await hospital.open(last.name)
  await until('it starts again as any node', async () => again.node.isCaughtUp())

  await first.node.close()
  const source = await openOffer(first.folder)
  const { block, floor } = source.offer
  const all = block.validators.map(({ entity }) => ({ entity, offer: source.offer }))
  const tip = provenBeyond(hospital.genesis, 1, all) ?? 0
  t.ok(tip >= floor && floor > 1, 'validators say that blocks are gone, and prove what is above')
  const lie = { ...source.offer, floor: tip + 1 }
  const honest = all.map(({ entity }) => ({ entity, offer: { ...source.offer, floor: 0 } }))
  const [{ entity }, ...others] = honest
  t.equal(provenBeyond(hospital.genesis, 1, [{ entity, offer: lie }, ...others]), undefined, 'one liar')
  t.equal(provenBeyond(hospital.genesis, 1, [all[0], all[0]]), undefined, 'one who says it twice')
  const strangers = [7, 8, 9].map((byte) => ({ entity: new Uint8Array(32).fill(byte), offer: lie }))
  t.equal(provenBeyond(hospital.genesis, 1, [...strangers, ...honest]), undefined, 'no validators')
  t.equal(provenBeyond(hospital.genesis, 1, all.slice(0, 2)), tip, 'f + 1 validators')
  t.equal(provenBeyond(hospital.genesis, tip, all), undefined, 'nothing higher')

  const folder = path.join(hospital.folder, 'taken')
  const dataKey = source.dataKey.toBytes()
  const executor = new ExecutorClient(() => undefined)
  const options = { client: giverOf(source, (own) => own), executor, timeoutMs: 1_000 }
  const above = { height: tip, epoch: 0 }
  await executor.call('syncOpen', { folder, dataKey, genesis: hospital.genesis, above })
  await t.rejects(takeSnapshot(options), { code: 'SYNC_NO_PEER' }, 'no state at or below the own one')
  await executor.close()
  await source.close()
})
