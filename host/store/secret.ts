// Secrets in locked memory, and the derivation of sub-keys (HKDF-SHA256, RFC 5869) without a copy on the
// heap.
import { keyBytes, sha256, sodium } from './sodium.js'

/** A 32-byte secret in memory of its own; `close` zeroes it. Never a string, never JSON, never logged. */
export class Secret {
  readonly #buffer: Buffer
  #isClosed = false
  #isShielded = false

  private constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  static random(): Secret {
    const buffer = sodium.sodium_malloc(keyBytes)
    sodium.randombytes_buf(buffer)
    return new Secret(buffer)
  }

  /** Copies the bytes; the caller zeroes its own. */
  static from(bytes: Uint8Array): Secret {
    if (bytes.length !== keyBytes) throw new RangeError('a secret has 32 bytes')
    const buffer = sodium.sodium_malloc(keyBytes)
    buffer.set(bytes)
    return new Secret(buffer)
  }

  /** The live bytes, valid until `close`. Do not copy them to the heap. */
  get bytes(): Buffer {
    if (this.#isClosed || this.#isShielded) throw new Error('secret is zeroed or shielded')
    return this.#buffer
  }

  /** Takes the page's access rights away while the secret is idle; `use` gives them back for one call. */
  shield(): this {
    this.#isShielded = true
    sodium.sodium_mprotect_noaccess(this.#buffer)
    return this
  }

  use<T>(work: (bytes: Buffer) => T): T {
    if (!this.#isShielded) return work(this.bytes)
    sodium.sodium_mprotect_readonly(this.#buffer)
    try {
      return work(this.#buffer)
    } finally {
      sodium.sodium_mprotect_noaccess(this.#buffer)
    }
  }

  /** HKDF with this secret as input key material. `info` names the use; every use has its own. */
  derive(salt: Uint8Array, info: Uint8Array): Secret {
    const extracted = sodium.sodium_malloc(keyBytes)
    const expanded = sodium.sodium_malloc(keyBytes)
    this.use((bytes) => hmacSha256(salt, [bytes], extracted))
    hmacSha256(extracted, [info, new Uint8Array([1])], expanded)
    sodium.sodium_memzero(extracted)
    sodium.sodium_free(extracted)
    return new Secret(expanded)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#isShielded) sodium.sodium_mprotect_readwrite(this.#buffer)
    this.#isShielded = false
    sodium.sodium_memzero(this.#buffer)
    // The collector would free it some day; a process that opens and seals often runs out of mappings before.
    sodium.sodium_free(this.#buffer)
  }
}

/** HMAC-SHA256 (RFC 2104) over locked scratch memory. */
function hmacSha256(key: Uint8Array, parts: readonly Uint8Array[], out: Buffer): void {
  const block = sodium.sodium_malloc(64)
  const state = sodium.sodium_malloc(sodium.crypto_hash_sha256_STATEBYTES)
  const inner = sodium.sodium_malloc(32)
  fillPadded(block, key, 0x36)
  sodium.crypto_hash_sha256_init(state)
  sodium.crypto_hash_sha256_update(state, block)
  for (const part of parts) sodium.crypto_hash_sha256_update(state, part)
  sodium.crypto_hash_sha256_final(state, inner)
  fillPadded(block, key, 0x5c)
  sodium.crypto_hash_sha256_init(state)
  sodium.crypto_hash_sha256_update(state, block)
  sodium.crypto_hash_sha256_update(state, inner)
  sodium.crypto_hash_sha256_final(state, out)
  for (const buffer of [block, state, inner]) {
    sodium.sodium_memzero(buffer)
    sodium.sodium_free(buffer)
  }
}

function fillPadded(block: Buffer, longKey: Uint8Array, pad: number): void {
  const key = longKey.length > block.length ? sha256(longKey) : longKey
  block.fill(pad)
  for (let index = 0; index < key.length; index += 1) block[index] ^= key[index]
}
