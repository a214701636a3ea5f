// One random key for each patient, drawn by this node alone, so that a patient's bodies can be made
// unreadable here.
//
// Patient keys rest in the chain environment, wrapped under a wrapping key that rests in a file of its
// own. LMDB never erases freed pages, so an erasure draws a new wrapping key, re-wraps the keys of all
// other patients with it in the block's transaction, and then overwrites the old wrapping key's file in
// place: old pages can be read by nobody any more.
import type { DataKey } from './data-key.js'
import { readSealedFile, writeSealedFile } from './sealed-file.js'
import { Secret } from './secret.js'
import { StoreError } from './store-error.js'
import { keyBytes, nonceBytes, randomBytes, sodium, tagBytes } from './sodium.js'

const wrapLabel = Buffer.from('wardchain/patient-key/1', 'latin1')
const journalLabel = Buffer.from('wardchain/undo/1', 'latin1')
const bodyLabel = Buffer.from('wardchain/body/1', 'latin1')
const cachedMax = 128

/** The wrapping keys on disk: one, or two while an erasure is under way. */
export class PatientKeys {
  readonly #path: string
  readonly #dataKey: DataKey
  readonly #wrapping = new Map<number, Secret>()
  readonly #cache = new Map<string, Secret>()
  #current = 0

  private constructor(path: string, dataKey: DataKey) {
    this.#path = path
    this.#dataKey = dataKey
  }

  static create(path: string, dataKey: DataKey): PatientKeys {
    const keys = new PatientKeys(path, dataKey)
    keys.#current = 1
    keys.#wrapping.set(1, Secret.random())
    keys.#save()
    return keys
  }

