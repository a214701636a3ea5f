// Instances of a script's modules that are kept and used again, by the runtime's own way: a compiled
// module of `runtime/execution` gives an instance, takes it back reset, and gives it again. Kept is what
// the runtime could have deployed, but for names and limits: no imports, no start function, no reference
// or table instruction, no passive segment, no exported table, a memory that is small.

import { tryInitialize, type CompiledModule } from '../../runtime/execution/module-cache.js'
import type { GuestInstance } from '../../runtime/execution/guest-instance.js'
import {
  GLOBAL_EXPORT_PREFIX,
  instrument,
  readModule,
  validateModule,
  type FunctionFacts,
  type InstrumentOptions,
  type WasmModule,
} from '../../runtime/module/index.js'
import {
  createByteWriter,
  takeBytes,
  writeByte,
  writeBytes,
  writeU32,
} from '../../runtime/module/byte-writer.js'
import { mutableGlobals } from '../../runtime/module/instrument.js'
import { EXTERNAL_TABLE, isReference } from '../../runtime/module/wasm-types.js'

interface KeptModule {
  readonly compiled: CompiledModule
  readonly made: Set<GuestInstance>
}

/** One script's modules, over several runs of it. */
export class KeptInstances {
  /** By place in the script; undefined: not to be kept. */
  private readonly modules: (KeptModule | undefined)[] = []
  private open: { kept: KeptModule; instance: GuestInstance }[] = []
  private next = 0
  private reused = 0

  /** The exports of an instance, a used one where there is one; undefined when the module is not kept. */
  take(
    module: WasmModule,
    facts: readonly FunctionFacts[],
    options: InstrumentOptions,
  ): Record<string, unknown> | undefined {
    const place = this.next++
    if (!(place in this.modules)) this.modules[place] = keptModule(module, facts, options)
    const kept = this.modules[place]
    if (kept === undefined) return undefined
    const instance = kept.compiled.take()
    if (kept.made.has(instance)) this.reused++
    kept.made.add(instance)
    this.open.push({ kept, instance })
    return instance.exports
  }

  /** The end of a run: every instance goes back. How many of them had been used before it. */
  giveBack(): number {
    const { reused } = this
    for (const { kept, instance } of this.open) kept.compiled.give(instance)
    this.open = []
    this.next = 0
    this.reused = 0
    return reused
  }
}

function keptModule(
  module: WasmModule,
  facts: readonly FunctionFacts[],
  options: InstrumentOptions,
): KeptModule | undefined {
  if (!isKept(module, facts)) return undefined
  const read = readModule(withMemory(module))
  const again = read.ok ? validateModule(read.value) : read
  if (!read.ok || !again.ok) throw new Error('a module with its memory exported is refused')
  const pages = read.value.memories[0].limits
  const outcome = tryInitialize(
    {
      instrumented: instrument(read.value, again.value, options),
      ...{ deployPrice: 0, instancePrice: 0, loadPrice: 0, methods: [], initializeOffset: 0, dataBytes: 0 },
      memoryPagesInitial: pages.minimum,
      memoryPagesMax: pages.maximum ?? options.memoryPagesMax,
      globalExports: mutableGlobals(module).map((index) => `${GLOBAL_EXPORT_PREFIX}${index}`),
    },
    0,
  )
  return outcome.ok ? { compiled: outcome.module, made: new Set() } : undefined
}

function isKept(module: WasmModule, facts: readonly FunctionFacts[]): boolean {
  return (
    module.imports.length === 0 &&
    module.start === undefined &&
    facts.every(({ restrictedOpcode }) => restrictedOpcode < 0) &&
    [...module.elements, ...module.data].every(({ mode }) => mode === 'active') &&
    module.globals.every(({ value }) => !isReference(value)) &&
    module.exports.every(({ name, kind }) => name !== 'memory' && kind !== EXTERNAL_TABLE)
  )
}

const MEMORY_SECTION = 5
const EXPORT_SECTION = 7
/** The order of sections: that of their numbers, the data count (12) before the code (10). */
const rankOf = (id: number): number => (id === 12 ? 9.5 : id)

/** The module with its memory, or one of no pages, exported under the name that the runtime resets by. */
function withMemory({ bytes, sections, memories, exports }: WasmModule): Uint8Array {
  const contents = new Map<number, Uint8Array>()
  for (const { id, start, end } of sections) if (id !== 0) contents.set(id, bytes.subarray(start, end))
  if (memories.length === 0) contents.set(MEMORY_SECTION, Uint8Array.of(1, 0, 0))
  const old = sections.find(({ id }) => id === EXPORT_SECTION)
  const items = createByteWriter()
  writeU32(items, exports.length + 1)
  if (old !== undefined) writeBytes(items, bytes.subarray(old.itemsStart, old.end))
  writeBytes(items, [6, ...Buffer.from('memory'), 2, 0])
  contents.set(EXPORT_SECTION, takeBytes(items))
  const out = createByteWriter()
  writeBytes(out, bytes.subarray(0, 8))
  for (const [id, content] of [...contents].sort(([left], [right]) => rankOf(left) - rankOf(right))) {
    writeByte(out, id)
    writeU32(out, content.length)
    writeBytes(out, content)
  }
  return takeBytes(out)
}
