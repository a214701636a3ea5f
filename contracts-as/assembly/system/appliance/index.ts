// `ward/appliance`: the machines that carry the chain. Who may be given the key shares of which node, every
// release of such a share, the wipe of a node (ordered by two administrators, reported by the node), and proofs
// that a vote key contradicted itself.
import {
  ALREADY_DONE,
  answer,
  ask,
  ARGUMENT_INVALID,
  bytesEqual,
  Bytes,
  CALL_NOT_GRANTED,
  Context,
  emitEvent,
  input,
  isZero,
  OrderedTable,
  Reader,
  refuse,
  requireGrant,
  SECOND_ADMIN_REQUIRED,
  Table,
  Writer,
} from '../../sdk'
import { keepProof, listProofs } from './equivocations'

const ALIAS = 'ward/appliance'
const SCHEMA: u16 = 1
const REASON_BYTES_MAX: i32 = 200
const RELEASES_MAX: i32 = 100
/** Seven days, in which a second administrator joins the first: as long as `ward/policy` keeps a request. */
const REQUEST_MS: u64 = 604_800_000

/** Node -> u16 schema | entity 32 who refused. A row refuses every release. */
const refusals = new Table(1)
/** Node -> wipe order, below. */
const wipes = new Table(2)
/** Partition: node; order: height; value: peer 32 | generation u32 | releasedAt u64. */
const releases = new OrderedTable(3)
/** Peer ‖ node ‖ releasedAt: a release that was reported already. */
const reported = new Table(4)

/** Node -> u16 schema | administrator 32 | certificate 32 | time u64: the end of a wipe never seen to begin. */
const claims = new Table(5)

namespace State {
  export const Requested: u8 = 1
  export const Ordered: u8 = 2
  export const Begun: u8 = 3
  export const Ended: u8 = 4
}

const nobody: Bytes = new StaticArray<u8>(32)

class WipeOrder {
  state: u8 = State.Requested
  requestedBy: Bytes = nobody
  confirmedBy: Bytes = nobody
  height: u64 = 0
  reason: string = ''
  certificate: Bytes = nobody
  /** Block time of the request; not part of the answer to `wipeOrder`. */
  requestedAt: u64 = 0

  static read(bytes: Bytes): WipeOrder {
    const reader = new Reader(bytes)
    reader.u16()
    const order = new WipeOrder()
    order.state = reader.u8()
    order.requestedBy = reader.fixed(32)
    order.confirmedBy = reader.fixed(32)
    order.height = reader.u64()
    order.reason = reader.text(REASON_BYTES_MAX)
    order.certificate = reader.fixed(32)
    order.requestedAt = reader.u64()
    return order
  }

  fields(writer: Writer): Writer {
    return writer
      .u8(this.state)
      .fixed(this.requestedBy)
      .fixed(this.confirmedBy)
      .u64(this.height)
      .text(this.reason)
      .fixed(this.certificate)
  }
}

function wipeOf(node: Bytes): WipeOrder | null {
  const stored = wipes.get(node)
  return stored === null ? null : WipeOrder.read(stored)
}

function keep(node: Bytes, order: WipeOrder): void {
  wipes.set(node, order.fields(new Writer().u16(SCHEMA)).u64(order.requestedAt))
}

/** {node, generation, releasedAt}: a peer has given this node its key share. Reported twice, kept once. */
export function recordRelease(): void {
  const context = allowed('recordRelease')
  const reader = input()
  const node = reader.fixed(32)
  const generation = reader.u32()
  const releasedAt = reader.u64()
  reader.end()
  const value = new Writer().fixed(context.caller).u32(generation).u64(releasedAt)
  const key = new Writer().fixed(context.caller).fixed(node).u64(releasedAt).finish()
  if (reported.has(key)) return
  reported.set(key, new Writer().u16(SCHEMA))
  releases.put(node, context.height, value.finish())
  emitEvent('share-released', new Writer().fixed(node).fixed(context.caller))
}

