// Every read of the chain environment: on the newest state, or inside one LMDB read transaction.
import { encodePointKey, type OrderedEntry } from '../../runtime/state/index.js'
import { ok, refused, type Result } from '../../runtime/protocol/result.js'
import {
  bodyTrueKey,
  heightStoredKey,
  heightTrueKey,
  orderedTailBytes,
  pointStoredKey,
  scanRange,
  stateTrueKey,
} from './chain-keys.js'
import { decodeParts } from './parts.js'
import type { PatientKeys } from './patient-keys.js'
import type { ReadTransaction, SealedEnvironment } from './sealed-environment.js'
import { StoreError } from './store-error.js'
import type { Applied, BodyCode, ChainReader, StoredBlock } from './store-types.js'
import { table, type TableId } from './tables.js'

export const appliedKey = Buffer.from('applied', 'latin1')
/** Note: u64 BE, see `firstBlock`. */
export const firstBlockNote = 'first-block'
/** Note: u64 BE, see `firstPayload`. */
export const firstPayloadNote = 'first-payload'
/** First byte of a body's row; what follows a sealed one is the body under its patient's key. */
export const bodySealed = 1
export const bodyErased = 2

/** Reads that do not know whether they are pinned: `before` is called first and may refuse. */
export class ChainReads implements ChainReader {
  readonly #environment: SealedEnvironment
  readonly #patientKeys: () => PatientKeys
  readonly #transaction: ReadTransaction | undefined
  readonly #before: () => void

  constructor(
    environment: SealedEnvironment,
    patientKeys: () => PatientKeys,
    transaction?: ReadTransaction,
    before: () => void = () => undefined,
  ) {
    this.#environment = environment
    this.#patientKeys = patientKeys
    this.#transaction = transaction
    this.#before = before
  }

  /** Record of a point table under its true key. See `SealedEnvironment.get` for `isMissVouchedFor`. */
  point(id: TableId, trueKey: Uint8Array, isMissVouchedFor = false): Uint8Array | undefined {
    this.#before()
    const stored = pointStoredKey(id, this.#environment.sealer(id), trueKey)
    return this.#environment.get(id, stored, trueKey, this.#transaction, isMissVouchedFor)
  }

  get(store: string, key: Uint8Array, isMissVouchedFor = false): Uint8Array | undefined {
    return this.point(table.statePoint, stateTrueKey(store, encodePointKey(key)), isMissVouchedFor)
  }

  scan(
    store: string,
    tableNumber: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    descending = false,
    sequenceFrom = 0,
  ): OrderedEntry[] {
    const scan = { store, table: tableNumber, partition, from, to, sequenceFrom }
    return this.#scanTable(table.stateOrdered, scan, limit, descending)
  }

  scanIndex(
    store: string,
    tableNumber: number,
    partition: Uint8Array,
    from: bigint,
    to: bigint,
    limit: number,
    descending = false,
    sequenceFrom = 0,
  ): OrderedEntry[] {
    return this.#scanTable(
      table.index,
      { store, table: tableNumber, partition, from, to, sequenceFrom },
      limit,
      descending,
    )
  }

