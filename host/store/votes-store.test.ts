import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createKeyslotFile, openVotesStore } from './index.js'
import { password, temporaryFolder, testCost, utf8 } from './chain-store.fixture.js'

const hash = (number: number): Uint8Array => new Uint8Array(32).fill(number)

t.test('what was persisted is there after reopening; drops are gone', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  const votes = openVotesStore(folder, dataKey, { create: true })
  t.same(votes.load(), { record: null, bodies: [], clean: true })
  votes.persist({ record: utf8('one'), put: [{ hash: hash(1), bytes: utf8('body') }], drop: [] })
  votes.persist({
    record: utf8('two'),
    put: [{ hash: hash(2), bytes: utf8('next') }],
    drop: [hash(1), hash(9)],
  })
  t.throws(() => openVotesStore(folder, dataKey), { code: 'STORE_LOCKED' })
  await votes.close()
  t.throws(() => votes.persist({ record: utf8('x'), put: [], drop: [] }), { code: 'STORE_CLOSED' })
  const again = openVotesStore(folder, dataKey.toBytes())
  t.same(again.load(), {
    record: utf8('two'),
    bodies: [{ hash: hash(2), bytes: utf8('next') }],
    clean: true,
  })
  await again.close()
})

t.test('a lost store, a copy put back and a missing token are not clean', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  const start = async (options?: { create: boolean }): Promise<boolean> => {
    const votes = openVotesStore(folder, dataKey, options)
    const { clean } = votes.load()
    votes.persist({ record: utf8('r'), put: [], drop: [] })
    await votes.close()
    return clean
  }
  const file = join(folder, 'votes.lmdb')
  t.equal(await start({ create: true }), true)
  t.equal(await start(), true)
  copyFileSync(file, join(folder, 'copy'))
  t.equal(await start(), true)
  t.equal(await start(), true)
  copyFileSync(join(folder, 'copy'), file)
  t.equal(await start(), false, 'put back from a copy')
  t.equal(await start(), true, 'the next start goes on from there')
  rmSync(file)
  t.equal(await start({ create: true }), false, 'lost, whatever the caller says')
  rmSync(join(folder, 'votes.token'))
  t.equal(await start(), false, 'token lost')
})

t.test('a lost record stays lost until a new one is on disk, however often the node starts', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  const cleanAt = async (persists: boolean, options?: { create: boolean }): Promise<boolean> => {
    const votes = openVotesStore(folder, dataKey, options)
    const { clean } = votes.load()
    if (persists) votes.persist({ record: utf8('r'), put: [], drop: [] })
    await votes.close()
    return clean
  }
  t.equal(await cleanAt(true, { create: true }), true)
  rmSync(join(folder, 'votes.lmdb'))
  t.equal(await cleanAt(false), false)
  t.equal(await cleanAt(false), false, 'a restart alone mends nothing')
  t.equal(await cleanAt(true), false)
  t.equal(await cleanAt(false), true, 'a new record is on disk')
})
