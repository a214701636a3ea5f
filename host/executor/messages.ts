// The executor seam: what the main thread may ask of the thread that runs contracts and owns the chain store.
// Everything is plain data that structured cloning carries; the main thread never reads state itself.
import type { WriteReport } from './write-report.js'
import type { ErrorCode, Lane, LaneTable, Manifest } from '../../runtime/protocol/index.js'
import type {
  Block,
  FinalBlock,
  RecoveryBase,
  SkippedLeaders,
  Tip,
  ValidatorSet,
} from '../../consensus/pbft/types.js'
import type { ExecuteOutcome } from '../../consensus/net/ports.js'
import type { ReplayView } from '../api/node-port.js'
import type { NodeEntry } from '../../runtime/execution/index.js'
import type { RunningFrame } from './execution-note.js'
import type { KeyChanges } from './key-changes.js'
import type { ImportProgress, StandPoint, TakeVerdict } from './snapshot-import.js'
import type { Touched } from './trace-view.js'
import type { ResealProgress, SpaceReport } from '../store/index.js'

export interface OpenRequest {
  folder: string
  /** Store data key, 32 bytes; the executor copies it into locked memory and the caller zeroes its copy. */
  dataKey: Uint8Array
  /** Needed once: founds the chain store. */
  genesis: Uint8Array | null
}

export interface SyncOpenRequest extends OpenRequest {
  /** Where the chain stands that the snapshot shall replace. */
  above?: StandPoint
}

export interface PersonEntry {
  entity: Uint8Array
  publicKey: Uint8Array
  label: string
  kind: number
  roles: string[]
  keystore: Uint8Array
}

/** Who belongs to the network at a height. */
export interface NetworkView {
  /** Every node that there ever was, by number. */
  nodes: NodeEntry[]
  /** Keys of tickets that may still be used; `expires` in ms since 1970. */
  tickets: { publicKey: Uint8Array; expires: number }[]
}

export interface ChainPoint {
  tip: Tip
  nextValidators: ValidatorSet
  recoveries: readonly RecoveryBase[]
}

/** `isNew` false: this node had taken it before. */
export type RecoverReply =
  | { ok: true; isNew: boolean; epoch: number; baseHeight: number }
  | { ok: false; code: ErrorCode; detail: string }

/** A newer epoch that began without this node. */
export interface Told {
  epoch: number
  baseHeight: number
}

/** What a peer's notice of a newer epoch means to this node. */
export type HearReply =
  | { verdict: 'refused'; code: ErrorCode; detail: string }
  /** Genuine, and nothing shows that it was ever used. */
  | ({ verdict: 'paper' } & Told)
  /** It began, and this node has no vote to lose. */
  | ({ verdict: 'move'; manifest: Uint8Array } & Told)
  /** It began, and this node must not vote against it: durable. */
  | { verdict: 'stop'; detail: string }

export interface OpenReply {
  chainId: Uint8Array
  chainName: string
  network: NetworkView
  entities: PersonEntry[]
  quarantined: QuarantineEntry[]
  tip: Tip
  nextValidators: ValidatorSet
  /** Recoveries of this chain, as the core needs them, and the newest epoch. */
  recoveries: readonly RecoveryBase[]
}

/** What a transaction costs its sender, and what the sender has by the state of the last block. */
export interface SenderCredit {
  cost: number
  /** Of which an emergency may overdraw. */
  left: number
  burst: number
  perSecond: number
}

export type AdmitReply =
  | {
      ok: true
      id: string
      lane: Lane
      slot: string
      sender: string
      sequence: number
      validUntil: number | null
      credit: SenderCredit
    }
  | { ok: false; id: string; code: ErrorCode; detail: string }

export interface BuildRequest {
  bundles: Uint8Array[]
  height: number
  time: number
}

