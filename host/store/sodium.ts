// The part of sodium-native that this room uses, typed here. Buffers of `sodium_malloc` are locked in
// memory, kept out of core dumps and guarded on both sides.
import * as nodeCrypto from 'node:crypto'
import { createRequire } from 'node:module'

export interface Sodium {
  sodium_malloc(byteCount: number): Buffer
  sodium_free(buffer: Buffer): void
  sodium_memzero(buffer: Uint8Array): void
  sodium_mprotect_noaccess(buffer: Buffer): void
  sodium_mprotect_readonly(buffer: Buffer): void
  sodium_mprotect_readwrite(buffer: Buffer): void
  randombytes_buf(buffer: Uint8Array): void
  crypto_generichash(output: Uint8Array, input: Uint8Array, key?: Uint8Array): void
  crypto_hash_sha256(output: Uint8Array, input: Uint8Array): void
  crypto_hash_sha256_STATEBYTES: number
  crypto_hash_sha256_init(state: Uint8Array): void
  crypto_hash_sha256_update(state: Uint8Array, input: Uint8Array): void
  crypto_hash_sha256_final(state: Uint8Array, output: Uint8Array): void
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    cipher: Uint8Array,
    message: Uint8Array,
    associated: Uint8Array,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number
  /** Throws when the tag does not match. */
  crypto_aead_xchacha20poly1305_ietf_decrypt(
    message: Uint8Array,
    secretNonce: null,
    cipher: Uint8Array,
    associated: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number
  /** X25519 key pair of a seed of 32 bytes. */
  crypto_box_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void
  crypto_box_seal(cipher: Uint8Array, message: Uint8Array, publicKey: Uint8Array): void
  /** False when the box is not for this key pair, or was altered. */
  crypto_box_seal_open(
    message: Uint8Array,
    cipher: Uint8Array,
    publicKey: Uint8Array,
    secretKey: Uint8Array,
  ): boolean
  crypto_pwhash_ALG_ARGON2ID13: number
  crypto_pwhash_async(
    output: Uint8Array,
    password: Uint8Array,
    salt: Uint8Array,
    passes: number,
    memoryBytes: number,
    algorithm: number,
    done: (error: Error | null) => void,
  ): void
}

export const sodium = createRequire(import.meta.url)('sodium-native') as Sodium

export const nonceBytes = 24
export const tagBytes = 16
export const keyBytes = 32

type OneShotHash = (algorithm: string, bytes: Uint8Array, encoding: 'latin1') => string
/** From Node 20.12 on; OpenSSL uses the processor's SHA instructions, which libsodium does not. */
const oneShot = (nodeCrypto as unknown as { hash?: OneShotHash }).hash

/** SHA-256 into one buffer that is reused: for the state tree, which copies every result at once. */
export function createScratchHash(): (bytes: Uint8Array) => Uint8Array {
  const out = new Uint8Array(32)
  if (oneShot === undefined) {
    return (bytes) => {
      sodium.crypto_hash_sha256(out, bytes)
      return out
    }
  }
  return (bytes) => {
    const text = oneShot('sha256', bytes, 'latin1')
    for (let index = 0; index < 32; index += 1) out[index] = text.charCodeAt(index)
    return out
  }
}

export function sha256(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(32)
  sodium.crypto_hash_sha256(out, bytes)
  return out
}

export function randomBytes(byteCount: number): Uint8Array {
  const bytes = new Uint8Array(byteCount)
  sodium.randombytes_buf(bytes)
  return bytes
}
