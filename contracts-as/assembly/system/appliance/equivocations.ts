// Vote keys caught with two contradicting signatures (rule R30 of the consensus reference). A proof is the two
// signed byte strings of `consensus/pbft/signing.ts` and their signatures: it needs nobody's word, whoever
// hands it in. Kept for ever; what follows from it is for administrators to decide.
import {
  ARGUMENT_INVALID,
  bytesEqual,
  Bytes,
  emitEvent,
  LIMIT_EXCEEDED,
  OrderedTable,
  Reader,
  refuse,
  slice,
  Table,
  utf8,
  verifySignature,
  Writer,
} from '../../sdk'

const SCHEMA: u16 = 1
/** Proofs kept against one key on one chain: more prove nothing more. */
const PER_KEY_MAX: u32 = 8
/** Proofs that one node may have kept: it could make keys of its own and contradict itself with them. */
const PER_REPORTER_MAX: u32 = 256
const MESSAGE_BYTES_MAX: i32 = 256
const LISTED_MAX: i32 = 32

/**
 * Of the messages that a node holds none is further ahead than the block after the next one. Further ones are
 * made up: the key's holder could take its places with them.
 */
const AHEAD_MAX: u64 = 16

/** Chain id 32 ‖ epoch u32 ‖ height u64 behind a message's domain, then view u32. */
const ROUND_BYTES: i32 = 44
const CHAIN_BYTES: i32 = 32
const HEIGHT_AT: i32 = 36
const HEAD_BYTES: i32 = 48
const ENTITY_BYTES: i32 = 32
const PAIR_BYTES: i32 = 64

/** Everything under one partition, by number. */
const proofs = new OrderedTable(6)
/** Key ‖ kind ‖ chain id ‖ epoch ‖ height ‖ view (of a heartbeat none): a place that is proved already. */
const places = new Table(7)
/**
 * Key ‖ chain id -> u32. A contract does not know its chain's id: readers leave out what is of another one, and
 * whoever contradicts itself in the name of chains that it made up takes no place from a proof of this one.
 */
const ofKeys = new Table(8)
/** Reporter -> u32. */
const ofReporters = new Table(9)
/** -> u32, the next number. */
const total = new Table(10)

namespace Kind {
  export const Proposal: u8 = 1
  export const Prepare: u8 = 2
  export const Commit: u8 = 3
  export const ViewChange: u8 = 4
  export const Heartbeat: u8 = 5
}

/** Of a message's domain; empty for a number that is no kind. */
function domainOf(kind: u8): string {
  if (kind == Kind.Proposal) return 'wardchain/proposal/1'
  if (kind == Kind.Prepare) return 'wardchain/prepare/1'
  if (kind == Kind.Commit) return 'wardchain/commit/1'
  if (kind == Kind.ViewChange) return 'wardchain/view-change/1'
  return kind == Kind.Heartbeat ? 'wardchain/heartbeat/1' : ''
}

/** Bytes behind the domain. */
function bodyBytesOf(kind: u8): i32 {
  if (kind == Kind.Prepare || kind == Kind.Commit) return HEAD_BYTES + PAIR_BYTES
  return HEAD_BYTES + ENTITY_BYTES + PAIR_BYTES + (kind == Kind.Heartbeat ? 8 : 0)
}

/** Behind the domain, for a message of this kind and of exactly its length; refuses others. */
function bodyOf(kind: u8, message: Bytes): Bytes {
  const domain = utf8(domainOf(kind))
  const count = bodyBytesOf(kind)
  const isWhole = domain.length > 0 && message.length == domain.length + count
  if (!isWhole || !isSame(message, domain, 0, domain.length)) refuse(ARGUMENT_INVALID, 'no such message')
  return slice(message, domain.length, count)
}

function isSame(first: Bytes, second: Bytes, from: i32, count: i32): bool {
  return bytesEqual(slice(first, from, count), slice(second, from, count))
}

/**
 * Same place in the protocol, and no correct validator signs both: another block or result, another proposal,
 * another lock. A heartbeat tells of the final block at a height, whatever the view.
 */
