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
  Finality,
  OrderView,
  Outcome,
  PatientView,
  PersonView,
  Pinned,
  RecordJson,
  ProofOf,
  RecordPage,
  RecordQuery,
  ViewQuestion,
} from '../api/node-port.js'
import { alertViews, orderViews, patientViews, recordToJson } from '../api/views.js'
import type { CommitReply, LedgerEntry, Pin } from '../executor/messages.js'
import { ReadRounds } from './linear-read.js'
import { proofFor } from './node-proofs.js'
import { replayFor } from './node-replay.js'
import { viewFor } from './node-view.js'
import { ReplayGate } from './replay-gate.js'
import { nextOf, pageQueryOf } from './record-query.js'
import { PeopleBook } from './people-book.js'
import { RecordLists } from './record-lists.js'
import { askState } from './state-questions.js'
import type { RunningNode } from './running-node.js'

/** Questions to the policy on their way at a time: enough to hide the way, few enough to let blocks pass. */
const askedAtOnce = 32
const policyAlias = 'ward/policy'
const permissionsMax = 200_000

export interface Permission {
  allowed: boolean
  /** Last block time at which this holds, ms since 1970; 0: no end. */
  validUntil: number
  /** What is missing, in words, when it is not allowed. */
  missing: string
}

export class NodeReads {
  /** Of linearizable reads. */
  readonly rounds = new ReadRounds()

  readonly people: PeopleBook
  /** Policy answers by `reader:patient:kind`; emptied when the policy's store may have changed. */
  private readonly permissions = new Map<string, Permission>()
  private readonly lists: RecordLists
  private readonly replays = new ReplayGate()
  private readonly views = new ReplayGate()
  /** Block time of the tip: grants end by the chain's clock, not by this computer's. */
  private tipTime: number

  constructor(private readonly node: RunningNode) {
    this.people = new PeopleBook(node)
    this.tipTime = node.open.tip.time
    this.lists = new RecordLists(
      (query) => node.readers.call('records', query),
      (record) => this.json(record),
    )
  }

  /** What a final block makes of what is remembered here. */
  onCommit(commit: CommitReply): void {
    this.tipTime = Math.max(this.tipTime, commit.blockTime)
    this.people.onCommit(commit)
    if (commit.erased) {
      this.lists.forget()
      this.node.readers.forget()
    }
    const policyRan = commit.receipts.some((receipt) => receipt.target.startsWith(`${policyAlias}.`))
    if (policyRan || commit.switched.includes(policyAlias)) this.permissions.clear()
  }

  /** Persons who can sign in: they have a keystore on the chain. */
  signers(): Promise<PersonView[]> {
    return this.people.signers()
  }

  person(entity: Uint8Array): PersonView {
    return this.people.person(entity)
  }

  async pin(): Promise<Pinned> {
    return pinnedOf(await askState(this.node, 'pin', null))
  }

