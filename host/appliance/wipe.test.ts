// The local wipe on real folders: what it destroys, what it says, and what is left when it is cut off.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { nodeFiles } from '../node/node-config.js'
import { openChainStore, openKeyslot } from '../store/index.js'
import { storePassword, temporaryFolder, workedNode } from './appliance.fixture.js'
import {
  checkCertificate,
  decodeCertificateFile,
  keyLeftFinding,
  keysFate,
  methodOf,
  methodReason,
  type CertificateFile,
  type CopiesStatement,
} from './sanitisation-certificate.js'
import { isVirtual, mediumOf } from './medium.js'
import { wipeNode, type WipeOptions } from './wipe.js'

t.setTimeout(600_000)

const options = (
  folder: string,
  certificatePath: string,
  more: Partial<WipeOptions> = {},
): WipeOptions => ({
  folder,
  certificatePath,
  password: storePassword,
  otherCopies: 'none',
  persons: [{ role: 'operator', name: 'Test Operator' }],
  place: 'machine room',
  version: '0.0.0',
  now: () => Date.UTC(2026, 0, 2),
  ...more,
})
const readCertificate = (file: string): CertificateFile => decodeCertificateFile(readFileSync(file, 'utf8'))

t.test('a wiped node is gone, and its own key signed for it', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  const card = await workedNode(dir)
  const stray = path.join(folder, 'copy on a stick')
  cpSync(nodeFiles(dir).keyslots, stray)
  const strange = path.join(dir, 'keyslots of yesterday')
  cpSync(nodeFiles(dir).keyslots, strange)
  symlinkSync(path.join(folder, 'nowhere'), path.join(dir, 'dangling'))
  // Above the limit of what is overwritten with a progress count.
  writeFileSync(path.join(dir, 'core'), '')
  truncateSync(path.join(dir, 'core'), 9 * 2 ** 20 + 5)
  const shares: number[] = []
  const steps: string[] = []
  const certificatePath = path.join(folder, 'certificate.json')
  const file = await wipeNode(
    options(dir, certificatePath, {
      keyslotCopies: [stray],
      stated: { asset: 'M-17', verifier: 'Second Person', contact: ' ' },
      onStep: ({ name, path: at }) => void steps.push(`${name} ${path.basename(at)}`),
      onProgress: (_, done, total) => void shares.push(done / total),
    }),
  )
  t.same(readdirSync(folder), ['certificate.json'])
  t.ok(
    shares.length > 10 &&
      shares.at(-1) === 1 &&
      shares.every((share, at) => at === 0 || share >= shares[at - 1]),
  )
  const kinds = steps.map((step) => step.split(' ')[0])
  t.same(
    [...new Set(kinds)],
    ['begin', 'keyslots', 'keys', 'files', 'verify', 'certificate'],
    'in this order',
  )
  t.same(
    steps.filter((step) => step.startsWith('keyslots')).sort(),
    ['keyslots copy on a stick', 'keyslots keyslots', 'keyslots keyslots of yesterday'],
    'every copy, by its content',
  )
  const { certificate } = file
  t.match(certificate, {
    state: 'ended',
    result: /^complete$/,
    stated: { asset: 'M-17', source: 'not stated', verifier: 'Second Person', contact: 'not stated' },
    endedAt: '2026-01-02T00:00:00.000Z',
    verification: { result: 'passed', findings: [] },
    keys: { keyslotFilesDestroyed: 3, copiesStatement: 'none exist', slots: [{ id: 0, kind: 'operator' }] },
    persons: [{ role: 'operator', name: 'Test Operator' }],
  })
  const outcomeOf = (name: string) => certificate.files.find((file) => file.path === name)
  t.match(outcomeOf('dangling'), { outcome: 'link removed' })
  t.match(outcomeOf('core'), { outcome: 'overwritten and unlinked', byteCount: 9 * 2 ** 20 + 5 })
  t.match(outcomeOf(path.join('chain', 'chain.lmdb')), { outcome: 'overwritten and unlinked' })
  t.same(readCertificate(certificatePath), file)
  t.equal(checkCertificate(file, card.voteKey), true)
  t.throws(() => checkCertificate(file, new Uint8Array(32)), { code: 'CERTIFICATE_INVALID' })
  const forged = structuredClone(file)
  forged.certificate.place = 'elsewhere'
  t.throws(() => checkCertificate(forged), { code: 'CERTIFICATE_INVALID' })
})

