// One LMDB environment in which every value is a sealed record. The engine sees opaque keys and ciphertext
// only.
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { copyPages } from './backup.js'
import { completeRange, labelKey, type RangeOptions, type StoredRecord } from './complete-range.js'
import { Compaction, dropLeftCopy, putInPlace } from './compaction.js'
import type { DataKey, KeySpace } from './data-key.js'
import { assertEngineTree } from './engine-check.js'
import { checkEngineFile } from './engine-file.js'
import { CrashCount } from './crash-count.js'
import { engineError, writeError } from './engine-error.js'
import { RecordSealer } from './record-seal.js'
import { StoreError } from './store-error.js'
import { StoreLock } from './store-lock.js'
import { isPadded, type TableId } from './tables.js'

/** 1: tree pages are the newest. 2: with redo records beside them. A store is founded as 1. */
export const formatVersion = 2
const firstVersion = 1
const sharedViewsMax = 64
const strangeCodes: ReadonlySet<string> = new Set(['STORE_CLOSED', 'RECORD_UNKNOWN_VERSION'])
const pageBytes = 4_096

/** An LMDB read transaction; every read takes one or uses the engine's own newest. */
export interface ReadTransaction {
  done(): void
}

/** The parts of lmdb-js that its types leave out. */
export type Engine = Omit<
  RootDatabase<Buffer, Buffer>,
  'getBinaryFast' | 'putSync' | 'removeSync' | 'useReadTransaction' | 'getStats'
> & {
  getBinaryFast(key: Uint8Array, options?: { transaction: ReadTransaction }): Buffer | undefined
  /** Byte count of the value that was read last: the buffer handed out may be a longer, shared one. */
  lastSize: number
  putSync(key: Uint8Array, value: Uint8Array): boolean
  removeSync(key: Uint8Array): boolean
  useReadTransaction(): ReadTransaction
  getStats(): EngineStats
}

interface TreeStats {
  treeBranchPageCount: number
  treeLeafPageCount: number
  overflowPages: number
}

interface EngineStats extends TreeStats {
  entryCount: number
  lastPageNumber: number
  free: TreeStats
}

/** Where the bytes of the file are. */
export interface SpaceReport {
  fileBytes: number
  /** Pages inside the file that hold nothing; the engine fills them before the file grows. */
  freeBytes: number
  /** Sealed records. */
  entryCount: number
}

export interface EnvironmentOptions {
  folder: string
  /** `chain` or `votes`: file name and key space. */
  space: KeySpace & ('chain' | 'votes')
  tables: readonly TableId[]
  dataKey: DataKey
  /** Every page is looked at before the engine opens the file; pages so far, and about how many there are. */
  onStructure?: (pages: number, total: number) => void
  /** For another thread of the process that owns the environment: takes no lock and never writes. */
  readsOnly?: boolean
}

export class SealedEnvironment {
  readonly path: string
  #engine: Engine
  readonly #lock: StoreLock | undefined
  readonly #crashes: CrashCount | undefined
  #compaction: Compaction | undefined
  #copyEnded: Promise<void> = Promise.resolve()
  #isCopying = false
  readonly #sealers: (RecordSealer | undefined)[] = []
  readonly #dataKey: DataKey
  readonly isNew: boolean
  #version = firstVersion
  #shared: Uint8Array | undefined
  readonly #sharedViews = new Map<number, Uint8Array>()
  #isClosed = false

