// What a contract may look like beyond being valid: static limits, imports, exports, segments. This part
// needs no type-checking and runs before it, so that no later pass meets more than the limits allow. Linear
// in the module.

import { importHint } from './import-hints.js'
import { isReservedName, MEMORY_EXPORT } from './instrumented-names.js'
import { CUSTOM_SECTION_PREFIX, type ModuleLimits } from './module-limits.js'
import { CONSTANT_I32 } from './read-constant-expression.js'
import { refuse, settle, type ModuleRefusalCode, type ModuleResult } from './refusal.js'
import {
  EXTERNAL_FUNCTION,
  EXTERNAL_MEMORY,
  EXTERNAL_TABLE,
  functionTypeText,
  isFloat,
  isReference,
  isSameType,
  type FunctionType,
  type ModuleImport,
  type WasmModule,
} from './wasm-types.js'

/** What a contract may import and how large it may be. */
export interface ModulePolicy {
  /** The one module name that contracts import from, `wardchain_v1`. */
  readonly importModule: string
  /** Host functions by name with their signatures. */
  readonly imports: ReadonlyMap<string, FunctionType>
  readonly limits: ModuleLimits
}

/**
 * Checks everything that the decoded sections show. What only the bodies show is checked by `checkCode`.
 */
export function checkPolicy(module: WasmModule, policy: ModulePolicy): ModuleResult<undefined> {
  return settle(() => {
    checkCounts(module, policy.limits)
    checkTypes(module, policy.limits)
    checkImports(module, policy)
    checkStart(module)
    checkTables(module, policy.limits)
    checkMemory(module, policy.limits)
    checkGlobals(module)
    checkExports(module, policy.limits)
    checkSegments(module, policy.limits)
    checkLocals(module, policy.limits)
    checkCustoms(module, policy.limits)
    return undefined
  })
}

/** Refuses `count` above `max`; the sentence names both. */
export function requireWithin(
  count: number,
  max: number,
  code: ModuleRefusalCode,
  offset: number,
  what: string,
): void {
  if (count > max) refuse(code, offset, `${what}: ${count}, and at most ${max} are allowed.`)
}

function sectionStart(module: WasmModule, id: number): number {
  return module.sections.find((section) => section.id === id)?.start ?? 0
}

function checkCounts(module: WasmModule, limits: ModuleLimits): void {
  const within = (count: number, max: number, code: ModuleRefusalCode, id: number, what: string): void =>
    requireWithin(count, max, code, sectionStart(module, id), what)
  within(module.types.length, limits.typesMax, 'LIMIT_TYPES', 1, 'Function types')
  within(module.imports.length, limits.importsMax, 'LIMIT_IMPORTS', 2, 'Imports')
  within(module.functions.length, limits.functionsMax, 'LIMIT_FUNCTIONS', 3, 'Functions')
  within(module.tables.length, limits.tablesMax, 'LIMIT_TABLES', 4, 'Tables')
  within(module.globals.length, limits.globalsMax, 'LIMIT_GLOBALS', 6, 'Globals')
  within(module.exports.length, limits.exportsMax, 'LIMIT_EXPORTS', 7, 'Exports')
  within(module.elements.length, limits.elementSegmentsMax, 'LIMIT_ELEMENT_SEGMENTS', 9, 'Element segments')
  within(module.data.length, limits.dataSegmentsMax, 'LIMIT_DATA_SEGMENTS', 11, 'Data segments')
}

function checkTypes(module: WasmModule, limits: ModuleLimits): void {
  module.types.forEach((type, index) => {
    const offset = module.typeOffsets[index]
    requireWithin(type.parameters.length, limits.parametersMax, 'LIMIT_PARAMETERS', offset, 'Parameters')
    requireWithin(type.results.length, limits.resultsMax, 'LIMIT_RESULTS', offset, 'Results')
    if ([...type.parameters, ...type.results].some(isReference)) {
      refuse('TYPE_FORBIDDEN', offset, 'Reference types are not available in contracts.')
    }
  })
  let total = 0
  for (const typeIndex of module.functions) {
    total += requireType(module, typeIndex, sectionStart(module, 3)).parameters.length
  }
  requireWithin(
    total,
    limits.parametersTotalMax,
    'LIMIT_PARAMETERS_TOTAL',
    sectionStart(module, 3),
    'Parameters of all functions',
  )
}

