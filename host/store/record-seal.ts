// The sealed record: what every value on disk looks like.
//
//   stored value  version u8 | nonce 24 | ciphertext | tag 16
//   plaintext     true key length u16 BE | value length u32 BE | true key | value | zeros to the size class
//   associated    storeId 16 | table u8 | stored key
//
// version: low 4 bits algorithm (1 XChaCha20-Poly1305; 2 is kept for AES-256-GCM), high 4 bits key epoch.
import type { DataKey, KeySpace } from './data-key.js'
import type { Secret } from './secret.js'
import { StoreError } from './store-error.js'
import { nonceBytes, sodium, tagBytes } from './sodium.js'

export const algorithmXChaCha = 1
const headBytes = 1 + nonceBytes
const plainHeadBytes = 6
/** Overhead of a record beside its padded plaintext. */
export const recordOverheadBytes = headBytes + tagBytes
const noncesPerDraw = 256
const viewsMax = 64
export const prfBytes = 16

/** Sizes that a plaintext is padded to; above 1 KiB powers of two. */
export function sizeClass(byteCount: number): number {
  let padded = 64
  while (padded < byteCount) padded *= 2
  return padded
}

export interface SealOptions {
  /** False for records whose length says nothing (tree pages: hashes only). */
  padded: boolean
}

/** Seals and opens the records of one table. Holds its sub-keys; `close` zeroes them. */
export class RecordSealer {
  readonly #dataKey: DataKey
  readonly #space: KeySpace
  readonly #table: number
  readonly #padded: boolean
  readonly #keys = new Map<number, Secret>()
  readonly #indexKey: Secret
  readonly #associated: Buffer
  readonly #scratch = new Scratch()
  readonly #prfInput = new InputBuffer()
  readonly #prfOutput = new Uint8Array(new ArrayBuffer(prfBytes))
  /** Views of `#associated` by length of the stored key: making one costs as much as hashing it. */
  readonly #associatedViews: Buffer[] = []
  readonly #nonces = Buffer.alloc(noncesPerDraw * nonceBytes)
  #nonceAt = noncesPerDraw

  constructor(dataKey: DataKey, space: KeySpace, table: number, options: SealOptions = { padded: true }) {
    this.#dataKey = dataKey
    this.#space = space
    this.#table = table
    this.#padded = options.padded
    this.#indexKey = dataKey.indexKey(space, table)
    this.#associated = Buffer.alloc(dataKey.storeId.length + 1 + 64)
    this.#associated.set(dataKey.storeId)
    this.#associated[dataKey.storeId.length] = table
  }

  /**
   * PRF16: keyed BLAKE2b of the true key or prefix, 16 bytes into `out` at `offset`. Works on buffers of
   * its own: asking a small array for its memory, as a native call does, makes V8 move it.
   */
  hideKey(trueKey: Uint8Array, out: Uint8Array, offset = 0): void {
    const input = this.#prfInput.of(trueKey)
    sodium.crypto_generichash(this.#prfOutput, input, this.#indexKey.bytes)
    for (let index = 0; index < prfBytes; index += 1) out[offset + index] = this.#prfOutput[index]
  }

  /** A fresh sealed record. `nonce` is for golden vectors only. */
  seal(storedKey: Uint8Array, trueKey: Uint8Array, value: Uint8Array, nonce?: Uint8Array): Buffer {
    return Buffer.from(this.sealShared(storedKey, trueKey, value, nonce))
  }

  /** As `seal`, in a buffer of this sealer that the next call overwrites: LMDB copies it at once. */
  sealShared(
    storedKey: Uint8Array,
    trueKey: Uint8Array,
    value: Uint8Array,
    nonce?: Uint8Array,
  ): Uint8Array {
    const byteCount = plainHeadBytes + trueKey.length + value.length
    const padded = this.#padded ? sizeClass(byteCount) : byteCount
    const { plain, record, cipher } = this.#scratch.views(padded)
    writeHead(plain, trueKey.length, value.length)
    plain.set(trueKey, plainHeadBytes)
    plain.set(value, plainHeadBytes + trueKey.length)
    if (padded > byteCount) plain.fill(0, byteCount)
    const epoch = this.#dataKey.epoch
    record[0] = (epoch << 4) | algorithmXChaCha
    this.#drawNonce(record, nonce)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
      cipher,
      plain,
      this.#associate(storedKey),
      null,
      this.#scratch.nonce,
      this.#keyOf(epoch).bytes,
    )
    return record
  }

  /** The value under the true key; throws RECORD_ALTERED, RECORD_UNKNOWN_VERSION or STORE_KEY_MISMATCH. */
  open(storedKey: Uint8Array, trueKey: Uint8Array, record: Uint8Array): Uint8Array {
    const plain = this.#decrypt(storedKey, record)
    if (!isUnderKey(plain, trueKey)) {
      const where = this.#where(storedKey)
      throw new StoreError('STORE_KEY_MISMATCH', `${where} holds another key than the one asked for`)
    }
    return this.#valueOf(plain, trueKey.length, storedKey)
  }

  /** For listing: the true key and the value. */
  openEntry(storedKey: Uint8Array, record: Uint8Array): { trueKey: Uint8Array; value: Uint8Array } {
    const plain = this.#decrypt(storedKey, record)
    const keyLength = plain[0] * 256 + plain[1]
    const value = this.#valueOf(plain, keyLength, storedKey)
    return { trueKey: plain.slice(plainHeadBytes, plainHeadBytes + keyLength), value }
  }

  /** The key epoch that a record was sealed under. */
  epochOf(record: Uint8Array): number {
    return record[0] >>> 4
  }