t.test(
  'an outstanding copy keeps it from being called complete; without a password it is unsigned',
  async (t) => {
    const { folder, remove } = temporaryFolder()
    t.teardown(remove)
    const dir = path.join(folder, 'node')
    await workedNode(dir)
    const original = path.join(folder, 'image')
    cpSync(dir, original, { recursive: true })
    const file = await wipeNode(
      options(dir, path.join(folder, 'c'), { password: undefined, otherCopies: ['safe of the director'] }),
    )
    t.match(file.certificate, {
      result: 'incomplete',
      method: 'Clear',
      keys: { copiesOutstanding: ['safe of the director'] },
    })
    t.equal(checkCertificate(file), false)
    t.match(file.certificate.node.voteKey, /^[0-9a-f]{64}$/)
    // The gap that the certificate names: an image of the disk from before still opens with its password.
    const dataKey = await openKeyslot(nodeFiles(original).keyslots, storePassword)
    await openChainStore(nodeFiles(original).chain, dataKey).close()
    const unstated = await wipeNode(options(original, path.join(folder, 'd'), { otherCopies: undefined }))
    t.match(unstated.certificate, { result: 'incomplete', keys: { copiesStatement: 'not stated' } })
    t.match(
      keysFate(unstated.certificate),
      /1 keyslot file.* a copy of the keyslot file, if .* still opens/,
    )
    t.match(keysFate(file.certificate), /the copies that are outstanding still open/)
    const isLeft = { ...file.certificate, method: 'none' as const }
    t.match(methodReason(isLeft), /a copy of the keys, if there is one, opens what is left/)
    isLeft.verification = { ...isLeft.verification, findings: [`a ${keyLeftFinding}`] }
    t.match(methodReason(isLeft), 'a key is left, so the data can still be opened')
  },
)

t.test('the method is what is true, not what sounds best', (t) => {
  const all = {
    isKeyLeft: false,
    findingCount: 0,
    copiesStatement: 'none exist' as CopiesStatement,
    mediumType: 'solid state',
  }
  t.equal(methodOf(all), 'Purge')
  t.equal(methodOf({ ...all, mediumType: 'unknown' }), 'Clear', 'nobody knows what overwriting does there')
  t.equal(methodOf({ ...all, mediumType: 'virtual' }), 'Clear', 'nor what lies below a virtual disk')
  t.equal(
    methodOf({ ...all, copiesStatement: 'not stated' }),
    'Clear',
    'a copy of the keys may be somewhere',
  )
  const left = { ...all, findingCount: 1 }
  t.equal(methodOf(left), 'Cryptographic erase')
  t.equal(methodOf({ ...left, copiesStatement: 'outstanding' }), 'none', 'a copy opens what is left')
  t.equal(methodOf({ ...left, copiesStatement: 'not stated' }), 'none')
  t.equal(methodOf({ ...left, isKeyLeft: true }), 'none')
  t.end()
})

t.test('a kind of disk is known only where all disks below tell it', (t) => {
  t.same(
    [isVirtual('vda', '0x1af4'), isVirtual('sda', 'QEMU'), isVirtual('loop0'), isVirtual('sda', 'ATA')],
    [true, true, true, false],
  )
  t.equal(isVirtual('nvme0n1', undefined, 'SAMSUNG MZVL2512HCJQ-00B00'), false)
  const clouds = [
    'Amazon Elastic Block Store',
    'nvme_card-pd',
    'QEMU NVMe Ctrl',
    'VMware Virtual NVMe Disk',
  ]
  for (const model of clouds) t.equal(isVirtual('nvme0n1', undefined, model), true, model)
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  // As /sys lays it out: each device a folder, `slaves` links to what is below it.
  const device = (name: string, files: Record<string, string>, below: string[] = []): string => {
    const place = path.join(folder, name)
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(place, file)), { recursive: true })
      writeFileSync(path.join(place, file), `${text}\n`)
    }
    mkdirSync(path.join(place, 'slaves'), { recursive: true })
    for (const lower of below)
      symlinkSync(path.join(folder, lower), path.join(place, 'slaves', path.basename(lower)))
    return place
  }
  const solid = { 'queue/rotational': '0', size: '100' }
  const real = { ...solid, 'device/model': 'MZVL2512' }
  const nvme = device('nvme0n1', { ...real, 'device/serial': 'S1' })
  device('nvme0n1/nvme0n1p2', { partition: '2' })
  const rotating = device('sda', {
    'queue/rotational': '1',
    'device/model': 'ST2000',
    'device/vendor': 'ATA',
  })
  const bare = device('nvme1n1', solid)
  device('vda', { ...solid, 'device/vendor': '0x1af4' })
  const crypt = device('dm-0', { ...solid, size: '90' }, ['nvme0n1/nvme0n1p2'])
  const volume = device('dm-1', solid, ['dm-0'])
  const expected = { type: 'solid state', model: 'MZVL2512', serial: 'S1' }
  t.match(mediumOf(nvme), { ...expected, device: 'nvme0n1', capacityBytes: 51_200 })
  t.match(mediumOf(path.join(nvme, 'nvme0n1p2')), { ...expected, device: 'nvme0n1p2' })
  t.match(mediumOf(crypt), { ...expected, device: 'dm-0', capacityBytes: 46_080 })
  t.match(mediumOf(volume), { ...expected, device: 'dm-1' }, 'a volume in an encrypted partition')
  t.match(mediumOf(rotating), { type: 'rotating', make: 'ATA', serial: 'unknown' })
  t.match(mediumOf(bare), { type: 'unknown' }, 'a cloud may tell no model')
  t.match(mediumOf(device('dm-2', solid, ['vda'])), { type: 'virtual' }, 'encrypted, on a virtual disk')
  t.match(mediumOf(device('md0', solid, ['nvme0n1', 'vda'])), { type: 'virtual' }, 'one of two')
  t.match(mediumOf(device('md1', solid, ['nvme0n1', 'sda'])), {
    type: 'unknown',
    model: 'MZVL2512; ST2000',
  })
  t.end()
})

