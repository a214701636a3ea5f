// The data key of one node: what an opened keyslot gives. It holds the base secret (stored keys, which
// never change) and one value secret for each key epoch, and hands out sub-keys by use, table, epoch and
// algorithm.
import { StoreError } from './store-error.js'
import { Secret } from './secret.js'
import { keyBytes, sodium } from './sodium.js'

export const storeIdBytes = 16
/** The version byte of a record has four bits for the epoch. */
export const epochMax = 15
const bundleVersion = 1

/** Which part of the store a sub-key is for; part of the derivation. */
export type KeySpace = 'chain' | 'votes' | 'config'

export class DataKey {
  readonly storeId: Uint8Array
  readonly #base: Secret
  readonly #epochs: Map<number, Secret>

  constructor(storeId: Uint8Array, base: Secret, epochs: Map<number, Secret>) {
    if (storeId.length !== storeIdBytes) throw new RangeError('store id has 16 bytes')
    // A Buffer's `slice` would be a view of the caller's bytes.
    this.storeId = new Uint8Array(storeId)
    this.#base = base.shield()
    this.#epochs = epochs
    for (const secret of epochs.values()) secret.shield()
  }

  /** The epoch that new records are sealed under. */
  get epoch(): number {
    return Math.max(...this.#epochs.keys())
  }

  hasEpoch(epoch: number): boolean {
    return this.#epochs.has(epoch)
  }

  /**
   * Seals values: HKDF(epoch secret, storeId, "wardchain/store/1/value/<space>" | table | epoch |
   * algorithm).
   */
  valueKey(space: KeySpace, table: number, epoch: number, algorithm: number): Secret {
    const secret = this.#epochs.get(epoch)
    if (secret === undefined) {
      throw new StoreError(
        'RECORD_UNKNOWN_VERSION',
        `no key for epoch ${epoch}: sealed by a later key change`,
      )
    }
    return secret.derive(this.storeId, infoOf(`value/${space}`, [table, epoch, algorithm]))
  }

  /**
   * Hides keys: HKDF(base secret, storeId, "wardchain/store/1/index/<space>" | table). The same in all
   * epochs.
   */
  indexKey(space: KeySpace, table: number): Secret {
    return this.#base.derive(this.storeId, infoOf(`index/${space}`, [table]))
  }

  /** The secrets for wrapping under a keyslot's master key; for `keyslot.ts` only. */
  secrets(): { base: Secret; epochs: ReadonlyMap<number, Secret> } {
    return { base: this.#base, epochs: this.#epochs }
  }

  /**
   * For handing the key to a worker thread: version u8 | storeId 16 | base 32 | count u8 | (epoch u8 |
   * secret 32)*. In locked memory; the receiver calls `fromBytes`, which zeroes the bytes that it is
   * given.
   */
  toBytes(): Buffer {
    const byteCount = 1 + storeIdBytes + keyBytes + 1 + this.#epochs.size * (1 + keyBytes)
    const bytes = sodium.sodium_malloc(byteCount)
    bytes[0] = bundleVersion
    bytes.set(this.storeId, 1)
    this.#base.use((base) => void bytes.set(base, 1 + storeIdBytes))
    let offset = 1 + storeIdBytes + keyBytes
    bytes[offset] = this.#epochs.size
    offset += 1
    for (const [epoch, secret] of this.#epochs) {
      bytes[offset] = epoch
      const at = offset + 1
      secret.use((live) => void bytes.set(live, at))
      offset += 1 + keyBytes
    }
    return bytes
  }

  static fromBytes(bytes: Uint8Array): DataKey {
    const countOffset = 1 + storeIdBytes + keyBytes
    if (
      bytes[0] !== bundleVersion ||
      bytes.length !== countOffset + 1 + bytes[countOffset] * (1 + keyBytes)
    ) {
      throw new RangeError('not a data key')
    }
    const epochs = new Map<number, Secret>()
    for (let offset = countOffset + 1; offset < bytes.length; offset += 1 + keyBytes) {
      epochs.set(bytes[offset], Secret.from(bytes.subarray(offset + 1, offset + 1 + keyBytes)))
    }
    const base = Secret.from(bytes.subarray(1 + storeIdBytes, countOffset))
    const key = new DataKey(bytes.subarray(1, 1 + storeIdBytes), base, epochs)
    sodium.sodium_memzero(bytes)
    return key
  }

  /**
   * Zeroes every secret. Stores that were opened with this key hold sub-keys of their own until they
   * close.
   */
  close(): void {
    this.#base.close()
    for (const secret of this.#epochs.values()) secret.close()
  }
}

function infoOf(use: string, numbers: readonly number[]): Uint8Array {
  return new Uint8Array([...Buffer.from(`wardchain/store/1/${use}`, 'latin1'), 0, ...numbers])
}
