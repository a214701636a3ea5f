// Test modules from text, and running them metered.

import wabt from 'wabt'
import { createByteWriter, takeBytes, writeByte, writeBytes, writeU32 } from './byte-writer.js'
import {
  FUEL_EXPORT,
  fuelScheduleV1,
  functionType,
  instrument,
  moduleLimits,
  readModule,
  STACK_BYTES_MAX,
  STACK_EXPORT,
  validateModule,
  type FunctionFacts,
  type ModulePolicy,
  type WasmModule,
} from './index.js'

const api = await wabt()
const features = {
  multi_value: true,
  bulk_memory: true,
  reference_types: true,
  simd: true,
  multi_memory: true,
}

/** Assembles a text module without validating it. */
export function assemble(text: string): Uint8Array {
  const parsed = api.parseWat('test.wat', text, { ...features, tail_call: true, threads: true })
  try {
    return Uint8Array.from(parsed.toBinary({}).buffer)
  } finally {
    parsed.destroy()
  }
}

/**
 * A contract with one function `run () -> ()` of the given instructions; the assembler overflows on deep
 * nesting.
 */
export function moduleWithBody(instructions: readonly number[]): Uint8Array {
  const code = createByteWriter()
  writeU32(code, instructions.length + 1)
  writeByte(code, 0)
  writeBytes(code, instructions)
  const out = createByteWriter()
  writeBytes(out, [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1])
  writeBytes(out, [7, 16, 2, 3, 0x72, 0x75, 0x6e, 0, 0, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0, 10])
  writeU32(out, code.length + 1)
  writeByte(out, 1)
  writeBytes(out, takeBytes(code))
  return takeBytes(out)
}

/** A policy with a few host functions. */
export const testPolicy: ModulePolicy = {
  importModule: 'wardchain_v1',
  imports: new Map([
    ['input_len', functionType('', 'i')],
    ['input_read', functionType('i')],
    ['fuel_left', functionType('', 'I')],
    ['timer_cancel', functionType('i', 'i')],
  ]),
  limits: moduleLimits,
}

export interface LoadedModule {
  readonly module: WasmModule
  readonly facts: readonly FunctionFacts[]
}

/** Reads and validates; throws with the refusal's text when that fails. */
export function load(bytes: Uint8Array): LoadedModule {
  const read = readModule(bytes)
  if (!read.ok) throw new Error(`${read.code} at ${read.offset}: ${read.detail}`)
  const facts = validateModule(read.value)
  if (!facts.ok) throw new Error(`${facts.code} at ${facts.offset}: ${facts.detail}`)
  return { module: read.value, facts: facts.value }
}

/** Instruments with the start schedule and the contract's memory limit. */
export function meter(bytes: Uint8Array): Uint8Array {
  const { module, facts } = load(bytes)
  return instrument(module, facts, {
    schedule: fuelScheduleV1,
    memoryPagesMax: moduleLimits.memoryPagesMax,
  })
}

export interface MeteredOutcome {
  readonly kind: 'values' | 'trap' | 'fuel' | 'stack'
  readonly value: unknown
  readonly fuelUsed: number
  readonly stackLeft: number
}

export type Exports = Record<string, unknown>

export function instantiate(
  bytes: Uint8Array,
  imports: Record<string, Record<string, unknown>> = {},
): Exports {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports
}

/** Runs an export on a fuel slice and tells how it ended, as the host does: fuel first, then stack. */
export function runMetered(
  exports: Exports,
  name: string,
  values: readonly unknown[],
  fuel: number,
  stack = STACK_BYTES_MAX,
): MeteredOutcome {
  const fuelMeter = exports[FUEL_EXPORT] as WebAssembly.Global<bigint>
  const stackMeter = exports[STACK_EXPORT] as WebAssembly.Global<number>
  fuelMeter.value = BigInt(fuel)
  stackMeter.value = stack
  let value: unknown
  let isTrapped = false
  try {
    value = (exports[name] as (...values: unknown[]) => unknown)(...values)
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error
    isTrapped = true
  }
  const left = Number(fuelMeter.value)
  const fuelUsed = left < 0 ? fuel : fuel - left
  const kind = !isTrapped ? 'values' : left < 0 ? 'fuel' : stackMeter.value < 0 ? 'stack' : 'trap'
  return { kind, value, fuelUsed, stackLeft: stackMeter.value }
}
