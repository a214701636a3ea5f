// A node of one process for tests of the API and the screens: real protocol bytes, real views, no network
// and no chain. The integrated tests run against real nodes; this one stands in where only HTTP and
// pixels are at stake.
import { createHash, randomBytes } from 'node:crypto'
import {
  bytesToHex,
  encodeTransaction,
  foundingLaneTable,
  hexToBytes,
  recordId,
  recordKind,
  type RecordKindName,
} from '../../runtime/protocol/index.js'
import { ok, refused } from '../../runtime/protocol/result.js'
import { encodeJson, encodeRecordBody } from './borsh-json.js'
import type {
  AlertView,
  ApiEvent,
  BatchView,
  JsonObject,
  NodePort,
  NodeStatus,
  Outcome,
  PageView,
  PersonView,
  Pinned,
  Prepared,
  Proposal,
  ReceiptView,
  RecordJson,
  Session,
  ShareDealView,
} from './node-port.js'
import { methodSchemas, nothingHeld } from './small-node-methods.fixture.js'
import { subjectViews } from './subjects.js'
import { summarise } from './summary.js'
import { alertViews, orderViews, patientViews } from './views.js'

export const storePassword = 'correct horse battery staple'
export const personPassword = 'second-password-of-the-nurse'

const hash = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
const idOf = (name: string): Uint8Array => hash(new TextEncoder().encode(name))

const personOf = (role: string, label: string): PersonView => {
  return { entity: bytesToHex(idOf(role)), label, roles: [role] }
}
export const nurse = personOf('nurse', 'Ward nurse')
export const doctor = personOf('doctor', 'Ward physician')
export const monitor: PersonView = {
  entity: bytesToHex(idOf('monitor')),
  label: 'Monitor bed 12',
  roles: ['source'],
}
export const rule: PersonView = {
  entity: bytesToHex(idOf('rule')),
  label: 'ward/sepsis-screen',
  roles: ['contract'],
}
export const patientOf = (name: string): string => bytesToHex(idOf(name).slice(0, 16))

export interface NewRecord {
  kind: RecordKindName
  patient: string
  code: string
  body: JsonObject
  author?: PersonView
  effectiveTime?: number
  supersedes?: string
  finality?: RecordJson['finality']
}

export interface SmallNode extends NodePort {
  /** Appends as if a block had become final, and tells subscribers. Returns the record's id. */
  append(record: NewRecord): string
  /** Makes a tentative record final. */
  finalise(id: string): void
  setPage(page: PageView): void
  endSessions(): void
  /** Passwords as they arrived, for tests that look whether they were overwritten. */
  readonly passwordsSeen: Uint8Array[]
  readonly calls: string[]
  readonly signed: Proposal[]
  options: SmallNodeOptions
}

export interface SmallNodeOptions {
  isSealed: boolean
  environment: string
  sessionMs: number
  unlockMs: number
  /** Answered by `sign` instead of a receipt. */
  signRefusal?: Outcome<ReceiptView>
  /** Answered by reads of this kind instead of records. */
  unreadable: RecordKindName[]
  quarantined?: NodeStatus['quarantined']
}

export function createSmallNode(given: Partial<SmallNodeOptions> = {}): SmallNode {
  const options: SmallNodeOptions = {
    isSealed: true,
    environment: 'TRAINING',
    sessionMs: 15 * 60_000,
    unlockMs: 50,
    unreadable: [],
    ...given,
  }
  return new SmallNodeOfOne(options)
}

interface Listener {
  session: Session | undefined
  tell(event: ApiEvent): void
}

class SmallNodeOfOne implements SmallNode {
  readonly passwordsSeen: Uint8Array[] = []
  readonly calls: string[] = []
  readonly signed: Proposal[] = []
  private readonly records_: RecordJson[] = []
  private readonly sessions = new Map<string, Session & { hasSigned: boolean }>()
  private readonly listeners = new Set<Listener>()
  private readonly prepared = new Map<string, { view: Prepared; proposal: Proposal }>()
  private readonly pages_ = new Map<string, PageView>()
  private height = 0
  private blockTime = Date.now()
  private progress: NodeStatus['progress'] = null

  constructor(public options: SmallNodeOptions) {}

  private pin(): Pinned {
    return { height: this.height, blockTime: this.blockTime, stateRoot: bytesToHex(idOf(`${this.height}`)) }
  }

