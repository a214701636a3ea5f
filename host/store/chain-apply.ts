// Writing a block: the body of the one transaction that makes it part of the chain on this node.
import { appliedKey, bodyErased, bodySealed, firstPayloadNote, type ChainReads } from './chain-reads.js'
import {
  bodyTrueKey,
  heightStoredKey,
  heightTrueKey,
  orderedStoredKey,
  pointStoredKey,
  stateTrueKey,
} from './chain-keys.js'
import { encodeParts } from './parts.js'
import type { PatientKeys } from './patient-keys.js'
import type { SealedEnvironment } from './sealed-environment.js'
import { StoreError } from './store-error.js'
import type { PageWrite, RedoWrite, StateWrite } from '../../runtime/state/index.js'
import type { BlockWrite, BodyWrite, ImportBatch } from './store-types.js'
import { table, type TableId } from './tables.js'
import type { UndoJournals } from './undo-journal.js'

export const wrappingIdKey = Buffer.from('patient-wrapping', 'latin1')
/** A patient key record without content: the patient was erased. */
const erased = new Uint8Array(0)
/** Payloads that one pruning transaction reads, about. */
const pruneBytesMax = 4 * 2 ** 20

export class BlockApplier {
  readonly #environment: SealedEnvironment
  readonly #reads: ChainReads
  readonly #patientKeys: PatientKeys
  readonly #journals: UndoJournals

  constructor(
    environment: SealedEnvironment,
    reads: ChainReads,
    patientKeys: PatientKeys,
    journals: UndoJournals,
  ) {
    this.#environment = environment
    this.#reads = reads
    this.#patientKeys = patientKeys
    this.#journals = journals
  }

