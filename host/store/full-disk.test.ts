// A full disk. Where a small tmpfs can be mounted (root, Linux) it is a real one; elsewhere the file size
// limit of the process stands for it.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { openKeyslot } from './index.js'
import { applyNext, createBed, openBed, password, temporaryFolder } from './chain-store.fixture.js'

const childPath = new URL('./store-child.fixture.js', import.meta.url).pathname

function mountSmall(folder: string): boolean {
  try {
    mkdirSync(folder)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'none', folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

t.test('a full disk: a code, no half block, reads go on, writes go on once there is space', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const small = join(folder, 'small')
  if (!mountSmall(small)) return t.comment('skipped: this user cannot mount a tmpfs')
  t.teardown(() => execFileSync('umount', [small], { stdio: 'ignore' }))
  const bed = await createBed(small)
  await bed.store.close()
  const ballast = join(small, 'ballast')
  writeFileSync(ballast, Buffer.alloc(2 ** 21))
  const child = spawn(process.execPath, [childPath, small, 'full'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines: string[] = []
  const reader = createInterface(child.stdout)
  reader.on('line', (line) => {
    lines.push(line)
    if (!line.startsWith('read')) return
    rmSync(ballast)
    child.stdin.write('space is back\n')
  })
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 0, 'a clean exit')
  const [, failure, height] = lines[0].split(' ')
  t.equal(failure, 'STORE_FULL')
  t.equal(lines[1], `read head at ${height}`)
  t.equal(lines[2], `again ${Number(height) + 1}`)
  const again = openBed(small, await openKeyslot(join(small, 'keyslots'), password))
  t.equal(again.store.applied()?.height, Number(height) + 1)
  t.same(again.tree.root, again.store.applied()?.stateRoot)
  t.equal(again.store.blockAt(Number(height) + 2), undefined)
  await again.store.close()
})

t.test('a folder that cannot be written, and a file of something else', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  applyNext(bed)
  await bed.store.close()
  const other = join(folder, 'other')
  mkdirSync(other)
  writeFileSync(
    join(other, 'chain.lmdb'),
    'this is a letter and not a database, and it is long enough to look at',
  )
  t.throws(() => openBed(other, bed.dataKey), { code: 'FOREIGN_FILE' })
  const whole = readFileSync(join(folder, 'chain.lmdb'))
  for (const [what, bytes] of [
    ['zeros', Buffer.alloc(20_000)],
    ['ten bytes', Buffer.alloc(10, 65)],
    ['half a meta page', whole.subarray(0, 2_000)],
    ['one meta page', whole.subarray(0, 4_096)],
    ['two meta pages', whole.subarray(0, 8_192)],
    ['all but the last page', whole.subarray(0, whole.length - 4_096)],
    [
      'second meta page lost',
      Buffer.concat([whole.subarray(0, 4_096), Buffer.alloc(4_096), whole.subarray(8_192)]),
    ],
  ] as const) {
    const folder = mkdir(join(other, what))
    writeFileSync(join(folder, 'chain.lmdb'), bytes)
    t.throws(() => openBed(folder, bed.dataKey), { name: 'StoreError' }, what)
  }
  const stranger = join(folder, 'stranger')
  const strangers = await createBed(mkdir(stranger))
  await strangers.store.close()
  t.throws(() => openBed(stranger, bed.dataKey), { code: 'FOREIGN_FILE' }, 'the store of another node')
  t.throws(() => openBed(join(folder, 'keyslots', 'x'), bed.dataKey), { name: 'StoreError' })
  const partial = mkdir(join(folder, 'partial'))
  copyFileSync(join(folder, 'chain.lmdb'), join(partial, 'chain.lmdb'))
  t.throws(() => openBed(partial, bed.dataKey), { code: 'STORE_DAMAGED' }, 'patients.key is missing')
  const isHeld = (): boolean => existsSync(join(partial, 'chain.owner'))
  for (const end = Date.now() + 60_000; isHeld() && Date.now() < end;)
    await new Promise((resolve) => setTimeout(resolve, 5))
  t.notOk(isHeld(), 'the lock is given back')
})

function mkdir(path: string): string {
  mkdirSync(path)
  return path
}
