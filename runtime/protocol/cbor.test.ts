// The CBOR codec against a foreign one (cborg): the same bytes out, the same bytes accepted.
import { decode, encode } from 'cborg'
import fc from 'fast-check'
import t from 'tap'
import { decodePayload, encodePayload } from './block.js'
import { decodeCbor, decodeCborShared, encodeCbor, type CborMap, type CborValue } from './cbor.js'
import { cborItemsMax, payloadBytesMax, transactionsPerBlockMax } from './limits.js'

const integer = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
)
const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 90 }))
const key = fc.oneof(integer, fc.string({ unit: 'binary', maxLength: 30 }))
const value = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    integer,
    text,
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 6 }),
    fc
      .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 6, selector: ([name]) => name })
      .map((entries): CborMap => new Map(entries)),
  ),
})).value

/** What the two-step decoder of before did: decode leniently, encode, compare. */
function oracle(bytes: Uint8Array): boolean {
  try {
    const options = {
      useMaps: true,
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      allowBigInt: false,
      rejectDuplicateMapKeys: true,
    }
    const decoded: unknown = decode(bytes, options)
    return isOurs(decoded) && Buffer.compare(encode(decoded, { float64: true }), bytes) === 0
  } catch {
    return false
  }
}

/** Integers that are safe, and map keys that are integers or texts: the rest of CBOR has no place here. */
function isOurs(decoded: unknown): boolean {
  if (typeof decoded === 'number') return Number.isSafeInteger(decoded)
  if (Array.isArray(decoded)) return decoded.every(isOurs)
  if (!(decoded instanceof Map)) return true
  const isKey = (name: unknown): boolean => typeof name === 'number' || typeof name === 'string'
  return [...decoded].every(([name, item]) => isKey(name) && isOurs(name) && isOurs(item))
}

t.test('encodes as cborg does, and decodes what it encoded', async (t) => {
  fc.assert(
    fc.property(value, (item) => {
      const encoded = encodeCbor(item)
      if (Buffer.compare(encoded, encode(item, { float64: true })) !== 0) return false
      for (const decoded of [decodeCbor(encoded), decodeCborShared(encoded)]) {
        if (!decoded.ok || Buffer.compare(encodeCbor(decoded.value), encoded) !== 0) return false
      }
      return true
    }),
    { numRuns: 2_000 },
  )
  t.pass('2,000 values')
})

t.test('accepts exactly the bytes that encode back to themselves', async (t) => {
  let accepted = 0
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
  const count = 6_000
  fc.assert(
    fc.property(value, fc.array(change, { maxLength: 2 }), fc.boolean(), (item, changes, cut) => {
      const bytes = encodeCbor(item)
      for (const [place, byte] of changes) bytes[place % bytes.length] = byte
      const given = cut && bytes.length > 1 ? bytes.subarray(0, -1) : bytes
      const expected = oracle(given)
      if (expected) accepted += 1
      return decodeCbor(given).ok === expected && decodeCborShared(given).ok === expected
    }),
    { numRuns: count },
  )
  t.ok(accepted > 200 && accepted < count - 200, 'both answers occur')
})

t.test('says what is wrong', async (t) => {
  const decodes = (...bytes: number[]): unknown => decodeCbor(new Uint8Array(bytes))
  t.match(decodes(0x18, 0x17), { code: 'CBOR_NOT_DETERMINISTIC' }, 'a longer integer than needed')
  t.match(decodes(0xa2, 0x02, 0x01, 0x01, 0x01), { code: 'CBOR_NOT_DETERMINISTIC' }, 'keys out of order')
  t.match(decodes(0x5b, 0xff, 0, 0, 0, 0, 0, 0, 0), { code: 'CBOR_MALFORMED' }, 'a length beyond the input')
  t.match(decodes(0x9a, 0xff, 0xff, 0xff, 0xff), { code: 'CBOR_MALFORMED' }, 'a count beyond the input')
  t.match(decodes(0x61, 0xff), { code: 'CBOR_MALFORMED' }, 'text that is not UTF-8')
  t.match(decodes(0xa1, 0x40, 0x01), { code: 'CBOR_MALFORMED' }, 'bytes as a map key')
  t.match(decodes(), { code: 'CBOR_MALFORMED' }, 'nothing')
  const nested = (depth: number): Uint8Array => new Uint8Array([...Array<number>(depth).fill(0x81), 0x01])
  t.equal(decodeCbor(nested(128)).ok, true)
  t.match(decodeCbor(nested(129)), { code: 'CBOR_MALFORMED' }, 'the depth is bounded, not the stack')
  t.throws(() => encodeCbor(2 ** 53), TypeError)
  t.throws(() => encodeCbor(1.5), TypeError)
})

t.test('bounds the items, whatever they cost', async (t) => {
  const emptyMaps = (count: number): Uint8Array => encodeCbor(Array<CborMap>(count).fill(new Map()))
  for (const decodes of [decodeCbor, decodeCborShared]) {
    t.equal(decodes(emptyMaps(cborItemsMax - 1)).ok, true, 'the array and what it holds')
    t.match(decodes(emptyMaps(cborItemsMax)), { code: 'CBOR_TOO_MANY_ITEMS' })
  }
  t.equal(decodeCbor(emptyMaps(9), 10).ok, true)
  t.match(decodeCbor(emptyMaps(10), 10), { code: 'CBOR_TOO_MANY_ITEMS' })
  const pair = encodeCbor(new Map([[1, 2]]))
  t.equal(decodeCbor(pair, 3).ok, true, 'a map, its key and its value')
  t.match(decodeCbor(pair, 2), { code: 'CBOR_TOO_MANY_ITEMS' })
})

t.test('the fullest payload is within the bound, and a bomb in its place is not', async (t) => {
  const lane = Array<Uint8Array>(transactionsPerBlockMax).fill(new Uint8Array([1]))
  const full = encodePayload({ lanes: Array<Uint8Array[]>(5).fill(lane) })
  t.equal(decodePayload(full).ok, true)
  const bomb = new Uint8Array(payloadBytesMax).fill(0xa0)
  bomb[0] = 0x9a
  new DataView(bomb.buffer).setUint32(1, payloadBytesMax - 5)
  t.match(decodePayload(bomb), { code: 'PAYLOAD_MALFORMED', detail: 'CBOR_TOO_MANY_ITEMS' })
})

t.test('only the sharing decoder gives views, and only of long strings', async (t) => {
  const bytes = encodeCbor([new Uint8Array(64), new Uint8Array(65)])
  const decoded = decodeCborShared(bytes)
  const copied = decodeCbor(bytes)
  if (!decoded.ok || !copied.ok) throw new Error('a list of bytes decodes')
  const [short, long] = decoded.value as Uint8Array[]
  t.not(short.buffer, bytes.buffer)
  t.equal(long.buffer, bytes.buffer)
  t.not((copied.value as Uint8Array[])[1].buffer, bytes.buffer)
})
