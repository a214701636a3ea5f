// Checking, backing up, re-sealing and destroying a store.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { StateTree } from '../../runtime/state/index.js'
import {
  applyNext,
  buildBlock,
  createBed,
  leafSalt,
  openBed,
  password,
  temporaryFolder,
  utf8,
  type Bed,
} from './chain-store.fixture.js'
import {
  backupChainStore,
  copyEnvironmentFile,
  destroyStore,
  dropFormerEpochs,
  listKeyslots,
  openVotesStore,
  readSealedFile,
  openChainStore,
  openKeyslot,
  Reseal,
  resealSlice,
  rotateDataKey,
  verifyChainStore,
  writeSealedFile,
  type DestroyStep,
} from './index.js'
import { sha256 } from './sodium.js'
import { table } from './tables.js'

t.test('a whole store verifies; damage is found and named', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 9; height += 1) applyNext(bed)
  const options = { hash: sha256, leafSalt }
  const seen: string[] = []
  const whole = verifyChainStore(bed.store, {
    ...options,
    onProgress: ({ table }) => void seen.push(table),
  })
  t.same(whole.findings, [])
  t.equal(whole.height, 9)
  t.same(whole.stateRoot, bed.tree.root)
  t.equal(whole.recordCounts.statePoint, 41)
  t.equal(whole.recordCounts.body, 10)
  t.ok(seen.includes('body') && seen.includes('treePage'))
  const checkBlock = ({ height }: { height: number }): string | undefined =>
    height === 4 ? 'bad hash' : undefined
  t.same(
    verifyChainStore(bed.store, { ...options, checkBlock }).findings.map(({ code }) => code),
    ['RECORD_ALTERED'],
  )

  const { environment } = bed.store
  const recordsOf = (id: number): { storedKey: Buffer; record: Buffer }[] =>
    [...environment.range(Buffer.from([id]), Buffer.from([id + 1]))].map(({ storedKey, record }) => ({
      storedKey: Buffer.from(storedKey),
      record: Buffer.from(record),
    }))
  const [first, second] = recordsOf(table.statePoint)
  environment.putRecords([{ storedKey: first.storedKey, record: second.record }])
  const swapped = verifyChainStore(bed.store, options)
  t.ok(swapped.findings.some(({ table, code }) => table === 'statePoint' && code === 'RECORD_ALTERED'))
  t.ok(
    swapped.findings.some(
      ({ message }) => message.includes('40 records and 41 leaves') || message.includes('leaves'),
    ),
  )
  environment.putRecords([first])
  t.same(verifyChainStore(bed.store, options).findings, [], 'repaired')
  environment.write(() => environment.remove(recordsOf(table.block)[3].storedKey))
  t.throws(() => bed.store.blockAt(3), { code: 'STORE_DAMAGED' })
  t.same(
    verifyChainStore(bed.store, options).findings.map(({ message }) => message),
    ['block 3 was applied and is not in the store'],
  )
  await bed.store.close()
})

t.test('a backup is a store that opens with the same keyslots', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 5; height += 1) applyNext(bed)
  const copy = join(folder, 'copy')
  mkdirSync(copy)
  await backupChainStore(bed.store, folder, copy)
  applyNext(bed)
  t.same(readdirSync(copy).sort(), ['chain.lmdb', 'patients.key'], 'no keyslots, no votes')
  const restored = openBed(copy, bed.dataKey)
  t.equal(restored.store.applied()?.height, 5)
  t.same(verifyChainStore(restored.store, { hash: sha256, leafSalt }).findings, [])
  await restored.store.close()
  await bed.store.close()
})

