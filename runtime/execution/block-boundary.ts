// What happens between the last transaction of a block and the next block: accepted kernel commands take
// effect.
import { u32Bytes, utf8 } from '../protocol/bytes.js'
import { aliasEntityId, entityKind, kernelEntity } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { laneTableSchema } from '../protocol/lanes.js'
import { patientBytes } from '../protocol/record.js'
import { assert, unreachable } from '../protocol/result.js'
import { STACK_BYTES_MAX } from '../module/index.js'
import { byteText } from './byte-text.js'
import { addErasure, addWaking } from './chores.js'
import { contractAt, manifestOf, migrateMethod, readAlias, readCode } from './contracts.js'
import { encodeCreditRow, type CreditRow } from './credit.js'
import { belongsToAnother, orphanedTimer, problemOfTables, type Deployment } from './deployment.js'
import { putApproval, withdrawApproval } from './approvals.js'
import { dropEnrolmentRequest, putEnrolmentRequest } from './enrolments.js'
import { putEntity, putKey, readEntity, revokeKey } from './entities.js'
import type { FinishedRun } from './execute-signed.js'
import { runFrame, trigger, type FrameOutcome } from './frame.js'
import { planVersions } from './fuel-versions.js'
import { createRun, type Kernel, type Run } from './kernel.js'
import type { KernelCommand } from './kernel-commands.js'
import {
  aliasRow,
  codeRow,
  encodeRow,
  onlyKey,
  store,
  type AliasRow,
  type CodeRow,
} from './kernel-tables.js'
import { applyMembership } from './membership-commands.js'
import { receiptOf } from './receipts.js'
import { encodePatientRow, patientStatus, readPatient } from './record-rows.js'
import { liftQuarantine } from './rule-health.js'
import { claimTables } from './table-layouts.js'
import { derivedId, switchSubscriptions } from './triggers.js'
import { indexVersion } from './versions.js'

const noPatient = new Uint8Array(patientBytes)

/**
 * Applies the block's commands in the order in which they were accepted. Activations give receipts of their
 * own.
 */
export function applyCommands(kernel: Kernel): FinishedRun[] {
  const finished: FinishedRun[] = []
  for (const command of kernel.commands) {
    const run = applyCommand(kernel, command)
    if (run !== undefined) finished.push(run)
  }
  return finished
}

function applyCommand(kernel: Kernel, command: KernelCommand): FinishedRun | undefined {
  const { overlay, hash } = kernel
  switch (command.type) {
    case 'deploy':
      return void applyDeployment(kernel, command.deployment)
    case 'activate':
      return activate(kernel, command.transactionId, command.addresses)
    case 'addEntity':
      dropEnrolmentRequest(overlay, command)
      return void putEntity(overlay, hash, { ...command, id: command.entity, label: '' })
    case 'addKey':
      dropEnrolmentRequest(overlay, command)
      return void putKey(overlay, hash, command.entity, command.publicKey)
    case 'requestEnrolment':
      return void putEnrolmentRequest(overlay, command)
    case 'revokeKey':
      return void revokeKey(overlay, command.keyId)
    case 'liftQuarantine':
      return void endQuarantine(kernel, command.alias)
    case 'erasePatient':
      return void erasePatient(kernel, command.patient)
    case 'admitNode':
    case 'removeNode':
    case 'rotateNode':
    case 'setValidators':
    case 'requestValidators':
    case 'issueTicket':
    case 'revokeTicket':
      return void applyMembership(kernel, command)
    case 'approve':
      return void putApproval(overlay, { ...command, height: kernel.height })
    case 'withdrawApproval':
      return void withdrawApproval(overlay, command.address)
    case 'grantCredit':
      return void grantCredit(kernel, command.entity, command.granted)
    case 'setLanes':
      return void overlay.set(store.lanes, onlyKey, encodeRow(laneTableSchema, command.table))
    case 'setFuelSchedule':
      return void planVersions(overlay, kernel.chain, command.planned)
    default:
      return unreachable(command)
  }
}

function endQuarantine(kernel: Kernel, alias: string): void {
  liftQuarantine(kernel.overlay, alias)
  addWaking(kernel, alias)
}

/** The allowance is full at once: whoever was out of credit goes on with the next block. */
function grantCredit(
  { overlay, time }: Kernel,
  entity: Uint8Array,
  granted: Required<CreditRow>['granted'],
): void {
  overlay.set(store.credit, entity, encodeCreditRow({ left: granted.burst, time, granted }))
}

/** From here on the version is callable by its address, read only until an alias points to it. */
export function applyDeployment(kernel: Kernel, deployment: Deployment): void {
  const { overlay } = kernel
  const row: CodeRow = {
    alias: deployment.manifest.alias,
    manifest: deployment.manifestHash,
    code: deployment.codeHash,
    vendor: deployment.vendor,
    height: BigInt(kernel.height),
  }
  overlay.set(store.code, deployment.address, encodeRow(codeRow, row))
  indexVersion(overlay, { alias: row.alias, address: deployment.address, height: kernel.height })
  for (const { hash, content } of deployment.attachments) {
    const length = u32Bytes(content.length).reverse()
    overlay.set(store.attachment, hash, length)
    kernel.attachments.set(byteText(hash), content)
  }
}

/**
 * Switches aliases, all or none: a migration that fails takes the whole switch back. The receipt's id is
 * derived from the commanding transaction; each switched alias is an event `activated` with the new
 * address.
 */
