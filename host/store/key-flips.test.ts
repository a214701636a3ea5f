// One flipped bit in a stored key, in leaves and in the branches that lead to them: every read gives the
// right answer or a code, never a shorter or another one. A seal cannot tell this by itself: the record is
// whole and lies where nobody looks. `WARD_KEY_FLIPS` is the number of flips (`npm run store-rounds`),
// `WARD_FLIP_BLOCKS` the height of the chain.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { StateTree } from '../../runtime/state/index.js'
import {
  applyNext,
  bodyContent,
  createBed,
  leafSalt,
  patientOf,
  temporaryFolder,
  utf8,
} from './chain-store.fixture.js'
import { StoreCare } from '../executor/store-care.js'
import { compactClosed, openChainStore, openVotesStore, type ChainStore, type DataKey } from './index.js'
import { checkEngineTree } from './engine-check.js'
import { createScratchHash, sha256 } from './sodium.js'
import { chainTables, table } from './tables.js'

const flips = Number(process.env['WARD_KEY_FLIPS'] ?? 80)
const blocks = Number(process.env['WARD_FLIP_BLOCKS'] ?? 16)
t.setTimeout(180_000 + 1_000 * flips)

/** What damage may be called; anything else is a wrong word for it. */
const altered = ['RECORD_ALTERED', 'NEIGHBOUR_ALTERED']
const codes = new Set([...altered, 'STORE_DAMAGED', 'STORE_KEY_MISMATCH', 'FOREIGN_FILE'])
const orderMax = 2n ** 64n - 1n

/** Every kind of read, of what is there and of what is not. */
function* questions(store: ChainStore): Generator<[string, () => unknown]> {
  yield ['applied', () => store.applied()]
  yield ['note', () => store.note('kept')]
  yield ['no note', () => store.note('never')]
  for (let height = 0; height < blocks; height += 1) {
    yield [`block ${height}`, () => store.blockAt(height)]
    yield [`record ${height}`, () => store.get('$record', utf8(`record ${height}.1`))]
    yield [`no record ${height}`, () => store.get('$record', utf8(`record ${height}.9`))]
    yield [`transaction ${height}`, () => store.transactionLocation(sha256(utf8(`transaction ${height}`)))]
    yield [`module ${height}`, () => store.attachmentByHash(sha256(utf8(`module ${height}`)))]
    const patient = patientOf(height % 3)
    yield [`body ${height}`, () => store.patientBody(patient, sha256(bodyContent(height)))]
  }
  for (const descending of [false, true]) {
    for (const [from, to, limit] of [
      [0n, orderMax, 500],
      [0n, orderMax, 2],
      [3n, 7n, 500],
      [1_003n, 1_007n, 500],
    ] as const) {
      const name = `${from} to ${to}, ${limit}, ${descending}`
      const alerts = (): unknown =>
        store.scan('ward/alerts', 1, utf8('ward 3'), from, to, limit, descending)
      yield [`alerts ${name}`, alerts]
      for (const patient of [0, 1, 2, 9]) {
        const rows = (): unknown =>
          store.scanIndex('$record', 2, patientOf(patient), from, to, limit, descending)
        yield [`index of ${patient}, ${name}`, rows]
      }
    }
  }
}

const shown = (answer: unknown): string =>
  JSON.stringify([answer], (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))

type Told = { code?: string }

function answers(store: ChainStore): Map<string, string> {
  const found = new Map<string, string>()
  for (const [name, ask] of questions(store)) {
    try {
      found.set(name, shown(ask()))
    } catch (error) {
      found.set(name, `refused ${(error as Told).code ?? String(error)}`)
    }
  }
  return found
}

/** All stored keys, table by table, as whoever walks a table sees them. */
function walks(store: ChainStore): Map<string, string> {
  const found = new Map<string, string>()
  for (const id of chainTables) {
    try {
      const rows = [...store.environment.range(Buffer.from([id]), Buffer.from([id + 1]))]
      const sealer = store.environment.sealer(id)
      const keys = rows.map(({ storedKey, record }) => {
        sealer.openEntry(storedKey, record)
        return storedKey.toString('hex')
      })
      found.set(`table ${id}`, keys.join())
    } catch (error) {
      found.set(`table ${id}`, `refused ${(error as Told).code ?? String(error)}`)
    }
  }
  return found
}

