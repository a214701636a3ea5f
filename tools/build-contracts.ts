// Compiles every contract with the pinned AssemblyScript compiler: module, manifest as JSON and as the
// bytes that the chain stores. The same sources give the same bytes on every machine.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  ContractBuildError,
  hashInputs,
  readContractSources,
  type ContractSource,
} from './contract-sources.js'
import { mergeDataSegments } from './merge-data-segments.js'

/** Part of every contract's reproducibility; the manifests name it too. */
export const compilerVersion = '0.28.20'

/** Bumped when what happens after the compiler gives other bytes. */
const buildVersion = 'build 1'

/** Flags that shape the bytes. `stub`: no garbage collector, because an instance lives for one call. */
const compilerFlags: readonly string[] = [
  '-O3',
  '--runtime',
  'stub',
  '--exportStart',
  '_initialize',
  '--use',
  'abort=assembly/sdk/env/abortWithLine',
]

export interface BuildContractsOptions {
  /** No words on standard output. */
  quiet?: boolean
  /** Compiles although nothing has changed. */
  force?: boolean
  /** Folder with `assembly` and `manifests`; the repository's `contracts-as` unless given. */
  sources?: string
  /** Folder of manifests below `sources`; `manifests` unless given. */
  manifests?: string
  /** Where the built files go; the repository's `dist/contracts` unless given. */
  output?: string
  /** Names (`ward-policy`) to build; all unless given. */
  only?: readonly string[]
}

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/**
 * Builds `<vendor>-<name>.wasm`, `.manifest.json` and `.manifest.cbor` for each manifest. Throws
 * ContractBuildError with the compiler's words when a contract does not build.
 */
export async function buildContracts(options: BuildContractsOptions = {}): Promise<void> {
  const folder = options.sources ?? path.join(repository, 'contracts-as')
  const output = options.output ?? path.join(repository, 'dist/contracts')
  mkdirSync(output, { recursive: true })
  requireCompiler()
  for (const source of readContractSources(folder, options.manifests)) {
    if (options.only !== undefined && !options.only.includes(source.name)) continue
    const inputs = hashInputs(folder, source, [buildVersion, compilerVersion, ...compilerFlags])
    const stem = path.join(output, source.name)
    if (options.force !== true && isBuilt(stem, inputs)) continue
    const module = await compile(folder, source)
    checkModule(source, module)
    writeWhole(`${stem}.wasm`, module)
    writeWhole(`${stem}.manifest.json`, `${JSON.stringify(source.manifest, null, 2)}\n`)
    writeWhole(`${stem}.manifest.cbor`, source.manifestBytes)
    // Last, so that an interrupted build is not taken for a finished one.
    writeWhole(`${stem}.inputs`, inputs)
    if (options.quiet !== true) process.stdout.write(`${source.manifest.alias}: ${module.length} bytes\n`)
  }
}

/** A reader sees the old file or the new one, never half of it. */
function writeWhole(file: string, content: Uint8Array | string): void {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, content)
  renameSync(draft, file)
}

function isBuilt(stem: string, inputs: string): boolean {
  const files = ['.wasm', '.manifest.json', '.manifest.cbor', '.inputs'].map((suffix) => stem + suffix)
  return files.every((file) => existsSync(file)) && readFileSync(`${stem}.inputs`, 'utf8') === inputs
}

function requireCompiler(): void {
  const file = createRequire(import.meta.url).resolve('assemblyscript/package.json')
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  if (version !== compilerVersion) {
    throw new ContractBuildError(
      file,
      `contracts are built by assemblyscript ${compilerVersion}, not ${version}`,
    )
  }
}

async function compile(folder: string, source: ContractSource): Promise<Uint8Array> {
  // Loaded only when something has to be compiled: the compiler takes most of a second to start.
  const { default: asc } = await import('assemblyscript/asc')
  let module: Uint8Array | undefined
  const flags = ['--baseDir', folder, '--outFile', 'module.wasm', ...compilerFlags]
  const { error, stderr } = await asc.main([source.entry, ...flags], {
    writeFile: (_name, contents) => {
      module = typeof contents === 'string' ? new TextEncoder().encode(contents) : contents
    },
  })
  if (error !== null || module === undefined) {
    // The compiler's stream of words answers to `toString`; its type does not say so.
    const words = (stderr as { toString(): string }).toString()
    throw new ContractBuildError(source.entry, `does not compile\n${words}`, { cause: error })
  }
  return mergeDataSegments(module)
}

/** Exactly the manifest's methods are exported, and nothing but the host's module is imported. */
function checkModule(source: ContractSource, bytes: Uint8Array): void {
  const module = new WebAssembly.Module(bytes)
  const exported = WebAssembly.Module.exports(module)
    .filter(({ kind, name }) => kind === 'function' && name !== '_initialize')
    .map(({ name }) => name)
  const declared = source.manifest.methods.map(({ name }) => name)
  const unknown = exported.filter((name) => !declared.includes(name))
  const absent = declared.filter((name) => !exported.includes(name))
  if (unknown.length > 0) {
    throw new ContractBuildError(
      source.entry,
      `exports what its manifest does not name: ${unknown.join(', ')}`,
    )
  }
  if (absent.length > 0) {
    throw new ContractBuildError(
      source.entry,
      `does not export what its manifest names: ${absent.join(', ')}`,
    )
  }
  const foreign = WebAssembly.Module.imports(module).find((entry) => entry.module !== 'wardchain_v1')
  if (foreign !== undefined) {
    const hint =
      'time comes from the context, and there is no randomness: results must be equal on every node'
    throw new ContractBuildError(source.entry, `imports ${foreign.module}.${foreign.name}; ${hint}`)
  }
}
