// Validates a decoded module (WebAssembly 2.0, section 3.4): indices, limits, initial values, exports, then
// every body.

import {
  CONSTANT_F32,
  CONSTANT_F64,
  CONSTANT_GLOBAL_GET,
  CONSTANT_I32,
  CONSTANT_I64,
  CONSTANT_REF_FUNC,
  CONSTANT_REF_NULL,
} from './read-constant-expression.js'
import { refuse, settle, type ModuleRefusalCode, type ModuleResult } from './refusal.js'
import type { ModuleContext } from './operand-stack.js'
import { validateFunction, type FunctionFacts } from './validate-function.js'
import {
  EXTERNAL_FUNCTION,
  EXTERNAL_GLOBAL,
  EXTERNAL_MEMORY,
  EXTERNAL_TABLE,
  F32,
  F64,
  FUNCREF,
  I32,
  I64,
  typeName,
  type ConstantExpression,
  type ConstantInstruction,
  type FunctionType,
  type Limits,
  type ModuleExport,
  type WasmModule,
} from './wasm-types.js'

const PAGES_MAX = 65_536

/**
 * Type-checks a module completely. Our validator decides what is valid; that the engine agrees is checked
 * by the host, and a disagreement is a node fault. Returns facts on every defined function, in order, for
 * policy and rewriter.
 */
export function validateModule(module: WasmModule): ModuleResult<readonly FunctionFacts[]> {
  return settle(() => {
    const context = createContext(module)
    validateTables(module)
    validateMemories(module)
    for (const global of module.globals) {
      if (global.initial === undefined) continue
      validateConstantExpression(context, global.initial, global.value)
    }
    validateExports(module)
    validateStart(context)
    validateElements(context)
    validateData(context)
    return module.bodies.map((body, index) =>
      validateFunction(context, context.functionTypes[module.functionsImported + index], body),
    )
  })
}

function createContext(module: WasmModule): ModuleContext {
  const functionTypes = module.functions.map((typeIndex): FunctionType => {
    const type = module.types[typeIndex]
    return type ?? refuse('UNKNOWN_TYPE', sectionOffset(module), `There is no type ${typeIndex}.`)
  })
  return { module, functionTypes, isReferenced: findReferenced(module) }
}

/** The section that declares functions; imports with a wrong type point there too, which is near enough. */
function sectionOffset(module: WasmModule): number {
  return module.sections.find((section) => section.id === 3 || section.id === 2)?.start ?? 8
}

/**
 * Functions that appear outside bodies (exports, element segments, initial values) may be named by
 * `ref.func`.
 */
function findReferenced(module: WasmModule): Uint8Array {
  const isReferenced = new Uint8Array(module.functions.length)
  for (const item of module.exports) if (item.kind === EXTERNAL_FUNCTION) isReferenced[item.index] = 1
  const expressions = module.elements.flatMap((segment) => segment.items)
  for (const global of module.globals) if (global.initial !== undefined) expressions.push(global.initial)
  for (const expression of expressions) {
    for (const { opcode, immediate } of expression.instructions) {
      if (opcode === CONSTANT_REF_FUNC) isReferenced[immediate] = 1
    }
  }
  return isReferenced
}

function validateTables(module: WasmModule): void {
  for (const table of module.tables) validateLimits(table.limits, 2 ** 32 - 1, table.offset)
}

function validateMemories(module: WasmModule): void {
  if (module.memories.length > 1) {
    refuse('MULTIPLE_MEMORIES', module.memories[1].offset, 'A module has at most one memory.')
  }
  for (const memory of module.memories) validateLimits(memory.limits, PAGES_MAX, memory.offset)
}

function validateLimits(limits: Limits, max: number, offset: number): void {
  const { minimum, maximum } = limits
  if (minimum > max || (maximum !== undefined && (maximum > max || maximum < minimum))) {
    refuse('LIMITS_INVALID', offset, `The limits ${minimum} to ${maximum ?? 'any'} are not within ${max}.`)
  }
}

