// From ledger records to what screens show: patients, alerts with their life cycle, orders with their
// track. Pure; the node calls it with records that its reader may see.
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { recordKind, type RecordKindName } from '../../runtime/protocol/record.js'
import { decodeRecordBody } from './borsh-json.js'
import type {
  AlertInputView,
  AlertResponseView,
  AlertView,
  Finality,
  Json,
  JsonObject,
  OrderEventView,
  OrderView,
  PatientView,
  PersonView,
  RecordJson,
} from './node-port.js'

/**
 * A ledger record as the store gives it; field for field `recordView` of runtime/protocol/record-bodies.ts.
 */
export interface LedgerRecord {
  id: Uint8Array
  kind: number
  patient: Uint8Array
  code: string
  effectiveTime: number | bigint
  arrivalHeight: number | bigint
  arrivalTime: number | bigint
  number: number
  author: Uint8Array
  supersedes?: Uint8Array | null
  /** Null when the patient's bodies were erased. */
  body: Uint8Array | null
}

const kindNames = new Map<number, RecordKindName>(
  Object.entries(recordKind).map(([name, number]) => [number, name as RecordKindName]),
)
export const recordKindNames: readonly RecordKindName[] = [...kindNames.values()]
export const recordKindNameOf = (kind: number): RecordKindName | undefined => kindNames.get(kind)

/** JSON view of one ledger record; undefined for a kind that this version does not know. */
export function recordToJson(
  record: LedgerRecord,
  author: PersonView,
  finality: Finality = 'final',
): RecordJson | undefined {
  const kind = kindNames.get(record.kind)
  if (kind === undefined) return undefined
  const decoded = record.body === null ? undefined : decodeRecordBody(kind, record.body)
  return {
    id: bytesToHex(record.id),
    kind,
    patient: bytesToHex(record.patient),
    code: record.code,
    effectiveTime: Number(record.effectiveTime),
    arrivalHeight: Number(record.arrivalHeight),
    arrivalTime: Number(record.arrivalTime),
    number: record.number,
    author,
    supersedes: record.supersedes ? bytesToHex(record.supersedes) : null,
    body: decoded?.ok ? decoded.value : null,
    finality,
  }
}

const text = (body: JsonObject, name: string): string => (typeof body[name] === 'string' ? body[name] : '')
const whole = (body: JsonObject, name: string): number => Number(body[name] ?? 0)
const list = (body: JsonObject, name: string): string[] =>
  Array.isArray(body[name]) ? (body[name] as string[]) : []

/**
 * Alerts with the responses that answer them, newest first. `records` holds kinds alert and alertResponse
 * in any order. An alert is retracted by the response `retracted`, acknowledged by any other, replaced by
 * an alert that supersedes it. What is not final changes no other record (R31): it is listed, and no more.
 */
export function alertViews(records: readonly RecordJson[]): AlertView[] {
  const responses = groupBySuperseded(records.filter((record) => record.kind === 'alertResponse'))
  const alerts = records.filter((record) => record.kind === 'alert' && record.body !== null)
  const replaced = new Set(alerts.filter(isFinal).map((record) => record.supersedes))
  return alerts
    .map((record) => alertView(record, responses.get(record.id) ?? [], replaced.has(record.id)))
    .sort((left, right) => right.raisedTime - left.raisedTime || compareText(left.id, right.id))
}

function alertView(record: RecordJson, answers: RecordJson[], isReplaced: boolean): AlertView {
  const body = record.body ?? {}
  const inputs = ((body.inputs as JsonObject[] | undefined) ?? []).map(alertInputView)
  const responses = answers.map((answer): AlertResponseView => ({
    response: text(answer.body ?? {}, 'response'),
    reason: text(answer.body ?? {}, 'reason'),
    author: answer.author,
    time: answer.arrivalTime,
    height: answer.arrivalHeight,
    finality: answer.finality,
  }))
  const standing = responses.filter(isFinal)
  const retracted =
    record.finality === 'retracted' || standing.some((response) => response.response === 'retracted')
  return {
    id: record.id,
    patient: record.patient,
    state: stateOf(retracted, standing.length, isReplaced),
    finality: retracted ? 'retracted' : record.finality,
    severity: whole(body, 'severity'),
    rule: text(body, 'rule'),
    ruleVersion: text(body, 'ruleVersion'),
    ruleAddress: text(body, 'ruleAddress'),
    branch: text(body, 'branch'),
    summary: text(body, 'summary'),
    inputs,
    basis: list(body, 'basis'),
    missing: list(body, 'missing'),
    wouldChange: list(body, 'wouldChange'),
    citation: text(body, 'citation'),
    raisedTime: record.arrivalTime,
    height: record.arrivalHeight,
    unvalidated: inputs.some((input) => input.validation === 0),
    responses,
  }
}

function stateOf(isRetracted: boolean, responseCount: number, isReplaced: boolean): AlertView['state'] {
  if (isRetracted) return 'retracted'
  if (responseCount > 0) return 'acknowledged'
  return isReplaced ? 'replaced' : 'open'
}

