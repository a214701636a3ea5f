// Readings beside the executor: the same answers, pinned heights, a reading that never ends, and no reader
// that keeps the engine from filling its free pages.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { bytesToHex, hexToBytes, recordKind } from '../../runtime/protocol/index.js'
import type { Proposal } from '../api/node-port.js'
import { nodeFiles } from '../node/node-config.js'
import { createSingleNode, storePassword } from '../node/single-node.fixture.js'
import { openChainStore, openKeyslot } from '../store/index.js'
import { applyNext, createBed, temporaryFolder, utf8 } from '../store/chain-store.fixture.js'
import { ReaderClient } from './reader-client.js'
import type { PageQuery } from './messages.js'

t.setTimeout(600_000)
const lisa = 'a1'.repeat(16)
const finding = (text: string): Proposal => ({
  type: 'append',
  records: [
    {
      kind: 'finding',
      patient: lisa,
      code: 'wound-assessment',
      body: { concepts: ['redness'], site: 'abdomen', text },
    },
  ],
})
const admission: Proposal = {
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient: lisa,
      code: 'ADT^A01',
      body: {
        family: 'Jones',
        given: 'Lisa',
        birthDate: 19970214,
        sex: 'F',
        pregnancy: 1,
        identifiers: [],
        ward: '4',
        room: '12',
        bed: 'A',
        visitNumber: 'V1',
        reason: '',
      },
    },
  ],
}
const query = (change: Partial<PageQuery>): PageQuery => ({
  patient: hexToBytes(lisa) ?? null,
  kind: recordKind.finding,
  code: '',
  by: 'arrival',
  from: 0,
  to: Number.MAX_SAFE_INTEGER,
  author: null,
  newest: false,
  limit: 100,
  height: null,
  after: null,
  ...change,
})

t.test('a reader gives what the executor gives, of the newest and of an earlier height', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const nurse = await single.signIn('nurse')
  t.equal((await single.sign(nurse, admission)).code, 'OK')
  const first = await single.sign(nurse, finding('first'))
  const height = first.height
  const second = await single.sign(nurse, finding('second'))
  const via = { application: 'test' }
  const list = async (pinned?: number) => {
    const asked = {
      patient: lisa,
      kind: 'finding' as const,
      limit: 100,
      order: 'oldest' as const,
      pinned,
      ...via,
    }
    const page = await single.node.records(nurse, asked)
    if (!page.ok) throw new Error(page.code)
    return page.value
  }
  const now = await list()
  t.equal(now.height, second.height)
  t.same(
    now.records.map(({ body }) => (body as { text: string }).text),
    ['first', 'second'],
  )
  const then = await list(height)
  t.equal(then.height, height, 'the height that was asked for')
  t.equal(then.records.length, 1)
  t.notSame(then.stateRoot, now.stateRoot)
  // Readings while blocks come: each is of one height, and none is behind the receipt that the writer holds.
  let isWriting = true
  const writing = (async () => {
    for (let count = 0; count < 10; count += 1) await single.sign(nurse, finding(`${count}`))
    isWriting = false
  })()
  let readings = 0
  while (isWriting) {
    const page = await list()
    t.equal(page.records.length, page.height - height + 1, 'as many records as blocks')
    readings += 1
  }
  await writing
  t.equal((await list()).records.length, 12, `after ${readings} readings`)
  const replayed = await single.node.replay(nurse, first.transactionId)
  t.ok(replayed.ok && replayed.value.replay.identical, 'a replay beside blocks')
})

t.test('a reading that never ends is ended, and lets go of the height that it pinned', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let count = 0; count < 5; count += 1) applyNext(bed)
  const troubles: string[] = []
  const client = new ReaderClient({
    folder,
    dataKey: () => bed.dataKey.toBytes(),
    onTrouble: (code) => void troubles.push(code),
    requestMsMax: 8_000,
    program: new URL('./endless-reader.fixture.js', import.meta.url),
  })
  const endless = t.rejects(client.call('record', { id: new Uint8Array(32) }), { code: 'READ_TOO_LONG' })
  const behind = client.call('receipt', { id: new Uint8Array(32) })
  const rewrite = (times: number): number => {
    for (let count = 0; count < times; count += 1)
      bed.store.putNote('rewritten', utf8(`${count} `.repeat(4_000)))
    return bed.store.fileBytes
  }
  // Blocks go on beside it, but the engine cannot fill what the pinned height still needs.
  while (!existsSync(join(folder, 'is pinned'))) await setTimeout(20)
  applyNext(bed)
  const start = bed.store.fileBytes
  t.ok(rewrite(60) - start > 500_000, 'the file grows while the height is pinned')
  // A compaction that wants to switch meanwhile waits for this reading, and not for itself.
  const switched = client.without(() => Promise.resolve(troubles.length))
  await endless
  t.equal(await switched, 1, 'it switches when the reading was given up')
  t.same(troubles, ['READ_TOO_LONG'])
  t.same(await behind, { pinnedBy: 'a new thread' }, 'who waited behind it is answered by a new thread')
  await client.without(() => Promise.resolve())
  const before = rewrite(10)
  t.ok(rewrite(60) - before < 200_000, 'free pages are filled again')
  applyNext(bed)
  await client.close()
  await bed.store.close()
})

t.test('compaction waits for readers, and readers for it', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const nurse = await single.signIn('nurse')
  await single.sign(nurse, admission)
  await single.node.close()
  const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword)
  const chain = nodeFiles(single.folder).chain
  const store = openChainStore(chain, dataKey)
  const client = new ReaderClient({
    folder: chain,
    dataKey: () => dataKey.toBytes(),
    onTrouble: (code, detail) => t.fail(`${code} ${detail}`),
  })
  const pages = async (): Promise<number> => {
    const page = await client.call('page', query({ kind: recordKind.admission }))
    return page?.records.length ?? -1
  }
  t.equal(await pages(), 1)
  store.beginCompaction()
  while (store.compactionState === 'copying') await setTimeout(5)
  let asked: Promise<number> | undefined
  await client.without(async () => {
    asked = pages()
    await setTimeout(20)
    store.finishCompaction()
  })
  t.equal(await asked, 1, 'a question that came meanwhile is answered from the new file')
  store.putNote('after', utf8('it'))
  t.equal(await pages(), 1)
  t.equal(bytesToHex(store.note('after') ?? new Uint8Array(0)), bytesToHex(utf8('it')))
  await client.close()
  await t.rejects(client.call('record', { id: new Uint8Array(32) }), { code: 'READ_FAILED' })
  await store.close()
  dataKey.close()
})