  #scanTable(
    id: TableId,
    scan: Parameters<typeof scanRange>[2],
    limit: number,
    descending: boolean,
  ): OrderedEntry[] {
    this.#before()
    if (limit <= 0 || scan.from > scan.to) return []
    const sealer = this.#environment.sealer(id)
    const { start, end, trueKeyBytes } = scanRange(id, sealer, scan)
    const prefix = stateTrueKeyPrefix(scan)
    const rows: OrderedEntry[] = []
    const options = { limit, descending, transaction: this.#transaction }
    for (const { storedKey, record } of this.#environment.range(start, end, options)) {
      const { trueKey, value } = sealer.openEntry(storedKey, record)
      const view = new DataView(trueKey.buffer, trueKey.byteOffset, trueKey.byteLength)
      const isOfPartition =
        trueKey.length === trueKeyBytes && prefix.compare(trueKey, 0, prefix.length) === 0
      if (!isOfPartition)
        throw new StoreError('STORE_KEY_MISMATCH', 'a scanned row is of another partition')
      const tail = trueKeyBytes - orderedTailBytes
      rows.push({ order: view.getBigUint64(tail), sequence: view.getUint32(tail + 8), value })
    }
    return rows
  }

  applied(): Applied | undefined {
    const bytes = this.point(table.meta, appliedKey)
    if (bytes === undefined) return undefined
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return { height: Number(view.getBigUint64(0)), stateRoot: bytes.slice(8, 40) }
  }

  /**
   * Undefined above the applied height; HEIGHT_PRUNED or STORE_DAMAGED when a block that was applied is
   * gone.
   */
  blockAt(height: number): StoredBlock | undefined {
    const block = this.#atHeight(table.block, height)
    const outcome = this.#atHeight(table.outcome, height)
    const receipts = this.#atHeight(table.receipts, height)
    if (block === undefined || outcome === undefined || receipts === undefined) {
      const applied = this.applied()
      if (applied === undefined || height > applied.height || height < this.firstBlock()) return undefined
      throw new StoreError('STORE_DAMAGED', `block ${height} was applied and is not in the store`)
    }
    return {
      height,
      header: block[0],
      payload: block[1],
      result: outcome[0],
      certificate: outcome[1],
      receipts,
    }
  }

  /** Lowest height from which on every block is here; above 0 in a store that began with a snapshot. */
  firstBlock(): number {
    return this.#heightNote(firstBlockNote)
  }

  /** Lowest height from which on every block has its payload; what lies below was pruned. */
  firstPayload(): number {
    return Math.max(this.firstBlock(), this.#heightNote(firstPayloadNote))
  }

  #heightNote(name: string): number {
    const note = this.note(name)
    return note === undefined ? 0 : Number(Buffer.from(note).readBigUInt64BE(0))
  }

  #atHeight(id: TableId, height: number): Uint8Array[] | undefined {
    this.#before()
    if (!Number.isSafeInteger(height) || height < 0) return undefined
    const stored = heightStoredKey(id, height)
    // Heights have no gaps: `blockAt` knows which must be there.
    const bytes = this.#environment.get(id, stored, heightTrueKey(height), this.#transaction, true)
    return bytes === undefined ? undefined : decodeParts(bytes)
  }

  patientBody(patient: Uint8Array, hash: Uint8Array): Result<Uint8Array, BodyCode> {
    const bytes = this.point(table.body, bodyTrueKey(patient, hash))
    if (bytes === undefined) return refused('BODY_ABSENT')
    if (bytes[0] === bodyErased) return refused('BODY_ERASED')
    const wrapped = this.point(table.patientKey, patient)
    if (wrapped === undefined) throw new StoreError('STORE_DAMAGED', 'the key of a stored body is missing')
    if (wrapped.length === 0) return refused('BODY_ERASED')
    return ok(this.#patientKeys().openBody(patient, wrapped, hash, bytes.subarray(1)))
  }

  attachmentByHash(hash: Uint8Array): Uint8Array | undefined {
    return this.point(table.attachment, hash)
  }

  transactionLocation(id: Uint8Array): { height: number; index: number } | undefined {
    const bytes = this.point(table.transaction, id)
    if (bytes === undefined) return undefined
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return { height: Number(view.getBigUint64(0)), index: view.getUint32(8) }
  }

  note(name: string, isMissVouchedFor = false): Uint8Array | undefined {
    return this.point(table.note, Buffer.from(name, 'utf8'), isMissVouchedFor)
  }
}

function stateTrueKeyPrefix(scan: { store: string; table: number; partition: Uint8Array }): Buffer {
  const { store, partition } = scan
  const head = [1, scan.table, partition.length >>> 8, partition.length & 0xff]
  return Buffer.concat([stateTrueKey(store, new Uint8Array(head)), partition])
}
