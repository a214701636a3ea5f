// A manifest: what one version of a contract or page is, reads, emits and listens to. Deterministic CBOR,
// hashed into the version's address; it is what the hospital approves.
import { concatBytes, utf8 } from './bytes.js'
import type { Schema } from './borsh.js'
import { decodeCbor, encodeCbor, type CborMap, type CborValue } from './cbor.js'
import type { FieldPath } from './cbor-place.js'
import { asArray, asAscii, asText, asUint, FieldError } from './fields.js'
import { hashWithDomain, type Hash } from './hash.js'
import { aliasLengthMax, manifestBytesMax, methodLengthMax, recordCodeLengthMax } from './limits.js'
import { manifestProblemText } from './manifest-problem.js'
import { ok, refused, type Result } from './result.js'

/**
 * `call`: by signed transaction or contract. `view`: read only. `record`, `timer`: by the kernel.
 * `system`: kernel questions, genesis.
 */
export const methodKinds = ['call', 'view', 'record', 'timer', 'system'] as const
export type MethodKind = (typeof methodKinds)[number]

export interface ManifestMethod {
  name: string
  kind: MethodKind
  /** Fuel bound of one entry. */
  fuel: number
  input: Schema
  output: Schema
}

/** Record kind and codes; an empty list of codes means every code of that kind. */
export interface RecordSelector {
  kind: number
  codes: string[]
}

export interface Subscription extends RecordSelector {
  method: string
  /** Lower runs first. */
  priority: number
}

/**
 * A table that this version writes. `patient`: bound to patients, so that its rows go with an erased patient;
 * the key, or the partition of an ordered table, is exactly the 16 bytes of a patient.
 */
export interface ManifestTable {
  id: number
  name: string
  patient: boolean
}

export interface Manifest {
  /** `vendor/name`. */
  alias: string
  version: string
  /** `contract`: WebAssembly. `page`: one HTML document. */
  type: 'contract' | 'page'
  title: string
  purpose: string
  population: string
  reviewer: string
  evidence: string[]
  /** Compiler that reproduces the code, e.g. `assemblyscript 0.28.20`. */
  compiler: string
  migrateVersion: number
  reads: RecordSelector[]
  emits: RecordSelector[]
  /** Aliases that it may call. */
  calls: string[]
  subscriptions: Subscription[]
  methods: ManifestMethod[]
  /** Every table that it writes; a version of a further layout, or with tables of patients, must say. */
  tables?: ManifestTable[]
}

export type ManifestCode = 'MANIFEST_MALFORMED'

const textFields = [
  'alias',
  'version',
  'type',
  'title',
  'purpose',
  'population',
  'reviewer',
  'compiler',
] as const

/** CBOR map with the field names as text keys. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const map: CborMap = new Map<string, CborValue>()
  for (const field of textFields) map.set(field, manifest[field])
  map.set('migrateVersion', manifest.migrateVersion)
  map.set('evidence', manifest.evidence)
  map.set('calls', manifest.calls)
  map.set('reads', manifest.reads.map(selectorToCbor))
  map.set('emits', manifest.emits.map(selectorToCbor))
  map.set(
    'subscriptions',
    manifest.subscriptions.map((item) => [item.kind, item.codes, item.method, item.priority]),
  )
  map.set(
    'methods',
    manifest.methods.map((item) => [
      item.name,
      item.kind,
      item.fuel,
      schemaToCbor(item.input),
      schemaToCbor(item.output),
    ]),
  )
  if (manifest.tables !== undefined)
    map.set(
      'tables',
      manifest.tables.map(({ id, name, patient }) => [id, name, patient ? 1 : 0]),
    )
  return encodeCbor(map)
}

const selectorToCbor = (selector: RecordSelector): CborValue => [selector.kind, selector.codes]

/** MANIFEST_MALFORMED; the detail: which problem, at which byte, in words (`manifest-problem.ts`). */
export function decodeManifest(bytes: Uint8Array): Result<Manifest, ManifestCode> {
  if (bytes.length > manifestBytesMax)
    return refused(
      'MANIFEST_MALFORMED',
      `MANIFEST_TOO_LARGE at byte ${manifestBytesMax}: ${bytes.length} bytes, and at most ${manifestBytesMax} are allowed`,
    )
  const decoded = decodeCbor(bytes)
  if (!decoded.ok) {
    const place = `${decoded.code} ${decoded.detail ?? ''}`
    return refused(
      'MANIFEST_MALFORMED',
      `${place}: deterministic CBOR expected, as the SDK's build writes it`,
    )
  }
  try {
    return ok(manifestFromCbor(decoded.value))
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    const { code, path, message } = error
    return refused('MANIFEST_MALFORMED', manifestProblemText(bytes, { code, path, detail: message }))
  }
}