function alertInputView(input: JsonObject): AlertInputView {
  return {
    code: text(input, 'code'),
    label: text(input, 'label'),
    value: text(input, 'value'),
    scale: whole(input, 'scale'),
    unit: text(input, 'unit'),
    text: text(input, 'text'),
    effectiveTime: whole(input, 'effectiveTime'),
    record: text(input, 'record'),
    points: whole(input, 'points'),
    threshold: text(input, 'threshold'),
    validation: whole(input, 'validation'),
  }
}

/**
 * Orders with their track, by alert, then order set, then position: blood cultures stay before antibiotics.
 * The status is that of the last final event.
 */
export function orderViews(records: readonly RecordJson[]): OrderView[] {
  const events = groupBySuperseded(records.filter((record) => record.kind === 'orderEvent'))
  return records
    .filter((record) => record.kind === 'order' && record.body !== null)
    .map((record) => orderView(record, events.get(record.id) ?? []))
    .sort(
      (left, right) =>
        right.proposedTime - left.proposedTime ||
        compareText(left.orderSet, right.orderSet) ||
        left.position - right.position ||
        compareText(left.id, right.id),
    )
}

function orderView(record: RecordJson, answers: RecordJson[]): OrderView {
  const body = record.body ?? {}
  const events = answers.map((answer): OrderEventView => ({
    status: text(answer.body ?? {}, 'status'),
    meaning: text(answer.body ?? {}, 'meaning'),
    reason: text(answer.body ?? {}, 'reason'),
    author: answer.author,
    time: answer.arrivalTime,
    height: answer.arrivalHeight,
    finality: answer.finality,
  }))
  return {
    id: record.id,
    patient: record.patient,
    status: events.filter(isFinal).at(-1)?.status ?? 'proposed',
    finality: record.finality,
    rule: text(body, 'rule'),
    ruleVersion: text(body, 'ruleVersion'),
    ruleAddress: text(body, 'ruleAddress'),
    alert: typeof body.alert === 'string' ? body.alert : null,
    orderSet: text(body, 'orderSet'),
    item: text(body, 'item'),
    display: text(body, 'display'),
    category: text(body, 'category'),
    position: whole(body, 'position'),
    detail: text(body, 'detail'),
    needs: list(body, 'needs'),
    proposedTime: record.arrivalTime,
    height: record.arrivalHeight,
    events,
  }
}

/**
 * One view per patient, sorted by worst open alert, then name. `admissions`: kind admission, the newest
 * final one of each patient counts. `alerts`: as `alertViews` gives them.
 */
export function patientViews(
  admissions: readonly RecordJson[],
  alerts: readonly AlertView[],
): PatientView[] {
  const newest = new Map<string, RecordJson>()
  for (const record of admissions) {
    if (record.kind !== 'admission' || record.body === null || !isFinal(record)) continue
    const known = newest.get(record.patient)
    if (known === undefined || known.number < record.number) newest.set(record.patient, record)
  }
  return [...newest.values()]
    .map((record) =>
      patientView(
        record,
        alerts.filter((alert) => alert.patient === record.patient && alert.state === 'open'),
      ),
    )
    .sort(
      (left, right) =>
        right.worstSeverity - left.worstSeverity ||
        compareText(left.family, right.family) ||
        compareText(left.given, right.given) ||
        compareText(left.patient, right.patient),
    )
}

function patientView(record: RecordJson, open: AlertView[]): PatientView {
  const body = record.body ?? {}
  return {
    patient: record.patient,
    family: text(body, 'family'),
    given: text(body, 'given'),
    birthDate: whole(body, 'birthDate'),
    sex: text(body, 'sex'),
    identifiers: ((body.identifiers as JsonObject[] | undefined) ?? []).map((identifier) => ({
      value: text(identifier, 'value'),
      authority: text(identifier, 'authority'),
      type: text(identifier, 'type'),
    })),
    ward: text(body, 'ward'),
    room: text(body, 'room'),
    bed: text(body, 'bed'),
    visitNumber: text(body, 'visitNumber'),
    reason: text(body, 'reason'),
    allergies: '',
    codeStatus: '',
    openAlerts: open.length,
    worstSeverity: open.reduce((worst, alert) => Math.max(worst, alert.severity), 0),
  }
}

function groupBySuperseded(records: RecordJson[]): Map<string, RecordJson[]> {
  const groups = new Map<string, RecordJson[]>()
  for (const record of records) {
    if (record.supersedes === null) continue
    const group = groups.get(record.supersedes)
    if (group) group.push(record)
    else groups.set(record.supersedes, [record])
  }
  for (const group of groups.values()) {
    group.sort((left, right) => left.arrivalHeight - right.arrivalHeight || left.number - right.number)
  }
  return groups
}

const isFinal = ({ finality }: { finality: Finality }): boolean => finality === 'final'

/** By code unit, the same on every machine: no locale. */
const compareText = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

/** Narrowing for callers that hold parsed JSON. */
export const isJsonObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