  async patients(reader: Uint8Array): Promise<Outcome<Pinned & { patients: PatientView[] }>> {
    const admissions = await this.visible(reader, ['admission'])
    const alerts = await this.visible(reader, ['alert', 'alertResponse'])
    const open = alertViews(alerts.records).filter((alert) => alert.state === 'open')
    const patients = patientViews(admissions.records, open)
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

  async records(reader: Uint8Array, query: RecordQuery): Promise<Outcome<RecordPage>> {
    const asked = pageQueryOf(query)
    if (!asked.ok) return asked
    const { patient, kind } = asked.value
    if (patient !== null) {
      const permission = await this.mayRead(reader, patient, kind)
      if (!permission.allowed) return refused('READ_NOT_GRANTED', permission.missing)
    }
    const page = await this.node.readers.call('page', asked.value)
    if (page === null) return refused('REQUEST_MALFORMED', 'pinned: there is no such height yet')
    const allowed = await Promise.all(
      page.records.map(async (record) => {
        if (patient !== null) return true
        return (await this.mayRead(reader, record.patient, record.kind)).allowed
      }),
    )
    const visible = page.records.filter((_, index) => allowed[index])
    const final = visible.flatMap((record) => this.json(record) ?? [])
    const records = this.withWaiting(query, final)
    return ok({ ...pinnedOf(page.pin), records, next: nextOf(page) })
  }

  async replay(reader: Uint8Array, id: string): ReturnType<typeof replayFor> {
    const run = await this.replays.run(bytesToHex(reader), () =>
      replayFor(reader, id, {
        step: (bytes) => this.node.readers.call('replay', { id: bytes }),
        showsRaw: false,
        mayRead: (...question) => this.mayRead(...question),
      }),
    )
    if ('value' in run) return run.value
    return refused('REPLAY_BUSY', `in ${Math.ceil(run.retryMs / 1_000)} s`)
  }

  view(reader: Uint8Array, question: ViewQuestion): ReturnType<typeof viewFor> {
    return viewFor(reader, question, { node: this.node, reads: this, gate: this.views })
  }

  proof(reader: Uint8Array, asked: ProofOf): ReturnType<typeof proofFor> {
    return proofFor(reader, asked, {
      prove: (question) => this.node.executor.call('prove', { question }),
      mayRead: (...question) => this.mayRead(...question),
    })
  }

  /** One record as this person may see it; undefined when unknown or not permitted. */
  async record(reader: Uint8Array, id: Uint8Array): Promise<RecordJson | undefined> {
    const { record } = await this.node.readers.call('record', { id })
    if (!record) return undefined
    const permission = await this.mayRead(reader, record.patient, record.kind)
    return permission.allowed ? this.json(record) : undefined
  }

  /** Shown as author: who signed. A contract's record names the person whose call it came out of. */
  json(record: LedgerEntry, finality: Finality = 'final'): RecordJson | undefined {
    const origin = record.origin && this.people.known(record.origin)
    return recordToJson(record, origin ?? this.person(record.author), finality)
  }

  /** On the first page of the newest of a patient, what is not agreed yet stands beside what is. */
  private withWaiting(query: RecordQuery, final: RecordJson[]): RecordJson[] {
    const { patient, kind, code, author, from = 0 } = query
    const isOpenEnded = [query.to, query.pinned, query.after].every((bound) => bound === undefined)
    if (patient === undefined || query.order !== 'newest' || query.by === 'arrival' || !isOpenEnded)
      return final
    const waiting = this.notFinal(kind, final, patient.toLowerCase()).filter(
      (record) =>
        (code === undefined || record.code === code) &&
        (author === undefined || record.author.entity === author) &&
        record.effectiveTime >= from,
    )
    if (waiting.length === 0) return final
    return [...waiting, ...final].sort((left, right) => right.effectiveTime - left.effectiveTime)
  }

  private waitingPatients(kind: RecordKindName): Set<string> {
    const waiting = this.node.tentative.of([recordKind[kind]])
    return new Set(waiting.map(({ entry }) => bytesToHex(entry.patient)))
  }

  /**
   * What was computed here and is not agreed yet (R31), newest first; `final` are the records that stand
   * beside it, which win.
   */
  private notFinal(kind: RecordKindName, final: readonly RecordJson[], patient?: string): RecordJson[] {
    const known = new Set(final.map(({ id }) => id))
    const records = this.node.tentative
      .of([recordKind[kind]], patient)
      .flatMap(({ entry, finality }) => this.json(entry, finality) ?? [])
    return records.filter(({ id }) => !known.has(id)).reverse()
  }

  /** Records of these kinds, of one patient or of all, that the reader may see: complete lists. */
  private async visible(
    reader: Uint8Array,
    kinds: RecordKindName[],
    patient?: string,
  ): Promise<{ pin: Pinned; records: RecordJson[] }> {
    const { pin, lists } = await this.lists.group(kinds)
    const records: RecordJson[] = []
    for (const [index, kind] of kinds.entries()) {
      const list = lists[index]
      const waiting = this.waitingPatients(kind)
      const patients =
        patient === undefined ? [...new Set([...list.keys(), ...waiting])] : [patient.toLowerCase()]
      for (let start = 0; start < patients.length; start += askedAtOnce) {
        const some = patients.slice(start, start + askedAtOnce)
        const permissions = await Promise.all(
          some.map((id) => this.mayRead(reader, hexToBytes(id) ?? new Uint8Array(16), recordKind[kind])),
        )
        for (const [place, id] of some.entries()) {
          if (!permissions[place].allowed) continue
          const final = list.get(id) ?? []
          records.push(...final)
          if (waiting.has(id)) records.push(...this.notFinal(kind, final, id))
        }
      }
    }
    return { pin: pinnedOf(pin), records }
  }

  async mayRead(reader: Uint8Array, patient: Uint8Array, kind: number): Promise<Permission> {
    const name = `${bytesToHex(reader)}:${bytesToHex(patient)}:${kind}`
    const known = this.permissions.get(name)
    // An answer that has ended is asked for again: another grant may hold.
    if (known && !this.hasEnded(known)) return known
    const args = encodeBorsh(mayReadInput, { reader, patient, kind })
    if (!args.ok) return refusal(args.code)
    const view = { target: policyAlias, method: 'mayRead', args: args.value, caller: new Uint8Array(32) }
    const answer = await askState(this.node, 'view', view)
    this.tipTime = Math.max(this.tipTime, answer.pin.blockTime)
    const decoded = answer.ok ? decodeBorsh(policyAnswer, answer.returned) : undefined
    // A policy that fails lets nobody read: safer than a wrong yes.
    if (!decoded?.ok) return refusal(errorTable.POLICY_FAILED.sentence)
    const permission = permissionOf(decoded.value as unknown as PolicyAnswer)
    if (this.hasEnded(permission)) return refusal('the grant to read this has ended')
    if (this.permissions.size > permissionsMax) this.permissions.clear()
    this.permissions.set(name, permission)
    return permission
  }

  /** `validUntil` is the last block time at which a grant holds. */
  private hasEnded({ allowed, validUntil }: Permission): boolean {
    return allowed && validUntil !== 0 && validUntil < this.tipTime
  }
}

interface PolicyAnswer {
  allowed: boolean
  validUntil: bigint | number
  missing: string
}

const permissionOf = ({ allowed, validUntil, missing }: PolicyAnswer): Permission => ({
  allowed,
  validUntil: Number(validUntil),
  missing,
})

const refusal = (missing: string): Permission => ({ allowed: false, validUntil: 0, missing })

export const pinnedOf = (pin: Pin): Pinned => ({
  height: pin.height,
  blockTime: pin.blockTime,
  stateRoot: bytesToHex(pin.stateRoot),
})