  /**
   * `current` is what the last applied block says; the other wrapping key of an interrupted erasure is
   * dropped.
   */
  static open(path: string, dataKey: DataKey, current: number): PatientKeys {
    const keys = PatientKeys.#load(path, dataKey)
    if (!keys.#wrapping.has(current))
      throw new StoreError('STORE_DAMAGED', `${path} is older than the store`)
    keys.#current = current
    if (keys.#wrapping.size > 1) keys.finishErasure()
    return keys
  }

  static #load(path: string, dataKey: DataKey): PatientKeys {
    const keys = new PatientKeys(path, dataKey)
    const bytes = readSealedFile(path, dataKey)
    if (bytes === undefined)
      throw new StoreError('STORE_DAMAGED', `${path} is missing: record bodies cannot be read`)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let offset = 0; offset < bytes.length; offset += 4 + keyBytes) {
      keys.#wrapping.set(
        view.getUint32(offset),
        Secret.from(bytes.subarray(offset + 4, offset + 4 + keyBytes)),
      )
    }
    sodium.sodium_memzero(bytes)
    return keys
  }

  /** For a thread that only reads: the file is left as it is, even in the middle of an erasure. */
  static read(path: string, dataKey: DataKey, current: number): PatientKeys {
    const keys = PatientKeys.#load(path, dataKey)
    if (!keys.#wrapping.has(current)) {
      keys.close()
      throw new StoreError('STORE_DAMAGED', `${path} is of another state than the store`)
    }
    keys.#current = current
    return keys
  }

  get current(): number {
    return this.#current
  }

  /** A new patient's wrapped key: wrapping id u32 BE | nonce 24 | wrapped 48. */
  createWrapped(patient: Uint8Array): Uint8Array {
    const secret = Secret.random()
    const wrapped = this.#wrap(patient, secret, this.#current)
    this.#remember(patient, secret)
    return wrapped
  }

  /** Draws the next wrapping key and puts it on disk beside the present one. Returns its id. */
  beginErasure(): number {
    const next = this.#current + 1
    this.#wrapping.set(next, Secret.random())
    this.#save()
    return next
  }

  /** A patient's wrapped key under another wrapping key. */
  rewrap(patient: Uint8Array, wrapped: Uint8Array, wrappingId: number): Uint8Array {
    const secret = this.#unwrap(patient, wrapped)
    try {
      return this.#wrap(patient, secret, wrappingId)
    } finally {
      secret.close()
    }
  }

  /** After the block's transaction: from now on only `next` exists, on disk too. */
  completeErasure(next: number): void {
    this.#current = next
    for (const secret of this.#cache.values()) secret.close()
    this.#cache.clear()
    this.finishErasure()
  }

  /** After a failed transaction. */
  cancelErasure(next: number): void {
    this.#wrapping.get(next)?.close()
    this.#wrapping.delete(next)
    this.#save()
  }

  finishErasure(): void {
    for (const [id, secret] of this.#wrapping) {
      if (id === this.#current) continue
      secret.close()
      this.#wrapping.delete(id)
    }
    this.#save()
  }

  /** nonce 24 | ciphertext | tag, bound to the body's hash. */
  sealBody(patient: Uint8Array, wrapped: Uint8Array, hash: Uint8Array, content: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(nonceBytes + content.length + tagBytes)
    const nonce = sealed.subarray(0, nonceBytes)
    sodium.randombytes_buf(nonce)
    const key = this.#secretOf(patient, wrapped)
    const associated = Buffer.concat([bodyLabel, hash])
    const cipher = sealed.subarray(nonceBytes)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(cipher, content, associated, null, nonce, key.bytes)
    return sealed
  }

  openBody(patient: Uint8Array, wrapped: Uint8Array, hash: Uint8Array, sealed: Uint8Array): Uint8Array {
    const content = new Uint8Array(sealed.length - nonceBytes - tagBytes)
    const key = this.#secretOf(patient, wrapped)
    const associated = Buffer.concat([bodyLabel, hash])
    const nonce = sealed.subarray(0, nonceBytes)
    const cipher = sealed.subarray(nonceBytes)
    try {
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(content, null, cipher, associated, nonce, key.bytes)
    } catch (cause) {
      throw new StoreError(
        'RECORD_ALTERED',
        'a record body does not authenticate under its patient key',
        cause,
      )
    }
    return content
  }

  /**
   * A block's undo journal under a key that goes with the present wrapping key: wrapping id u32 BE | nonce 24
   * | ciphertext | tag, bound to the height.
   */
  sealJournal(height: number, journal: Uint8Array): Uint8Array {
    const sealed = Buffer.alloc(4 + nonceBytes + journal.length + tagBytes)
    sealed.writeUInt32BE(this.#current)
    sealed.set(randomBytes(nonceBytes), 4)
    const nonce = sealed.subarray(4, 4 + nonceBytes)
    const cipher = sealed.subarray(4 + nonceBytes)
    this.#withJournalKey(this.#current, (key) => {
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        cipher,
        journal,
        journalAssociated(height),
        null,
        nonce,
        key,
      )
    })
    return sealed
  }

  openJournal(height: number, sealed: Uint8Array): Uint8Array {
    const bytes = Buffer.from(sealed)
    const journal = new Uint8Array(bytes.length - 4 - nonceBytes - tagBytes)
    const nonce = bytes.subarray(4, 4 + nonceBytes)
    const cipher = bytes.subarray(4 + nonceBytes)
    this.#withJournalKey(bytes.readUInt32BE(0), (key) => {
      try {
        sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
          journal,
          null,
          cipher,
          journalAssociated(height),
          nonce,
          key,
        )
      } catch (cause) {
        throw new StoreError(
          'RECORD_ALTERED',
          `the undo journal of block ${height} does not authenticate`,
          cause,
        )
      }
    })
    return journal
  }

  #withJournalKey(wrappingId: number, use: (key: Buffer) => void): void {
    const key = sodium.sodium_malloc(keyBytes)
    try {
      sodium.crypto_generichash(key, journalLabel, this.#wrappingKey(wrappingId).bytes)
      use(key)
    } finally {
      sodium.sodium_free(key)
    }
  }

  close(): void {
    for (const secret of [...this.#wrapping.values(), ...this.#cache.values()]) secret.close()
    this.#wrapping.clear()
    this.#cache.clear()
  }

  #secretOf(patient: Uint8Array, wrapped: Uint8Array): Secret {
    const name = Buffer.from(patient).toString('latin1')
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    const secret = this.#unwrap(patient, wrapped)
    this.#remember(patient, secret)
    return secret
  }

  #remember(patient: Uint8Array, secret: Secret): void {
    const name = Buffer.from(patient).toString('latin1')
    this.#cache.get(name)?.close()
    this.#cache.set(name, secret)
    for (const [oldest, evicted] of this.#cache) {
      if (this.#cache.size <= cachedMax) break
      evicted.close()
      this.#cache.delete(oldest)
    }
  }

  #wrap(patient: Uint8Array, secret: Secret, wrappingId: number): Uint8Array {
    const bytes = Buffer.alloc(4 + nonceBytes + keyBytes + tagBytes)
    bytes.writeUInt32BE(wrappingId)
    bytes.set(randomBytes(nonceBytes), 4)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
      bytes.subarray(4 + nonceBytes),
      secret.bytes,
      Buffer.concat([wrapLabel, patient]),
      null,
      bytes.subarray(4, 4 + nonceBytes),
      this.#wrappingKey(wrappingId).bytes,
    )
    return bytes
  }

  #unwrap(patient: Uint8Array, wrapped: Uint8Array): Secret {
    const bytes = Buffer.from(wrapped)
    const wrappingKey = this.#wrappingKey(bytes.readUInt32BE(0))
    const plain = sodium.sodium_malloc(keyBytes)
    try {
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain,
        null,
        bytes.subarray(4 + nonceBytes),
        Buffer.concat([wrapLabel, patient]),
        bytes.subarray(4, 4 + nonceBytes),
        wrappingKey.bytes,
      )
    } catch (cause) {
      throw new StoreError('RECORD_ALTERED', 'a patient key does not authenticate', cause)
    }
    const secret = Secret.from(plain)
    sodium.sodium_memzero(plain)
    return secret
  }

  #wrappingKey(id: number): Secret {
    const key = this.#wrapping.get(id)
    if (key === undefined)
      throw new StoreError('STORE_DAMAGED', `patient keys are wrapped under key ${id}, which is gone`)
    return key
  }

  #save(): void {
    const bytes = sodium.sodium_malloc(this.#wrapping.size * (4 + keyBytes))
    let offset = 0
    for (const [id, secret] of this.#wrapping) {
      bytes.writeUInt32BE(id, offset)
      bytes.set(secret.bytes, offset + 4)
      offset += 4 + keyBytes
    }
    writeSealedFile(this.#path, this.#dataKey, bytes)
    sodium.sodium_memzero(bytes)
  }
}

function journalAssociated(height: number): Buffer {
  const associated = Buffer.alloc(journalLabel.length + 8)
  associated.set(journalLabel)
  associated.writeBigUInt64BE(BigInt(height), journalLabel.length)
  return associated
}
