// The JSON of `ward rule eval --input` as records of the protocol. Every refusal names the place.
import {
  admissionBody,
  bodySchemaVersion,
  encodeBorsh,
  findingBody,
  observationBody,
  recordKind,
  type Schema,
} from '../../runtime/protocol/index.js'
import type { RuleInput } from '../../runtime/execution/index.js'
import { CommandError } from './command-error.js'

type Given = Pick<RuleInput, 'patient' | 'records' | 'history'>
type JsonObject = Record<string, unknown>

export function parseRuleInput(json: unknown, now: number): Given {
  const root = objectOf(json, 'input')
  const patient = objectOf(root.patient ?? {}, 'patient')
  const history = objectOf(root.history ?? {}, 'history')
  return {
    patient: new Uint8Array(16).fill(1),
    history: [admission(patient, now), ...recordsOf(history, 'history.', now)],
    records: recordsOf(root, '', now),
  }
}

function recordsOf(part: JsonObject, path: string, now: number): RuleInput['records'] {
  const findings = listOf(part.findings, `${path}findings`).map((item, index) =>
    finding(objectOf(item, `${path}findings[${index}]`), now),
  )
  const observations = listOf(part.observations, `${path}observations`).map((item, index) =>
    observation(objectOf(item, `${path}observations[${index}]`), `${path}observations[${index}]`, now),
  )
  return [...findings, ...observations]
}

function admission(patient: JsonObject, now: number): RuleInput['records'][number] {
  const given = patient.pregnancy === undefined ? 'unknown' : textOf(patient.pregnancy, 'patient.pregnancy')
  const pregnancy = { unknown: 0, no: 1, yes: 2 }[given]
  if (pregnancy === undefined) malformed('patient.pregnancy', 'unknown, no or yes')
  const body = {
    schema: bodySchemaVersion,
    family: '',
    given: '',
    birthDate: Number(patient.birthDate ?? 0),
    sex: textOf(patient.sex ?? '', 'patient.sex'),
    pregnancy,
    identifiers: [],
    ward: '',
    room: '',
    bed: '',
    visitNumber: '',
    reason: '',
  }
  return record(recordKind.admission, 'ADT^A01', now, admissionBody, body, 'patient')
}

function finding(item: JsonObject, now: number): RuleInput['records'][number] {
  const code = textOf(item.code, 'findings.code')
  const concepts = listOf(item.concepts, 'findings.concepts').map((concept) =>
    textOf(concept, 'findings.concepts'),
  )
  const body = { schema: bodySchemaVersion, concepts, site: '', text: '' }
  return record(recordKind.finding, code, timeOf(item, now), findingBody, body, 'findings')
}

function observation(item: JsonObject, path: string, now: number): RuleInput['records'][number] {
  const code = textOf(item.code, `${path}.code`)
  const text = item.text === undefined ? '' : textOf(item.text, `${path}.text`)
  const decimal =
    item.value === undefined ? { value: 0n, scale: 0 } : decimalOf(item.value, `${path}.value`)
  if (item.value === undefined && text === '') malformed(path, 'a value or a text')
  const body = {
    schema: bodySchemaVersion,
    ...decimal,
    unit: item.unit === undefined ? '' : textOf(item.unit, `${path}.unit`),
    text,
    status: 'F',
    validation: Number(item.validation ?? 0),
    sourceText: '',
    device: '',
  }
  return record(recordKind.observation, code, timeOf(item, now), observationBody, body, path)
}

function record(
  kind: number,
  code: string,
  effectiveTime: number,
  schema: Schema,
  value: unknown,
  path: string,
): RuleInput['records'][number] {
  const body = encodeBorsh(schema, value)
  if (!body.ok) malformed(path, body.detail ?? body.code)
  return { kind, code, effectiveTime, body: body.value }
}

/** Decimal text, never a float: 38.6 is 386 with scale 1. */
function decimalOf(value: unknown, path: string): { value: bigint; scale: number } {
  const text = typeof value === 'number' ? String(value) : textOf(value, path)
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (!match) malformed(path, 'a decimal number')
  const fraction = match[3] ?? ''
  return { value: BigInt(`${match[1]}${match[2]}${fraction}`), scale: fraction.length }
}

function timeOf(item: JsonObject, now: number): number {
  return now - Math.round(Number(item.minutesAgo ?? 0) * 60_000)
}

function objectOf(value: unknown, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) malformed(path, 'an object')
  return value as JsonObject
}

function listOf(value: unknown, path: string): unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) malformed(path, 'a list')
  return value
}

function textOf(value: unknown, path: string): string {
  if (typeof value !== 'string') malformed(path, 'text')
  return value
}

function malformed(path: string, expected: string): never {
  throw new CommandError('INPUT_MALFORMED', `${path}: ${expected} expected. See \`ward rule eval --help\`.`)
}
