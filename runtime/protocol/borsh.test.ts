// Our Borsh against the reference implementation, and its refusals.
import * as oracle from 'borsh'
import fc from 'fast-check'
import t from 'tap'
import { decodeBorsh, encodeBorsh, recordBodySchemas, recordView, type Schema } from './index.js'

const sampleSchema: Schema = {
  struct: [
    ['small', 'u8'],
    ['large', 'u64'],
    ['signed', 'i64'],
    ['flag', 'bool'],
    ['text', 'string'],
    ['maybe', { option: 'u32' }],
    [
      'list',
      {
        vec: {
          struct: [
            ['a', 'u16'],
            ['b', 'bytes'],
          ],
        },
      },
    ],
    ['id', { fixed: 4 }],
  ],
}
const oracleSchema: oracle.Schema = {
  struct: {
    small: 'u8',
    large: 'u64',
    signed: 'i64',
    flag: 'bool',
    text: 'string',
    maybe: { option: 'u32' },
    list: { array: { type: { struct: { a: 'u16', b: { array: { type: 'u8' } } } } } },
    id: { array: { type: 'u8', len: 4 } },
  },
}

const sampleValue = fc.record({
  small: fc.nat(255),
  large: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  signed: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  flag: fc.boolean(),
  text: fc.string({ unit: 'grapheme' }),
  maybe: fc.option(fc.nat(2 ** 31)),
  list: fc.array(fc.record({ a: fc.nat(65_535), b: fc.uint8Array({ maxLength: 20 }) }), { maxLength: 5 }),
  id: fc.uint8Array({ minLength: 4, maxLength: 4 }),
})

t.test('equals the reference implementation, both ways', async (t) => {
  fc.assert(
    fc.property(sampleValue, (value) => {
      const ours = encodeBorsh(sampleSchema, value)
      if (!ours.ok) return false
      const theirs = oracle.serialize(oracleSchema, value)
      if (Buffer.compare(Buffer.from(ours.value), Buffer.from(theirs)) !== 0) return false
      const back = decodeBorsh(sampleSchema, theirs)
      return back.ok && JSON.stringify(plain(back.value)) === JSON.stringify(plain(value))
    }),
  )
  t.pass()
})

function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, item: unknown) => {
      if (typeof item === 'bigint') return `${item}n`
      return item instanceof Uint8Array ? [...item] : item
    }),
  )
}

t.test('any bytes give a value or a code, and one value has one encoding', async (t) => {
  for (const schema of [...recordBodySchemas.values(), recordView, sampleSchema]) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoded = decodeBorsh(schema, bytes)
        if (!decoded.ok) return true
        const again = encodeBorsh(schema, decoded.value)
        return again.ok && Buffer.compare(Buffer.from(again.value), Buffer.from(bytes)) === 0
      }),
    )
  }
  t.pass()
})

t.test('refusals name the place', async (t) => {
  t.match(encodeBorsh('u8', 256), { code: 'BORSH_TYPE' })
  t.match(encodeBorsh('u8', 1.5), { code: 'BORSH_TYPE' })
  t.match(encodeBorsh({ struct: [['a', 'u8']] }, { a: 1, b: 2 }), {
    code: 'BORSH_TYPE',
    detail: /value\.b/,
  })
  t.match(encodeBorsh('string', '\ud800'), { code: 'BORSH_TYPE' })
  t.match(decodeBorsh('bool', new Uint8Array([2])), { code: 'BORSH_MALFORMED' })
  t.match(decodeBorsh('string', new Uint8Array([1, 0, 0, 0, 0xff])), { code: 'BORSH_MALFORMED' })
  t.match(decodeBorsh({ vec: 'u8' }, new Uint8Array([255, 255, 255, 255])), { code: 'BORSH_MALFORMED' })
  t.match(decodeBorsh('u8', new Uint8Array([1, 2])), { code: 'BORSH_MALFORMED' })
})

t.test('values longer than the first buffer survive its growth', async (t) => {
  // Found by a 1 KiB alert body: the bytes went into the buffer that growing had just replaced.
  for (const byteCount of [251, 252, 253, 256, 257, 1_000, 100_000]) {
    const value = { head: 7, body: new Uint8Array(byteCount).fill(3), tail: 9 }
    const schema: Schema = {
      struct: [
        ['head', 'u8'],
        ['body', 'bytes'],
        ['tail', 'u8'],
      ],
    }
    const encoded = encodeBorsh(schema, value)
    t.ok(encoded.ok)
    if (encoded.ok) t.same(decodeBorsh(schema, encoded.value), { ok: true, value })
  }
})
