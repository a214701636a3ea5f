// Rewrites a valid module into one that meters itself. Append-only: types, functions, globals and exports
// of ours come behind the guest's, so that no guest index moves; every other section is copied byte for
// byte.

import {
  createByteWriter,
  takeBytes,
  writeByte,
  writeBytes,
  writeName,
  writeRange,
  writeSigned,
  writeU32,
  type ByteWriter,
} from './byte-writer.js'
import { chargeFunctionBody } from './charge-functions.js'
import { EDIT_GROW, splitIntoBlocks } from './fuel-blocks.js'
import type { FuelSchedule } from './fuel-schedule.js'
import { FAULT_EXPORT, FUEL_EXPORT, GLOBAL_EXPORT_PREFIX, STACK_EXPORT } from './instrumented-names.js'
import { CUSTOM_SECTION_PREFIX } from './module-limits.js'
import * as op from './opcodes.js'
import {
  SECTION_CODE,
  SECTION_CUSTOM,
  SECTION_EXPORT,
  SECTION_FUNCTION,
  SECTION_GLOBAL,
  SECTION_MEMORY,
  SECTION_ORDER,
  SECTION_TYPE,
} from './read-module.js'
import { rewriteFunction, type AppendedIndices } from './rewrite-function.js'
import type { FunctionFacts } from './validate-function.js'
import { EXTERNAL_GLOBAL, I32, I64, isReference, type SectionRange, type WasmModule } from './wasm-types.js'

export interface InstrumentOptions {
  readonly schedule: FuelSchedule
  /** Forced as the maximum of the module's own memory, pages of 64 KiB. */
  readonly memoryPagesMax: number
  /**
   * Fuel and stack bytes that the meters hold before the host sets them; only a start function needs any.
   */
  readonly fuelInitial?: number
  readonly stackInitial?: number
  /** False only in benches that tell the costs apart. */
  readonly isNanCanonical?: boolean
}

interface Instrumenter {
  readonly module: WasmModule
  readonly facts: readonly FunctionFacts[]
  readonly options: InstrumentOptions
  readonly appended: AppendedIndices
  /** Results of the appended block types `() -> results`, in order. */
  readonly blockTypes: (readonly number[])[]
  /** Kinds of the appended charge functions, in order. */
  readonly chargeKinds: number[]
  /** Type index of `(i32) -> (i32)`, appended when a charge function is. */
  readonly code: ByteWriter
}

/**
 * Instruments a module that `validateModule` passed. Pure: the same module, facts and options give the same
 * bytes. The result exports `__fuel`, `__stack`, `__fault` and the guest's mutable globals (see
 * instrumented-names.ts).
 */
export function instrument(
  module: WasmModule,
  facts: readonly FunctionFacts[],
  options: InstrumentOptions,
): Uint8Array {
  const instrumenter = createInstrumenter(module, facts, options)
  // The code comes first: it decides which types and charge functions are needed.
  writeCode(instrumenter)
  const out = createByteWriter(module.bytes.length * 2 + 256)
  writeRange(out, module.bytes, 0, 8)
  for (const id of SECTION_ORDER) {
    const section = module.sections.find((candidate) => candidate.id === id)
    writeSection(out, instrumenter, id, section)
  }
  for (const custom of module.customs) {
    if (!custom.name.startsWith(CUSTOM_SECTION_PREFIX)) continue
    writeByte(out, SECTION_CUSTOM)
    writeU32(out, custom.end - custom.start)
    writeRange(out, module.bytes, custom.start, custom.end)
  }
  return takeBytes(out)
}

function createInstrumenter(
  module: WasmModule,
  facts: readonly FunctionFacts[],
  options: InstrumentOptions,
): Instrumenter {
  const blockTypes: (readonly number[])[] = []
  const chargeKinds: number[] = []
  const appended: AppendedIndices = {
    fuelGlobal: module.globals.length,
    stackGlobal: module.globals.length + 1,
    faultGlobal: module.globals.length + 2,
    chargeFunction: (kind) => module.functions.length + indexOrAppend(chargeKinds, kind),
    blockType: (results) => {
      if (results.length === 0) return -64
      if (results.length === 1) return results[0] - 0x80
      return module.types.length + indexOrAppend(blockTypes, results)
    },
  }
  return {
    module,
    facts,
    options,
    appended,
    blockTypes,
    chargeKinds,
    code: createByteWriter(module.bytes.length * 2),
  }
}

function indexOrAppend<T>(items: T[], item: T): number {
  const index = items.indexOf(item)
  return index >= 0 ? index : items.push(item) - 1
}

function writeSection(
  out: ByteWriter,
  instrumenter: Instrumenter,
  id: number,
  section: SectionRange | undefined,
): void {
  const contents = sectionContents(instrumenter, id, section)
  if (contents === undefined) {
    if (section === undefined) return
    writeByte(out, id)
    writeU32(out, section.end - section.start)
    writeRange(out, instrumenter.module.bytes, section.start, section.end)
    return
  }
  if (contents.length === 0) return
  writeByte(out, id)
  writeU32(out, contents.length)
  writeRange(out, contents.bytes, 0, contents.length)
}

/** The new contents of a section that changes, undefined for one that does not. */
function sectionContents(
  instrumenter: Instrumenter,
  id: number,
  section: SectionRange | undefined,
): ByteWriter | undefined {
  switch (id) {
    case SECTION_TYPE:
      return typeContents(instrumenter, section)
    case SECTION_FUNCTION:
      return functionContents(instrumenter, section)
    case SECTION_MEMORY:
      return section === undefined ? undefined : memoryContents(instrumenter)
    case SECTION_GLOBAL:
      return globalContents(instrumenter, section)
    case SECTION_EXPORT:
      return exportContents(instrumenter, section)
    case SECTION_CODE:
      return instrumenter.code
    default:
      return undefined
  }
}

