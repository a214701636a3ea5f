// What the local API needs of the node. The node implements it; the server in this folder only translates
// HTTP. Everything in a view is plain JSON: ids are lower-case hex, times and heights numbers, 64-bit
// Borsh values decimal text.
import type { HeldPort } from './held-port.js'
import type { ErrorCode } from '../../runtime/protocol/error-codes.js'
import type { NetworkJson, ReadinessJson, RecoveryJson } from './network-json.js'
import type { VersionsView, ViewQuestion, ViewView } from './version-port.js'
import type { RecordKindName } from '../../runtime/protocol/record.js'
import type { ProofOf, ReplayView, StoreView } from './history-port.js'
import type { Result } from '../../runtime/protocol/result.js'

/** A value, or a code of `runtime/protocol/error-codes.ts` with a detail for people, never patient data. */
export type Outcome<T> = Result<T, ErrorCode>

/** JSON as it travels: what `borsh-json.ts` makes of Borsh values. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }
export type JsonObject = { [name: string]: Json }

/** The state that an answer was read from. Every query answer carries it. */
export interface Pinned {
  height: number
  /** ms since 1970. */
  blockTime: number
  stateRoot: string
}

export interface NodeStatus extends Pinned {
  name: string
  role: 'validator' | 'observer' | 'gateway'
  /** False until keys exist in the data folder. */
  initialised: boolean
  sealed: boolean
  /** Set while an unlock runs: a word for people, and 0..100. */
  progress: { phase: string; percent: number } | null
  chainId: string
  chainName: string
  /** Shown in a loud second colour unless empty: TRAINING, DEMONSTRATION. */
  environment: string
  /** Raised by a recovery (`ward network recover`); 0 without one. */
  epoch?: number
  view: number
  /** Name of the leader of this view; empty when unknown. */
  leader: string
  phase: string
  /** Names of validators whose vote for the current height was seen, and of those whose was not. */
  voted: string[]
  missing: string[]
  /** Why the round is not done: a code of `RoundReasonCode` or SEALED, a sentence, since how long. */
  reason: { code: string; sentence: string; sinceMs: number }
  peersConnected: number
  peersKnown: number
  /** Names of validators without a connection to this node. */
  away?: readonly string[]
  /** Validators' clocks minus this node's, milliseconds, of those who were heard lately. */
  clocks?: readonly { node: string; aheadMs: number }[]
  /** So many more validators may go before nothing becomes final; below 0: so many are missed. */
  spare?: number
  /** Whether this node is in the validator set in force. */
  votes?: boolean
  /** Blocks behind the best certified height heard of. */
  lag: number
  /** A validator whose record of votes was lost: it votes again when that is safe (R17). */
  isSilent?: boolean
  /** Validators caught with two contradicting signatures, how often, and how much of it is on the chain. */
  equivocations: { node: string; count: number; lastHeight: number; onChain: number }[]
  /** Rules that failed for several sources and patients and are kept from running, and since when (ms). */
  quarantined: { alias: string; since: number }[]
  store?: StoreView
  /** Why this node no longer takes part, with what ran when it stopped. */
  fault?: { code: string; detail: string }
  /** Transactions that this node does not propose, because the executor died while it ran them. */
  setAside: number
  /** Damaged files that this node moved out of its way and that still lie in its folder. */
  damagedFiles?: string[]
  version: string
}

export interface PersonView {
  entity: string
  label: string
  roles: string[]
}

export interface Session {
  /** Bearer token, at least 128 random bits as hex or base64url. */
  token: string
  person: PersonView
  /** ms since 1970; the session is dead after it. */
  expires: number
}

/** One record to append; `body` is JSON by the schema of its kind, without the field `schema`. */
export interface ProposedRecord {
  kind: RecordKindName
  patient: string
  code: string
  /** ms since 1970; absent: now. */
  effectiveTime?: number
  body: JsonObject
  supersedes?: string
}

/** What someone would like to sign. `args` is JSON by the method's input schema; attachments are base64. */
export type Proposal =
  | { type: 'append'; records: ProposedRecord[] }
  | { type: 'call'; target: string; method: string; args: Json; attachments?: string[] }

export interface SummaryLine {
  label: string
  text: string
}

