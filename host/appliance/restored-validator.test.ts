// A validator of a real network is lost and restored from a backup to a new folder: it follows at once,
// votes on nothing that its key may have voted on before, and is there again once the chain has passed that.
import { cpSync, renameSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { Session } from '../api/node-port.js'
import { createHospital, until, type TestHospital, type TestNode } from '../node/network.fixture.js'
import { nodeFiles, readNodeConfig } from '../node/node-config.js'
import { storePassword } from '../node/single-node.fixture.js'
import { govern } from '../node/ticket.fixture.js'
import { backupNode } from './backup-node.js'
import { restoreNode } from './restore-node.js'

t.setTimeout(600_000)

let enrolled = 0
const anything = (hospital: TestHospital, at: TestNode, admin: Session): Promise<string> => {
  enrolled += 1
  const publicKey = enrolled.toString(16).padStart(8, '0').padStart(64, '5')
  return govern(hospital, at, admin, 'enrol', { kind: 2, publicKey })
}

t.test('a restored validator is silent until it is safe, then votes by itself', async (t) => {
  const hospital = await createHospital({ validators: 4 })
  t.teardown(() => hospital.close())
  const [first, , third, fourth] = hospital.validators
  const admin = await hospital.signIn(first, 'admin')
  t.equal(await anything(hospital, first, admin), 'OK')
  const backup = path.join(hospital.folder, 'backup')
  await backupNode({ folder: fourth.folder, out: backup })
  const backedUpAt = fourth.node.status().height
  for (let count = 0; count < 3; count += 1) t.equal(await anything(hospital, first, admin), 'OK')
  await fourth.node.close()
  const keyslots = path.join(hospital.folder, 'keyslots kept apart')
  cpSync(nodeFiles(fourth.folder).keyslots, keyslots)
  renameSync(fourth.folder, path.join(hospital.folder, 'the lost machine'))

  const options = { backup, keyslots, folder: fourth.folder, password: storePassword }
  const restored = await restoreNode(options)
  t.equal(restored.report.height, backedUpAt)
  t.equal(restored.wasValidator, true)
  t.equal(readNodeConfig(fourth.folder).role, 'validator', 'the chain says what it is')
  const again = await hospital.open('v4')
  await until('it follows', () => again.node.status().height === first.node.status().height)
  t.equal(again.node.status().isSilent, true, 'it says that it does not vote yet')

  // The others go on without its vote; every block brings it nearer to the height that makes it safe.
  await until(
    'it is safe to vote',
    async () => {
      await anything(hospital, first, admin)
      return again.node.status().isSilent === false
    },
    120_000,
  )
  // Three of four must agree: with another one away, nothing is final but by its vote.
  await third.node.close()
  t.equal(await anything(hospital, first, admin), 'OK', 'final by the vote of the restored validator')
})