function activate(kernel: Kernel, transactionId: Uint8Array, addresses: Uint8Array[]): FinishedRun {
  const [first] = addresses
  const id = derivedId(kernel.hash, {
    parent: transactionId,
    address: first,
    method: 'activate',
    patient: noPatient,
  })
  const run = createRun(kernel, id, kernelEntity)
  kernel.cause = transactionId
  const row = readCode(kernel.overlay, first)
  assert(row !== undefined, 'only a deployed version is activated')
  kernel.overlay.begin()
  let failed: { alias: string; code: ErrorCode } | undefined
  for (const address of addresses) {
    const outcome = switchAlias(run, address)
    if (outcome === 'OK') continue
    failed = outcome
    break
  }
  if (failed === undefined) kernel.overlay.commit()
  else kernel.overlay.rollback()
  forgetVersions(kernel)
  const target = { alias: row.alias, address: first, method: 'activate' }
  if (failed !== undefined) {
    run.effects.events.length = 0
    const detail = `switch of ${failed.alias}`
    return {
      run,
      receipt: receiptOf(run, { code: failed.code, detail, fuelUsed: 0, cause: transactionId, target }),
    }
  }
  return { run, receipt: receiptOf(run, { code: 'OK', fuelUsed: 0, cause: transactionId, target }) }
}

/** Aliases and what was loaded for them are read anew after a switch. */
function forgetVersions(kernel: Kernel): void {
  kernel.aliases.clear()
  kernel.contracts.clear()
  kernel.triggers.clear()
}

function switchAlias(run: Run, address: Uint8Array): 'OK' | { alias: string; code: ErrorCode } {
  const { kernel } = run
  const row = readCode(kernel.overlay, address)
  assert(row !== undefined, 'only a deployed version is activated')
  const current = readAlias(kernel.overlay, row.alias)
  // What was true when the command was accepted may have changed since: the block went on.
  if (belongsToAnother(kernel, row.alias, row.vendor)) return { alias: row.alias, code: 'ALIAS_TAKEN' }
  const orphan = orphanedTimer(kernel, { alias: row.alias, manifestHash: row.manifest })
  if (orphan !== undefined) return { alias: row.alias, code: 'TIMERS_PENDING' }
  const manifest = manifestOf(kernel, row.manifest).manifest
  const before = current === undefined ? undefined : readCode(kernel.overlay, current.active)
  const layout = current?.history[current.history.length - 1].migrateVersion ?? manifest.migrateVersion
  // An activation that was accepted earlier in this block may have moved the layout on.
  if (manifest.migrateVersion < layout) return { alias: row.alias, code: 'LAYOUT_REFUSED' }
  if (problemOfTables(kernel, manifest, true) !== undefined)
    return { alias: row.alias, code: 'TABLES_REFUSED' }
  claimTables(kernel.overlay, manifest)
  putAlias(kernel, row.alias, address, manifest.migrateVersion)
  switchSubscriptions(
    kernel.overlay,
    { alias: row.alias, address, manifest },
    before === undefined ? undefined : manifestOf(kernel, before.manifest).manifest,
  )
  forgetVersions(kernel)
  const needsMigration =
    manifest.migrateVersion > layout && manifest.methods.some((method) => method.name === migrateMethod)
  if (needsMigration) {
    const outcome = migrate(run, address)
    if (!outcome.ok) return { alias: row.alias, code: outcome.code }
  }
  run.effects.events.push({ source: row.alias, topic: 'activated', content: address })
  return 'OK'
}

/** Runs the new code's `migrate` on the alias' store; its fuel was paid by the commanding transaction. */
function migrate(run: Run, address: Uint8Array): FrameOutcome {
  const contract = contractAt(run.kernel, address)
  assert(contract !== undefined, 'only a deployed version is activated')
  return runFrame(run, {
    contract,
    method: migrateMethod,
    kinds: ['system'],
    input: new Uint8Array(0),
    caller: kernelEntity,
    trigger: trigger.call,
    readOnly: false,
    pinned: true,
    fuel: contract.methods.get(migrateMethod)?.fuel ?? 0,
    stackLeft: STACK_BYTES_MAX,
  })
}

export function putAlias(kernel: Kernel, alias: string, address: Uint8Array, migrateVersion: number): void {
  const { overlay, hash } = kernel
  const current = readAlias(overlay, alias)
  // History is bounded: the newest entries tell what a roll-back may go to.
  const history = trimmed(current?.history ?? [])
  history.push({ address, migrateVersion, height: BigInt(kernel.height) })
  const row: AliasRow = { active: address, history }
  overlay.set(store.alias, utf8(alias), encodeRow(aliasRow, row))
  const entity = aliasEntityId(hash, alias)
  if (readEntity(overlay, entity) !== undefined) return
  putEntity(overlay, hash, { id: entity, kind: entityKind.contract, label: alias })
}

/** Switches that an alias remembers. */
const historyMax = 256

/**
 * Leaves room for one more. The first switch to each layout stays: it says since when older tables are
 * frozen, and forgetting it would make them look younger than they are.
 */
function trimmed(history: AliasRow['history']): AliasRow['history'] {
  if (history.length < historyMax) return [...history]
  const oldest = history.findIndex(
    ({ migrateVersion }, index) => index > 0 && migrateVersion === history[index - 1].migrateVersion,
  )
  return history.filter((_, index) => index !== Math.max(0, oldest))
}

/** From the next block on every replica answers ERASED; the bodies and keys are the store's to destroy. */
function erasePatient(kernel: Kernel, patient: Uint8Array): void {
  const head = readPatient(kernel.overlay, patient)
  assert(head !== undefined, 'only a known patient is erased')
  kernel.overlay.set(store.patient, patient, encodePatientRow({ ...head, status: patientStatus.erased }))
  addErasure(kernel, patient)
}