  status(): NodeStatus {
    return {
      ...this.pin(),
      name: 'workstation-1',
      role: 'observer',
      initialised: true,
      sealed: this.options.isSealed,
      progress: this.progress,
      chainId: bytesToHex(idOf('chain')),
      chainName: 'Test hospital',
      environment: this.options.environment,
      view: 0,
      leader: 'node-a',
      phase: 'following',
      voted: ['node-a', 'node-b', 'node-c'],
      missing: ['node-d'],
      reason: { code: 'IDLE', sentence: 'nothing to agree on', sinceMs: 0 },
      peersConnected: 4,
      peersKnown: 4,
      lag: 0,
      equivocations: [],
      quarantined: this.options.quarantined ?? [],
      setAside: 0,
      version: '0.1.0',
    }
  }

  async unlock(password: Uint8Array): Promise<Outcome<null>> {
    this.passwordsSeen.push(password)
    this.progress = { phase: 'deriving the key', percent: 40 }
    await new Promise((resolve) => setTimeout(resolve, this.options.unlockMs))
    this.progress = null
    if (Buffer.from(password).toString() !== storePassword) return refused('KEYSLOT_REJECTED')
    this.options.isSealed = false
    return ok(null)
  }

  async dealShares(password: Uint8Array): Promise<Outcome<ShareDealView>> {
    if (Buffer.from(password).toString() !== storePassword) return refused('KEYSLOT_REJECTED')
    return refused('PEERS_TOO_FEW')
  }

  async seal(): Promise<void> {
    this.options.isSealed = true
    this.endSessions()
  }

  people = (): Promise<Outcome<PersonView[]>> => Promise.resolve(ok([nurse, doctor]))

  async changePassword(): Promise<Outcome<ReceiptView>> {
    return refused('SIGN_IN_REJECTED')
  }

  async signIn(person: string, password: Uint8Array): Promise<Outcome<Session>> {
    this.passwordsSeen.push(password)
    const found = [nurse, doctor].find((one) => one.entity === person)
    if (found === undefined || Buffer.from(password).toString() !== personPassword) {
      return refused('SIGN_IN_REJECTED')
    }
    const session = {
      token: randomBytes(32).toString('hex'),
      person: found,
      expires: Date.now() + this.options.sessionMs,
      hasSigned: false,
    }
    this.sessions.set(session.token, session)
    return ok({ token: session.token, person: found, expires: session.expires })
  }

  session(token: string): Session | undefined {
    const session = this.sessions.get(token)
    return session !== undefined && session.expires > Date.now() ? session : undefined
  }

  extend(token: string): Outcome<Session> {
    const session = this.session(token)
    if (session === undefined) return refused('SESSION_REQUIRED')
    session.expires = Date.now() + this.options.sessionMs
    return ok(session)
  }

  signOut(token: string): void {
    this.sessions.delete(token)
  }

  endSessions(): void {
    this.sessions.clear()
    for (const listener of [...this.listeners]) if (listener.session) listener.tell({ type: 'signedOut' })
  }

  async prepare(session: Session, proposal: Proposal): Promise<Outcome<Prepared>> {
    const built = buildTransaction(session, proposal)
    if (!built.ok) return built
    const views = this.patientViews()
    const summary = summarise(built.value.payload, built.value.bodies, {
      hash,
      lanes: foundingLaneTable,
      methodInput: (target, method) => methodSchemas[`${target}.${method}`],
      record: (id) => this.records_.find((record) => record.id === id),
      patientName: (id) => views.find((view) => view.patient === id)?.family,
    })
    if (!summary.ok) return refused('REQUEST_MALFORMED', summary.detail)
    const view: Prepared = {
      id: randomBytes(16).toString('hex'),
      meaning: summary.value.meaning,
      summary: summary.value.lines,
      ...subjectViews(summary.value, views),
      bytesHex: bytesToHex(built.value.payload),
      lane: summary.value.lane,
      passwordNeeded: !(this.sessions.get(session.token)?.hasSigned ?? false),
      expires: Date.now() + 120_000,
    }
    this.prepared.set(view.id, { view, proposal })
    return ok(view)
  }

  async sign(session: Session, preparedId: string, password?: Uint8Array): Promise<Outcome<ReceiptView>> {
    const entry = this.prepared.get(preparedId)
    if (entry === undefined) return refused('NOT_FOUND')
    if (entry.view.passwordNeeded) {
      if (password === undefined || Buffer.from(password).toString() !== personPassword) {
        return refused('SIGN_IN_REJECTED')
      }
    }
    if (this.options.signRefusal !== undefined) return this.options.signRefusal
    this.prepared.delete(preparedId)
    this.signed.push(entry.proposal)
    const open = this.sessions.get(session.token)
    if (open) open.hasSigned = true
    const records = this.carryOut(session, entry.proposal)
    return ok(receiptOf(this.height, this.blockTime, records))
  }

