// Grants as they are stored: the grant itself under its id, and lists under (action, grantee, patient) so
// that a question needs a few point reads and no scan. Keys and values hold ids, codes and names, never
// patient values.
import {
  ALREADY_DONE,
  ARGUMENT_INVALID,
  bytesEqual,
  concat,
  isZero,
  LIMIT_EXCEEDED,
  OrderedTable,
  Reader,
  refuse,
  slice,
  Table,
  utf8,
  Writer,
  Bytes,
} from '../../sdk'

export namespace Action {
  export const Append: u8 = 1
  export const Read: u8 = 2
  export const Call: u8 = 3
}

const SCHEMA: u16 = 1
/**
 * Grants in one list: bounds what one question may cost. Grants for single patients have lists of their
 * own.
 */
const GRANTS_PER_LIST_MAX: i32 = 64
const NAMES_PER_GRANT_MAX: i32 = 64
const ROLE_BYTES_MAX: i32 = 32

const lists = new Table(2)
const grants = new Table(3)
const byGrantee = new OrderedTable(5)

export class Grant {
  id: Bytes = new StaticArray<u8>(16)
  /** A role, or empty when the grant is for one entity. */
  role: string = ''
  entity: Bytes = new StaticArray<u8>(32)
  action: u8 = 0
  /** Record kind of append and read grants; 0 means every kind. */
  kind: u8 = 0
  /** Alias of call grants. */
  target: string = ''
  /** Codes (append) or methods (call); empty means every one. */
  names: string[] = []
  /** The one patient that it is for; null means any. */
  patient: Bytes | null = null
  /** Last block time at which it holds; 0 means no end. */
  validUntil: u64 = 0

  static read(reader: Reader): Grant {
    const grant = new Grant()
    grant.id = reader.fixed(16)
    grant.role = reader.text(ROLE_BYTES_MAX)
    grant.entity = reader.fixed(32)
    grant.action = reader.u8()
    grant.kind = reader.u8()
    grant.target = reader.text(64)
    grant.names = reader.texts(NAMES_PER_GRANT_MAX, 64)
    grant.patient = reader.option(16)
    grant.validUntil = reader.u64()
    return grant
  }

  write(writer: Writer): Writer {
    return writer
      .fixed(this.id)
      .text(this.role)
      .fixed(this.entity)
      .u8(this.action)
      .u8(this.kind)
      .text(this.target)
      .texts(this.names)
      .option(this.patient)
      .u64(this.validUntil)
  }

  get grantee(): Bytes {
    return this.role.length > 0 ? roleKey(utf8(this.role)) : entityKey(this.entity)
  }

  check(): void {
    if (isZero(this.id)) refuse(ARGUMENT_INVALID, 'a grant needs an id')
    if (this.role.length == 0 && isZero(this.entity))
      refuse(ARGUMENT_INVALID, 'a grant needs a role or an entity')
    if (this.role.length > 0 && !isZero(this.entity))
      refuse(ARGUMENT_INVALID, 'a role or an entity, not both')
    if (this.action < Action.Append || this.action > Action.Call) refuse(ARGUMENT_INVALID, 'unknown action')
    const isCall = this.action == Action.Call
    if (isCall != this.target.length > 0)
      refuse(ARGUMENT_INVALID, 'call grants, and only they, name a target')
    if (isCall && this.patient !== null) refuse(ARGUMENT_INVALID, 'calls are granted for any patient')
    if (this.action == Action.Append && this.kind == 0)
      refuse(ARGUMENT_INVALID, 'append grants name one kind')
  }
}

export function entityKey(entity: Bytes): Bytes {
  return concat(utf8('e'), entity)
}

export function roleKey(role: Bytes): Bytes {
  return concat(utf8('r'), role)
}

/**
 * action u8 ‖ grantee ‖ patient, or nothing for any patient. Grantee and patient have fixed places, so keys
 * never collide.
 */
function listKey(action: u8, grantee: Bytes, patient: Bytes | null): Bytes {
  const head = concat(
    new Writer()
      .u8(action)
      .u8(patient === null ? 0 : 1)
      .finish(),
    grantee,
  )
  return patient === null ? head : concat(head, patient)
}

export function find(id: Bytes): Grant | null {
  const stored = grants.get(id)
  if (stored === null) return null
  const reader = new Reader(stored)
  reader.u16()
  return Grant.read(reader)
}

/** Stores a checked grant. Refuses an id that is in use and a list that is full. */
export function add(grant: Grant): void {
  grant.check()
  if (grants.has(grant.id)) refuse(ALREADY_DONE, 'a grant with this id exists')
  grants.set(grant.id, grant.write(new Writer().u16(SCHEMA)))
  const key = listKey(grant.action, grant.grantee, grant.patient)
  const list = readList(lists.get(key))
  if (list.length >= GRANTS_PER_LIST_MAX)
    refuse(LIMIT_EXCEEDED, 'this grantee holds 64 grants of this sort already')
  list.push(grant)
  writeList(key, list)
  byGrantee.put(grant.grantee, orderOf(grant.id), grant.id)
}