  close(): void {
    for (const key of this.#keys.values()) key.close()
    this.#keys.clear()
    this.#indexKey.close()
    this.#scratch.clear()
  }

  /** Plaintext in the scratch buffer, valid until the next call. */
  #decrypt(storedKey: Uint8Array, record: Uint8Array): Uint8Array {
    if (record.length < headBytes + plainHeadBytes + tagBytes) {
      throw new StoreError('RECORD_ALTERED', `${this.#where(storedKey)} is too short`)
    }
    if ((record[0] & 15) !== algorithmXChaCha || !this.#dataKey.hasEpoch(record[0] >>> 4)) {
      throw new StoreError('RECORD_UNKNOWN_VERSION', `${this.#where(storedKey)}: version byte ${record[0]}`)
    }
    const scratch = this.#scratch.views(record.length - recordOverheadBytes)
    scratch.record.set(record)
    const { plain } = scratch
    try {
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain,
        null,
        scratch.cipher,
        this.#associate(storedKey),
        this.#scratch.nonce,
        this.#keyOf(record[0] >>> 4).bytes,
      )
    } catch (cause) {
      throw new StoreError('RECORD_ALTERED', `${this.#where(storedKey)} does not authenticate`, cause)
    }
    return plain
  }

  /** Copies the value out of the scratch buffer. */
  #valueOf(plain: Uint8Array, keyLength: number, storedKey: Uint8Array): Uint8Array {
    const start = plainHeadBytes + keyLength
    const end = start + plain[2] * 0x1000000 + ((plain[3] << 16) | (plain[4] << 8) | plain[5])
    if (end > plain.length)
      throw new StoreError('RECORD_ALTERED', `${this.#where(storedKey)} has a bad length`)
    return plain.slice(start, end)
  }

  #associate(storedKey: Uint8Array): Buffer {
    const headLength = this.#dataKey.storeId.length + 1
    this.#associated.set(storedKey, headLength)
    const view = this.#associatedViews[storedKey.length] as Buffer | undefined
    if (view !== undefined) return view
    return (this.#associatedViews[storedKey.length] = this.#associated.subarray(
      0,
      headLength + storedKey.length,
    ))
  }

  #drawNonce(record: Uint8Array, fixed: Uint8Array | undefined): void {
    if (fixed !== undefined) {
      record.set(fixed, 1)
      return
    }
    if (this.#nonceAt === noncesPerDraw) {
      sodium.randombytes_buf(this.#nonces)
      this.#nonceAt = 0
    }
    const from = this.#nonceAt * nonceBytes
    for (let index = 0; index < nonceBytes; index += 1) record[1 + index] = this.#nonces[from + index]
    this.#nonceAt += 1
  }

  #keyOf(epoch: number): Secret {
    let key = this.#keys.get(epoch)
    if (key === undefined) {
      key = this.#dataKey.valueKey(this.#space, this.#table, epoch, algorithmXChaCha)
      this.#keys.set(epoch, key)
    }
    return key
  }

  /** Names a record without saying anything about its content. */
  #where(storedKey: Uint8Array): string {
    return `record ${Buffer.from(storedKey).toString('hex')} of table ${this.#table} in ${this.#space}`
  }
}

/** Copies short inputs to one place, with a view for each length. */
class InputBuffer {
  readonly #bytes = new Uint8Array(256)
  readonly #views: Uint8Array[] = []

  of(input: Uint8Array): Uint8Array {
    const { length } = input
    if (length > this.#bytes.length) return input
    const view = (this.#views[length] ??= this.#bytes.subarray(0, length))
    view.set(input)
    return view
  }
}

interface ScratchViews {
  plain: Uint8Array
  /** version | nonce | ciphertext | tag */
  record: Uint8Array
  cipher: Uint8Array
}

/**
 * One plaintext and one record buffer, with their views kept by size: sizes repeat, and a view is not
 * free.
 */
class Scratch {
  #plain = new Uint8Array(4_096)
  #record = new Uint8Array(4_096 + recordOverheadBytes)
  #views = new Map<number, ScratchViews>()
  nonce = this.#record.subarray(1, headBytes)

  views(plainBytes: number): ScratchViews {
    const kept = this.#views.get(plainBytes)
    if (kept !== undefined) return kept
    if (plainBytes > this.#plain.length) this.#grow(plainBytes)
    const views = {
      plain: this.#plain.subarray(0, plainBytes),
      record: this.#record.subarray(0, plainBytes + recordOverheadBytes),
      cipher: this.#record.subarray(headBytes, plainBytes + recordOverheadBytes),
    }
    if (this.#views.size >= viewsMax) this.#views.clear()
    this.#views.set(plainBytes, views)
    return views
  }

  clear(): void {
    sodium.sodium_memzero(this.#plain)
  }

  #grow(plainBytes: number): void {
    this.clear()
    this.#views.clear()
    this.#plain = new Uint8Array(sizeClass(plainBytes))
    this.#record = new Uint8Array(sizeClass(plainBytes) + recordOverheadBytes)
    this.nonce = this.#record.subarray(1, headBytes)
  }
}

function writeHead(plain: Uint8Array, keyLength: number, valueLength: number): void {
  plain[0] = keyLength >>> 8
  plain[1] = keyLength
  plain[2] = valueLength >>> 24
  plain[3] = valueLength >>> 16
  plain[4] = valueLength >>> 8
  plain[5] = valueLength
}

function isUnderKey(plain: Uint8Array, trueKey: Uint8Array): boolean {
  if (plain[0] * 256 + plain[1] !== trueKey.length) return false
  for (let index = 0; index < trueKey.length; index += 1) {
    if (plain[plainHeadBytes + index] !== trueKey[index]) return false
  }
  return true
}
