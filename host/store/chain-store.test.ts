import { join } from 'node:path'
import t from 'tap'
import { StateTree } from '../../runtime/state/index.js'
import {
  applyNext,
  bodyContent,
  buildBlock,
  createBed,
  leafSalt,
  openBed,
  password,
  patientOf,
  temporaryFolder,
  testCost,
  utf8,
} from './chain-store.fixture.js'
import {
  createKeyslotFile,
  openKeyslot,
  openChainStore,
  verifyChainStore,
  type BlockWrite,
} from './index.js'
import { PatientKeys } from './patient-keys.js'
import { sha256 } from './sodium.js'

t.test('a store founded, closed and opened again gives back everything', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const first = await createBed(folder)
  t.equal(first.store.applied(), undefined)
  for (let height = 0; height <= 20; height += 1) applyNext(first)
  await first.store.close()
  first.dataKey.close()

  const bed = openBed(folder, await openKeyslot(join(folder, 'keyslots'), password))
  t.equal(bed.store.applied()?.height, 20)
  t.same(bed.store.applied()?.stateRoot, bed.tree.root)
  bed.store.checkReadsWith(bed.tree)
  t.same(bed.store.get('ward/policy', utf8('head')), utf8('head at 20'))
  t.same(bed.store.get('$record', utf8('record 7.2')), utf8('value 7.2'))
  t.equal(bed.store.get('$record', utf8('record 7.9')), undefined)
  t.equal(bed.store.get('ward/nothing', utf8('head')), undefined)
  const rows = bed.store.scan('ward/alerts', 1, utf8('ward 3'), 1_003n, 1_005n, 10)
  t.same(
    rows.map((row) => Buffer.from(row.value).toString()),
    ['alert 3', 'alert 4', 'alert 5'],
  )
  const newest = bed.store.scan('ward/alerts', 1, utf8('ward 3'), 0n, 1_010n, 2, true)
  t.same(
    newest.map((row) => row.order),
    [1_010n, 1_009n],
  )
  t.same(bed.store.scan('ward/alerts', 1, utf8('ward 3'), 1_003n, 1_003n, 9, true).length, 1)
  t.same(bed.store.scan('ward/alerts', 2, utf8('ward 3'), 0n, 2_000n, 9), [])
  t.same(
    bed.store.scanIndex('$record', 2, patientOf(1), 0n, 99n, 3).map((row) => row.order),
    [1n, 4n, 7n],
  )
  t.same(bed.store.blockAt(5)?.payload, utf8('payload 5'))
  t.same(bed.store.blockAt(5)?.receipts.length, 2)
  t.equal(bed.store.blockAt(21), undefined)
  t.same(bed.store.patientBody(patientOf(2), sha256(bodyContent(5))), { ok: true, value: bodyContent(5) })
  t.same(bed.store.patientBody(patientOf(2), sha256(utf8('?'))), { ok: false, code: 'BODY_ABSENT' })
  t.same(bed.store.attachmentByHash(sha256(utf8('module 3'))), utf8('module 3'))
  t.same(bed.store.transactionLocation(sha256(utf8('transaction 3'))), { height: 3, index: 1 })
  await bed.store.close()
})

t.test('one block, one transaction: the next height only, and nothing of a block that fails', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  applyNext(bed)
  t.throws(() => bed.store.applyBlock(buildBlock(bed, 0)), { code: 'HEIGHT_NOT_NEXT' })
  t.throws(() => bed.store.applyBlock(buildBlock(bed, 2)), { code: 'HEIGHT_NOT_NEXT' })
  const block = buildBlock(bed, 1)
  // A value that cannot be sealed, at each table in turn: nothing before it may stay.
  const bad = undefined as unknown as Uint8Array
  const broken = [
    { ...block, certificate: bad },
    { ...block, bodies: [...block.bodies, { hash: bad, content: bad, patient: bad }] },
    { ...block, attachments: [{ hash: bad, bytes: bad }] },
    { ...block, transactions: [{ id: bad, index: 0 }] },
    { ...block, pages: [...block.pages, { id: bad, page: bad }] },
    {
      ...block,
      notes: [
        { name: 'n', value: utf8('1') },
        { name: bad as unknown as string, value: bad },
      ],
    },
    { ...block, stateRoot: bad },
  ]
  for (const each of broken) {
    t.throws(() => bed.store.applyBlock(each))
    t.equal(bed.store.applied()?.height, 0)
    t.equal(bed.store.get('$record', utf8('record 1.0')), undefined)
    t.equal(bed.store.note('n'), undefined)
    t.same(bed.store.patientBody(patientOf(1), block.bodies[0].hash), { ok: false, code: 'BODY_ABSENT' })
  }
  bed.store.applyBlock(block)
  t.same(
    bed.store.get('$record', utf8('record 1.0')),
    utf8('value 1.0'),
    'and the whole block still applies',
  )
  bed.store.putNote('n', utf8('2'))
  t.same(bed.store.note('n'), utf8('2'))
  bed.store.putNote('n', undefined)
  t.equal(bed.store.note('n'), undefined)
  await bed.store.close()
})

