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
  #plain = new Uint8Array(4_096)
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

  /** PRF16: keyed BLAKE2b of the true key or prefix, 16 bytes. */
  hideKey(trueKey: Uint8Array, out: Uint8Array): void {
    sodium.crypto_generichash(out, trueKey, this.#indexKey.bytes)
  }

  /** A fresh sealed record. `nonce` is for golden vectors only. */
  seal(storedKey: Uint8Array, trueKey: Uint8Array, value: Uint8Array, nonce?: Uint8Array): Buffer {
    const byteCount = plainHeadBytes + trueKey.length + value.length
    const padded = this.#padded ? sizeClass(byteCount) : byteCount
    const plain = this.#plainOf(padded)
    writeHead(plain, trueKey.length, value.length)
    plain.set(trueKey, plainHeadBytes)
    plain.set(value, plainHeadBytes + trueKey.length)
    plain.fill(0, byteCount, padded)
    const epoch = this.#dataKey.epoch
    const record = Buffer.allocUnsafeSlow(headBytes + padded + tagBytes)
    record[0] = (epoch << 4) | algorithmXChaCha
    this.#drawNonce(record, nonce)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
      record.subarray(headBytes),
      plain,
      this.#associate(storedKey),
      null,
      record.subarray(1, headBytes),
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
    sodium.sodium_memzero(this.#plain)
  }

  /** Plaintext in the scratch buffer, valid until the next call. */
  #decrypt(storedKey: Uint8Array, record: Uint8Array): Uint8Array {
    if (record.length < headBytes + plainHeadBytes + tagBytes) {
      throw new StoreError('RECORD_ALTERED', `${this.#where(storedKey)} is too short`)
    }
    if ((record[0] & 15) !== algorithmXChaCha || !this.#dataKey.hasEpoch(record[0] >>> 4)) {
      throw new StoreError('RECORD_UNKNOWN_VERSION', `${this.#where(storedKey)}: version byte ${record[0]}`)
    }
    const plain = this.#plainOf(record.length - recordOverheadBytes)
    try {
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain,
        null,
        record.subarray(headBytes),
        this.#associate(storedKey),
        record.subarray(1, headBytes),
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
    return this.#associated.subarray(0, headLength + storedKey.length)
  }

  #drawNonce(record: Buffer, fixed: Uint8Array | undefined): void {
    if (fixed !== undefined) {
      record.set(fixed, 1)
      return
    }
    if (this.#nonceAt === noncesPerDraw) {
      sodium.randombytes_buf(this.#nonces)
      this.#nonceAt = 0
    }
    this.#nonces.copy(record, 1, this.#nonceAt * nonceBytes, (this.#nonceAt + 1) * nonceBytes)
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

  #plainOf(byteCount: number): Uint8Array {
    if (byteCount > this.#plain.length) {
      sodium.sodium_memzero(this.#plain)
      this.#plain = new Uint8Array(sizeClass(byteCount))
    }
    return this.#plain.subarray(0, byteCount)
  }

  /** Names a record without saying anything about its content. */
  #where(storedKey: Uint8Array): string {
    return `record ${Buffer.from(storedKey).toString('hex')} of table ${this.#table} in ${this.#space}`
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
