import t from 'tap'
import fc from 'fast-check'
import {
  decodeFrame,
  encodeConsensusFrame,
  encodeServiceFrame,
  encodeHostFrame,
  encodeSubscribeFrame,
  encodeTipFrame,
  encodeTransactionsFrame,
} from './frames.js'
import { bundlesPerFrameMax, hostMessageBytesMax } from './limits.js'

const malformed = { ok: false, code: 'FRAME_MALFORMED' }

t.test('every frame comes back as it went', async (t) => {
  const body = Uint8Array.of(1, 2)
  t.same(decodeFrame(encodeConsensusFrame(body)), { ok: true, frame: { kind: 'consensus', body } })
  const bundles = [Uint8Array.of(1), new Uint8Array(300).fill(2)]
  t.same(decodeFrame(encodeTransactionsFrame(bundles)), {
    ok: true,
    frame: { kind: 'transactions', bundles },
  })
  for (const blocks of [false, true]) {
    for (const transactions of [false, true]) {
      const subscription = { blocks, transactions }
      const frame = { kind: 'subscribe', subscription }
      t.same(decodeFrame(encodeSubscribeFrame(subscription)), { ok: true, frame })
    }
  }
  t.same(decodeFrame(encodeHostFrame(body)), { ok: true, frame: { kind: 'host', body } })
  const blockHash = new Uint8Array(32).fill(3)
  for (const kind of ['request', 'answer'] as const) {
    const frame = { kind, id: 2 ** 32 - 1, body: Uint8Array.of(1, 2) }
    t.same(decodeFrame(encodeServiceFrame(kind, frame.id, frame.body)), { ok: true, frame })
    t.same(decodeFrame(encodeServiceFrame(kind, 0, frame.body).subarray(0, 4)), malformed, 'cut off')
  }
  const tip = { kind: 'tip', height: 2 ** 50, blockHash }
  t.same(decodeFrame(encodeTipFrame(2 ** 50, blockHash)), { ok: true, frame: tip })
})

t.test('both sides of every edge', async (t) => {
  const one = Uint8Array.of(7)
  const most = encodeTransactionsFrame(Array.from({ length: bundlesPerFrameMax }, () => one))
  t.ok(decodeFrame(most).ok)
  const tooMany = encodeTransactionsFrame(Array.from({ length: bundlesPerFrameMax + 1 }, () => one))
  t.same(decodeFrame(tooMany), malformed)
  t.same(decodeFrame(encodeTransactionsFrame([])), malformed, 'no bundle')
  t.same(decodeFrame(encodeTransactionsFrame([new Uint8Array(0)])), malformed, 'an empty bundle')
  t.same(decodeFrame(encodeTransactionsFrame([one]).subarray(0, 5)), malformed, 'cut off')
  t.same(decodeFrame(Uint8Array.of(1)), malformed, 'no message')
  t.same(decodeFrame(Uint8Array.of(3, 4)), malformed, 'an unknown flag')
  t.same(decodeFrame(encodeTipFrame(1, new Uint8Array(32)).subarray(0, 40)), malformed)
  const unsafe = encodeTipFrame(1, new Uint8Array(32)).fill(255, 1, 9)
  t.same(decodeFrame(unsafe), malformed, 'heights are safe integers')
  t.same(decodeFrame(new Uint8Array(0)), malformed)
  t.same(decodeFrame(Uint8Array.of(7)), { ok: false, code: 'FRAME_UNKNOWN' })
  t.ok(decodeFrame(encodeHostFrame(new Uint8Array(hostMessageBytesMax))).ok)
  t.throws(() => encodeHostFrame(new Uint8Array(hostMessageBytesMax + 1)), RangeError)
  t.throws(() => encodeHostFrame(new Uint8Array(0)), RangeError)
  t.same(decodeFrame(new Uint8Array(2 + hostMessageBytesMax).fill(9)), malformed)
  t.same(decodeFrame(Uint8Array.of(9)), malformed, 'nothing said')
})

t.test('any bytes give a frame or a code', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(10), (bytes, kind) => {
      if (bytes.length > 0) bytes[0] = kind
      const decoded = decodeFrame(bytes)
      return decoded.ok ? 'kind' in decoded.frame : decoded.code.startsWith('FRAME_')
    }),
  )
  t.pass()
})
