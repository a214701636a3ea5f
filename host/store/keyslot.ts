// Keyslots: passwords (and other secrets) that open one node's data key. The password is checked here,
// before any LMDB file is touched; a change of password re-wraps 32 bytes and re-encrypts nothing.
import { DataKey, storeIdBytes } from './data-key.js'
import { readFileIfAny, replaceFile } from './durable-file.js'
import {
  baseSecretId,
  decodeKeyslotFile,
  defaultKdfCost,
  encodeKeyslotFile,
  secretAssociated,
  slotAssociated,
  slotsMax,
  type KdfCost,
  type KeyslotFile,
  type Slot,
  type SlotKind,
  type WrappedSecret,
} from './keyslot-file.js'
import { Secret } from './secret.js'
import { StoreError } from './store-error.js'
import { keyBytes, nonceBytes, randomBytes, sodium, tagBytes } from './sodium.js'
import { defaultThrottle, type UnlockThrottle } from './unlock-throttle.js'

export interface SlotOptions {
  kind?: SlotKind
  cost?: KdfCost
  /** Mixed into the slot's key; kept outside the disk (platform secret, peer shares, security key). */
  secondSecret?: Uint8Array
}

export interface OpenOptions {
  secondSecret?: Uint8Array
  /** Counts wrong attempts; one for each file in this process unless given. */
  throttle?: UnlockThrottle
}

export interface SlotInfo {
  id: number
  kind: SlotKind
  cost: KdfCost
  needsSecondSecret: boolean
}

/**
 * Makes a new data key and a keyslot file with one slot. Never overwrites a file: a lost keyslot file is a
 * lost store. The password's bytes stay the caller's, to be zeroed there.
 */
export async function createKeyslotFile(
  path: string,
  password: Uint8Array,
  options: SlotOptions = {},
): Promise<DataKey> {
  if (readFileIfAny(path) !== undefined) throw new StoreError('KEYSLOT_DAMAGED', `${path} exists already`)
  const storeId = randomBytes(storeIdBytes)
  const master = Secret.random()
  const base = Secret.random()
  const first = Secret.random()
  const secrets = [wrapSecret(storeId, baseSecretId, base, master), wrapSecret(storeId, 0, first, master)]
  const slot = await createSlot(storeId, 0, master, password, options)
  replaceFile(path, encodeKeyslotFile({ storeId, slots: [slot], secrets }))
  master.close()
  return new DataKey(storeId, base, new Map([[0, first]]))
}

/**
 * Opens the data key with any slot that the password fits. Wrong password or missing second secret:
 * KEYSLOT_REJECTED, after a delay that grows with each failure.
 */
export async function openKeyslot(
  path: string,
  password: Uint8Array,
  options: OpenOptions = {},
): Promise<DataKey> {
  const file = readKeyslots(path)
  const { master } = await unwrapMaster(path, file, password, options)
  try {
    return unwrapDataKey(file, master)
  } finally {
    master.close()
  }
}

/** Slots without their secrets, for display. */
export function listKeyslots(path: string): { storeId: Uint8Array; slots: SlotInfo[] } {
  const { storeId, slots } = readKeyslots(path)
  return {
    storeId,
    slots: slots.map(({ id, kind, cost, needsSecondSecret }) => ({ id, kind, cost, needsSecondSecret })),
  }
}

/** Adds a slot; `password` opens any present one. Returns the new slot's id. */
export async function addKeyslot(
  path: string,
  password: Uint8Array,
  added: Uint8Array,
  options: SlotOptions & { open?: OpenOptions } = {},
): Promise<number> {
  const file = readKeyslots(path)
  const { master } = await unwrapMaster(path, file, password, options.open ?? {})
  try {
    const free = Array.from({ length: slotsMax }, (_, id) => id).find(
      (id) => !file.slots.some((slot) => slot.id === id),
    )
    if (free === undefined) throw new RangeError(`a keyslot file holds at most ${slotsMax} slots`)
    file.slots.push(await createSlot(file.storeId, free, master, added, options))
    replaceFile(path, encodeKeyslotFile(file))
    return free
  } finally {
    master.close()
  }
}

/**
 * Replaces the password of the slot that `password` opens. Only the wrapping changes; its kind and cost
 * stay.
 */