  private carryOut(session: Session, proposal: Proposal): string[] {
    if (proposal.type === 'append') {
      return proposal.records.map((record) => this.append({ ...record, author: session.person }))
    }
    const args = proposal.args as Record<string, string>
    const answered = this.records_.find((record) => record.id === (args.alert ?? args.order))
    if (answered === undefined) return []
    const common = { patient: answered.patient, code: answered.code, supersedes: answered.id }
    if (proposal.method === 'acknowledge') {
      const body = { response: args.response, reason: args.reason }
      return [this.append({ ...common, kind: 'alertResponse', body, author: session.person })]
    }
    const body = { status: 'signed', meaning: args.meaning, reason: '' }
    return [this.append({ ...common, kind: 'orderEvent', body, author: session.person })]
  }

  async submitMany(bundles: readonly Uint8Array[]): Promise<Outcome<BatchView>> {
    this.calls.push(`submitMany ${bundles.length}`)
    return ok({ accepted: bundles.map((_, index) => index.toString(16).padStart(64, '0')), refused: [] })
  }

  async submitSigned(bundle: Uint8Array): Promise<Outcome<ReceiptView>> {
    this.calls.push(`submitSigned ${bundle.length}`)
    return refused('BUNDLE_MALFORMED')
  }

  async transaction(id: string): Promise<Outcome<Pinned & { receipt: ReceiptView }>> {
    this.calls.push(`transaction ${id}`)
    return refused('TRANSACTION_UNKNOWN')
  }

  view = async (): ReturnType<NodePort['view']> => refused('CONTRACT_UNKNOWN', 'none here')
  replay = async (): ReturnType<NodePort['replay']> => refused('REPLAY_UNAVAILABLE', 'kept from block 2 on')
  proof = async (): ReturnType<NodePort['proof']> => refused('PROOF_UNAVAILABLE')
  private patientViews() {
    return patientViews(this.records_, alertViews(this.records_))
  }

  async patients(): Promise<Outcome<Pinned & { patients: ReturnType<typeof patientViews> }>> {
    return ok({ ...this.pin(), patients: this.patientViews() })
  }

  async records(...[, query]: Parameters<NodePort['records']>): ReturnType<NodePort['records']> {
    this.calls.push(`records ${query.kind} via ${query.application}`)
    if (this.options.unreadable.includes(query.kind)) {
      return refused('READ_NOT_GRANTED', `read ${query.kind}`)
    }
    const records = this.records_
      .filter((record) => record.patient === query.patient && record.kind === query.kind)
      .filter((record) => query.code === undefined || record.code === query.code)
      .reverse()
      .slice(0, query.limit)
    return ok({ ...this.pin(), records, next: null })
  }

  async alerts(...[, query]: Parameters<NodePort['alerts']>): ReturnType<NodePort['alerts']> {
    this.calls.push(`alerts via ${query.application}`)
    return ok({ ...this.pin(), alerts: alertViews(this.ofPatient(query.patient)) })
  }

  async orders(...[, query]: Parameters<NodePort['orders']>): ReturnType<NodePort['orders']> {
    return ok({ ...this.pin(), orders: orderViews(this.ofPatient(query.patient)) })
  }

  private ofPatient(patient: string | undefined): RecordJson[] {
    return this.records_.filter((record) => patient === undefined || record.patient === patient)
  }

  network = (): ReturnType<NodePort['network']> => Promise.resolve(refused('NOT_FOUND'))
  linearize = (): ReturnType<NodePort['linearize']> => Promise.resolve(ok({ height: this.height }))
  recover = (): ReturnType<NodePort['recover']> => Promise.resolve(refused('RECOVERY_MALFORMED'))

  readiness = (): ReturnType<NodePort['readiness']> => Promise.resolve(refused('NOT_AT_TIP'))
  readonly held = nothingHeld

  peers(): ReturnType<NodePort['peers']> {
    return ok({
      ...this.pin(),
      peers: [{ name: 'node-a', role: 'validator', connected: true, height: this.height }],
    })
  }

  async versions(): ReturnType<NodePort['versions']> {
    return ok({ ...this.pin(), aliases: [], schedules: [] })
  }

  setPage(page: PageView): void {
    const isSwitch = this.pages_.has(page.alias)
    this.pages_.set(page.alias, page)
    if (isSwitch) this.tell({ type: 'page', alias: page.alias, address: page.address })
  }

  async page(alias: string): ReturnType<NodePort['page']> {
    const page = this.pages_.get(alias)
    return page === undefined ? refused('NOT_FOUND', alias) : ok({ ...this.pin(), page })
  }

  async pages(): ReturnType<NodePort['pages']> {
    const pages = [...this.pages_.values()].map(({ alias, title, version, address }) => ({
      alias,
      title,
      version,
      address,
    }))
    return ok({ ...this.pin(), pages })
  }

