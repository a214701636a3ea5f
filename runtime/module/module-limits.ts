// Static limits of an admitted module (runtime reference, section 4). All apply to the raw module unless
// said. V8's own limits are about 500 times too loose to keep compile bombs away from a node.

export interface ModuleLimits {
  /** Bytes of the raw module: parse, instrument, disk. */
  readonly moduleBytesMax: number
  /** Bytes after instrumenting: bounds the rewriter. */
  readonly instrumentedBytesMax: number
  /** Bytes of one function body: TurboFan needs 0.8 s for bodies of 100 KB. */
  readonly bodyBytesMax: number
  /**
   * Bytes of one function body after instrumenting. A body of nothing but calls grows tenfold and would
   * cost the optimising tier a second; compilers' output grows less than twofold.
   */
  readonly instrumentedBodyBytesMax: number
  /** Locals of one function, parameters counted. */
  readonly localsMax: number
  readonly localsTotalMax: number
  /**
   * Slots of a function (locals, and four bytes each of its largest operand height) times its points of
   * control flow (control instructions, branches, entries of branch tables, calls, instructions charged by
   * length). At each point the baseline tier walks over all slots, and the optimising tier makes a phi node
   * for each local: 10,000 operands under 2,500 calls in 15 functions took 4 s.
   */
  readonly localsControlMax: number
  readonly localsControlTotalMax: number
  /** Control instructions of one function: the optimising tier needs time by the square of the loops. */
  readonly controlMax: number
  /** Points of control flow of all functions: what each costs the validator, the rewriter and the engine. */
  readonly flowTotalMax: number
  readonly parametersMax: number
  /**
   * Parameters over all function types and all functions (CWA-2023-004: one huge signature, many
   * functions).
   */
  readonly parametersTotalMax: number
  readonly resultsMax: number
  /** Nested control instructions in one function. */
  readonly nestingMax: number
  /** Entries of one `br_table`, and of all in one function (V8 issue 481074858). */
  readonly branchTableMax: number
  readonly branchTableTotalMax: number
  readonly functionsMax: number
  readonly typesMax: number
  readonly globalsMax: number
  readonly importsMax: number
  readonly exportsMax: number
  /** Bytes of an import or export name; ASCII only. */
  readonly nameBytesMax: number
  readonly tablesMax: number
  readonly tableEntriesMax: number
  readonly elementSegmentsMax: number
  readonly dataSegmentsMax: number
  readonly dataBytesMax: number
  /** Pages of 64 KiB; forced as the maximum of every memory. */
  readonly memoryPagesMax: number
  /** Bytes of the custom sections that are kept (names beginning with `wardchain`). */
  readonly customBytesMax: number
}

/** The limits of the first protocol version. A changed limit is a new protocol version. */
export const moduleLimits: ModuleLimits = {
  moduleBytesMax: 512 * 1024,
  instrumentedBytesMax: 2 * 1024 * 1024,
  bodyBytesMax: 32 * 1024,
  instrumentedBodyBytesMax: 64 * 1024,
  localsMax: 100,
  localsTotalMax: 10_000,
  localsControlMax: 50_000,
  localsControlTotalMax: 5_000_000,
  controlMax: 500,
  flowTotalMax: 65_536,
  parametersMax: 32,
  parametersTotalMax: 10_000,
  resultsMax: 1,
  nestingMax: 200,
  branchTableMax: 1_024,
  branchTableTotalMax: 8_192,
  functionsMax: 5_000,
  typesMax: 500,
  globalsMax: 256,
  importsMax: 32,
  exportsMax: 200,
  nameBytesMax: 64,
  tablesMax: 1,
  tableEntriesMax: 1_000,
  elementSegmentsMax: 16,
  dataSegmentsMax: 512,
  dataBytesMax: 256 * 1024,
  memoryPagesMax: 64,
  customBytesMax: 64 * 1024,
}

/**
 * Bytes of metered stack height that a transaction may use over all its frames (runtime reference, section
 * 8).
 */
export const STACK_BYTES_MAX = 512 * 1024

/** Locals that the validator expands for one function; V8 takes no more either. */
export const LOCALS_EXPANDED_MAX = 50_000

/**
 * Entries of all vectors that the reader accepts from one section: bounds allocation before any policy
 * runs.
 */
export const VECTOR_ITEMS_MAX = 1_000_000

/** Only custom sections whose names begin so survive the instrumenter. */
export const CUSTOM_SECTION_PREFIX = 'wardchain'