export function remove(grant: Grant): void {
  grants.remove(grant.id)
  const key = listKey(grant.action, grant.grantee, grant.patient)
  const list = readList(lists.get(key))
  const kept: Grant[] = []
  for (let index = 0; index < list.length; index++) {
    if (!bytesEqual(list[index].id, grant.id)) kept.push(list[index])
  }
  if (kept.length == 0) lists.remove(key)
  else writeList(key, kept)
  const order = orderOf(grant.id)
  const rows = byGrantee.scan(grant.grantee, order, order, 100)
  for (let index = 0; index < rows.length; index++) {
    if (bytesEqual(rows[index].value, grant.id))
      byGrantee.remove(grant.grantee, order, rows[index].sequence)
  }
}

/** Grants of one role or entity, at most 100. */
export function ofGrantee(grantee: Bytes): Grant[] {
  const rows = byGrantee.scan(grantee, 0, u64.MAX_VALUE, 100)
  const found: Grant[] = []
  for (let index = 0; index < rows.length; index++) {
    const grant = find(rows[index].value)
    if (grant !== null) found.push(grant)
  }
  return found
}

/** What may be called by this grantee: with target and names, without the rest. */
export function callsOf(grantee: Bytes): Grant[] {
  const list = readList(lists.get(listKey(Action.Call, grantee, null)))
  for (let index = 0; index < list.length; index++) list[index].action = Action.Call
  return list
}

/** Rows sort by the id's own bytes, so that removing one needs no bookkeeping. */
function orderOf(id: Bytes): u64 {
  return bswap<u64>(load<u64>(changetype<usize>(slice(id, 0, 8))))
}

/**
 * A list's value: u16 schema, then for each grant {id 16, kind u8, target text, names, validUntil u64};
 * grantee, action and patient are in the key.
 */
function writeList(key: Bytes, list: Grant[]): void {
  const writer = new Writer().u16(SCHEMA).u32(list.length)
  for (let index = 0; index < list.length; index++) {
    const grant = list[index]
    writer.fixed(grant.id).u8(grant.kind).text(grant.target).texts(grant.names).u64(grant.validUntil)
  }
  lists.set(key, writer)
}

function readList(stored: Bytes | null): Grant[] {
  const list: Grant[] = []
  if (stored === null) return list
  const reader = new Reader(stored)
  reader.u16()
  const count = reader.count(GRANTS_PER_LIST_MAX)
  for (let index = 0; index < count; index++) {
    const grant = new Grant()
    grant.id = reader.fixed(16)
    grant.kind = reader.u8()
    grant.target = reader.text(64)
    grant.names = reader.texts(NAMES_PER_GRANT_MAX, 64)
    grant.validUntil = reader.u64()
    list.push(grant)
  }
  return list
}

/** What is asked about: the names stay bytes, because this runs for every record. */
export class Question {
  constructor(
    public action: u8,
    public kind: u8,
    public target: Bytes,
    /** Code or method; ignored for reading. */
    public name: Bytes,
    public patient: Bytes | null,
  ) {}
}

/** The best grant so far: one without an end, else the one that lasts longest. */
export class Best {
  found: bool = false
  grant: Bytes = new StaticArray<u8>(16)
  validUntil: u64 = 0

  take(grant: Bytes, validUntil: u64): void {
    if (this.found && (this.validUntil == 0 || (validUntil != 0 && validUntil <= this.validUntil))) return
    this.found = true
    this.grant = grant
    this.validUntil = validUntil
  }

  /** Nothing better can be found. */
  get isFinal(): bool {
    return this.found && this.validUntil == 0
  }
}

/** Looks through what one grantee holds: for any patient, then for this one. */
export function consider(best: Best, grantee: Bytes, question: Question): void {
  matchList(best, lists.get(listKey(question.action, grantee, null)), question)
  if (best.isFinal || question.patient === null) return
  matchList(best, lists.get(listKey(question.action, grantee, question.patient)), question)
}

function matchList(best: Best, stored: Bytes | null, question: Question): void {
  if (stored === null) return
  const reader = new Reader(stored)
  reader.u16()
  const count = reader.count(GRANTS_PER_LIST_MAX)
  for (let index = 0; index < count; index++) {
    const id = reader.fixed(16)
    const kind = reader.u8()
    let matches = reader.textEquals(question.target) && (kind == 0 || kind == question.kind)
    const names = reader.count(NAMES_PER_GRANT_MAX)
    let named = names == 0 || question.action == Action.Read
    for (let item = 0; item < names; item++) {
      if (reader.textEquals(question.name)) named = true
    }
    matches = matches && named
    const validUntil = reader.u64()
    if (matches) best.take(id, validUntil)
    if (best.isFinal) return
  }
}
