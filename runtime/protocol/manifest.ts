// A manifest: what one version of a contract or page is, reads, emits and listens to. Deterministic CBOR,
// hashed into the version's address; it is what the hospital approves.
import { concatBytes, utf8 } from './bytes.js'
import type { Schema } from './borsh.js'
import { decodeCbor, encodeCbor, type CborMap, type CborValue } from './cbor.js'
import { asArray, asAscii, asText, asUint, FieldError } from './fields.js'
import { hashWithDomain, type Hash } from './hash.js'
import { aliasLengthMax, manifestBytesMax, methodLengthMax, recordCodeLengthMax } from './limits.js'
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

export function decodeManifest(bytes: Uint8Array): Result<Manifest, ManifestCode> {
  if (bytes.length > manifestBytesMax)
    return refused(
      'MANIFEST_MALFORMED',
      `${bytes.length} bytes, and at most ${manifestBytesMax} are allowed`,
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
    if (error instanceof FieldError) return refused('MANIFEST_MALFORMED', error.message)
    throw error
  }
}

const fieldNames = [
  ...textFields,
  ...(['migrateVersion', 'evidence', 'calls', 'reads', 'emits', 'subscriptions', 'methods'] as const),
]

/** Puts the place in front of what is wrong there. */
function at<T>(place: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof FieldError) throw new FieldError(`${place}: ${error.message}`)
    throw error
  }
}

function listAt<T>(
  place: string,
  value: CborValue | undefined,
  countMax: number,
  read: (item: CborValue) => T,
): T[] {
  const items = at(place, () => asArray(value, 0, countMax))
  return items.map((item, index) => at(`${place}[${index}]`, () => read(item)))
}

function manifestFromCbor(value: CborValue): Manifest {
  if (!(value instanceof Map)) throw new FieldError('a map of fields expected')
  const missing = fieldNames.find((name) => !value.has(name))
  if (missing !== undefined) throw new FieldError(`${missing}: the field is missing`)
  const known: readonly unknown[] = [...fieldNames, 'tables']
  const unknown = [...value.keys()].find((key) => !known.includes(key))
  if (unknown !== undefined) throw new FieldError(`${unknown}: there is no such field`)
  const type = value.get('type')
  if (type !== 'contract' && type !== 'page') throw new FieldError('type: contract or page expected')
  const ascii = (name: string, min: number, max: number): string =>
    at(name, () => asAscii(value.get(name), min, max))
  const text = (name: string, max: number): string => at(name, () => asText(value.get(name), max))
  const alias = ascii('alias', 3, aliasLengthMax)
  if (!/^[a-z0-9-]+\/[a-z0-9-]+$/.test(alias))
    throw new FieldError('alias: vendor/name expected, of lower case letters, digits and hyphens')
  return {
    alias,
    type,
    version: ascii('version', 1, 32),
    title: text('title', 200),
    purpose: text('purpose', 2_000),
    population: text('population', 1_000),
    reviewer: text('reviewer', 200),
    compiler: ascii('compiler', 0, 64),
    migrateVersion: at('migrateVersion', () => asUint(value.get('migrateVersion'), 65_535)),
    evidence: listAt('evidence', value.get('evidence'), 32, (item) => asText(item, 500)),
    calls: listAt('calls', value.get('calls'), 32, (item) => asAscii(item, 3, aliasLengthMax)),
    reads: listAt('reads', value.get('reads'), 32, selectorFromCbor),
    emits: listAt('emits', value.get('emits'), 32, selectorFromCbor),
    subscriptions: listAt('subscriptions', value.get('subscriptions'), 64, subscriptionFromCbor),
    methods: listAt('methods', value.get('methods'), 100, methodFromCbor),
    ...(value.has('tables') && { tables: tablesFromCbor(value.get('tables')) }),
  }
}

/** A table that were declared twice could be bound to patients in one place and not in the other. */
function tablesFromCbor(value: CborValue | undefined): ManifestTable[] {
  const tables = listAt('tables', value, 64, tableFromCbor)
  for (const [index, { id, name }] of tables.entries()) {
    const before = tables.slice(0, index)
    if (before.some((other) => other.id === id)) throw new FieldError(`tables: ${id} is declared twice`)
    if (before.some((other) => other.name === name))
      throw new FieldError(`tables: ${name} is declared twice`)
  }
  return tables
}

function tableFromCbor(value: CborValue): ManifestTable {
  const [id, name, patient] = asArray(value, 3, 3)
  return {
    id: at('id', () => asUint(id, 255)),
    name: at('name', () => asAscii(name, 1, 64)),
    patient: at('patient', () => asUint(patient, 1)) === 1,
  }
}

const kindFromCbor = (value: CborValue): number => at('kind', () => asUint(value, 63))

function codesFromCbor(value: CborValue): string[] {
  return listAt('codes', value, 64, (code) => asAscii(code, 1, recordCodeLengthMax))
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
    method: at('method', () => asAscii(method, 1, methodLengthMax)),
    priority: at('priority', () => asUint(priority, 65_535)),
  }
}

function methodFromCbor(value: CborValue): ManifestMethod {
  const [name, kind, fuel, input, output] = asArray(value, 5, 5)
  const methodName = at('name', () => asAscii(name, 1, methodLengthMax))
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(methodName)) {
    throw new FieldError(`name: ${methodName} must begin with a letter and hold letters, digits and _ only`)
  }
  const methodKind = methodKinds.find((known) => known === kind)
  if (methodKind === undefined) throw new FieldError(`kind: one of ${methodKinds.join(', ')} expected`)
  return {
    name: methodName,
    kind: methodKind,
    fuel: at('fuel', () => asUint(fuel)),
    input: at('input', () => schemaFromCbor(input, 0)),
    output: at('output', () => schemaFromCbor(output, 0)),
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
  if (depth > 16) throw new FieldError('schema: nested more than 16 deep')
  if (typeof value === 'string') {
    const scalar = scalarNames.find((known) => known === value)
    if (scalar === undefined)
      throw new FieldError(`schema: one of ${scalarNames.join(', ')} expected, not ${value}`)
    return scalar
  }
  const [tag, content] = asArray(value, 2, 2)
  if (tag === 0) return { fixed: asUint(content, 65_536) }
  if (tag === 1) return { option: schemaFromCbor(content, depth + 1) }
  if (tag === 2) return { vec: schemaFromCbor(content, depth + 1) }
  if (tag !== 3) throw new FieldError('schema: tag 0 (fixed), 1 (option), 2 (list) or 3 (struct) expected')
  return {
    struct: asArray(content, 0, 100).map((pair): [string, Schema] => {
      const [name, field] = asArray(pair, 2, 2)
      return [asAscii(name, 1, 64), schemaFromCbor(field, depth + 1)]
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