export async function changeKeyslot(
  path: string,
  password: Uint8Array,
  changed: Uint8Array,
  options: OpenOptions & { cost?: KdfCost } = {},
): Promise<void> {
  const file = readKeyslots(path)
  const { master, slot } = await unwrapMaster(path, file, password, options)
  try {
    const next = await createSlot(file.storeId, slot.id, master, changed, {
      kind: slot.kind,
      cost: options.cost ?? slot.cost,
      secondSecret: slot.needsSecondSecret ? options.secondSecret : undefined,
    })
    file.slots = file.slots.map((present) => (present.id === slot.id ? next : present))
    replaceFile(path, encodeKeyslotFile(file), { overwriteOld: true })
  } finally {
    master.close()
  }
}

/** Removes a slot and overwrites the old file. The last slot stays: KEYSLOT_LAST. */
export async function removeKeyslot(
  path: string,
  password: Uint8Array,
  slotId: number,
  options: OpenOptions = {},
): Promise<void> {
  const file = readKeyslots(path)
  const { master } = await unwrapMaster(path, file, password, options)
  master.close()
  if (file.slots.length === 1) throw new StoreError('KEYSLOT_LAST', 'the last keyslot cannot be removed')
  const slots = file.slots.filter((slot) => slot.id !== slotId)
  if (slots.length === file.slots.length) throw new RangeError(`there is no slot ${slotId}`)
  replaceFile(path, encodeKeyslotFile({ ...file, slots }), { overwriteOld: true })
}

/**
 * Starts a new key epoch under a new master key: records written from now on are sealed with a fresh
 * secret, older ones are re-sealed when they are rewritten. All slots but the opened one are dropped
 * (their passwords would have to wrap the new master key) and must be added again.
 */
export async function rotateDataKey(
  path: string,
  password: Uint8Array,
  options: OpenOptions = {},
): Promise<DataKey> {
  const file = readKeyslots(path)
  const { master, slot } = await unwrapMaster(path, file, password, options)
  const dataKey = unwrapDataKey(file, master)
  master.close()
  const { base, epochs } = dataKey.secrets()
  const nextEpoch = dataKey.epoch + 1
  const next = Secret.random()
  const nextMaster = Secret.random()
  const secrets = [wrapSecret(file.storeId, baseSecretId, base, nextMaster)]
  for (const [epoch, secret] of epochs) secrets.push(wrapSecret(file.storeId, epoch, secret, nextMaster))
  secrets.push(wrapSecret(file.storeId, nextEpoch, next, nextMaster))
  const rewrapped = await createSlot(file.storeId, slot.id, nextMaster, password, {
    kind: slot.kind,
    cost: slot.cost,
    secondSecret: slot.needsSecondSecret ? options.secondSecret : undefined,
  })
  nextMaster.close()
  replaceFile(path, encodeKeyslotFile({ storeId: file.storeId, slots: [rewrapped], secrets }), {
    overwriteOld: true,
  })
  return new DataKey(file.storeId, base, new Map([...epochs, [nextEpoch, next]]))
}

function readKeyslots(path: string): KeyslotFile {
  const bytes = readFileIfAny(path)
  if (bytes === undefined) throw new StoreError('KEYSLOT_MISSING', `there is no keyslot file at ${path}`)
  return decodeKeyslotFile(bytes)
}

async function unwrapMaster(
  path: string,
  file: KeyslotFile,
  password: Uint8Array,
  options: OpenOptions,
): Promise<{ master: Secret; slot: Slot }> {
  const throttle = options.throttle ?? defaultThrottle(path)
  await throttle.wait()
  for (const slot of file.slots) {
    if (slot.needsSecondSecret && options.secondSecret === undefined) continue
    const wrapping = await deriveWrappingKey(password, slot, options.secondSecret)
    const master = unwrap(slot.wrapped, slot.nonce, slotAssociated(file.storeId, slot), wrapping)
    wrapping.close()
    if (master === undefined) continue
    throttle.succeeded()
    return { master, slot }
  }
  throttle.failed()
  throw new StoreError('KEYSLOT_REJECTED', 'no keyslot opens with this password')
}

function unwrapDataKey(file: KeyslotFile, master: Secret): DataKey {
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

async function createSlot(
  storeId: Uint8Array,
  id: number,
  master: Secret,
  password: Uint8Array,
  options: SlotOptions,
): Promise<Slot> {
  const slot: Slot = {
    id,
    kind: options.kind ?? 'operator',
    cost: options.cost ?? defaultKdfCost,
    needsSecondSecret: options.secondSecret !== undefined,
    salt: randomBytes(16),
    nonce: randomBytes(nonceBytes),
    wrapped: new Uint8Array(0),
  }
  const wrapping = await deriveWrappingKey(password, slot, options.secondSecret)
  slot.wrapped = wrap(master, slot.nonce, slotAssociated(storeId, slot), wrapping)
  wrapping.close()
  return slot
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