function contradict(kind: u8, first: Bytes, second: Bytes): bool {
  if (!isSame(first, second, 0, kind == Kind.Heartbeat ? ROUND_BYTES : HEAD_BYTES)) return false
  const isVote = kind == Kind.Prepare || kind == Kind.Commit
  if (isVote) return !isSame(first, second, HEAD_BYTES, PAIR_BYTES)
  if (!isSame(first, second, HEAD_BYTES, ENTITY_BYTES)) return false
  const at = HEAD_BYTES + ENTITY_BYTES
  // A proposal names its block first; what justifies it may differ from copy to copy.
  return !isSame(first, second, at, kind == Kind.Proposal ? ENTITY_BYTES : PAIR_BYTES)
}

/** {key, kind, first, firstSignature, second, secondSignature}. What is known already is no failure. */
export function keepProof(reporter: Bytes, height: u64, reader: Reader): void {
  const key = reader.fixed(32)
  const kind = reader.u8()
  const first = reader.bytesValue(MESSAGE_BYTES_MAX)
  const firstSignature = reader.fixed(64)
  const second = reader.bytesValue(MESSAGE_BYTES_MAX)
  const secondSignature = reader.fixed(64)
  reader.end()
  const body = bodyOf(kind, first)
  if (!contradict(kind, body, bodyOf(kind, second))) refuse(ARGUMENT_INVALID, 'these do not contradict')
  if (heightOf(body) > height + AHEAD_MAX) refuse(ARGUMENT_INVALID, 'no such height yet')
  const place = new Writer().fixed(key).u8(kind).fixed(placeOf(kind, body)).finish()
  const counted = new Writer().fixed(key).fixed(slice(body, 0, CHAIN_BYTES)).finish()
  const ofKey = countIn(ofKeys, counted)
  if (places.has(place) || ofKey >= PER_KEY_MAX) return
  const ofReporter = countIn(ofReporters, reporter)
  if (ofReporter >= PER_REPORTER_MAX) refuse(LIMIT_EXCEEDED, 'this node has reported enough')
  const isSigned =
    verifySignature(key, first, firstSignature) && verifySignature(key, second, secondSignature)
  if (!isSigned) refuse(ARGUMENT_INVALID, 'not signed with this key')
  places.set(place, new Writer().u16(SCHEMA))
  ofKeys.set(counted, new Writer().u32(ofKey + 1))
  ofReporters.set(reporter, new Writer().u32(ofReporter + 1))
  const row = new Writer().u16(SCHEMA).u8(kind).fixed(key).fixed(reporter).u64(height)
  row.bytesValue(first).fixed(firstSignature).bytesValue(second).fixed(secondSignature)
  const number = countIn(total, everything())
  total.set(everything(), new Writer().u32(number + 1))
  proofs.put(everything(), number, row.finish())
  emitEvent('equivocation', new Writer().fixed(key).u8(kind))
}

function placeOf(kind: u8, body: Bytes): Bytes {
  return slice(body, 0, kind == Kind.Heartbeat ? ROUND_BYTES : HEAD_BYTES)
}

/** Big-endian in signed bytes. */
function heightOf(body: Bytes): u64 {
  return bswap<u64>(new Reader(slice(body, HEIGHT_AT, 8)).u64())
}

function everything(): Bytes {
  return utf8('all')
}

function countIn(table: Table, key: Bytes): u32 {
  const stored = table.get(key)
  return stored === null ? 0 : new Reader(stored).u32()
}

/** {from} -> proofs of this number and later ones, at most 32. */
export function listProofs(from: u64): Writer {
  const rows = proofs.scan(everything(), from, u64.MAX_VALUE >> 1, LISTED_MAX)
  const writer = new Writer().u32(rows.length)
  for (let index = 0; index < rows.length; index++) {
    const row = new Reader(rows[index].value)
    row.u16()
    writer.u64(rows[index].order).fixed(row.rest())
  }
  return writer
}
