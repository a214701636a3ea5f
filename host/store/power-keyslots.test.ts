// Power loss while the keys change: slots added, changed and removed, a new key epoch, a former one
// forgotten. These write small files, so the disk is simulated under `node:fs`: what a sync has not yet taken
// may be there, be there in part, or not; a name may be the old or the new one. The engine's own transactions
// are in power-loss.test.ts; here its files are as they lie.
import fs, { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { applyNext, createBed, password, temporaryFolder, testCost, utf8 } from './chain-store.fixture.js'
import {
  addKeyslot,
  changeKeyslot,
  dropFormerEpochs,
  listKeyslots,
  openChainStore,
  openKeyslot,
  openVotesStore,
  readSealedFile,
  removeKeyslot,
  Reseal,
  rotateDataKey,
  writeSealedFile,
  type DataKey,
} from './index.js'
import { sha256 } from './sodium.js'
import { UnlockThrottle } from './unlock-throttle.js'

const sectorBytes = 512
t.setTimeout(300_000)

/** What is hooked, as it was. */
const whole = {
  openSync: fs.openSync,
  writeSync: fs.writeSync,
  fsyncSync: fs.fsyncSync,
  renameSync: fs.renameSync,
  unlinkSync: fs.unlinkSync,
  rmSync: fs.rmSync,
  closeSync: fs.closeSync,
}

interface Inode {
  durable: Buffer
  current: Buffer
}

type Names = Map<string, Inode>

/** The small files of one folder as a disk holds them; `onStep` is called between any two calls. */
class SmallFileDisk {
  #current: Names = new Map()
  #durable: Names = new Map()
  /** What was done to names since the folder was synced. */
  #changes: ((names: Names) => void)[] = []
  readonly #open = new Map<number, Inode | 'folder'>()
  readonly #folder: string
  onStep: () => void = () => undefined

  constructor(folder: string) {
    this.#folder = folder
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      if (!statSync(path).isFile() || /\.lmdb|\.owner$|\.crashes$/.test(name)) continue
      const bytes = readFileSync(path)
      this.#current.set(name, { durable: bytes, current: bytes })
    }
    this.#durable = new Map(this.#current)
  }

  /** Hooks `node:fs` for everybody until `release`. */
  hold(): void {
    const { openSync, writeSync, fsyncSync, renameSync, unlinkSync, rmSync, closeSync } = whole
    Object.assign(fs, {
      openSync: (path: string, flags: string, mode?: number) => {
        const file = openSync(path, flags, mode)
        if (path === this.#folder) this.#open.set(file, 'folder')
        else if (this.#isOurs(path)) this.#open.set(file, this.#opened(basename(path), flags))
        return file
      },
      writeSync: (file: number, bytes: Uint8Array, from: number, count: number, at: number | null) => {
        const written = writeSync(file, bytes, from, count, at)
        const inode = this.#open.get(file)
        if (inode && inode !== 'folder')
          inode.current = overwritten(inode.current, bytes.subarray(from, from + written), at)
        this.onStep()
        return written
      },
      fsyncSync: (file: number) => {
        fsyncSync(file)
        const inode = this.#open.get(file)
        if (inode === 'folder') this.#syncNames()
        else if (inode) inode.durable = inode.current
        this.onStep()
      },
      renameSync: (from: string, to: string) => {
        renameSync(from, to)
        if (this.#isOurs(from)) this.#rename(basename(from), basename(to))
        this.onStep()
      },
      unlinkSync: (path: string) => {
        unlinkSync(path)
        if (this.#isOurs(path)) this.#change((names) => void names.delete(basename(path)))
      },
      rmSync: (path: string, options: fs.RmOptions) => {
        rmSync(path, options)
        if (this.#isOurs(path)) this.#change((names) => void names.delete(basename(path)))
      },
      closeSync: (file: number) => {
        this.#open.delete(file)
        closeSync(file)
      },
    })
    syncBuiltinESMExports()
  }

  release(): void {
    Object.assign(fs, whole)
    syncBuiltinESMExports()
  }

  /** What is there after a loss of power now: each sector and each change of a name taken or not. */
  lose(random: () => number): Map<string, Buffer> {
    const names = new Map(this.#durable)
    const taken = Math.floor(random() * (this.#changes.length + 1))
    for (const change of this.#changes.slice(0, taken)) change(names)
    return new Map([...names].map(([name, inode]) => [name, torn(inode, random)]))
  }

  #isOurs = (path: string): boolean =>
    dirname(path) === this.#folder && !/\.lmdb|\.owner$|\.crashes$/.test(path)

  #opened(name: string, flags: string): Inode {
    const known = this.#current.get(name)
    if (known) {
      if (flags.startsWith('w')) known.current = Buffer.alloc(0)
      return known
    }
    const made = { durable: Buffer.alloc(0), current: Buffer.alloc(0) }
    this.#change((names) => void names.set(name, made))
    return made
  }

  #rename(from: string, to: string): void {
    const inode = this.#current.get(from)
    if (!inode) throw new Error(`${from} was renamed and never made`)
    this.#change((names) => {
      names.delete(from)
      names.set(to, inode)
    })
  }

  #change(change: (names: Names) => void): void {
    change(this.#current)
    this.#changes.push(change)
  }

  #syncNames(): void {
    this.#durable = new Map(this.#current)
    this.#changes = []
  }
}

function overwritten(before: Buffer, bytes: Uint8Array, at: number | null): Buffer {
  const from = at ?? before.length
  const after = Buffer.alloc(Math.max(before.length, from + bytes.length))
  before.copy(after)
  after.set(bytes, from)
  return after
}

function torn({ durable, current }: Inode, random: () => number): Buffer {
  if (durable === current) return durable
  const disk = Buffer.alloc((random() < 0.5 ? durable : current).length)
  durable.copy(disk)
  const kept = random()
  for (let at = 0; at < disk.length; at += sectorBytes)
    if (random() < kept) current.copy(disk, at, at, Math.min(at + sectorBytes, disk.length))
  return disk
}

/** Numbers from a fixed seed: a failing run can be repeated. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const second = utf8('the second password')
const third = utf8('the third password')

/** Undefined: this password opens nothing. Any other failure is the test's. */
async function tryOpen(folder: string, words: Uint8Array): Promise<DataKey | undefined> {
  try {
    return await openKeyslot(join(folder, 'keyslots'), words, {
      throttle: new UnlockThrottle({ delayMsMin: 0 }),
    })
  } catch (error) {
    if ((error as { code?: string }).code === 'KEYSLOT_REJECTED') return undefined
    throw error
  }
}

/** Everything that was sealed opens with this key: chain with its bodies, votes, a small file. */
async function readsAll(folder: string, key: DataKey): Promise<string> {
  const store = openChainStore(folder, key)
  const { height = -1 } = store.applied() ?? {}
  const block = Buffer.from(store.blockAt(height)?.payload ?? []).toString()
  await store.close()
  const votes = openVotesStore(folder, key)
  const { record, clean } = votes.load()
  await votes.close()
  const file = readSealedFile(join(folder, 'kept.sealed'), key) ?? new Uint8Array(0)
  return [block, Buffer.from(record ?? []).toString(), clean, Buffer.from(file).toString()].join(', ')
}

interface Expected {
  /** What a loss of power leaves of the work opens with each of these. */
  opens: readonly Uint8Array[]
  /** And with at least one of these. */
  either?: readonly Uint8Array[]
}

/** Does the work and opens whatever a loss of power between two of its calls may leave. */
async function losing(
  t: Test,
  name: string,
  work: () => Promise<unknown>,
  [folder, truth, random]: readonly [string, string, () => number],
  expected: Expected,
): Promise<void> {
  const disk = new SmallFileDisk(folder)
  const images = new Map<string, Map<string, Buffer>>()
  disk.onStep = () => {
    for (let way = 0; way < 6; way += 1) {
      const image = disk.lose(random)
      for (const file of ['chain.lmdb', 'votes.lmdb']) image.set(file, readFileSync(join(folder, file)))
      const shown = [...image].map(
        ([file, bytes]) => `${file} ${Buffer.from(sha256(bytes)).toString('hex')}`,
      )
      images.set(shown.sort().join(), image)
    }
  }
  disk.hold()
  try {
    await work()
  } finally {
    disk.release()
  }
  t.ok(images.size >= 4, `${name}: ${images.size} images`)
  for (const image of images.values())
    await checkImage(t, name, join(folder, 'image'), image, truth, expected)
  const rest = disk.lose(() => 0)
  for (const [file, bytes] of rest)
    t.same(readFileSync(join(folder, file)), bytes, `${file} is on the disk`)
}

async function checkImage(
  t: Test,
  name: string,
  place: string,
  image: ReadonlyMap<string, Buffer>,
  truth: string,
  { opens, either = [] }: Expected,
): Promise<void> {
  mkdirSync(place)
  for (const [file, bytes] of image) writeFileSync(join(place, file), bytes)
  let opened = 0
  for (const words of [...opens, ...either]) {
    const key = await tryOpen(place, words)
    if (key) t.equal(await readsAll(place, key), truth, name)
    else if (opens.includes(words)) t.fail(`${name}: ${Buffer.from(words).toString()} opens nothing`)
    if (key && either.includes(words)) opened += 1
    key?.close()
  }
  if (either.length > 0) t.equal(opened, 1, `${name}: the old password or the new one`)
  rmSync(place, { recursive: true })
  // Locked memory is given back between two turns of the event loop.
  await setImmediate()
}

/** A small store with votes and a sealed file; what `readsAll` says of it. */
async function found(folder: string): Promise<string> {
  const bed = await createBed(folder)
  for (let height = 0; height < 3; height += 1) applyNext(bed)
  await bed.store.close()
  const votes = openVotesStore(folder, bed.dataKey, { create: true })
  votes.persist({ record: utf8('my vote'), put: [], drop: [] })
  await votes.close()
  writeSealedFile(join(folder, 'kept.sealed'), bed.dataKey, utf8('a small file'))
  const truth = await readsAll(folder, bed.dataKey)
  bed.dataKey.close()
  return truth
}

async function resealAll(folder: string): Promise<void> {
  const key = await openKeyslot(join(folder, 'keyslots'), password)
  const store = openChainStore(folder, key)
  const reseal = new Reseal(store)
  while (reseal.progress) reseal.step(50)
  await store.close()
  key.close()
}

t.test('no loss of power while keys change locks anybody out', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const truth = await found(folder)
  t.equal(truth, 'payload 2, my vote, true, a small file')
  const keyslots = join(folder, 'keyslots')
  const on = [folder, truth, createRandom(Number(process.env['WARD_SEED'] ?? 1))] as const
  const opens = async (words: Uint8Array): Promise<boolean> => {
    const key = await tryOpen(folder, words)
    key?.close()
    return key !== undefined
  }
  const add = (): Promise<number> => addKeyslot(keyslots, password, second, { cost: testCost })
  await losing(t, 'add', add, on, { opens: [password] })
  t.equal(await opens(second), true)
  const change = (): Promise<void> => changeKeyslot(keyslots, second, third)
  await losing(t, 'change', change, on, { opens: [password], either: [second, third] })
  t.same([await opens(second), await opens(third)], [false, true])
  const rotate = async (): Promise<void> => (await rotateDataKey(keyslots, password)).close()
  await losing(t, 'rotate', rotate, on, { opens: [password, third] })
  t.same(listKeyslots(keyslots).epochs, [0, 1])
  await resealAll(folder)
  const drop = (): Promise<number[]> =>
    dropFormerEpochs(keyslots, password, { chain: folder, votes: folder })
  await losing(t, 'drop-former', drop, on, { opens: [password, third] })
  t.same(listKeyslots(keyslots).epochs, [1])
  await losing(t, 'remove', () => removeKeyslot(keyslots, password, 1), on, { opens: [password] })
  t.same([await opens(password), await opens(third)], [true, false])
})
