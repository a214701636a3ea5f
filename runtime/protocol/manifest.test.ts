// What a manifest can get wrong, and that each refusal names the place in words that a vendor can act on.
import fc from 'fast-check'
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
import { placeOf } from './cbor-place.js'
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

/** `item`: what lies at the byte that the refusal names; unless given, the whole value of the field. */
type Wrong = readonly [
  code: string,
  name: string,
  value: CborValue | undefined,
  said: RegExp,
  item?: CborValue,
]

const wrong: readonly Wrong[] = [
  ['FIELD_UNKNOWN', 'colour', 'red', /^colour: there is no such field$/],
  ['TYPE_UNKNOWN', 'type', 'rule', /^type: contract or page expected$/],
  ['ALIAS_MALFORMED', 'alias', 'Acme/Rule', /^alias: vendor\/name expected, of lower case/],
  ['TEXT_LENGTH', 'alias', 'ab', /^alias: text of 3\.\.64 expected$/],
  ['TEXT_EXPECTED', 'version', 1, /^version: text of 1\.\.32 expected$/],
  ['TEXT_LENGTH', 'title', 'x'.repeat(201), /^title: text of 0\.\.200 expected$/],
  [
    'TEXT_CONTROLS',
    'purpose',
    'scores\n  signed by Pharmacy',
    /^purpose: U\+000A at 6: one line of text without control/,
  ],
  ['TEXT_CONTROLS', 'title', 'a\u001b[8m', /^title: U\+001B at 1: /],
  ['TEXT_CONTROLS', 'population', '\u009b2J', /^population: U\+009B at 0: /],
  ['TEXT_CONTROLS', 'reviewer', 'Dr \u202eX', /^reviewer: U\+202E at 3: /],
  ['TEXT_CONTROLS', 'evidence', ['plain', 'x\u2066'], /^evidence\[1\]: U\+2066 at 1: /, 'x\u2066'],
  ['TEXT_NOT_ASCII', 'compiler', 'größe', /^compiler: printable ASCII expected$/],
  ['NUMBER_EXPECTED', 'migrateVersion', 65_536, /^migrateVersion: unsigned integer up to 65535 expected$/],
  ['TEXT_EXPECTED', 'evidence', [1], /^evidence\[0\]: text of 0\.\.500 expected$/, 1],
  ['LIST_EXPECTED', 'calls', 'a/b', /^calls: array of 0\.\.32 expected$/],
  ['TEXT_LENGTH', 'calls', ['a/b', 'x'], /^calls\[1\]: text of 3\.\.64 expected$/, 'x'],
  ['NUMBER_EXPECTED', 'reads', [[64, []]], /^reads\[0\]: kind: unsigned integer up to 63 expected$/, 64],
  ['TEXT_LENGTH', 'emits', [[2, ['a', '']]], /^emits\[0\]: codes\[1\]: text of 1\.\./, ''],
  [
    'TABLE_TWICE',
    'tables',
    [
      [7, 'a', 0],
      [7, 'b', 1],
    ],
    /^tables: 7 is declared twice$/,
    7,
  ],
  [
    'TABLE_TWICE',
    'tables',
    [
      [0, 'a', 0],
      [1, 'a', 1],
    ],
    /^tables: a is declared twice$/,
    'a',
  ],
  [
    'LIST_LENGTH',
    'subscriptions',
    [[2, [], 'on']],
    /^subscriptions\[0\]: array of 4\.\.4 expected$/,
    [2, [], 'on'],
  ],
  ['NUMBER_EXPECTED', 'subscriptions', [[2, [], 'on', 65_536]], /^subscriptions\[0\]: priority: /, 65_536],
  [
    'METHOD_NAME',
    'methods',
    method('__go', 'call', 1, [3, []], [3, []]),
    /^methods\[0\]: name: __go must begin with a letter/,
    '__go',
  ],
  [
    'METHOD_KIND',
    'methods',
    method('go', 'run', 1, [3, []], [3, []]),
    /^methods\[0\]: kind: one of call, /,
    'run',
  ],
  ['NUMBER_EXPECTED', 'methods', method('go', 'call', -1, [3, []], [3, []]), /^methods\[0\]: fuel: /, -1],
  [
    'SCHEMA_UNKNOWN',
    'methods',
    method('go', 'call', 1, 'f64', [3, []]),
    /^methods\[0\]: input: schema: one of .* not f64$/,
    'f64',
  ],
  [
    'SCHEMA_UNKNOWN',
    'methods',
    method('go', 'call', 1, [3, [['score', [1, [2, 'f32']]]]], [3, []]),
    /^methods\[0\]: input: score: schema: one of .* not f32$/,
    'f32',
  ],
  [
    'NUMBER_EXPECTED',
    'methods',
    method('go', 'call', 1, [0, 65_537], [3, []]),
    /^methods\[0\]: input: unsigned integer/,
    65_537,
  ],
  [
    'TEXT_LENGTH',
    'methods',
    method('go', 'call', 1, [3, [['', 'u8']]], [3, []]),
    /^methods\[0\]: input: text of 1/,
    '',
  ],
  [
    'SCHEMA_TAG',
    'methods',
    method('go', 'call', 1, [3, []], [9, []]),
    /^methods\[0\]: output: schema: tag 0 /,
    9,
  ],
]

