// Two administrators for whoever may be one of two. Decisions of two (keys of people, approvals, wipes) would
// be decisions of one if one administrator alone could make the other: giving role admin, or any role or
// permission that counts in them, is noted for the first and carried out for the second one.
//
// The role goes to persons alone: those of the founding document, and whoever `ward/governance` enrolled by
// two. While there is one administrator only, the second word is that of the person who is to be another; not
// within seven days of the removal of an administrator, or one of two could make itself the only one and then
// choose the other.
import {
  Bytes,
  bytesEqual,
  CALL_NOT_GRANTED,
  Context,
  OWN_WORD_TOO_EARLY,
  PERSON_REQUIRED,
  Reader,
  refuse,
  SECOND_ADMIN_REQUIRED,
  sha256,
  Table,
  utf8,
  Writer,
} from '../../sdk'
import { callsOf, Action, Grant, roleKey } from './grants'
import { adminCount, adminRemovedAt, hasRole } from './roles'

const SCHEMA: u16 = 1
/** Seven days, as long as the kernel keeps a request for a person's key. */
const REQUEST_MS: u64 = 604_800_000

/** Hash of what was asked for -> u16 schema | administrator 32 | block time u64. */
const asked = new Table(6)
/** Entity -> u16 schema. */
const persons = new Table(7)

export function notePerson(entity: Bytes): void {
  if (!persons.has(entity)) persons.set(entity, new Writer().u16(SCHEMA))
}

/** At the founding, where a role says what somebody is. */
export function noteFounder(entity: Bytes, role: string): void {
  if (role != 'node' && role != 'source' && role != 'vendor') notePerson(entity)
}

/** Whoever has this role counts as one of two somewhere. */
export function roleCounts(role: string): bool {
  if (role == 'admin') return true
  const held = callsOf(roleKey(utf8(role)))
  for (let index = 0; index < held.length; index++) {
    if (grantCounts(held[index])) return true
  }
  return false
}

/** A permission to call a method for which two are counted; no names means every method. */
export function grantCounts(grant: Grant): bool {
  if (grant.action != Action.Call) return false
  const isGovernance = grant.target == 'ward/governance'
  if (!isGovernance && grant.target != 'ward/appliance') return false
  if (grant.names.length == 0) return true
  for (let index = 0; index < grant.names.length; index++) {
    const name = grant.names[index]
    if (isGovernance ? takesTwoPersons(name) : name == 'orderWipe' || name == 'confirmWipe') return true
  }
  return false
}

/** Methods of `ward/governance`. */
function takesTwoPersons(method: string): bool {
  if (method == 'setValidators' || method == 'changeValidator') return true
  return method == 'approve' || method == 'enrol' || method == 'enrolPerson' || method == 'addKey'
}

export function roleRequest(entity: Bytes, role: string): Bytes {
  return sha256(new Writer().u8(1).fixed(entity).text(role).finish())
}

export function grantRequest(grant: Grant): Bytes {
  return sha256(grant.write(new Writer().u8(2)).finish())
}

/**
 * True when this is the second word; the first one is noted. `own`: the person itself speaks, which counts as
 * the second word to the only administrator, and never as the first, nor soon after another was removed.
 */
export function isSecondWord(context: Context, request: Bytes, own: bool): bool {
  const caller = context.caller
  const isAdmin = hasRole(caller, 'admin')
  const first = firstOf(context, request)
  // The one who signed speaks: two persons, not one who calls twice through a contract.
  const mayAgree = isAdmin || (own && first !== null && adminCount() == 1)
  if (!mayAgree || !bytesEqual(caller, context.origin)) refuse(CALL_NOT_GRANTED, 'ask for role admin')
  if (!isAdmin && wasRemovedLately(context)) refuse(OWN_WORD_TOO_EARLY, 'an administrator was removed')
  if (first === null) {
    asked.set(request, new Writer().u16(SCHEMA).fixed(caller).u64(context.time))
    return false
  }
  if (bytesEqual(first, caller)) refuse(SECOND_ADMIN_REQUIRED, 'asked before')
  asked.remove(request)
  return true
}

function wasRemovedLately(context: Context): bool {
  const at = adminRemovedAt()
  return at != 0 && context.time <= at + REQUEST_MS
}

/** Who asked for it, if that still counts: not too long ago, and by somebody who still is an administrator. */
function firstOf(context: Context, request: Bytes): Bytes | null {
  const row = asked.get(request)
  if (row === null) return null
  const reader = new Reader(row)
  reader.u16()
  const by = reader.fixed(32)
  const at = reader.u64()
  return context.time <= at + REQUEST_MS && hasRole(by, 'admin') ? by : null
}

/** False when nobody asked for it. */
export function withdrawRequest(request: Bytes): bool {
  if (!asked.has(request)) return false
  asked.remove(request)
  return true
}

export function requirePerson(entity: Bytes): void {
  if (persons.has(entity)) return
  refuse(PERSON_REQUIRED, 'a person')
}
