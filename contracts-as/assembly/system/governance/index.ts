// `ward/governance`: the only contract that commands the kernel. Each method asks `ward/policy`, then hands
// over one command (u8 tag ‖ Borsh body), which the kernel checks at once and applies at the block
// boundary.
import {
  answer,
  ARGUMENT_INVALID,
  Bytes,
  bytesEqual,
  call,
  CALL_NOT_GRANTED,
  Context,
  emitEvent,
  entityOf,
  input,
  Reader,
  refuse,
  requireGrant,
  Writer,
} from '../../sdk'
import { kernel_command } from '../../sdk/env'
import {
  addPerson,
  askFor,
  keystoreRow,
  listPeople,
  readKeystore,
  readPerson,
  replaceKeystore,
} from './people'
import { cancelSchedule, listSchedules, schedule, takeSchedule } from './schedules'

const ALIAS = 'ward/governance'
const ADDRESSES_MAX: i32 = 64
/** The kernel's numbers of kinds that sign in with a password. */
const PERSON: u8 = 1
const VENDOR: u8 = 5

namespace Command {
  export const Deploy: u8 = 1
  export const Activate: u8 = 2
  export const AddEntity: u8 = 3
  export const AddKey: u8 = 4
  export const RevokeKey: u8 = 5
  export const SetValidators: u8 = 6
  export const LiftQuarantine: u8 = 7
  export const ErasePatient: u8 = 8
  export const AdmitNode: u8 = 50
  export const RemoveNode: u8 = 51
  export const RotateNode: u8 = 52
  export const ChangeValidator: u8 = 53
  export const IssueTicket: u8 = 54
  export const RevokeTicket: u8 = 55
  export const RedeemTicket: u8 = 56
  export const Approve: u8 = 9
  export const WithdrawApproval: u8 = 10
  export const CheckActivation: u8 = 11
  export const GrantCredit: u8 = 20
  export const SetLanes: u8 = 21
  export const SetFuelSchedule: u8 = 22
}

/**
 * {manifest, code}: hashes of two attachments of the same transaction. The caller becomes the version's
 * vendor.
 */
export function deploy(): void {
  const context = allowed('deploy')
  const reader = input()
  const manifest = reader.fixed(32)
  const code = reader.fixed(32)
  reader.end()
  issue(new Writer().u8(Command.Deploy).fixed(context.caller).fixed(manifest).fixed(code))
  emitEvent('deployed', new Writer().fixed(manifest).fixed(code))
}

/**
 * {address}: the hospital's word for a version that its vendor signed by deploying it. The kernel sees to
 * it that these are two.
 */
export function approve(): void {
  allowed('approve')
  const address = onlyFixed(32)
  issue(new Writer().u8(Command.Approve).fixed(address))
  emitEvent('approved', new Writer().fixed(address))
}

/** {address}: nothing switches to this version any more; where it is active it stays so. */
export function withdrawApproval(): void {
  allowed('withdrawApproval')
  const address = onlyFixed(32)
  issue(new Writer().u8(Command.WithdrawApproval).fixed(address))
  emitEvent('approval-withdrawn', new Writer().fixed(address))
}

/**
 * {addresses, at} -> {schedule}: several aliases switch together or none, at the end of this block, or of
 * the first block at or after block time `at` (ms). What could not be switched now is not scheduled either.
 */
export function activate(): void {
  const context = allowed('activate')
  const reader = input()
  const count = reader.count(ADDRESSES_MAX)
  const addresses: Bytes[] = []
  for (let index = 0; index < count; index++) addresses.push(reader.fixed(32))
  const at = reader.u64()
  reader.end()
  if (at <= context.time) {
    issue(addressList(new Writer().u8(Command.Activate), addresses))
    emitEvent('activated', addressList(new Writer(), addresses))
    return answer(new Writer().option(null))
  }
  issue(addressList(new Writer().u8(Command.CheckActivation), addresses))
  const id = schedule(context, at, addresses)
  emitEvent('activation-scheduled', new Writer().fixed(id).u64(at))
  answer(new Writer().option(id))
}

/** Timer {at, schedule}: switches what was scheduled; a refusal leaves the schedule to be seen and cancelled. */
export function activateScheduled(): void {
  const reader = input()
  const at = reader.u64()
  const addresses = takeSchedule(at, reader.fixed(32))
  issue(addressList(new Writer().u8(Command.Activate), addresses))
  emitEvent('activated', addressList(new Writer(), addresses))
}

/** {schedule}: it will not happen, or is forgotten when it failed. */
export function cancelActivation(): void {
  allowed('activate')
  const id = onlyFixed(32)
  cancelSchedule(id)
  emitEvent('activation-cancelled', new Writer().fixed(id))
}

