// The node's cryptography: one SHA-256 and one Ed25519 implementation on every replica (R19, N8).
import { createHash } from 'node:crypto'
import * as nodeCrypto from 'node:crypto'
import sodium from 'sodium-native'
import type { Hash, VerifySignature } from '../../runtime/protocol/index.js'

type OneShotHash = (algorithm: string, bytes: Uint8Array, encoding: 'latin1') => string
// crypto.hash exists from Node 20.12 and 21.7 on and is twice as fast as a Hash object for short inputs.
const oneShot = (nodeCrypto as unknown as { hash?: OneShotHash }).hash

/** SHA-256. */
export const sha256: Hash = oneShot
  ? (bytes) => bytesOfLatin1(oneShot('sha256', bytes, 'latin1'))
  : (bytes) => createHash('sha256').update(bytes).digest()

/** SHA-256 as text, one char a byte: the key of a Map costs no array. */
export const sha256Text: (bytes: Uint8Array) => string = oneShot
  ? (bytes) => oneShot('sha256', bytes, 'latin1')
  : (bytes) => createHash('sha256').update(bytes).digest('binary')

/** Text and a loop cost half of what a Buffer costs, and the collector moves the result cheaply. */
function bytesOfLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(32)
  for (let index = 0; index < 32; index += 1) bytes[index] = text.charCodeAt(index)
  return bytes
}

/** Ed25519 by libsodium, which refuses small-order keys and non-canonical signatures. Never throws. */
export const verifySignature: VerifySignature = (publicKey, message, signature) => {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  return sodium.crypto_sign_verify_detached(signature, message, publicKey)
}

/** An Ed25519 key pair; `secretKey` (64 bytes, seed ‖ public key) lives in locked memory. */
export interface SigningKey {
  publicKey: Uint8Array
  secretKey: Buffer
}

export function generateSigningKey(): SigningKey {
  const publicKey = new Uint8Array(32)
  const secretKey = sodium.sodium_malloc(64)
  sodium.crypto_sign_keypair(publicKey, secretKey)
  return { publicKey, secretKey }
}

/** Rebuilds the pair from its 32-byte seed; the seed is the caller's to zero. */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  const publicKey = new Uint8Array(32)
  const secretKey = sodium.sodium_malloc(64)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
  return { publicKey, secretKey }
}

/**
 * As `signingKeyFromSeed`, of a short copy that is zeroed. Arrays of up to 64 bytes lie among the engine's
 * objects, and native code that is given one makes the engine leave a second copy there: so the bytes are
 * moved to locked memory first.
 */
export function takeSeed(copy: Uint8Array): SigningKey {
  const locked = sodium.sodium_malloc(copy.length)
  locked.set(copy)
  copy.fill(0)
  try {
    return signingKeyFromSeed(locked)
  } finally {
    sodium.sodium_memzero(locked)
    sodium.sodium_free(locked)
  }
}

export const seedOf = (key: SigningKey): Uint8Array => key.secretKey.subarray(0, 32)

export function signDetached(key: SigningKey, message: Uint8Array): Uint8Array {
  const signature = new Uint8Array(64)
  sodium.crypto_sign_detached(signature, message, key.secretKey)
  return signature
}

/** Zeroes the secret half. The key cannot sign afterwards. */
export function destroyKey(key: SigningKey): void {
  sodium.sodium_memzero(key.secretKey)
}

export function randomBytes(byteCount: number): Uint8Array {
  const bytes = new Uint8Array(byteCount)
  sodium.randombytes_buf(bytes)
  return bytes
}
