import { type FunctionFacts, type ModulePolicy, type WasmModule } from './index.js';
/** Assembles a text module without validating it. */
export declare function assemble(text: string): Uint8Array;
/**
 * A contract with one function `run () -> ()` of the given instructions; the assembler overflows on deep
 * nesting.
 */
export declare function moduleWithBody(instructions: readonly number[]): Uint8Array;
/** A policy with a few host functions. */
export declare const testPolicy: ModulePolicy;
export interface LoadedModule {
    readonly module: WasmModule;
    readonly facts: readonly FunctionFacts[];
}
/** Reads and validates; throws with the refusal's text when that fails. */
export declare function load(bytes: Uint8Array): LoadedModule;
/** Instruments with the start schedule and the contract's memory limit. */
export declare function meter(bytes: Uint8Array): Uint8Array;
export interface MeteredOutcome {
    readonly kind: 'values' | 'trap' | 'fuel' | 'stack';
    readonly value: unknown;
    readonly fuelUsed: number;
    readonly stackLeft: number;
}
export type Exports = Record<string, unknown>;
export declare function instantiate(bytes: Uint8Array, imports?: Record<string, Record<string, unknown>>): Exports;
/** Runs an export on a fuel slice and tells how it ended, as the host does: fuel first, then stack. */
export declare function runMetered(exports: Exports, name: string, values: readonly unknown[], fuel: number, stack?: number): MeteredOutcome;
