// The two halves of a link without a socket: what a SendQueue cuts, a ReceiveWindow joins.

import t from 'tap'
import fc from 'fast-check'
import { chunkBytesMax, messageBytesMax, windowBytes } from './limits.js'
import { ReceiveWindow } from './receive-window.js'
import { SendQueue } from './send-queue.js'
import { decodeUnit, encodeNext, encodeWhole, type QueueClass } from './wire.js'

const limits = {
  queueBytes: [1000, 300_000, 100_000],
  windowBytes: [1000, 150_000, chunkBytesMax],
} as const

function dataUnit(bytes: Uint8Array) {
  const decoded = decodeUnit(bytes)
  if (!decoded.ok) throw new Error(decoded.code)
  const { unit } = decoded
  if (unit.type !== 'whole' && unit.type !== 'first' && unit.type !== 'next') throw new Error(unit.type)
  return unit
}

t.test('a lower class goes first, and class 2 only when nothing else waits', async (t) => {
  const queue = new SendQueue(limits)
  queue.offer(Uint8Array.of(2), 2)
  queue.offer(Uint8Array.of(1), 1)
  queue.offer(Uint8Array.of(0), 0)
  const order = [queue.next(), queue.next(), queue.next(), queue.next()]
  t.same(
    order.map((unit) => (unit === null ? null : dataUnit(unit).queueClass)),
    [0, 1, 2, null],
  )
})

t.test('a vote overtakes a large message between two chunks', async (t) => {
  const queue = new SendQueue(limits)
  queue.offer(new Uint8Array(chunkBytesMax + 1).fill(1), 1)
  const first = queue.next()
  queue.offer(Uint8Array.of(7), 0)
  t.equal(first && dataUnit(first).type, 'first')
  const second = queue.next()
  t.equal(second && dataUnit(second).queueClass, 0)
  const third = queue.next()
  t.equal(third && dataUnit(third).type, 'next')
})

t.test('bounds: queue, message, and one message always fits into an empty queue', async (t) => {
  const queue = new SendQueue(limits)
  t.notOk(queue.offer(new Uint8Array(0), 0), 'empty')
  t.ok(queue.offer(new Uint8Array(600), 0))
  t.ok(queue.offer(new Uint8Array(400), 0), 'exactly full')
  t.notOk(queue.offer(new Uint8Array(1), 0), 'one more')
  t.notOk(queue.takeWritable(), 'still full')
  queue.next()
  t.ok(queue.takeWritable(), 'room after a refusal is told')
  t.notOk(queue.takeWritable(), 'once')
  t.ok(queue.offer(new Uint8Array(messageBytesMax[1]), 1), 'larger than the queue, but alone')
  t.notOk(queue.offer(new Uint8Array(1), 1))
  t.notOk(
    new SendQueue(limits).offer(new Uint8Array(messageBytesMax[1] + 1), 1),
    'larger than a message may be',
  )
})

t.test('a lower bound leaves room for others, and room is told by that bound', async (t) => {
  const queue = new SendQueue(limits)
  t.ok(queue.offer(new Uint8Array(60_000), 1, 100_000))
  t.notOk(queue.offer(new Uint8Array(60_000), 1, 100_000), 'gossip')
  t.ok(queue.offer(new Uint8Array(60_000), 1), 'a proposal')
  t.notOk(queue.takeWritable())
  queue.next()
  t.notOk(queue.takeWritable(), '60,000 still wait')
  queue.next()
  t.ok(queue.takeWritable())
})

t.test('without credit nothing moves; too much credit is a fault', async (t) => {
  const queue = new SendQueue(limits)
  queue.offer(new Uint8Array(300_000), 1)
  let sent = 0
  for (let unit = queue.next(); unit !== null; unit = queue.next()) sent += unit.length
  t.ok(sent >= 150_000 && sent < 150_000 + chunkBytesMax + 6, `${sent} bytes in flight`)
  t.equal(queue.outstandingBytes, sent)
  t.notOk(queue.grant([0, sent + 1, 0]))
  t.ok(queue.grant([0, sent, 0]))
  t.not(queue.next(), null)
})