/** One constant of the wanted type. 2.0 has no arithmetic here, so one instruction is all there can be. */
function validateConstantExpression(
  context: ModuleContext,
  expression: ConstantExpression,
  type: number,
): void {
  const [instruction] = expression.instructions
  if (instruction === undefined || expression.instructions.length !== 1) {
    return refuse(
      'TYPE_MISMATCH',
      expression.offset,
      `An initial value must be one constant of type ${typeName(type)}.`,
    )
  }
  const found = constantType(context, instruction)
  if (found !== type) {
    refuse('TYPE_MISMATCH', instruction.offset, `An initial value of type ${typeName(type)} is expected.`)
  }
}

function constantType(context: ModuleContext, instruction: ConstantInstruction): number {
  const { opcode, immediate, offset } = instruction
  switch (opcode) {
    case CONSTANT_I32:
      return I32
    case CONSTANT_I64:
      return I64
    case CONSTANT_F32:
      return F32
    case CONSTANT_F64:
      return F64
    case CONSTANT_REF_NULL:
      return immediate
    case CONSTANT_REF_FUNC:
      requireIndex(immediate, context.functionTypes.length, 'UNKNOWN_FUNCTION', offset)
      return FUNCREF
    case CONSTANT_GLOBAL_GET: {
      // Only imported globals are known when initial values are computed.
      requireIndex(immediate, context.module.globalsImported, 'UNKNOWN_GLOBAL', offset)
      const global = context.module.globals[immediate]
      if (global.mutable)
        refuse('CONSTANT_EXPRESSION', offset, 'An initial value may not read a mutable global.')
      return global.value
    }
    default:
      return refuse('CONSTANT_EXPRESSION', offset, 'An initial value must be a constant expression.')
  }
}

function requireIndex(index: number, count: number, code: ModuleRefusalCode, offset: number): void {
  if (index >= count) refuse(code, offset, `Index ${index} is used and there are ${count}.`)
}

function validateExports(module: WasmModule): void {
  const names = new Set<string>()
  for (const item of module.exports) {
    if (names.has(item.name)) refuse('DUPLICATE_EXPORT', item.offset, `"${item.name}" is exported twice.`)
    names.add(item.name)
    validateExportIndex(module, item)
  }
}

function validateExportIndex(module: WasmModule, item: ModuleExport): void {
  const { kind, index, offset } = item
  if (kind === EXTERNAL_FUNCTION) requireIndex(index, module.functions.length, 'UNKNOWN_FUNCTION', offset)
  if (kind === EXTERNAL_TABLE) requireIndex(index, module.tables.length, 'UNKNOWN_TABLE', offset)
  if (kind === EXTERNAL_MEMORY) requireIndex(index, module.memories.length, 'UNKNOWN_MEMORY', offset)
  if (kind === EXTERNAL_GLOBAL) requireIndex(index, module.globals.length, 'UNKNOWN_GLOBAL', offset)
}

function validateStart(context: ModuleContext): void {
  const { start, startOffset } = context.module
  if (start === undefined) return
  const type = context.functionTypes[start]
  if (type === undefined) return refuse('UNKNOWN_FUNCTION', startOffset, `There is no function ${start}.`)
  if (type.parameters.length > 0 || type.results.length > 0) {
    refuse('START_SIGNATURE', startOffset, 'A start function takes and gives nothing.')
  }
}

function validateElements(context: ModuleContext): void {
  for (const segment of context.module.elements) {
    for (const item of segment.items) validateConstantExpression(context, item, segment.element)
    if (segment.offsetExpression === undefined) continue
    const table = context.module.tables[segment.table]
    if (table === undefined)
      return refuse('UNKNOWN_TABLE', segment.offset, `There is no table ${segment.table}.`)
    if (table.element !== segment.element) {
      refuse('TYPE_MISMATCH', segment.offset, 'A segment holds another kind of reference than its table.')
    }
    validateConstantExpression(context, segment.offsetExpression, I32)
  }
}

function validateData(context: ModuleContext): void {
  for (const segment of context.module.data) {
    if (segment.offsetExpression === undefined) continue
    requireIndex(segment.memory, context.module.memories.length, 'UNKNOWN_MEMORY', segment.offset)
    validateConstantExpression(context, segment.offsetExpression, I32)
  }
}
