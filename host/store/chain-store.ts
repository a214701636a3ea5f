// The chain store: one sealed LMDB environment with blocks, bodies, state, indexes and tree pages. It
// belongs to one thread (the executor); other threads get what they need by message.
import { join } from 'node:path'
import type { OrderedEntry, StateTree } from '../../runtime/state/index.js'
import { encodeOrderedKey, encodePointKey } from '../../runtime/state/index.js'
import type { Result } from '../../runtime/protocol/result.js'
import { BlockApplier, wrappingIdKey } from './chain-apply.js'
import { ChainReads } from './chain-reads.js'
import type { StoredRecord } from './complete-range.js'
import { DataKey } from './data-key.js'
import { PatientKeys } from './patient-keys.js'
import { SealedEnvironment, type SpaceReport } from './sealed-environment.js'
import { SnapshotPool, type SnapshotOptions } from './snapshot-pool.js'
import { StoreError } from './store-error.js'
import type {
  Applied,
  BlockWrite,
  BodyCode,
  ChainSnapshot,
  ChainStoreReads,
  ImportBatch,
  StoredBlock,
} from './store-types.js'
import { chainTables, table, type TableId } from './tables.js'
import { UndoJournals, type UndoLimits } from './undo-journal.js'

export interface ChainStoreOptions {
  snapshots?: SnapshotOptions
  undo?: Partial<UndoLimits>
  /** Looks at every page of the file before it is opened: for the doctor. */
  onStructure?: (pages: number, total: number) => void
}

export class ChainStore implements ChainStoreReads {
  readonly #environment: SealedEnvironment
  readonly #ownKey: DataKey | undefined
  readonly #patientKeys: PatientKeys
  readonly #reads: ChainReads
  readonly #applier: BlockApplier
  readonly #snapshots: SnapshotPool
  readonly #journals: UndoJournals
  #tree: StateTree | undefined
  /** `firstBlock` and `firstPayload`, which two proven misses tell, until something writes. */
  #firsts: { block: number; payload: number } | undefined

  private constructor(
    environment: SealedEnvironment,
    patientKeys: PatientKeys,
    ownKey: DataKey | undefined,
    options: ChainStoreOptions,
  ) {
    this.#environment = environment
    this.#patientKeys = patientKeys
    this.#ownKey = ownKey
    this.#reads = new ChainReads(environment, () => patientKeys)
    this.#journals = new UndoJournals(environment, () => patientKeys, options.undo)
    this.#applier = new BlockApplier(environment, this.#reads, patientKeys, this.#journals)
    this.#snapshots = new SnapshotPool(environment, () => patientKeys, options.snapshots ?? {})
  }

  /**
   * Opens `<folder>/chain.lmdb`, or founds it. `dataKey` as bytes (`DataKey.toBytes`) is for a worker
   * thread: the bytes are copied to locked memory and zeroed. Throws StoreError: STORE_LOCKED,
   * FOREIGN_FILE, STORE_NEWER_VERSION, RECORD_ALTERED, STORE_DAMAGED.
   */
  static open(folder: string, dataKey: DataKey | Uint8Array, options: ChainStoreOptions = {}): ChainStore {
    const ownKey = dataKey instanceof DataKey ? undefined : DataKey.fromBytes(dataKey)
    const key = ownKey ?? (dataKey as DataKey)
    const { onStructure } = options
    const where = { folder, space: 'chain', tables: chainTables } as const
    const environment = new SealedEnvironment({ ...where, dataKey: key, onStructure })
    try {
      const patientKeys = openPatientKeys(environment, join(folder, 'patients.key'), key)
      return new ChainStore(environment, patientKeys, ownKey, options)
    } catch (error) {
      void environment.close()
      ownKey?.close()
      throw error
    }
  }

  /**
   * From now on every value read by `get` and every row read by `scan` is compared with the tree: an older
   * record that was put back, or a record that was cut out, is RECORD_ALTERED and never taken as truth.
   */
  checkReadsWith(tree: StateTree): void {
    this.#tree = tree
  }