t.test('a peer beyond its credit, out of order or too large is told apart', async (t) => {
  const window = new ReceiveWindow([100, 100, 100])
  t.ok(window.receive(dataUnit(encodeWhole(0, new Uint8Array(200)))).ok, 'the last unit may overshoot')
  const beyond = window.receive(dataUnit(encodeWhole(0, new Uint8Array(1))))
  t.same(beyond, { ok: false, code: 'CREDIT_EXCEEDED' })
  window.release(0, 202, 200)
  t.same(window.takeCredit(), [202, 0, 0])
  t.equal(window.takeCredit(), null)
  t.ok(window.receive(dataUnit(encodeWhole(0, new Uint8Array(1)))).ok)

  const chunks = new ReceiveWindow()
  const first = (queueClass: QueueClass, total: number) =>
    ({ type: 'first', queueClass, total, payload: new Uint8Array(10) }) as const
  t.same(chunks.receive(dataUnit(encodeNext(1, new Uint8Array(1)))), {
    ok: false,
    code: 'CHUNK_OUT_OF_ORDER',
  })
  t.ok(chunks.receive(first(1, messageBytesMax[1])).ok)
  t.same(chunks.receive(first(1, 100)), { ok: false, code: 'CHUNK_OUT_OF_ORDER' })
  t.same(chunks.receive(first(2, messageBytesMax[2] + 1)), { ok: false, code: 'MESSAGE_TOO_LARGE' })
  t.ok(chunks.receive(first(0, 15)).ok)
  const tooMuch = chunks.receive(dataUnit(encodeNext(0, new Uint8Array(6))))
  t.same(tooMuch, { ok: false, code: 'MESSAGE_TOO_LARGE' }, 'more than announced')
  t.equal(chunks.partialBytes, 20, 'an announced length allocates nothing')
})

t.test('property: whatever is taken arrives once, whole and in order within its class', async (t) => {
  const frame = fc.record({
    queueClass: fc.constantFrom<QueueClass>(0, 1, 2),
    size: fc.oneof(fc.integer({ min: 1, max: 900 }), fc.integer({ min: 1, max: 250_000 })),
  })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 25 }), fc.nat(3), (frames, holdEvery) => {
      const queue = new SendQueue(limits)
      const window = new ReceiveWindow(limits.windowBytes)
      const taken: number[][] = [[], [], []]
      const arrived: number[][] = [[], [], []]
      const held: [QueueClass, number, number][] = []
      const pump = () => {
        for (let unit = queue.next(); unit !== null; unit = queue.next()) {
          const data = dataUnit(unit)
          const received = window.receive(data)
          if (!received.ok) throw new Error(received.code)
          if (received.frame === null) continue
          const mark = received.frame[0] ?? 0
          if (received.frame.some((byte) => byte !== mark)) throw new Error('mixed frames')
          arrived[data.queueClass]?.push(mark * 1_000_000 + received.frame.length)
          held.push([data.queueClass, received.creditBytes, received.frame.length])
        }
        const credit = window.takeCredit()
        if (credit !== null && !queue.grant(credit)) throw new Error('credit')
      }
      frames.forEach(({ queueClass, size }, index) => {
        if (queue.offer(new Uint8Array(size).fill(index), queueClass)) {
          taken[queueClass]?.push(index * 1_000_000 + size)
        }
        if (index % (holdEvery + 1) === 0) pump()
      })
      for (let round = 0; round < 200; round++) {
        for (const [queueClass, credit, bytes] of held.splice(0)) window.release(queueClass, credit, bytes)
        pump()
      }
      return queue.queuedBytes === 0 && JSON.stringify(taken) === JSON.stringify(arrived)
    }),
    { numRuns: 60 },
  )
  t.pass()
})

t.test(
  'frames that nobody deals with: a bounded part of them is taken, whatever their last chunk',
  async (t) => {
    const largest = 8 * 1024 * 1024
    const window = new ReceiveWindow(windowBytes, [largest, largest, largest])
    const queue = new SendQueue({ queueBytes: [1e9, 1e9, 1e9], windowBytes })
    const held: [number, number][] = []
    let heldBytes = 0
    const pump = (): void => {
      for (let unit = queue.next(); unit !== null; unit = queue.next()) {
        const received = window.receive(dataUnit(unit))
        if (!received.ok) throw new Error(received.code)
        const credit = window.takeCredit()
        if (credit !== null) t.ok(queue.grant(credit))
        if (received.frame === null) continue
        held.push([received.creditBytes, received.frame.length])
        heldBytes += received.frame.length
      }
    }
    // A last chunk of one byte uses up next to no credit.
    for (let count = 0; count < 40; count += 1) queue.offer(new Uint8Array(20 * chunkBytesMax + 1), 1)
    pump()
    const bound = 2 * windowBytes[1] + largest + 2 * chunkBytesMax
    t.ok(heldBytes > 0 && heldBytes + window.partialBytes <= bound, `${heldBytes} bytes`)
    let taken = 0
    for (let next = held.shift(); next !== undefined; next = held.shift()) {
      taken += 1
      heldBytes -= next[1]
      window.release(1, ...next)
      const credit = window.takeCredit()
      if (credit !== null) t.ok(queue.grant(credit))
      pump()
      t.ok(heldBytes + window.partialBytes <= bound)
    }
    t.equal(taken, 40, 'all come once those before them are dealt with')
  },
)
