// Checking what is to be deployed: manifest, module or page, and that the two fit. Used by governance and
// by genesis.
import { equalBytes } from '../protocol/bytes.js'
import { kernelEntity } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { attachmentBytesMax } from '../protocol/limits.js'
import { contractAddress, decodeManifest, type Manifest } from '../protocol/manifest.js'
import { manifestProblemText, type ManifestProblem } from '../protocol/manifest-problem.js'
import { assert, ok, refused, unreachable, type Result } from '../protocol/result.js'
import { utf8FaultAt } from '../protocol/utf8-fault.js'
import { prepareModule, type FuelSchedule, type PreparedModule } from '../module/index.js'
import { byteText } from './byte-text.js'
import { manifestOf, readAlias, readCode } from './contracts.js'
import { tellMadeReady } from './frame.js'
import type { Kernel } from './kernel.js'
import { store } from './kernel-tables.js'
import { manifestProblem, missingMethod } from './manifest-check.js'
import {
  contractPolicy,
  initializeFuelMax,
  tryInitialize,
  type InitializeFault,
  type InitializeOutcome,
} from './module-cache.js'
import type { Attachment } from './ports.js'
import { tablesProblem } from './table-layouts.js'
import { isWaitedFor } from './timers.js'

export interface Deployment {
  address: Uint8Array
  manifest: Manifest
  manifestHash: Uint8Array
  codeHash: Uint8Array
  vendor: Uint8Array
  /** Manifest and code, to be stored with the block. */
  attachments: Attachment[]
}

/** Takes fuel before dear work; leaves the guest when it is not there. */
export type Charge = (fuel: number) => void

/** Who pays for a deployment. */
export interface Payer {
  charge: Charge
  /** Fuel that is left to pay with. */
  left: () => number
}

/** Founding and rehearsals: nobody pays, and everything may use what it may use at most. */
export const nobodyPays: Payer = { charge: () => undefined, left: () => initializeFuelMax }

/**
 * Codes: ATTACHMENT_MISMATCH (manifest or code is neither beside the transaction nor stored),
 * MANIFEST_REFUSED, ALIAS_TAKEN, TABLES_REFUSED, MODULE_REFUSED; the detail names the place.
 */
export function checkDeployment(
  kernel: Kernel,
  wanted: { vendor: Uint8Array; manifest: Uint8Array; code: Uint8Array },
  payer: Payer,
): Result<Deployment, ErrorCode> {
  const manifestBytes = findAttachment(kernel, wanted.manifest)
  const code = findAttachment(kernel, wanted.code)
  if (manifestBytes === undefined)
    return refused('ATTACHMENT_MISMATCH', 'manifest: neither beside the call nor on the chain')
  if (code === undefined)
    return refused('ATTACHMENT_MISMATCH', 'code: neither beside the call nor on the chain')
  payer.charge(manifestBytes.length)
  const decoded = decodeManifest(manifestBytes)
  if (!decoded.ok) return refused('MANIFEST_REFUSED', decoded.detail)
  const manifest = decoded.value
  const problem = manifestProblem(manifest)
  if (problem !== undefined) return refused('MANIFEST_REFUSED', manifestProblemText(manifestBytes, problem))
  if (belongsToAnother(kernel, manifest.alias, wanted.vendor))
    return refused('ALIAS_TAKEN', takenBy(manifest.alias))
  const tables = problemOfTables(kernel, manifest, false)
  if (tables !== undefined) return refused('TABLES_REFUSED', manifestProblemText(manifestBytes, tables))
  const address = contractAddress(kernel.hash, {
    chainId: kernel.chain.chainId,
    alias: manifest.alias,
    manifestHash: wanted.manifest,
    codeHash: wanted.code,
  })
  const fault =
    manifest.type === 'page'
      ? pageProblem(code, payer.charge)
      : moduleProblem(kernel, { code, codeHash: wanted.code, address, manifest, manifestBytes }, payer)
  if (fault !== undefined) return refused('MODULE_REFUSED', fault)
  return ok({
    address,
    manifest,
    manifestHash: wanted.manifest,
    codeHash: wanted.code,
    vendor: wanted.vendor,
    attachments: [
      { hash: wanted.manifest, content: manifestBytes },
      { hash: wanted.code, content: code },
    ],
  })
}

export const takenBy = (alias: string): string => `${alias} belongs to another vendor`

/**
 * An alias belongs to the vendor of its active version. Before the first activation nobody owns it, so that
 * nobody can occupy a name by deploying; what the chain was founded with any vendor may replace.
 */
export function belongsToAnother(kernel: Kernel, alias: string, vendor: Uint8Array): boolean {
  const row = readAlias(kernel.overlay, alias)
  const owner = row === undefined ? undefined : readCode(kernel.overlay, row.active)?.vendor
  if (owner === undefined || equalBytes(owner, kernelEntity)) return false
  return !equalBytes(owner, vendor) && !equalBytes(vendor, kernelEntity)
}