  get(store: string, key: Uint8Array): Uint8Array | undefined {
    const value = this.#reads.get(store, key, this.#tree !== undefined)
    if (this.#tree !== undefined) this.#check(store, encodePointKey(key), value)
    return value
  }

  #check(store: string, key: Uint8Array, value: Uint8Array | undefined): void {
    if (this.#tree === undefined || this.#tree.agrees(store, key, value)) return
    throw new StoreError('RECORD_ALTERED', 'a state record is not the one that the root commits to')
  }

  scan(
    store: string,
    tableNumber: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    descending?: boolean,
    sequenceFrom?: number,
  ): OrderedEntry[] {
    const rows = this.#reads.scan(store, tableNumber, partition, from, to, limit, descending, sequenceFrom)
    for (const { order, sequence, value } of this.#tree === undefined ? [] : rows) {
      this.#check(store, encodeOrderedKey(tableNumber, partition, order, sequence), value)
    }
    return rows
  }

  scanIndex(
    store: string,
    tableNumber: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    descending?: boolean,
    sequenceFrom?: number,
  ): OrderedEntry[] {
    return this.#reads.scanIndex(store, tableNumber, partition, from, to, limit, descending, sequenceFrom)
  }

  page(id: Uint8Array): Uint8Array | undefined {
    return this.#reads.point(table.treePage, id)
  }

  *pages(): Generator<{ id: Uint8Array; page: Uint8Array }> {
    const sealer = this.#environment.sealer(table.treePage)
    for (const { storedKey, record } of this.#ofTree(table.treePage)) {
      const { trueKey, value } = sealer.openEntry(storedKey, record)
      yield { id: trueKey, page: value }
    }
  }

  *redoRecords(): Generator<{ sequence: number; record: Uint8Array }> {
    const sealer = this.#environment.sealer(table.treeRedo)
    for (const { storedKey, record } of this.#ofTree(table.treeRedo)) {
      const { value } = sealer.openEntry(storedKey, record)
      yield { sequence: Number(storedKey.readBigUInt64BE(1)), record: value }
    }
  }

  /** The certified root proves the tree: damage to what merely lies beside it refuses no start. */
  #ofTree(id: TableId): Generator<StoredRecord> {
    return this.#environment.range(Buffer.from([id]), Buffer.from([id + 1]), { isVouchedFor: true })
  }

  applied(): Applied | undefined {
    return this.#reads.applied()
  }

  blockAt(height: number): StoredBlock | undefined {
    return this.#reads.blockAt(height)
  }

  patientBody(patient: Uint8Array, hash: Uint8Array): Result<Uint8Array, BodyCode> {
    return this.#reads.patientBody(patient, hash)
  }

  attachmentByHash(hash: Uint8Array): Uint8Array | undefined {
    return this.#reads.attachmentByHash(hash)
  }

  transactionLocation(id: Uint8Array): { height: number; index: number } | undefined {
    return this.#reads.transactionLocation(id)
  }

  /** See `SealedEnvironment.get` for `isMissVouchedFor`. */
  note(name: string, isMissVouchedFor = false): Uint8Array | undefined {
    return this.#reads.note(name, isMissVouchedFor)
  }

  /** The undo journal of a block; undefined when it is not kept (any more). */
  undoAt(height: number): Uint8Array | undefined {
    return this.#journals.at(height)
  }

  /** The lowest height whose block can be taken back, with all above it. */
  undoFirst(): number {
    return this.#journals.first(this.applied()?.height ?? 0)
  }

  /** Writes one note in a durable transaction of its own; undefined removes it. */
  putNote(name: string, value: Uint8Array | undefined): void {
    this.putNotes([{ name, value }])
  }

