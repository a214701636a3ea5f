import t from 'tap'
import fc from 'fast-check'
import { chunkBytesMax, reasonBytesMax, unitBytesMax } from './limits.js'
import {
  decodeUnit,
  encodeCredit,
  encodeFirst,
  encodeGoodbye,
  encodeHello,
  encodeHelloBody,
  encodeNext,
  encodeWhole,
  helloSignedBytes,
  type Hello,
} from './wire.js'

const hello: Hello = {
  protocolVersion: 1,
  chainId: new Uint8Array(32).fill(1),
  epoch: 4_000_000_000,
  nodeId: new Uint8Array(32).fill(2),
  nodeKey: new Uint8Array(32).fill(3),
  role: 'observer',
  tipHeight: 2 ** 40,
  tipHash: new Uint8Array(32).fill(4),
}
const signature = new Uint8Array(64).fill(5)

t.test('every unit comes back as it went', async (t) => {
  const payload = Uint8Array.of(1, 2, 3)
  const decodedHello = decodeUnit(encodeHello(encodeHelloBody(hello), signature))
  t.same(decodedHello, { ok: true, unit: { type: 'hello', hello, signature } })
  t.same(decodeUnit(encodeWhole(0, payload)), { ok: true, unit: { type: 'whole', queueClass: 0, payload } })
  t.same(decodeUnit(encodeFirst(1, 9, payload)), {
    ok: true,
    unit: { type: 'first', queueClass: 1, total: 9, payload },
  })
  t.same(decodeUnit(encodeNext(2, payload)), { ok: true, unit: { type: 'next', queueClass: 2, payload } })
  t.same(decodeUnit(encodeCredit([1, 2, 2 ** 32 - 1])), {
    ok: true,
    unit: { type: 'credit', bytes: [1, 2, 2 ** 32 - 1] },
  })
  t.same(decodeUnit(encodeGoodbye('STALLED')), { ok: true, unit: { type: 'goodbye', reason: 'STALLED' } })
})

t.test('the signed bytes bind the body to one connection and one direction', async (t) => {
  const body = encodeHelloBody(hello)
  const handshake = new Uint8Array(64).fill(6)
  const key = new Uint8Array(32).fill(7)
  const bytes = helloSignedBytes(body, handshake, key)
  t.equal(bytes.length, 17 + 64 + 32 + 144)
  t.notSame(bytes, helloSignedBytes(body, new Uint8Array(64).fill(8), key))
  t.notSame(bytes, helloSignedBytes(body, handshake, new Uint8Array(32).fill(8)))
})

t.test('both sides of every edge', async (t) => {
  const refused = { ok: false, code: 'UNIT_MALFORMED' }
  t.ok(decodeUnit(encodeWhole(1, new Uint8Array(chunkBytesMax))).ok)
  t.same(decodeUnit(encodeWhole(1, new Uint8Array(chunkBytesMax + 1))), refused)
  t.same(decodeUnit(encodeWhole(1, new Uint8Array(0))), refused)
  t.same(decodeUnit(Uint8Array.of(1, 3, 9)), refused, 'there is no class 3')
  t.ok(decodeUnit(encodeFirst(1, 4, new Uint8Array(3))).ok)
  t.same(
    decodeUnit(encodeFirst(1, 3, new Uint8Array(3))),
    refused,
    'a first chunk leaves something to come',
  )
  t.ok(decodeUnit(encodeGoodbye('A'.repeat(reasonBytesMax))).ok)
  t.same(decodeUnit(Uint8Array.from([5, ...new Uint8Array(reasonBytesMax + 1)])), refused)
  t.same(decodeUnit(new Uint8Array(0)), refused)
  t.same(decodeUnit(Uint8Array.of(6)), { ok: false, code: 'UNIT_UNKNOWN' })
  t.same(decodeUnit(new Uint8Array(unitBytesMax + 1)), { ok: false, code: 'UNIT_TOO_LARGE' })
  const badRole = encodeHello(encodeHelloBody(hello), signature)
  badRole[103] = 3
  t.same(decodeUnit(badRole), refused)
  const badHeight = encodeHello(encodeHelloBody(hello), signature)
  badHeight.fill(255, 104, 112)
  t.same(decodeUnit(badHeight), refused, 'heights are safe integers')
})

t.test('any bytes give a unit or a code', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(6), (bytes, type) => {
      if (bytes.length > 0) bytes[0] = type
      const decoded = decodeUnit(bytes)
      return decoded.ok ? 'type' in decoded.unit : decoded.code.startsWith('UNIT_')
    }),
  )
  t.pass()
})
