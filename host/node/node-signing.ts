// From a proposal to a signed, final transaction: built here, shown from its own bytes, signed with a key
// that never leaves this process.
import {
  bytesToHex,
  codeOfStatus,
  decodeBundle,
  errorTable,
  hexToBytes,
  keyIdOf,
  ok,
  recordKind,
  refused,
  type ErrorCode,
  type Manifest,
} from '../../runtime/protocol/index.js'
import type { SubmitOutcome } from '../pool/pool-port.js'
import type {
  BatchView,
  NamedVersion,
  Outcome,
  PatientView,
  Pinned,
  Prepared,
  Proposal,
  ReceiptView,
  RecordJson,
} from '../api/node-port.js'
import { encodeJson, jsonToBorsh } from '../api/borsh-json.js'
import { contractRefusal } from '../api/contract-refusals.js'
import { idsIn, subjectViews } from '../api/subjects.js'
import { summarise } from '../api/summary.js'
import { bodySchemaVersion, recordBodySchemas } from '../../runtime/protocol/index.js'
import type { ReceiptEntry } from '../executor/messages.js'
import { randomBytes, sha256 } from '../keys/crypto.js'
import type { NodeReads } from './node-reads.js'
import { readVersions } from './node-versions.js'
import type { NodeSequences } from './node-sequences.js'
import type { RunningNode } from './running-node.js'
import type { FinalOutcome } from './submission.js'
import type { PersonSession } from './sessions.js'
import {
  draftAppend,
  draftCall,
  payloadOf,
  signBundle,
  transactionIdOf,
  type DraftRecord,
  type DraftTransaction,
} from './transaction-builder.js'

/** How long a person may read the dialog before its transaction has to be built again. */
const preparedMsMax = 120_000
/** The transaction itself stays valid a little longer than the dialog. */
const validityMs = 180_000
const finalWaitMsMax = 10_000
const preparedCountMax = 256
const recordsNamedMax = 64
export const appendFuelLimit = 50_000_000
const callFuelLimit = 100_000_000
/** Deploying validates and instruments a module of up to 512 KiB. */
const deployFuelLimit = 1_000_000_000

type Dependable = NamedVersion & { dependants: NamedVersion[] }

interface PreparedEntry {
  token: string
  payload: Uint8Array
  draft: DraftTransaction
  view: Prepared
}

export class NodeSigning {
  private readonly prepared = new Map<string, PreparedEntry>()

  constructor(
    private readonly node: RunningNode,
    private readonly reads: NodeReads,
    private readonly sequences: NodeSequences,
    private readonly now: () => number,
  ) {}

  /** No page proposes a wrapping of a key: it could lock its person out. */
  async prepare(
    session: PersonSession,
    proposal: Proposal,
    isPasswordChange = false,
  ): Promise<Outcome<Prepared>> {
    if (!isPasswordChange && namesKeystore(proposal)) {
      return refused('REQUEST_MALFORMED', 'a password is changed by its own request')
    }
    const manifest = await this.manifestOf(proposal)
    const draft = draftOf(proposal, manifest, this.now())
    if (!draft.ok) return draft
    const sender = {
      chainId: this.node.open.chainId,
      entity: session.entity,
      publicKey: session.key.publicKey,
    }
    const stream = this.node.personStream
    const sequence = await this.sequences.next(keyIdOf(sha256, session.key.publicKey), stream)
    const validUntil = this.now() + validityMs
    const fuelLimit = fuelLimitOf(draft.value)
    const payload = payloadOf(sender, draft.value, {
      stream,
      sequence,
      validUntil,
      fuelLimit,
    })
    const records = await this.recordsNamed(session, proposal)
    const visible = await this.reads.patients(session.entity)
    if (!visible.ok) return visible
    const { patients } = visible.value
    const versions = await this.versionsNamed(proposal)
    const summary = summarise(payload, draft.value.bodies, {
      hash: sha256,
      lanes: await this.node.executor.call('lanes', null),
      methodInput: (_, method) => manifest?.methods.find((candidate) => candidate.name === method)?.input,
      record: (id) => records.get(id),
      version: (address) => versions.get(address),
      patientName: (id) => nameOf(patients.find((view) => view.patient === id)),
    })
    if (!summary.ok) return refused(codeForSummary(summary.code), summary.detail)
    const view: Prepared = {
      id: bytesToHex(randomBytes(16)),
      meaning: summary.value.meaning,
      summary: summary.value.lines,
      ...subjectViews(summary.value, patients),
      bytesHex: bytesToHex(payload),
      lane: summary.value.lane,
      passwordNeeded: !session.hasSigned,
      expires: this.now() + preparedMsMax,
    }
    if (this.prepared.size >= preparedCountMax) this.dropOldest()
    this.prepared.set(view.id, { token: session.token, payload, draft: draft.value, view })
    return ok(view)
  }

