// What a transaction says, in words for the person who is about to sign it: decoded from the bytes that
// the signature will cover and from the bodies that those bytes commit to, never from what a frame asked
// for.
import {
  bytesToHex,
  decodeSignedTransaction,
  encodeSignedTransaction,
  laneNames,
  entityKind,
  laneIn,
  priority,
  recordBodySchemas,
  type AppendAction,
  type CallAction,
  type Hash,
  type LaneTable,
  type RecordBody,
  type Schema,
} from '../../runtime/protocol/index.js'
import { bodyHash, type RecordHeader } from '../../runtime/protocol/record.js'
import { equalBytes } from '../../runtime/protocol/bytes.js'
import { ok, refused, type Result } from '../../runtime/protocol/result.js'
import { decodeToJson } from './borsh-json.js'
import type { Json, JsonObject, NamedVersion, RecordJson, SummaryLine } from './node-port.js'
import { knowsVersions } from '../../runtime/execution/index.js'
import { meaningOf } from './signing-meaning.js'
import { reachOfCall, SubjectSearch } from './subjects.js'
import { isJsonObject, recordKindNameOf } from './views.js'

export interface SummaryContext {
  hash: Hash
  /** Input schema of a method of the contract that will run; undefined when there is none. */
  methodInput(target: string, method: string): Schema | undefined
  /** A record that the transaction names, if the signer may see it. */
  record(id: string): RecordJson | undefined
  /** Name of a patient, if the signer may see it. */
  patientName(id: string): string | undefined
  /** A deployed version by its address, with who calls its alias now; undefined: none is known. */
  version?(address: string): (NamedVersion & { dependants: readonly NamedVersion[] }) | undefined
  /** Which transaction travels in which lane, as the chain has it now. */
  lanes: LaneTable
}

export interface TransactionSummary {
  meaning: string
  lines: SummaryLine[]
  /** Hex ids of the patients of its records, of its arguments, and of the records that they name. */
  patients: string[]
  /** What it names that leads to no patient: ids of no record that the signer may see, unreadable bytes. */
  unknownSubjects: string[]
  lane: string
}

export type SummaryCode =
  'TRANSACTION_MALFORMED' | 'BODY_MISMATCH' | 'METHOD_UNKNOWN' | 'ARGUMENT_INVALID' | 'SCHEDULE_REFUSED'

/**
 * What `bodies` say must be what `payload` commits to: a mismatch is refused here, before anyone can sign
 * it.
 */
export function summarise(
  payload: Uint8Array,
  bodies: readonly RecordBody[],
  context: SummaryContext,
): Result<TransactionSummary, SummaryCode> {
  // The strict decoder reads whole COSE messages; an empty signature in front of it changes nothing that it
  // reads here.
  const decoded = decodeSignedTransaction(
    encodeSignedTransaction(payload, new Uint8Array(64)),
    context.hash,
  )
  if (!decoded.ok) return refused('TRANSACTION_MALFORMED', decoded.detail)
  const { transaction } = decoded.value
  const summary =
    transaction.action.type === 'append'
      ? summariseAppend(transaction.action, bodies, context)
      : summariseCall(transaction.action, context)
  if (!summary.ok) return summary
  const sender = { kind: entityKind.person, priority: priority.standard }
  return ok({ ...summary.value, lane: laneNames[laneIn(context.lanes, transaction, sender)] })
}

function summariseAppend(
  action: AppendAction,
  bodies: readonly RecordBody[],
  context: SummaryContext,
): Result<Omit<TransactionSummary, 'lane'>, SummaryCode> {
  const lines: SummaryLine[] = []
  const subjects = new SubjectSearch((id) => context.record(id))
  const meanings = new Set<string>()
  for (const [index, header] of action.records.entries()) {
    const body = bodies.at(index)
    if (body === undefined || !equalBytes(bodyHash(context.hash, body), header.bodyHash)) {
      return refused('BODY_MISMATCH', `record ${index}`)
    }
    const schema = recordBodySchemas.get(header.kind)
    const content = schema === undefined ? undefined : decodeToJson(schema, body.content)
    if (content !== undefined && !content.ok) return refused('BODY_MISMATCH', `record ${index}`)
    const fields = isJsonObject(content?.value) ? content.value : {}
    lines.push(...recordLines(header, fields, context))
    subjects.addPatient(bytesToHex(header.patient))
    if (header.supersedes) subjects.addRecord(bytesToHex(header.supersedes))
    if (schema !== undefined) subjects.search(schema, fields, 'body')
    meanings.add(meaningOf(recordKindNameOf(header.kind) ?? 'record', fields))
  }
  return ok({
    meaning: [...meanings].join('; '),
    lines,
    ...listsOf(subjects),
  })
}

function recordLines(header: RecordHeader, body: JsonObject, context: SummaryContext): SummaryLine[] {
  const lines: SummaryLine[] = [
    {
      label: 'Record',
      text: `${wordsOf(recordKindNameOf(header.kind) ?? `kind ${header.kind}`)} ${header.code}`.trim(),
    },
    { label: 'Patient', text: describePatient(bytesToHex(header.patient), context) },
    { label: 'Time', text: describeTime(header.effectiveTime) },
  ]
  if (header.supersedes) {
    lines.push({ label: 'Answers', text: describeRecord(bytesToHex(header.supersedes), context) })
  }
  for (const [name, value] of Object.entries(body)) {
    if (name !== 'schema' && !isEmpty(value)) {
      lines.push(lineOf(name, value, context))
    }
  }
  return lines
}

