// Versions and aliases: what is deployed at an address, and which address an alias points to.
import { byteText } from './byte-text.js'
import { aliasEntityId } from '../protocol/entity.js'
import { equalBytes, hexToBytes, utf8 } from '../protocol/bytes.js'
import { assert } from '../protocol/result.js'
import { decodeManifest, type Manifest, type ManifestMethod } from '../protocol/manifest.js'
import type { StateReader } from '../state/store-interface.js'
import type { Kernel } from './kernel.js'
import { aliasRow, codeRow, decodeRow, store, type AliasRow, type CodeRow } from './kernel-tables.js'
import type { CompiledModule, LoadedManifest } from './module-cache.js'
import { NodeFault } from './ports.js'

/** New code's method that runs once when its layout is newer than the active one. */
export const migrateMethod = 'migrate'

/** One deployed version, loaded for one block. */
export interface Contract {
  alias: string
  /** Identity that it acts as: it follows the alias, not the code. */
  entity: Uint8Array
  address: Uint8Array
  manifest: Manifest
  methods: ReadonlyMap<string, ManifestMethod>
  reads: LoadedManifest['reads']
  /** The alias points here now. */
  active: boolean
  /**
   * Height since which code of a newer layout writes other tables, so that this version reads old ones;
   * undefined while its layout is the active one.
   */
  frozenSince: number | undefined
  /** Lists of codes that it asked for in this block, see host-records.ts. */
  codeLists: Map<string, readonly string[]>
  /** Fuel for reading, checking and rewriting the code, where it is not kept compiled: by its length. */
  loadPrice(): number
  module(): CompiledModule
}

export function readAlias(state: StateReader, alias: string): AliasRow | undefined {
  const row = state.get(store.alias, utf8(alias))
  return row === undefined ? undefined : decodeRow<AliasRow>(aliasRow, row)
}

export function readCode(state: StateReader, address: Uint8Array): CodeRow | undefined {
  const row = state.get(store.code, address)
  return row === undefined ? undefined : decodeRow<CodeRow>(codeRow, row)
}

/** Height of the first switch to a layout newer than this one. */
export function frozenSince(alias: AliasRow | undefined, migrateVersion: number): number | undefined {
  const next = alias?.history.find((entry) => entry.migrateVersion > migrateVersion)
  return next === undefined ? undefined : Number(next.height)
}

/** The active version of an alias. */
export function activeContract(kernel: Kernel, alias: string): Contract | undefined {
  if (kernel.aliases.has(alias)) return kernel.aliases.get(alias)
  const row = readAlias(kernel.overlay, alias)
  const contract = row === undefined ? undefined : contractAt(kernel, row.active)
  kernel.aliases.set(alias, contract)
  return contract
}

/** Any deployed version, by its 32-byte address. */
export function contractAt(kernel: Kernel, address: Uint8Array): Contract | undefined {
  const key = byteText(address)
  if (kernel.contracts.has(key)) return kernel.contracts.get(key)
  const row = readCode(kernel.overlay, address)
  const contract = row === undefined ? undefined : loadContract(kernel, address, row)
  // A version deployed in this very block stays unknown to the cache only until its row exists.
  if (contract !== undefined) kernel.contracts.set(key, contract)
  return contract
}

/** `vendor/name`. No address looks like this: 32 bytes of these characters do not come out of a hash. */
const aliasPattern = /^[a-z0-9-]+\/[a-z0-9-]+$/

/** Target of a signed call: alias text, or 64 hex digits of an address. */
export function contractNamed(kernel: Kernel, target: string): Contract | undefined {
  if (aliasPattern.test(target)) return activeContract(kernel, target)
  const address = hexToBytes(target)
  return address?.length === 32 ? contractAt(kernel, address) : undefined
}

/** Target of a contract's call: alias text, or the 32 bytes of an address. */
export function contractTarget(kernel: Kernel, target: Uint8Array): Contract | undefined {
  const text = byteText(target)
  if (aliasPattern.test(text)) return activeContract(kernel, text)
  return target.length === 32 ? contractAt(kernel, target.slice()) : undefined
}

function loadContract(kernel: Kernel, address: Uint8Array, row: CodeRow): Contract {
  const manifest = manifestOf(kernel, row.manifest)
  const alias = readAlias(kernel.overlay, row.alias)
  let compiled: CompiledModule | undefined
  return {
    alias: row.alias,
    entity: kernel.cache.aliasEntity(row.alias, () => aliasEntityId(kernel.hash, row.alias)),
    address,
    manifest: manifest.manifest,
    methods: manifest.methods,
    reads: manifest.reads,
    active: alias !== undefined && equalBytes(alias.active, address),
    codeLists: new Map(),
    frozenSince: frozenSince(alias, manifest.manifest.migrateVersion),
    loadPrice: () => loadPrice(kernel, row.code),
    // Found when it first runs, and once a block.
    module: () =>
      (compiled ??= kernel.cache.module(row.code, kernel.chain, () => attachment(kernel, row.code))),
  }
}

function loadPrice(kernel: Kernel, code: Uint8Array): number {
  const { load, loadByte } = kernel.cache.metering(kernel.chain).schedule
  if (load === 0) return 0
  const row = kernel.overlay.get(store.attachment, code)
  assert(row !== undefined, 'the chain keeps what is deployed')
  return load + loadByte * new DataView(row.buffer, row.byteOffset).getUint32(0, true)
}

/** The manifest of a version that was deployed, now or before. */
export function manifestOf(kernel: Kernel, hash: Uint8Array): LoadedManifest {
  return kernel.cache.manifest(hash, () => {
    const decoded = decodeManifest(attachment(kernel, hash))
    if (!decoded.ok) throw new NodeFault('ATTACHMENT_MISSING', 'a stored manifest does not decode')
    return decoded.value
  })
}

/** Content of an attachment that the state names: from this block, or from the store. */
function attachment(kernel: Kernel, hash: Uint8Array): Uint8Array {
  const content = kernel.attachments.get(byteText(hash)) ?? kernel.parent.attachmentOf(hash)
  if (content === undefined)
    throw new NodeFault('ATTACHMENT_MISSING', 'a deployed attachment is not in the store')
  return content
}
