import { readFileSync } from 'node:fs'
import { blake2b } from '@noble/hashes/blake2.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import t from 'tap'
import { DataKey, type KeySpace } from './data-key.js'
import { recordOverheadBytes, RecordSealer, sizeClass } from './record-seal.js'
import { Secret } from './secret.js'
import { isPadded, table } from './tables.js'
import { hchacha20, oracleSeal } from './xchacha.fixture.js'

interface Vector {
  space: KeySpace
  table: number
  epoch: number
  storedKey: string
  trueKey: string
  value: string
  nonce: string
  hiddenKey: string
  record: string
}
interface VectorFile {
  storeId: string
  base: string
  secrets: string[]
  records: Vector[]
}

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')
const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const file = JSON.parse(readFileSync('host/store/vectors/records.json', 'utf8')) as VectorFile

function createDataKey(epochs = 1, storeId = bytes(file.storeId)): DataKey {
  const secrets = file.secrets
    .slice(0, epochs)
    .map((secret, epoch) => [epoch, Secret.from(bytes(secret))] as const)
  return new DataKey(storeId, Secret.from(bytes(file.base)), new Map(secrets))
}

/** HKDF info as documented in data-key.ts, written down a second time. */
const info = (use: string, ...numbers: number[]): Uint8Array =>
  new Uint8Array([...utf8(`wardchain/store/1/${use}`), 0, ...numbers])

t.test('golden records: the layout, every derivation and the cipher, against other code', async (t) => {
  const oracle = hchacha20(
    bytes('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'),
    bytes('000000090000004a0000000031415927'),
  )
  t.equal(
    hex(oracle),
    '82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc',
    'draft section 2.2.1',
  )
  for (const vector of file.records) {
    const dataKey = createDataKey(vector.epoch + 1)
    const sealer = new RecordSealer(dataKey, vector.space, vector.table, { padded: isPadded(vector.table) })
    const storedKey = bytes(vector.storedKey)
    const trueKey = bytes(vector.trueKey)
    const value = bytes(vector.value)
    const nonce = bytes(vector.nonce)
    const sealed = sealer.seal(storedKey, trueKey, value, nonce)
    t.equal(hex(sealed), vector.record)
    t.same(sealer.open(storedKey, trueKey, sealed), value)
    t.same(sealer.openEntry(storedKey, sealed), { trueKey, value })
    t.equal(sealer.epochOf(sealed), vector.epoch)

    const plain = Buffer.alloc(
      isPadded(vector.table)
        ? sizeClass(6 + trueKey.length + value.length)
        : 6 + trueKey.length + value.length,
    )
    plain.writeUInt16BE(trueKey.length)
    plain.writeUInt32BE(value.length, 2)
    plain.set(trueKey, 6)
    plain.set(value, 6 + trueKey.length)
    const valueInfo = info(`value/${vector.space}`, vector.table, vector.epoch, 1)
    const valueKey = hkdf(nobleSha256, bytes(file.secrets[vector.epoch]), dataKey.storeId, valueInfo, 32)
    const associated = Buffer.concat([dataKey.storeId, new Uint8Array([vector.table]), storedKey])
    const expected = oracleSeal(valueKey, nonce, associated, plain)
    t.equal(vector.record, hex(Buffer.concat([new Uint8Array([(vector.epoch << 4) | 1]), nonce, expected])))

    const hidden = new Uint8Array(16)
    sealer.hideKey(trueKey, hidden)
    t.equal(hex(hidden), vector.hiddenKey)
    const indexInfo = info(`index/${vector.space}`, vector.table)
    const indexKey = hkdf(nobleSha256, bytes(file.base), dataKey.storeId, indexInfo, 32)
    t.equal(vector.hiddenKey, hex(blake2b(trueKey, { key: indexKey, dkLen: 16 })))
    sealer.close()
  }
})

t.test('any key and value come back; sizes fall into classes', async (t) => {
  const sealer = new RecordSealer(createDataKey(), 'chain', table.statePoint)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.uint8Array({ maxLength: 3_000 }), (trueKey, value) => {
      const record = sealer.seal(utf8('k'), trueKey, value)
      const size = record.length - recordOverheadBytes
      if (size !== sizeClass(6 + trueKey.length + value.length)) return false
      return Buffer.compare(sealer.open(utf8('k'), trueKey, record), value) === 0
    }),
  )
  for (const [byteCount, expected] of [
    [0, 64],
    [64, 64],
    [65, 128],
    [1_024, 1_024],
    [1_025, 2_048],
  ]) {
    t.equal(sizeClass(byteCount), expected)
  }
  for (const byteCount of [0, 57, 58, 1_017, 1_018, 2 ** 20]) {
    const value = new Uint8Array(byteCount).fill(byteCount)
    t.same(sealer.open(utf8('k'), utf8('1'), sealer.seal(utf8('k'), utf8('1'), value)), value)
  }
})

