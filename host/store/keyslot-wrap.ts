// The cryptography of keyslots: from a password to a slot's key pair, from that to the master key, and from
// the master key to the secrets of the data key. Layout: keyslot-file.ts.
import { DataKey } from './data-key.js'
import {
  baseSecretId,
  defaultKdfCost,
  fileTagBytes,
  publicKeyBytes,
  sealedMasterBytes,
  secretAssociated,
  slotAssociated,
  taggedBytes,
  type KdfCost,
  type KeyslotFile,
  type Slot,
  type SlotKind,
  type WrappedSecret,
} from './keyslot-file.js'
import { Secret } from './secret.js'
import { StoreError } from './store-error.js'
import { keyBytes, nonceBytes, randomBytes, sodium, tagBytes } from './sodium.js'

export interface SlotOptions {
  kind?: SlotKind
  cost?: KdfCost
  /** Mixed into the slot's key; kept outside the disk (a file on a stick, a security key). */
  secondSecret?: Uint8Array
}

/** A slot with a key pair of its own that holds the master key. The password's bytes stay the caller's. */
export async function createSlot(
  storeId: Uint8Array,
  id: number,
  master: Secret,
  password: Uint8Array,
  options: SlotOptions,
): Promise<Slot> {
  const seed = Secret.random()
  const pair = keyPairOf(seed)
  const slot: Slot = {
    id,
    kind: options.kind ?? 'operator',
    cost: options.cost ?? defaultKdfCost,
    needsSecondSecret: options.secondSecret !== undefined,
    salt: randomBytes(16),
    publicKey: pair.publicKey,
    nonce: randomBytes(nonceBytes),
    wrapped: new Uint8Array(0),
    sealedMaster: sealMaster(master, pair.publicKey),
  }
  pair.secretKey.close()
  const wrapping = await deriveWrappingKey(password, slot, options.secondSecret)
  slot.wrapped = wrap(seed, slot.nonce, slotAssociated(storeId, slot), wrapping)
  wrapping.close()
  seed.close()
  return slot
}

/** The master key, or undefined when this password does not fit this slot. */
export async function openSlot(
  file: KeyslotFile,
  slot: Slot,
  password: Uint8Array,
  secondSecret: Uint8Array | undefined,
): Promise<Secret | undefined> {
  const wrapping = await deriveWrappingKey(password, slot, secondSecret)
  const seed = unwrap(slot.wrapped, slot.nonce, slotAssociated(file.storeId, slot), wrapping)
  wrapping.close()
  if (seed === undefined) return undefined
  const { publicKey, secretKey } = keyPairOf(seed)
  seed.close()
  const plain = sodium.sodium_malloc(keyBytes)
  const isOpen = sodium.crypto_box_seal_open(plain, slot.sealedMaster, publicKey, secretKey.bytes)
  secretKey.close()
  if (!isOpen) throw new StoreError('KEYSLOT_DAMAGED', `the master key of slot ${slot.id} does not open`)
  const master = Secret.from(plain)
  sodium.sodium_memzero(plain)
  if (sodiumEqual(tagOf(file, master), file.tag)) return master
  master.close()
  throw new StoreError('KEYSLOT_DAMAGED', 'the keyslot file was altered by someone without its keys')
}

export function sealMaster(master: Secret, publicKey: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(sealedMasterBytes)
  master.use((bytes) => {
    sodium.crypto_box_seal(sealed, bytes, publicKey)
  })
  return sealed
}

/** Authenticates every slot and every wrapped secret under the master key. */
export function tagOf(file: Omit<KeyslotFile, 'tag'>, master: Secret): Uint8Array {
  const key = master.derive(file.storeId, Buffer.from('wardchain/keyslot/2/file', 'latin1'))
  const tag = new Uint8Array(fileTagBytes)
  sodium.crypto_generichash(tag, taggedBytes(file), key.bytes)
  key.close()
  return tag
}