async function readAll(folder: string, dataKey: DataKey): Promise<Map<string, string>> {
  let store: ChainStore
  try {
    store = openChainStore(folder, dataKey)
  } catch (error) {
    return new Map([['open', `refused ${(error as Told).code ?? String(error)}`]])
  }
  try {
    return new Map([...answers(store), ...walks(store)])
  } finally {
    await store.close()
  }
}

/** Where a key lies in the file, copies in pages of before included. */
function placesOf(file: Buffer, keys: readonly Buffer[]): { at: number; length: number }[] {
  const places: { at: number; length: number }[] = []
  for (const key of keys) {
    for (let at = file.indexOf(key); at >= 0; at = file.indexOf(key, at + 1))
      places.push({ at, length: key.length })
  }
  return places.sort((left, right) => left.at - right.at)
}

function judge(t: Test, where: string, told: Map<string, string>, truth: Map<string, string>): string {
  let outcome = 'no effect'
  for (const [name, answer] of told) {
    if (answer === truth.get(name)) continue
    const code = answer.startsWith('refused ') ? answer.slice(8) : ''
    if (!codes.has(code)) t.fail(`${where}: ${name} is ${answer.slice(0, 80)}`)
    outcome = code === '' ? 'WRONG' : code
  }
  return outcome
}

t.test(`${flips} flipped bits in keys: never a wrong or a short answer`, async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height < blocks; height += 1) applyNext(bed)
  bed.store.putNote('kept', utf8('a note'))
  const all = [...bed.store.environment.range(Buffer.from([1]), Buffer.from([255]))]
  const keys = all.map(({ storedKey }) => storedKey).filter((key) => key.length > 9)
  await bed.store.close()
  const whole = readFileSync(join(folder, 'chain.lmdb'))
  const truth = await readAll(folder, bed.dataKey)
  t.notOk([...truth.values()].some((answer) => answer.startsWith('refused')))
  const places = placesOf(whole, keys)
  t.ok(places.length > keys.length, `${places.length} places of ${keys.length} keys`)
  const copy = join(folder, 'copy')
  mkdirSync(copy)
  copyFileSync(join(folder, 'patients.key'), join(copy, 'patients.key'))
  const outcomes = new Map<string, number>()
  for (let flip = 0; flip < flips; flip += 1) {
    const place = places[Math.floor((flip * places.length) / flips) % places.length]
    // Another byte of the key each time, and another bit.
    const at = place.at + ((flip * 7) % place.length)
    const bent = Buffer.from(whole)
    bent[at] ^= 1 << ((flip * 5) % 8)
    writeFileSync(join(copy, 'chain.lmdb'), bent)
    const outcome = judge(t, `byte ${at}`, await readAll(copy, bed.dataKey), truth)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    rmSync(join(copy, 'chain.lmdb-lock'), { force: true })
    // Locked memory goes back to the system in a turn of its own.
    await setTimeout(1)
  }
  t.comment([...outcomes].map(([outcome, count]) => `${outcome}: ${count}`).join(', '))
  t.ok(
    altered.some((code) => outcomes.has(code)),
    'some of them lie in pages that are in use',
  )
  bed.dataKey.close()
})