/**
 * Why the declared tables of a version do not fit its alias, with the names of table and version;
 * `isDeployed`: asked when it is activated.
 */
export function problemOfTables(
  kernel: Kernel,
  manifest: Manifest,
  isDeployed: boolean,
): ManifestProblem | undefined {
  const alias = readAlias(kernel.overlay, manifest.alias)
  const versionOf = (address: Uint8Array): string => {
    const row = readCode(kernel.overlay, address)
    assert(row !== undefined, 'what was active is deployed')
    return manifestOf(kernel, row.manifest).manifest.version
  }
  return tablesProblem(kernel.overlay, manifest, alias, versionOf, isDeployed)
}

/**
 * A timer method that is waited for and that the version does not have. What waits is of the active version,
 * so only its methods are asked for.
 */
export function orphanedTimer(
  kernel: Kernel,
  version: { alias: string; manifestHash: Uint8Array },
): string | undefined {
  const row = readAlias(kernel.overlay, version.alias)
  const active = row === undefined ? undefined : readCode(kernel.overlay, row.active)
  if (active === undefined) return undefined
  const { methods } = manifestOf(kernel, version.manifestHash)
  return manifestOf(kernel, active.manifest)
    .manifest.methods.filter(({ name, kind }) => kind === 'timer' && methods.get(name)?.kind !== 'timer')
    .map(({ name }) => name)
    .sort()
    .find((name) => isWaitedFor(kernel.overlay, version.alias, name))
}

/**
 * Beside a transaction of this block, or kept by the chain. That the chain keeps it is decided by the
 * state, never by what happens to lie in this replica's store.
 */
function findAttachment(kernel: Kernel, hash: Uint8Array): Uint8Array | undefined {
  const beside = kernel.attachments.get(byteText(hash))
  if (beside !== undefined) return beside
  return kernel.overlay.get(store.attachment, hash) === undefined
    ? undefined
    : kernel.parent.attachmentOf(hash)
}

/** One HTML document of at most 512 KiB. */
function pageProblem(page: Uint8Array, charge: Charge): string | undefined {
  charge(page.length)
  if (page.length === 0 || page.length > attachmentBytesMax)
    return `PAGE_LENGTH at byte ${Math.min(page.length, attachmentBytesMax)}: page: 1 byte to 512 KiB expected`
  const wrong = utf8FaultAt(page)
  return wrong === undefined ? undefined : `PAGE_NOT_UTF8 at byte ${wrong}: page: UTF-8 expected`
}

function initializeWords(why: InitializeFault): string {
  switch (why) {
    case 'fuel':
      return `_initialize needs more than ${initializeFuelMax} fuel: compute constants when the module is compiled`
    case 'stack':
      return '_initialize calls itself too deep: it may use 512 KiB of stack'
    case 'host':
      return '_initialize calls the host, which is there for methods only'
    case 'trap':
      return '_initialize traps: nothing could ever call this version'
    default:
      return unreachable(why)
  }
}

interface Shipped {
  code: Uint8Array
  codeHash: Uint8Array
  address: Uint8Array
  manifest: Manifest
  manifestBytes: Uint8Array
}

function moduleProblem(
  kernel: Kernel,
  { code, codeHash, address, manifest, manifestBytes }: Shipped,
  payer: Payer,
): string | undefined {
  tellMadeReady(kernel, manifest.alias, address)
  const { schedule, instrument } = kernel.cache.metering(kernel.chain)
  // What grows with the bytes is paid before they are read, the rest when the reader has counted it.
  const before = schedule.deploy + schedule.deployByte * code.length
  payer.charge(before)
  const prepared = prepareModule(code, contractPolicy, schedule, instrument)
  if (!prepared.ok) return `${prepared.code} at byte ${prepared.offset}: ${prepared.detail}`
  payer.charge(Math.max(0, prepared.value.deployPrice - before))
  const missing = missingMethod(manifest, prepared.value.methods)
  if (missing !== undefined) return `${manifestProblemText(manifestBytes, missing)} (byte of the manifest)`
  const tried = initialize(prepared.value, schedule, payer)
  if (!tried.ok)
    return `INITIALIZE_FAILED at byte ${prepared.value.initializeOffset}: ${initializeWords(tried.why)}`
  kernel.cache.keepModule(codeHash, kernel.chain, tried.module)
  return undefined
}

/**
 * Makes the first instance, so that nothing is deployed that cannot be entered. What `_initialize` uses is
 * the deploying transaction's to pay, however it ends.
 */
function initialize(prepared: PreparedModule, schedule: FuelSchedule, payer: Payer): InitializeOutcome {
  if (!schedule.deployInitialize) return tryInitialize(prepared, initializeFuelMax)
  const tried = tryInitialize(prepared, Math.min(initializeFuelMax, payer.left()))
  // More than it had was asked for: then there is not enough to pay with, and the deployment ends here.
  payer.charge(Math.min(tried.fuelUsed, initializeFuelMax))
  return tried
}