t.test('a snapshot sees its height only, and ages out', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  applyNext(bed)
  applyNext(bed)
  const snapshot = bed.store.snapshotReader()
  t.equal(snapshot.height, 1)
  for (let count = 0; count < 100; count += 1) {
    applyNext(bed)
    const head = Buffer.from(snapshot.get('ward/policy', utf8('head')) ?? []).toString()
    const rows = snapshot.scan('ward/alerts', 1, utf8('ward 3'), 0n, 9_999n, 999)
    if (head !== 'head at 1' || rows.length !== 2 || snapshot.applied()?.height !== 1)
      t.fail('mixed heights')
  }
  t.same(bed.store.get('ward/policy', utf8('head')), utf8('head at 101'))
  t.equal(bed.store.openSnapshots, 1)
  snapshot.close()
  t.equal(bed.store.openSnapshots, 0)
  t.throws(() => snapshot.get('ward/policy', utf8('head')), { code: 'SNAPSHOT_EXPIRED' })
  await bed.store.close()

  let now = 0
  const timed = openChainStore(folder, bed.dataKey, { snapshots: { now: () => now, countMax: 2 } })
  const aged = timed.snapshotReader()
  timed.snapshotReader()
  t.throws(() => timed.snapshotReader(), { code: 'SNAPSHOT_LIMIT' })
  now = 9_999
  t.equal(aged.applied()?.height, 101)
  now = 10_000
  t.throws(() => aged.applied(), { code: 'SNAPSHOT_EXPIRED' })
  t.equal(timed.openSnapshots, 1)
  await timed.close()
})

t.test('erasing a patient makes the bodies unreadable, and only those', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 5; height += 1) applyNext(bed)
  const snapshot = bed.store.snapshotReader()
  t.same(snapshot.patientBody(patientOf(1), sha256(bodyContent(4))), { ok: true, value: bodyContent(4) })
  bed.store.applyBlock({ ...buildBlock(bed, 6), bodies: [], erasedPatients: [patientOf(1)] })
  t.throws(() => snapshot.patientBody(patientOf(1), sha256(bodyContent(4))), { code: 'SNAPSHOT_EXPIRED' })
  const bodyAt = (height: number): unknown =>
    bed.store.patientBody(patientOf(height % 3), sha256(bodyContent(height)))
  t.same(bodyAt(4), { ok: false, code: 'BODY_ERASED' })
  t.same(bodyAt(3), { ok: true, value: bodyContent(3) })
  await bed.store.close()
  const again = openChainStore(folder, bed.dataKey)
  t.same(again.patientBody(patientOf(1), sha256(bodyContent(4))), { ok: false, code: 'BODY_ERASED' })
  t.same(again.patientBody(patientOf(2), sha256(bodyContent(5))), { ok: true, value: bodyContent(5) })
  t.same(StateTree.open(again, sha256, leafSalt).root, again.applied()?.stateRoot)
  await again.close()
})