t.test('one bit of every key of a small store: each is noticed', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height < 3; height += 1) applyNext(bed)
  bed.store.putNote('kept', utf8('a note'))
  const keys = [...bed.store.environment.range(Buffer.from([1]), Buffer.from([255]))].map(
    ({ storedKey }) => storedKey,
  )
  await bed.store.close()
  const whole = readFileSync(join(folder, 'chain.lmdb'))
  const truth = await readAll(folder, bed.dataKey)
  t.ok(new Set(keys.map(({ length }) => length)).size >= 3, 'points, heights and ordered rows')
  t.ok(new Set(keys.map(([id]) => id)).size >= 12, 'of nearly every table, its first and last row too')
  const copy = join(folder, 'copy')
  mkdirSync(copy)
  copyFileSync(join(folder, 'patients.key'), join(copy, 'patients.key'))
  for (const [number, key] of keys.entries()) {
    const bent = Buffer.from(whole)
    // As it stands in a page, after its length, in pages of before as well.
    const mark = Buffer.concat([new Uint8Array([key.length, 0]), key])
    const place = 2 + ((number * 7) % key.length)
    for (let at = bent.indexOf(mark); at >= 0; at = bent.indexOf(mark, at + 1))
      bent[at + place] ^= 1 << ((number * 5) % 8)
    writeFileSync(join(copy, 'chain.lmdb'), bent)
    const name = `byte ${place - 2} of ${key.toString('hex')}`
    const outcome = judge(t, name, await readAll(copy, bed.dataKey), truth)
    if (!codes.has(outcome)) t.fail(`${name}: ${outcome}`)
    rmSync(join(copy, 'chain.lmdb-lock'), { force: true })
    await setTimeout(1)
  }
  t.comment(`${keys.length} keys`)
  // Whoever compacts a stopped node has no key of its store: another table breaks the order, the last byte
  // does not, and the record keeps its place among its neighbours.
  const key = keys.find(([id]) => id === table.transaction) ?? Buffer.alloc(1)
  for (const [place, refused] of [
    [0, true],
    [16, false],
  ] as const) {
    const bent = Buffer.from(whole)
    for (let at = bent.indexOf(key); at >= 0; at = bent.indexOf(key, at + 1)) bent[at + place] ^= 0x80
    writeFileSync(join(copy, 'chain.lmdb'), bent)
    const compacted = compactClosed(copy, 'chain')
    if (refused) await t.rejects(compacted, { code: 'RECORD_ALTERED' })
    else await compacted
    t.equal(readFileSync(join(copy, 'chain.lmdb')).equals(bent), refused)
    t.same(
      readdirSync(copy).filter((name) => name.includes('.compact')),
      [],
    )
    const outcome = judge(t, `compacted, ${place}`, await readAll(copy, bed.dataKey), truth)
    t.ok(codes.has(outcome), outcome)
  }
  bed.dataKey.close()
})

t.test('a record that was cut out with its place in a page is missed', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height < 3; height += 1) applyNext(bed)
  await bed.store.close()
  const file = join(folder, 'chain.lmdb')
  t.same(checkEngineTree(file), [])
  const whole = readFileSync(file)
  let missed = 0
  for (let page = 2 * 4_096; page < whole.length; page += 4_096) {
    if ((whole.readUInt16LE(page + 18) & 0xff) !== 2) continue
    const cut = Buffer.from(whole)
    // One place less: the last record of a leaf is not reached by anybody.
    cut.writeUInt16LE(cut.readUInt16LE(page + 20) - 2, page + 20)
    writeFileSync(file, cut)
    const [finding] = checkEngineTree(file)
    if (finding === undefined || !finding.includes('its pages hold')) continue
    missed += 1
    const onStructure = (): void => undefined
    t.throws(() => openChainStore(folder, bed.dataKey, { onStructure }), { code: 'STORE_DAMAGED' })
  }
  t.ok(missed > 0)
  bed.dataKey.close()
})