export interface BuildReply {
  payload: Uint8Array
  transactionRoots: Uint8Array[]
  count: number
  /** Bundles that the parent state no longer admits, by id: they leave the pool. */
  dropped: { id: string; code: ErrorCode }[]
}

/** One receipt as the main thread needs it. */
export interface ReceiptEntry {
  id: string
  status: number
  fuelUsed: number
  detail: string
  records: string[]
  cause: string
  target: string
  /** Version that ran, hex; empty when none did. */
  address: string
  height: number
  blockTime: number
}

/** A ledger record with its body; field for field `recordView`. */
export interface LedgerEntry {
  id: Uint8Array
  kind: number
  patient: Uint8Array
  code: string
  effectiveTime: number
  arrivalHeight: number
  arrivalTime: number
  number: number
  author: Uint8Array
  /** Of a record that a contract made: who signed the call, or the rule that ran. */
  origin: Uint8Array | null
  supersedes: Uint8Array | null
  body: Uint8Array | null
}

/** What the waiting transactions would bring if they were the next block. */
export interface TentativeReply {
  /** `source`: hex id of the signed transaction that the record follows from. */
  records: { source: string; entry: LedgerEntry }[]
}

export interface CommitReply {
  validators: ValidatorSet
  height: number
  blockTime: number
  stateRoot: Uint8Array
  receipts: ReceiptEntry[]
  records: LedgerEntry[]
  /** Aliases whose active version changed in this block. */
  switched: string[]
  /** Which waiting transactions this block made impossible. */
  keyChanges: KeyChanges
  /** Rules that are kept from running; null: as before. */
  quarantined: QuarantineEntry[] | null
  /** The nodes or tickets as they are now, when this block changed them. */
  network: NetworkView | null
  /** Bodies of patients were erased: nobody keeps what they read before. */
  erased: boolean
}

export interface Pin {
  height: number
  blockTime: number
  stateRoot: Uint8Array
}

export interface RecordsQuery {
  /** Null: every patient; `from` and `to` are then heights of arrival, and a page may hold far more. */
  patient: Uint8Array | null
  kind: number
  code: string
  from: number
  to: number
  limit: number
  newest: boolean
}

/** What a proof is asked about; ids are bytes, an alias is text. */
export type ProofQuestion =
  | { about: 'record'; id: Uint8Array }
  /** The head of a patient's list: how many records, and their hash chain. */
  | { about: 'patient'; id: Uint8Array }
  /** What is active under an alias. */
  | { about: 'alias'; alias: string }
  /** A grant of `ward/policy`. */
  | { about: 'grant'; id: Uint8Array }

export type ProofReply =
  | { ok: false; code: ErrorCode; detail: string }
  /** `document`: the file's text. `subject`: whose record it shows. */
  | { ok: true; pin: Pin; document: string; exists: boolean; subject: Touched | null }

/** Asked again until it is no longer `working`: reading journals must not hold up blocks. */
export type ReplayReply =
  | { state: 'working'; done: number; total: number }
  | { state: 'refused'; code: ErrorCode; detail: string }
  | { state: 'done'; pin: Pin; replay: ReplayView; touched: Touched[] }

/** A place in an index: the next page goes on after it. */
export interface PagePlace {
  order: bigint
  sequence: number
}

/** Records as they were at one height, page by page; the same pages whatever is applied meanwhile. */
export interface PageQuery {
  /** Null: every patient, by arrival of one kind. */
  patient: Uint8Array | null
  /** 0: every kind, of one patient by arrival. */
  kind: number
  /** Empty: every code. */
  code: string
  /** `effective`: from and to are times, ms. `arrival`: heights, or of one patient numbers of its list. */
  by: 'effective' | 'arrival'
  from: number
  to: number
  /** Who made it, or for whom a contract made it. Null: everybody. */
  author: Uint8Array | null
  newest: boolean
  limit: number
  /** Null: the tip. */
  height: number | null
  after: PagePlace | null
}

