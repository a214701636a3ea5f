// A trace as people read it: arguments by the ABI of the version that ran, records with their bodies, and
// whose records it shows, so that the reader's grants can be asked for.
import {
  alertDraft,
  bytesToHex,
  codeOfStatus,
  decodeManifest,
  emittedRecord,
  explanationEntry,
  recordKind,
  recordView,
  triggerInput,
  type Manifest,
  type Schema,
} from '../../runtime/protocol/index.js'
import {
  readAlias,
  readCode,
  type ParentState,
  type TraceArgument,
  type TraceEvent,
} from '../../runtime/execution/index.js'
import { decodeRecordRow, readPatient } from '../../runtime/execution/record-rows.js'
import { store as tables } from '../../runtime/execution/kernel-tables.js'
import { decodeRecordBody, decodeToJson } from '../api/borsh-json.js'
import type { Json, JsonObject, TraceStep } from '../api/node-port.js'
import { isJsonObject, recordKindNameOf } from '../api/views.js'

const triggers = ['call', 'record', 'timer', 'view', 'genesis'] as const
const triggerOfRecord = 1

/** A patient and a kind of record that a trace shows. */
export interface Touched {
  patient: string
  kind: number
}

export class TraceView {
  readonly steps: TraceStep[] = []
  readonly #state: ParentState
  readonly #today: ParentState
  readonly #manifests = new Map<string, Manifest | undefined>()
  readonly #touched = new Map<string, Touched>()
  /** Versions of the open frames, outermost first. */
  readonly #open: { manifest: Manifest | undefined; method: string }[] = []

  /** `state` is what the block ran on; `today` also knows the records that the block itself made. */
  constructor(state: ParentState, today: ParentState) {
    this.#state = state
    this.#today = today
  }

  get touched(): Touched[] {
    return [...this.#touched.values()]
  }

  touch(patient: string, kind: number): void {
    this.#touched.set(`${patient}/${kind}`, { patient, kind })
  }

  add(event: TraceEvent): void {
    if (event.type === 'frame') this.#enter(event)
    else if (event.type === 'frame-end') this.#leave(event)
    else this.#host(event)
  }

  manifestAt(address: Uint8Array): Manifest | undefined {
    const name = bytesToHex(address)
    if (!this.#manifests.has(name)) {
      const code = readCode(this.#state, address)
      const bytes = code && this.#state.attachmentOf(code.manifest)
      const manifest = bytes && decodeManifest(bytes)
      this.#manifests.set(name, manifest?.ok ? manifest.value : undefined)
    }
    return this.#manifests.get(name)
  }

  /** Arguments of a method as JSON by its schema, or as hex; every id in them is looked at. */
  argumentsOf(manifest: Manifest | undefined, method: string, bytes: Uint8Array): Json {
    const schema = manifest?.methods.find(({ name }) => name === method)?.input
    return this.#decode(schema, bytes, manifest)
  }

  #enter(event: Extract<TraceEvent, { type: 'frame' }>): void {
    const manifest = this.manifestAt(event.address)
    this.#open.push({ manifest, method: event.method })
    const byRecord = event.trigger === triggerOfRecord
    this.steps.push({
      type: 'enter',
      depth: event.depth,
      alias: event.alias,
      version: manifest?.version ?? '',
      address: bytesToHex(event.address),
      method: event.method,
      caller: bytesToHex(event.caller),
      trigger: triggers[event.trigger],
      readOnly: event.readOnly,
      fuel: event.fuel,
      input: byRecord
        ? this.#decode(triggerInput, event.input, manifest)
        : this.argumentsOf(manifest, event.method, event.input),
    })
  }

  #leave(event: Extract<TraceEvent, { type: 'frame-end' }>): void {
    const { manifest, method } = this.#open.pop() ?? {}
    const schema = manifest?.methods.find(({ name }) => name === method)?.output
    const { returned } = event
    this.steps.push({
      type: 'leave',
      depth: event.depth,
      code: codeOfStatus(event.status) ?? String(event.status),
      fuelUsed: event.fuelUsed,
      ...(returned === undefined || returned.length === 0
        ? {}
        : { returned: this.#decode(schema, returned, manifest) }),
    })
  }

  #host(event: Extract<TraceEvent, { type: 'host' }>): void {
    const args: JsonObject = {}
    for (const argument of event.named) args[argument.name] = this.#argument(event, argument)
    const { answer, result, stopped } = event
    const hasResult = result !== undefined && result.length > 0 && (answer === undefined || answer >= 0)
    this.steps.push({
      type: 'host',
      depth: event.depth,
      name: event.name,
      arguments: args,
      ...(answer === undefined ? {} : { answer: numberOf(answer) }),
      ...(hasResult ? { result: this.#result(event.name, event.named, result) } : {}),
      fuelLeft: event.fuelLeft,
      ...(stopped === undefined ? {} : { stopped: codeOfStatus(stopped) ?? String(stopped) }),
    })
  }

  #argument({ name, named }: Extract<TraceEvent, { type: 'host' }>, argument: TraceArgument): Json {
    const { value } = argument
    if (!(value instanceof Uint8Array)) return numberOf(value)
    if (textArguments.has(argument.name)) return lenientText(value)
    const place = `${name}.${argument.name}`
    if (place === 'contract_call.target') return targetText(value)
    if (place === 'contract_call.args') return this.#callArguments(named, value)
    if (place === 'record_query.patient') this.touch(bytesToHex(value), Number(valueOf(named, 'kind')))
    const manifest = this.#open.at(-1)?.manifest
    const schema = hostSchemas.get(place)
    if (place === 'return_set.value') return bytesToHex(value)
    return this.#decode(schema, value, manifest)
  }

  #callArguments(named: readonly TraceArgument[], value: Uint8Array): Json {
    const manifest = this.#calledManifest(named)
    return this.argumentsOf(manifest, textOf(valueOf(named, 'method')), value)
  }

  #calledManifest(named: readonly TraceArgument[]): Manifest | undefined {
    const target = valueOf(named, 'target')
    if (!(target instanceof Uint8Array)) return undefined
    if (target.length === 32) return this.manifestAt(target)
    return this.activeManifest(lenientText(target))
  }

