// Compiles the kernel set with the AssemblyScript compiler, default output: floats and bulk memory
// included.

import asc from 'assemblyscript/asc'
import { readFileSync } from 'node:fs'

/** What the speed bench runs: name and size, some milliseconds each. */
export const speedKernels: readonly (readonly [name: string, size: number])[] = [
  ['hash', 2_000],
  ['score', 100_000],
  ['float', 100],
  ['sortmap', 10_000],
  ['recursion', 27],
]

/** Every kernel at a size that is quick even in an interpreter. */
export const equalityKernels: readonly (readonly [name: string, size: number])[] = [
  ['hash', 20],
  ['score', 2_000],
  ['float', 2],
  ['sortmap', 400],
  ['recursion', 15],
  ['mathematics', 60],
]

const flags = ['-O3', '--runtime', 'stub', '--use', 'abort=']
const startFlags = ['--exportStart', '_initialize']

/**
 * Compiles AssemblyScript source with the flags of contracts, or without the one that avoids a start
 * section.
 */
export async function compileAssemblyScript(source: string, isStartExported = true): Promise<Uint8Array> {
  const extra = isStartExported ? startFlags : []
  let binary: Uint8Array | undefined
  const { error } = await asc.main(['module.ts', ...flags, ...extra, '--outFile', 'module.wasm'], {
    readFile: (name) => (name === 'module.ts' ? source : null),
    writeFile: (name, contents) => {
      if (name === 'module.wasm') binary = contents as Uint8Array
    },
    listFiles: () => [],
  })
  if (error !== null || binary === undefined) throw new Error(`asc: ${error?.message}`)
  return Uint8Array.from(binary)
}

export function compileKernels(): Promise<Uint8Array> {
  return compileAssemblyScript(readFileSync('runtime/module/kernels/kernels.as', 'utf8'))
}
