// Borsh values as JSON and back, by schema: 64-bit integers are decimal text, bytes are lower-case hex.
// One convention for the API, the tools and the screens; unknown fields are refused in both directions.
import {
  bodySchemaVersion,
  decodeBorsh,
  encodeBorsh,
  recordBodySchemas,
  type BorshValue,
  type Schema,
} from '../../runtime/protocol/index.js'
import { bytesToHex, hexToBytes } from '../../runtime/protocol/bytes.js'
import { recordKind, type RecordKindName } from '../../runtime/protocol/record.js'
import { ok, refused, type Result } from '../../runtime/protocol/result.js'
import type { Json, JsonObject } from './node-port.js'

export type BorshJsonCode = 'BORSH_TYPE' | 'BORSH_MALFORMED'

class JsonTypeError extends Error {}

/** A decoded Borsh value as JSON. The value must come from this schema; anything else is a bug of ours. */
export function borshToJson(schema: Schema, value: BorshValue): Json {
  if (typeof schema === 'string') {
    if (typeof value === 'bigint') return value.toString()
    return value instanceof Uint8Array ? bytesToHex(value) : (value as Json)
  }
  if ('fixed' in schema) return bytesToHex(value as Uint8Array)
  if ('option' in schema) return value === null ? null : borshToJson(schema.option, value)
  if ('vec' in schema) return (value as BorshValue[]).map((item) => borshToJson(schema.vec, item))
  const source = value as { [name: string]: BorshValue }
  const object: JsonObject = {}
  for (const [name, field] of schema.struct) object[name] = borshToJson(field, source[name])
  return object
}

/**
 * JSON as the value that `encodeBorsh` takes. BORSH_TYPE names the path of the first part that does not
 * fit.
 */
export function jsonToBorsh(schema: Schema, json: Json | undefined): Result<BorshValue, 'BORSH_TYPE'> {
  try {
    return ok(fromJson(schema, json, 'value', 0))
  } catch (error) {
    if (error instanceof JsonTypeError) return refused('BORSH_TYPE', error.message)
    throw error
  }
}

/** JSON to Borsh bytes: `jsonToBorsh`, then `encodeBorsh`, which also checks integer ranges and lengths. */
export function encodeJson(schema: Schema, json: Json | undefined): Result<Uint8Array, BorshJsonCode> {
  const value = jsonToBorsh(schema, json)
  return value.ok ? encodeBorsh(schema, value.value) : value
}

/** Borsh bytes to JSON. */
export function decodeToJson(schema: Schema, bytes: Uint8Array): Result<Json, BorshJsonCode> {
  const value = decodeBorsh(schema, bytes)
  return value.ok ? ok(borshToJson(schema, value.value)) : value
}

/** Body bytes of a record; `schema` is filled in when absent. */
export function encodeRecordBody(
  kind: RecordKindName,
  body: JsonObject,
): Result<Uint8Array, BorshJsonCode> {
  const schema = recordBodySchemas.get(recordKind[kind])
  if (schema === undefined) return refused('BORSH_TYPE', `kind ${kind} has no body schema`)
  return encodeJson(schema, { schema: bodySchemaVersion, ...body })
}

/** Body of a record as JSON, with its field `schema`. */
export function decodeRecordBody(
  kind: RecordKindName,
  bytes: Uint8Array,
): Result<JsonObject, BorshJsonCode> {
  const schema = recordBodySchemas.get(recordKind[kind])
  if (schema === undefined) return refused('BORSH_TYPE', `kind ${kind} has no body schema`)
  const decoded = decodeToJson(schema, bytes)
  return decoded.ok ? ok(decoded.value as JsonObject) : decoded
}

/** Deeper than any schema of ours; bounds the recursion over text from outside. */
const depthMax = 16

function fromJson(schema: Schema, json: Json | undefined, path: string, depth: number): BorshValue {
  if (depth > depthMax) throw new JsonTypeError(`${path}: nested too deep`)
  if (typeof schema === 'string') return scalarFromJson(schema, json, path)
  if ('fixed' in schema) {
    const bytes = hexFromJson(json, path)
    if (bytes.length !== schema.fixed) {
      throw new JsonTypeError(`${path}: ${schema.fixed} bytes as hex expected`)
    }
    return bytes
  }
  if ('option' in schema) {
    return json === null || json === undefined ? null : fromJson(schema.option, json, path, depth + 1)
  }
  if ('vec' in schema) {
    if (!Array.isArray(json)) throw new JsonTypeError(`${path}: list expected`)
    return json.map((item, index) => fromJson(schema.vec, item, `${path}[${index}]`, depth + 1))
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new JsonTypeError(`${path}: object expected`)
  }
  const known = new Set(schema.struct.map(([name]) => name))
  for (const name of Object.keys(json)) {
    if (!known.has(name)) throw new JsonTypeError(`${path}.${name}: unknown field`)
  }
  const object: Record<string, BorshValue> = {}
  for (const [name, field] of schema.struct) {
    object[name] = fromJson(field, json[name], `${path}.${name}`, depth + 1)
  }
  return object
}

function scalarFromJson(schema: string, json: Json | undefined, path: string): BorshValue {
  switch (schema) {
    case 'string':
      if (typeof json !== 'string') throw new JsonTypeError(`${path}: text expected`)
      return json
    case 'bool':
      if (typeof json !== 'boolean') throw new JsonTypeError(`${path}: true or false expected`)
      return json
    case 'bytes':
      return hexFromJson(json, path)
    case 'u64':
    case 'i64':
      // Beyond 2^53 a JSON number has already lost digits, so only text may carry it.
      if (typeof json === 'string' && /^-?[0-9]{1,20}$/.test(json)) return BigInt(json)
      if (Number.isSafeInteger(json)) return BigInt(json as number)
      throw new JsonTypeError(`${path}: ${schema} as decimal text expected`)
    default:
      if (!Number.isSafeInteger(json)) throw new JsonTypeError(`${path}: ${schema} expected`)
      return json as number
  }
}

function hexFromJson(json: Json | undefined, path: string): Uint8Array {
  const bytes = typeof json === 'string' ? hexToBytes(json) : undefined
  if (bytes === undefined) throw new JsonTypeError(`${path}: hex expected`)
  return bytes
}
