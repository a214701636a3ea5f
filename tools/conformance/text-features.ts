// Names the refused feature that a module's text uses, so that what is skipped says why: newer forms reach
// neither assembler nor validator as anything but unknown words.

const forms: readonly (readonly [feature: string, pattern: RegExp])[] = [
  ['relaxed SIMD', /\.relaxed_/],
  ['SIMD', /\bv128\b|\b[if](?:8x16|16x8|32x4|64x2)\./],
  ['wide arithmetic', /\bi64\.(?:add128|sub128|mul_wide_[su])/],
  ['threads and atomics', /\batomic\.|\(memory\b[^()]*\bshared\b/],
  [
    'exception handling',
    /\(tag\b|\b(?:try|try_table|throw|throw_ref|rethrow|delegate|catch_all)\b|\bexnref\b/,
  ],
  ['tail calls', /\breturn_call/],
  [
    'garbage collection',
    /\b(?:struct|array)\.[a-z]|\((?:struct|array|rec|sub)\b|\bref\.(?:i31|test|cast|eq)\b|\bi31\.get|\bbr_on_cast/,
  ],
  [
    'garbage collection',
    /\b(?:any|eq|i31|struct|array|null|nullextern|nullfunc)ref\b|\bany\.convert_extern|\bextern\.convert_any/,
  ],
  [
    'typed function references',
    /\(ref\s|\bcall_ref\b|\bref\.as_non_null\b|\bbr_on_(?:non_)?null\b|\(table\b[^()]*\(ref\s/,
  ],
  ['memory64', /\((?:memory|table)\b(?:[^()]|\((?:export|import)\b[^()]*\))*\bi64\b/],
  // Arithmetic in an initial value or an offset, after what may stand before it; or another global of the
  // same module.
  [
    'extended constant expressions',
    /\((?:global|data|elem|table)\b(?:[^()]|\((?:export|import|mut|memory|table)\b[^()]*\)|\((?:offset|item)\b\s*)*\(?i(?:32|64)\.(?:add|sub|mul)\b/,
  ],
  ['extended constant expressions', /\(global\b(?:[^()]|\((?:export|mut)\b[^()]*\))*\(?global\.get\b/],
  ['annotations', /\(@/],
]

/** The first refused feature of a text, or undefined when it uses none. */
export function refusedFeatureOf(text: Uint8Array): string | undefined {
  const plain = Buffer.from(text)
    .toString('latin1')
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/;;[^\n]*/g, '')
    .replace(/\(;[^;]*;\)/g, '')
  return forms.find(([, pattern]) => pattern.test(plain))?.[0]
}
