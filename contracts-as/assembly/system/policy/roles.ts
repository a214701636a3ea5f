// Who holds which role, and what the built-in roles may do.
import {
  bytesEqual,
  LIMIT_EXCEEDED,
  Reader,
  refuse,
  sha256,
  slice,
  Table,
  utf8,
  Writer,
  Bytes,
} from '../../sdk'
import { Action, add, Grant } from './grants'

const SCHEMA: u16 = 1
const ROLES_PER_ENTITY_MAX: i32 = 8
const ROLE_BYTES_MAX: i32 = 32

const roles = new Table(1)
const counters = new Table(4)
const adminCountKey: Bytes = utf8('admins')
const adminRemovedKey: Bytes = utf8('admin-removed')

/** Roles of an entity as UTF-8 names. */
export function rolesOf(entity: Bytes): Bytes[] {
  const list: Bytes[] = []
  const stored = roles.get(entity)
  if (stored === null) return list
  const reader = new Reader(stored)
  reader.u16()
  const count = reader.count(ROLES_PER_ENTITY_MAX)
  for (let index = 0; index < count; index++) list.push(reader.bytesValue(ROLE_BYTES_MAX))
  return list
}

export function hasRole(entity: Bytes, role: string): bool {
  return indexOf(rolesOf(entity), utf8(role)) >= 0
}

function indexOf(list: Bytes[], name: Bytes): i32 {
  for (let index = 0; index < list.length; index++) {
    if (bytesEqual(list[index], name)) return index
  }
  return -1
}

/** False when the entity has the role already. */
export function assign(entity: Bytes, role: string): bool {
  const list = rolesOf(entity)
  const name = utf8(role)
  if (indexOf(list, name) >= 0) return false
  if (list.length >= ROLES_PER_ENTITY_MAX) refuse(LIMIT_EXCEEDED, 'an entity holds at most 8 roles')
  list.push(name)
  store(entity, list)
  if (role == 'admin') setAdminCount(adminCount() + 1)
  return true
}

/** False when the entity does not have the role. `time`: of the block, kept when it is role admin. */
export function removeRoleOf(entity: Bytes, role: string, time: u64): bool {
  const list = rolesOf(entity)
  const position = indexOf(list, utf8(role))
  if (position < 0) return false
  list.splice(position, 1)
  if (list.length == 0) roles.remove(entity)
  else store(entity, list)
  if (role == 'admin') {
    setAdminCount(adminCount() - 1)
    counters.set(adminRemovedKey, new Writer().u64(time))
  }
  return true
}

/** Block time at which an administrator was removed last; 0: never. */
export function adminRemovedAt(): u64 {
  const stored = counters.get(adminRemovedKey)
  return stored === null ? 0 : new Reader(stored).u64()
}

function store(entity: Bytes, list: Bytes[]): void {
  const writer = new Writer().u16(SCHEMA).u32(list.length)
  for (let index = 0; index < list.length; index++) writer.bytesValue(list[index])
  roles.set(entity, writer)
}

export function adminCount(): u32 {
  const stored = counters.get(adminCountKey)
  return stored === null ? 0 : new Reader(stored).u32()
}

function setAdminCount(count: u32): void {
  counters.set(adminCountKey, new Writer().u32(count))
}

/**
 * Permissions that every hospital starts with; each is a grant like any other and can be revoked by its id.
 */
export function addBuiltInGrants(): void {
  call('admin', 'ward/policy', ['assignRole', 'removeRole', 'grant', 'revoke', 'withdrawGrant'])
  call('admin', 'ward/governance', [
    'approve',
    'withdrawApproval',
    'activate',
    'enrol',
    'enrolPerson',
    'addKey',
    'revokeKey',
    'setValidators',
    'liftQuarantine',
    'erasePatient',
    'changeValidator',
    'admitNode',
    'removeNode',
    'rotateNode',
    'issueTicket',
    'revokeTicket',
    'grantCredit',
    'setLanes',
    'setFuelSchedule',
  ])
  call('admin', 'ward/appliance', ['setRelease', 'orderWipe', 'withdrawWipe', 'confirmWipe'])
  call('node', 'ward/appliance', ['recordRelease', 'reportWipe', 'reportEquivocation'])
  call('vendor', 'ward/governance', ['deploy'])
  append('nurse', 1, [])
  append('nurse', 2, [])
  // Not among a nurse's findings: diagnoses, cultures and SpO2 scale 2, which only a prescriber sets.
  append('nurse', 3, ['wound-assessment', 'antibiotic-started', 'code-blue'])
  append('doctor', 1, [])
  append('doctor', 2, [])
  append('doctor', 3, [])
  // What a source may observe is granted source by source; only the original message is common to all.
  append('source', 8, [])
  read('nurse')
  read('doctor')
  call('nurse', 'ward/alerts', ['acknowledge'])
  call('doctor', 'ward/alerts', ['acknowledge', 'retract'])
  call('doctor', 'ward/orders', ['sign', 'decline'])
}

function call(role: string, target: string, methods: string[]): void {
  const grant = builtIn(role, Action.Call, target)
  grant.target = target
  grant.names = methods
  add(grant)
}

function append(role: string, kind: u8, codes: string[]): void {
  const grant = builtIn(role, Action.Append, kind.toString())
  grant.kind = kind
  grant.names = codes
  add(grant)
}

function read(role: string): void {
  add(builtIn(role, Action.Read, 'every kind'))
}

/**
 * Ids are the same on every chain: first 16 bytes of SHA-256("wardchain/built-in-grant/1 role action
 * what").
 */
function builtIn(role: string, action: u8, what: string): Grant {
  const grant = new Grant()
  grant.id = slice(sha256(utf8(`wardchain/built-in-grant/1 ${role} ${action} ${what}`)), 0, 16)
  grant.role = role
  grant.action = action
  return grant
}