  /** Of the version that was active when the block began. */
  activeManifest(alias: string): Manifest | undefined {
    const row = readAlias(this.#state, alias)
    return row && this.manifestAt(row.active)
  }

  #result(name: string, named: readonly TraceArgument[], result: Uint8Array): Json {
    if (name === 'contract_call') {
      const manifest = this.#calledManifest(named)
      const method = textOf(valueOf(named, 'method'))
      const schema = manifest?.methods.find((known) => known.name === method)?.output
      return this.#decode(schema, result, manifest)
    }
    const schema = resultSchemas.get(name)
    return this.#decode(schema, result, this.#open.at(-1)?.manifest)
  }

  #decode(schema: Schema | undefined, bytes: Uint8Array, manifest: Manifest | undefined): Json {
    const decoded = schema && decodeToJson(schema, bytes)
    const json = decoded?.ok ? decoded.value : bytesToHex(bytes)
    return this.#look(json, manifest)
  }

  /** Notes whose records a value shows, and puts a record's body in words. */
  #look(value: Json, manifest: Manifest | undefined): Json {
    if (typeof value === 'string') {
      this.#lookAtId(value, manifest)
      return value
    }
    if (Array.isArray(value)) return value.map((part) => this.#look(part, manifest))
    if (!isJsonObject(value)) return value
    const { kind, patient, body } = value
    if (typeof kind === 'number' && typeof patient === 'string' && typeof body === 'string') {
      this.touch(patient, kind)
      return { ...value, ...recordWords(kind, body) }
    }
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => [name, this.#look(part, manifest)]),
    )
  }

  /** The record with this id is shown. */
  touchRecord(id: Uint8Array): void {
    this.#lookAtId(bytesToHex(id), undefined)
  }

  /** A record's id shows that record; a patient's id shows what this contract handles of patients. */
  #lookAtId(hex: string, manifest: Manifest | undefined): void {
    if (!/^(?:[0-9a-f]{32}|[0-9a-f]{64})$/.test(hex)) return
    const id = Uint8Array.from(Buffer.from(hex, 'hex'))
    if (id.length === 32) {
      const row = this.#today.get(tables.record, id)
      if (row === undefined) return
      const { header } = decodeRecordRow(row)
      this.touch(bytesToHex(header.patient), header.kind)
      return
    }
    if (readPatient(this.#today, id) === undefined) return
    const kinds = new Set([...(manifest?.reads ?? []), ...(manifest?.emits ?? [])].map(({ kind }) => kind))
    if (kinds.size === 0) kinds.add(recordKind.admission)
    for (const kind of kinds) this.touch(hex, kind)
  }
}

/** Kind and body of a record in words, where its schema is known. */
function recordWords(kind: number, bodyHex: string): JsonObject {
  const name = recordKindNameOf(kind)
  const bytes = Uint8Array.from(Buffer.from(bodyHex, 'hex'))
  const body = name === undefined ? undefined : decodeRecordBody(name, bytes)
  return { kind: name ?? kind, body: body?.ok ? body.value : bodyHex }
}

const textArguments: ReadonlySet<string> = new Set(['method', 'code', 'topic', 'message', 'text'])

const hostSchemas: ReadonlyMap<string, Schema> = new Map<string, Schema>([
  ['record_emit.record', emittedRecord],
  ['alert_raise.alert', alertDraft],
  ['explain.entry', explanationEntry],
])

const resultSchemas: ReadonlyMap<string, Schema> = new Map<string, Schema>([
  ['record_get', recordView],
  ['record_query', { vec: recordView }],
  ['record_latest', { vec: recordView }],
  [
    'state_scan',
    {
      vec: {
        struct: [
          ['order', 'u64'],
          ['sequence', 'u32'],
          ['value', 'bytes'],
        ],
      },
    },
  ],
])

const valueOf = (named: readonly TraceArgument[], name: string): TraceArgument['value'] | undefined =>
  named.find((argument) => argument.name === name)?.value

/** A contract may hand over bytes that are no text at all. */
const lenientText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

const textOf = (value: TraceArgument['value'] | undefined): string =>
  value instanceof Uint8Array ? lenientText(value) : ''

/** An alias, or an address of 32 bytes. */
const targetText = (target: Uint8Array): string =>
  target.length === 32 ? bytesToHex(target) : lenientText(target)

/** 64-bit values as decimal text, as everywhere in the API. */
const numberOf = (value: number | bigint): Json => (typeof value === 'bigint' ? value.toString() : value)