t.test('a backup of a store with free pages is pruned and written like any other', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let count = 0; count < 60; count += 1) applyLarge(bed, 130_000)
  const ways = {
    'of its owner': (to: string) => backupChainStore(bed.store, folder, to),
    'beside its owner': async (to: string) => {
      await copyEnvironmentFile(join(folder, 'chain.lmdb'), join(to, 'chain.lmdb'))
      copyFileSync(join(folder, 'patients.key'), join(to, 'patients.key'))
    },
  }
  for (const [way, take] of Object.entries(ways)) {
    const copy = join(folder, way)
    mkdirSync(copy)
    await take(copy)
    const restored = openBed(copy, bed.dataKey)
    restored.store.prune(restored.store.firstPayload() + 30, 30)
    for (const bytes of [2_000_000, 2_000_000, 130_000, 130_000]) applyLarge(restored, bytes)
    t.equal(restored.store.applied()?.height, 63, way)
    t.same(verifyChainStore(restored.store, { hash: sha256, leafSalt }).findings, [], way)
    await restored.store.close()
  }
  await bed.store.close()
})

function applyLarge(bed: Bed, payloadBytes: number): void {
  const block = buildBlock(bed, (bed.store.applied()?.height ?? -1) + 1)
  bed.store.applyBlock({ ...block, payload: new Uint8Array(payloadBytes).fill(block.height) })
  bed.tree.accept(bed.tree.update(block.writes.state))
}

t.test('re-sealing in slices moves every record to the new epoch', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 5; height += 1) applyNext(bed)
  await bed.store.close()
  const store = openChainStore(folder, await rotateDataKey(join(folder, 'keyslots'), password))
  const options = { hash: sha256, leafSalt }
  t.equal(verifyChainStore(store, options).epochCounts[1], undefined)
  let slices = 0
  let resealed = 0
  let step: ReturnType<typeof resealSlice> = { cursor: undefined, resealed: 0, seen: 0 }
  do {
    step = resealSlice(store, step.cursor, 7)
    slices += 1
    resealed += step.resealed
  } while (step.cursor !== undefined)
  const report = verifyChainStore(store, options)
  t.same(report.findings, [])
  t.equal(report.epochCounts[0], undefined)
  t.equal(report.epochCounts[1], resealed)
  t.ok(slices > 10, `${resealed} records in ${slices} slices`)
  t.same(StateTree.open(store, sha256, leafSalt).root, store.applied()?.stateRoot)
  await store.close()
})

t.test('re-sealing goes on where a crash cut it off, through several changes of the key', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 5; height += 1) applyNext(bed)
  t.equal(new Reseal(bed.store).progress, undefined, 'nothing to do before the first change')
  await bed.store.close()
  const options = { hash: sha256, leafSalt }
  for (const epoch of [1, 2]) {
    const dataKey = await rotateDataKey(join(folder, 'keyslots'), password)
    let steps = 0
    for (let isDone = false; !isDone; steps += 1) {
      // A new process each time: all that is known is in the store.
      const store = openChainStore(folder, dataKey)
      const reseal = new Reseal(store)
      const before = reseal.progress
      t.ok(before && before.total > 60, `${before?.done} of ${before?.total}`)
      reseal.step(20)
      isDone = reseal.progress === undefined
      if (!isDone) t.ok((reseal.progress?.done ?? 0) >= (before?.done ?? 0), 'progress never goes back')
      await store.close()
    }
    const store = openChainStore(folder, dataKey)
    t.equal(new Reseal(store).progress, undefined, 'done stays done')
    const report = verifyChainStore(store, options)
    t.same(report.findings, [])
    t.same(Object.keys(report.epochCounts), [String(epoch)], `all of epoch ${epoch} after ${steps} steps`)
    await store.close()
  }
})

