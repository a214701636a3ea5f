// Commands to the kernel, from `ward/governance` alone: validated at once, applied at the end of the block.
import { decodeBorsh } from '../protocol/borsh.js'
import { bytesToHex, equalBytes } from '../protocol/bytes.js'
import type { NodeCardFields, ValidatorChangeFields } from '../protocol/membership.js'
import { entityIdOf, entityKind, kernelEntity, keyIdOf } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { laneCount, laneRulesMax, priority, type LaneTable } from '../protocol/lanes.js'
import { aliasLengthMax, methodLengthMax, recordCodeLengthMax } from '../protocol/limits.js'
import { kernelCommandSchemas, kernelCommandTag } from '../protocol/record-bodies.js'
import { ok, refused, type Result } from '../protocol/result.js'
import { activeContract, manifestOf, migrateMethod, readAlias, readCode } from './contracts.js'
import { checkApprover, readApproval } from './approvals.js'
import {
  belongsToAnother,
  checkDeployment,
  type Charge,
  type Deployment,
  type Payer,
} from './deployment.js'
import { creditMax, type CreditTerms } from './credit.js'
import { readEntity, readKey } from './entities.js'
import { checkVersions } from './fuel-versions.js'
import {
  isSameClaim,
  judgeEnrolment,
  needsTwo,
  type EnrolmentRequest,
  type KeyClaim,
} from './enrolments.js'
import type { Run } from './kernel.js'
import type { PlannedVersions } from './kernel-tables.js'
import {
  checkAdmit,
  checkIssue,
  checkRedeem,
  checkRemoveNode,
  checkRevokeTicket,
  checkRotateNode,
  type MembershipCommand,
} from './membership-commands.js'
import { checkChangeValidator, checkSetValidators } from './validator-commands.js'
import { readPatient } from './record-rows.js'
import { readHealth } from './rule-health.js'
import { orphanedTimer, problemOfTables, takenBy } from './deployment.js'

/** A command that was accepted and waits for the end of the block. */
export type KernelCommand =
  | { type: 'deploy'; deployment: Deployment }
  | { type: 'activate'; transactionId: Uint8Array; addresses: Uint8Array[] }
  | { type: 'addEntity'; entity: Uint8Array; kind: number; publicKey: Uint8Array }
  | ({ type: 'addKey' } & KeyClaim)
  | ({ type: 'requestEnrolment' } & EnrolmentRequest)
  | { type: 'revokeKey'; keyId: Uint8Array }
  | { type: 'liftQuarantine'; alias: string }
  | { type: 'erasePatient'; patient: Uint8Array }
  | MembershipCommand
  | { type: 'approve'; address: Uint8Array; approver: Uint8Array }
  | { type: 'withdrawApproval'; address: Uint8Array }
  | { type: 'grantCredit'; entity: Uint8Array; granted: CreditTerms & { priority: number } }
  | { type: 'setLanes'; table: LaneTable }
  | { type: 'setFuelSchedule'; planned: PlannedVersions }

/** A question like `checkActivation` leaves nothing to be applied. */
type Checked = Result<KernelCommand | 'only checked', ErrorCode>

export interface CommandGiver {
  /** Who signed this very call; undefined when a contract or a timer gives the command. */
  signer: Uint8Array | undefined
  payer: Payer
}

/** Aliases that one activation switches at most: a hospital's whole set of rules. */
const activationsMax = 64

/**
 * Decodes and validates u8 tag ‖ Borsh body against the state and the commands accepted before in this
 * block.
 */