/** A transaction built but not signed. The shell draws its dialog from this, not from what a frame said. */
export interface Prepared {
  id: string
  /**
   * What the signer says by signing, e.g. "I acknowledge", "I order". Never empty, and fixed for each method
   * and kind of record: no word of the proposal is in it.
   */
  meaning: string
  /** Decoded from the transaction bytes, in reading order. See `summary.ts`. */
  summary: SummaryLine[]
  /** Every patient whom it concerns, of those whom the signer may see. */
  patients: PatientView[]
  /**
   * What else it names: patients and records that the signer may not see or that do not exist, and bytes
   * that cannot be read. Nobody should sign while there is any. Both lists empty: it concerns no patient.
   */
  unknownSubjects: string[]
  /** Payload bytes that will be signed. */
  bytesHex: string
  lane: string
  /** True: `sign` needs the second password again (always so at the first signature after sign-in). */
  passwordNeeded: boolean
  /** ms since 1970; a later `sign` is refused with EXPIRED. */
  expires: number
}

export interface ReceiptView {
  transactionId: string
  /** Block height; 0 while not final. */
  height: number
  blockTime: number
  /** `OK` or the receipt's code; `sentence` belongs to it. */
  code: ErrorCode
  sentence: string
  detail: string
  fuelUsed: number
  /** Ids of the records it appended. */
  records: string[]
  /** For derived transactions: what caused it, and `alias.method`. */
  cause?: string
  target?: string
  /** Version that ran. */
  address?: string
  /** Receipts of what it triggered. */
  derived?: ReceiptView[]
}

export type { ProofOf, ReplayView, SignedView, TraceStep } from './history-port.js'

/** What became of a batch: ids that wait now, and refusals by position in the batch. */
export interface BatchView {
  accepted: string[]
  refused: { position: number; id: string; code: ErrorCode }[]
}

/** tentative: computed here, not agreed yet. final: in a certified block. retracted: no longer holds. */
export type Finality = 'tentative' | 'final' | 'retracted'

export interface RecordJson {
  id: string
  kind: RecordKindName
  patient: string
  code: string
  effectiveTime: number
  arrivalHeight: number
  arrivalTime: number
  /** 1..n per patient. */
  number: number
  author: PersonView
  supersedes: string | null
  /** By the schema of its kind; null when erased. */
  body: JsonObject | null
  finality: Finality
}

export interface PatientView {
  patient: string
  family: string
  given: string
  /** yyyymmdd, 0 unknown. */
  birthDate: number
  sex: string
  identifiers: { value: string; authority: string; type: string }[]
  ward: string
  room: string
  bed: string
  visitNumber: string
  reason: string
  /** Words, or empty when not recorded: the banner says "not recorded", never "none". */
  allergies: string
  codeStatus: string
  openAlerts: number
  /** 0 none, 1 info, 2 urgent, 3 critical. */
  worstSeverity: number
}

export interface AlertInputView {
  code: string
  label: string
  /** Decimal text of the integer; the value is value × 10^-scale. */
  value: string
  scale: number
  unit: string
  text: string
  effectiveTime: number
  record: string
  points: number
  threshold: string
  validation: number
}

export interface AlertResponseView {
  response: string
  reason: string
  author: PersonView
  time: number
  height: number
  finality: Finality
}

export interface AlertView {
  id: string
  patient: string
  /** replaced: another alert of the same branch with a higher severity stands in its place. */
  state: 'open' | 'acknowledged' | 'replaced' | 'retracted'
  finality: Finality
  severity: number
  rule: string
  ruleVersion: string
  ruleAddress: string
  branch: string
  summary: string
  inputs: AlertInputView[]
  basis: string[]
  missing: string[]
  wouldChange: string[]
  citation: string
  raisedTime: number
  height: number
  /** True when a device value that it rests on was confirmed by nobody. */
  unvalidated: boolean
  responses: AlertResponseView[]
}

export interface OrderEventView {
  status: string
  meaning: string
  reason: string
  author: PersonView
  time: number
  height: number
  finality: Finality
}

export interface OrderView {
  id: string
  patient: string
  /** `proposed` until the first event, then the last event's status. */
  status: string
  finality: Finality
  rule: string
  ruleVersion: string
  ruleAddress: string
  alert: string | null
  orderSet: string
  item: string
  display: string
  category: string
  position: number
  detail: string
  needs: string[]
  proposedTime: number
  height: number
  events: OrderEventView[]
}

