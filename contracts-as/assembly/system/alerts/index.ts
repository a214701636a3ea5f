// `ward/alerts`: the hospital's policy on alerts, so that no rule needs one of its own. One alert for each
// (patient, rule, branch) within six hours; repeated evidence is folded into it, a higher severity replaces
// it.
import {
  AlertOutcome,
  aliasEntity,
  ALREADY_DONE,
  answer,
  ARGUMENT_INVALID,
  BODY_SCHEMA,
  CALL_NOT_GRANTED,
  Context,
  emitEvent,
  HOUR,
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
  AlertState,
  alertOf,
  branchKey,
  branchOf,
  BranchState,
  setAlert,
  setBranch,
  Status,
  writeAlert,
} from './open-alerts'

const ALIAS = 'ward/alerts'
/**
 * clinical reference, section 4: one alert per patient and six hours unless severity rises or a new branch
 * fires.
 */
const REPEAT_AFTER: u64 = 6 * HOUR
const SUMMARY_CHARACTERS_MAX: i32 = 140

/**
 * Kernel, for a rule: {rule, ruleVersion, ruleAddress, patient, draft} -> {alert, outcome u8}. Outcome 1: a
 * new alert record; 2: folded into the alert that is named; 3: new, in place of a lower severity.
 */
export function raise(): void {
  const context = new Context()
  if (!context.calledByKernel)
    refuse(CALL_NOT_GRANTED, 'rules raise alerts by the host function alert_raise')
  const reader = input()
  const rule = reader.text(64)
  const version = reader.text(64)
  const address = reader.fixed(32)
  const patient = reader.fixed(16)
  const draftStart = reader.rest()
  const branch = reader.text(64)
  const severity = reader.u8()
  if (severity < 1 || severity > 3) refuse(ARGUMENT_INVALID, 'severity is 1, 2 or 3')
  if (reader.text().length > SUMMARY_CHARACTERS_MAX)
    refuse(ARGUMENT_INVALID, 'a summary has at most 140 characters')

  const key = branchKey(patient, rule, branch)
  const former = branchOf(key)
  let replaced: Bytes | null = null
  if (former !== null) {
    const stands = alertOf(former.alert)
    const isRetracted = stands !== null && stands.status == Status.Retracted
    const isRecent = context.time < former.raisedAt + REPEAT_AFTER
    if (isRecent && severity <= former.severity && !isRetracted) return fold(key, former)
    if (stands !== null && stands.status == Status.Open) replaced = former.alert
  }
  const body = new Writer().u16(BODY_SCHEMA).text(rule).text(version).fixed(address).fixed(draftStart)
  const alert = Records.emit(RecordKind.Alert, patient, rule, context.time, replaced, body)
  remember(key, alert, patient, rule, severity, context.time)
  emitEvent('alert-raised', new Writer().fixed(alert).fixed(patient).u8(severity))
  const outcome = replaced === null ? AlertOutcome.Raised : AlertOutcome.Escalated
  answer(new Writer().fixed(alert).u8(outcome as u8))
}

function remember(key: Bytes, alert: Bytes, patient: Bytes, rule: string, severity: u8, time: u64): void {
  const branch = new BranchState()
  branch.alert = alert
  branch.severity = severity
  branch.raisedAt = time
  setBranch(key, branch)
  const state = new AlertState()
  state.patient = patient
  state.rule = rule
  setAlert(alert, state)
}

/**
 * The evidence itself is in the records that triggered the rule; the event says that it belongs to this
 * alert.
 */
function fold(key: Bytes, former: BranchState): void {
  former.folded += 1
  setBranch(key, former)
  emitEvent('alert-folded', new Writer().fixed(former.alert).u32(former.folded))
  answer(new Writer().fixed(former.alert).u8(AlertOutcome.Folded as u8))
}

/**
 * {alert, response, reason} -> {record}. A person answers; `not-applicable` and `disagree` need a reason.
 */
export function acknowledge(): void {
  const context = new Context()
  requireGrant(context, ALIAS, 'acknowledge')
  const reader = input()
  const alert = reader.fixed(32)
  const response = reader.text(32)
  const reason = reader.text()
  reader.end()
  const next = statusAfter(response)
  if ((response == 'not-applicable' || response == 'disagree') && reason.length == 0) {
    refuse(REASON_NEEDED, 'say why the alert does not apply')
  }
  const state = existing(alert)
  if (state.status >= Status.Closed) refuse(ALREADY_DONE, 'this alert was closed already')
  if (state.status == Status.Answered && response == 'acknowledged') {
    refuse(ALREADY_DONE, 'this alert was acknowledged already')
  }
  respond(context, alert, state, next, response, reason)
}

/** {alert, reason} -> {record}. The rule that raised it, or a person with this grant. */
export function retract(): void {
  const context = new Context()
  const reader = input()
  const alert = reader.fixed(32)
  const reason = reader.text()
  reader.end()
  if (reason.length == 0) refuse(REASON_NEEDED, 'say why the alert no longer holds')
  const state = existing(alert)
  // A contract reaches us only if its approved manifest names us; it may take back what its own alias
  // raised.
  const isOwnRule = context.depth > 0 && context.isCaller(aliasEntity(state.rule))
  if (!isOwnRule) requireGrant(context, ALIAS, 'retract')
  if (state.status == Status.Retracted) refuse(ALREADY_DONE, 'this alert was retracted already')
  respond(context, alert, state, Status.Retracted, 'retracted', reason)
}

/** {alert} -> {patient, rule, status u8, answeredBy, answeredAt}. */
export function alertStatus(): void {
  answer(writeAlert(new Writer(), existing(input().fixed(32))))
}

function statusAfter(response: string): u8 {
  if (response == 'acknowledged' || response == 'will-review') return Status.Answered
  if (response == 'acted' || response == 'not-applicable' || response == 'disagree') return Status.Closed
  refuse(ARGUMENT_INVALID, 'responses: acknowledged, will-review, acted, not-applicable, disagree')
  return 0
}

function existing(alert: Bytes): AlertState {
  const state = alertOf(alert)
  if (state === null) refuse(RECORD_UNKNOWN, 'no alert has this id')
  return state!
}

function respond(
  context: Context,
  alert: Bytes,
  state: AlertState,
  next: u8,
  response: string,
  reason: string,
): void {
  const body = new Writer().u16(BODY_SCHEMA).text(response).text(reason)
  const record = Records.emit(
    RecordKind.AlertResponse,
    state.patient,
    state.rule,
    context.time,
    alert,
    body,
  )
  state.status = next
  state.answeredBy = context.caller
  state.answeredAt = context.time
  setAlert(alert, state)
  // The record's author is this contract; the event names the person, who also signed the transaction.
  emitEvent('alert-answered', new Writer().fixed(alert).fixed(record).fixed(context.caller).text(response))
  answer(new Writer().fixed(record))
}
