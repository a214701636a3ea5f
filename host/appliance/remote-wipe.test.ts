// Governance orders the wipe of a running node; it obeys, and cut off anywhere it leaves nothing that opens.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
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
import { temporaryFolder, workedNode } from './appliance.fixture.js'
import {
  checkCertificate,
  encodeCertificateFile,
  type CertificateFile,
} from './sanitisation-certificate.js'
import { wipeNode } from './wipe.js'

t.setTimeout(600_000)

t.test('two administrators order it, the node obeys and signs', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { folder, nodeCard } = single
  const own = bytesToHex(entityIdOf(sha256, nodeCard.voteKey))
  const admin = await single.signIn('admin')
  const call = (target: string, method: string, args: object): Promise<ReceiptView> =>
    single.sign(admin, { type: 'call', target, method, args } as never)
  const role = { entity: single.persons.doctor, role: 'admin' }
  await call('ward/policy', 'assignRole', role)
  const second = await single.signIn('doctor')
  await single.sign(second, { type: 'call', target: 'ward/policy', method: 'assignRole', args: role })
  await call('ward/appliance', 'orderWipe', { node: own, reason: 'returned to the lessor' })
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
  t.match(file?.certificate, { state: 'ended', revocationHeight: wipe.height, method: 'Clear' })
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
  writeFileSync(certificatePath, 'no certificate at all')
  writeFileSync(`${certificatePath}.1`, 'of an earlier wipe')
  const order = { height: 7, orderedBy: ['aa', 'bb'], reason: '', identity }
  const file = await obeyWipe(order, { folder: single.folder, certificatePath, version: 'test' })
  t.equal(checkCertificate(file, single.nodeCard.voteKey), true)
  t.match(file.certificate, { revocationHeight: 7, state: 'ended' })
  t.equal(readFileSync(`${certificatePath}.2`, 'utf8'), 'no certificate at all', 'set aside, not lost')
  t.equal(readFileSync(`${certificatePath}.1`, 'utf8'), 'of an earlier wipe')
  t.notOk(existsSync(single.folder), 'the mark of the wipe goes last')
})

t.test('a file that anybody could have written orders nothing and stops no start', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const [dir, other] = [path.join(folder, 'node'), path.join(folder, 'other')]
  await workedNode(dir)
  await workedNode(other)
  const certificatePath = path.join(folder, 'node.sanitisation.json')
  const options = { folder: dir, certificatePath, version: 'test' }
  const ended = await wipeNode({ ...options, folder: other, password: storePassword.slice() })
  const planted = structuredClone(ended)
  planted.certificate.state = 'begun'
  planted.certificate.revocationHeight = 7
  planted.signatures = []
  const before = readdirSync(dir).sort()
  for (const text of [encodeCertificateFile(planted), 'garbage']) {
    writeFileSync(certificatePath, text)
    t.equal(await resumeWipe(options), undefined)
    t.same(readdirSync(dir).sort(), before, 'nothing is touched')
  }
  writeFileSync(nodeFiles(dir).wipeMark, 'garbage')
  t.equal(await resumeWipe(options), undefined)

  // A machine is wiped more than once in its life: the certificate of the first time lies where it lay.
  writeFileSync(certificatePath, encodeCertificateFile(ended))
  const second = await wipeNode({ ...options, password: storePassword.slice() })
  t.match(second.certificate, { state: 'ended', verification: { result: 'passed' } })
  t.not(second.certificate.id, ended.certificate.id)
  t.same(JSON.parse(readFileSync(`${certificatePath}.1`, 'utf8')), ended)
  t.notOk(existsSync(dir))
})

t.test('cut off before its certificate is whole, it ends at the next start', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  await workedNode(dir)
  // The certificate's place was in memory and is gone with the power.
  const options = { folder: dir, version: 'test' }
  const cutOff = wipeNode({
    ...options,
    certificatePath: path.join(folder, 'before'),
    revocationHeight: 7,
    onStep: ({ name }) => {
      if (name === 'certificate') throw new Error('the power fails here')
    },
  })
  await t.rejects(cutOff)
  t.same(readdirSync(dir), ['wipe-begun.json'], 'only the mark is left')
  const file = await resumeWipe({ ...options, certificatePath: path.join(folder, 'after') })
  t.match(file?.certificate, { state: 'ended', revocationHeight: 7, verification: { result: 'passed' } })
  t.notOk(existsSync(dir))
})

t.test('an ordered wipe, killed at its steps: keys go first, the stores still open', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const whole = path.join(folder, 'whole')
  const card = await workedNode(whole)
  const run = (dir: string, fatal: number) => {
    cpSync(whole, dir, { recursive: true })
    const words = [
      'dist/host/appliance/wipe-child.fixture.js',
      dir,
      `${dir}.json`,
      String(fatal),
      'ordered',
    ]
    return spawnSync(process.execPath, words, { encoding: 'utf8' })
  }
  const counted = run(path.join(folder, 'counted'), -1)
  const stepCount = Number(counted.stdout)
  t.ok(stepCount >= 12, `${stepCount} steps ${counted.stderr}`)
  const signed = JSON.parse(readFileSync(path.join(folder, 'counted.json'), 'utf8')) as CertificateFile
  t.equal(checkCertificate(signed, card.voteKey), true)
  t.match(signed.certificate, { state: 'ended', revocationHeight: 7, verification: { result: 'passed' } })
  t.notOk(existsSync(path.join(folder, 'counted')))
  // Before 0 nothing has begun; before 1 the mark stands and the first keyslot file is next; then none opens.
  const chosen = Array.from({ length: stepCount }, (_, step) => step).filter(
    (step) => step < 6 || step % 4 === 0 || step === stepCount - 1,
  )
  for (const fatal of chosen) {
    const dir = path.join(folder, `cut ${fatal}`)
    t.equal(run(dir, fatal).signal, 'SIGKILL', `before step ${fatal}`)
    const opened = await openKeyslot(nodeFiles(dir).keyslots, storePassword.slice()).catch(() => undefined)
    opened?.close()
    t.equal(
      opened !== undefined,
      fatal < 2,
      `before step ${fatal}: ${fatal < 2 ? 'opens' : 'does not open'}`,
    )
    const file = await resumeWipe({ folder: dir, certificatePath: `${dir}.json`, version: 'test' })
    if (fatal === 0) t.equal(file, undefined, 'it obeys at its next unlock')
    else {
      t.match(file?.certificate, {
        state: 'ended',
        revocationHeight: 7,
        verification: { result: 'passed' },
      })
      t.notOk(existsSync(dir))
    }
  }
})