export function checkCommand(run: Run, bytes: Uint8Array, giver: CommandGiver): Checked {
  const schema = bytes.length === 0 ? undefined : kernelCommandSchemas.get(bytes[0])
  if (schema === undefined) return refused('ARGUMENT_INVALID', 'unknown command')
  const decoded = decodeBorsh(schema, bytes.subarray(1))
  if (!decoded.ok) return refused('ARGUMENT_INVALID', decoded.detail)
  const body: unknown = decoded.value
  switch (bytes[0]) {
    case kernelCommandTag.deploy:
      return checkDeploy(run, body as { vendor: Uint8Array; manifest: Uint8Array; code: Uint8Array }, giver)
    case kernelCommandTag.approve:
      return checkApprove(run, (body as { address: Uint8Array }).address, giver)
    case kernelCommandTag.withdrawApproval:
      return checkWithdraw(run, (body as { address: Uint8Array }).address)
    case kernelCommandTag.activate:
      return checkActivate(run, (body as { addresses: Uint8Array[] }).addresses, giver.payer.charge)
    case kernelCommandTag.checkActivation: {
      return checkPlan(run, (body as { addresses: Uint8Array[] }).addresses)
    }
    case kernelCommandTag.addEntity:
      return checkAddEntity(run, body as KeyClaim, giver)
    case kernelCommandTag.addKey:
      return checkAddKey(run, body as { entity: Uint8Array; publicKey: Uint8Array }, giver)
    case kernelCommandTag.revokeKey:
      return checkRevokeKey(run, (body as { keyId: Uint8Array }).keyId)
    case kernelCommandTag.setValidators:
      return checkSetValidators(run, body as Parameters<typeof checkSetValidators>[1], giver.signer)
    case kernelCommandTag.liftQuarantine:
      return checkLift(run, (body as { alias: string }).alias)
    case kernelCommandTag.grantCredit:
      return checkCredit(run, body as CreditBody)
    case kernelCommandTag.setLanes:
      return checkLanes(body as LaneTable)
    case kernelCommandTag.setFuelSchedule: {
      const checked = checkVersions(run.kernel, body as PlannedVersions)
      return checked.ok ? ok({ type: 'setFuelSchedule', planned: checked.value }) : checked
    }
    case kernelCommandTag.erasePatient:
      return checkErase(run, (body as { patient: Uint8Array }).patient)
    default:
      return checkMembership(run, bytes[0], body, giver)
  }
}

/** Commands of membership-commands.ts. */
function checkMembership(run: Run, tag: number, body: unknown, { signer }: CommandGiver): Checked {
  type Card = NodeCardFields & { proof: Uint8Array }
  switch (tag) {
    case kernelCommandTag.admitNode:
      return checkAdmit(run, body as Card)
    case kernelCommandTag.removeNode:
      return checkRemoveNode(run, (body as { entity: Uint8Array }).entity)
    case kernelCommandTag.rotateNode:
      return checkRotateNode(run, body as Parameters<typeof checkRotateNode>[1])
    case kernelCommandTag.changeValidator:
      return checkChangeValidator(run, body as ValidatorChangeFields, signer)
    case kernelCommandTag.issueTicket:
      return checkIssue(run, body as Parameters<typeof checkIssue>[1])
    case kernelCommandTag.revokeTicket:
      return checkRevokeTicket(run, (body as { ticket: Uint8Array }).ticket)
    default:
      return checkRedeem(run, body as Card)
  }
}

/** Commands of this block that are accepted so far, those of the running transaction last. */
const pending = (run: Run): KernelCommand[] => [...run.kernel.commands, ...run.effects.commands]

interface Version {
  alias: string
  address: Uint8Array
  manifestHash: Uint8Array
  vendor: Uint8Array
}

/** A version that is deployed, or will be at the end of this block. */
function versionAt(run: Run, address: Uint8Array): Version | undefined {
  const row = readCode(run.kernel.overlay, address)
  if (row !== undefined) {
    return { alias: row.alias, address, manifestHash: row.manifest, vendor: row.vendor }
  }
  for (const command of pending(run)) {
    if (command.type !== 'deploy' || !equalBytes(command.deployment.address, address)) continue
    const { manifest, manifestHash, vendor } = command.deployment
    return { alias: manifest.alias, address, manifestHash, vendor }
  }
  return undefined
}