/** The guest's items and how many there are with ours. */
function beginVector(
  instrumenter: Instrumenter,
  section: SectionRange | undefined,
  count: number,
): ByteWriter {
  const out = createByteWriter(256 + (section === undefined ? 0 : section.end - section.start))
  if (count === 0) return out
  writeU32(out, count)
  if (section !== undefined) writeRange(out, instrumenter.module.bytes, section.itemsStart, section.end)
  return out
}

function typeContents(instrumenter: Instrumenter, section: SectionRange | undefined): ByteWriter {
  const { module, blockTypes, chargeKinds } = instrumenter
  const chargeTypes = chargeKinds.length > 0 ? 1 : 0
  const out = beginVector(instrumenter, section, module.types.length + blockTypes.length + chargeTypes)
  for (const results of blockTypes) {
    writeBytes(out, [0x60, 0])
    writeU32(out, results.length)
    writeBytes(out, results)
  }
  if (chargeTypes > 0) writeBytes(out, [0x60, 1, I32, 1, I32])
  return out
}

function functionContents(instrumenter: Instrumenter, section: SectionRange | undefined): ByteWriter {
  const { module, blockTypes, chargeKinds } = instrumenter
  const out = beginVector(instrumenter, section, module.bodies.length + chargeKinds.length)
  const chargeType = module.types.length + blockTypes.length
  for (let left = chargeKinds.length; left > 0; left--) writeU32(out, chargeType)
  return out
}

/** The maximum is forced, so that growth depends on the module and never on the machine. */
function memoryContents(instrumenter: Instrumenter): ByteWriter | undefined {
  const { module, options } = instrumenter
  const memory = module.memories[module.memoriesImported]
  if (memory === undefined) return undefined
  const out = createByteWriter(16)
  writeBytes(out, [1, 1])
  writeU32(out, memory.limits.minimum)
  writeU32(out, memoryMaximum(module, options))
  return out
}

function memoryMaximum(module: WasmModule, options: InstrumentOptions): number {
  const limits = module.memories[0].limits
  const forced = Math.min(limits.maximum ?? options.memoryPagesMax, options.memoryPagesMax)
  return Math.max(forced, limits.minimum)
}

function globalContents(instrumenter: Instrumenter, section: SectionRange | undefined): ByteWriter {
  const { module, options } = instrumenter
  const out = beginVector(instrumenter, section, module.globals.length - module.globalsImported + 3)
  writeMeter(out, I64, op.OP_I64_CONST, options.fuelInitial ?? 0)
  writeMeter(out, I32, op.OP_I32_CONST, options.stackInitial ?? 0)
  writeMeter(out, I32, op.OP_I32_CONST, 0)
  return out
}

function writeMeter(out: ByteWriter, type: number, constant: number, initial: number): void {
  writeBytes(out, [type, 1, constant])
  writeSigned(out, initial)
  writeByte(out, op.OP_END)
}

function exportContents(instrumenter: Instrumenter, section: SectionRange | undefined): ByteWriter {
  const { module, appended } = instrumenter
  const mutable = mutableGlobals(module)
  const out = beginVector(instrumenter, section, module.exports.length + 3 + mutable.length)
  writeExport(out, FUEL_EXPORT, appended.fuelGlobal)
  writeExport(out, STACK_EXPORT, appended.stackGlobal)
  writeExport(out, FAULT_EXPORT, appended.faultGlobal)
  for (const index of mutable) writeExport(out, `${GLOBAL_EXPORT_PREFIX}${index}`, index)
  return out
}

/** The guest's own mutable globals that hold numbers. */
export function mutableGlobals(module: WasmModule): number[] {
  const indices: number[] = []
  module.globals.forEach((global, index) => {
    if (index >= module.globalsImported && global.mutable && !isReference(global.value)) indices.push(index)
  })
  return indices
}

function writeExport(out: ByteWriter, name: string, global: number): void {
  writeName(out, name)
  writeByte(out, EXTERNAL_GLOBAL)
  writeU32(out, global)
}

function writeCode(instrumenter: Instrumenter): void {
  const { module, facts, options, appended, chargeKinds } = instrumenter
  const bodies = createByteWriter(module.bytes.length * 2)
  const scratch = createByteWriter(4096)
  module.bodies.forEach((body, index) => {
    const functionFacts = facts[index]
    scratch.length = 0
    rewriteFunction(scratch, {
      bytes: module.bytes,
      body,
      facts: functionFacts,
      edits: splitIntoBlocks(module, body, functionFacts, options.schedule),
      results: module.types[module.functions[module.functionsImported + index]].results,
      appended,
      isNanCanonical: options.isNanCanonical ?? true,
    })
    writeU32(bodies, scratch.length)
    writeRange(bodies, scratch.bytes, 0, scratch.length)
  })
  const isMemoryOwn = module.memories.length > 0 && module.memoriesImported === 0
  for (const kind of chargeKinds) {
    const body = chargeFunctionBody(kind, {
      schedule: options.schedule,
      fuelGlobal: appended.fuelGlobal,
      faultGlobal: appended.faultGlobal,
      memoryPagesMax: kind === EDIT_GROW && isMemoryOwn ? memoryMaximum(module, options) : undefined,
    })
    writeU32(bodies, body.length)
    writeBytes(bodies, body)
  }
  const count = module.bodies.length + chargeKinds.length
  if (count === 0) return
  writeU32(instrumenter.code, count)
  writeRange(instrumenter.code, bodies.bytes, 0, bodies.length)
}