/** -> {schedules: [{schedule, at, by, addresses}]}, the earliest first. */
export function scheduled(): void {
  answer(listSchedules())
}

function addressList(writer: Writer, addresses: Bytes[]): Writer {
  writer.u32(addresses.length)
  for (let index = 0; index < addresses.length; index++) writer.fixed(addresses[index])
  return writer
}

/** The whole argument is one field of this length. */
function onlyFixed(count: i32): Bytes {
  const reader = input()
  const value = reader.fixed(count)
  reader.end()
  return value
}

/**
 * {kind, publicKey} -> {entity}: a new identity, named by its first key. A person's or vendor's key is
 * enrolled when a second administrator says the same; the kernel counts.
 */
export function enrol(): void {
  allowed('enrol')
  const reader = input()
  const kind = reader.u8()
  const publicKey = reader.fixed(32)
  reader.end()
  const entity = entityOf(publicKey)
  const waits = issue(new Writer().u8(Command.AddEntity).fixed(entity).u8(kind).fixed(publicKey))
  if (!waits && kind == PERSON) tellPolicy('personEnrolled', entity)
  emitEvent(waits ? 'enrolment-requested' : 'enrolled', new Writer().fixed(entity).u8(kind))
  answer(new Writer().fixed(entity))
}

/**
 * {kind, publicKey, label, keystore} -> {entity, enrolled}: a person or vendor who can sign in at every node
 * as soon as two administrators have said the same.
 */
export function enrolPerson(): void {
  const context = allowed('enrolPerson')
  const reader = input()
  const kind = reader.u8()
  const person = readPerson(reader)
  reader.end()
  if (kind != PERSON && kind != VENDOR) refuse(ARGUMENT_INVALID, 'kind: 1 person or 5 vendor')
  const entity = entityOf(person.publicKey)
  const waits = issue(new Writer().u8(Command.AddEntity).fixed(entity).u8(kind).fixed(person.publicKey))
  if (waits) askFor(entity, person)
  else addPerson(entity, person, context.height)
  if (!waits && kind == PERSON) tellPolicy('personEnrolled', entity)
  emitEvent(waits ? 'enrolment-requested' : 'enrolled', new Writer().fixed(entity).u8(kind))
  answer(new Writer().fixed(entity).bool(!waits))
}

/** {keystore}: the caller's own key under another password. Nobody sets it for somebody else. */
export function setKeystore(): void {
  const context = new Context()
  const reader = input()
  const keystore = readKeystore(reader)
  reader.end()
  // A contract in between could wrap another key.
  if (!bytesEqual(context.caller, context.origin)) refuse(CALL_NOT_GRANTED, 'the person itself')
  replaceKeystore(context.caller, keystore)
  emitEvent('keystore-set', new Writer().fixed(context.caller))
}

/** {entity} -> {keystore: option}: for the nodes, which ask without a contract in between. */
export function keystoreOf(): void {
  if (new Context().depth != 0) refuse(CALL_NOT_GRANTED, 'no contract reads wrapped keys')
  const reader = input()
  const entity = reader.fixed(32)
  reader.end()
  const keystore = keystoreRow(entity)
  const writer = new Writer()
  if (keystore === null) return answer(writer.u8(0))
  answer(writer.u8(1).bytesValue(keystore))
}

/** {after} -> [{number, entity, publicKey, label}]: who was enrolled later than that, at most 100. */
export function people(): void {
  const reader = input()
  const after = reader.u64()
  reader.end()
  answer(listPeople(after))
}

/** {entity, publicKey}: a further key of an identity. For a person or vendor two administrators say it. */
export function addKey(): void {
  allowed('addKey')
  const reader = input()
  const entity = reader.fixed(32)
  const publicKey = reader.fixed(32)
  reader.end()
  const waits = issue(new Writer().u8(Command.AddKey).fixed(entity).fixed(publicKey))
  emitEvent(waits ? 'key-requested' : 'key-added', new Writer().fixed(entity))
}

/** {keyId}. */
export function revokeKey(): void {
  allowed('revokeKey')
  const reader = input()
  const keyId = reader.fixed(16)
  reader.end()
  issue(new Writer().u8(Command.RevokeKey).fixed(keyId))
  emitEvent('key-revoked', new Writer().fixed(keyId))
}

/**
 * {validators: [{entity, voteKey}], signatures: [{key, signature}]} -> {set}: the whole set at once, with the
 * signatures of institution keys where the chain has such keys, else when a second administrator says the
 * same.
 */
export function setValidators(): void {
  allowed('setValidators')
  passWord(Command.SetValidators, 'validators-set')
}

/**
 * -> {set}. One validator comes, goes, gets another key or makes way; it votes from the block after the next
 * on. A key that the chain does not know for the node needs the consent of the one that it knows, or a second
 * administrator who says the same.
 */