function checkDeploy(
  run: Run,
  body: { vendor: Uint8Array; manifest: Uint8Array; code: Uint8Array },
  { signer, payer }: CommandGiver,
): Checked {
  const { overlay } = run.kernel
  const entity = readEntity(overlay, body.vendor)
  if (entity === undefined) return refused('ENTITY_UNKNOWN', 'vendor')
  if (entity.kind !== entityKind.vendor) return refused('VENDOR_REQUIRED', 'not enrolled as a vendor')
  if (signer === undefined || !equalBytes(signer, body.vendor)) {
    return refused('VENDOR_REQUIRED', 'the vendor signs the deployment itself')
  }
  const checked = checkDeployment(run.kernel, body, payer)
  if (!checked.ok) return checked
  const deployment = checked.value
  if (versionAt(run, deployment.address) !== undefined) {
    return refused('ADDRESS_EXISTS', bytesToHex(deployment.address))
  }
  run.effects.deployed.push(...deployment.attachments)
  return ok({ type: 'deploy', deployment })
}

const nothingAt = (address: Uint8Array): string => `${bytesToHex(address)}: no version is deployed here`

function checkApprove(run: Run, address: Uint8Array, { signer }: CommandGiver): Checked {
  const version = versionAt(run, address)
  if (version === undefined) return refused('CONTRACT_UNKNOWN', nothingAt(address))
  const approver = checkApprover(run.kernel.overlay, version, signer)
  if (!approver.ok) return approver
  return ok({ type: 'approve', address, approver: approver.value })
}

/** From the block's end on the version cannot be switched to; where it is active it stays so. */
function checkWithdraw(run: Run, address: Uint8Array): Checked {
  if (!isApproved(run, address))
    return refused('NOT_APPROVED', `${bytesToHex(address)}: no approval is in force`)
  return ok({ type: 'withdrawApproval', address })
}

/** By the state and the commands accepted before in this block. */
function isApproved(run: Run, address: Uint8Array): boolean {
  let approved = readApproval(run.kernel.overlay, address) !== undefined
  for (const command of pending(run)) {
    if (command.type !== 'approve' && command.type !== 'withdrawApproval') continue
    if (equalBytes(command.address, address)) approved = command.type === 'approve'
  }
  return approved
}

/**
 * All aliases switch or none: every address is deployed and approved, no alias occurs twice or changes its
 * vendor, no layout goes back, and no pending timer loses its method.
 */
function checkActivate(run: Run, addresses: Uint8Array[], charge: Charge): Checked {
  if (addresses.length === 0 || addresses.length > activationsMax) {
    return refused('ARGUMENT_INVALID', `1 to ${activationsMax} addresses`)
  }
  const aliases = new Set<string>()
  for (const address of addresses) {
    const version = versionAt(run, address)
    if (version === undefined) return refused('CONTRACT_UNKNOWN', nothingAt(address))
    if (aliases.has(version.alias)) return refused('ARGUMENT_INVALID', `alias twice: ${version.alias}`)
    aliases.add(version.alias)
    if (isBeingActivated(run, version.alias)) return refused('ACTIVATION_PENDING', version.alias)
    if (!isApproved(run, address))
      return refused('NOT_APPROVED', `${version.alias} ${bytesToHex(address)}: no approval is in force`)
    if (belongsToAnother(run.kernel, version.alias, version.vendor)) {
      return refused('ALIAS_TAKEN', takenBy(version.alias))
    }
    const orphan = orphanedTimer(run.kernel, version)
    if (orphan !== undefined) return refused('TIMERS_PENDING', `${version.alias}.${orphan}`)
    const fuel = migrationFuel(run, version)
    if (fuel === 'LAYOUT_REFUSED')
      return refused('LAYOUT_REFUSED', `${version.alias}: its layout is older than the active one`)
    const tables = problemOfTables(run.kernel, manifestOf(run.kernel, version.manifestHash).manifest, true)
    if (tables !== undefined) return refused('TABLES_REFUSED', `${version.alias}: ${tables.detail}`)
    // Paid now by the commanding transaction; the migration runs at the end of the block.
    charge(fuel)
  }
  return ok({ type: 'activate', transactionId: run.id, addresses })
}