/** {node, allowed}: from now on peers keep, or give again, the key shares of this node. */
export function setRelease(): void {
  const context = allowed('setRelease')
  const reader = input()
  const node = reader.fixed(32)
  const isAllowed = reader.bool()
  reader.end()
  if (refusals.has(node) != isAllowed) refuse(ALREADY_DONE, 'it is so already')
  if (isAllowed) refusals.remove(node)
  else refusals.set(node, new Writer().u16(SCHEMA).fixed(context.caller))
  emitEvent('release-set', new Writer().fixed(node).bool(isAllowed))
}

/**
 * {node, reason}: asked for by one administrator, ordered when another one says the same within seven days, while
 * the first one may still order it; later it is a request again.
 */
export function orderWipe(): void {
  const context = allowed('orderWipe')
  const reader = input()
  const node = reader.fixed(32)
  const reason = reader.text(REASON_BYTES_MAX)
  reader.end()
  // The signer counts, not a contract in between: two persons, not one who calls twice.
  if (!bytesEqual(context.caller, context.origin)) refuse(CALL_NOT_GRANTED, 'a person orders this')
  const present = wipeOf(node)
  if (stands(present)) refuse(ALREADY_DONE, 'this wipe is ordered already')
  if (
    present === null ||
    present.state == State.Ended ||
    !counts(context, 'orderWipe', present.requestedBy, present.requestedAt)
  ) {
    const order = new WipeOrder()
    order.requestedBy = context.caller
    order.requestedAt = context.time
    order.height = context.height
    order.reason = reason
    keep(node, order)
    emitEvent('wipe-requested', new Writer().fixed(node))
    return
  }
  if (bytesEqual(present.requestedBy, context.caller)) {
    refuse(SECOND_ADMIN_REQUIRED, 'a second administrator has to order the same')
  }
  present.state = State.Ordered
  present.confirmedBy = context.caller
  present.height = context.height
  keep(node, present)
  // Whoever is to be wiped is given no key again.
  if (!refusals.has(node)) refusals.set(node, new Writer().u16(SCHEMA).fixed(context.caller))
  emitEvent('wipe-ordered', new Writer().fixed(node))
}

/** Whether a first word still does: not too long ago, and by somebody who may still say it. */
function counts(context: Context, method: string, by: Bytes, at: u64): bool {
  if (context.time > at + REQUEST_MS) return false
  const reader = new Reader(ask('ward/policy', 'mayCall', new Writer().fixed(by).text(ALIAS).text(method)))
  const isAllowed = reader.bool()
  reader.fixed(16)
  const validUntil = reader.u64()
  return isAllowed && (validUntil == 0 || context.time <= validUntil)
}

/** {node}: takes a request back, as long as nobody has confirmed it. */
export function withdrawWipe(): void {
  allowed('withdrawWipe')
  const reader = input()
  const node = reader.fixed(32)
  reader.end()
  const present = wipeOf(node)
  if (present === null || present.state != State.Requested) {
    refuse(ALREADY_DONE, 'there is no request that could be withdrawn')
  }
  wipes.remove(node)
  emitEvent('wipe-withdrawn', new Writer().fixed(node))
}

/**
 * {node, ended, certificate}: the node itself, and nobody else, says that it begins to obey; that it ended it
 * may say only after that. Certificate: hash of the certificate of sanitisation.
 */
export function reportWipe(): void {
  const context = allowed('reportWipe')
  const reader = input()
  const node = reader.fixed(32)
  const ended = reader.bool()
  const certificate = reader.fixed(32)
  reader.end()
  // Any other machine could cancel the order of the one that is to be wiped.
  if (!bytesEqual(context.caller, node)) refuse(CALL_NOT_GRANTED, 'the node itself reports')
  if (ended) return end(node, certificate)
  const present = standing(node)
  if (present.state != State.Ordered) return
  present.state = State.Begun
  present.certificate = certificate
  keep(node, present)
  emitEvent('wipe-begun', new Writer().fixed(node))
}

/**
 * {node, certificate}: an administrator confirms the end; a wiped node has no key left to say it with. Of a node
 * that never said that it begins (it was cut off) two administrators confirm the same within seven days: or one
 * alone could take back what two have ordered.
 */
