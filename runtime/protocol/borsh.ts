// Borsh (borsh.io) driven by schemas: one description serves contracts' ABI, record bodies, tools and
// screens. Canonical by construction: every value has one encoding, and the decoder accepts nothing else.
import { utf8, utf8ToText } from './bytes.js'
import { ok, refused, type Result } from './result.js'

/** Type language of the ABI. Floats do not exist in it. */
export type Schema =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'u64'
  | 'i32'
  | 'i64'
  | 'bool'
  | 'string'
  | 'bytes'
  | { fixed: number }
  | { option: Schema }
  | { vec: Schema }
  | { struct: [string, Schema][] }

/** u64 and i64 are bigint; bytes and fixed are Uint8Array; option is value or null; struct is an object. */
export type BorshValue =
  number | bigint | boolean | string | Uint8Array | null | BorshValue[] | { [name: string]: BorshValue }

export type BorshCode = 'BORSH_MALFORMED' | 'BORSH_TYPE'

class BorshError extends Error {
  constructor(
    readonly code: BorshCode,
    message: string,
  ) {
    super(message)
  }
}

const integerRanges: Record<string, [bytes: number, min: bigint, max: bigint]> = {
  u8: [1, 0n, 255n],
  u16: [2, 0n, 65_535n],
  u32: [4, 0n, 4_294_967_295n],
  u64: [8, 0n, 2n ** 64n - 1n],
  i32: [4, -(2n ** 31n), 2n ** 31n - 1n],
  i64: [8, -(2n ** 63n), 2n ** 63n - 1n],
}

/** Nesting deeper than this is refused in both directions. */
const depthMax = 16

/** Encodes a value by its schema. A value that does not fit gives BORSH_TYPE with the path to it. */
export function encodeBorsh(schema: Schema, value: unknown): Result<Uint8Array, BorshCode> {
  const writer = new Writer()
  try {
    writeValue(writer, schema, value, 'value', 0)
  } catch (error) {
    if (error instanceof BorshError) return refused(error.code, error.message)
    throw error
  }
  return ok(writer.finish())
}

/** Decodes all of `bytes` by a schema. */
export function decodeBorsh(schema: Schema, bytes: Uint8Array): Result<BorshValue, BorshCode> {
  const reader = new Reader(bytes)
  try {
    const value = readValue(reader, schema, 0)
    if (reader.offset !== bytes.length) throw new BorshError('BORSH_MALFORMED', 'bytes left over')
    return ok(value)
  } catch (error) {
    if (error instanceof BorshError) return refused(error.code, error.message)
    throw error
  }
}

function writeValue(writer: Writer, schema: Schema, value: unknown, path: string, depth: number): void {
  if (depth > depthMax) throw new BorshError('BORSH_TYPE', `${path}: nested too deep`)
  if (typeof schema === 'string') return writeScalar(writer, schema, value, path)
  if ('fixed' in schema) {
    if (!(value instanceof Uint8Array) || value.length !== schema.fixed) {
      throw new BorshError('BORSH_TYPE', `${path}: ${schema.fixed} bytes expected`)
    }
    return writer.raw(value)
  }
  if ('option' in schema) {
    const absent = value === null || value === undefined
    writer.integer(absent ? 0n : 1n, 1)
    return absent ? undefined : writeValue(writer, schema.option, value, path, depth + 1)
  }
  if ('vec' in schema) {
    if (!Array.isArray(value)) throw new BorshError('BORSH_TYPE', `${path}: list expected`)
    writer.integer(BigInt(value.length), 4)
    value.forEach((item, index) => writeValue(writer, schema.vec, item, `${path}[${index}]`, depth + 1))
    return
  }
  if (typeof value !== 'object' || value === null)
    throw new BorshError('BORSH_TYPE', `${path}: object expected`)
  const known = new Set(schema.struct.map(([name]) => name))
  for (const name of Object.keys(value)) {
    if (!known.has(name)) throw new BorshError('BORSH_TYPE', `${path}.${name}: unknown field`)
  }
  for (const [name, field] of schema.struct) {
    writeValue(writer, field, (value as Record<string, unknown>)[name], `${path}.${name}`, depth + 1)
  }
}