/** Fuel that the planned activation needs for itself, beside the migrations. */
const planOverhead = 20_000_000

/** As `checkActivate`, for later: the migrations must fit into the timer that will carry it out. */
function checkPlan(run: Run, addresses: Uint8Array[]): Checked {
  let migrations = 0
  const checked = checkActivate(run, addresses, (fuel) => {
    migrations += fuel
  })
  if (!checked.ok) return checked
  const timers = activeContract(run.kernel, 'ward/governance')?.manifest.methods ?? []
  const bound = Math.max(0, ...timers.filter(({ kind }) => kind === 'timer').map(({ fuel }) => fuel))
  const most = bound - planOverhead
  if (migrations === 0 || migrations <= most) return ok('only checked')
  return refused('MIGRATION_TOO_LONG', `${migrations} of at most ${most} fuel`)
}

/** By a command accepted before in this block: ownership, timers and layout are those of its parent. */
function isBeingActivated(run: Run, alias: string): boolean {
  return pending(run).some(
    (command) =>
      command.type === 'activate' &&
      command.addresses.some((address) => versionAt(run, address)?.alias === alias),
  )
}

/** Fuel bound of the migration that a switch needs, 0 for none. */
function migrationFuel(run: Run, version: Version): number | 'LAYOUT_REFUSED' {
  const current = readAlias(run.kernel.overlay, version.alias)
  if (current === undefined) return 0
  const manifest = manifestOf(run.kernel, version.manifestHash).manifest
  const active = current.history[current.history.length - 1].migrateVersion
  if (manifest.migrateVersion < active) return 'LAYOUT_REFUSED'
  if (manifest.migrateVersion === active) return 0
  return manifest.methods.find((method) => method.name === migrateMethod)?.fuel ?? 0
}

function checkAddEntity(run: Run, body: KeyClaim, giver: CommandGiver): Checked {
  const { kernel } = run
  const kinds: readonly number[] = Object.values(entityKind)
  if (!kinds.includes(body.kind) || body.kind === entityKind.contract)
    return refused('ARGUMENT_INVALID', 'kind')
  if (!equalBytes(entityIdOf(kernel.hash, body.publicKey), body.entity)) {
    return refused('ARGUMENT_INVALID', 'the entity id does not follow from the key')
  }
  if (readEntity(kernel.overlay, body.entity) !== undefined) return refused('ENTITY_EXISTS')
  if (isKeyTaken(run, body.publicKey)) return refused('ENTITY_EXISTS', 'key')
  return byTwo(run, { type: 'addEntity', ...body }, giver)
}

function checkAddKey(
  run: Run,
  body: { entity: Uint8Array; publicKey: Uint8Array },
  giver: CommandGiver,
): Checked {
  let kind = readEntity(run.kernel.overlay, body.entity)?.kind
  for (const command of pending(run)) {
    if (command.type === 'addEntity' && equalBytes(command.entity, body.entity)) kind = command.kind
  }
  if (kind === undefined) return refused('ENTITY_UNKNOWN')
  // Whoever holds such a key votes, and contradicts itself, in a node's name. A node's vote key changes with
  // its place among the validators, which asks the new key for its signature.
  if (kind === entityKind.node) return refused('NODE_REFUSED', 'a node has no key beside its vote key')
  if (kind === entityKind.contract) return refused('ARGUMENT_INVALID', 'a contract signs nothing')
  if (isKeyTaken(run, body.publicKey)) return refused('ENTITY_EXISTS', 'key')
  return byTwo(run, { type: 'addKey', ...body, kind }, giver)
}