/** A page bundle of the chain with what its manifest asks for. */
export interface PageView {
  alias: string
  version: string
  address: string
  title: string
  html: Uint8Array
  /** SHA-256 of `html`, as the chain names it. */
  hash: string
  reads: { kind: RecordKindName; codes: string[] }[]
  emits: { kind: RecordKindName; codes: string[] }[]
  /** Aliases that it may propose calls to. */
  calls: string[]
}

export type {
  AliasView,
  NamedVersion,
  RuleSelector,
  VersionsView,
  VersionView,
  ViewQuestion,
  ViewView,
} from './version-port.js'

/** Who reads for what: read audit needs the application beside the person. */
export interface ReadVia {
  /** Alias of the page, or `shell`, `tool`. */
  application: string
}

export interface RecordQuery extends ReadVia {
  /** Left out: every patient whom the reader may see, by arrival. */
  patient?: string
  kind: RecordKindName
  code?: string
  /** Entity that made it, or for whom a contract made it: hex. */
  author?: string
  /** What `from` and `to` bound and the order goes by; `effective` unless said or without a patient. */
  by?: 'effective' | 'arrival'
  /** The records of this final height; the newest when left out. Pages after the first keep theirs. */
  pinned?: number
  /** `next` of the page before. */
  after?: string
  /**
   * Bounds, inclusive: of effective time, ms since 1970; by arrival of heights, or of numbers in the
   * patient's list.
   */
  from?: number
  to?: number
  /** 1..500. */
  limit: number
  order: 'newest' | 'oldest'
}

/** Pinned to the height of the first page, whatever was applied meanwhile. */
export interface RecordPage extends Pinned {
  /** The first page of the newest of a patient also holds what is not final yet, beyond the limit. */
  records: RecordJson[]
  /** Ask again with `after`: there is more, though this page may be short or empty. Null: that was all. */
  next: string | null
}

export type ApiEvent =
  | ({ type: 'block' } & Pinned)
  | { type: 'status'; status: NodeStatus }
  | { type: 'record'; record: RecordJson }
  | { type: 'alert'; alert: AlertView }
  | { type: 'order'; order: OrderView }
  | { type: 'patient'; patient: PatientView }
  | { type: 'page'; alias: string; address: string }
  /** The session has ended (idle, sign-out, seal). The last event of a session's subscription. */
  | { type: 'signedOut' }

/** What came of dealing key shares. */
export interface ShareDealView {
  generation: number
  /** Shares that open the store together. */
  threshold: number
  /** Names of the validators that were given one; the newest ones may still be on their way to its disk. */
  peers: string[]
}

/**
 * Everything the API asks of the node. Calls on a sealed node but `status` and `unlock` give
 * NODE_SEALED. Permission is the node's business: reads answer READ_NOT_GRANTED by `ward/policy` mayRead.
 */
export interface NodePort {
  status(): NodeStatus
  /** The caller overwrites the password afterwards. KEYSLOT_REJECTED for every failure alike. */
  unlock(password: Uint8Array): Promise<Outcome<null>>
  seal(): Promise<void>
  /** Gives the validators shares that bring this node back. KEYSLOT_REJECTED, PEERS_TOO_FEW. */
  dealShares(password: Uint8Array): Promise<Outcome<ShareDealView>>

  /** Who can sign in here. */
  people(): Promise<Outcome<PersonView[]>>
  /** SIGN_IN_REJECTED for every failure alike; the growing delay is the node's. */
  signIn(person: string, password: Uint8Array): Promise<Outcome<Session>>
  /** The live session of a token; does not prolong it. */
  session(token: string): Session | undefined
  /** Prolongs the session: its person did something. SESSION_REQUIRED when it has ended. */
  extend(token: string): Outcome<Session>
  signOut(token: string): void
  /** The same key under another password. SIGN_IN_REJECTED, PASSWORD_TOO_SHORT, and as `sign`. */
  changePassword(session: Session, present: Uint8Array, changed: Uint8Array): Promise<Outcome<ReceiptView>>

  /** Builds without signing. REQUEST_MALFORMED with the path of a field that does not fit its schema. */
  prepare(session: Session, proposal: Proposal): Promise<Outcome<Prepared>>
  /**
   * Signs, submits, waits until final or NOT_FINAL_IN_TIME (detail: the transaction id). SIGN_IN_REJECTED,
   * EXPIRED, NOT_FOUND.
   */
  sign(session: Session, preparedId: string, password?: Uint8Array): Promise<Outcome<ReceiptView>>
  /** A bundle signed elsewhere (device, tool); waits like `sign`. */
  submitSigned(bundle: Uint8Array): Promise<Outcome<ReceiptView>>
  /** Many bundles at once, for imports and device concentrators: admitted or refused, not waited for. */
  submitMany(bundles: readonly Uint8Array[]): Promise<Outcome<BatchView>>

