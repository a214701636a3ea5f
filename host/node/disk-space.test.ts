import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { Proposal } from '../api/node-port.js'
import { ReaderClient } from '../executor/reader-client.js'
import { DataKey, openKeyslot } from '../store/index.js'
import { DiskReturn, takesWrites } from './disk-return.js'
import { diskOf, diskView } from './disk-space.js'
import { dropPlainDivergence } from './divergence-file.js'
import { nodeFiles } from './node-config.js'
import { createNodeLogger } from './node-logger.js'
import { during, until } from './patience.fixture.js'
import { createSingleNode, personPassword, storePassword, type SingleNode } from './single-node.fixture.js'
import { leaveWithKey } from './unsealed.js'

t.test('the levels, on both sides of their edges', (t) => {
  for (const [free, level] of [
    [1_000, 'enough'],
    [100, 'enough'],
    [99, 'low'],
    [50, 'low'],
    [49, 'scarce'],
    [0, 'scarce'],
  ] as const)
    t.equal(diskView(free, 1_000).level, level, `${free} of 1000`)
  t.end()
})

t.test('a real disk tells, a folder that is not there does not', (t) => {
  const disk = diskOf(tmpdir())
  t.ok(disk && disk.totalBytes >= disk.freeBytes && disk.totalBytes > 0)
  t.equal(diskOf('/no/such/folder'), undefined)
  t.end()
})

t.test('after a fault of the disk it is asked until it takes writes, once', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-disk-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const absent = path.join(folder, 'absent')
  let [looks, atOnce, returns] = [0, 0, 0]
  const asked = async (place: string): Promise<boolean> => {
    atOnce += 1
    t.equal(atOnce, 1, 'one look at a time')
    const takes = await takesWrites(place)
    atOnce -= 1
    looks += 1
    return takes
  }
  // Twice it cannot go on yet: it joins, for instance.
  const goOn = (): boolean => (returns += 1) === 3
  const diskReturn = new DiskReturn(absent, goOn, { everyMs: 5, takesWrites: asked })
  t.teardown(() => diskReturn.stop())
  for (const detail of ['RECORD_ALTERED', 'writing chain.lmdb: STORE_WRITE_FAILED']) {
    diskReturn.onFault(detail)
    t.notOk(diskReturn.isWaiting || diskReturn.hasFault, `${detail} is not mended by waiting`)
  }
  diskReturn.onFault('writing chain.lmdb: STORE_FULL')
  t.ok(diskReturn.isWaiting && diskReturn.hasFault)
  await until('some looks', () => looks > 3)
  t.equal(returns, 0, 'it takes no writes')
  mkdirSync(absent)
  await until('the disk takes writes', () => returns > 2)
  t.notOk(diskReturn.isWaiting, 'going on began: nothing is looked for any more')
  await diskReturn.stop()
  t.same(readdirSync(absent), [], 'and nothing is left there')

  diskReturn.onFault('writing chain.lmdb: STORE_FULL')
  writeFileSync(path.join(absent, 'disk-probe'), 'of a process that was killed')
  diskReturn.reset()
  t.notOk(diskReturn.isWaiting || diskReturn.hasFault, 'a start, whoever asked for it, ends it')
  await diskReturn.stop()
  t.same(readdirSync(absent), [], 'and clears away')
})

t.test('the key of the next start is zeroed when the node cannot leave', async (t) => {
  const bytes = Buffer.alloc(66, 7)
  const dataKey = Object.assign(Object.create(DataKey.prototype) as DataKey, { toBytes: () => bytes })
  await t.rejects(
    leaveWithKey({ dataKey }, () => Promise.reject(new Error('it does not close'))),
    /does not close/,
  )
  t.ok(bytes.every((byte) => byte === 0))
})

t.test('a plain report of a divergence is taken away, and only that', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-plain-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const logger = createNodeLogger('test', 'silent')
  for (const name of ['divergence.json', 'divergence-7.sealed'])
    writeFileSync(path.join(folder, name), '{}')
  dropPlainDivergence(folder, logger)
  dropPlainDivergence(folder, logger)
  t.same(readdirSync(folder), ['divergence-7.sealed'])
  t.end()
})