export interface PageReply {
  /** Of the height that was asked for. */
  pin: Pin
  records: LedgerEntry[]
  /** Null: that was all. A page may hold fewer records than asked, even none, and still go on. */
  next: PagePlace | null
}

export interface ViewQuery {
  /** Alias or 32-byte address. */
  target: string | Uint8Array
  method: string
  args: Uint8Array
  caller: Uint8Array
  /** Asked in somebody's name: bounded, and told whose records it showed. */
  isForPerson?: boolean
}

/** A height since which the tables of a former layout are no longer written, and its block time, ms. */
export interface Frozen {
  height: number
  time: number
}

/** A version that answered from such tables. */
export interface FrozenReply extends Frozen {
  alias: string
  version: string
  address: Uint8Array
}

export interface ViewReply {
  pin: Pin
  ok: boolean
  code: string
  detail: string
  returned: Uint8Array
  fuelUsed: number
  /** The oldest that the answer rests on; null: all of it is as of now. */
  frozenSince: Frozen | null
  /** Each of them, and whose records were shown; of views asked for a person. */
  frozen: FrozenReply[]
  touched: Touched[]
}

export interface ContractReply {
  address: Uint8Array
  manifest: Manifest
  /** The bytes, for pages only. */
  page: Uint8Array | null
  codeHash: Uint8Array
}

export interface VersionReply {
  address: Uint8Array
  manifest: Manifest
  vendor: Uint8Array
  deployedAt: number
  activatedAt: number[]
  active: boolean
  approver: Uint8Array | null
  approvedAt: number | null
  frozenSince: number | null
}

export interface AliasReply {
  alias: string
  /** Block time, ms; 0: it runs. */
  quarantinedAt: number
  dependants: { alias: string; version: string; address: Uint8Array }[]
  versions: VersionReply[]
}

export interface ScheduleReply {
  schedule: Uint8Array
  at: number
  by: Uint8Array
  addresses: Uint8Array[]
}

export interface QuarantineEntry {
  alias: string
  /** Block time, ms. */
  since: number
}

/** One slice of the store's housekeeping. */
export interface CareRequest {
  budgetMs: number
  /** Blocks below the tip that keep their payload; null: all. */
  keepBlocks: number | null
  /** Begin a compaction, unless one is under way. */
  compact: boolean
}

export interface CareReply {
  space: SpaceReport
  /** Lowest height whose payload is here. */
  firstPayload: number
  pruning: ResealProgress | null
  resealing: ResealProgress | null
  /** `copied`: `careFinish` puts the copy in its place. */
  compaction: 'none' | 'copying' | 'copied' | 'failed'
  /** Of this thread; what is used counts garbage that was not collected yet. */
  heap: { usedBytes: number; limitBytes: number }
  /** What kept pruning from its work; null: nothing. */
  damage: { code: string; detail: string } | null
}

/** Whose a key is or was, and the key itself; null for an unknown one. */
export interface KeyStateReply {
  state: 'valid' | 'revoked' | 'unknown'
  entity: Uint8Array | null
  publicKey: Uint8Array | null
  /** A node of the network, listed or removed, votes with it or has done so. */
  isVoteKey: boolean
}

