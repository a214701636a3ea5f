// The chain store for a second thread of the same process: reads only, each inside a transaction of its
// own, so that whatever it takes never waits for blocks and no block waits for it. Opened while the owner
// has the store open; closed, in every such thread, before the owner puts a compacted copy in its place.
import { join } from 'node:path'
import { wrappingIdKey } from './chain-apply.js'
import { ChainReads } from './chain-reads.js'
import { DataKey } from './data-key.js'
import { PatientKeys } from './patient-keys.js'
import { SealedEnvironment, type ReadTransaction } from './sealed-environment.js'
import { StoreError } from './store-error.js'
import { chainTables, table } from './tables.js'
import { UndoJournals } from './undo-journal.js'

/** Reads of one height, with the journals that lead back from it. `done` must be called. */
export class PinnedChain extends ChainReads {
  readonly #journals: UndoJournals
  readonly #transaction: ReadTransaction
  /** Of the patients' wrapping key that this state is under. */
  readonly wrappingId: number

  constructor(environment: SealedEnvironment, keys: (wrappingId: number) => PatientKeys) {
    const transaction = environment.beginRead()
    const ownKeys = (): PatientKeys => keys(this.wrappingId)
    super(environment, ownKeys, transaction)
    this.#transaction = transaction
    this.#journals = new UndoJournals(environment, ownKeys)
    // The first read pins the transaction.
    try {
      const id = this.point(table.meta, wrappingIdKey)
      if (id === undefined)
        throw new StoreError('STORE_DAMAGED', 'the mark of the patient wrapping key is missing')
      this.wrappingId = Buffer.from(id).readUInt32BE(0)
    } catch (error) {
      transaction.done()
      throw error
    }
  }

  undoAt(height: number): Uint8Array | undefined {
    return this.#journals.at(height, this.#transaction)
  }

  undoFirst(): number {
    return this.#journals.first(this.applied()?.height ?? 0, this.#transaction)
  }

  done(): void {
    this.#transaction.done()
  }
}

export class ChainReader {
  readonly #folder: string
  readonly #dataKey: DataKey
  readonly #environment: SealedEnvironment
  #keys: PatientKeys | undefined

  /** `dataKey` as `DataKey.toBytes` gives it; the bytes are zeroed. */
  constructor(folder: string, dataKey: Uint8Array) {
    this.#folder = folder
    this.#dataKey = DataKey.fromBytes(dataKey)
    try {
      const where = { folder, space: 'chain', tables: chainTables } as const
      this.#environment = new SealedEnvironment({ ...where, dataKey: this.#dataKey, readsOnly: true })
    } catch (error) {
      this.#dataKey.close()
      throw error
    }
  }

  /** The newest state. */
  pin(): PinnedChain {
    this.#environment.readNewest()
    return new PinnedChain(this.#environment, (wrappingId) => this.#keysOf(wrappingId))
  }

  /** An erasure changes the wrapping key; what was read under the former one is forgotten. */
  #keysOf(wrappingId: number): PatientKeys {
    if (this.#keys?.current === wrappingId) return this.#keys
    this.forgetKeys()
    this.#keys = PatientKeys.read(join(this.#folder, 'patients.key'), this.#dataKey, wrappingId)
    return this.#keys
  }

  /** The wrapping key and every patient's key that is remembered; what is read next reads them again. */
  forgetKeys(): void {
    this.#keys?.close()
    this.#keys = undefined
  }

  async close(): Promise<void> {
    this.forgetKeys()
    await this.#environment.close()
    this.#dataKey.close()
  }
}