const admissionOf = (patient: string): Proposal => ({
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient,
      code: 'ADT^A01',
      body: {
        ...{ family: 'Jones', given: 'Lisa', birthDate: 19970214, sex: 'F', pregnancy: 1, identifiers: [] },
        ...{ ward: '4', room: '12', bed: 'A', visitNumber: 'V1', reason: '' },
      },
    },
  ],
})

/** Undefined where this account may mount one. */
function whyNoMount(): string | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-mount-'))
  try {
    mountSmall(folder)
    execFileSync('umount', [folder], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'this account cannot mount a tmpfs'
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const mountSmall = (folder: string): void =>
  void execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'none', folder], { stdio: 'ignore' })

/** Takes all that is free. The node writes as well: the last bytes may be gone before. */
function fillUp(folder: string): string {
  const ballast = path.join(folder, 'ballast')
  const { bavail, bsize } = statfsSync(folder)
  try {
    writeFileSync(ballast, Buffer.alloc(bavail * bsize))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
  return ballast
}

t.test(
  'a node on a full disk stops to vote, answers, and goes on by itself when there is room',
  { skip: whyNoMount() ?? false },
  async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-full-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    mountSmall(folder)
    t.teardown(() => execFileSync('umount', [folder], { stdio: 'ignore' }))
    const single = await createSingleNode({ under: folder })
    t.teardown(() => single.close())
    const { node } = single
    const session = await single.signIn('nurse')
    const prepared = await node.prepare(session, admissionOf('c1'.repeat(16)))
    if (!prepared.ok) throw new Error(prepared.code)
    const ballast = fillUp(folder)
    const refused = await during('signing', node.sign(session, prepared.value.id, personPassword.slice()))
    t.equal(refused.ok, false)
    await until('the fault', () => node.status().fault !== undefined)
    // The votes' file is written first, but it may have a page to spare.
    t.match(node.status().fault, { code: /VOTE_STORE|CHAIN_PORT/, detail: /STORE_FULL/ })
    t.ok((await node.patients(session, { application: '' })).ok, 'reads go on')
    rmSync(ballast)
    await until('going on', () => !node.status().sealed && node.status().fault === undefined)
    const again = await single.sign(await single.signIn('nurse'), admissionOf('c2'.repeat(16)))
    t.equal(again.code, 'OK')
    await onReadOnlyDisk(t, single, folder)
  },
)

/** As Linux leaves a disk after an error: it reads, and nothing can be written. */
async function onReadOnlyDisk(t: Test, single: SingleNode, disk: string) {
  const { node, folder } = single
  const remount = (mode: 'ro' | 'rw'): void =>
    void execFileSync('mount', ['-o', `remount,${mode}`, disk], { stdio: 'ignore' })
  await node.seal()
  remount('ro')
  try {
    const refused = await node.unlock(storePassword.slice())
    t.match(refused, { code: 'UNLOCK_DISK', detail: /STORE_READ_ONLY.*remount,rw/ })
    t.equal(node.status().sealed, true)
    const key = await openKeyslot(nodeFiles(folder).keyslots, storePassword.slice())
    const reader = new ReaderClient({
      folder: nodeFiles(folder).chain,
      dataKey: () => key.toBytes(),
      onTrouble: () => undefined,
    })
    const reading = reader.call('record', { id: new Uint8Array(32) })
    await t.rejects(reading, { code: 'READ_FAILED', advice: /remount,rw/ }, 'not only that it failed')
    await reader.close()
    key.close()
  } finally {
    remount('rw')
  }
  t.match(
    await node.unlock(storePassword.slice()),
    { ok: true },
    'the cause is gone, nothing else is asked',
  )
  t.equal((await single.sign(await single.signIn('nurse'), admissionOf('c3'.repeat(16)))).code, 'OK')
}
