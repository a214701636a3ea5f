// Power loss on a simulated disk. Every transaction of a real store is caught between two syncs; a round
// takes one of them and loses writes as a disk may: any subset of the 512-byte sectors that were written
// since the last sync, the file's growth, the rename of a small file. What was acknowledged must be there,
// whole. `WARD_POWER_ROUNDS` is the number of rounds (`npm run store-rounds` takes 300), `WARD_SEED`
// another order.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import {
  applyNext,
  bodyContent,
  buildBlock,
  createBed,
  leafSalt,
  openBed,
  patientOf,
  temporaryFolder,
  utf8,
  type Bed,
} from './chain-store.fixture.js'
import { checkEngineTree } from './engine-check.js'
import { openVotesStore, verifyChainStore, type VotesStore } from './index.js'
import { sha256 } from './sodium.js'

const rounds = Number(process.env['WARD_POWER_ROUNDS'] ?? 40)
t.setTimeout(300_000 + 2_000 * rounds)
const sectorBytes = 512
const metaBytes = 2 * 4_096
const files = ['chain.lmdb', 'votes.lmdb', 'patients.key', 'votes.token'] as const
const engineFiles: readonly string[] = ['chain.lmdb', 'votes.lmdb']

/** What is on the disk when a sync has returned, and what the store has said of itself by then. */
interface Image {
  bytes: Map<string, Buffer>
  height: number
  root: string
  vote: string
  erased: ReadonlySet<number>
  firstPayload: number
}

/** Numbers from a fixed seed: a failing run can be repeated. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const hex = (bytes: Uint8Array | undefined | null): string => Buffer.from(bytes ?? []).toString('hex')

/** Runs a store through its life and takes an image around each of its transactions. */
class Disk {
  readonly images: Image[] = []
  readonly #erased = new Set<number>()
  #erasing: number | undefined

  constructor(
    readonly bed: Bed,
    readonly votes: VotesStore,
  ) {
    const { environment } = bed.store
    const write = environment.write.bind(environment)
    environment.write = (work) => {
      // The small files may have been replaced since the last transaction.
      this.take()
      write(work)
      if (this.#erasing !== undefined) this.#erased.add(this.#erasing)
      this.take()
    }
  }

  take(): void {
    const { bed, votes } = this
    const applied = bed.store.applied()
    const bytes = new Map<string, Buffer>()
    for (const file of files) bytes.set(file, readFileSync(join(bed.folder, file)))
    this.images.push({
      bytes,
      height: applied?.height ?? -1,
      root: hex(applied?.stateRoot),
      vote: hex(votes.load().record),
      erased: new Set(this.#erased),
      firstPayload: bed.store.firstPayload(),
    })
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step += 1) {
      const height = (this.bed.store.applied()?.height ?? -1) + 1
      const body = { hash: sha256(utf8(`body ${step}`)), bytes: utf8(`body ${step}`) }
      this.votes.persist({ record: utf8(`vote ${step}`), put: [body], drop: [] })
      this.take()
      if (step % 9 === 8) this.#erase(height, step % 2)
      else applyNext(this.bed, 20)
      if (step % 7 === 6) this.bed.store.prune(height - 3, 5)
      if (step % 5 === 4) this.bed.store.putNote('a note', utf8(`note ${step}`))
    }
    this.take()
  }

  #erase(height: number, patient: number): void {
    const block = buildBlock(this.bed, height)
    this.#erasing = patient
    this.bed.store.applyBlock({ ...block, erasedPatients: [patientOf(patient)] })
    this.#erasing = undefined
    this.bed.tree.accept(this.bed.tree.update(block.writes.state))
  }
}

type Tap = Pick<typeof t, 'equal' | 'same' | 'fail'>