  /** The caller has checked the password where one is needed. */
  async sign(session: PersonSession, preparedId: string): Promise<Outcome<ReceiptView>> {
    const entry = this.prepared.get(preparedId)
    if (!entry || entry.token !== session.token) return refused('NOT_FOUND', 'prepared transaction')
    this.prepared.delete(preparedId)
    if (entry.view.expires < this.now()) return refused('EXPIRED', 'prepared transaction')
    const bundle = signBundle(entry.payload, entry.draft, session.key)
    session.hasSigned = true
    return receiptOutcome(
      await this.node.submit(bundle, finalWaitMsMax),
      bytesToHex(transactionIdOf(entry.payload)),
    )
  }

  passwordNeeded(session: PersonSession, preparedId: string): boolean {
    return this.prepared.get(preparedId)?.view.passwordNeeded ?? !session.hasSigned
  }

  async submitSigned(bundle: Uint8Array): Promise<Outcome<ReceiptView>> {
    const decoded = decodeBundle(bundle, sha256)
    if (!decoded.ok) return refused(decoded.code, decoded.detail)
    return receiptOutcome(
      await this.node.submit(bundle, finalWaitMsMax),
      bytesToHex(decoded.value.signed.id),
    )
  }

  /** Prepared transactions of a session die with it. */
  forget(token: string): void {
    for (const [id, entry] of this.prepared) if (entry.token === token) this.prepared.delete(id)
  }

  private dropOldest(): void {
    const oldest = this.prepared.keys().next()
    if (!oldest.done) this.prepared.delete(oldest.value)
  }

  private async manifestOf(proposal: Proposal): Promise<Manifest | undefined> {
    if (proposal.type !== 'call') return undefined
    const target = /^[0-9a-f]{64}$/.test(proposal.target) ? hexToBytes(proposal.target) : proposal.target
    const contract = await this.node.executor.call('contract', { target: target ?? proposal.target })
    return contract?.manifest
  }

  /** What governance is asked to approve or switch, by address: a signer reads names, not addresses alone. */
  private async versionsNamed(proposal: Proposal): Promise<Map<string, Dependable>> {
    if (proposal.type !== 'call' || proposal.target !== 'ward/governance') return new Map()
    const named = new Set(idsIn(JSON.stringify(proposal.args)))
    if (named.size === 0) return new Map()
    const answer = await readVersions(this.node, this.reads, '')
    const aliases = answer.ok ? answer.value.aliases : []
    const all = aliases.flatMap(({ alias, dependants, versions }) =>
      versions.map(({ address, version }) => ({ alias, version, address, dependants })),
    )
    return new Map(all.filter(({ address }) => named.has(address)).map((entry) => [entry.address, entry]))
  }

  /** Records that the proposal names by id, as its signer may see them. */
  private async recordsNamed(session: PersonSession, proposal: Proposal): Promise<Map<string, RecordJson>> {
    // Beyond the bound they stay unknown, which the dialog refuses.
    const ids = new Set(idsIn(JSON.stringify(proposal)).filter((id) => id.length === 64))
    const records = new Map<string, RecordJson>()
    for (const id of [...ids].slice(0, recordsNamedMax)) {
      const bytes = hexToBytes(id)
      const record = bytes && (await this.reads.record(session.entity, bytes))
      if (record) records.set(id, record)
    }
    return records
  }
}

const namesKeystore = (proposal: Proposal): boolean =>
  proposal.type === 'call' && proposal.method === 'setKeystore'

const nameOf = (patient: PatientView | undefined): string | undefined =>
  patient && `${patient.family}, ${patient.given}`

function fuelLimitOf(draft: DraftTransaction): number {
  if (draft.action.type === 'append') return appendFuelLimit
  return draft.attachments.length > 0 ? deployFuelLimit : callFuelLimit
}

