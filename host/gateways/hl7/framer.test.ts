import fc from 'fast-check'
import t from 'tap'

import {
  CR,
  createFramer,
  FS,
  frameBytesMax,
  frameMessage,
  headBytesMax,
  VT,
  type FrameEvent,
} from './framer.js'

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)
const shown = (events: FrameEvent[]): string[] =>
  events.map((event) =>
    event.kind === 'frame' ? `frame ${text(event.bytes)}` : `${event.code} ${text(event.head)}`,
  )

t.test('frames and what is not one', async (t) => {
  const cases: [name: string, bytes: string, events: string[], noise: number, empty: number][] = [
    ['plain', '\x0bMSH\x1c\r', ['frame MSH'], 0, 0],
    ['two in one chunk', '\x0bA\x1c\r\x0bB\x1c\r', ['frame A', 'frame B'], 0, 0],
    ['empty frame', '\x0b\x1c\r\x0bB\x1c\r', ['frame B'], 0, 1],
    ['noise before, between and after', 'xx\x0bA\x1c\r\r\n\x0bB\x1c\rz', ['frame A', 'frame B'], 5, 0],
    ['truncated, then a good one', '\x0bPID|1\x0bB\x1c\r', ['FRAME_TRUNCATED PID|1', 'frame B'], 0, 0],
    ['VT VT', '\x0b\x0bB\x1c\r', ['FRAME_TRUNCATED ', 'frame B'], 0, 0],
    ['FS without CR, then VT', '\x0bA\x1c\x0bB\x1c\r', ['FRAME_END_MALFORMED A', 'frame B'], 0, 0],
    ['FS inside', '\x0bA\x1cC\x1c\r\x0bB\x1c\r', ['FRAME_END_MALFORMED A', 'frame B'], 3, 0],
    ['FS FS', '\x0bA\x1c\x1c\r', ['FRAME_END_MALFORMED A'], 2, 0],
    ['no frame at all', 'GET / HTTP/1.1\r\n\r\n', [], 18, 0],
  ]
  for (const [name, bytes, events, noise, empty] of cases) {
    const framer = createFramer()
    t.same(shown(framer.push(ascii(bytes))), events, name)
    t.same(framer.counts, { noiseBytes: noise, emptyFrames: empty }, `${name}: counts`)
    t.notOk(framer.insideFrame(), `${name}: ends outside`)
  }
})

t.test('the cap: exactly at it, and one byte more', async (t) => {
  const at = createFramer(100)
  t.same(at.push(frameMessage(new Uint8Array(100).fill(65))).length, 1)
  t.notOk(at.isClosed())
  const over = createFramer(100)
  t.match(over.push(frameMessage(new Uint8Array(101).fill(65))), [{ code: 'FRAME_TOO_LARGE' }])
  t.ok(over.isClosed())
  t.same(over.push(frameMessage(ascii('MSH'))), [], 'nothing more is read')
  t.equal(frameBytesMax, 4_194_304)
  const real = createFramer()
  t.equal(real.push(frameMessage(new Uint8Array(frameBytesMax).fill(65)))[0]?.kind, 'frame')
  t.equal(real.push(frameMessage(new Uint8Array(frameBytesMax + 1).fill(65)))[0]?.kind, 'discarded')
})

t.test('an unfinished frame is abandoned with a bounded head', async (t) => {
  const framer = createFramer()
  t.equal(framer.abandon('FRAME_TIMEOUT'), undefined, 'nothing to abandon outside a frame')
  framer.push(Uint8Array.of(VT))
  framer.push(new Uint8Array(10_000).fill(66))
  t.ok(framer.insideFrame())
  const event = framer.abandon('FRAME_TIMEOUT')
  t.match(event, { kind: 'discarded', code: 'FRAME_TIMEOUT' })
  t.equal(event?.kind === 'discarded' && event.head.length, headBytesMax)
  t.same(shown(framer.push(ascii('late rest\x1c\r\x0bB\x1c\r'))), ['frame B'], 'the late rest is noise')
  t.equal(framer.counts.noiseBytes, 11)
})

t.test('frameMessage refuses what would break the frame', async (t) => {
  t.throws(() => frameMessage(Uint8Array.of(65, VT)), RangeError)
  t.throws(() => frameMessage(Uint8Array.of(FS)), RangeError)
  t.same([...frameMessage(Uint8Array.of(65))], [VT, 65, FS, CR])
})

// Few values, so that VT, FS and CR meet often.
const byte = fc.oneof(fc.constantFrom(VT, FS, CR, 0x0a, 65), fc.nat(255))
const stream = fc.array(byte, { maxLength: 300 }).map((bytes) => Uint8Array.from(bytes))

// The rules once more, written as a search over the whole stream instead of a state machine.
function reference(bytes: Uint8Array, bytesMax: number): string[] {
  const found: string[] = []
  let at = 0
  for (;;) {
    const start = bytes.indexOf(VT, at)
    if (start < 0) return found
    let end = start + 1
    while (end < bytes.length && bytes[end] !== VT && bytes[end] !== FS) end += 1
    const content = text(bytes.subarray(start + 1, end))
    if (content.length > bytesMax) {
      found.push(`FRAME_TOO_LARGE`)
      return found
    }
    if (end >= bytes.length || (bytes[end] === FS && end + 1 >= bytes.length)) return found
    if (bytes[end] === VT) {
      found.push(`FRAME_TRUNCATED ${content}`)
      at = end
    } else if (bytes[end + 1] === CR) {
      if (content !== '') found.push(`frame ${content}`)
      at = end + 2
    } else {
      found.push(`FRAME_END_MALFORMED ${content}`)
      at = end + 1
    }
  }
}

t.test('property: chunking never changes the result, any bytes never throw', async () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(300), { maxLength: 12 }), (bytes, cuts) => {
      const whole = createFramer(60)
      const expected = shown(whole.push(bytes)).map((line) => line.replace(/^(FRAME_TOO_LARGE).*/s, '$1'))
      const cut = createFramer(60)
      const bounds = [0, ...cuts.filter((c) => c <= bytes.length).sort((a, b) => a - b), bytes.length]
      const events = bounds.flatMap((bound, index) => cut.push(bytes.slice(bounds[index - 1] ?? 0, bound)))
      const actual = shown(events).map((line) => line.replace(/^(FRAME_TOO_LARGE).*/s, '$1'))
      const searched = reference(bytes, 60)
      return (
        JSON.stringify(actual) === JSON.stringify(expected) &&
        JSON.stringify(searched) === JSON.stringify(expected) &&
        JSON.stringify(cut.counts) === JSON.stringify(whole.counts) &&
        cut.insideFrame() === whole.insideFrame()
      )
    }),
    { numRuns: 2000 },
  )
})

t.test('property: a frame is found whole after any prefix that ends outside or inside one', async () => {
  fc.assert(
    fc.property(stream, (prefix) => {
      const framer = createFramer()
      framer.push(prefix)
      const events = framer.push(frameMessage(ascii('MSH|^~\\&|GOOD')))
      const last = events.at(-1)
      return last?.kind === 'frame' && text(last.bytes) === 'MSH|^~\\&|GOOD'
    }),
    { numRuns: 1000 },
  )
})
