// What passes between the host and the chain store.
import type {
  IndexReader,
  PageWrite,
  RedoWrite,
  StateReader,
  StateWrite,
  TreePages,
  WriteSet,
} from '../../runtime/state/index.js'
import type { Result } from '../../runtime/protocol/result.js'

/** A record body as the store keeps it. `hash` = SHA-256(content); content = salt 16 | body. */
export interface BodyWrite {
  hash: Uint8Array
  content: Uint8Array
  /** 16 bytes: the body rests under patient and hash, is sealed under the patient's key and goes with it. */
  patient: Uint8Array
}

export interface AttachmentWrite {
  /** SHA-256 of the bytes. */
  hash: Uint8Array
  bytes: Uint8Array
}

/** Everything that one final block changes; applied in one synced transaction, whole or not at all. */
export interface BlockWrite {
  /** Applied height + 1; 0 is the genesis, the first write of a new store. */
  height: number
  header: Uint8Array
  /** The payload without record bodies and attachments. */
  payload: Uint8Array
  result: Uint8Array
  certificate: Uint8Array
  /** Encoded receipts, in the order of the receipts root. */
  receipts: readonly Uint8Array[]
  bodies: readonly BodyWrite[]
  attachments: readonly AttachmentWrite[]
  /** Ids of the transactions, signed and derived, with their receipt's index: for look-up by id. */
  transactions: readonly { id: Uint8Array; index: number }[]
  writes: WriteSet
  pages: readonly PageWrite[]
  redo: RedoWrite
  /** State root after this block. */
  stateRoot: Uint8Array
  /**
   * What takes the block back (`runtime/execution` undoOf). The genesis has none, nor has a block that takes
   * rows of an erased patient away: with it the journals before it go, for they must reach to the tip.
   */
  undo?: Uint8Array
  /** Patients whose keys are destroyed with this block. */
  erasedPatients?: readonly Uint8Array[]
  /** Small named values of the host (safety watermark, sync progress) that must change with the block. */
  notes?: readonly { name: string; value: Uint8Array | undefined }[]
}

/** What one transaction of a snapshot's import writes. */
export interface ImportBatch {
  state?: readonly StateWrite[]
  index?: readonly StateWrite[]
  pages?: readonly PageWrite[]
  redo?: RedoWrite
  bodies?: readonly BodyWrite[]
  attachments?: readonly AttachmentWrite[]
  /** Patients of whom nothing is ever kept here. */
  erasedPatients?: readonly Uint8Array[]
  /** Blocks without payload: the tip, and those that prove changes of the validators. */
  blocks?: readonly { height: number; header: Uint8Array; result: Uint8Array; certificate: Uint8Array }[]
  notes?: readonly { name: string; value: Uint8Array | undefined }[]
  /** The last batch: from here on the store is a chain at this height. */
  applied?: Applied
}

export interface StoredBlock {
  height: number
  header: Uint8Array
  payload: Uint8Array
  result: Uint8Array
  certificate: Uint8Array
  receipts: Uint8Array[]
}

export interface Applied {
  height: number
  stateRoot: Uint8Array
}

export type BodyCode = 'BODY_ABSENT' | 'BODY_ERASED'

/** Reads of one consistent height: the store's newest, or a snapshot's. */
export interface ChainReader extends StateReader, IndexReader {
  /** Undefined in a store that has no genesis yet. */
  applied(): Applied | undefined
  blockAt(height: number): StoredBlock | undefined
  /** A body as one patient's: the same salt and content may lie here under other patients too. */
  patientBody(patient: Uint8Array, hash: Uint8Array): Result<Uint8Array, BodyCode>
  attachmentByHash(hash: Uint8Array): Uint8Array | undefined
  transactionLocation(id: Uint8Array): { height: number; index: number } | undefined
  note(name: string): Uint8Array | undefined
}

/** A read pinned to one height. Must be closed; after its age cap every read throws SNAPSHOT_EXPIRED. */
export interface ChainSnapshot extends ChainReader {
  readonly height: number
  close(): void
}

export interface ChainStoreReads extends ChainReader, TreePages {}