t.test('a flipped bit anywhere is an error with a code, never a value', async (t) => {
  const sealer = new RecordSealer(createDataKey(), 'chain', table.statePoint)
  const storedKey = utf8('stored key of 17b')
  const record = sealer.seal(storedKey, utf8('true key'), utf8('Lisa Jones'))
  const codes = new Map<string, number>()
  for (let bit = 0; bit < record.length * 8; bit += 1) {
    const altered = Buffer.from(record)
    altered[bit >> 3] ^= 1 << (bit & 7)
    try {
      sealer.open(storedKey, utf8('true key'), altered)
      t.fail(`bit ${bit} was accepted`)
    } catch (error) {
      const { code } = error as { code: string }
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
  }
  t.same([...codes.keys()].sort(), ['RECORD_ALTERED', 'RECORD_UNKNOWN_VERSION'])
  for (let length = 0; length < record.length; length += 1) {
    t.throws(() => sealer.open(storedKey, utf8('true key'), record.subarray(0, length)), {
      name: 'StoreError',
    })
  }
  for (let bit = 0; bit < storedKey.length * 8; bit += 1) {
    const moved = Buffer.from(storedKey)
    moved[bit >> 3] ^= 1 << (bit & 7)
    t.throws(() => sealer.open(moved, utf8('true key'), record), { code: 'RECORD_ALTERED' })
  }
})

t.test('a record opens only where it was sealed', async (t) => {
  const dataKey = createDataKey()
  const at = (space: KeySpace, id: number, key = dataKey): RecordSealer => new RecordSealer(key, space, id)
  const record = at('chain', table.statePoint).seal(utf8('k1'), utf8('t1'), utf8('v'))
  const open =
    (sealer: RecordSealer, stored: string, key = 't1') =>
    () =>
      sealer.open(utf8(stored), utf8(key), record)
  t.throws(open(at('chain', table.index), 'k1'), { code: 'RECORD_ALTERED' }, 'another table')
  t.throws(open(at('votes', table.statePoint), 'k1'), { code: 'RECORD_ALTERED' }, 'another environment')
  t.throws(open(at('chain', table.statePoint), 'k2'), { code: 'RECORD_ALTERED' }, 'another stored key')
  const otherStore = createDataKey(1, new Uint8Array(16).fill(1))
  t.throws(
    open(at('chain', table.statePoint, otherStore), 'k1'),
    { code: 'RECORD_ALTERED' },
    'another store',
  )
  t.throws(
    open(at('chain', table.statePoint), 'k1', 't2'),
    { code: 'STORE_KEY_MISMATCH' },
    'another true key',
  )
  t.same(at('chain', table.statePoint).open(utf8('k1'), utf8('t1'), record), utf8('v'))
})

t.test(
  'a new epoch seals new records and still opens old ones; unknown versions are refused',
  async (t) => {
    const before = new RecordSealer(createDataKey(1), 'chain', table.note)
    const after = new RecordSealer(createDataKey(2), 'chain', table.note)
    const old = before.seal(utf8('k'), utf8('t'), utf8('old'))
    const fresh = after.seal(utf8('k'), utf8('t'), utf8('new'))
    t.equal(old[0], 0x01)
    t.equal(fresh[0], 0x11)
    t.same(after.open(utf8('k'), utf8('t'), old), utf8('old'))
    t.throws(() => before.open(utf8('k'), utf8('t'), fresh), { code: 'RECORD_UNKNOWN_VERSION' })
    for (const version of [0x00, 0x02, 0x21, 0xff]) {
      const altered = Buffer.from(old)
      altered[0] = version
      t.throws(() => after.open(utf8('k'), utf8('t'), altered), { code: 'RECORD_UNKNOWN_VERSION' })
    }
    const [a, b] = [new Uint8Array(16), new Uint8Array(16)]
    before.hideKey(utf8('t'), a)
    after.hideKey(utf8('t'), b)
    t.same(a, b, 'stored keys do not change with the epoch')
  },
)

t.test('nonces never repeat, and two versions of one record share nothing', async (t) => {
  const count = Number(process.env['WARD_NONCE_COUNT'] ?? 50_000)
  const first = new RecordSealer(createDataKey(), 'chain', table.note)
  const clone = new RecordSealer(createDataKey(), 'chain', table.note)
  const nonces = new Set<string>()
  const value = utf8('A'.repeat(40))
  for (let index = 0; index < count; index += 1) {
    for (const sealer of [first, clone]) {
      nonces.add(sealer.seal(utf8('k'), utf8('t'), value).toString('latin1', 1, 25))
    }
  }
  t.equal(nonces.size, 2 * count)
  // 200 pairs of one record: the XOR of two keystreams is random, so no byte is zero far too often.
  let zeros = 0
  for (let pair = 0; pair < 200; pair += 1) {
    const left = first.seal(utf8('k'), utf8('t'), value)
    const right = first.seal(utf8('k'), utf8('t'), value)
    for (let index = 25; index < left.length; index += 1) if (left[index] === right[index]) zeros += 1
  }
  t.ok(zeros < 200, `${zeros} equal bytes in 16,000, about 63 expected`)
})
