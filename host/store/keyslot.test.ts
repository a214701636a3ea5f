import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argon2id } from '@noble/hashes/argon2.js'
import t from 'tap'
import {
  addKeyslot,
  changeKeyslot,
  createKeyslotFile,
  listKeyslots,
  openChainStore,
  openKeyslot,
  openUnattended,
  putUnattendedSlot,
  removeKeyslot,
  rotateDataKey,
  UnlockThrottle,
  readSealedFile,
  writeSealedFile,
} from './index.js'
import {
  applyNext,
  createBed,
  openBed,
  password,
  temporaryFolder,
  testCost,
  utf8,
} from './chain-store.fixture.js'
import { decodeKeyslotFile, encodeKeyslotFile } from './keyslot-file.js'
import { sodium } from './sodium.js'

const other = Buffer.from('another password')
const third = Buffer.from('a third password')
const noDelay = (): { throttle: UnlockThrottle; waits: number[] } => {
  const waits: number[] = []
  const sleep = async (ms: number): Promise<void> => void waits.push(ms)
  return { throttle: new UnlockThrottle({ sleep }), waits }
}

t.test('slots are added, changed and removed without re-encryption', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  applyNext(bed)
  await bed.store.close()
  const path = join(folder, 'keyslots')
  const { throttle } = noDelay()
  const opens = async (word: Uint8Array): Promise<boolean> => {
    try {
      const key = await openKeyslot(path, word, { throttle })
      const store = openChainStore(folder, key)
      const isWhole = store.applied()?.height === 0
      await store.close()
      key.close()
      return isWhole
    } catch (error) {
      if ((error as { code: string }).code === 'KEYSLOT_REJECTED') return false
      throw error
    }
  }
  t.equal(await opens(password), true)
  t.equal(await opens(other), false)
  const id = await addKeyslot(path, password, other, { kind: 'recovery', cost: testCost })
  t.equal(id, 1)
  t.same(
    listKeyslots(path).slots.map((slot) => slot.kind),
    ['operator', 'recovery'],
  )
  t.equal(await opens(other), true)
  await changeKeyslot(path, password, third)
  t.equal(await opens(password), false)
  t.equal(await opens(third), true)
  await removeKeyslot(path, other, 0)
  t.equal(await opens(third), false)
  t.equal(await opens(other), true)
  await t.rejects(removeKeyslot(path, other, 1), { code: 'KEYSLOT_LAST' })
  await t.rejects(addKeyslot(path, third, password, { open: { throttle } }), { code: 'KEYSLOT_REJECTED' })
  t.same(
    readdirSync(folder).filter((name) => name.endsWith('.new')),
    [],
    'no temporary file is left',
  )
})

t.test('a wrong password waits longer each time', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const path = join(folder, 'keyslots')
  await createKeyslotFile(path, password, { cost: testCost })
  const { throttle, waits } = noDelay()
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await t.rejects(openKeyslot(path, other, { throttle }), { code: 'KEYSLOT_REJECTED' })
  }
  t.same(waits, [500, 1_000, 2_000, 4_000])
  await openKeyslot(path, password, { throttle })
  t.equal(throttle.delayMs, 0)
  await t.rejects(openKeyslot(path, new Uint8Array(0), { throttle }), { code: 'KEYSLOT_REJECTED' })
})

t.test('a second secret is needed where the slot wants one', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const path = join(folder, 'keyslots')
  const secondSecret = new Uint8Array(80).fill(3)
  const made = await createKeyslotFile(path, password, { cost: testCost, secondSecret })
  const { throttle } = noDelay()
  await t.rejects(openKeyslot(path, password, { throttle }), { code: 'KEYSLOT_REJECTED' })
  const wrong = { throttle, secondSecret: new Uint8Array(80) }
  await t.rejects(openKeyslot(path, password, wrong), { code: 'KEYSLOT_REJECTED' })
  const opened = await openKeyslot(path, password, { throttle, secondSecret })
  t.same(opened.storeId, made.storeId)
  await changeKeyslot(path, password, other, { throttle, secondSecret })
  t.same((await openKeyslot(path, other, { throttle, secondSecret })).storeId, made.storeId)
})

t.test('every flipped byte and every truncation is refused with a code', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const path = join(folder, 'keyslots')
  const dataKey = await createKeyslotFile(path, password, { cost: testCost })
  await t.rejects(createKeyslotFile(path, password), { name: 'StoreError' }, 'never overwritten')
  dataKey.close()
  const whole = readFileSync(path)
  const { throttle } = noDelay()
  const codes = new Set<string>()
  const tryBytes = async (bytes: Uint8Array): Promise<void> => {
    writeFileSync(path, bytes)
    try {
      await openKeyslot(path, password, { throttle })
      t.fail('an altered keyslot file opened')
    } catch (error) {
      codes.add((error as { code: string }).code)
    }
  }
  for (let index = 0; index < whole.length; index += 1) {
    const altered = Buffer.from(whole)
    altered[index] ^= 0x10
    await tryBytes(altered)
  }
  for (let length = 0; length < whole.length; length += 7) await tryBytes(whole.subarray(0, length))
  t.same([...codes].sort(), ['FOREIGN_FILE', 'KEYSLOT_DAMAGED'])
  await t.rejects(openKeyslot(join(folder, 'none'), password), { code: 'KEYSLOT_MISSING' })
  writeFileSync(path, whole)
  t.ok(await openKeyslot(path, password, { throttle }), 'and the whole file opens')
})

