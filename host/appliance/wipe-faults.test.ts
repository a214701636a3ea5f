// The wipe where the disk is against it: full, read only, files that nobody can overwrite.
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { nodeFiles } from '../node/node-config.js'
import { decodeIdentity } from '../keys/node-identity.js'
import { openChainStore, openKeyslot, readSealedFile } from '../store/index.js'
import { storePassword, temporaryFolder, workedNode } from './appliance.fixture.js'
import { eraseKeysByOrder, obeyWipe, resumeWipe } from './remote-wipe.js'
import {
  checkCertificate,
  decodeCertificateFile,
  type CertificateFile,
} from './sanitisation-certificate.js'
import { wipeNode, type WipeOptions } from './wipe.js'

t.setTimeout(600_000)

const readCertificate = (file: string): CertificateFile => decodeCertificateFile(readFileSync(file, 'utf8'))

/** A file system of its own with a node in it; undefined where this account may not mount one. */
async function nodeOnSmallDisk(t: Test) {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const disk = path.join(folder, 'disk')
  mkdirSync(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', disk], { stdio: 'ignore' })
  } catch {
    t.comment('skipped: this account cannot mount a tmpfs')
    return undefined
  }
  t.teardown(() => execFileSync('umount', [disk], { stdio: 'ignore' }))
  const dir = path.join(disk, 'node')
  const card = await workedNode(dir)
  const remount = (mode: 'ro' | 'rw'): void =>
    void execFileSync('mount', ['-o', `remount,${mode}`, disk], { stdio: 'ignore' })
  const options: WipeOptions = {
    folder: dir,
    certificatePath: path.join(disk, 'node.sanitisation.json'),
    password: storePassword,
    otherCopies: 'none',
    version: '0.0.0',
  }
  return { folder, disk, dir, card, options, remount }
}

/** Until not one byte more finds a place. */
function fillUp(disk: string): void {
  const ballast = openSync(path.join(disk, 'ballast'), 'w')
  try {
    for (;;) if (writeSync(ballast, Buffer.alloc(4_096, 1)) < 4_096) break
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(ballast)
  }
}

async function orderFor(dir: string) {
  const dataKey = await openKeyslot(nodeFiles(dir).keyslots, storePassword)
  const bytes = readSealedFile(nodeFiles(dir).identity, dataKey) ?? new Uint8Array(0)
  return {
    dataKey,
    order: { height: 7, orderedBy: ['aa', 'bb'], reason: '', identity: decodeIdentity(bytes) },
  }
}

t.test('a full disk does not stop a wipe by hand: keys first, then its papers', async (t) => {
  const node = await nodeOnSmallDisk(t)
  if (!node) return
  const { disk, card, options } = node
  fillUp(disk)
  const steps: string[] = []
  let isBegunOnDisk: boolean | undefined
  const file = await wipeNode({
    ...options,
    onStep: ({ name }) => {
      steps.push(name)
      if (name === 'keyslots') isBegunOnDisk = existsSync(options.certificatePath)
    },
  })
  t.equal(isBegunOnDisk, false, 'the disk was full, and the keys went nevertheless')
  t.equal(steps[1], 'keyslots')
  t.match(file.certificate, { state: 'ended', result: /^complete$/, verification: { findings: [] } })
  t.equal(checkCertificate(file, card.voteKey), true)
  t.same(readCertificate(options.certificatePath), file)
  t.same(readdirSync(disk).sort(), ['ballast', 'node.sanitisation.json'])
})

t.test(
  'nor one by order, while the store is open; no owner of a lock but a living one counts',
  async (t) => {
    const node = await nodeOnSmallDisk(t)
    if (!node) return
    const { disk, dir, card, options } = node
    const { dataKey, order } = await orderFor(dir)
    const store = openChainStore(nodeFiles(dir).chain, dataKey)
    const obeyed = { folder: dir, certificatePath: options.certificatePath, version: '0.0.0' }
    fillUp(disk)
    await t.rejects(
      wipeNode(options),
      { code: 'NODE_RUNNING' },
      'by hand it is refused while the node runs',
    )
    t.ok(existsSync(nodeFiles(dir).keyslots))
    const begun = eraseKeysByOrder(order, obeyed)
    t.notOk(existsSync(nodeFiles(dir).keyslots))
    t.notOk(existsSync(nodeFiles(dir).identity))
    t.same(readCertificate(nodeFiles(dir).wipeMark), begun, 'what the keys took is room for the mark')
    await store.close()
    dataKey.close()
    writeFileSync(path.join(nodeFiles(dir).chain, 'chain.owner'), '')
    const file = await obeyWipe(order, { ...obeyed, begun })
    t.equal(checkCertificate(file, card.voteKey), true)
    t.match(file.certificate, { verification: { result: 'passed' }, keys: { keyslotFilesDestroyed: 1 } })
    t.same(readCertificate(options.certificatePath), file)
    t.notOk(existsSync(dir))
  },
)

t.test('a certificate that finds no place is handed to whoever asked', async (t) => {
  const node = await nodeOnSmallDisk(t)
  if (!node) return
  const { disk, options } = node
  fillUp(disk)
  let only: CertificateFile | undefined
  const file = await wipeNode({
    ...options,
    // Another program takes what the wipe freed.
    onStep: ({ name }) => name !== 'certificate' || fillUp(disk),
    onUnwritten: (unwritten, error) => {
      t.equal(error.code, 'STORE_FULL')
      only = unwritten
    },
  })
  t.equal(only, file)
  t.match(file.certificate, { state: 'ended', result: /^complete$/ })
  t.same(readdirSync(disk, { recursive: true }), ['ballast', 'node.sanitisation.json'])
  t.equal(readCertificate(options.certificatePath).certificate.state, 'begun')
})