  /**
   * Opens or creates `<folder>/<space>.lmdb`. Throws FOREIGN_FILE, STORE_NEWER_VERSION, STORE_LOCKED and
   * IO codes.
   */
  constructor(options: EnvironmentOptions) {
    const { folder, space, tables, dataKey, readsOnly = false } = options
    this.path = join(folder, `${space}.lmdb`)
    this.#dataKey = dataKey
    makeFolder(folder)
    let engine: Engine | undefined
    this.#lock = readsOnly ? undefined : StoreLock.take(join(folder, `${space}.owner`))
    try {
      this.isNew = !existsSync(this.path) || statSync(this.path).size === 0
      if (!readsOnly) {
        dropLeftCopy(this.path)
        checkEngineFile(this.path)
        this.#crashes = new CrashCount(join(folder, `${space}.crashes`), this.#lock?.diedSince)
        // An engine that dies on its own pages would do so at every start: look before it opens them.
        if (options.onStructure !== undefined || this.#crashes.isLoop) {
          if (!this.isNew) assertEngineTree(this.path, options.onStructure)
        }
      }
      this.#engine = engine = openEngine(this.path)
      this.#checkLabel()
    } catch (error) {
      void engine?.close()
      this.#lock?.release()
      throw engineError(error, `opening ${this.path}`)
    }
    for (const id of tables) {
      this.#sealers[id] = new RecordSealer(dataKey, space, id, { padded: isPadded(id) })
    }
  }

