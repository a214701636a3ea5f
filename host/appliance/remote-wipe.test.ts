// Governance orders the wipe of a running node; it obeys, and cut off anywhere it leaves nothing that opens.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { ReceiptView } from '../api/node-port.js'
import { createSingleNode, storePassword } from '../node/single-node.fixture.js'
import { nodeFiles } from '../node/node-config.js'
import { createNodeLogger } from '../node/node-logger.js'
import { WardNode } from '../node/ward-node.js'
import type { OrderedWipe } from '../node/wipe-watch.js'
import { decodeIdentity } from '../keys/node-identity.js'
import { openKeyslot, readSealedFile } from '../store/index.js'
import { bytesToHex, entityIdOf } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import { obeyWipe, resumeWipe } from './remote-wipe.js'
import { checkCertificate } from './sanitisation-certificate.js'

t.setTimeout(120_000)

t.test('two administrators order it, the node obeys and signs', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { folder, nodeCard } = single
  const own = bytesToHex(entityIdOf(sha256, nodeCard.voteKey))
  const admin = await single.signIn('admin')
  const call = (target: string, method: string, args: object): Promise<ReceiptView> =>
    single.sign(admin, { type: 'call', target, method, args } as never)
  await call('ward/policy', 'assignRole', { entity: single.persons.doctor, role: 'admin' })
  await call('ward/appliance', 'orderWipe', { node: own, reason: 'returned to the lessor' })
  const second = await single.signIn('doctor')
  const order = { type: 'call', target: 'ward/appliance', method: 'orderWipe' } as const
  await single.sign(second, { ...order, args: { node: own, reason: 'returned to the lessor' } })
  await single.node.close()

  // The order came while the process was about to end: the next one hears of it as well.
  let heard: (wipe: OrderedWipe) => void = () => undefined
  const ordered = new Promise<OrderedWipe>((resolve) => (heard = resolve))
  const logger = createNodeLogger('test', 'silent')
  const node = new WardNode(folder, logger, Date.now, { onWipeOrdered: (wipe) => heard(wipe) })
  t.match(await node.unlock(storePassword.slice()), { ok: true })
  const wipe = await ordered
  t.match(wipe, { reason: 'returned to the lessor' })
  t.equal(wipe.orderedBy.length, 2)
  await node.close()

  const certificatePath = path.join(path.dirname(folder), 'certificate.json')
  const options = { folder, certificatePath, version: 'test' }
  // Every step by SIGKILL is in wipe.test.ts; here the order itself must survive the cut.
  const cutOff = {
    ...options,
    onStep: ({ name }: { name: string }) => {
      if (name === 'verify') throw new Error('the power fails here')
    },
  }
  await t.rejects(obeyWipe(wipe, cutOff))
  await t.rejects(openKeyslot(nodeFiles(folder).keyslots, storePassword.slice()), {
    code: 'KEYSLOT_MISSING',
  })
  const file = await resumeWipe(options)
  t.match(file?.certificate, { state: 'ended', revocationHeight: wipe.height, method: 'Purge' })
  t.equal(file?.certificate.persons.length, 2)
  t.notOk(existsSync(nodeFiles(folder).identity))
  t.equal(await resumeWipe(options), undefined, 'done is done')
  t.match(JSON.parse(readFileSync(certificatePath, 'utf8')), { certificate: { state: 'ended' } })
})

t.test('not cut off, the certificate is signed by the node itself', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  await single.node.close()
  const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
  const identity = decodeIdentity(
    readSealedFile(nodeFiles(single.folder).identity, dataKey) ?? new Uint8Array(0),
  )
  dataKey.close()
  const certificatePath = path.join(path.dirname(single.folder), 'certificate.json')
  const order = { height: 7, orderedBy: ['aa', 'bb'], reason: '', identity }
  const file = await obeyWipe(order, { folder: single.folder, certificatePath, version: 'test' })
  t.equal(checkCertificate(file, single.nodeCard.voteKey), true)
  t.match(file.certificate, { revocationHeight: 7, state: 'ended' })
})