export function confirmWipe(): void {
  const context = allowed('confirmWipe')
  const reader = input()
  const node = reader.fixed(32)
  const certificate = reader.fixed(32)
  reader.end()
  if (standing(node).state == State.Begun || isClaimed(context, node, certificate)) close(node, certificate)
}

/** True for the second administrator; the first one's word, or another certificate, is noted. */
function isClaimed(context: Context, node: Bytes, certificate: Bytes): bool {
  if (!bytesEqual(context.caller, context.origin)) refuse(CALL_NOT_GRANTED, 'a person confirms this')
  const row = claims.get(node)
  if (row !== null) {
    const claim = new Reader(row)
    claim.u16()
    const first = claim.fixed(32)
    const isSame = bytesEqual(claim.fixed(32), certificate)
    if (isSame && counts(context, 'confirmWipe', first, claim.u64())) {
      if (!bytesEqual(first, context.caller)) return true
      refuse(SECOND_ADMIN_REQUIRED, 'a second administrator has to confirm the same certificate')
    }
  }
  claims.set(node, new Writer().u16(SCHEMA).fixed(context.caller).fixed(certificate).u64(context.time))
  emitEvent('wipe-end-claimed', new Writer().fixed(node))
  return false
}

function end(node: Bytes, certificate: Bytes): void {
  const present = standing(node)
  if (present.state != State.Begun) refuse(ARGUMENT_INVALID, 'the node has not begun this wipe')
  close(node, certificate)
}

function close(node: Bytes, certificate: Bytes): void {
  const present = standing(node)
  present.state = State.Ended
  present.certificate = certificate
  keep(node, present)
  if (claims.has(node)) claims.remove(node)
  emitEvent('wipe-ended', new Writer().fixed(node))
}

/** The order that is to be obeyed; refuses when there is none or it has ended. */
function standing(node: Bytes): WipeOrder {
  const present = wipeOf(node)
  if (!stands(present)) refuse(ARGUMENT_INVALID, 'no wipe is ordered')
  return present!
}

function stands(order: WipeOrder | null): bool {
  return order !== null && (order.state == State.Ordered || order.state == State.Begun)
}

/** {key, kind, first, firstSignature, second, secondSignature}: proved by its signatures, kept once. */
export function reportEquivocation(): void {
  const context = allowed('reportEquivocation')
  keepProof(context.caller, context.height, input())
}

/** {from} -> proofs from this number on, oldest first, at most 32. */
export function equivocations(): void {
  answer(listProofs(input().u64()))
}

/** {node} -> {mayRelease}: asked by peers before they give a share away. Never while a wipe is ordered. */
export function mayRelease(): void {
  const reader = input()
  const node = reader.fixed(32)
  answer(new Writer().bool(!refusals.has(node) && !stands(wipeOf(node))))
}

/** {node} -> {state 0 none, 1 requested, 2 ordered, 3 begun, 4 ended, ...}. */
export function wipeOrder(): void {
  const order = wipeOf(input().fixed(32))
  if (order !== null) return answer(order.fields(new Writer()))
  const none = new WipeOrder()
  none.state = 0
  answer(none.fields(new Writer()))
}

/** {node, fromHeight} -> releases, oldest first, at most 100. */
export function releasesOf(): void {
  const reader = input()
  const node = reader.fixed(32)
  const from = reader.u64()
  const rows = releases.scan(node, from, u64.MAX_VALUE >> 1, RELEASES_MAX)
  const writer = new Writer().u32(rows.length)
  for (let index = 0; index < rows.length; index++) {
    const value = new Reader(rows[index].value)
    writer.u64(rows[index].order).fixed(value.fixed(32)).u32(value.u32()).u64(value.u64())
  }
  answer(writer)
}

function allowed(method: string): Context {
  const context = new Context()
  requireGrant(context, ALIAS, method)
  if (isZero(context.caller)) refuse(CALL_NOT_GRANTED, 'not the kernel')
  return context
}
