// What execution is given and what it gives back: the types of its front door.
import type { BlockHeader, BlockResult, Payload } from '../protocol/block.js'
import type { VerifySignature, Validator } from '../protocol/certificate.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import type { Hash } from '../protocol/hash.js'
import type { Lane } from '../protocol/lanes.js'
import type { Receipt } from '../protocol/receipt.js'
import type { RecordBody, RecordHeader } from '../protocol/record.js'
import type { Bundle } from '../protocol/transaction.js'
import type { IndexReader, StateReader, StateWrite, WriteSet } from '../state/store-interface.js'
import type { TreeUpdate } from '../state/tree-interface.js'
import type { CreditTerms } from './credit.js'
import type { TraceSink } from './trace.js'

export interface ExecutionPorts {
  /** SHA-256. */
  hash: Hash
  /** The one Ed25519 verifier of all replicas. */
  verify: VerifySignature
  /**
   * Told what is about to run, before its module is compiled or entered, and that nothing runs any more: who
   * ran, should this machine fail in it. Changes nothing.
   */
  watch?: FrameWatch
}

/** A frame that begins to run, or that goes on after a call; ids and names only. */
export interface FrameStart {
  /**
   * The transaction that runs, signed or derived; of a policy question the one that it is asked for. Zero:
   * a view, or a module that is made ready.
   */
  transactionId: Uint8Array
  /** Signed transaction of this block, or earlier run, that led to it; zero: nobody's, as of a timer. */
  cause: Uint8Array
  height: number
  alias: string
  address: Uint8Array
  method: string
  depth: number
}

/** undefined: the outermost frame has ended, no contract runs. */
export type FrameWatch = (frame: FrameStart | undefined) => void

/**
 * The final state that a block, a view or an admission check starts from. All answers are about one height.
 */
export interface ParentState extends StateReader, IndexReader {
  /**
   * Salt and content of a final record's body. Asked only for records that the state says exist and are not
   * erased: 'erased' or undefined then means that this replica's store is damaged, and execution stops.
   */
  bodyOf(recordId: Uint8Array): RecordBody | 'erased' | undefined
  /** A stored attachment (manifest, module, page) by its SHA-256. */
  attachmentOf(hash: Uint8Array): Uint8Array | undefined
  /** Root of one store's subtree at this height: the version of what was computed from that store. */
  subRoot(store: string): Uint8Array
  /** The state tree after these writes, without making them durable (`StateTree.update`). */
  updateTree(writes: readonly StateWrite[]): TreeUpdate
}

/** A stored attachment: content under its hash. */
export interface Attachment {
  hash: Uint8Array
  content: Uint8Array
}

/** One appended record with everything that a store or a screen needs of it. */
export interface LedgerRecord {
  id: Uint8Array
  header: RecordHeader
  author: Uint8Array
  /** Signed or derived transaction that appended it. */
  transactionId: Uint8Array
  /** Position among the transaction's records, 0-based. */
  index: number
  height: number
  /** Block time, ms. */
  time: number
  /** 1..n per patient. */
  number: number
  body: RecordBody
  /** Made by a contract, not signed by a person or device. */
  derived: boolean
  /** Of a derived record: the signer of the call that made it, or the rule that ran. */
  origin?: Uint8Array
  /** Borsh `recordView`, as contracts see it. */
  view: Uint8Array
}

/** Why a rule did or did not act: entries of `explain`, kept beside the receipt, outside every hash. */
export interface Explanation {
  transactionId: Uint8Array
  alias: string
  method: string
  /**
   * Patient of the derived transaction, when it has one: the entries are sealed under that patient's key.
   */
  patient?: Uint8Array
  entries: Uint8Array[]
}

/** Words for developers about one transaction (abort messages, `log_write`). Outside every hash. */
export interface Diagnostic {
  transactionId: Uint8Array
  alias: string
  text: string
}

/** What header and parent state say about a transaction that may enter a block. */
export interface Admission {
  lane: Lane
  id: Uint8Array
  keyId: Uint8Array
  stream: number
  sequence: number
  /** Fuel that it takes from its lane's share of a block: the price of an append, the limit of a call. */
  fuelReserved: number
  sender: Uint8Array
  /** Number of the sender's `entityKind`. */
  kind: number
  /** Credit that it reserves, and what its sender has before it. */
  creditCost: number
  creditLeft: number
  /** The sender's terms. */
  creditTerms: CreditTerms
}

export interface AdmissionPoint {
  chainId: Uint8Array
  /** Height and time of the block that it would enter. */
  height: number
  time: number
  /** Time of the block before: that of the state. */
  parentTime: number
}

export interface BlockInput {
  header: BlockHeader
  payload: Payload | Uint8Array
  /** The manifest that begins the epoch of this block, in its first block only. */
  recovery?: Uint8Array
}

export interface BlockOptions {
  /** A bundle that this replica decoded before, by its bytes; saves the second strict decoding. */
  decodedBundle?: (bytes: Uint8Array) => Bundle | undefined
  /** True when this replica checked the signature of exactly this bundle before. */
  signatureChecked?: (bundle: Bundle) => boolean
  /** Receives frames and host calls as they happen; changes nothing. */
  trace?: TraceSink
  /** Traces this transaction alone. */
  traceOnly?: Uint8Array
}

/** An invalid block: nothing of it may be voted for. */
export type BlockRefusalCode =
  | ErrorCode
  | 'PAYLOAD_MALFORMED'
  | 'PAYLOAD_TOO_LARGE'
  | 'CHAIN_WRONG'
  | 'VERSION_UNKNOWN'
  | 'HEIGHT_WRONG'
  | 'TIME_NOT_LATER'
  | 'VALIDATORS_WRONG'
  | 'ROOTS_WRONG'
  | 'LANE_WRONG'
  | 'LANE_FULL'
  | 'TRANSACTIONS_TOO_MANY'

export interface ExecutedBlock {
  ok: true
  result: BlockResult
  /** Encoded receipts in the order of execution: leaves of the receipts root. */
  receipts: Uint8Array[]
  /** The same receipts, not encoded. */
  receiptsDecoded: Receipt[]
  records: LedgerRecord[]
  writeSet: WriteSet
  tree: TreeUpdate
  /** Signed transactions in the order of the block. */
  transactionIds: Uint8Array[]
  /** The set that votes on the next block. */
  validators: Validator[]
  explanations: Explanation[]
  diagnostics: Diagnostic[]
  /** Manifests, modules and pages that accepted deployments brought along, to be stored with the block. */
  attachments: Attachment[]
}

export type BlockOutcome = ExecutedBlock | { ok: false; code: BlockRefusalCode; detail?: string }

/** The founding state: what block 1 is executed on. Height 0, no header, no certificate. */
export interface GenesisOutcome extends Omit<ExecutedBlock, 'ok'> {
  chainId: Uint8Array
}

/** A fault of this node, never a transaction's result: it stops voting and says so. */
export class NodeFault extends Error {
  readonly code: 'NATIVE_FAILURE' | 'BODY_MISSING' | 'ATTACHMENT_MISSING' | 'ENGINE_DISAGREES'
  constructor(code: NodeFault['code'], message: string, options?: { cause?: unknown }) {
    super(message)
    this.code = code
    this.cause = options?.cause
  }
}
