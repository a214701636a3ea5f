// JSON by schema: everything that Borsh holds survives the way there and back; what does not fit is named.
import fc from 'fast-check'
import t from 'tap'
import { alertBody, decodeBorsh, encodeBorsh, observationBody } from '../../runtime/protocol/index.js'
import type { Schema } from '../../runtime/protocol/borsh.js'
import type { Json, JsonObject } from './node-port.js'
import { borshToJson, decodeRecordBody, encodeJson, encodeRecordBody, jsonToBorsh } from './borsh-json.js'

const wide: Schema = {
  struct: [
    ['small', 'u8'],
    ['large', 'u64'],
    ['signed', 'i64'],
    ['flag', 'bool'],
    ['text', 'string'],
    ['blob', 'bytes'],
    ['id', { fixed: 4 }],
    ['maybe', { option: { fixed: 2 } }],
    ['list', { vec: 'i32' }],
  ],
}

const wideValue = fc.record({
  small: fc.integer({ min: 0, max: 255 }),
  large: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  signed: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  flag: fc.boolean(),
  text: fc.string({ unit: 'grapheme' }),
  blob: fc.uint8Array({ maxLength: 300 }),
  id: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  maybe: fc.option(fc.uint8Array({ minLength: 2, maxLength: 2 })),
  list: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
})

t.test('every value comes back from JSON text byte for byte', async (t) => {
  fc.assert(
    fc.property(wideValue, (value) => {
      const bytes = encodeBorsh(wide, value)
      if (!bytes.ok) throw new Error(bytes.detail)
      const decoded = decodeBorsh(wide, bytes.value)
      if (!decoded.ok) throw new Error(decoded.detail)
      const text = JSON.stringify(borshToJson(wide, decoded.value))
      const again = encodeJson(wide, JSON.parse(text) as Json)
      return again.ok && Buffer.compare(Buffer.from(again.value), Buffer.from(bytes.value)) === 0
    }),
  )
  t.pass()
})

t.test('any JSON gives a value or a code, never an exception', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      const outcome = jsonToBorsh(wide, json as Json)
      return outcome.ok || outcome.code === 'BORSH_TYPE'
    }),
  )
  t.pass()
})

t.test('refusals name the place', async (t) => {
  const good = {
    small: 1,
    large: '2',
    signed: '-3',
    flag: true,
    text: '',
    blob: '',
    id: '00ff00ff',
    list: [1],
  }
  t.ok(encodeJson(wide, good).ok, 'an absent option is none')
  const cases: [change: JsonObject, path: RegExp][] = [
    [{ small: 256 }, /small/],
    [{ small: '1' }, /small/],
    [{ large: 2 ** 60 }, /large/],
    [{ large: '1.5' }, /large/],
    [{ large: '-1' }, /large/],
    [{ flag: 1 }, /flag/],
    [{ id: '00ff00' }, /id/],
    [{ id: 'zz000000' }, /id/],
    [{ maybe: '00' }, /maybe/],
    [{ list: {} }, /list/],
    [{ list: [1, 'x'] }, /list\[1\]/],
    [{ extra: 1 }, /extra/],
  ]
  for (const [change, path] of cases) {
    t.match(encodeJson(wide, { ...good, ...change }), {
      ok: false,
      code: 'BORSH_TYPE',
      detail: path,
    })
  }
})

t.test('record bodies carry their schema version', async (t) => {
  const body = {
    value: '386',
    scale: 1,
    unit: 'Cel',
    text: '',
    status: 'F',
    validation: 0,
    sourceText: '101.5',
    device: 'm',
  }
  const bytes = encodeRecordBody('observation', body)
  t.ok(bytes.ok)
  if (!bytes.ok) return
  t.same(decodeRecordBody('observation', bytes.value), { ok: true, value: { schema: 1, ...body } })
  t.match(encodeRecordBody('observation', { ...body, value: 38.6 }), { ok: false, detail: /value\.value/ })
  t.match(decodeRecordBody('alert', bytes.value), { ok: false, code: 'BORSH_MALFORMED' })
  t.same(decodeBorsh(observationBody, bytes.value).ok, true)
  t.notSame(alertBody, observationBody)
})

t.test('text that is not well formed is refused by the encoder behind', async (t) => {
  t.ok(jsonToBorsh('string', '\ud800').ok)
  t.match(encodeJson('string', '\ud800'), { ok: false, code: 'BORSH_TYPE' })
})