function writeScalar(writer: Writer, schema: string, value: unknown, path: string): void {
  if (schema === 'string') {
    if (typeof value !== 'string' || !isWellFormed(value))
      throw new BorshError('BORSH_TYPE', `${path}: text expected`)
    return writer.lengthPrefixed(utf8(value))
  }
  if (schema === 'bytes') {
    if (!(value instanceof Uint8Array)) throw new BorshError('BORSH_TYPE', `${path}: bytes expected`)
    return writer.lengthPrefixed(value)
  }
  if (schema === 'bool') {
    if (typeof value !== 'boolean') throw new BorshError('BORSH_TYPE', `${path}: true or false expected`)
    return writer.integer(value ? 1n : 0n, 1)
  }
  const [byteCount, min, max] = integerRanges[schema]
  const whole =
    typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(value as number) : undefined
  if (whole === undefined || whole < min || whole > max)
    throw new BorshError('BORSH_TYPE', `${path}: ${schema} expected`)
  writer.integer(whole, byteCount)
}

/** Lone surrogates have no UTF-8 form and would be replaced silently. */
function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)
}

function readValue(reader: Reader, schema: Schema, depth: number): BorshValue {
  if (depth > depthMax) throw new BorshError('BORSH_MALFORMED', 'nested too deep')
  if (typeof schema === 'string') return readScalar(reader, schema)
  if ('fixed' in schema) return reader.raw(schema.fixed)
  if ('option' in schema) return readFlag(reader) ? readValue(reader, schema.option, depth + 1) : null
  if ('vec' in schema) {
    const count = Number(reader.integer(4, false))
    // Every item takes at least one byte, so a count beyond the rest is a lie told to make us allocate.
    if (count > reader.remaining()) throw new BorshError('BORSH_MALFORMED', 'list longer than its bytes')
    const items: BorshValue[] = []
    for (let index = 0; index < count; index += 1) items.push(readValue(reader, schema.vec, depth + 1))
    return items
  }
  const object: Record<string, BorshValue> = {}
  for (const [name, field] of schema.struct) object[name] = readValue(reader, field, depth + 1)
  return object
}

function readScalar(reader: Reader, schema: string): BorshValue {
  if (schema === 'string') {
    try {
      return utf8ToText(reader.lengthPrefixed())
    } catch (error) {
      if (error instanceof BorshError) throw error
      throw new BorshError('BORSH_MALFORMED', 'text is not UTF-8')
    }
  }
  if (schema === 'bytes') return reader.lengthPrefixed()
  if (schema === 'bool') return readFlag(reader)
  const [byteCount] = integerRanges[schema]
  const whole = reader.integer(byteCount, schema.startsWith('i'))
  return byteCount === 8 ? whole : Number(whole)
}

function readFlag(reader: Reader): boolean {
  const flag = reader.integer(1, false)
  if (flag > 1n) throw new BorshError('BORSH_MALFORMED', 'flag expected')
  return flag === 1n
}

class Writer {
  private bytes = new Uint8Array(256)
  private length = 0

  private reserve(byteCount: number): number {
    const start = this.length
    this.length += byteCount
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length))
      grown.set(this.bytes)
      this.bytes = grown
    }
    return start
  }

  raw(bytes: Uint8Array): void {
    // Reserve first: it may replace the buffer that is written to.
    const start = this.reserve(bytes.length)
    this.bytes.set(bytes, start)
  }

  /** Little-endian, as Borsh demands. */
  integer(value: bigint, byteCount: number): void {
    let rest = BigInt.asUintN(byteCount * 8, value)
    const start = this.reserve(byteCount)
    for (let index = 0; index < byteCount; index += 1) {
      this.bytes[start + index] = Number(rest & 255n)
      rest >>= 8n
    }
  }

  lengthPrefixed(bytes: Uint8Array): void {
    this.integer(BigInt(bytes.length), 4)
    this.raw(bytes)
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}

class Reader {
  offset = 0
  constructor(private readonly bytes: Uint8Array) {}

  remaining(): number {
    return this.bytes.length - this.offset
  }

  raw(byteCount: number): Uint8Array {
    if (byteCount > this.remaining()) throw new BorshError('BORSH_MALFORMED', 'bytes missing')
    const part = this.bytes.slice(this.offset, this.offset + byteCount)
    this.offset += byteCount
    return part
  }

  integer(byteCount: number, signed: boolean): bigint {
    const part = this.raw(byteCount)
    let value = 0n
    for (let index = byteCount - 1; index >= 0; index -= 1) value = (value << 8n) | BigInt(part[index])
    return signed ? BigInt.asIntN(byteCount * 8, value) : value
  }

  lengthPrefixed(): Uint8Array {
    return this.raw(Number(this.integer(4, false)))
  }
}