t.test('a read-only file system keeps its keys, and that is said', async (t) => {
  const node = await nodeOnSmallDisk(t)
  if (!node) return
  const { folder, disk, dir, card, options, remount } = node
  const { dataKey, order } = await orderFor(dir)
  dataKey.close()
  const before = readdirSync(disk, { recursive: true, encoding: 'utf8' }).sort()
  remount('ro')
  t.teardown(() => remount('rw'))
  await t.rejects(wipeNode(options), { code: 'WIPE_NOT_BEGUN', message: /STORE_READ_ONLY/ })
  const elsewhere = { ...options, certificatePath: path.join(folder, 'certificate.json') }
  await t.rejects(wipeNode(elsewhere), { code: 'WIPE_INVALID', message: /remount,rw/ })
  t.match(readCertificate(elsewhere.certificatePath).certificate, {
    result: 'incomplete',
    method: 'none',
    keys: { keyslotFilesDestroyed: 0 },
    verification: { result: 'failed' },
  })
  const obeyed = { folder: dir, certificatePath: options.certificatePath, version: '0.0.0' }
  t.throws(() => eraseKeysByOrder(order, obeyed), { code: 'WIPE_INVALID', message: /remount,rw/ })
  t.same(readdirSync(disk, { recursive: true, encoding: 'utf8' }).sort(), before)
  remount('rw')
  const file = await wipeNode(elsewhere)
  t.equal(checkCertificate(file, card.voteKey), true, 'nothing was lost: it goes on, and signs')
  t.match(file.certificate, { result: /^complete$/, keys: { keyslotFilesDestroyed: 1 } })
  t.notOk(existsSync(dir))
})

t.test(
  'what cannot be overwritten keeps nothing else from its end, and the next run goes on',
  async (t) => {
    const { folder, remove } = temporaryFolder()
    t.teardown(remove)
    const dir = path.join(folder, 'node')
    await workedNode(dir)
    const stuck = [path.join(nodeFiles(dir).chain, 'a-stuck-file'), path.join(dir, 'card.json.old')]
    for (const file of stuck) writeFileSync(file, 'of yesterday')
    if (!isImmutable(stuck, true)) return t.comment('skipped: this account cannot make a file immutable')
    t.teardown(() =>
      isImmutable(
        stuck.filter((file) => existsSync(file)),
        false,
      ),
    )
    symlinkSync(path.join(folder, 'nowhere'), path.join(dir, 'dangling'))
    const options = {
      folder: dir,
      certificatePath: path.join(folder, 'certificate.json'),
      password: storePassword,
      otherCopies: 'none',
      version: '0.0.0',
    } as const
    const file = await wipeNode(options)
    t.match(file.certificate, { method: 'Cryptographic erase', verification: { result: 'failed' } })
    t.equal(file.certificate.result, 'incomplete')
    const { findings } = file.certificate.verification
    for (const name of ['a-stuck-file', 'card.json.old'])
      t.ok(
        findings.some((finding) => finding.includes(name) && finding.includes('STORE_READ_ONLY')),
        name,
      )
    const left = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()
    t.same(left, ['card.json.old', 'chain', path.join('chain', 'a-stuck-file')], 'all others are gone')
    isImmutable(stuck, false)
    const next = await wipeNode({ ...options, password: undefined })
    t.match(next.certificate, {
      id: file.certificate.id,
      result: /^complete$/,
      keys: { keyslotFilesDestroyed: 1 },
    })
    t.same(next.begun, file, 'the end of the first run is kept with its signature')
    t.notOk(existsSync(dir))
  },
)

function isImmutable(files: readonly string[], on: boolean): boolean {
  try {
    execFileSync('chattr', [on ? '+i' : '-i', ...files], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

t.test(
  'a certificate inside the folder, as under the unit, stays; an earlier one beside it too',
  async (t) => {
    const { folder, remove } = temporaryFolder()
    t.teardown(remove)
    const dir = path.join(folder, 'node')
    const certificatePath = path.join(dir, 'node.sanitisation.json')
    const other = path.join(folder, 'other')
    await workedNode(other)
    const options = { folder: other, certificatePath: `${other}.json`, version: '0.0.0' }
    const earlier = await wipeNode(options)
    await workedNode(dir)
    renameSync(options.certificatePath, certificatePath)
    const { dataKey, order } = await orderFor(dir)
    dataKey.close()
    const obeyed = { folder: dir, certificatePath, version: '0.0.0' }
    const begun = eraseKeysByOrder(order, obeyed)
    const file = await obeyWipe(order, { ...obeyed, begun })
    t.match(file.certificate, { verification: { result: 'passed' } })
    t.same(readdirSync(dir).sort(), ['node.sanitisation.json', 'node.sanitisation.json.1'])
    t.same(readCertificate(certificatePath), file)
    t.same(readCertificate(`${certificatePath}.1`), earlier)
    t.equal(await resumeWipe({ folder: dir, certificatePath, version: '0.0.0' }), undefined)
  },
)