/** One file as the disk may hold it when the power goes between two syncs. */
function lost(before: Buffer, after: Buffer, random: () => number): Buffer {
  const grew = random() < 0.5
  const disk = Buffer.alloc(grew ? after.length : before.length)
  before.copy(disk)
  const kept = random()
  for (let at = metaBytes; at < disk.length; at += sectorBytes) {
    // The engine writes its meta page when everything else is on disk, so it is still the old one.
    if (random() < kept) after.copy(disk, at, at, Math.min(at + sectorBytes, disk.length))
  }
  return disk
}

async function checkOpened(
  t: Tap,
  folder: string,
  image: Image,
  isThorough: boolean,
  bed: Bed,
): Promise<void> {
  for (const file of engineFiles) t.same(checkEngineTree(join(folder, file)), [], file)
  const opened = openBed(folder, bed.dataKey)
  const { store, tree } = opened
  t.equal(store.applied()?.height ?? -1, image.height, 'every acknowledged block is there')
  t.equal(hex(store.applied()?.stateRoot), image.root)
  if (image.height >= 0) t.equal(hex(tree.root), image.root, 'the state is whole')
  t.equal(store.firstPayload(), image.firstPayload)
  for (let height = 0; height <= image.height; height += 1) {
    const block = store.blockAt(height)
    const payload = height < image.firstPayload ? '' : `payload ${height}`
    if (Buffer.from(block?.payload ?? []).toString() !== payload) t.fail(`block ${height}`)
    const patient = height % 3
    const body = store.patientBody(patientOf(patient), sha256(bodyContent(height)))
    const isErased = image.erased.has(patient)
    if (
      isErased
        ? body.ok || body.code !== 'BODY_ERASED'
        : hex(body.ok ? body.value : null) !== hex(bodyContent(height))
    )
      t.fail(`body ${height}`)
  }
  if (isThorough) t.same(verifyChainStore(store, { hash: sha256, leafSalt }).findings, [])
  applyNext(opened)
  t.equal(store.applied()?.height, image.height + 1, 'and it goes on')
  await store.close()
  const votes = openVotesStore(folder, bed.dataKey)
  const { record, clean } = votes.load()
  t.equal(hex(record), image.vote, 'every vote that was sent is there')
  t.equal(clean, true)
  await votes.close()
}

t.test(`${rounds} losses of power lose nothing that was acknowledged`, async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  const votes = openVotesStore(folder, bed.dataKey, { create: true })
  const disk = new Disk(bed, votes)
  disk.run(30)
  await bed.store.close()
  await votes.close()
  const random = createRandom(Number(process.env['WARD_SEED'] ?? 1))
  const { images } = disk
  let torn = 0
  for (let round = 0; round < rounds; round += 1) {
    const at = Math.floor(random() * (images.length - 1))
    const [before, after] = [images[at], images[at + 1]]
    const target = join(folder, `round ${round}`)
    mkdirSync(target)
    for (const file of files) {
      const [old, fresh] = [
        before.bytes.get(file) ?? Buffer.alloc(0),
        after.bytes.get(file) ?? Buffer.alloc(0),
      ]
      if (engineFiles.includes(file)) {
        const bytes = lost(old, fresh, random)
        if (!bytes.equals(old)) torn += 1
        writeFileSync(join(target, file), bytes)
        continue
      }
      // Renamed or not yet, and a piece of the new file may lie beside it.
      const wasRenamed = !old.equals(fresh) && random() < 0.5 && before.height === after.height
      writeFileSync(join(target, file), wasRenamed ? fresh : old)
      if (random() < 0.3)
        writeFileSync(join(target, `${file}.new`), fresh.subarray(0, random() * fresh.length))
    }
    await checkOpened(t, target, before, round % 10 === 0, bed)
    rmSync(target, { recursive: true })
    // Locked memory is given back between two turns of the event loop.
    await setImmediate()
    if (!t.passing)
      return t.comment(`round ${round}: between image ${at} and ${at + 1} of ${images.length}`)
  }
  t.ok(torn > rounds / 4, `${torn} files held a part of what was written`)
  t.ok(existsSync(join(folder, 'chain.lmdb')))
})