/** The command itself when its second person has signed, the request for one at the first. */
function byTwo(
  run: Run,
  command: KeyClaim & { type: 'addEntity' | 'addKey' },
  { signer }: CommandGiver,
): Checked {
  if (!needsTwo(command.kind)) return ok(command)
  const { time, overlay } = run.kernel
  const requested = pending(run)
    .filter((other) => other.type === 'requestEnrolment')
    .find((other) => isSameClaim(other, command))
  const judged = judgeEnrolment(overlay, command, { signer, time, requested })
  if (!judged.ok) return judged
  if (judged.value === 'second') return ok(command)
  const { entity, kind, publicKey } = command
  return ok({ type: 'requestEnrolment', entity, kind, publicKey, by: signer ?? kernelEntity, at: time })
}

function isKeyTaken(run: Run, publicKey: Uint8Array): boolean {
  if (readKey(run.kernel.overlay, keyIdOf(run.kernel.hash, publicKey)) !== undefined) return true
  return pending(run).some(
    (command) =>
      ((command.type === 'addEntity' || command.type === 'addKey') &&
        equalBytes(command.publicKey, publicKey)) ||
      (command.type === 'admitNode' && equalBytes(command.card.voteKey, publicKey)),
  )
}

function checkRevokeKey(run: Run, keyId: Uint8Array): Checked {
  if (readKey(run.kernel.overlay, keyId) === undefined) return refused('KEY_UNKNOWN')
  return ok({ type: 'revokeKey', keyId })
}

function checkLift(run: Run, alias: string): Checked {
  const health = readHealth(run.kernel.overlay, alias)
  if (health === undefined || health.quarantinedAt === 0n)
    return refused('ARGUMENT_INVALID', 'not quarantined')
  return ok({ type: 'liftQuarantine', alias })
}

function checkErase(run: Run, patient: Uint8Array): Checked {
  if (readPatient(run.kernel.overlay, patient) === undefined) return refused('PATIENT_UNKNOWN')
  return ok({ type: 'erasePatient', patient })
}

interface CreditBody {
  entity: Uint8Array
  burst: bigint
  perSecond: bigint
  priority: number
}

/** An entity that exists, or is enrolled in this block; numbers within what credit arithmetic allows. */
function checkCredit(run: Run, body: CreditBody): Checked {
  const isNew = pending(run).some(
    (command) => command.type === 'addEntity' && equalBytes(command.entity, body.entity),
  )
  if (!isNew && readEntity(run.kernel.overlay, body.entity) === undefined) return refused('ENTITY_UNKNOWN')
  if (body.burst > BigInt(creditMax) || body.perSecond > BigInt(creditMax)) {
    return refused('ARGUMENT_INVALID', `credit of at most ${creditMax}`)
  }
  if (body.priority > priority.urgent) return refused('ARGUMENT_INVALID', 'priority 0, 1 or 2')
  const [burst, perSecond] = [Number(body.burst), Number(body.perSecond)]
  const granted = { burst, perSecond, priority: body.priority }
  return ok({ type: 'grantCredit', entity: body.entity, granted })
}

/** Rows within their bounds; that the table is wise is governance's to judge. */
function checkLanes(table: LaneTable): Checked {
  const { records, calls } = table
  if (records.length > laneRulesMax || calls.length > laneRulesMax) {
    return refused('ARGUMENT_INVALID', `at most ${laneRulesMax} rows`)
  }
  for (const row of [...records, ...calls]) {
    if (row.lane >= laneCount || row.priority > priority.urgent) {
      return refused('ARGUMENT_INVALID', 'no such lane or priority')
    }
  }
  const isLong =
    records.some(({ code }) => code.length > recordCodeLengthMax) ||
    calls.some(({ target, method }) => target.length > aliasLengthMax || method.length > methodLengthMax)
  if (isLong) return refused('ARGUMENT_INVALID', 'a name is too long')
  return ok({ type: 'setLanes', table })
}