t.test('a destroyed store does not open, at whatever step the wipe was cut off', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  applyNext(bed)
  await bed.store.close()
  writeSealedFile(join(folder, 'identity'), bed.dataKey, utf8('secret'))
  const names = readdirSync(folder).sort()
  const originals = names.map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
  for (let cut = 1; cut <= names.length + 1; cut += 1) {
    const copy = join(folder, `cut ${cut}`)
    mkdirSync(copy)
    for (const { name } of originals) copyFileSync(join(folder, name), join(copy, name))
    const steps: DestroyStep[] = []
    const cutOff = (step: DestroyStep): void => {
      steps.push(step)
      if (steps.length > cut) throw new Error('power lost')
    }
    try {
      destroyStore(copy, { onStep: cutOff })
    } catch (error) {
      t.equal((error as Error).message, 'power lost')
    }
    t.equal(steps[0].path, join(copy, 'keyslots'), 'keys go first')
    await t.rejects(openKeyslot(join(copy, 'keyslots'), password), { code: 'KEYSLOT_MISSING' })
    for (const { name, bytes } of originals) {
      const path = join(copy, name)
      if (!existsSync(path)) continue
      const isDone = steps.slice(0, cut).some((step) => step.path === path)
      t.equal(readFileSync(path).equals(bytes), !isDone)
    }
    const resumed = destroyStore(copy)
    t.equal(resumed.keysDestroyed, true)
    t.same(readdirSync(copy), [])
  }
  const forgotten = join(folder, 'forgotten copy')
  writeFileSync(forgotten, originals.find(({ name }) => name === 'keyslots')?.bytes ?? '')
  const report = destroyStore(folder, { keyslotFiles: [forgotten] })
  t.ok(report.files.every((file) => file.overwritten && file.unlinked))
  t.equal(report.files[0].path, forgotten)
})

t.test('a former epoch is forgotten when nothing rests under it, and not before', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height <= 5; height += 1) applyNext(bed)
  await bed.store.close()
  const keyslots = join(folder, 'keyslots')
  const votesFolder = join(folder, 'votes')
  const first = await openKeyslot(keyslots, password)
  const kept = join(folder, 'kept.sealed')
  writeSealedFile(kept, first, utf8('a small file'))
  const votes = openVotesStore(votesFolder, first, { create: true })
  votes.persist({ record: new Uint8Array([1, 2, 3]), put: [], drop: [] })
  await votes.close()
  const drop = (onStep?: (step: string) => void): Promise<number[]> =>
    dropFormerEpochs(keyslots, password, { chain: folder, votes: votesFolder, onStep })
  t.same(await drop(), [], 'one epoch only')
  const grown = await rotateDataKey(keyslots, password)
  const old = readFileSync(keyslots)
  await t.rejects(drop(), { code: 'KEYSLOT_EPOCH_USED' })
  t.same(readFileSync(keyslots), old, 'nothing was forgotten')
  const store = openChainStore(folder, grown)
  await t.rejects(drop(), { code: 'STORE_LOCKED' })
  const reseal = new Reseal(store)
  while (reseal.progress) reseal.step(50)
  await store.close()
  await t.rejects(dropFormerEpochs(keyslots, Buffer.from('wrong'), { chain: folder, votes: votesFolder }), {
    code: 'KEYSLOT_REJECTED',
  })
  // Of a snapshot that was cut off nobody looks at the records: it may be the only copy.
  mkdirSync(`${folder}.sync`)
  await t.rejects(drop(), { code: 'KEYSLOT_EPOCH_USED', message: /start the node once/ })
  rmdirSync(`${folder}.sync`)
  // Cut off before each step: all opens as it did, and the next call goes on.
  for (const fatal of ['chain', 'votes', 'files', 'keyslots']) {
    const cut = drop((step) => {
      if (step === fatal) throw new Error('the power fails here')
    })
    await t.rejects(cut, { message: 'the power fails here' })
    t.same(readFileSync(keyslots), old, fatal)
    const key = await openKeyslot(keyslots, password)
    t.same(readSealedFile(kept, key), utf8('a small file'))
    key.close()
  }
  t.same(await drop(), [0])
  t.same(await drop(), [], 'once')
  t.same(listKeyslots(keyslots).epochs, [1])
  const key = await openKeyslot(keyslots, password)
  t.notOk(key.hasEpoch(0))
  t.same(readSealedFile(kept, key), utf8('a small file'))
  const again = openChainStore(folder, key)
  t.same(verifyChainStore(again, { hash: sha256, leafSalt }).findings, [])
  await again.close()
  const votesAgain = openVotesStore(votesFolder, key)
  t.match(votesAgain.load(), { clean: true, record: new Uint8Array([1, 2, 3]) }, 'votes are as they were')
  await votesAgain.close()
})
