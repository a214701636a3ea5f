// A person's signing key under the second password: argon2id, then XChaCha20-Poly1305. The wrapped form
// is replicated, so that a person can sign in at any unsealed workstation; the password never leaves the
// sign-in call.
//
// Layout: "WCPK" | version u8 = 1 | opsLimit u8 | memory MiB u16 BE | salt 16 | nonce 24 | ciphertext of
// the 32-byte seed + tag 16 Associated data: everything before the nonce ‖ public key 32.
import sodium from 'sodium-native'
import { concatBytes, refused, ok, utf8, type Result } from '../../runtime/protocol/index.js'
import { generateSigningKey, randomBytes, seedOf, signingKeyFromSeed, type SigningKey } from './crypto.js'

export interface KdfCost {
  opsLimit: number
  memoryMiB: number
}

/** Floor of reference/store for small appliances; a person signs in often, so it must not take seconds. */
export const personKdfCost: KdfCost = { opsLimit: 3, memoryMiB: 64 }

const magic = utf8('WCPK')
const headBytes = 4 + 1 + 1 + 2 + 16
const nonceBytes = 24
const sealedBytes = 32 + 16

/** Makes a new person key and wraps it. The caller zeroes the password. */
export async function createPersonKeystore(
  password: Uint8Array,
  cost: KdfCost = personKdfCost,
): Promise<{ publicKey: Uint8Array; keystore: Uint8Array }> {
  const key = generateSigningKey()
  const keystore = await wrapPersonKey(key, password, cost)
  sodium.sodium_memzero(key.secretKey)
  return { publicKey: key.publicKey, keystore }
}

/** Wraps a key that is there already, under another password, which the caller zeroes. */
export async function wrapPersonKey(
  key: SigningKey,
  password: Uint8Array,
  cost: KdfCost = personKdfCost,
): Promise<Uint8Array> {
  const head = new Uint8Array(headBytes)
  head.set(magic)
  head[4] = 1
  head[5] = cost.opsLimit
  new DataView(head.buffer).setUint16(6, cost.memoryMiB)
  head.set(randomBytes(16), 8)
  const nonce = randomBytes(nonceBytes)
  const wrapKey = await deriveKey(password, head)
  const sealed = new Uint8Array(sealedBytes)
  const associated = concatBytes(head, key.publicKey)
  const seed = seedOf(key)
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, seed, associated, null, nonce, wrapKey)
  sodium.sodium_memzero(wrapKey)
  return concatBytes(head, nonce, sealed)
}

/**
 * Opens a keystore. SIGN_IN_REJECTED for a wrong password, a foreign key or altered bytes: the same word
 * for all.
 */
export async function openPersonKeystore(
  keystore: Uint8Array,
  publicKey: Uint8Array,
  password: Uint8Array,
): Promise<Result<SigningKey, 'SIGN_IN_REJECTED'>> {
  const expected = headBytes + nonceBytes + sealedBytes
  if (
    keystore.length !== expected ||
    magic.some((byte, index) => keystore[index] !== byte) ||
    keystore[4] !== 1
  ) {
    return refused('SIGN_IN_REJECTED')
  }
  const head = keystore.slice(0, headBytes)
  const nonce = keystore.slice(headBytes, headBytes + nonceBytes)
  const wrapKey = await deriveKey(password, head)
  const seed = sodium.sodium_malloc(32)
  try {
    const sealed = keystore.slice(headBytes + nonceBytes)
    const associated = concatBytes(head, publicKey)
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(seed, null, sealed, associated, nonce, wrapKey)
  } catch {
    return refused('SIGN_IN_REJECTED')
  } finally {
    sodium.sodium_memzero(wrapKey)
  }
  const key = signingKeyFromSeed(seed)
  sodium.sodium_memzero(seed)
  return ok(key)
}

async function deriveKey(password: Uint8Array, head: Uint8Array): Promise<Buffer> {
  const wrapKey = sodium.sodium_malloc(32)
  const opsLimit = Math.min(Math.max(head[5], 1), 16)
  // A forged head may not make this process allocate gigabytes.
  const memoryMiB = Math.min(Math.max(new DataView(head.buffer, head.byteOffset).getUint16(6), 8), 1_024)
  const algorithm = sodium.crypto_pwhash_ALG_ARGON2ID13
  await sodium.crypto_pwhash_async(
    wrapKey,
    password,
    head.slice(8, 24),
    opsLimit,
    memoryMiB * 1_048_576,
    algorithm,
  )
  return wrapKey
}