const fieldNames = [
  ...textFields,
  ...(['migrateVersion', 'evidence', 'calls', 'reads', 'emits', 'subscriptions', 'methods'] as const),
]

/** Puts the place in front of what is wrong there: `name` for people (or none), `path` for the byte. */
function at<T>(name: string | undefined, path: FieldPath, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    const words = name === undefined ? error.message : `${name}: ${error.message}`
    throw new FieldError(words, error.code, [...path, ...error.path])
  }
}

/** A list that lies at `step` of the item around it. */
function listAt<T>(
  name: string,
  step: number | string,
  value: CborValue | undefined,
  countMax: number,
  read: (item: CborValue) => T,
): T[] {
  const items = at(name, [step], () => asArray(value, 0, countMax))
  return items.map((item, index) => at(`${name}[${index}]`, [step, index], () => read(item)))
}

function manifestFromCbor(value: CborValue): Manifest {
  if (!(value instanceof Map)) throw new FieldError('a map of fields expected')
  const missing = fieldNames.find((name) => !value.has(name))
  if (missing !== undefined) throw new FieldError(`${missing}: the field is missing`, 'FIELD_MISSING')
  const known: readonly unknown[] = [...fieldNames, 'tables']
  const unknown = [...value.keys()].find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw new FieldError(`${unknown}: there is no such field`, 'FIELD_UNKNOWN', [unknown])
  const type = value.get('type')
  if (type !== 'contract' && type !== 'page')
    throw new FieldError('type: contract or page expected', 'TYPE_UNKNOWN', ['type'])
  const ascii = (name: string, min: number, max: number): string =>
    at(name, [name], () => asAscii(value.get(name), min, max))
  const text = (name: string, max: number): string => at(name, [name], () => asText(value.get(name), max))
  const list = <T>(name: string, countMax: number, read: (item: CborValue) => T): T[] =>
    listAt(name, name, value.get(name), countMax, read)
  const alias = ascii('alias', 3, aliasLengthMax)
  if (!/^[a-z0-9-]+\/[a-z0-9-]+$/.test(alias)) {
    const words = 'alias: vendor/name expected, of lower case letters, digits and hyphens'
    throw new FieldError(words, 'ALIAS_MALFORMED', ['alias'])
  }
  return {
    alias,
    type,
    version: ascii('version', 1, 32),
    title: text('title', 200),
    purpose: text('purpose', 2_000),
    population: text('population', 1_000),
    reviewer: text('reviewer', 200),
    compiler: ascii('compiler', 0, 64),
    migrateVersion: at('migrateVersion', ['migrateVersion'], () =>
      asUint(value.get('migrateVersion'), 65_535),
    ),
    evidence: list('evidence', 32, (item) => asText(item, 500)),
    calls: list('calls', 32, (item) => asAscii(item, 3, aliasLengthMax)),
    reads: list('reads', 32, selectorFromCbor),
    emits: list('emits', 32, selectorFromCbor),
    subscriptions: list('subscriptions', 64, subscriptionFromCbor),
    methods: list('methods', 100, methodFromCbor),
    ...(value.has('tables') && { tables: tablesOnce(list('tables', 64, tableFromCbor)) }),
  }
}

/** A table that were declared twice could be bound to patients in one place and not in the other. */
function tablesOnce(tables: ManifestTable[]): ManifestTable[] {
  for (const [index, { id, name }] of tables.entries()) {
    const before = tables.slice(0, index)
    const twice = (what: number | string, part: number): FieldError =>
      new FieldError(`tables: ${what} is declared twice`, 'TABLE_TWICE', ['tables', index, part])
    if (before.some((other) => other.id === id)) throw twice(id, 0)
    if (before.some((other) => other.name === name)) throw twice(name, 1)
  }
  return tables
}

function tableFromCbor(value: CborValue): ManifestTable {
  const [id, name, patient] = asArray(value, 3, 3)
  return {
    id: at('id', [0], () => asUint(id, 255)),
    name: at('name', [1], () => asAscii(name, 1, 64)),
    patient: at('patient', [2], () => asUint(patient, 1)) === 1,
  }
}

const kindFromCbor = (value: CborValue): number => at('kind', [0], () => asUint(value, 63))

