// Backup of a running node, restore onto a new folder, and everything that must not be restored.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { createNodeLogger } from '../node/node-logger.js'
import { nodeFiles, readNodeConfig } from '../node/node-config.js'
import { createSingleNode, storePassword } from '../node/single-node.fixture.js'
import { WardNode } from '../node/ward-node.js'
import { openKeyslot, openVotesStore } from '../store/index.js'
import { temporaryFolder } from './appliance.fixture.js'
import { backupNode } from './backup-node.js'
import { restoreNode, type RestoreOptions } from './restore-node.js'

t.setTimeout(600_000)

t.test('a running node is backed up, and its restored twin follows without voting', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const enrol = (fill: number) =>
    single.sign(admin, {
      type: 'call',
      target: 'ward/governance',
      method: 'enrol',
      args: { kind: 2, publicKey: bytesToHex(new Uint8Array(32).fill(fill)) },
    })
  t.equal((await enrol(9)).code, 'OK')
  const out = path.join(folder, 'backup')
  const height = single.node.status().height ?? 0
  const manifest = await backupNode({ folder: single.folder, out })
  t.equal((await enrol(10)).code, 'OK', 'the node goes on')
  const names = readdirSync(out, { recursive: true, encoding: 'utf8' }).sort()
  t.same(
    names,
    [
      'backup.json',
      'card.json',
      'chain',
      'chain/chain.lmdb',
      'chain/patients.key',
      'identity.sealed',
      'node.json',
    ],
    'no keyslots, no votes',
  )
  t.equal(manifest.files.length, 5)
  await t.rejects(backupNode({ folder: single.folder, out }), { code: 'FOLDER_NOT_EMPTY' })
  await single.node.close()

  const keyslots = path.join(folder, 'keyslots kept apart')
  cpSync(nodeFiles(single.folder).keyslots, keyslots)
  const target = path.join(folder, 'restored')
  const options: RestoreOptions = { backup: out, keyslots, folder: target, password: storePassword }
  const { report, wasValidator } = await restoreNode(options)
  t.equal(report.height, height)
  t.same(report.findings, [])
  t.equal(wasValidator, true)
  t.equal(readNodeConfig(target).role, 'validator', 'what it is, the chain says')
  const twin = new WardNode(target, createNodeLogger('twin', 'silent'))
  t.teardown(() => twin.close())
  t.equal((await twin.unlock(storePassword.slice())).ok, true)
  t.match(twin.status(), { height, sealed: false, isSilent: true }, 'it follows and does not vote')
  await twin.close()

  const dataKey = await openKeyslot(nodeFiles(target).keyslots, storePassword)
  t.teardown(() => dataKey.close())
  // Even as if newly founded, which is what a backup of height 0 would look like.
  const votes = openVotesStore(nodeFiles(target).votes, dataKey, { create: true })
  t.match(votes.load(), { clean: false, record: null }, 'given its role back, it starts with a lost record')
  await votes.close()
})

t.test('nothing is restored that is not whole', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const single = await createSingleNode()
  t.teardown(() => single.close())
  await single.node.close()
  const out = path.join(folder, 'backup')
  await backupNode({ folder: single.folder, out })
  const { keyslots } = nodeFiles(single.folder)
  const target = path.join(folder, 'restored')
  const refused = async (code: string, more: Partial<RestoreOptions> = {}): Promise<void> => {
    const options = { backup: out, keyslots, folder: target, password: storePassword, ...more }
    await t.rejects(restoreNode(options), { code }, code)
    t.notOk(existsSync(target) || existsSync(`${target}.part`), 'nothing is there')
  }
  await refused('KEYSLOT_REJECTED', { password: new TextEncoder().encode('wrong') })
  await refused('KEYSLOT_MISSING', { keyslots: path.join(folder, 'nowhere') })
  await refused('BACKUP_MALFORMED', { backup: folder })
  const chain = path.join(out, 'chain', 'chain.lmdb')
  const whole = readFileSync(chain)
  const bent = Buffer.from(whole)
  bent[bent.length >> 1] ^= 1
  writeFileSync(chain, bent)
  await refused('BACKUP_MALFORMED')
  writeFileSync(chain, whole.subarray(0, -4_096))
  await refused('BACKUP_MALFORMED')
  writeFileSync(chain, whole)
  const other = await createSingleNode()
  t.teardown(() => other.close())
  await other.node.close()
  await refused('BACKUP_MALFORMED', { keyslots: nodeFiles(other.folder).keyslots })
  await t.rejects(backupNode({ folder: target, out: path.join(folder, 'none') }), { code: 'NODE_ABSENT' })
})
