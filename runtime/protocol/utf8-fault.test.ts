import fc from 'fast-check'
import t from 'tap'
import { utf8, utf8ToText } from './bytes.js'
import { utf8FaultAt } from './utf8-fault.js'

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8ToText(bytes)
    return true
  } catch {
    return false
  }
}

/** Bytes that are near the bounds of every range, so that most sequences are nearly right. */
const near = fc.constantFrom(
  ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec],
  ...[0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
)
const bytesOf = fc
  .array(
    fc.oneof(
      near.map((byte) => [byte]),
      fc.string({ unit: 'binary' }).map((text) => [...utf8(text)]),
    ),
    {
      maxLength: 8,
    },
  )
  .map((parts) => Uint8Array.from(parts.flat()))

t.test('a fault is found where the engine finds one, and what lies before it is whole', async (t) => {
  let faulty = 0
  fc.assert(
    fc.property(bytesOf, (bytes) => {
      const at = utf8FaultAt(bytes)
      if ((at === undefined) !== isUtf8(bytes)) return false
      if (at === undefined) return true
      faulty += 1
      return isUtf8(bytes.subarray(0, at)) && !isUtf8(bytes.subarray(0, at + 4))
    }),
    { numRuns: 5_000, seed: 1 },
  )
  t.ok(faulty > 1_000)
})

t.test('faults at the end and behind a lead', async (t) => {
  const cases: [bytes: number[], at: number | undefined][] = [
    [[], undefined],
    [[0x41, 0xef], 1],
    [[0x41, 0xef, 0xbf], 1],
    [[0xef, 0xbf, 0x41], 0],
    [[0xef, 0xbf, 0xbd], undefined],
    [[0xef, 0xbb, 0xbf, 0x80], 3],
  ]
  for (const [bytes, at] of cases) t.equal(utf8FaultAt(Uint8Array.from(bytes)), at, bytes.join(' '))
})