const detailOf = (decoded: ReturnType<typeof decodeManifest>): string =>
  decoded.ok ? '' : (decoded.detail ?? '')

t.test('each refusal names its code, the byte and the place in words', async (t) => {
  for (const [code, name, value, said, item = value] of wrong) {
    const bytes = changed(name, value)
    const decoded = decodeManifest(bytes)
    t.match(decoded, { ok: false, code: 'MANIFEST_MALFORMED' }, name)
    const [, problem, at, words] = /^([A-Z_]+) at byte (\d+): (.*)$/.exec(detailOf(decoded)) ?? []
    t.equal(problem, code, `${name}: ${detailOf(decoded)}`)
    t.match(words, said, name)
    const found = Buffer.from(bytes).subarray(Number(at))
    const wanted = encodeCbor(item ?? null)
    t.equal(found.subarray(0, wanted.length).compare(wanted), 0, `${name}: byte ${at}`)
  }
  t.equal(
    detailOf(decodeManifest(changed('reviewer', undefined))),
    'FIELD_MISSING at byte 0: reviewer: the field is missing',
  )
})

t.test('the place of any item in any value', async (t) => {
  const key = fc.oneof(fc.string({ maxLength: 30 }), fc.nat(1_000_000))
  const { value } = fc.letrec<{ value: CborValue; list: CborValue; map: CborValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.integer(),
      fc.string({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(true, false, null),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('value'), { maxLength: 30 }),
    map: fc.array(fc.tuple(key, tie('value')), { maxLength: 30 }).map((pairs) => new Map(pairs)),
  }))
  let places = 0
  fc.assert(
    fc.property(value, (root) => {
      const bytes = encodeCbor(root)
      for (const [path, item] of itemsOf(root)) {
        const at = placeOf(bytes, path)
        const wanted = encodeCbor(item)
        if (Buffer.compare(bytes.subarray(at, at + wanted.length), wanted) !== 0) return false
        // A path that leads further than the item ends at the item.
        const isLeaf = !Array.isArray(item) && !(item instanceof Map)
        if (isLeaf && placeOf(bytes, [...path, 0]) !== at) return false
        places += 1
      }
      return true
    }),
  )
  t.ok(places > 100)
})

type Path = (number | string)[]

function* itemsOf(item: CborValue, path: Path = []): Generator<[Path, CborValue]> {
  yield [path, item]
  if (Array.isArray(item))
    for (const [index, inner] of item.entries()) yield* itemsOf(inner, [...path, index])
  if (item instanceof Map) for (const [key, inner] of item) yield* itemsOf(inner, [...path, key])
}

t.test('texts in the words of any language are fine', async (t) => {
  for (const words of ['Žofie, příjem', 'مراجعة', 'क्‍ष', '😀', '\u00a0'])
    t.equal(decodeManifest(changed('purpose', words)).ok, true, words)
})

t.test('bytes that are no manifest', async (t) => {
  t.match(decodeManifest(encodeCbor([1])), {
    ok: false,
    detail: /^FIELD_MALFORMED at byte 0: a map of fields/,
  })
  t.match(decodeManifest(new Uint8Array([0xff])), {
    ok: false,
    detail: /^CBOR_MALFORMED at byte 0: deterministic CBOR/,
  })
  const large = decodeManifest(new Uint8Array(manifestBytesMax + 1))
  t.match(large, {
    ok: false,
    detail: new RegExp(`^MANIFEST_TOO_LARGE at byte ${manifestBytesMax}: .*at most ${manifestBytesMax}`),
  })
  let schema: CborValue = 'u8'
  for (let depth = 0; depth < 17; depth += 1) schema = [1, schema]
  const deep = decodeManifest(changed('methods', method('go', 'call', 1, schema, [3, []])))
  t.match(deep, {
    ok: false,
    detail: /^SCHEMA_TOO_DEEP at byte \d+: methods\[0\]: input: schema: nested more than 16 deep$/,
  })
})
