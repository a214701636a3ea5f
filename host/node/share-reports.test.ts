// A release that the chain refuses to hear of is tried again, but ever more rarely: it fills no blocks.
import t from 'tap'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bytesToHex, hexToBytes } from '../../runtime/protocol/index.js'
import { ShareKeeper } from '../keys/share-keeper.js'
import { createNodeLogger } from './node-logger.js'
import { NodeReports } from './node-reports.js'
import { ShareService } from './share-service.js'
import { createSingleNode } from './single-node.fixture.js'
import type { Unsealed } from './unsealed.js'

t.test('an owed report backs off after a refusal, and is paid when the node may report', async (t) => {
  const single = await createSingleNode()
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-owed-'))
  const { node, sequences, dataKey } = (single.node as unknown as { unsealed: Unsealed }).unsealed
  const entity = bytesToHex(node.entity)
  let now = Date.now()
  const keeper = new ShareKeeper(path.join(folder, 'shares'), dataKey)
  const reports = new NodeReports(node, sequences, Date.now)
  const shares = new ShareService(node, keeper, reports, createNodeLogger('test', 'silent'), () => now)
  t.teardown(async () => {
    keeper.close()
    await single.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const policy = async (method: 'assignRole' | 'removeRole'): Promise<void> => {
    const args = { entity, role: 'node' }
    const admin = await single.signIn('admin')
    const receipt = await single.sign(admin, { type: 'call', target: 'ward/policy', method, args })
    t.equal(receipt.code, 'OK')
  }
  await policy('removeRole')
  const owed = { node: hexToBytes(entity) ?? new Uint8Array(32), generation: 1, releasedAt: now }
  t.ok(keeper.owe(owed))
  await shares.reportOwed()
  const refusedAt = single.node.status().height
  for (let second = 0; second < 50; second += 1) {
    now += 1_000
    await shares.reportOwed()
  }
  t.equal(single.node.status().height, refusedAt, 'no block in the next fifty seconds')
  t.equal(keeper.owed.length, 1, 'still owed')
  now += 11_000
  await shares.reportOwed()
  t.equal(single.node.status().height, refusedAt + 1, 'then one')
  now += 61_000
  await shares.reportOwed()
  t.equal(single.node.status().height, refusedAt + 1, 'and the next one later still')
  await policy('assignRole')
  now += 60_000
  await shares.reportOwed()
  t.equal(keeper.owed.length, 0, 'paid')
})