  /**
   * Receipt of a transaction: needs no patient permission, for it holds ids and codes only.
   * TRANSACTION_UNKNOWN.
   */
  transaction(id: string): Promise<Outcome<Pinned & { receipt: ReceiptView }>>
  /**
   * Runs a final transaction again on the state before its block, with a trace. Needs a grant for every
   * patient and kind of record that it shows. TRANSACTION_UNKNOWN, REPLAY_UNAVAILABLE, REPLAY_BUSY,
   * READ_NOT_GRANTED.
   */
  replay(session: Session, id: string): Promise<Outcome<Pinned & { replay: ReplayView }>>
  /**
   * A proof under the certified root of the tip that this is on the chain, or (`exists` false) that it is
   * not: a file that `ward verify` and the standalone verifier check. PROOF_UNAVAILABLE, READ_NOT_GRANTED.
   */
  proof(session: Session, asked: ProofOf): Promise<Outcome<Pinned & { exists: boolean; document: string }>>
  patients(session: Session, via: ReadVia): Promise<Outcome<Pinned & { patients: PatientView[] }>>
  records(session: Session, query: RecordQuery): Promise<Outcome<RecordPage>>
  /**
   * Returns when this node has everything that anybody was told before the call (R29): reads at this node
   * after it are linearizable. NOT_LINEARIZABLE.
   */
  linearize(): Promise<Outcome<{ height: number }>>
  /** All states; newest first. */
  alerts(
    session: Session,
    query: ReadVia & { patient?: string },
  ): Promise<Outcome<Pinned & { alerts: AlertView[] }>>
  orders(
    session: Session,
    query: ReadVia & { patient?: string },
  ): Promise<Outcome<Pinned & { orders: OrderView[] }>>
  /** Names, roles and connection of every node. */
  /** `height`: what the peer says its final height is; null when it is not connected. */
  peers(): Outcome<
    Pinned & { peers: { name: string; role: string; connected: boolean; height: number | null }[] }
  >
  /** What is deployed: one alias, or all when it is empty. */
  versions(alias: string): Promise<Outcome<Pinned & VersionsView>>
  /**
   * Asks a view of any deployed version. Needs a grant for all whose records it looks at. CONTRACT_UNKNOWN,
   * METHOD_UNKNOWN, READ_NOT_GRANTED, VIEW_BUSY, and what the contract itself refuses.
   */
  view(session: Session, question: ViewQuestion): Promise<Outcome<Pinned & ViewView>>
  /** Every node with its keys and address, and the set that votes. */
  network(): Promise<Outcome<NetworkJson>>
  /**
   * This node's signed word that it stands at the newest block: for an administrator who makes it a
   * validator, hands it the place of another one (`entity`), or changes its vote key (`rotate` makes a new
   * one). NOT_AT_TIP.
   */
  readiness(
    session: Session,
    request: { action: 'add' | 'replace' | 'rotate'; entity?: string },
  ): Promise<Outcome<ReadinessJson>>
  /**
   * Takes a recovery manifest and goes on in its epoch. INSTITUTION_KEYS_NEEDED, RECOVERY_MALFORMED,
   * RECOVERY_STALE, RECOVERY_BELOW_TIP, RECOVERY_OTHER_BRANCH.
   */
  recover(manifest: Uint8Array): Promise<Outcome<RecoveryJson>>
  /** The active version of a page alias. NOT_FOUND. */
  page(alias: string): Promise<Outcome<Pinned & { page: PageView }>>
  /** Aliases of active pages, for the launcher. */
  pages(): Promise<
    Outcome<Pinned & { pages: { alias: string; title: string; version: string; address: string }[] }>
  >

  /**
   * Without a session only `block` and `status`. Patient events are filtered by `mayRead`. Returns the way
   * to stop.
   */
  subscribe(session: Session | undefined, listener: (event: ApiEvent) => void): () => void

  /** What this node does not propose, and its release. */
  readonly held: HeldPort

  /** Prometheus text; without patient data. */
  metrics(): Promise<string>
  health(): { healthy: boolean; detail: string }
}