  /**
   * One durable transaction. Throws before it starts when the height is not the next, or with an IO code.
   */
  apply(block: BlockWrite): void {
    const expected = (this.#reads.applied()?.height ?? -1) + 1
    if (block.height !== expected) {
      throw new StoreError('HEIGHT_NOT_NEXT', `block ${block.height} was given, ${expected} is next`)
    }
    const erasedPatients = block.erasedPatients ?? []
    const nextWrapping = erasedPatients.length > 0 ? this.#patientKeys.beginErasure() : undefined
    try {
      this.#environment.write(() => {
        this.#writeBlock(block)
        if (nextWrapping !== undefined) this.#erasePatients(erasedPatients, nextWrapping)
        else if (block.undo === undefined) this.#journals.drop(block.height)
        else this.#journals.write(block.height, block.undo)
      })
    } catch (error) {
      if (nextWrapping !== undefined) this.#patientKeys.cancelErasure(nextWrapping)
      throw error
    }
    if (nextWrapping !== undefined) this.#patientKeys.completeErasure(nextWrapping)
  }

  /** Part of a snapshot, in one durable transaction. Only one with `applied` makes the store a chain. */
  import(batch: ImportBatch): void {
    this.#environment.write(() => {
      this.#putState(batch.state ?? [], batch.index ?? [])
      this.#putTree(batch.pages ?? [], batch.redo)
      for (const patient of batch.erasedPatients ?? []) this.putPoint(table.patientKey, patient, erased)
      for (const body of batch.bodies ?? []) this.#putBody(body)
      for (const { hash, bytes } of batch.attachments ?? []) this.putPoint(table.attachment, hash, bytes)
      for (const { height, header, result, certificate } of batch.blocks ?? []) {
        this.#putAtHeight(table.block, height, [header, new Uint8Array(0)])
        this.#putAtHeight(table.outcome, height, [result, certificate])
        this.#putAtHeight(table.receipts, height, [])
      }
      for (const { name, value } of batch.notes ?? [])
        this.putPoint(table.note, Buffer.from(name, 'utf8'), value)
      if (batch.applied !== undefined) this.#putApplied(batch.applied.height, batch.applied.stateRoot)
    })
  }

  /**
   * Inside a write transaction: blocks [from, to) keep all but their payload; fewer when a few MiB have been
   * read. Returns the block to go on with.
   */
  prune(from: number, to: number): number {
    let bytes = 0
    let height = from
    for (; height < to && bytes < pruneBytesMax; height += 1) {
      const block = this.#reads.blockAt(height)
      bytes += block?.payload.length ?? 0
      if (block !== undefined) this.#putAtHeight(table.block, height, [block.header, new Uint8Array(0)])
    }
    const first = Buffer.alloc(8)
    first.writeBigUInt64BE(BigInt(height))
    this.putPoint(table.note, Buffer.from(firstPayloadNote, 'utf8'), first)
    return height
  }

  #putApplied(height: number, stateRoot: Uint8Array): void {
    const applied = Buffer.alloc(40)
    applied.writeBigUInt64BE(BigInt(height))
    applied.set(stateRoot, 8)
    this.putPoint(table.meta, appliedKey, applied)
  }

  #putState(state: readonly StateWrite[], index: readonly StateWrite[]): void {
    for (const { store, key, value } of state) {
      const trueKey = stateTrueKey(store, key)
      if (key[0] === 0) this.putPoint(table.statePoint, trueKey, value)
      else this.#putOrdered(table.stateOrdered, trueKey, value)
    }
    for (const { store, key, value } of index)
      this.#putOrdered(table.index, stateTrueKey(store, key), value)
  }

  /** Inside a write transaction. */
  putPoint(id: TableId, trueKey: Uint8Array, value: Uint8Array | undefined): void {
    const stored = pointStoredKey(id, this.#environment.sealer(id), trueKey)
    if (value === undefined) this.#environment.remove(stored)
    else this.#environment.put(id, stored, trueKey, value)
  }

  #writeBlock(block: BlockWrite): void {
    this.#putAtHeight(table.block, block.height, [block.header, block.payload])
    this.#putAtHeight(table.outcome, block.height, [block.result, block.certificate])
    this.#putAtHeight(table.receipts, block.height, block.receipts)
    for (const body of block.bodies) this.#putBody(body)
    for (const { hash, bytes } of block.attachments) this.putPoint(table.attachment, hash, bytes)
    for (const { id, index } of block.transactions) {
      const location = Buffer.alloc(12)
      location.writeBigUInt64BE(BigInt(block.height))
      location.writeUInt32BE(index, 8)
      this.putPoint(table.transaction, id, location)
    }
    this.#putState(block.writes.state, block.writes.index)
    this.#putTree(block.pages, block.redo)
    for (const { name, value } of block.notes ?? [])
      this.putPoint(table.note, Buffer.from(name, 'utf8'), value)
    this.#putApplied(block.height, block.stateRoot)
  }

  #putAtHeight(id: TableId, height: number, parts: readonly Uint8Array[]): void {
    const stored = heightStoredKey(id, height)
    this.#environment.put(id, stored, heightTrueKey(height), encodeParts(parts))
  }

  #putTree(pages: readonly PageWrite[], redo: RedoWrite | undefined): void {
    for (const { id, page } of pages) this.putPoint(table.treePage, id, page)
    if (redo === undefined) return
    for (let sequence = redo.dropFrom; sequence < redo.dropTo; sequence += 1)
      this.#environment.remove(heightStoredKey(table.treeRedo, sequence))
    if (redo.record === undefined) return
    // A binary that does not know these records would take older pages for the newest.
    this.#environment.raiseVersion(2)
    const { sequence, record } = redo
    const stored = heightStoredKey(table.treeRedo, sequence)
    this.#environment.put(table.treeRedo, stored, heightTrueKey(sequence), record)
  }

  #putOrdered(id: TableId, trueKey: Uint8Array, value: Uint8Array | undefined): void {
    const stored = orderedStoredKey(id, this.#environment.sealer(id), trueKey)
    if (value === undefined) this.#environment.remove(stored)
    else this.#environment.put(id, stored, trueKey, value)
  }

  #putBody({ hash, content, patient }: BodyWrite): void {
    const trueKey = bodyTrueKey(patient, hash)
    let wrapped = this.#reads.point(table.patientKey, patient)
    if (wrapped === undefined) {
      wrapped = this.#patientKeys.createWrapped(patient)
      this.putPoint(table.patientKey, patient, wrapped)
    }
    if (wrapped.length === 0) {
      // The patient was erased before: nothing of a late body is kept.
      this.putPoint(table.body, trueKey, new Uint8Array([bodyErased]))
      return
    }
    const sealed = this.#patientKeys.sealBody(patient, wrapped, hash, content)
    this.putPoint(table.body, trueKey, Buffer.concat([new Uint8Array([bodySealed]), sealed]))
  }

  /** Every other patient's key goes under the next wrapping key; the present one will be destroyed. */
  #erasePatients(patients: readonly Uint8Array[], nextWrapping: number): void {
    for (const patient of patients) this.putPoint(table.patientKey, patient, erased)
    this.#journals.drop((this.#reads.applied()?.height ?? 0) + 1)
    const sealer = this.#environment.sealer(table.patientKey)
    const rewrapped: { patient: Uint8Array; wrapped: Uint8Array }[] = []
    const start = Buffer.from([table.patientKey])
    for (const { storedKey, record } of this.#environment.range(
      start,
      Buffer.from([table.patientKey + 1]),
    )) {
      const { trueKey, value } = sealer.openEntry(storedKey, record)
      if (value.length === 0) continue
      rewrapped.push({ patient: trueKey, wrapped: this.#patientKeys.rewrap(trueKey, value, nextWrapping) })
    }
    for (const { patient, wrapped } of rewrapped) this.putPoint(table.patientKey, patient, wrapped)
    const id = Buffer.alloc(4)
    id.writeUInt32BE(nextWrapping)
    this.putPoint(table.meta, wrappingIdKey, id)
  }
}