export function changeValidator(): void {
  allowed('changeValidator')
  passWord(Command.ChangeValidator, 'validator-changed')
}

/** Answers false, with another topic, when the kernel only noted a first word. */
function passWord(tag: u8, topic: string): void {
  const body = input().rest()
  const waits = issue(new Writer().u8(tag).fixed(body))
  emitEvent(waits ? 'validators-requested' : topic, new Writer().fixed(body))
  answer(new Writer().bool(!waits))
}

/** A node's signed card: from the block's end on the network talks to it. */
export function admitNode(): void {
  allowed('admitNode')
  admit(Command.AdmitNode)
}

/** {entity}: nobody talks to this node any more. */
export function removeNode(): void {
  allowed('removeNode')
  pass(Command.RemoveNode, 'node-removed')
}

/** {entity, transportKey, host, port}. */
export function rotateNode(): void {
  allowed('rotateNode')
  pass(Command.RotateNode, 'node-rotated')
}

/** {publicKey, role, uses, expires, replaces}: whoever holds this key may have nodes admitted. */
export function issueTicket(): void {
  allowed('issueTicket')
  pass(Command.IssueTicket, 'ticket-issued')
}

/** {ticket}: it admits nobody any more. */
export function revokeTicket(): void {
  allowed('revokeTicket')
  pass(Command.RevokeTicket, 'ticket-revoked')
}

/** A node's signed card. No grant is asked: the signer is the ticket, and the kernel knows what it is good for. */
export function redeemTicket(): void {
  admit(Command.RedeemTicket)
}

const NAME_BYTES_MAX: i32 = 64

/** The kernel lists the node, and it gets role `node`: what it reports of itself and its peers is taken. */
function admit(tag: u8): void {
  const card = new Reader(pass(tag, 'node-admitted'))
  card.bytesValue(NAME_BYTES_MAX)
  card.u8()
  tellPolicy('nodeAdmitted', entityOf(card.fixed(32)))
}

function tellPolicy(what: string, entity: Bytes): void {
  call('ward/policy', what, new Writer().fixed(entity))
}

/** The argument is the command's body: its layout is the kernel's own, which decodes it strictly. */
function pass(tag: u8, topic: string): Bytes {
  const body = input().rest()
  issue(new Writer().u8(tag).fixed(body))
  emitEvent(topic, new Writer().fixed(body))
  return body
}

function allowed(method: string): Context {
  const context = new Context()
  requireGrant(context, ALIAS, method)
  return context
}

/** {alias}: a rule that failed for several patients runs again. */
export function liftQuarantine(): void {
  allowed('liftQuarantine')
  const reader = input()
  const alias = reader.text(64)
  reader.end()
  issue(new Writer().u8(Command.LiftQuarantine).text(alias))
  emitEvent('quarantine-lifted', new Writer().text(alias))
}

/** {patient}: from the block's end on, nothing of this patient can be read anywhere. */
export function erasePatient(): void {
  allowed('erasePatient')
  const reader = input()
  const patient = reader.fixed(16)
  reader.end()
  issue(new Writer().u8(Command.ErasePatient).fixed(patient))
  emitEvent('patient-erased', new Writer().fixed(patient))
}

/**
 * {entity, burst, perSecond, priority}: the sender's allowance of fuel from the block's end on, full at
 * once; priority 0 restricted (no emergencies), 1 standard, 2 urgent.
 */
export function grantCredit(): void {
  allowed('grantCredit')
  const reader = input()
  const entity = reader.fixed(32)
  const burst = reader.u64()
  const perSecond = reader.u64()
  const priority = reader.u8()
  reader.end()
  issue(new Writer().u8(Command.GrantCredit).fixed(entity).u64(burst).u64(perSecond).u8(priority))
  emitEvent('credit-granted', new Writer().fixed(entity).u64(burst).u64(perSecond).u8(priority))
}

/** {records, calls}: the whole new table of lanes; the first row that fits a transaction decides. */
export function setLanes(): void {
  allowed('setLanes')
  const reader = input()
  const table = reader.fixed(reader.remaining)
  issue(new Writer().u8(Command.SetLanes).fixed(table))
  emitEvent('lanes-set', new Writer().u32(<u32>table.length))
}

/** {fuelSchedule, instrumenter, height}: prices and metering of the block of this height and all after it. */
export function setFuelSchedule(): void {
  allowed('setFuelSchedule')
  pass(Command.SetFuelSchedule, 'fuel-schedule-set')
}

/** The kernel's refusal becomes ours, with the same number. True: noted, a second person has to say the same. */
function issue(command: Writer): bool {
  const bytes = command.finish()
  const status = kernel_command(changetype<usize>(bytes), bytes.length)
  if (status < 0) refuse(-status, 'the kernel refused the command')
  return status > 0
}
