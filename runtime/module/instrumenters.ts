// Every rewriter that a chain may ever have run under, by its number: old blocks run again under their own.
// Whoever changes what `instrument` writes keeps the old one here and adds the new one behind it; both keep
// to the exports of `instrumented-names.ts`, for frames and resets know no versions. What was deployed must
// stay within the limits of `module-limits.ts` under every later one, or its chain stops at the switch.
import { instrument, type InstrumentOptions } from './instrument.js'
import type { FunctionFacts } from './validate-function.js'
import type { WasmModule } from './wasm-types.js'

/** A pure function of module, facts and options: a module that meters itself. */
export type Instrumenter = (
  module: WasmModule,
  facts: readonly FunctionFacts[],
  options: InstrumentOptions,
) => Uint8Array

export type Instrumenters = ReadonlyMap<number, Instrumenter>

/** The newest instrumenter: what new networks are founded with. */
export const INSTRUMENTER_VERSION = 1

export const instrumenters: Instrumenters = new Map([[1, instrument]])