t.test(
  'equal bodies of two patients are two bodies, whatever is said about the other patient',
  async (t) => {
    const { folder, remove } = temporaryFolder()
    t.teardown(remove)
    const bed = await createBed(folder)
    const [gone, patient, third] = [patientOf(7), patientOf(8), patientOf(9)]
    const content = bodyContent(99)
    const hash = sha256(content)
    const put = (change: Partial<BlockWrite>): void => {
      const block = { ...buildBlock(bed, (bed.store.applied()?.height ?? -1) + 1), bodies: [], ...change }
      bed.store.applyBlock(block)
      bed.tree.accept(bed.tree.update(block.writes.state))
    }
    const bodyOf = (one: Uint8Array): unknown => bed.store.patientBody(one, hash)
    const [readable, erased] = [
      { ok: true, value: content },
      { ok: false, code: 'BODY_ERASED' },
    ]
    put({ bodies: [{ hash: sha256(utf8('other')), content: utf8('other'), patient: gone }] })
    put({ erasedPatients: [gone] })
    put({ bodies: [{ hash, content, patient }] })
    put({ bodies: [{ hash, content, patient: gone }] })
    t.same(
      bodyOf(gone),
      erased,
      'the same salt and content under an erased patient, as a refused append says it',
    )
    t.same(bodyOf(patient), readable)
    put({ bodies: [{ hash, content, patient: third }] })
    put({ erasedPatients: [third] })
    t.same(bodyOf(third), erased, 'a device with a constant salt: the one erasure')
    t.same(bodyOf(patient), readable)
    put({ bodies: [{ hash, content, patient: patientOf(10) }] })
    put({ erasedPatients: [patient] })
    t.same(bodyOf(patient), erased, 'and the other: no copy under another key answers for this patient')
    t.same(bodyOf(patientOf(10)), readable)
    t.same(verifyChainStore(bed.store, { hash: sha256, leafSalt }).findings, [])
    await bed.store.close()
  },
)

t.test('an erasure that was cut short is finished, or taken back, by what the block says', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  for (const current of [1, 2]) {
    const path = join(folder, `patients ${current}`)
    const keys = PatientKeys.create(path, dataKey)
    const wrapped = keys.createWrapped(patientOf(1))
    const sealed = keys.sealBody(patientOf(1), wrapped, sha256(utf8('h')), utf8('body'))
    const rewrapped = keys.rewrap(patientOf(1), wrapped, keys.beginErasure())
    // The process ends here: before the block's transaction (1), or after it (2).
    const again = PatientKeys.open(path, dataKey, current)
    const held = current === 1 ? wrapped : rewrapped
    t.same(again.openBody(patientOf(1), held, sha256(utf8('h')), sealed), utf8('body'))
    const other = PatientKeys.open(path, dataKey, current)
    const gone = current === 1 ? rewrapped : wrapped
    const read = (): unknown => other.openBody(patientOf(1), gone, sha256(utf8('h')), sealed)
    t.throws(read, { code: 'STORE_DAMAGED' }, 'the other wrapping key is gone')
    t.throws(() => PatientKeys.open(path, dataKey, 3 - current), { code: 'STORE_DAMAGED' })
  }
})

t.test('snapshots of one height do not end each other', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  applyNext(bed)
  const [first, second] = [bed.store.snapshotReader(), bed.store.snapshotReader()]
  applyNext(bed)
  first.close()
  for (let count = 0; count < 20; count += 1) applyNext(bed)
  t.equal(second.applied()?.height, 0)
  t.same(second.get('ward/policy', utf8('head')), utf8('head at 0'))
  t.equal(bed.store.applied()?.height, 21)
  const third = bed.store.snapshotReader()
  second.close()
  t.equal(third.applied()?.height, 21)
  third.close()
  await bed.store.close()
})

t.test('a long reader is what makes the file grow, and closing it stops that', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  // The same keys each time: without a reader, freed pages are used again.
  const rewrite = (times: number): void => {
    for (let count = 0; count < times; count += 1)
      bed.store.putNote('note', new Uint8Array(100_000).fill(count))
  }
  applyNext(bed)
  rewrite(20)
  const settled = bed.store.fileBytes
  rewrite(40)
  t.equal(bed.store.fileBytes, settled, 'no growth')
  const snapshot = bed.store.snapshotReader()
  rewrite(20)
  const grown = bed.store.fileBytes
  t.ok(grown > settled + 1_000_000, `${grown - settled} bytes more under a reader`)
  snapshot.close()
  rewrite(40)
  t.ok(bed.store.fileBytes <= grown + 300_000, 'no growth again')
  await bed.store.close()
})

t.test('a store is locked while open, and opens by handed-over bytes', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  t.throws(() => openChainStore(folder, bed.dataKey), { code: 'STORE_LOCKED' })
  applyNext(bed)
  await bed.store.close()
  t.throws(() => bed.store.get('a/b', utf8('k')), { code: 'STORE_CLOSED' })
  const bytes = bed.dataKey.toBytes()
  const store = openChainStore(folder, bytes)
  t.ok(
    bytes.every((byte) => byte === 0),
    'the bytes were zeroed',
  )
  t.equal(store.applied()?.height, 0)
  await store.close()
})
