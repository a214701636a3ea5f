// Undo journals of the last blocks: what lets an earlier state be looked at again (`ward replay`). Bounded by
// count and bytes, the oldest go first. Sealed once more under the patient wrapping key: an erasure destroys
// that key and drops them all, so that nothing of an erased patient comes back through them, freed pages
// included.
//
//   mark      meta record `undo`: first height u64 BE | bytes of all journals u64 BE
//   journal   table undo, ordered by height: wrapping key id u32 BE | nonce 24 | ciphertext | tag 16
import { heightStoredKey, heightTrueKey, pointStoredKey } from './chain-keys.js'
import type { PatientKeys } from './patient-keys.js'
import type { ReadTransaction, SealedEnvironment } from './sealed-environment.js'
import { table } from './tables.js'

/** Eighteen hours of a block every second. */
export const undoBlocksMax = 65_536
/** Disk that journals may take, before padding. */
export const undoBytesMax = 1_073_741_824

const markKey = Buffer.from('undo', 'latin1')

export interface UndoLimits {
  blocksMax: number
  bytesMax: number
}

interface Mark {
  first: number
  bytes: number
}

export class UndoJournals {
  readonly #environment: SealedEnvironment
  readonly #patientKeys: () => PatientKeys
  readonly #limits: UndoLimits

  constructor(
    environment: SealedEnvironment,
    patientKeys: () => PatientKeys,
    limits: Partial<UndoLimits> = {},
  ) {
    this.#environment = environment
    this.#patientKeys = patientKeys
    this.#limits = { blocksMax: undoBlocksMax, bytesMax: undoBytesMax, ...limits }
  }

  /** Undefined when the journal of this block was pruned, dropped by an erasure, or never written. */
  at(height: number, transaction?: ReadTransaction): Uint8Array | undefined {
    const sealed = this.#sealedAt(height, transaction)
    return sealed === undefined ? undefined : this.#patientKeys().openJournal(height, sealed)
  }

  /** The lowest height from which every journal up to the tip is there; `height` + 1 when there is none. */
  first(height: number, transaction?: ReadTransaction): number {
    return this.#mark(transaction)?.first ?? height + 1
  }

  /** Inside the block's write transaction. Prunes what no longer fits. */
  write(height: number, journal: Uint8Array): void {
    const sealed = this.#patientKeys().sealJournal(height, journal)
    const stored = heightStoredKey(table.undo, height)
    this.#environment.put(table.undo, stored, heightTrueKey(height), sealed)
    const mark = this.#mark() ?? { first: height, bytes: 0 }
    mark.bytes += sealed.length
    while (mark.first < height && this.#isOver(mark, height)) {
      mark.bytes -= this.#sealedAt(mark.first)?.length ?? 0
      this.#environment.remove(heightStoredKey(table.undo, mark.first))
      mark.first += 1
    }
    this.#putMark(mark)
  }

  /** Inside the write transaction of a block that erases: no earlier block is ever executed again. */
  drop(height: number): void {
    const mark = this.#mark()
    if (mark === undefined) return
    for (let each = mark.first; each < height; each += 1) {
      this.#environment.remove(heightStoredKey(table.undo, each))
    }
    this.#environment.remove(this.#markStoredKey())
  }

  #isOver({ first, bytes }: Mark, height: number): boolean {
    return height - first + 1 > this.#limits.blocksMax || bytes > this.#limits.bytesMax
  }

  #sealedAt(height: number, transaction?: ReadTransaction): Uint8Array | undefined {
    const stored = heightStoredKey(table.undo, height)
    return this.#environment.get(table.undo, stored, heightTrueKey(height), transaction)
  }

  #markStoredKey(): Uint8Array {
    return pointStoredKey(table.meta, this.#environment.sealer(table.meta), markKey)
  }

  #mark(transaction?: ReadTransaction): Mark | undefined {
    const bytes = this.#environment.get(table.meta, this.#markStoredKey(), markKey, transaction)
    if (bytes === undefined) return undefined
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return { first: Number(view.getBigUint64(0)), bytes: Number(view.getBigUint64(8)) }
  }

  #putMark({ first, bytes }: Mark): void {
    const value = Buffer.alloc(16)
    value.writeBigUInt64BE(BigInt(first))
    value.writeBigUInt64BE(BigInt(bytes), 8)
    this.#environment.put(table.meta, this.#markStoredKey(), markKey, value)
  }
}