function codesFromCbor(value: CborValue): string[] {
  return listAt('codes', 1, value, 64, (code) => asAscii(code, 1, recordCodeLengthMax))
}

function selectorFromCbor(value: CborValue): RecordSelector {
  const [kind, codes] = asArray(value, 2, 2)
  return { kind: kindFromCbor(kind), codes: codesFromCbor(codes) }
}

function subscriptionFromCbor(value: CborValue): Subscription {
  const [kind, codes, method, priority] = asArray(value, 4, 4)
  return {
    kind: kindFromCbor(kind),
    codes: codesFromCbor(codes),
    method: at('method', [2], () => asAscii(method, 1, methodLengthMax)),
    priority: at('priority', [3], () => asUint(priority, 65_535)),
  }
}

function methodFromCbor(value: CborValue): ManifestMethod {
  const [name, kind, fuel, input, output] = asArray(value, 5, 5)
  const methodName = at('name', [0], () => asAscii(name, 1, methodLengthMax))
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(methodName)) {
    const words = `name: ${methodName} must begin with a letter and hold letters, digits and _ only`
    throw new FieldError(words, 'METHOD_NAME', [0])
  }
  const methodKind = methodKinds.find((known) => known === kind)
  if (methodKind === undefined)
    throw new FieldError(`kind: one of ${methodKinds.join(', ')} expected`, 'METHOD_KIND', [1])
  return {
    name: methodName,
    kind: methodKind,
    fuel: at('fuel', [2], () => asUint(fuel)),
    input: at('input', [3], () => schemaFromCbor(input, 0)),
    output: at('output', [4], () => schemaFromCbor(output, 0)),
  }
}

/** Scalars are text; [0, n] fixed, [1, schema] option, [2, schema] vec, [3, [[name, schema]...]] struct. */
function schemaToCbor(schema: Schema): CborValue {
  if (typeof schema === 'string') return schema
  if ('fixed' in schema) return [0, schema.fixed]
  if ('option' in schema) return [1, schemaToCbor(schema.option)]
  if ('vec' in schema) return [2, schemaToCbor(schema.vec)]
  return [3, schema.struct.map(([name, field]) => [name, schemaToCbor(field)])]
}

const scalarNames = ['u8', 'u16', 'u32', 'u64', 'i32', 'i64', 'bool', 'string', 'bytes'] as const

function schemaFromCbor(value: CborValue, depth: number): Schema {
  if (depth > 16) throw new FieldError('schema: nested more than 16 deep', 'SCHEMA_TOO_DEEP')
  if (typeof value === 'string') {
    const scalar = scalarNames.find((known) => known === value)
    if (scalar !== undefined) return scalar
    const words = `schema: one of ${scalarNames.join(', ')} expected, not ${value}`
    throw new FieldError(words, 'SCHEMA_UNKNOWN')
  }
  const [tag, content] = asArray(value, 2, 2)
  const inner = (item: CborValue, path: FieldPath): Schema =>
    at(undefined, path, () => schemaFromCbor(item, depth + 1))
  if (tag === 0) return { fixed: at(undefined, [1], () => asUint(content, 65_536)) }
  if (tag === 1) return { option: inner(content, [1]) }
  if (tag === 2) return { vec: inner(content, [1]) }
  if (tag !== 3) {
    const words = 'schema: tag 0 (fixed), 1 (option), 2 (list) or 3 (struct) expected'
    throw new FieldError(words, 'SCHEMA_TAG', [0])
  }
  const fields = at(undefined, [1], () => asArray(content, 0, 100))
  return {
    struct: fields.map((pair, index): [string, Schema] => {
      const [name, field] = at(undefined, [1, index], () => asArray(pair, 2, 2))
      const fieldName = at(undefined, [1, index, 0], () => asAscii(name, 1, 64))
      return [fieldName, at(fieldName, [1, index, 1], () => schemaFromCbor(field, depth + 1))]
    }),
  }
}

/**
 * Immutable name of one version: H("wardchain/address/1" ‖ chain ‖ u8 length ‖ alias ‖ manifest hash ‖
 * code hash).
 */
export function contractAddress(
  hash: Hash,
  parts: { chainId: Uint8Array; alias: string; manifestHash: Uint8Array; codeHash: Uint8Array },
): Uint8Array {
  const alias = utf8(parts.alias)
  const named = concatBytes(new Uint8Array([alias.length]), alias, parts.manifestHash, parts.codeHash)
  return hashWithDomain(hash, 'wardchain/address/1', parts.chainId, named)
}
