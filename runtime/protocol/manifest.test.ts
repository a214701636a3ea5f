// What a manifest can get wrong, and that each refusal names the place in words that a vendor can act on.
import t from 'tap'
import {
  decodeCbor,
  decodeManifest,
  encodeCbor,
  encodeManifest,
  manifestBytesMax,
  type CborMap,
  type CborValue,
} from './index.js'
import { manifestSample } from './samples.fixture.js'

/** The sample with one field replaced; `undefined` leaves it out. */
function changed(name: string, value: CborValue | undefined): Uint8Array {
  const decoded = decodeCbor(encodeManifest(manifestSample))
  if (!decoded.ok) throw new Error(decoded.code)
  const map = decoded.value as CborMap
  if (value === undefined) map.delete(name)
  else map.set(name, value)
  return encodeCbor(map)
}

const method = (...parts: CborValue[]): CborValue => [parts]

const wrong: readonly (readonly [name: string, value: CborValue | undefined, said: RegExp])[] = [
  ['reviewer', undefined, /^reviewer: the field is missing$/],
  ['colour', 'red', /^colour: there is no such field$/],
  ['type', 'rule', /^type: contract or page expected$/],
  ['alias', 'Acme/Rule', /^alias: vendor\/name expected, of lower case/],
  ['alias', 'ab', /^alias: text of 3\.\.64 expected$/],
  ['version', 1, /^version: text of 1\.\.32 expected$/],
  ['title', 'x'.repeat(201), /^title: text expected$/],
  ['purpose', 'scores\n  signed by Pharmacy', /^purpose: U\+000A at 6: one line of text without control/],
  ['title', 'a\u001b[8m', /^title: U\+001B at 1: /],
  ['population', '\u009b2J', /^population: U\+009B at 0: /],
  ['reviewer', 'Dr \u202eX', /^reviewer: U\+202E at 3: /],
  ['evidence', ['plain', 'x\u2066'], /^evidence\[1\]: U\+2066 at 1: /],
  ['migrateVersion', 65_536, /^migrateVersion: unsigned integer up to 65535 expected$/],
  ['evidence', [1], /^evidence\[0\]: text expected$/],
  ['calls', ['a/b', 'x'], /^calls\[1\]: text of 3\.\.64 expected$/],
  ['reads', [[64, []]], /^reads\[0\]: kind: unsigned integer up to 63 expected$/],
  ['emits', [[2, ['a', '']]], /^emits\[0\]: codes\[1\]: text of 1\.\./],
  [
    'tables',
    [
      [0, 'a', 0],
      [0, 'b', 1],
    ],
    /^tables: 0 is declared twice$/,
  ],
  [
    'tables',
    [
      [0, 'a', 0],
      [1, 'a', 1],
    ],
    /^tables: a is declared twice$/,
  ],
  ['subscriptions', [[2, [], 'on']], /^subscriptions\[0\]: array of 4\.\.4 expected$/],
  ['subscriptions', [[2, [], 'on', 65_536]], /^subscriptions\[0\]: priority: /],
  [
    'methods',
    method('__go', 'call', 1, [3, []], [3, []]),
    /^methods\[0\]: name: __go must begin with a letter/,
  ],
  ['methods', method('go', 'run', 1, [3, []], [3, []]), /^methods\[0\]: kind: one of call, /],
  ['methods', method('go', 'call', -1, [3, []], [3, []]), /^methods\[0\]: fuel: /],
  ['methods', method('go', 'call', 1, 'f64', [3, []]), /^methods\[0\]: input: schema: one of .* not f64$/],
  ['methods', method('go', 'call', 1, [3, []], [9, []]), /^methods\[0\]: output: schema: tag 0 /],
]

t.test('each refusal names its place', async (t) => {
  for (const [name, value, said] of wrong) {
    const decoded = decodeManifest(changed(name, value))
    t.match(decoded, { ok: false, code: 'MANIFEST_MALFORMED', detail: said }, name)
  }
})

t.test('texts in the words of any language are fine', async (t) => {
  for (const words of ['Žofie, příjem', 'مراجعة', 'क्‍ष', '😀', '\u00a0'])
    t.equal(decodeManifest(changed('purpose', words)).ok, true, words)
})

t.test('bytes that are no manifest', async (t) => {
  t.match(decodeManifest(encodeCbor([1])), { ok: false, detail: /a map of fields/ })
  t.match(decodeManifest(new Uint8Array([0xff])), { ok: false, detail: 'CBOR_MALFORMED' })
  const large = decodeManifest(new Uint8Array(manifestBytesMax + 1))
  t.match(large, { ok: false, detail: new RegExp(`at most ${manifestBytesMax}`) })
  let schema: CborValue = 'u8'
  for (let depth = 0; depth < 17; depth += 1) schema = [1, schema]
  const deep = decodeManifest(changed('methods', method('go', 'call', 1, schema, [3, []])))
  t.match(deep, { ok: false, detail: /nested more than 16 deep$/ })
})
