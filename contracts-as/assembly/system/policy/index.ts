// `ward/policy`: roles and grants, and the kernel's questions about them. Static: it calls nothing, reads
// only its own store and sees no clock. Every answer names the grant that allows, or what is missing.
import {
  aliasEntity,
  ALREADY_DONE,
  answer,
  ARGUMENT_INVALID,
  bytesEqual,
  CALL_NOT_GRANTED,
  Context,
  emitEvent,
  GRANT_UNKNOWN,
  input,
  isZero,
  LAST_ADMIN,
  Reader,
  refuse,
  sha256,
  slice,
  Trigger,
  utf8,
  Writer,
  Bytes,
} from '../../sdk'
import {
  Action,
  add,
  Best,
  consider,
  entityKey,
  find,
  Grant,
  ofGrantee,
  Question,
  remove,
  roleKey,
} from './grants'
import { addBuiltInGrants, adminCount, assign, hasRole, removeRoleOf, rolesOf } from './roles'
import {
  grantCounts,
  grantRequest,
  isSecondWord,
  noteFounder,
  notePerson,
  requirePerson,
  roleCounts,
  roleRequest,
  withdrawRequest,
} from './two-admins'
import { missingAppend, missingCall, missingRead } from './words'

const noName: Bytes = new StaticArray<u8>(0)

/** Kernel, height 0: {roles: [{entity, role}], grants: [Grant]}; the built-in roles' grants come first. */
export function genesis(): void {
  if (new Context().trigger != Trigger.Genesis) refuse(CALL_NOT_GRANTED, 'only at the founding')
  const reader = input()
  addBuiltInGrants()
  const roleCount = reader.count(10000)
  for (let index = 0; index < roleCount; index++) {
    const entity = reader.fixed(32)
    const role = roleName(reader)
    assign(entity, role)
    noteFounder(entity, role)
  }
  const grantCount = reader.count(10000)
  for (let index = 0; index < grantCount; index++) {
    const grant = Grant.read(reader)
    if (isZero(grant.id)) grant.id = idOf(grant, noName)
    add(grant)
  }
  reader.end()
}

/** {author, patient, kind, code} -> policy answer. */
export function mayAppend(): void {
  const reader = input()
  const author = reader.fixed(32)
  const patient = reader.fixed(16)
  const kind = reader.u8()
  const code = reader.bytesValue(64)
  const best = decide(author, new Question(Action.Append, kind, noName, code, patient))
  reply(best, best.found ? '' : missingAppend(kind, textOf(code)))
}

/** {reader, patient, kind} -> policy answer. */
export function mayRead(): void {
  const question = input()
  const reader = question.fixed(32)
  const patient = question.fixed(16)
  const kind = question.u8()
  const best = decide(reader, new Question(Action.Read, kind, noName, noName, patient))
  reply(best, best.found ? '' : missingRead(kind))
}

/** {caller, target, method} -> policy answer. */
export function mayCall(): void {
  const reader = input()
  const caller = reader.fixed(32)
  const target = reader.bytesValue(64)
  const method = reader.bytesValue(64)
  const best = decide(caller, new Question(Action.Call, 0, target, method, null))
  reply(best, best.found ? '' : missingCall(textOf(target), textOf(method)))
}

/**
 * {entity, role} -> {assigned}. Administrators only. A role that counts in decisions of two takes two
 * of them: false when this was the first one's word.
 */
export function assignRole(): void {
  const holder = new Holder()
  const entity = holder.entity
  const role = holder.role
  if (!roleCounts(role)) requireAdmin()
  else {
    if (hasRole(entity, role)) refuse(ALREADY_DONE, 'this entity has the role already')
    const context = new Context()
    const own = role == 'admin' && bytesEqual(context.caller, entity)
    if (!isSecondWord(context, roleRequest(entity, role), own)) {
      emitEvent('role-requested', new Writer().fixed(entity).text(role))
      return answer(new Writer().bool(false))
    }
    requirePerson(entity)
  }
  if (!assign(entity, role)) refuse(ALREADY_DONE, 'this entity has the role already')
  emitEvent('role-assigned', new Writer().fixed(entity).text(role))
  answer(new Writer().bool(true))
}

/**
 * {entity, role}. Administrators only, one is enough; the last administrator stays. A role that was only
 * asked for is asked for no more.
 */
export function removeRole(): void {
  const context = requireAdmin()
  const holder = new Holder()
  const entity = holder.entity
  const role = holder.role
  if (role == 'admin' && adminCount() == 1 && hasRole(entity, 'admin')) {
    refuse(LAST_ADMIN, 'the last administrator cannot be removed')
  }
  if (removeRoleOf(entity, role, context.time)) {
    emitEvent('role-removed', new Writer().fixed(entity).text(role))
  } else if (withdrawRequest(roleRequest(entity, role))) {
    emitEvent('role-request-withdrawn', new Writer().fixed(entity).text(role))
  } else refuse(ALREADY_DONE, 'this entity does not have the role')
}

/**
 * {entity}. `ward/governance` only, in the transaction that lists a node: it may report what nodes report. A
 * node that has the role keeps it.
 */
