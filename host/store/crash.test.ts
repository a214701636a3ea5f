// Real processes, really killed. WARD_CRASH_ROUNDS raises the number of rounds (500 takes about ten
// minutes).
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import t from 'tap'
import { MemoryPages, StateTree } from '../../runtime/state/index.js'
import { openKeyslot, openVotesStore } from './index.js'
import {
  applyNext,
  createBed,
  leafSalt,
  openBed,
  password,
  temporaryFolder,
} from './chain-store.fixture.js'
import { sha256 } from './sodium.js'
import { table } from './tables.js'

const rounds = Number(process.env['WARD_CRASH_ROUNDS'] ?? 6)
const damageRounds = Number(process.env['WARD_DAMAGE_ROUNDS'] ?? 12)
/** The long forms take minutes; tap's own limit is for tests that hang. */
t.setTimeout(300_000 + 5_000 * (rounds + damageRounds))
const childPath = new URL('./store-child.fixture.js', import.meta.url).pathname

type Child = ChildProcessByStdio<Writable, Readable, null>

function start(folder: string, mode: string, ...rest: string[]): { child: Child; lines: string[] } {
  const child = spawn(process.execPath, [childPath, folder, mode, ...rest], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(line))
  return { child, lines }
}

async function until(condition: () => boolean, child: Child): Promise<void> {
  while (!condition() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Numbers from a fixed seed: a failing run can be repeated. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

t.test(`${rounds} rounds of kill -9 lose nothing that was acknowledged`, async (t) => {
  t.setTimeout(300_000 + 5_000 * rounds)
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const founded = await createBed(folder)
  await founded.store.close()
  await openVotesStore(folder, founded.dataKey, { create: true }).close()
  const random = createRandom(Number(process.env['WARD_SEED'] ?? 1))
  let acknowledged = { vote: -1, block: -1, root: '' }
  for (let round = 0; round < rounds; round += 1) {
    const { child, lines } = start(folder, 'loop')
    // At least one vote and one block are acknowledged in each round.
    await until(() => lines.length > 2, child)
    await new Promise((resolve) => setTimeout(resolve, random() * 150))
    child.kill('SIGKILL')
    await once(child, 'close')
    for (const line of lines) {
      const [kind, height, root] = line.split(' ')
      if (kind === 'v') acknowledged.vote = Number(height)
      if (kind === 'b') acknowledged = { ...acknowledged, block: Number(height), root }
    }
    const dataKey = await openKeyslot(join(folder, 'keyslots'), password)
    const bed = openBed(folder, dataKey)
    const applied = bed.store.applied()
    const height = applied?.height ?? -1
    if (height < acknowledged.block || height > acknowledged.block + 1)
      t.fail(`block ${acknowledged.block} is lost`)
    t.same(bed.tree.root, applied?.stateRoot ?? bed.tree.root, `round ${round}: whole at height ${height}`)
    for (let at = 0; at <= height; at += 1)
      if (bed.store.blockAt(at) === undefined) t.fail(`no block ${at}`)
    if (height >= 0 && height === acknowledged.block)
      t.equal(Buffer.from(bed.tree.root).toString('hex'), acknowledged.root)
    await bed.store.close()
    const votes = openVotesStore(folder, dataKey)
    const { record, bodies, clean } = votes.load()
    const voted = Number(
      Buffer.from(record ?? [])
        .toString()
        .split(' ')[1] ?? -1,
    )
    if (voted < acknowledged.vote || voted > acknowledged.vote + 1)
      t.fail(`vote ${acknowledged.vote} is lost`)
    t.equal(bodies.length, voted + 1, 'a vote and its body go together')
    t.equal(clean, true)
    await votes.close()
    dataKey.close()
  }
  t.ok(acknowledged.block >= 0, `block ${acknowledged.block} was the last`)
})

t.test(`${damageRounds} rounds of random flips in the file never give a wrong value`, async (t) => {
  t.setTimeout(300_000 + 5_000 * damageRounds)
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 60; height += 1) applyNext(bed, 10)
  await bed.store.close()
  const whole = readFileSync(join(folder, 'chain.lmdb'))
  const random = createRandom(7)
  const outcomes = new Map<string, number>()
  for (let round = 0; round < damageRounds; round += 1) {
    const copy = join(folder, `copy ${round}`)
    mkdirSync(copy)
    copyFileSync(join(folder, 'keyslots'), join(copy, 'keyslots'))
    copyFileSync(join(folder, 'patients.key'), join(copy, 'patients.key'))
    const damaged = Buffer.from(whole)
    for (let flip = 0; flip < (round === 0 ? 40 : 1 + (round % 4)); flip += 1) {
      damaged[Math.floor(random() * damaged.length)] ^= 1 << Math.floor(random() * 8)
    }
    writeFileSync(join(copy, 'chain.lmdb'), damaged)
    const { child, lines } = start(copy, 'damage', '60')
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    const outcome = lines[0] ?? `ended by ${signal ?? code}`
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    if (outcome.startsWith('wrong') || outcome.includes('none')) t.fail(`round ${round}: ${outcome}`)
  }
  t.comment([...outcomes].map(([outcome, count]) => `${outcome}: ${count}`).join(', '))
  t.ok(
    [...outcomes.keys()].some((outcome) => outcome.startsWith('code')),
    'damage is named',
  )
})

t.test('an older whole file, or an older record put back, does not pass for the truth', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder, { redoBytesMax: 0 })
  applyNext(bed)
  const { environment } = bed.store
  const start = Buffer.from([table.statePoint])
  const records = [...environment.range(start, Buffer.from([table.treePage + 1]))].map(
    ({ storedKey, record }) => ({
      storedKey: Buffer.from(storedKey),
      record: Buffer.from(record),
    }),
  )
  applyNext(bed)
  bed.store.checkReadsWith(bed.tree)
  // Both were sealed by this very store; only the root tells that they are old.
  environment.putRecords(records)
  t.throws(() => bed.store.get('ward/policy', Buffer.from('head')), { code: 'RECORD_ALTERED' })
  const scan = (): unknown => bed.store.scan('ward/alerts', 1, Buffer.from('ward 3'), 0n, 9_999n, 9)
  t.doesNotThrow(scan, 'the rows are as they were')
  bed.store.checkReadsWith(StateTree.open(new MemoryPages(), sha256, leafSalt))
  t.throws(scan, { code: 'RECORD_ALTERED' }, 'rows that the root does not know')
  const reopened = StateTree.open(bed.store, sha256, leafSalt)
  t.notSame(reopened.root, bed.store.applied()?.stateRoot, 'and the start-up check sees another root')
  await bed.store.close()
})
