import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import type { Proposal } from '../api/node-port.js'
import { DiskReturn, isDiskFault } from './disk-return.js'
import { diskOf, diskView } from './disk-space.js'
import { during, until } from './patience.fixture.js'
import { createSingleNode, personPassword } from './single-node.fixture.js'

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
  let returns = 0
  const diskReturn = new DiskReturn(absent, () => (returns += 1), 5)
  t.teardown(() => diskReturn.stop())
  t.notOk(isDiskFault('RECORD_ALTERED'), 'what is damaged is not mended by waiting')
  diskReturn.onFault('RECORD_ALTERED')
  mkdirSync(absent)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(returns, 0)
  rmSync(absent, { recursive: true })
  diskReturn.onFault('writing chain.lmdb: STORE_FULL')
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(returns, 0, 'it takes no writes')
  mkdirSync(absent)
  await until('the disk takes writes', () => returns > 0)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(returns, 1)
  t.notOk(diskOf(path.join(absent, 'disk-probe')), 'and nothing is left there')
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

t.test(
  'a node on a full disk stops to vote, answers, and goes on by itself when there is room',
  async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-full-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'none', folder], { stdio: 'ignore' })
    } catch {
      return t.comment('skipped: this user cannot mount a tmpfs')
    }
    t.teardown(() => execFileSync('umount', [folder], { stdio: 'ignore' }))
    const single = await createSingleNode({ under: folder })
    t.teardown(() => single.close())
    const { node } = single
    const session = await single.signIn('nurse')
    const prepared = await node.prepare(session, admissionOf('c1'.repeat(16)))
    if (!prepared.ok) throw new Error(prepared.code)
    const ballast = path.join(folder, 'ballast')
    const { bavail, bsize } = statfsSync(folder)
    writeFileSync(ballast, Buffer.alloc(bavail * bsize))
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
  },
)