/** Base secret and epochs, each wrapped under the master key. */
export function wrapSecrets(
  storeId: Uint8Array,
  base: Secret,
  epochs: ReadonlyMap<number, Secret>,
  master: Secret,
): WrappedSecret[] {
  return [wrapSecret(storeId, baseSecretId, base, master)].concat(
    [...epochs].map(([epoch, secret]) => wrapSecret(storeId, epoch, secret, master)),
  )
}

export function unwrapDataKey(file: KeyslotFile, master: Secret): DataKey {
  let base: Secret | undefined
  const epochs = new Map<number, Secret>()
  for (const { id, nonce, wrapped } of file.secrets) {
    const secret = unwrap(wrapped, nonce, secretAssociated(file.storeId, id), master)
    if (secret === undefined)
      throw new StoreError('KEYSLOT_DAMAGED', 'a wrapped secret does not authenticate')
    if (id === baseSecretId) base = secret
    else epochs.set(id, secret)
  }
  if (base === undefined || epochs.size === 0)
    throw new StoreError('KEYSLOT_DAMAGED', 'a secret is missing')
  return new DataKey(file.storeId, base, epochs)
}

function keyPairOf(seed: Secret): { publicKey: Uint8Array; secretKey: Secret } {
  const publicKey = new Uint8Array(publicKeyBytes)
  const plain = sodium.sodium_malloc(keyBytes)
  seed.use((bytes) => {
    sodium.crypto_box_seed_keypair(publicKey, plain, bytes)
  })
  const secretKey = Secret.from(plain)
  sodium.sodium_memzero(plain)
  return { publicKey, secretKey }
}

/** argon2id on the thread pool, so that heartbeats go on; then the second secret, if the slot wants one. */
async function deriveWrappingKey(
  password: Uint8Array,
  slot: Slot,
  secondSecret: Uint8Array | undefined,
): Promise<Secret> {
  const stretched = sodium.sodium_malloc(keyBytes)
  const held = sodium.sodium_malloc(Math.max(1, password.length))
  held.set(password)
  await new Promise<void>((resolve, reject) => {
    sodium.crypto_pwhash_async(
      stretched,
      held.subarray(0, password.length),
      slot.salt,
      slot.cost.passes,
      slot.cost.memoryKiB * 1_024,
      sodium.crypto_pwhash_ALG_ARGON2ID13,
      (error) => (error === null ? resolve() : reject(error)),
    )
  })
  sodium.sodium_memzero(held)
  const key = Secret.from(stretched)
  sodium.sodium_memzero(stretched)
  if (!slot.needsSecondSecret || secondSecret === undefined) return key
  const mixed = key.derive(secondSecret, Buffer.from('wardchain/keyslot/1/second-secret', 'latin1'))
  key.close()
  return mixed
}

function wrapSecret(storeId: Uint8Array, id: number, secret: Secret, master: Secret): WrappedSecret {
  const nonce = randomBytes(nonceBytes)
  return { id, nonce, wrapped: wrap(secret, nonce, secretAssociated(storeId, id), master) }
}

function wrap(secret: Secret, nonce: Uint8Array, associated: Uint8Array, key: Secret): Uint8Array {
  const wrapped = new Uint8Array(keyBytes + tagBytes)
  secret.use((bytes) => {
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(wrapped, bytes, associated, null, nonce, key.bytes)
  })
  return wrapped
}

function unwrap(
  wrapped: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  key: Secret,
): Secret | undefined {
  const plain = sodium.sodium_malloc(keyBytes)
  try {
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, null, wrapped, associated, nonce, key.bytes)
  } catch {
    return undefined
  }
  const secret = Secret.from(plain)
  sodium.sodium_memzero(plain)
  return secret
}

function sodiumEqual(left: Uint8Array, right: Uint8Array): boolean {
  let difference = left.length ^ right.length
  for (let index = 0; index < left.length; index += 1) difference |= left[index] ^ (right[index] ?? 0)
  return difference === 0
}
