// `ward/orders`: rules propose, physicians sign. Nothing here places an order by itself.
import {
  aliasEntity,
  ALREADY_DONE,
  answer,
  ARGUMENT_INVALID,
  BODY_SCHEMA,
  bytesEqual,
  CALL_NOT_GRANTED,
  Context,
  emitEvent,
  input,
  Reader,
  REASON_NEEDED,
  RECORD_UNKNOWN,
  RecordKind,
  Records,
  refuse,
  requireGrant,
  Writer,
  Bytes,
} from '../../sdk'
import {
  OrderState,
  orderOf,
  setKey,
  setOf,
  SetState,
  Status,
  storeOrder,
  storeSet,
  writeOrder,
} from './order-sets'

const ALIAS = 'ward/orders'
const ITEMS_MAX: i32 = 32

namespace Outcome {
  export const Proposed: u8 = 1
  export const OpenAlready: u8 = 2
}

class Proposal {
  rule: string = ''
  ruleVersion: string = ''
  ruleAddress: Bytes = new StaticArray<u8>(32)
  patient: Bytes = new StaticArray<u8>(16)
  alert: Bytes | null = null
  orderSet: string = ''
}

/**
 * {rule, ruleVersion, ruleAddress, patient, alert?, orderSet, items: [{item, display, category, detail,
 * needs}]} -> {outcome u8, orders: [id]}. Outcome 2: this patient's set is open already and nothing was
 * proposed. With an alert, the rule's version and address are the alert's, which the kernel wrote.
 */
export function propose(): void {
  const context = new Context()
  const reader = input()
  const proposal = new Proposal()
  proposal.rule = reader.text(64)
  proposal.ruleVersion = reader.text(64)
  proposal.ruleAddress = reader.fixed(32)
  proposal.patient = reader.fixed(16)
  proposal.alert = reader.option(32)
  proposal.orderSet = reader.text(64)
  checkProposer(context, proposal)

  const key = setKey(proposal.patient, proposal.orderSet)
  const open = setOf(key)
  if (open !== null && open.isOpen(context.time)) {
    answer(new Writer().u8(Outcome.OpenAlready).u32(0))
    return
  }
  const count = reader.count(ITEMS_MAX)
  if (count == 0) refuse(ARGUMENT_INVALID, 'an order set has at least one item')
  const reply = new Writer().u8(Outcome.Proposed).u32(count)
  const event = new Writer().fixed(proposal.patient).text(proposal.orderSet).u32(count)
  for (let index = 0; index < count; index++) {
    const id = emitOrder(context, proposal, reader, (index + 1) as u8)
    reply.fixed(id)
    event.fixed(id)
  }
  reader.end()
  const state = new SetState()
  state.proposedAt = context.time
  state.undecided = count
  storeSet(key, state)
  emitEvent('orders-proposed', event)
  answer(reply)
}

/**
 * A contract reaches us only if its approved manifest names us, and it may speak for its own alias only.
 * Anyone else needs a grant.
 */
function checkProposer(context: Context, proposal: Proposal): void {
  if (context.depth == 0) requireGrant(context, ALIAS, 'propose')
  else if (!context.isCaller(aliasEntity(proposal.rule))) {
    refuse(CALL_NOT_GRANTED, 'a rule proposes in its own name only')
  }
  const alert = proposal.alert
  if (alert === null) return
  const record = Records.get(alert)
  if (record === null) refuse(RECORD_UNKNOWN, 'the alert does not exist')
  const isAlert = record!.kind == (RecordKind.Alert as u8) && record!.code == proposal.rule
  if (!isAlert || !bytesEqual(record!.patient, proposal.patient)) {
    refuse(ARGUMENT_INVALID, 'the alert is of another rule or patient')
  }
  const body = new Reader(record!.body)
  body.u16()
  body.text(64)
  proposal.ruleVersion = body.text(64)
  proposal.ruleAddress = body.fixed(32)
}

function emitOrder(context: Context, proposal: Proposal, reader: Reader, position: u8): Bytes {
  const item = reader.text(64)
  const display = reader.text(200)
  const category = reader.text(32)
  const detail = reader.text(1000)
  const needs = reader.texts(16, 64)
  const body = new Writer()
    .u16(BODY_SCHEMA)
    .text(proposal.rule)
    .text(proposal.ruleVersion)
    .fixed(proposal.ruleAddress)
    .option(proposal.alert)
    .text(proposal.orderSet)
    .text(item)
    .text(display)
    .text(category)
    .u8(position)
    .text(detail)
    .texts(needs)
  const id = Records.emit(RecordKind.Order, proposal.patient, item, context.time, null, body)
  const state = new OrderState()
  state.patient = proposal.patient
  state.orderSet = proposal.orderSet
  state.item = item
  storeOrder(id, state)
  return id
}

/** {order, meaning} -> {record}. `meaning` is the signer's own statement, e.g. "I order". */
export function sign(): void {
  const context = new Context()
  requireGrant(context, ALIAS, 'sign')
  const reader = input()
  const order = reader.fixed(32)
  const meaning = reader.text(200)
  reader.end()
  if (meaning.length == 0) refuse(REASON_NEEDED, 'a signature says what it means')
  decide(context, order, Status.Signed, 'signed', meaning, '')
}

/** {order, reason} -> {record}. */
export function decline(): void {
  const context = new Context()
  requireGrant(context, ALIAS, 'decline')
  const reader = input()
  const order = reader.fixed(32)
  const reason = reader.text()
  reader.end()
  if (reason.length == 0) refuse(REASON_NEEDED, 'say why the order is declined')
  decide(context, order, Status.Declined, 'declined', 'I decline', reason)
}

/** {order} -> {patient, orderSet, item, status u8, decidedBy, decidedAt}. */
export function orderStatus(): void {
  answer(writeOrder(new Writer(), existing(input().fixed(32))))
}

function existing(order: Bytes): OrderState {
  const state = orderOf(order)
  if (state === null) refuse(RECORD_UNKNOWN, 'no order has this id')
  return state!
}

function decide(
  context: Context,
  order: Bytes,
  next: u8,
  status: string,
  meaning: string,
  reason: string,
): void {
  const state = existing(order)
  if (state.status != Status.Proposed) refuse(ALREADY_DONE, 'this order was decided already')
  const body = new Writer().u16(BODY_SCHEMA).text(status).text(meaning).text(reason)
  const record = Records.emit(RecordKind.OrderEvent, state.patient, state.item, context.time, order, body)
  state.status = next
  state.decidedBy = context.caller
  state.decidedAt = context.time
  storeOrder(order, state)
  const key = setKey(state.patient, state.orderSet)
  const set = setOf(key)
  if (set !== null) {
    if (set.undecided > 0) set.undecided -= 1
    if (next == Status.Signed) set.signed += 1
    storeSet(key, set)
  }
  emitEvent('order-' + status, new Writer().fixed(order).fixed(record).fixed(context.caller))
  answer(new Writer().fixed(record))
}