t.test('damage beside the tree refuses no start, and has its right name', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  t.teardown(() => bed.dataKey.close())
  for (let height = 0; height < 3; height += 1) applyNext(bed)
  const root = Buffer.from(bed.tree.root)
  const { environment } = bed.store
  const rows = (id: number): { storedKey: Buffer; record: Buffer }[] =>
    [...environment.range(Buffer.from([id]), Buffer.from([id + 1]))].map(({ storedKey, record }) => ({
      storedKey: Buffer.from(storedKey),
      record: Buffer.from(record),
    }))
  const treeOf = (): StateTree => StateTree.open(bed.store, createScratchHash(), leafSalt)
  const beside = [rows(table.index).at(-1), rows(table.block)[0], rows(table.undo).at(-1)]
  t.ok(rows(table.treeRedo).length > 0)
  for (const row of beside.filter((found) => found !== undefined)) {
    // The version byte, then the seal.
    for (const place of [0, row.record.length - 1]) {
      const record = Buffer.from(row.record)
      record[place] ^= 1
      environment.putRecords([{ storedKey: row.storedKey, record }])
      t.same(Buffer.from(treeOf().root), root, `table ${row.storedKey[0]}`)
      // Nobody is told to start a newer version for a record that was not asked for.
      if (row.storedKey[0] !== table.undo)
        t.throws(() => rows(table.treePage), { code: 'NEIGHBOUR_ALTERED' })
      environment.putRecords([row])
    }
  }
  // The first heights are notes that are not there: damage beside their place stops no other care, and they
  // are looked up once.
  const around = [rows(table.transaction).at(-1), rows(table.undo)[0]].filter((row) => row !== undefined)
  const bend = (): void =>
    environment.putRecords(
      around.map((row) => {
        const record = Buffer.from(row.record)
        record[40] ^= 1
        return { storedKey: row.storedKey, record }
      }),
    )
  const care = { budgetMs: 20, keepBlocks: 1, compact: false }
  bend()
  t.match(new StoreCare(bed.store).step(care), {
    damage: { code: 'NEIGHBOUR_ALTERED' },
    compaction: 'none',
  })
  environment.putRecords(around)
  t.equal(bed.store.firstPayload(), 0)
  bend()
  t.equal(bed.store.firstPayload(), 0, 'known already')
  environment.putRecords(around)
  t.match(new StoreCare(bed.store).step(care), { damage: null, firstPayload: 2 })
  // A page under another key is not missed in silence.
  const [page] = rows(table.treePage)
  const moved = Buffer.from(page.storedKey)
  moved[5] ^= 1
  environment.write(() => environment.remove(page.storedKey))
  environment.putRecords([{ ...page, storedKey: moved }])
  t.throws(treeOf, { code: 'RECORD_ALTERED' })
  environment.write(() => {
    environment.remove(moved)
    for (const { storedKey } of rows(table.treeRedo)) environment.remove(storedKey)
  })
  t.notSame(Buffer.from(treeOf().root), root, 'nor is one that is gone: the root tells')
  // A walk that is cut short by the end of the store speaks of that, not of damage.
  const walk = environment.range(Buffer.from([table.block]), Buffer.from([table.block + 1]))
  for (let height = 0; height < 3; height += 1) walk.next()
  const closed = bed.store.close()
  t.throws(() => walk.next(), { code: 'STORE_CLOSED' })
  await closed
})

t.test('a vote that lies under an altered key is not forgotten', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  t.teardown(() => bed.store.close())
  const home = join(folder, 'votes')
  mkdirSync(home)
  const votes = openVotesStore(home, bed.dataKey, { create: true })
  votes.persist({ record: utf8('my vote'), put: [{ hash: sha256(utf8('b')), bytes: utf8('b') }], drop: [] })
  await votes.close()
  const whole = readFileSync(join(home, 'votes.lmdb'))
  for (const first of [table.voteRecord, table.voteBody]) {
    const bent = Buffer.from(whole)
    // A key of 17 bytes after its length, of the table that is looked for.
    const mark = Buffer.from([17, 0, first])
    for (let at = bent.indexOf(mark); at >= 0; at = bent.indexOf(mark, at + 1)) bent[at + 10] ^= 1
    t.notSame(bent, whole)
    const copy = join(folder, `votes ${first}`)
    mkdirSync(copy)
    writeFileSync(join(copy, 'votes.lmdb'), bent)
    copyFileSync(join(home, 'votes.token'), join(copy, 'votes.token'))
    // Hidden keys decide which record is whose neighbour: the opening may notice it already.
    const load = async (): Promise<void> => {
      const again = openVotesStore(copy, bed.dataKey)
      try {
        again.load()
      } finally {
        await again.close()
      }
    }
    await t.rejects(load(), { code: /^(RECORD|NEIGHBOUR)_ALTERED$/ })
  }
})