export function nodeAdmitted(): void {
  const entity = fromGovernance()
  if (assign(entity, 'node')) emitEvent('role-assigned', new Writer().fixed(entity).text('node'))
}

/** {entity}. `ward/governance` only, in the transaction by which a second administrator enrolls a person. */
export function personEnrolled(): void {
  notePerson(fromGovernance())
}

/** The entity of whom `ward/governance`, and nobody else, speaks. */
function fromGovernance(): Bytes {
  if (!bytesEqual(new Context().caller, aliasEntity('ward/governance')))
    refuse(CALL_NOT_GRANTED, 'only ward/governance')
  const reader = input()
  const entity = reader.fixed(32)
  reader.end()
  return entity
}

/**
 * Grant -> {id 16}. A zero id is replaced by one drawn from the transaction. Administrators only. A
 * permission that counts in decisions of two takes two of them: the first one is answered with a zero id.
 */
export function grant(): void {
  const context = requireAdmin()
  const reader = input()
  const wanted = Grant.read(reader)
  reader.end()
  const request = grantRequest(wanted)
  if (isZero(wanted.id)) wanted.id = idOf(wanted, context.transaction)
  if (grantCounts(wanted)) {
    wanted.check()
    if (!isSecondWord(context, request, false)) {
      emitEvent('grant-requested', new Writer().fixed(request))
      return answer(new Writer().fixed(new StaticArray<u8>(16)))
    }
    if (wanted.role.length == 0) requirePerson(wanted.entity)
  }
  add(wanted)
  emitEvent('granted', new Writer().fixed(wanted.id))
  answer(new Writer().fixed(wanted.id))
}

/** Grant, as it was asked for: it is asked for no more. Administrators only, one is enough. */
export function withdrawGrant(): void {
  requireAdmin()
  const reader = input()
  const request = grantRequest(Grant.read(reader))
  reader.end()
  if (!withdrawRequest(request)) refuse(GRANT_UNKNOWN, 'nobody asked for this grant')
  emitEvent('grant-request-withdrawn', new Writer().fixed(request))
}

/** {id 16}. Administrators only. */
export function revoke(): void {
  requireAdmin()
  const reader = input()
  const id = reader.fixed(16)
  reader.end()
  const found = find(id)
  if (found === null) refuse(GRANT_UNKNOWN, 'no grant has this id')
  remove(found!)
  emitEvent('revoked', new Writer().fixed(id))
}

/** {role, entity} -> [Grant]: what a role (entity zero) or an entity (role empty) holds itself. */
export function grantsOf(): void {
  const reader = input()
  const role = reader.bytesValue(32)
  const entity = reader.fixed(32)
  const list = ofGrantee(role.length > 0 ? roleKey(role) : entityKey(entity))
  const writer = new Writer().u32(list.length)
  for (let index = 0; index < list.length; index++) list[index].write(writer)
  answer(writer)
}

/** {entity} -> [role]. */
export function rolesOfEntity(): void {
  const list = rolesOf(input().fixed(32))
  const writer = new Writer().u32(list.length)
  for (let index = 0; index < list.length; index++) writer.bytesValue(list[index])
  answer(writer)
}

/** What the entity holds itself counts first, then what its roles hold. */
function decide(entity: Bytes, question: Question): Best {
  const best = new Best()
  consider(best, entityKey(entity), question)
  if (best.isFinal) return best
  const roles = rolesOf(entity)
  for (let index = 0; index < roles.length && !best.isFinal; index++) {
    consider(best, roleKey(roles[index]), question)
  }
  return best
}

function reply(best: Best, missing: string): void {
  answer(new Writer().bool(best.found).fixed(best.grant).u64(best.validUntil).text(missing))
}

function requireAdmin(): Context {
  const context = new Context()
  if (!hasRole(context.caller, 'admin')) refuse(CALL_NOT_GRANTED, 'ask for role admin')
  return context
}

/** An entity and a role, the whole argument. */
class Holder {
  entity: Bytes
  role: string
  constructor() {
    const reader = input()
    this.entity = reader.fixed(32)
    this.role = roleName(reader)
    reader.end()
  }
}

function roleName(reader: Reader): string {
  const role = reader.text(32)
  if (role.length == 0) refuse(ARGUMENT_INVALID, 'a role needs a name')
  for (let index = 0; index < role.length; index++) {
    const unit = role.charCodeAt(index)
    const isLetter = unit >= 0x61 && unit <= 0x7a
    if (!isLetter && unit != 0x2d) refuse(ARGUMENT_INVALID, 'role names are lower case letters and hyphens')
  }
  return role
}

/** First 16 bytes of SHA-256("wardchain/grant/1" ‖ transaction ‖ grant with a zero id). */
function idOf(grant: Grant, transaction: Bytes): Bytes {
  const content = grant.write(new Writer().fixed(utf8('wardchain/grant/1')).fixed(transaction)).finish()
  return slice(sha256(content), 0, 16)
}

function textOf(bytes: Bytes): string {
  return String.UTF8.decodeUnsafe(changetype<usize>(bytes), bytes.length)
}
