// Which versions of an alias there are, since when, and how old the tables are that a former layout answers
// from.
import { compareBytes, utf8, utf8ToText } from '../protocol/bytes.js'
import { decodeManifest, type Manifest } from '../protocol/manifest.js'
import { orderMax, type IndexReader } from '../state/store-interface.js'
import { Overlay } from '../state/overlay.js'
import { activeContract, frozenSince, readAlias, readCode } from './contracts.js'
import { tellMadeReady } from './frame.js'
import { createKernel } from './kernel.js'
import { readApproval } from './approvals.js'
import { codeIndex, store, type AliasRow, type ApprovalRow } from './kernel-tables.js'
import type { ModuleCache } from './module-cache.js'
import { NodeFault, type ExecutionPorts, type ParentState } from './ports.js'

export interface VersionInfo {
  alias: string
  address: Uint8Array
  manifest: Manifest
  vendor: Uint8Array
  /** Height at which it was deployed. */
  deployedAt: number
  /** Heights at which the alias was switched to it, oldest first. */
  activatedAt: number[]
  active: boolean
  /** Who approved it and at which height; absent: nobody has. */
  approval?: ApprovalRow
  /**
   * Height since which code of a newer layout writes other tables: what this version reads is as of then.
   * Absent while its layout is the active one.
   */
  frozenSince?: number
}

const everything = 1_000_000

/** Called when a version is deployed: the indexes of aliases and versions lie outside the tree. */
export function indexVersion(
  overlay: Overlay,
  version: { alias: string; address: Uint8Array; height: number },
): void {
  const alias = utf8(version.alias)
  const order = BigInt(version.height)
  const known = overlay.scanIndex(store.code, codeIndex.byAlias, alias, 0n, orderMax, 1)
  if (known.length === 0) overlay.indexPut(store.code, codeIndex.aliases, new Uint8Array(0), order, alias)
  overlay.indexPut(store.code, codeIndex.byAlias, alias, order, version.address)
}

/** Every alias of which a version was ever deployed, sorted. */
export function listAliases(state: IndexReader): string[] {
  const rows = state.scanIndex(store.code, codeIndex.aliases, new Uint8Array(0), 0n, orderMax, everything)
  return rows.map(({ value }) => utf8ToText(value)).sort()
}

/** Versions of an alias in the order of deployment. */
export function versionsOf(state: ParentState, alias: string): VersionInfo[] {
  const row = readAlias(state, alias)
  const rows = state.scanIndex(store.code, codeIndex.byAlias, utf8(alias), 0n, orderMax, everything)
  return rows.flatMap(({ value }) => {
    const info = versionAt(state, value, row)
    return info === undefined ? [] : [info]
  })
}

function versionAt(
  state: ParentState,
  address: Uint8Array,
  alias: AliasRow | undefined,
): VersionInfo | undefined {
  const code = readCode(state, address)
  if (code === undefined) return undefined
  const bytes = state.attachmentOf(code.manifest)
  const manifest = bytes === undefined ? undefined : decodeManifest(bytes)
  if (manifest === undefined || !manifest.ok) {
    throw new NodeFault('ATTACHMENT_MISSING', 'a deployed manifest is not in the store')
  }
  const switches = (alias?.history ?? []).filter((entry) => compareBytes(entry.address, address) === 0)
  const info: VersionInfo = {
    alias: code.alias,
    address,
    manifest: manifest.value,
    vendor: code.vendor,
    deployedAt: Number(code.height),
    activatedAt: switches.map(({ height }) => Number(height)),
    active: alias !== undefined && compareBytes(alias.active, address) === 0,
  }
  const frozen = frozenSince(alias, manifest.value.migrateVersion)
  const approval = readApproval(state, address)
  return {
    ...info,
    ...(approval === undefined ? {} : { approval }),
    ...(frozen === undefined ? {} : { frozenSince: frozen }),
  }
}

/** Active versions whose manifest calls this alias: who is touched when it switches. Sorted by alias. */
export function dependantsOf(state: ParentState, alias: string): VersionInfo[] {
  return listAliases(state).flatMap((other) => {
    const row = readAlias(state, other)
    const version = row === undefined ? undefined : versionAt(state, row.active, row)
    return version?.manifest.calls.includes(alias) === true ? [version] : []
  })
}

/**
 * Loads and compiles every active contract, so that the first block after a start need not. Returns how
 * many.
 */
export function warmModules(state: ParentState, cache: ModuleCache, ports: ExecutionPorts): number {
  const overlay = new Overlay(state)
  const kernel = createKernel({ ports, cache, parent: state, overlay, height: 0, time: 0 })
  const contracts = listAliases(state).map((alias) => activeContract(kernel, alias))
  const modules = contracts.filter((contract) => contract?.manifest.type === 'contract')
  // Asking for the price of a frame makes the first instance, and that compiles.
  for (const contract of modules) {
    if (contract === undefined) continue
    tellMadeReady(kernel, contract.alias, contract.address)
    contract.module().framePrice()
  }
  ports.watch?.(undefined)
  return modules.length
}