/** A sentence called `meaning` is the page's: quoted, so that nobody takes it for the shell's. */
function lineOf(name: string, value: Json, context: SummaryContext): SummaryLine {
  const text =
    name === 'patient' && typeof value === 'string'
      ? describePatient(value, context)
      : describeValue(value, context)
  return { label: wordsOf(name), text: name === 'meaning' ? `“${text}”` : text }
}

const listsOf = ({ found }: SubjectSearch): { patients: string[]; unknownSubjects: string[] } => ({
  patients: [...found.patients],
  unknownSubjects: [...found.unknown],
})

function describePatient(id: string, context: SummaryContext): string {
  const name = context.patientName(id)
  return name === undefined ? id : `${name} (${id})`
}

/** `2026-11-22 10:32:07.000 UTC`: from the bytes, in no zone but the one that it names. */
function describeTime(time: number): string {
  const at = new Date(time)
  if (Number.isNaN(at.getTime())) return `${time} ms since 1970`
  return at.toISOString().replace('T', ' ').replace('Z', ' UTC')
}

function summariseCall(
  action: CallAction,
  context: SummaryContext,
): Result<Omit<TransactionSummary, 'lane'>, SummaryCode> {
  const schema = context.methodInput(action.target, action.method)
  if (schema === undefined) return refused('METHOD_UNKNOWN', `${action.target}.${action.method}`)
  const args = decodeToJson(schema, action.args)
  if (!args.ok) return refused('ARGUMENT_INVALID', args.detail)
  const lines: SummaryLine[] = [{ label: 'Action', text: `${wordsOf(action.method)} (${action.target})` }]
  const fields = isJsonObject(args.value) ? args.value : { argument: args.value }
  const unknown = unknownVersions(action, fields)
  if (unknown !== undefined) return refused('SCHEDULE_REFUSED', unknown)
  for (const [name, value] of Object.entries(fields)) {
    if (!isEmpty(value)) lines.push(lineOf(name, value, context))
  }
  lines.push(...dependantLines(action, fields, context))
  const subjects = new SubjectSearch((id) => context.record(id))
  subjects.search(schema, args.value, reachOfCall(action.target), 'argument')
  if (action.attachments.length > 0) {
    lines.push({ label: 'Attachments', text: action.attachments.map(bytesToHex).join(', ') })
  }
  return ok({
    meaning: meaningOf(`${action.target}.${action.method}`, fields),
    lines,
    ...listsOf(subjects),
  })
}

/**
 * The chain judges a plan by its state alone, or nodes of two releases would disagree. So it is here that
 * nobody signs one under which this software, and whoever has not been updated, would stop at its height.
 */
function unknownVersions({ target, method }: CallAction, fields: JsonObject): string | undefined {
  if (`${target}.${method}` !== 'ward/governance.setFuelSchedule') return undefined
  const [fuelSchedule, instrumenter] = [Number(fields.fuelSchedule), Number(fields.instrumenter)]
  if (knowsVersions({ fuelSchedule, instrumenter })) return undefined
  return `not known here: schedule ${fuelSchedule}, instrumenter ${instrumenter}`
}

const idPattern = /^[0-9a-f]{64}$/

function describeValue(value: Json, context: SummaryContext): string {
  if (typeof value === 'string') return idPattern.test(value) ? describeRecord(value, context) : value
  if (Array.isArray(value)) return value.map((item) => describeValue(item, context)).join(', ')
  if (isJsonObject(value)) {
    return Object.entries(value)
      .filter(([, part]) => !isEmpty(part))
      .map(([name, part]) => `${wordsOf(name)}: ${describeValue(part, context)}`)
      .join('; ')
  }
  return String(value)
}

const versionText = ({ alias, version, address }: NamedVersion): string =>
  `${alias}@${version} (${address})`

/** Who is touched when what the arguments name becomes active. */
function dependantLines(action: CallAction, fields: JsonObject, context: SummaryContext): SummaryLine[] {
  if (action.target !== 'ward/governance') return []
  const named = [fields.addresses ?? fields.address ?? []].flat()
  return named.flatMap((address) => {
    const version = typeof address === 'string' ? context.version?.(address) : undefined
    if (version === undefined) return []
    const list = version.dependants.map(versionText).join(', ')
    return [{ label: `${version.alias} is called by`, text: list === '' ? 'no active contract' : list }]
  })
}

/** Words of a record or the name of a version that an id names, else the id itself: never a guess. */
function describeRecord(id: string, context: SummaryContext): string {
  const version = context.version?.(id)
  if (version !== undefined) return versionText(version)
  const record = context.record(id)
  const body = record?.body
  if (record === undefined || body === null || body === undefined) return id
  const parts = [body.summary, body.display, body.detail].filter(
    (part): part is string => typeof part === 'string' && part !== '',
  )
  return parts.length > 0 ? parts.join(' — ') : `${wordsOf(record.kind)} ${record.code}`
}

const isEmpty = (value: Json): boolean =>
  value === null || value === '' || (Array.isArray(value) && value.length === 0)

/** `wouldChange` → `Would change`. */
function wordsOf(name: string): string {
  const spaced = name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase()
  return spaced.charAt(0).toUpperCase() + spaced.slice(1)
}