t.test('a change of the data key starts an epoch; old records stay readable', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  applyNext(bed)
  await bed.store.close()
  const path = join(folder, 'keyslots')
  await addKeyslot(path, password, other, { cost: testCost })
  const rotated = await rotateDataKey(path, password)
  t.equal(rotated.epoch, 1)
  const byOther = await openKeyslot(path, other)
  t.equal(byOther.epoch, 1, 'the other slot opens the new key as well')
  t.same(byOther.storeId, rotated.storeId)
  byOther.close()
  const again = openBed(folder, await openKeyslot(path, password))
  again.store.checkReadsWith(again.tree)
  applyNext(again)
  t.same(again.store.get('$record', utf8('record 0.1')), utf8('value 0.1'))
  t.same(again.store.get('$record', utf8('record 1.1')), utf8('value 1.1'))
  await again.store.close()
  t.throws(
    () => openBed(folder, bed.dataKey),
    { code: 'RECORD_UNKNOWN_VERSION' },
    'the old key is not enough',
  )
})

t.test('sixteen epochs, then no more; nothing is lost on the way', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const path = join(folder, 'keyslots')
  await createKeyslotFile(path, password, { cost: testCost })
  const secret = new Uint8Array(32).fill(9)
  await putUnattendedSlot(path, password, 'platform', secret)
  for (let epoch = 1; epoch <= 15; epoch += 1) {
    const rotated = await rotateDataKey(path, password)
    t.equal(rotated.epoch, epoch)
    rotated.close()
  }
  await t.rejects(rotateDataKey(path, password), { code: 'KEYSLOT_EPOCHS' })
  t.equal((await openUnattended(path, 'platform', secret)).epoch, 15, "a machine's slot followed")
})

t.test("a machine's slot opens by its own secret only, and is replaced by the next", async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const path = join(folder, 'keyslots')
  const made = await createKeyslotFile(path, password, { cost: testCost })
  const first = new Uint8Array(32).fill(1)
  const second = new Uint8Array(32).fill(2)
  await putUnattendedSlot(path, password, 'peers', first)
  t.same((await openUnattended(path, 'peers', first)).storeId, made.storeId)
  await t.rejects(openUnattended(path, 'boot', first), { code: 'KEYSLOT_REJECTED' }, 'another kind')
  const { throttle } = noDelay()
  await t.rejects(openKeyslot(path, first, { throttle }), { code: 'KEYSLOT_REJECTED' }, 'is no password')
  await putUnattendedSlot(path, password, 'peers', second)
  await t.rejects(openUnattended(path, 'peers', first), { code: 'KEYSLOT_REJECTED' })
  t.same((await openUnattended(path, 'peers', second)).storeId, made.storeId)
  t.same(
    listKeyslots(path).slots.map((slot) => slot.kind),
    ['operator', 'peers'],
  )
  await t.rejects(removeKeyslot(path, password, 0), { code: 'KEYSLOT_LAST' }, 'machines alone do not do')
  await t.rejects(putUnattendedSlot(path, password, 'peers', new Uint8Array(8)), RangeError)
})

t.test('a slot that someone put in is not given the next master key', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const path = join(folder, 'keyslots')
  await createKeyslotFile(path, password, { cost: testCost })
  await addKeyslot(path, password, other, { cost: testCost })
  const whole = readFileSync(path)
  const file = decodeKeyslotFile(whole)
  // Whoever can write the disk can make the check sum fit; the tag needs the master key.
  file.slots[1].publicKey = new Uint8Array(32).fill(7)
  writeFileSync(path, encodeKeyslotFile(file))
  await t.rejects(rotateDataKey(path, password), { code: 'KEYSLOT_DAMAGED' })
  writeFileSync(path, whole)
  const older = readFileSync(path)
  await changeKeyslot(path, password, third)
  const mixed = decodeKeyslotFile(readFileSync(path))
  mixed.slots[0] = decodeKeyslotFile(older).slots[0]
  writeFileSync(path, encodeKeyslotFile(mixed))
  const { throttle } = noDelay()
  await t.rejects(openKeyslot(path, password, { throttle }), { code: 'KEYSLOT_DAMAGED' }, 'an older slot')
})

t.test('argon2id is the standard one', async (t) => {
  const salt = new Uint8Array(16).fill(5)
  const out = Buffer.alloc(32)
  await new Promise<void>((resolve, reject) => {
    const done = (error: Error | null): void => (error === null ? resolve() : reject(error))
    sodium.crypto_pwhash_async(out, password, salt, 2, 65_536, sodium.crypto_pwhash_ALG_ARGON2ID13, done)
  })
  t.same(new Uint8Array(out), argon2id(password, salt, { t: 2, m: 64, p: 1, dkLen: 32, version: 0x13 }))
})

t.test('sealed files: round trip, and every flip is refused', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  const path = join(folder, 'identity')
  t.equal(readSealedFile(path, dataKey), undefined)
  writeSealedFile(path, dataKey, utf8('one'))
  writeSealedFile(path, dataKey, utf8('two'))
  t.same(readSealedFile(path, dataKey), utf8('two'))
  const whole = readFileSync(path)
  t.notOk(whole.includes('two'))
  const codes = new Set<string>()
  for (let index = 0; index < whole.length; index += 1) {
    const altered = Buffer.from(whole)
    altered[index] ^= 4
    writeFileSync(path, altered)
    try {
      readSealedFile(path, dataKey)
      t.fail(`byte ${index}`)
    } catch (error) {
      codes.add((error as { code: string }).code)
    }
  }
  const expected = ['FOREIGN_FILE', 'RECORD_ALTERED', 'RECORD_UNKNOWN_VERSION', 'STORE_NEWER_VERSION']
  t.same([...codes].sort(), expected)
  writeFileSync(join(folder, 'renamed'), whole)
  t.throws(
    () => readSealedFile(join(folder, 'renamed'), dataKey),
    { code: 'RECORD_ALTERED' },
    'swapped files',
  )
})
