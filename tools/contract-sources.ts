// What a contract is built from: its manifest in `contracts-as/manifests`, with schemas named by `@`, and
// its sources.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import * as bodies from '../runtime/protocol/record-bodies.js'
import { decodeManifest, encodeManifest, type Manifest } from '../runtime/protocol/manifest.js'

export interface ContractSource {
  /** `vendor-name`, the stem of the built files. */
  name: string
  manifest: Manifest
  manifestBytes: Uint8Array
  /** Entry point, relative to the folder of AssemblyScript sources' parent. */
  entry: string
}

/** A contract that cannot be built; `file` names the place. */
export class ContractBuildError extends Error {
  readonly code = 'CONTRACT_BUILD_FAILED'
  constructor(
    readonly file: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`${file}: ${message}`, options)
  }
}

/** Every contract that has a manifest, by name. */
export function readContractSources(folder: string, below = 'manifests'): ContractSource[] {
  const manifests = path.join(folder, below)
  return readdirSync(manifests)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => readContractSource(path.join(manifests, file)))
}

/**
 * Reads one manifest file: the fields of `Manifest` and `source`, the folder of the contract below
 * `assembly`. A schema written `@name` is the one of that name in runtime/protocol/record-bodies.ts.
 */
export function readContractSource(file: string): ContractSource {
  const fields = parse(file)
  const { source, ...rest } = fields
  if (typeof source !== 'string')
    throw new ContractBuildError(file, 'source: the folder below assembly is missing')
  const manifest = resolveSchemas(rest, file) as Manifest
  const manifestBytes = encodeChecked(manifest, file)
  const name = manifest.alias.replace('/', '-')
  if (path.basename(file, '.json') !== name)
    throw new ContractBuildError(file, `should be named ${name}.json`)
  return { name, manifest, manifestBytes, entry: `assembly/${source}/index.ts` }
}

function parse(file: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  } catch (cause) {
    const place = cause instanceof SyntaxError ? `: ${cause.message}` : ''
    throw new ContractBuildError(file, `is not JSON${place}`, { cause })
  }
}

function resolveSchemas(value: unknown, file: string): unknown {
  if (typeof value === 'string' && value.startsWith('@')) {
    const schema = Object.entries(bodies).find(([name]) => name === value.slice(1))?.[1]
    if (schema === undefined) throw new ContractBuildError(file, `${value} is no schema of the protocol`)
    return schema
  }
  if (Array.isArray(value)) return value.map((item) => resolveSchemas(item, file))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolveSchemas(item, file)]))
}

/** What the node will decode from the manifest is what was written here, field by field. */
function encodeChecked(manifest: Manifest, file: string): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = encodeManifest(manifest)
  } catch (cause) {
    throw new ContractBuildError(file, `a field is missing or has another type: ${String(cause)}`, {
      cause,
    })
  }
  const decoded = decodeManifest(bytes)
  if (!decoded.ok) throw new ContractBuildError(file, decoded.detail ?? decoded.code)
  if (Buffer.compare(bytes, encodeManifest(decoded.value)) !== 0) {
    throw new ContractBuildError(file, 'does not come back from its encoding')
  }
  return bytes
}

/** SHA-256 over names and contents of everything that shapes the contract's bytes, as hex. */
export function hashInputs(folder: string, source: ContractSource, extra: readonly string[]): string {
  const hash = createHash('sha256')
  for (const text of extra) hash.update(`${text}\n`)
  hash.update(source.manifestBytes)
  for (const file of sourceFiles(folder, source)) {
    hash.update(`${file}\n`)
    hash.update(readFileSync(path.join(folder, file)))
  }
  return hash.digest('hex')
}

/** The SDK, what rules share, and the contract's own folder. */
function sourceFiles(folder: string, source: ContractSource): string[] {
  const own = path.posix.dirname(source.entry)
  const shared = path.posix.join(path.posix.dirname(own), 'shared')
  return ['assembly/sdk', shared, own].flatMap((room) => filesOf(folder, room)).sort()
}

function filesOf(folder: string, room: string): string[] {
  try {
    return readdirSync(path.join(folder, room), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => path.posix.join(room, file.split(path.sep).join('/')))
  } catch (error) {
    // Not every group of contracts shares something.
    if ((error as { code?: string }).code === 'ENOENT') return []
    throw error
  }
}