function requireType(module: WasmModule, index: number, offset: number): FunctionType {
  return module.types[index] ?? refuse('UNKNOWN_TYPE', offset, `There is no type ${index}.`)
}

function checkImports(module: WasmModule, policy: ModulePolicy): void {
  const names = new Set<string>()
  for (const item of module.imports) {
    checkImport(module, item, policy)
    if (names.has(item.name)) refuse('IMPORT_DUPLICATE', item.offset, `\`${item.name}\` is imported twice.`)
    names.add(item.name)
  }
}

function checkImport(module: WasmModule, item: ModuleImport, policy: ModulePolicy): void {
  const { offset } = item
  checkName(item.module, offset, policy.limits)
  checkName(item.name, offset, policy.limits)
  const expected = item.module === policy.importModule ? policy.imports.get(item.name) : undefined
  if (item.kind !== EXTERNAL_FUNCTION) {
    const hint = importHint(item.module, item.name, policy.importModule)
    refuse('IMPORT_KIND', offset, `Only functions can be imported. ${hint}`)
  }
  if (expected === undefined) {
    return refuse('IMPORT_UNKNOWN', offset, importHint(item.module, item.name, policy.importModule))
  }
  const found = requireType(module, item.typeIndex, offset)
  if ([...found.parameters, ...found.results].some(isFloat)) {
    refuse(
      'FLOAT_AT_BOUNDARY',
      offset,
      `\`${item.name}\` is imported with a float. Use decimals: an integer and a scale.`,
    )
  }
  if (!isSameType(found, expected)) {
    const text = `${functionTypeText(found)}, but it is ${functionTypeText(expected)}.`
    refuse('IMPORT_SIGNATURE', offset, `\`${item.name}\` is imported as ${text}`)
  }
}

function checkName(name: string, offset: number, limits: ModuleLimits): void {
  if (!/^[\x00-\x7f]*$/.test(name))
    refuse('NAME_NOT_ASCII', offset, 'Names of imports and exports must be ASCII.')
  requireWithin(name.length, limits.nameBytesMax, 'LIMIT_NAME_BYTES', offset, 'Bytes of a name')
}

function checkStart(module: WasmModule): void {
  if (module.start === undefined) return
  const text =
    'A start function would run before it can be metered. Compile with `--exportStart _initialize`.'
  refuse('START_SECTION', module.startOffset, text)
}

function checkTables(module: WasmModule, limits: ModuleLimits): void {
  for (const { element, limits: table, offset } of module.tables) {
    if (element !== 0x70) refuse('TYPE_FORBIDDEN', offset, 'Only tables of functions are available.')
    requireWithin(
      table.minimum,
      limits.tableEntriesMax,
      'LIMIT_TABLE_ENTRIES',
      offset,
      'Entries of a table',
    )
    // `table.grow` is refused, so a larger maximum would be harmless; it is bounded for the engine's sake.
    requireWithin(
      table.maximum ?? table.minimum,
      limits.tableEntriesMax,
      'LIMIT_TABLE_ENTRIES',
      offset,
      'Entries',
    )
  }
}

function checkMemory(module: WasmModule, limits: ModuleLimits): void {
  const [memory] = module.memories
  const isExported = module.exports.some(
    (item) => item.kind === EXTERNAL_MEMORY && item.name === MEMORY_EXPORT,
  )
  if (memory === undefined || !isExported) {
    return refuse(
      'MEMORY_MISSING',
      sectionStart(module, 7),
      `A contract exports its memory as "${MEMORY_EXPORT}".`,
    )
  }
  requireWithin(
    memory.limits.minimum,
    limits.memoryPagesMax,
    'LIMIT_MEMORY_PAGES',
    memory.offset,
    'Initial pages of memory',
  )
}

