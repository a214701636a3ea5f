// Refusal codes of this room and the result type of its public functions.

/**
 * Why a module is refused. The codes are API: documented here, never renamed, never reused.
 * The first group is what the specification calls malformed, the second invalid, the third is our policy.
 */
export type ModuleRefusalCode =
  // The bytes are not a WebAssembly 2.0 binary module.
  | 'NOT_WASM'
  | 'VERSION_UNSUPPORTED'
  | 'UNEXPECTED_END'
  | 'INTEGER_MALFORMED'
  | 'NAME_MALFORMED'
  | 'TYPE_MALFORMED'
  | 'SECTION_UNKNOWN'
  | 'SECTION_ORDER'
  | 'SECTION_LENGTH'
  | 'COUNT_MISMATCH'
  | 'FLAGS_MALFORMED'
  | 'OPCODE_UNKNOWN'
  | 'LOCALS_MALFORMED'
  | 'BODY_LENGTH'
  // The module is well formed and does not type-check.
  | 'TYPE_MISMATCH'
  | 'UNKNOWN_TYPE'
  | 'UNKNOWN_FUNCTION'
  | 'UNKNOWN_TABLE'
  | 'UNKNOWN_MEMORY'
  | 'UNKNOWN_GLOBAL'
  | 'UNKNOWN_LOCAL'
  | 'UNKNOWN_LABEL'
  | 'UNKNOWN_SEGMENT'
  | 'ALIGNMENT_TOO_LARGE'
  | 'GLOBAL_IMMUTABLE'
  | 'CONSTANT_EXPRESSION'
  | 'DUPLICATE_EXPORT'
  | 'LIMITS_INVALID'
  | 'START_SIGNATURE'
  | 'UNDECLARED_REFERENCE'
  | 'MULTIPLE_MEMORIES'
  | 'DATA_COUNT_MISSING'
  // The module is valid WebAssembly and is not admitted as a contract.
  | 'OPCODE_FORBIDDEN'
  | 'TYPE_FORBIDDEN'
  | 'START_SECTION'
  | 'IMPORT_UNKNOWN'
  | 'IMPORT_SIGNATURE'
  | 'IMPORT_DUPLICATE'
  | 'IMPORT_KIND'
  | 'EXPORT_RESERVED'
  | 'EXPORT_KIND'
  | 'NAME_NOT_ASCII'
  | 'MEMORY_MISSING'
  | 'FLOAT_AT_BOUNDARY'
  | 'SEGMENT_PASSIVE'
  | 'SEGMENT_OUT_OF_BOUNDS'
  | 'LIMIT_MODULE_BYTES'
  | 'LIMIT_INSTRUMENTED_BYTES'
  | 'LIMIT_BODY_BYTES'
  | 'LIMIT_INSTRUMENTED_BODY_BYTES'
  | 'LIMIT_LOCALS'
  | 'LIMIT_LOCALS_TOTAL'
  | 'LIMIT_LOCALS_CONTROL'
  | 'LIMIT_LOCALS_CONTROL_TOTAL'
  | 'LIMIT_CONTROL'
  | 'LIMIT_FLOW_TOTAL'
  | 'LIMIT_PARAMETERS'
  | 'LIMIT_PARAMETERS_TOTAL'
  | 'LIMIT_RESULTS'
  | 'LIMIT_NESTING'
  | 'LIMIT_BRANCH_TABLE'
  | 'LIMIT_BRANCH_TABLE_TOTAL'
  | 'LIMIT_FUNCTIONS'
  | 'LIMIT_TYPES'
  | 'LIMIT_GLOBALS'
  | 'LIMIT_IMPORTS'
  | 'LIMIT_EXPORTS'
  | 'LIMIT_NAME_BYTES'
  | 'LIMIT_TABLES'
  | 'LIMIT_TABLE_ENTRIES'
  | 'LIMIT_ELEMENT_SEGMENTS'
  | 'LIMIT_DATA_SEGMENTS'
  | 'LIMIT_DATA_BYTES'
  | 'LIMIT_MEMORY_PAGES'
  | 'LIMIT_CUSTOM_BYTES'

/**
 * A refusal: a stable code, the offset of the offending byte in the module, and a sentence for its vendor.
 */
export interface ModuleRefusal {
  readonly ok: false
  readonly code: ModuleRefusalCode
  /** Byte offset into the raw module. */
  readonly offset: number
  readonly detail: string
}

export type ModuleResult<T> = { readonly ok: true; readonly value: T } | ModuleRefusal

/**
 * Carries a refusal out of the depth of the reader and the validator to the public function that returns it
 * as a value. It never leaves this room: a result type on every LEB128 byte would triple the code.
 */
class RefusalSignal extends Error {
  constructor(
    readonly code: ModuleRefusalCode,
    readonly offset: number,
    detail: string,
  ) {
    super(detail)
  }
}

export function refuse(code: ModuleRefusalCode, offset: number, detail: string): never {
  throw new RefusalSignal(code, offset, detail)
}

/** Runs a part of the pipeline and turns its refusal into a value. Any other exception is our own bug. */
export function settle<T>(run: () => T): ModuleResult<T> {
  try {
    return { ok: true, value: run() }
  } catch (error) {
    if (!(error instanceof RefusalSignal)) throw error
    return { ok: false, code: error.code, offset: error.offset, detail: error.message }
  }
}