  subscribe(session: Session | undefined, listener: (event: ApiEvent) => void): () => void {
    const entry: Listener = { session, tell: listener }
    this.listeners.add(entry)
    return () => this.listeners.delete(entry)
  }

  private tell(event: ApiEvent): void {
    const isPublic = event.type === 'block' || event.type === 'status'
    for (const listener of [...this.listeners]) {
      if (isPublic || (listener.session && this.session(listener.session.token))) listener.tell(event)
    }
  }

  append(record: NewRecord): string {
    this.height += 1
    this.blockTime = Date.now()
    const body = encodeRecordBody(record.kind, record.body)
    if (!body.ok) throw new Error(`${record.kind}: ${body.detail ?? body.code}`)
    const id = bytesToHex(recordId(hash, idOf(`transaction ${this.height}`), 0))
    const stored: RecordJson = {
      id,
      kind: record.kind,
      patient: record.patient,
      code: record.code,
      effectiveTime: record.effectiveTime ?? this.blockTime,
      arrivalHeight: this.height,
      arrivalTime: this.blockTime,
      number: this.records_.length + 1,
      author: record.author ?? rule,
      supersedes: record.supersedes ?? null,
      body: { schema: 1, ...record.body },
      finality: record.finality ?? 'final',
    }
    this.records_.push(stored)
    this.tellRecord(stored)
    return id
  }

  finalise(id: string): void {
    const record = this.records_.find((candidate) => candidate.id === id)
    if (record === undefined) throw new Error('no such record')
    record.finality = 'final'
    this.tellRecord(record)
  }

  private tellRecord(record: RecordJson): void {
    this.tell({ type: 'block', ...this.pin() })
    this.tell({ type: 'record', record })
    const ids = [record.id, record.supersedes]
    const alert = alertViews(this.records_).find((view: AlertView) => ids.includes(view.id))
    if (alert !== undefined) this.tell({ type: 'alert', alert })
    const order = orderViews(this.records_).find((view) => ids.includes(view.id))
    if (order !== undefined) this.tell({ type: 'order', order })
    const patient = this.patientViews().find((view) => view.patient === record.patient)
    if (patient !== undefined && record.kind === 'admission') this.tell({ type: 'patient', patient })
  }

  async metrics(): Promise<string> {
    return '# HELP wardchain_height Final height.\n# TYPE wardchain_height gauge\nwardchain_height 1\n'
  }

  health(): { healthy: boolean; detail: string } {
    return { healthy: true, detail: 'following' }
  }
}

/** Payload bytes and bodies of a proposal, as a node would build them. */
function buildTransaction(
  session: Session,
  proposal: Proposal,
): Outcome<{ payload: Uint8Array; bodies: { salt: Uint8Array; content: Uint8Array }[] }> {
  const common = {
    chainId: idOf('chain'),
    sender: hexToBytes(session.person.entity) ?? idOf('nobody'),
    keyId: idOf('key').slice(0, 16),
    stream: 0,
    sequence: 1,
    validUntil: Date.now() + 60_000,
    fuelLimit: 1_000_000,
  }
  if (proposal.type === 'call') {
    const schema = methodSchemas[`${proposal.target}.${proposal.method}`]
    if (schema === undefined) return refused('METHOD_UNKNOWN', `${proposal.target}.${proposal.method}`)
    const args = encodeJson(schema, proposal.args)
    if (!args.ok) return refused('REQUEST_MALFORMED', args.detail)
    const action = {
      type: 'call' as const,
      target: proposal.target,
      method: proposal.method,
      args: args.value,
      attachments: [],
    }
    return ok({ payload: encodeTransaction({ ...common, action }), bodies: [] })
  }
  const bodies: { salt: Uint8Array; content: Uint8Array }[] = []
  const records = []
  for (const record of proposal.records) {
    const content = encodeRecordBody(record.kind, record.body)
    if (!content.ok) return refused('REQUEST_MALFORMED', content.detail)
    const body = { salt: randomBytes(16), content: content.value }
    bodies.push(body)
    records.push({
      kind: recordKind[record.kind],
      patient: hexToBytes(record.patient) ?? new Uint8Array(16),
      code: record.code,
      effectiveTime: record.effectiveTime ?? Date.now(),
      bodyHash: hash(Buffer.concat([body.salt, body.content])),
    })
  }
  return ok({ payload: encodeTransaction({ ...common, action: { type: 'append', records } }), bodies })
}

function receiptOf(height: number, blockTime: number, records: string[]): ReceiptView {
  return {
    transactionId: bytesToHex(idOf(`transaction ${height}`)),
    height,
    blockTime,
    code: 'OK',
    sentence: 'Done.',
    detail: '',
    fuelUsed: 12_345,
    records,
  }
}
