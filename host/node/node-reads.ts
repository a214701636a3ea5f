// What a signed-in person may see: every read is asked of `ward/policy` for this person, patient and kind
// of record, and every answer is pinned to one final height.
import {
  bytesToHex,
  decodeBorsh,
  encodeBorsh,
  errorTable,
  hexToBytes,
  mayReadInput,
  ok,
  policyAnswer,
  recordKind,
  refused,
  type RecordKindName,
} from '../../runtime/protocol/index.js'
import type {
  AlertView,
  OrderView,
  Outcome,
  PatientView,
  PersonView,
  Pinned,
  RecordJson,
  RecordQuery,
} from '../api/node-port.js'
import { alertViews, orderViews, patientViews, recordToJson } from '../api/views.js'
import type { LedgerEntry, Pin } from '../executor/messages.js'
import type { RunningNode } from './running-node.js'

/** Rows that one list may hold; what is older is asked for by patient. */
const listCountMax = 500
const timeMax = Number.MAX_SAFE_INTEGER

export class NodeReads {
  private readonly people = new Map<string, PersonView>()
  /** Policy answers by `reader:patient:kind`; emptied when the policy's store may have changed. */
  private readonly permissions = new Map<string, { allowed: boolean; missing: string }>()

  constructor(private readonly node: RunningNode) {
    for (const entity of node.open.entities) {
      const id = bytesToHex(entity.entity)
      this.people.set(id, { entity: id, label: entity.label, roles: entity.roles })
    }
  }

  forgetPermissions(): void {
    this.permissions.clear()
  }

  /** Persons who can sign in: they have a keystore on the chain. */
  signers(): PersonView[] {
    return this.node.open.entities
      .filter((entity) => entity.keystore.length > 0)
      .map((entity) => this.person(entity.entity))
  }

  person(entity: Uint8Array): PersonView {
    const id = bytesToHex(entity)
    return this.people.get(id) ?? { entity: id, label: '', roles: [] }
  }

  async pin(): Promise<Pinned> {
    return pinnedOf(await this.node.executor.call('pin', null))
  }

  async patients(reader: Uint8Array): Promise<Outcome<Pinned & { patients: PatientView[] }>> {
    const admissions = await this.visible(reader, ['admission'])
    const alerts = await this.visible(reader, ['alert', 'alertResponse'])
    const patients = patientViews(admissions.records, alertViews(alerts.records))
    return ok({ ...admissions.pin, patients })
  }

  async alerts(reader: Uint8Array, patient?: string): Promise<Outcome<Pinned & { alerts: AlertView[] }>> {
    const found = await this.visible(reader, ['alert', 'alertResponse'], patient)
    return ok({ ...found.pin, alerts: alertViews(found.records) })
  }

  async orders(reader: Uint8Array, patient?: string): Promise<Outcome<Pinned & { orders: OrderView[] }>> {
    const found = await this.visible(reader, ['order', 'orderEvent'], patient)
    return ok({ ...found.pin, orders: orderViews(found.records) })
  }

  async records(
    reader: Uint8Array,
    query: RecordQuery,
  ): Promise<Outcome<Pinned & { records: RecordJson[] }>> {
    const patient = hexToBytes(query.patient)
    if (!patient || patient.length !== 16) return refused('REQUEST_MALFORMED', 'patient')
    const permission = await this.mayRead(reader, patient, recordKind[query.kind])
    if (!permission.allowed) return refused('READ_NOT_GRANTED', permission.missing)
    const { pin, records } = await this.node.executor.call('records', {
      patient,
      kind: recordKind[query.kind],
      code: query.code ?? '',
      from: query.from ?? 0,
      to: query.to ?? timeMax,
      limit: query.limit,
      newest: query.order === 'newest',
    })
    return ok({ ...pinnedOf(pin), records: records.flatMap((record) => this.json(record) ?? []) })
  }

  /** One record as this person may see it; undefined when unknown or not permitted. */
  async record(reader: Uint8Array, id: Uint8Array): Promise<RecordJson | undefined> {
    const { record } = await this.node.executor.call('record', { id })
    if (!record) return undefined
    const permission = await this.mayRead(reader, record.patient, record.kind)
    return permission.allowed ? this.json(record) : undefined
  }

  /** Shown as author: who signed. A contract's record names the person whose call it came out of. */
  json(record: LedgerEntry): RecordJson | undefined {
    const origin = record.origin ? this.people.get(bytesToHex(record.origin)) : undefined
    return recordToJson(record, origin ?? this.person(record.author))
  }

  /** Records of these kinds, of one patient or of all, that the reader may see. */
  private async visible(
    reader: Uint8Array,
    kinds: RecordKindName[],
    patient?: string,
  ): Promise<{ pin: Pinned; records: RecordJson[] }> {
    const records: RecordJson[] = []
    let pin = await this.pin()
    const subject = patient === undefined ? null : (hexToBytes(patient) ?? new Uint8Array(16))
    for (const kind of kinds) {
      const query = {
        patient: subject,
        kind: recordKind[kind],
        code: '',
        from: 0,
        to: timeMax,
        limit: listCountMax,
        newest: true,
      }
      const answer = await this.node.executor.call('records', query)
      pin = pinnedOf(answer.pin)
      for (const record of answer.records) {
        const permission = await this.mayRead(reader, record.patient, record.kind)
        const json = permission.allowed ? this.json(record) : undefined
        if (json) records.push(json)
      }
    }
    return { pin, records }
  }

  async mayRead(
    reader: Uint8Array,
    patient: Uint8Array,
    kind: number,
  ): Promise<{ allowed: boolean; missing: string }> {
    const name = `${bytesToHex(reader)}:${bytesToHex(patient)}:${kind}`
    const known = this.permissions.get(name)
    if (known) return known
    const args = encodeBorsh(mayReadInput, { reader, patient, kind })
    if (!args.ok) return { allowed: false, missing: args.code }
    const view = { target: 'ward/policy', method: 'mayRead', args: args.value, caller: new Uint8Array(32) }
    const answer = await this.node.executor.call('view', view)
    const decoded = answer.ok ? decodeBorsh(policyAnswer, answer.returned) : undefined
    // A policy that fails lets nobody read: safer than a wrong yes.
    if (!decoded?.ok) return { allowed: false, missing: errorTable.POLICY_FAILED.sentence }
    const { allowed, missing } = decoded.value as { allowed: boolean; missing: string }
    if (this.permissions.size > 50_000) this.permissions.clear()
    this.permissions.set(name, { allowed, missing })
    return { allowed, missing }
  }
}

export const pinnedOf = (pin: Pin): Pinned => ({
  height: pin.height,
  blockTime: pin.blockTime,
  stateRoot: bytesToHex(pin.stateRoot),
})
