// A full disk. Where a small tmpfs can be mounted (root, Linux) it is a real one; elsewhere the file size
// limit of the process stands for it.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { createFile, replaceFile } from './durable-file.js'
import { ChainReader, openKeyslot } from './index.js'
import { formatVersion } from './sealed-environment.js'
import { sha256 } from './sodium.js'
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

t.test('a file that the disk has no room for is replaced whole or not at all', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const small = join(folder, 'small')
  if (!mountSmall(small)) return t.comment('skipped: this user cannot mount a tmpfs')
  t.teardown(() => execFileSync('umount', [small], { stdio: 'ignore' }))
  const file = join(small, 'shares.sealed')
  const good = Buffer.alloc(10_000, 1)
  replaceFile(file, good)
  // Room for a part of the next one.
  const room = join(small, 'room')
  writeFileSync(room, Buffer.alloc(8_192))
  t.throws(() => writeFileSync(join(small, 'ballast'), Buffer.alloc(2 ** 23)), { code: 'ENOSPC' })
  rmSync(room)
  for (const overwriteOld of [false, true]) {
    const replace = (): void => replaceFile(file, Buffer.alloc(14_000, 2), { overwriteOld })
    t.throws(replace, { code: 'STORE_FULL' })
    t.same(readFileSync(file), good, 'as it was')
    t.throws(() => createFile(join(small, 'other'), Buffer.alloc(14_000, 2)), { code: 'STORE_FULL' })
    t.same(readdirSync(small).sort(), ['ballast', 'shares.sealed'], 'no part of it stays')
  }
  rmSync(join(small, 'ballast'))
  replaceFile(file, Buffer.alloc(14_000, 2), { overwriteOld: true })
  t.same(readFileSync(file), Buffer.alloc(14_000, 2))
})

t.test('a system that takes a part of the bytes is given the rest', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const file = join(folder, 'file')
  const content = Uint8Array.from({ length: 5_000 }, (_, index) => index % 251)
  const whole = fs.writeSync
  let takes = 999
  fs.writeSync = ((to: number, bytes: Uint8Array, from: number, count: number, at: number | null) =>
    takes === 0 ? 0 : whole(to, bytes, from, Math.min(takes, count), at)) as typeof fs.writeSync
  syncBuiltinESMExports()
  t.teardown(() => {
    fs.writeSync = whole
    syncBuiltinESMExports()
  })
  replaceFile(file, content)
  replaceFile(file, content, { overwriteOld: true })
  t.same(new Uint8Array(readFileSync(file)), content)
  takes = 0
  t.throws(() => replaceFile(file, new Uint8Array(9)), { code: 'STORE_FULL' })
  t.same(new Uint8Array(readFileSync(file)), content)
  t.same(readdirSync(folder), ['file'])
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

t.test('a store of a later version is refused, and nothing of it is changed', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  applyNext(bed)
  // As a later version would: its mark, in a transaction of its own.
  bed.store.environment.write(() => bed.store.environment.raiseVersion(formatVersion + 1))
  await bed.store.close()
  const kept = (): Record<string, string> =>
    Object.fromEntries(
      readdirSync(folder)
        .filter((name) => !name.endsWith('-lock'))
        .sort()
        .map((name) => [name, Buffer.from(sha256(readFileSync(join(folder, name)))).toString('hex')]),
    )
  const before = kept()
  for (let start = 0; start < 2; start += 1) {
    t.throws(() => openBed(folder, bed.dataKey), { code: 'STORE_NEWER_VERSION', message: /newer version/ })
    t.throws(() => new ChainReader(folder, bed.dataKey.toBytes()), { code: 'STORE_NEWER_VERSION' })
  }
  t.same(kept(), before, 'every byte is as it was, and no lock or part of a file stays')
  t.match(Object.keys(before), ['chain.lmdb', 'keyslots', 'patients.key'])
})