  sealer(id: TableId): RecordSealer {
    const sealer = this.#sealers[id]
    if (sealer === undefined || this.#isClosed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    return sealer
  }

  /** Runs `work` in one transaction that is on disk when this returns; a throw leaves nothing of it. */
  write(work: () => void): void {
    if (this.#isClosed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    try {
      // A block body that returns nothing: a returned promise would change how lmdb-js treats the
      // transaction.
      this.#engine.transactionSync(() => {
        work()
      })
    } catch (error) {
      // A mark that was raised in this transaction is not there: the next to need it raises it again.
      this.#version = firstVersion
      throw writeError(error, this.path)
    }
  }

  /** Inside `write` only: outside it would be visible before it is on disk. */
  put(id: TableId, storedKey: Uint8Array, trueKey: Uint8Array, value: Uint8Array): void {
    this.#compaction?.touch(storedKey)
    this.#engine.putSync(storedKey, this.sealer(id).sealShared(storedKey, trueKey, value))
  }

  /** Inside `write` only. */
  remove(storedKey: Uint8Array): void {
    this.#compaction?.touch(storedKey)
    this.#engine.removeSync(storedKey)
  }

  /** Inside `write` only: from here on an older binary refuses the file. */
  raiseVersion(version: number): void {
    if (this.#version >= version) return
    this.#compaction?.touch(labelKey)
    this.#engine.putSync(labelKey, Buffer.concat([new Uint8Array([version]), this.#dataKey.storeId]))
    this.#version = version
  }

  /** Puts sealed records back as they are: for repair and for the tests of replayed records. */
  putRecords(records: readonly { storedKey: Uint8Array; record: Uint8Array }[]): void {
    this.write(() => {
      for (const { storedKey, record } of records) {
        this.#compaction?.touch(storedKey)
        this.#engine.putSync(storedKey, record)
      }
    })
  }

  /**
   * Undefined only when there is no such record: a miss is proven by its neighbours (complete-range.ts),
   * some 30 us, unless the caller says that something else vouches for it (`isMissVouchedFor`).
   */
  get(
    id: TableId,
    storedKey: Uint8Array,
    trueKey: Uint8Array,
    transaction?: ReadTransaction,
    isMissVouchedFor = false,
  ): Uint8Array | undefined {
    const record = this.getRecord(storedKey, transaction)
    if (record !== undefined) return this.sealer(id).open(storedKey, trueKey, record)
    if (!isMissVouchedFor) this.#proveAbsent(storedKey, transaction)
    return undefined
  }

  #proveAbsent(storedKey: Uint8Array, transaction: ReadTransaction | undefined): void {
    const end = Buffer.concat([storedKey, new Uint8Array(1)])
    for (const _found of this.range(storedKey, end, { transaction }))
      throw new StoreError('RECORD_ALTERED', `${hex(storedKey)} is there for a walk and not for a look-up`)
  }

  /** The sealed bytes; valid until the next read. */
  getRecord(storedKey: Uint8Array, transaction?: ReadTransaction): Uint8Array | undefined {
    if (this.#isClosed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    try {
      const shared = this.#engine.getBinaryFast(storedKey, transaction && { transaction })
      return shared === undefined ? undefined : this.#viewOf(shared, this.#engine.lastSize)
    } catch (error) {
      throw engineError(error, `reading ${this.path}`)
    }
  }

  /**
   * Sealed records with start <= key < end, or backwards from the largest key below `end` to `start`: all of
   * them, or RECORD_ALTERED (complete-range.ts).
   */
  *range(start: Uint8Array, end: Uint8Array, options: RangeOptions = {}): Generator<StoredRecord> {
    if (this.#isClosed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    const bounds = [Buffer.from(start), Buffer.from(end)] as const
    try {
      yield* completeRange(this.#engine, bounds, options, this.#authenticate)
    } catch (error) {
      throw engineError(error, `reading ${this.path}`)
    }
  }

  /** Throws unless this record was sealed under this key. */
  readonly #authenticate = (storedKey: Uint8Array, record: Uint8Array): void => {
    // The label is compared when the file is opened.
    if (storedKey.length === labelKey.length && storedKey[0] === labelKey[0]) return
    if (this.#isClosed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    try {
      this.sealer(storedKey[0] as TableId).openEntry(storedKey, record)
    } catch (error) {
      // A table or a version that is not known: of a record that nobody asked for it is damage.
      const isSaid = error instanceof StoreError && !strangeCodes.has(error.code)
      if (isSaid) throw error
      throw new StoreError('RECORD_ALTERED', `the key ${hex(storedKey)} is none of this store`, error)
    }
  }

  /** The engine keeps one state for all reads of a turn of the event loop: the next read is of the newest. */
  readNewest(): void {
    this.#engine.resetReadTxn()
  }

  /** Pins the newest state. The caller calls `done`. */
  beginRead(): ReadTransaction {
    if (this.#isClosed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    return this.#engine.useReadTransaction()
  }

  /**
   * A consistent copy while the node runs: ciphertext, like the original. Never for the votes environment.
   */
  async backup(path: string): Promise<void> {
    try {
      await copyPages(this.#engine, path)
    } catch (error) {
      throw engineError(error, `copying ${this.path}`)
    }
  }

  /** Begins a copy without free pages beside the file, while blocks go on. STORE_FULL without the room. */
  beginCompaction(): void {
    if (this.#isClosed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    // A copy that was given up may still be written to.
    if (this.#compaction !== undefined || this.#isCopying) return
    const { fileBytes, freeBytes } = this.space()
    this.#compaction = Compaction.begin(
      this.#engine,
      this.path,
      fileBytes - freeBytes,
      openEngine,
      this.#authenticate,
    )
    this.#isCopying = true
    this.#copyEnded = this.#compaction.ended.then(() => {
      this.#isCopying = false
    })
  }

  get compactionState(): 'none' | Compaction['state'] {
    return this.#compaction?.state ?? 'none'
  }

  /**
   * Brings the finished copy up to the newest state and puts it in the file's place: one rename. All reads
   * that are pinned must have ended, in other threads too. A failure leaves the old file in its place.
   */
  finishCompaction(): void {
    const compaction = this.#compaction
    if (compaction === undefined || this.#isClosed || compaction.state === 'copying') {
      throw new StoreError('STORE_CLOSED', 'no compacted copy is ready')
    }
    this.#compaction = undefined
    try {
      this.readNewest()
      compaction.complete((key) => this.#engine.getBinary(key) ?? undefined, openEngine)
      // Its work is done when it returns; the promise is a formality.
      void this.#engine.close()
      this.#shared = undefined
      this.#sharedViews.clear()
      try {
        putInPlace(this.path)
      } finally {
        this.#engine = openEngine(this.path)
      }
    } catch (error) {
      dropLeftCopy(this.path)
      throw writeError(error, this.path)
    }
  }

  space(): SpaceReport {
    if (this.#isClosed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    return spaceOf(this.#engine.getStats(), this.fileBytes)
  }

  /** The key epoch that new records are sealed under. */
  get epoch(): number {
    return this.#dataKey.epoch
  }

  get fileBytes(): number {
    return statSync(this.path).size
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const sealer of this.#sealers) sealer?.close()
    try {
      // The copying must not lose its file.
      this.#compaction?.abandon()
      await this.#copyEnded
      await this.#engine.close()
    } finally {
      if (this.#compaction !== undefined) dropLeftCopy(this.path)
      this.#crashes?.endedInOrder()
      this.#lock?.release()
    }
  }

  /** lmdb-js hands out one shared buffer for most values; its views are kept by size. */
  #viewOf(shared: Uint8Array, byteCount: number): Uint8Array {
    if (shared !== this.#shared) {
      this.#shared = shared
      this.#sharedViews.clear()
    }
    let view = this.#sharedViews.get(byteCount)
    if (view === undefined) {
      if (this.#sharedViews.size >= sharedViewsMax) this.#sharedViews.clear()
      view = shared.subarray(0, byteCount)
      this.#sharedViews.set(byteCount, view)
    }
    return view
  }

  #checkLabel(): void {
    const label = this.#engine.getBinary(labelKey)
    if (label === undefined) {
      // Founding may have been cut short before this first record; anything else in the file is not ours.
      const isEmpty = [...this.#engine.getKeys({ limit: 1 })].length === 0
      if (!isEmpty) throw new StoreError('FOREIGN_FILE', `${this.path} is not a wardchain store`)
      const fresh = Buffer.concat([new Uint8Array([firstVersion]), this.#dataKey.storeId])
      this.#engine.transactionSync(() => {
        this.#engine.putSync(labelKey, fresh)
      })
      return
    }
    if (label[0] > formatVersion) {
      throw new StoreError('STORE_NEWER_VERSION', `${this.path} was written by a newer version`)
    }
    if (label[0] < firstVersion || Buffer.compare(label.subarray(1), this.#dataKey.storeId) !== 0) {
      throw new StoreError('FOREIGN_FILE', `${this.path} belongs to another store`)
    }
    this.#version = label[0]
  }
}

/** Also of a file that another process has open: it needs no key. */
export function spaceOf(stats: EngineStats, fileBytes: number): SpaceReport {
  const pagesOf = (tree: TreeStats): number =>
    tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages
  const usedPages = 2 + pagesOf(stats) + pagesOf(stats.free)
  const freePages = Math.max(0, stats.lastPageNumber + 1 - usedPages)
  return { fileBytes, freeBytes: freePages * pageBytes, entryCount: stats.entryCount }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw engineError(error, `making ${folder}`)
  }
}

function openEngine(path: string): Engine {
  return open<Buffer, Buffer>({
    path,
    noSubdir: true,
    encoding: 'binary',
    pageSize: pageBytes,
    keyEncoding: 'binary',
    cache: false,
    // A commit returns after fdatasync: an acknowledged block is on disk (store.md section 6).
    overlappingSync: false,
  }) as unknown as Engine
}

/** The same for an environment that no process has open. No key is needed. STORE_LOCKED while one has. */
export async function compactClosed(folder: string, space: EnvironmentOptions['space']): Promise<void> {
  const path = join(folder, `${space}.lmdb`)
  const lock = StoreLock.take(join(folder, `${space}.owner`))
  try {
    dropLeftCopy(path)
    checkEngineFile(path)
    const engine = openEngine(path)
    try {
      const { fileBytes, freeBytes } = spaceOf(engine.getStats(), statSync(path).size)
      const compaction = Compaction.begin(engine, path, fileBytes - freeBytes, openEngine)
      await compaction.ended
      compaction.complete(() => undefined, openEngine)
    } finally {
      await engine.close()
    }
    putInPlace(path)
  } catch (error) {
    dropLeftCopy(path)
    throw writeError(error, path)
  } finally {
    lock.release()
  }
}
