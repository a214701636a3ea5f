// Sections 9 to 11 of the binary format: element segments, function bodies, data segments.

import { readByte, readU32, skipBytes, type ByteReader } from './byte-reader.js'
import { CONSTANT_REF_FUNC, readConstantExpression } from './read-constant-expression.js'
import type { ModuleDraft } from './read-module.js'
import { readCount, readReferenceType, readValueType } from './read-value-type.js'
import { refuse } from './refusal.js'
import {
  FUNCREF,
  type ConstantExpression,
  type ElementSegment,
  type LocalGroup,
  type SegmentMode,
  type ValueType,
} from './wasm-types.js'

export function readElements(reader: ByteReader, draft: ModuleDraft): void {
  for (let left = readCount(reader); left > 0; left--) draft.elements.push(readElementSegment(reader))
}

/**
 * Flags: bit 0 passive or declarative, bit 1 explicit table or declarative, bit 2 expressions instead of
 * indices.
 */
function readElementSegment(reader: ByteReader): ElementSegment {
  const offset = reader.position
  const flags = readU32(reader)
  if (flags > 7) refuse('FLAGS_MALFORMED', offset, `Element segment kind ${flags} does not exist.`)
  const isActive = (flags & 1) === 0
  const mode: SegmentMode = isActive ? 'active' : (flags & 2) === 0 ? 'passive' : 'declarative'
  const table = isActive && (flags & 2) !== 0 ? readU32(reader) : 0
  const offsetExpression = isActive ? readConstantExpression(reader) : undefined
  const hasKind = (flags & 3) !== 0
  const usesExpressions = (flags & 4) !== 0
  let element: ValueType = FUNCREF
  if (hasKind && usesExpressions) element = readReferenceType(reader)
  else if (hasKind && readByte(reader) !== 0) {
    refuse('FLAGS_MALFORMED', reader.position - 1, 'The element kind must be 0 (functions).')
  }
  const items: ConstantExpression[] = []
  for (let left = readCount(reader); left > 0; left--) {
    items.push(usesExpressions ? readConstantExpression(reader) : readFunctionItem(reader))
  }
  return { mode, table, offsetExpression, element, items, offset }
}

function readFunctionItem(reader: ByteReader): ConstantExpression {
  const offset = reader.position
  return { instructions: [{ opcode: CONSTANT_REF_FUNC, immediate: readU32(reader), offset }], offset }
}

export function readBodies(reader: ByteReader, draft: ModuleDraft): void {
  const sectionEnd = reader.end
  for (let left = readCount(reader); left > 0; left--) {
    const length = readU32(reader)
    const start = reader.position
    if (length > sectionEnd - start) refuse('UNEXPECTED_END', start, 'A function body is cut off.')
    const end = start + length
    reader.end = end
    const groupCount = readCount(reader)
    const localsStart = reader.position
    const locals = readLocals(reader, groupCount)
    draft.bodies.push({ start, localsStart, locals, codeStart: reader.position, end })
    reader.position = end
    reader.end = sectionEnd
  }
}

function readLocals(reader: ByteReader, groupCount: number): LocalGroup[] {
  const groups: LocalGroup[] = []
  let total = 0
  for (let left = groupCount; left > 0; left--) {
    const offset = reader.position
    const count = readU32(reader)
    total += count
    if (total > 0xffffffff) refuse('LOCALS_MALFORMED', offset, 'A function declares more than 2^32 locals.')
    groups.push({ count, type: readValueType(reader) })
  }
  return groups
}

export function readData(reader: ByteReader, draft: ModuleDraft): void {
  for (let left = readCount(reader); left > 0; left--) {
    const offset = reader.position
    const flags = readU32(reader)
    if (flags > 2) refuse('FLAGS_MALFORMED', offset, `Data segment kind ${flags} does not exist.`)
    const memory = flags === 2 ? readU32(reader) : 0
    const offsetExpression = flags === 1 ? undefined : readConstantExpression(reader)
    const bytes = readU32(reader)
    skipBytes(reader, bytes)
    draft.data.push({ mode: flags === 1 ? 'passive' : 'active', memory, offsetExpression, bytes, offset })
  }
}