function checkGlobals(module: WasmModule): void {
  for (const global of module.globals) {
    if (isReference(global.value)) {
      refuse('TYPE_FORBIDDEN', global.offset, 'Reference types are not available in contracts.')
    }
  }
}

function checkExports(module: WasmModule, limits: ModuleLimits): void {
  for (const item of module.exports) {
    const { offset } = item
    checkName(item.name, offset, limits)
    if (isReservedName(item.name)) {
      refuse('EXPORT_RESERVED', offset, `"${item.name}" is reserved for the meters. Choose another name.`)
    }
    if (item.kind === EXTERNAL_TABLE) {
      refuse('EXPORT_KIND', offset, 'Tables cannot be exported. Compile without `--exportTable`.')
    }
    const typeIndex = item.kind === EXTERNAL_FUNCTION ? module.functions[item.index] : undefined
    if (typeIndex === undefined) continue
    const type = requireType(module, typeIndex, offset)
    if ([...type.parameters, ...type.results].some(isFloat)) {
      refuse(
        'FLOAT_AT_BOUNDARY',
        offset,
        `"${item.name}" has a float in its signature. Use decimals: an integer and a scale.`,
      )
    }
  }
}

function checkSegments(module: WasmModule, limits: ModuleLimits): void {
  for (const segment of module.elements) {
    if (segment.mode !== 'active')
      refuse(
        'SEGMENT_PASSIVE',
        segment.offset,
        'Only active segments are available: each needs its place in memory or table.',
      )
    const size = module.tables[segment.table]?.limits.minimum ?? 0
    checkBounds(segment.offsetExpression?.instructions[0], segment.items.length, size, segment.offset)
  }
  let bytes = 0
  const memoryBytes = (module.memories[0]?.limits.minimum ?? 0) * 65_536
  for (const segment of module.data) {
    if (segment.mode !== 'active')
      refuse(
        'SEGMENT_PASSIVE',
        segment.offset,
        'Only active segments are available: each needs its place in memory or table.',
      )
    checkBounds(segment.offsetExpression?.instructions[0], segment.bytes, memoryBytes, segment.offset)
    bytes += segment.bytes
    requireWithin(bytes, limits.dataBytesMax, 'LIMIT_DATA_BYTES', segment.offset, 'Bytes of data segments')
  }
}

/** Instantiation must not fail: a segment lies inside what the module declares. */
function checkBounds(
  start: { readonly opcode: number; readonly immediate: number } | undefined,
  length: number,
  size: number,
  offset: number,
): void {
  if (start?.opcode !== CONSTANT_I32)
    return refuse('CONSTANT_EXPRESSION', offset, 'A segment begins at a constant.')
  if ((start.immediate >>> 0) + length > size) {
    refuse('SEGMENT_OUT_OF_BOUNDS', offset, 'A segment reaches beyond its memory or table.')
  }
}

function checkLocals(module: WasmModule, limits: ModuleLimits): void {
  let total = 0
  module.bodies.forEach((body, index) => {
    const { start } = body
    requireWithin(
      body.end - start,
      limits.bodyBytesMax,
      'LIMIT_BODY_BYTES',
      start,
      'Bytes of a function body',
    )
    const typeIndex = module.functions[module.functionsImported + index]
    let count = requireType(module, typeIndex, start).parameters.length
    for (const group of body.locals) {
      count += group.count
      if (isReference(group.type))
        refuse('TYPE_FORBIDDEN', start, 'Reference types are not available in contracts.')
    }
    requireWithin(count, limits.localsMax, 'LIMIT_LOCALS', start, 'Locals of a function')
    total += count
    requireWithin(total, limits.localsTotalMax, 'LIMIT_LOCALS_TOTAL', start, 'Locals of all functions')
  })
}

function checkCustoms(module: WasmModule, limits: ModuleLimits): void {
  let bytes = 0
  for (const custom of module.customs) {
    if (!custom.name.startsWith(CUSTOM_SECTION_PREFIX)) continue
    bytes += custom.end - custom.start
    requireWithin(
      bytes,
      limits.customBytesMax,
      'LIMIT_CUSTOM_BYTES',
      custom.start,
      'Bytes of custom sections',
    )
  }
}