function draftOf(
  proposal: Proposal,
  manifest: Manifest | undefined,
  now: number,
): Outcome<DraftTransaction> {
  if (proposal.type === 'append') return draftAppendProposal(proposal.records, now)
  if (!manifest) return refused('CONTRACT_UNKNOWN', proposal.target)
  const method = manifest.methods.find(
    (candidate) => candidate.name === proposal.method && candidate.kind === 'call',
  )
  if (!method) return refused('METHOD_UNKNOWN', `${proposal.target}.${proposal.method}`)
  const args = encodeJson(method.input, proposal.args)
  if (!args.ok) return refused('REQUEST_MALFORMED', args.detail)
  const attachments = (proposal.attachments ?? []).map(
    (text) => new Uint8Array(Buffer.from(text, 'base64')),
  )
  return ok(draftCall(proposal.target, proposal.method, args.value, attachments))
}

function draftAppendProposal(
  records: Extract<Proposal, { type: 'append' }>['records'],
  now: number,
): Outcome<DraftTransaction> {
  const drafts: DraftRecord[] = []
  for (const [index, record] of records.entries()) {
    const patient = hexToBytes(record.patient)
    const kind = recordKind[record.kind]
    const schema = recordBodySchemas.get(kind)
    if (!patient || patient.length !== 16) return refused('REQUEST_MALFORMED', `records[${index}].patient`)
    if (!schema) return refused('REQUEST_MALFORMED', `records[${index}].kind`)
    const body = jsonToBorsh(schema, { schema: bodySchemaVersion, ...record.body })
    if (!body.ok) return refused('REQUEST_MALFORMED', `records[${index}].body: ${body.detail ?? ''}`)
    const draft: DraftRecord = {
      kind,
      patient,
      code: record.code,
      effectiveTime: record.effectiveTime ?? now,
      body: body.value,
    }
    const supersedes = record.supersedes === undefined ? undefined : hexToBytes(record.supersedes)
    if (supersedes) draft.supersedes = supersedes
    drafts.push(draft)
  }
  return draftAppend(drafts)
}

const codeForSummary = (code: string): ErrorCode =>
  code in errorTable ? (code as ErrorCode) : 'REQUEST_MALFORMED'

function receiptOutcome(outcome: FinalOutcome, id: string): Outcome<ReceiptView> {
  if (!outcome.ok) return refused(outcome.code, outcome.code === 'NOT_FINAL_IN_TIME' ? id : outcome.detail)
  return ok(receiptView(outcome.receipts))
}

/** By the transaction's id; TRANSACTION_UNKNOWN. */
export async function readReceipt(
  { node, reads }: { node: RunningNode; reads: NodeReads },
  id: string,
): Promise<Outcome<Pinned & { receipt: ReceiptView }>> {
  const bytes = hexToBytes(id)
  if (bytes?.length !== 32) return refused('REQUEST_MALFORMED', 'id')
  const { receipts } = await node.readers.call('receipt', { id: bytes })
  if (receipts.length === 0) return refused('TRANSACTION_UNKNOWN', id)
  return ok({ ...(await reads.pin()), receipt: receiptView(receipts) })
}

/** The first receipt, with those that it caused inside it. */
export function receiptView(receipts: readonly ReceiptEntry[]): ReceiptView {
  const [first, ...caused] = receipts
  const view = viewOf(first)
  if (caused.length > 0) view.derived = caused.map(viewOf)
  return view
}

function viewOf(receipt: ReceiptEntry): ReceiptView {
  const code = codeOfStatus(receipt.status) ?? 'INTERNAL'
  const view: ReceiptView = {
    transactionId: receipt.id,
    height: receipt.height,
    blockTime: receipt.blockTime,
    code,
    sentence:
      code === 'CONTRACT_ABORTED'
        ? contractRefusal(receipt.target, receipt.detail)
        : errorTable[code].sentence,
    detail: receipt.detail,
    fuelUsed: receipt.fuelUsed,
    records: receipt.records,
  }
  if (receipt.cause !== '') view.cause = receipt.cause
  if (receipt.target !== '') view.target = receipt.target
  if (receipt.address !== '') view.address = receipt.address
  return view
}

/** What became of each bundle of a batch. */
export function batchView(outcomes: readonly SubmitOutcome[]): BatchView {
  const view: BatchView = { accepted: [], refused: [] }
  for (const [position, outcome] of outcomes.entries()) {
    if (outcome.ok) view.accepted.push(outcome.id)
    else view.refused.push({ position, id: outcome.id, code: outcome.code })
  }
  return view
}