/** Method name -> [arguments, answer]. */
export interface ExecutorCalls {
  open: [OpenRequest, OpenReply]
  admit: [{ bundles: Uint8Array[]; now: number }, AdmitReply[]]
  build: [BuildRequest, BuildReply]
  execute: [{ blockHash: Uint8Array; block: Block }, ExecuteOutcome]
  commit: [
    {
      blockHash: Uint8Array
      resultHash: Uint8Array
      final: FinalBlock
      skipped: readonly SkippedLeaders[]
    },
    CommitReply,
  ]
  /** Executes and throws away (R31); `now` in ms since 1970. */
  tentative: [{ bundles: Uint8Array[]; now: number }, TentativeReply]
  discard: [{ blockHash: Uint8Array }, null]
  /** What an executed block that is not stored would have written. Null: it is not held. */
  divergence: [{ blockHash: Uint8Array }, WriteReport | null]
  finalBlocks: [{ fromHeight: number; count: number; bytesMax: number }, FinalBlock[]]
  pin: [null, Pin]
  records: [RecordsQuery, { pin: Pin; records: LedgerEntry[] }]
  /** Null: there is no such height yet. */
  page: [PageQuery, PageReply | null]
  record: [{ id: Uint8Array }, { pin: Pin; record: LedgerEntry | null }]
  receipt: [{ id: Uint8Array }, { pin: Pin; receipts: ReceiptEntry[] }]
  prove: [{ question: ProofQuestion }, ProofReply]
  view: [ViewQuery, ViewReply]
  contract: [{ target: string | Uint8Array }, ContractReply | null]
  contracts: [null, { alias: string; version: string; type: string; title: string; address: Uint8Array }[]]
  /** Which transaction travels in which lane, by the state. */
  lanes: [null, LaneTable]
  /** One alias, or all when `alias` is empty. */
  versions: [{ alias: string }, { pin: Pin; aliases: AliasReply[]; schedules: ScheduleReply[] }]
  /** What the chain says of a key now: `unknown` when it was never enrolled. */
  keyState: [{ keyId: Uint8Array }, KeyStateReply]
  /** Highest sequence used with a key and stream; -1 when none. */
  sequence: [{ keyId: Uint8Array; stream: number }, number]
  /** An answer to another node's snapshot request, and a slice of preparing for the next ones. */
  snapshot: [{ request: Uint8Array; peer: string }, Uint8Array]
  /** True when there is more to prepare. */
  snapshotStep: [{ budgetMs: number }, boolean]
  /** Lowest height whose block is here. */
  firstBlock: [null, number]
  care: [CareRequest, CareReply]
  /** Ends a compaction: the copy becomes the store. No other thread may have the store open meanwhile. */
  careFinish: [null, SpaceReport]
  /** Opens a folder to take a snapshot into; instead of `open`. */
  syncOpen: [SyncOpenRequest, null]
  /** An offer as the aim. */
  syncAim: [{ answer: Uint8Array }, TakeVerdict]
  syncNext: [
    { count: number },
    { requests: { id: number; request: Uint8Array }[]; progress: ImportProgress },
  ]
  syncTake: [{ id: number; answer: Uint8Array | null }, TakeVerdict]
  /** Where the chain stands now. */
  tip: [null, ChainPoint]
  /** Takes a recovery manifest: checked and durable, or refused with its code. A trial only checks. */
  recover: [{ manifest: Uint8Array; isTrial: boolean }, RecoverReply]
  /** The manifests that this node has taken, oldest first, with proof that their epochs began. */
  recoveryNotices: [null, Uint8Array[]]
  /** A peer's notice; `entity`: of this node. */
  hear: [{ notice: Uint8Array; entity: Uint8Array }, HearReply]
  /** The newer epoch that stopped this node, until it is given the manifest. */
  told: [null, Told | null]
  /** The founding document. */
  genesis: [null, Uint8Array]
  get: [{ table: string; key: Uint8Array }, Uint8Array | null]
  /** An undefined value removes the note. */
  put: [{ table: string; key: Uint8Array; value: Uint8Array | undefined }, null]
  /** Without its outline on a disk that has no room: see tree-outline.ts. */
  close: [{ keepsOutline: boolean }, null]
}

export type ExecutorMethod = keyof ExecutorCalls

export interface ExecutorRequest {
  id: number
  method: ExecutorMethod
  argument: unknown
}

export type ExecutorReply =
  | { id: number; ok: true; value: unknown }
  /** A fault of this node, never a transaction result. */
  | { id: number; ok: false; code: string; message: string; running: RunningFrame | undefined }
