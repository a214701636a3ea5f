// Sections 1 to 8 of the binary format: types, imports, functions, tables, memories, globals, exports,
// start.

import { readByte, readName, readU32, type ByteReader } from './byte-reader.js'
import { readConstantExpression } from './read-constant-expression.js'
import type { ModuleDraft } from './read-module.js'
import { readCount, readReferenceType, readValueType } from './read-value-type.js'
import { refuse } from './refusal.js'
import {
  EXTERNAL_FUNCTION,
  EXTERNAL_GLOBAL,
  EXTERNAL_MEMORY,
  EXTERNAL_TABLE,
  type GlobalType,
  type Limits,
  type MemoryType,
  type TableType,
  type ValueType,
} from './wasm-types.js'

export function readTypes(reader: ByteReader, draft: ModuleDraft): void {
  const count = readCount(reader)
  for (let index = 0; index < count; index++) {
    draft.typeOffsets.push(reader.position)
    const form = readByte(reader)
    if (form !== 0x60) refuse('TYPE_MALFORMED', reader.position - 1, 'A function type begins with 0x60.')
    draft.types.push({ parameters: readValueTypes(reader), results: readValueTypes(reader) })
  }
}

function readValueTypes(reader: ByteReader): ValueType[] {
  const types: ValueType[] = []
  for (let left = readCount(reader); left > 0; left--) types.push(readValueType(reader))
  return types
}

export function readImports(reader: ByteReader, draft: ModuleDraft): void {
  const count = readCount(reader)
  for (let index = 0; index < count; index++) {
    const offset = reader.position
    const module = readName(reader)
    const name = readName(reader)
    const kind = readByte(reader)
    const typeIndex = kind === EXTERNAL_FUNCTION ? readU32(reader) : 0
    draft.imports.push({ module, name, kind, typeIndex, offset })
    if (kind === EXTERNAL_FUNCTION) draft.functions.push(typeIndex)
    else if (kind === EXTERNAL_TABLE) draft.tables.push(readTableType(reader))
    else if (kind === EXTERNAL_MEMORY) draft.memories.push(readMemoryType(reader))
    else if (kind === EXTERNAL_GLOBAL) {
      draft.globals.push({ ...readGlobalType(reader), initial: undefined, offset })
    } else refuse('FLAGS_MALFORMED', reader.position - 1, `Import kind ${kind} does not exist.`)
  }
  draft.functionsImported = draft.functions.length
  draft.tablesImported = draft.tables.length
  draft.memoriesImported = draft.memories.length
  draft.globalsImported = draft.globals.length
}

export function readFunctions(reader: ByteReader, draft: ModuleDraft): void {
  for (let left = readCount(reader); left > 0; left--) draft.functions.push(readU32(reader))
}

export function readTables(reader: ByteReader, draft: ModuleDraft): void {
  for (let left = readCount(reader); left > 0; left--) draft.tables.push(readTableType(reader))
}

export function readMemories(reader: ByteReader, draft: ModuleDraft): void {
  for (let left = readCount(reader); left > 0; left--) draft.memories.push(readMemoryType(reader))
}

function readTableType(reader: ByteReader): TableType {
  const offset = reader.position
  const element = readReferenceType(reader)
  return { element, limits: readLimits(reader), offset }
}

function readMemoryType(reader: ByteReader): MemoryType {
  const offset = reader.position
  return { limits: readLimits(reader), offset }
}

function readLimits(reader: ByteReader): Limits {
  const offset = reader.position
  const flags = readByte(reader)
  // Flags 2 to 7 belong to shared and 64-bit memories.
  if (flags > 1) refuse('FLAGS_MALFORMED', offset, 'Shared and 64-bit memories are not available.')
  const minimum = readU32(reader)
  return { minimum, maximum: flags === 1 ? readU32(reader) : undefined }
}

function readGlobalType(reader: ByteReader): GlobalType {
  const value = readValueType(reader)
  const mutability = readByte(reader)
  if (mutability > 1) refuse('FLAGS_MALFORMED', reader.position - 1, 'Mutability is 0 or 1.')
  return { value, mutable: mutability === 1 }
}

export function readGlobals(reader: ByteReader, draft: ModuleDraft): void {
  for (let left = readCount(reader); left > 0; left--) {
    const offset = reader.position
    const type = readGlobalType(reader)
    draft.globals.push({ ...type, initial: readConstantExpression(reader), offset })
  }
}

export function readExports(reader: ByteReader, draft: ModuleDraft): void {
  for (let left = readCount(reader); left > 0; left--) {
    const offset = reader.position
    const name = readName(reader)
    const kind = readByte(reader)
    if (kind > EXTERNAL_GLOBAL) {
      refuse('FLAGS_MALFORMED', reader.position - 1, `Export kind ${kind} does not exist.`)
    }
    draft.exports.push({ name, kind, index: readU32(reader), offset })
  }
}

export function readStart(reader: ByteReader, draft: ModuleDraft): void {
  draft.startOffset = reader.position
  draft.start = readU32(reader)
}
