// Making an environment's file small again while it is in use. The engine never gives pages back to the
// file system, so a copy without free pages takes the file's place:
//
//   1. the keys of every write are noted from now on; one state is copied, in steps between blocks
//   2. between two blocks: what was noted is brought over, the copy is synced
//   3. the file is closed, the copy renamed over it, the folder synced, the file opened again
//
// A crash before the rename leaves the old file and a copy that the next start removes; after it, the new
// file.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { syncFolder } from './durable-file.js'
import type { Engine } from './sealed-environment.js'
import { misplaced } from './complete-range.js'
import { StoreError } from './store-error.js'

/** Keys noted while the copy is made: about 60 MB. Past it the copy would never catch up with the writers. */
const touchedCountMax = 500_000
/** Records of one step of copying: some ten milliseconds; then it rests so many times as long. */
const batchCount = 500
/** A step ends after the record that makes it so large: a block's payload may have 8 MiB. */
const batchBytesMax = 4 * 2 ** 20
const restTimes = 2
/** So many noted keys may be left to the switch. */
const leftCountMax = 2_000
/** Left free beside the copy, for the blocks that go on. */
const reserveBytes = 64 * 2 ** 20

const copyOf = (path: string): string => `${path}.compact`

/** Throws unless the record was sealed under its key. Whoever has no key has none. */
type Authenticate = (storedKey: Uint8Array, record: Uint8Array) => void

export class Compaction {
  readonly #touched = new Set<string>()
  readonly #path: string
  state: 'copying' | 'copied' | 'failed' = 'copying'
  /** Why it failed: a code of the engine or of this room. */
  failure: Error | undefined
  /** Resolves when the copying has ended, well or not. */
  ended: Promise<void> = Promise.resolve()

  readonly #authenticate: Authenticate | undefined

  private constructor(path: string, authenticate: Authenticate | undefined) {
    this.#path = path
    this.#authenticate = authenticate
  }

  static begin(
    engine: Engine,
    path: string,
    usedBytes: number,
    openEngine: (path: string) => Engine,
    authenticate?: Authenticate,
  ): Compaction {
    const { bavail, bsize } = statfsSync(dirname(path))
    const needed = usedBytes + reserveBytes
    if (bavail * bsize < needed) {
      throw new StoreError('STORE_FULL', `a compacted copy of ${path} needs ${needed} bytes beside it`)
    }
    dropLeftCopy(path)
    const compaction = new Compaction(path, authenticate)
    compaction.ended = compaction.#copy(engine, openEngine).catch((error: unknown) => {
      compaction.#fail(error instanceof Error ? error : new Error(String(error)))
    })
    return compaction
  }

  /**
   * Record by record, in order. The engine's own compacting copy (lmdb-js 3.5.6) is faster and not used: the
   * first transactions on it may fail or end the process (an assertion in its list of free pages).
   */
  async #copy(engine: Engine, openEngine: (path: string) => Engine): Promise<void> {
    const copy = openEngine(copyOf(this.#path))
    const transaction = engine.useReadTransaction()
    const records = engine.getRange({ transaction: transaction })[Symbol.iterator]()
    let previous = Buffer.alloc(0)
    try {
      for (let isDone = false; !isDone && this.state === 'copying';) {
        const begun = performance.now()
        copy.transactionSync(() => {
          let bytes = 0
          for (let count = 0; count < batchCount && bytes < batchBytesMax && !isDone; count += 1) {
            const next = records.next()
            if (next.done === true) isDone = true
            else {
              const { key, value } = next.value
              // A record under an altered key would leave its neighbours, which tell that it is altered.
              // Where nobody has the store's key: as long as keys rise, all keep the places that they have.
              if (Buffer.compare(key, previous) <= 0) throw misplaced(key)
              this.#authenticate?.(key, value)
              copy.putSync(key, value)
              previous = Buffer.from(key)
              bytes += value.length
            }
          }
        })
        // Blocks come in between.
        await setTimeout(restTimes * (performance.now() - begun))
      }
      await this.#catchUp(engine, copy)
    } finally {
      // A cursor in the middle of its range would keep the engine's place for a reader.
      records.return?.()
      transaction.done()
      await copy.close()
    }
    if (this.state === 'copying') this.state = 'copied'
  }

  /** Most of what was noted meanwhile is brought over in steps too, so that the switch has little to do. */
  async #catchUp(engine: Engine, copy: Engine): Promise<void> {
    while (this.state === 'copying' && this.#touched.size > leftCountMax) {
      const begun = performance.now()
      // Not what was read before the last write of this turn of the event loop.
      engine.resetReadTxn()
      this.#bringOver(copy, (key) => engine.getBinary(key) ?? undefined, batchCount)
      await setTimeout(restTimes * (performance.now() - begun))
    }
  }

  #bringOver(copy: Engine, read: (storedKey: Buffer) => Buffer | undefined, countMax: number): void {
    let [count, bytes] = [0, 0]
    copy.transactionSync(() => {
      for (const text of this.#touched) {
        if (count >= countMax || bytes >= batchBytesMax) break
        const key = Buffer.from(text, 'latin1')
        const record = read(key)
        if (record === undefined) copy.removeSync(key)
        else copy.putSync(key, record)
        this.#touched.delete(text)
        count += 1
        bytes += record?.length ?? 0
      }
    })
  }

  /** The environment is being closed: the copy is not finished. */
  abandon(): void {
    if (this.state === 'copying') this.#fail(new StoreError('STORE_CLOSED', 'the store is closed'))
  }

  /** Inside every write, before it. */
  touch(storedKey: Uint8Array): void {
    if (this.state === 'failed') return
    this.#touched.add(Buffer.from(storedKey).toString('latin1'))
    if (this.#touched.size > touchedCountMax) {
      this.#fail(
        new StoreError('STORE_FULL', 'too much was written while the copy was made: try when it is quiet'),
      )
    }
  }

  #fail(error: Error): void {
    this.state = 'failed'
    this.failure ??= error
    this.#touched.clear()
  }

  /** Writes what changed since into the copy, and syncs it. */
  complete(read: (storedKey: Buffer) => Buffer | undefined, openEngine: (path: string) => Engine): void {
    if (this.failure !== undefined) throw this.failure
    const copy = openEngine(copyOf(this.#path))
    try {
      while (this.#touched.size > 0) this.#bringOver(copy, read, batchCount)
    } finally {
      // Its work is done when it returns; the promise is a formality.
      void copy.close()
    }
    const file = openSync(copyOf(this.#path), 'r')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
}

/** The environment is closed everywhere in this process. */
export function putInPlace(path: string): void {
  renameSync(copyOf(path), path)
  // The lock file of the copy goes, and so does the old file's: it names transactions of the old file.
  for (const lock of [`${copyOf(path)}-lock`, `${path}-lock`]) rmSync(lock, { force: true })
  syncFolder(dirname(path))
}

/** Of a compaction that was cut off. */
export function dropLeftCopy(path: string): void {
  if (existsSync(copyOf(path))) rmSync(copyOf(path), { force: true })
  rmSync(`${copyOf(path)}-lock`, { force: true })
}