t.test('nothing is changed when it is refused', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  await workedNode(dir)
  const certificate = path.join(folder, 'certificate.json')
  const before = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()
  const dataKey = await openKeyslot(nodeFiles(dir).keyslots, storePassword)
  const store = openChainStore(nodeFiles(dir).chain, dataKey)
  await t.rejects(wipeNode(options(dir, certificate)), { code: 'NODE_RUNNING' })
  await store.close()
  const password = new TextEncoder().encode('mistyped')
  await t.rejects(wipeNode(options(dir, certificate, { password })), { code: 'KEYSLOT_REJECTED' })
  const home = path.join(folder, 'home')
  mkdirSync(home)
  writeFileSync(path.join(home, 'letter'), 'dear')
  await t.rejects(wipeNode(options(home, certificate)), { code: 'NODE_ABSENT' })
  t.notOk(existsSync(certificate))
  t.same(readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort(), before)
  const unharmed = openChainStore(nodeFiles(dir).chain, dataKey)
  t.equal(unharmed.applied()?.height, 4)
  await unharmed.close()
})

t.test('killed before any step it leaves nothing that opens, and the next run goes on', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const whole = path.join(folder, 'whole')
  const card = await workedNode(whole)
  const run = (dir: string, certificate: string, fatal: number) =>
    spawnSync(
      process.execPath,
      ['dist/host/appliance/wipe-child.fixture.js', dir, certificate, String(fatal)],
      {
        encoding: 'utf8',
      },
    )
  const counted = path.join(folder, 'counted')
  cpSync(whole, counted, { recursive: true })
  const stepCount = Number(run(counted, `${counted}.json`, -1).stdout)
  t.ok(stepCount >= 12, `${stepCount} steps`)
  // Steps 0 and 1 come before the first key is touched: there the node is as it was.
  for (let fatal = 2; fatal < stepCount; fatal += 1) {
    const dir = path.join(folder, `cut ${fatal}`)
    cpSync(whole, dir, { recursive: true })
    const certificate = `${dir}.json`
    t.equal(run(dir, certificate, fatal).signal, 'SIGKILL')
    await t.rejects(openKeyslot(nodeFiles(dir).keyslots, storePassword), { code: 'KEYSLOT_MISSING' })
    const begun = readCertificate(certificate)
    t.equal(begun.certificate.state, 'begun')
    t.equal(checkCertificate(begun, card.voteKey), true, 'its beginning is signed')
    const persons = [{ role: 'operator', name: 'Night Shift' }]
    const file = await wipeNode(options(dir, certificate, { persons, stated: { asset: 'M-17' } }))
    t.notOk(existsSync(dir))
    t.match(file.certificate, { id: begun.certificate.id, state: 'ended', result: /^complete$/ })
    t.match(file.certificate, { persons, stated: { asset: 'M-17', contact: 'not stated' } })
    t.equal(file.certificate.files.length >= begun.certificate.files.length, true, 'no file is forgotten')
    t.equal(checkCertificate(file, card.voteKey), false, 'the key that could sign the end is gone')
    t.same(file.begun, begun)
  }
  const early = path.join(folder, 'early')
  cpSync(whole, early, { recursive: true })
  run(early, `${early}.json`, 1)
  t.equal((await openKeyslot(nodeFiles(early).keyslots, storePassword)).storeId.length, 16, 'not yet begun')
  const file = await wipeNode(options(early, `${early}.json`))
  t.equal(checkCertificate(file, card.voteKey), true)
})