  /** Writes several notes in one durable transaction, all or none. */
  putNotes(notes: readonly { name: string; value: Uint8Array | undefined }[]): void {
    this.#environment.write(() => {
      for (const { name, value } of notes)
        this.#applier.putPoint(table.note, Buffer.from(name, 'utf8'), value)
      this.#firsts = undefined
    })
  }

  /**
   * Applies the next block in one transaction that is on disk when this returns, or not at all. A block
   * that erases patients ends all open snapshots.
   */
  applyBlock(block: BlockWrite): void {
    this.#applier.apply(block)
    if ((block.erasedPatients ?? []).length > 0) this.#snapshots.expireAll()
  }

  /** Writes part of a snapshot into a store that has no chain yet. */
  import(batch: ImportBatch): void {
    try {
      this.#applier.import(batch)
    } finally {
      this.#firsts = undefined
    }
  }

  firstBlock(): number {
    return this.#first().block
  }

  /** Blocks below have been pruned: header, result, certificate and receipts are here, the payload is not. */
  firstPayload(): number {
    return this.#first().payload
  }

  #first(): { block: number; payload: number } {
    return (this.#firsts ??= { block: this.#reads.firstBlock(), payload: this.#reads.firstPayload() })
  }

  /**
   * Takes the payloads of at most `countMax` blocks below this height away, the lowest first, in one durable
   * transaction; fewer when they are large. Returns how many blocks that were.
   */
  prune(below: number, countMax: number): number {
    const first = this.firstPayload()
    const end = Math.min(below, first + countMax, (this.applied()?.height ?? 0) + 1)
    if (end <= first) return 0
    let reached = first
    this.#environment.write(() => {
      reached = this.#applier.prune(first, end)
      this.#firsts = undefined
    })
    return reached - first
  }

  /** Begins to make the file small again, while blocks go on; see `compaction.ts`. */
  beginCompaction(): void {
    this.#environment.beginCompaction()
  }

  get compactionState(): SealedEnvironment['compactionState'] {
    return this.#environment.compactionState
  }

  /** Between two blocks. Pinned reads end with SNAPSHOT_EXPIRED; those of other threads must be gone. */
  finishCompaction(): void {
    this.#snapshots.expireAll()
    this.#environment.finishCompaction()
  }

  space(): SpaceReport {
    return this.#environment.space()
  }

  /**
   * A read pinned to the present height: it sees nothing of later blocks. SNAPSHOT_LIMIT when too many are
   * open.
   */
  snapshotReader(): ChainSnapshot {
    return this.#snapshots.take()
  }

  get openSnapshots(): number {
    return this.#snapshots.count
  }

  get fileBytes(): number {
    return this.#environment.fileBytes
  }

  /** The environment below, for verification and backup in this room. */
  get environment(): SealedEnvironment {
    return this.#environment
  }

  /** Zeroes the sub-keys, ends snapshots and closes the file. The caller's DataKey stays open. */
  async close(): Promise<void> {
    this.#snapshots.close()
    this.#patientKeys.close()
    this.#ownKey?.close()
    await this.#environment.close()
  }
}

/** Opens or founds the chain store of a node; see `ChainStore.open`. */
export function openChainStore(
  folder: string,
  dataKey: DataKey | Uint8Array,
  options?: ChainStoreOptions,
): ChainStore {
  return ChainStore.open(folder, dataKey, options)
}

function openPatientKeys(environment: SealedEnvironment, path: string, dataKey: DataKey): PatientKeys {
  const reads = new ChainReads(environment, () => {
    throw new StoreError('STORE_DAMAGED', 'no patient keys yet')
  })
  const id = reads.point(table.meta, wrappingIdKey)
  if (id !== undefined) return PatientKeys.open(path, dataKey, Buffer.from(id).readUInt32BE(0))
  if (reads.applied() !== undefined) {
    throw new StoreError('STORE_DAMAGED', 'the mark of the patient wrapping key is missing')
  }
  // A new store, or one whose founding was cut short before its first block.
  const keys = PatientKeys.create(path, dataKey)
  const applier = new BlockApplier(environment, reads, keys, new UndoJournals(environment, () => keys))
  const first = Buffer.alloc(4)
  first.writeUInt32BE(keys.current)
  environment.write(() => {
    applier.putPoint(table.meta, wrappingIdKey, first)
  })
  return keys
}
