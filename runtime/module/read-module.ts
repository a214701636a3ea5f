// Reads the binary format into a WasmModule (WebAssembly 2.0, section 5.5): magic, then sections in their
// order. Function bodies are only delimited here; the validator decodes their instructions.

import { createByteReader, readByte, readName, readU32, skipBytes, type ByteReader } from './byte-reader.js'
import {
  readExports,
  readFunctions,
  readGlobals,
  readImports,
  readMemories,
  readStart,
  readTables,
  readTypes,
} from './read-sections.js'
import { readBodies, readData, readElements } from './read-segments.js'
import { refuse, settle, type ModuleResult } from './refusal.js'
import type {
  CustomSection,
  DataSegment,
  ElementSegment,
  FunctionBody,
  FunctionType,
  GlobalDefinition,
  MemoryType,
  ModuleExport,
  ModuleImport,
  SectionRange,
  TableType,
  WasmModule,
} from './wasm-types.js'

/** A module while its sections are being read. */
export interface ModuleDraft {
  bytes: Uint8Array
  sections: SectionRange[]
  types: FunctionType[]
  typeOffsets: number[]
  imports: ModuleImport[]
  functions: number[]
  functionsImported: number
  tables: TableType[]
  tablesImported: number
  memories: MemoryType[]
  memoriesImported: number
  globals: GlobalDefinition[]
  globalsImported: number
  exports: ModuleExport[]
  start: number | undefined
  startOffset: number
  elements: ElementSegment[]
  dataCount: number | undefined
  bodies: FunctionBody[]
  data: DataSegment[]
  customs: CustomSection[]
}

type SectionReader = (reader: ByteReader, draft: ModuleDraft) => void

export const SECTION_CUSTOM = 0
export const SECTION_TYPE = 1
export const SECTION_FUNCTION = 3
export const SECTION_MEMORY = 5
export const SECTION_GLOBAL = 6
export const SECTION_EXPORT = 7
export const SECTION_CODE = 10

/** Section ids in the order in which they must appear: the data count comes before the code. */
export const SECTION_ORDER: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11]

const sectionReaders: readonly (SectionReader | undefined)[] = [
  undefined,
  readTypes,
  readImports,
  readFunctions,
  readTables,
  readMemories,
  readGlobals,
  readExports,
  readStart,
  readElements,
  readBodies,
  readData,
  (reader, draft) => {
    draft.dataCount = readU32(reader)
  },
]

/**
 * Decodes a binary module. Total: any bytes give a module or a refusal with the offset of the byte at
 * fault. The result holds offsets into `bytes`, which must not change afterwards.
 */
export function readModule(bytes: Uint8Array): ModuleResult<WasmModule> {
  return settle(() => {
    const draft = createDraft(bytes)
    const reader = createByteReader(bytes)
    readPreamble(reader)
    let rank = -1
    while (reader.position < bytes.length) rank = readSection(reader, draft, rank)
    checkCounts(draft)
    return draft
  })
}

function createDraft(bytes: Uint8Array): ModuleDraft {
  return {
    bytes,
    sections: [],
    types: [],
    typeOffsets: [],
    imports: [],
    functions: [],
    functionsImported: 0,
    tables: [],
    tablesImported: 0,
    memories: [],
    memoriesImported: 0,
    globals: [],
    globalsImported: 0,
    exports: [],
    start: undefined,
    startOffset: 0,
    elements: [],
    dataCount: undefined,
    bodies: [],
    data: [],
    customs: [],
  }
}

function readPreamble(reader: ByteReader): void {
  const { bytes } = reader
  const hasMagic = bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d
  if (!hasMagic) refuse('NOT_WASM', 0, 'The file does not begin with the WebAssembly magic number.')
  const hasVersion = bytes[4] === 1 && bytes[5] === 0 && bytes[6] === 0 && bytes[7] === 0
  if (!hasVersion) refuse('VERSION_UNSUPPORTED', 4, 'Only WebAssembly binary version 1 is understood.')
  reader.position = 8
}

/** Reads one section; returns its rank in the prescribed order, for custom sections the rank before. */
function readSection(reader: ByteReader, draft: ModuleDraft, rankBefore: number): number {
  const idOffset = reader.position
  const id = readByte(reader)
  const length = readU32(reader)
  const start = reader.position
  skipBytes(reader, length)
  const end = reader.position
  if (id === SECTION_CUSTOM) {
    const name = readName(createByteReader(draft.bytes, start, end))
    draft.customs.push({ name, start, end })
    return rankBefore
  }
  const rank = SECTION_ORDER.indexOf(id)
  const readContents = sectionReaders[id]
  if (rank < 0 || readContents === undefined) {
    return refuse('SECTION_UNKNOWN', idOffset, `Section id ${id} does not exist in WebAssembly 2.0.`)
  }
  if (rank <= rankBefore) {
    refuse('SECTION_ORDER', idOffset, `Section ${id} appears twice or after a section it must precede.`)
  }
  const contents = createByteReader(draft.bytes, start, end)
  const count = createByteReader(draft.bytes, start, end)
  readU32(count)
  draft.sections.push({ id, start, end, itemsStart: count.position })
  readContents(contents, draft)
  if (contents.position !== end) {
    refuse('SECTION_LENGTH', contents.position, `Section ${id} is longer than its contents.`)
  }
  return rank
}

function checkCounts(draft: ModuleDraft): void {
  const defined = draft.functions.length - draft.functionsImported
  if (defined !== draft.bodies.length) {
    const text = `${defined} functions are declared and ${draft.bodies.length} have bodies.`
    refuse('COUNT_MISMATCH', draft.bytes.length, text)
  }
  if (draft.dataCount !== undefined && draft.dataCount !== draft.data.length) {
    const text = `The data count says ${draft.dataCount}, there are ${draft.data.length} segments.`
    refuse('COUNT_MISMATCH', draft.bytes.length, text)
  }
}
