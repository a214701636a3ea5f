// Keyslots: passwords (and other secrets) that open one node's data key. The password is checked here,
// before any LMDB file is touched; a change of password re-wraps 32 bytes and re-encrypts nothing.
import { DataKey, epochMax, storeIdBytes } from './data-key.js'
import { readFileIfAny, replaceFile } from './durable-file.js'
import {
  decodeKeyslotFile,
  encodeKeyslotFile,
  isUnattended,
  randomSecretKdfCost,
  slotsMax,
  type KdfCost,
  type KeyslotFile,
  type Slot,
  type SlotKind,
  type UnattendedKind,
} from './keyslot-file.js'
import {
  createSlot,
  openSlot,
  sealMaster,
  tagOf,
  unwrapDataKey,
  wrapSecrets,
  type SlotOptions,
} from './keyslot-wrap.js'
import { Secret } from './secret.js'
import { StoreError } from './store-error.js'
import { randomBytes } from './sodium.js'
import { defaultThrottle, type UnlockThrottle } from './unlock-throttle.js'

export type { SlotOptions } from './keyslot-wrap.js'

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
  const epochs = new Map([[0, Secret.random()]])
  const slot = await createSlot(storeId, 0, master, password, options)
  writeKeyslots(
    path,
    { storeId, slots: [slot], secrets: wrapSecrets(storeId, base, epochs, master) },
    master,
  )
  master.close()
  return new DataKey(storeId, base, epochs)
}

/**
 * Opens the data key with any slot that the password fits. Wrong password or missing second secret:
 * KEYSLOT_REJECTED, after a delay that grows with each failure. KEYSLOT_DAMAGED also when the file was
 * altered since it was written.
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

/**
 * Opens the data key with a machine's secret: only slots of this kind are tried, and nothing is throttled,
 * for 32 random bytes are not guessed. KEYSLOT_REJECTED when none fits.
 */
export async function openUnattended(
  path: string,
  kind: UnattendedKind,
  secret: Uint8Array,
): Promise<DataKey> {
  const file = readKeyslots(path)
  for (const slot of file.slots.filter((candidate) => candidate.kind === kind)) {
    const master = await openSlot(file, slot, secret, undefined)
    if (master === undefined) continue
    try {
      return unwrapDataKey(file, master)
    } finally {
      master.close()
    }
  }
  throw new StoreError('KEYSLOT_REJECTED', `no keyslot of kind ${kind} opens with this secret`)
}

/** Slots without their secrets, for display. */
export function listKeyslots(path: string): { storeId: Uint8Array; slots: SlotInfo[]; epochs: number[] } {
  const { storeId, slots, secrets } = readKeyslots(path)
  return {
    storeId,
    // 255 stands for the base secret.
    epochs: secrets.map(({ id }) => id).filter((id) => id <= epochMax),
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
    const id = freeSlotId(file)
    file.slots.push(await createSlot(file.storeId, id, master, added, options))
    writeKeyslots(path, file, master)
    return id
  } finally {
    master.close()
  }
}

/**
 * Puts a machine's secret of 32 random bytes in, in the place of an earlier one of the same kind.
 * Returns the slot's id.
 */
export async function putUnattendedSlot(
  path: string,
  password: Uint8Array,
  kind: UnattendedKind,
  secret: Uint8Array,
  options: OpenOptions = {},
): Promise<number> {
  if (secret.length !== 32) throw new RangeError('a machine secret has 32 random bytes')
  const file = readKeyslots(path)
  const { master } = await unwrapMaster(path, file, password, options)
  try {
    file.slots = file.slots.filter((slot) => slot.kind !== kind)
    const id = freeSlotId(file)
    const cost = randomSecretKdfCost
    file.slots.push(await createSlot(file.storeId, id, master, secret, { kind, cost }))
    changeMaster(path, file, master)
    return id
  } finally {
    master.close()
  }
}

/**
 * Replaces the password of the slot that `password` opens. Only the wrapping changes; its kind and cost
 * stay. The master key changes as well, so that the old password opens no secret that is made from now on.
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
    changeMaster(path, file, master)
  } finally {
    master.close()
  }
}

/**
 * Removes a slot, draws a new master key for the others and overwrites the old file. A slot that a password
 * opens must be left: KEYSLOT_LAST.
 */
export async function removeKeyslot(
  path: string,
  password: Uint8Array,
  slotId: number,
  options: OpenOptions = {},
): Promise<void> {
  const file = readKeyslots(path)
  const { master } = await unwrapMaster(path, file, password, options)
  try {
    const slots = file.slots.filter((slot) => slot.id !== slotId)
    if (slots.length === file.slots.length) throw new RangeError(`there is no slot ${slotId}`)
    if (slots.every((slot) => isUnattended(slot.kind)))
      throw new StoreError('KEYSLOT_LAST', 'the last keyslot of a password cannot be removed')
    changeMaster(path, { ...file, slots }, master)
  } finally {
    master.close()
  }
}

/**
 * Starts a new key epoch under a new master key: records written from now on are sealed with a fresh
 * secret, older ones are re-sealed when they are rewritten or by `resealSlice`. Every slot goes on to open
 * the store: the new master key is sealed to each slot's public key. KEYSLOT_EPOCHS after the last epoch.
 */
export async function rotateDataKey(
  path: string,
  password: Uint8Array,
  options: OpenOptions = {},
): Promise<DataKey> {
  const file = readKeyslots(path)
  const { master } = await unwrapMaster(path, file, password, options)
  const dataKey = unwrapDataKey(file, master)
  try {
    const { base, epochs } = dataKey.secrets()
    const nextEpoch = dataKey.epoch + 1
    if (nextEpoch > epochMax) {
      throw new StoreError('KEYSLOT_EPOCHS', 'this store has used all of its key epochs')
    }
    const next = Secret.random()
    const grown = new Map([...epochs, [nextEpoch, next] as const])
    changeMaster(path, { ...file, secrets: wrapSecrets(file.storeId, base, grown, master) }, master)
    return new DataKey(file.storeId, base, grown)
  } finally {
    master.close()
  }
}

/**
 * Forgets the secrets of all key epochs but `kept`, under a new master key. What still rests under one of
 * them could never be read again: `dropFormerEpochs` looks first. KEYSLOT_EPOCH_USED when a newer epoch began
 * since it looked: records rest under the one that is former now.
 */
export async function keepNewestEpoch(
  path: string,
  password: Uint8Array,
  kept: number,
  options: OpenOptions = {},
): Promise<void> {
  const file = readKeyslots(path)
  const { master } = await unwrapMaster(path, file, password, options)
  const dataKey = unwrapDataKey(file, master)
  try {
    if (dataKey.epoch !== kept)
      throw new StoreError('KEYSLOT_EPOCH_USED', 'the data key was changed meanwhile')
    const { base, epochs } = dataKey.secrets()
    const newest = new Map([...epochs].filter(([epoch]) => epoch === kept))
    changeMaster(path, { ...file, secrets: wrapSecrets(file.storeId, base, newest, master) }, master)
  } finally {
    dataKey.close()
    master.close()
  }
}

/** Draws a new master key, gives it to every slot, and overwrites the old file after the new one is there. */
function changeMaster(path: string, file: Omit<KeyslotFile, 'tag'>, master: Secret): void {
  const next = Secret.random()
  const dataKey = unwrapDataKey({ ...file, tag: new Uint8Array(0) }, master)
  const { base, epochs } = dataKey.secrets()
  const slots = file.slots.map((slot) => ({ ...slot, sealedMaster: sealMaster(next, slot.publicKey) }))
  const secrets = wrapSecrets(file.storeId, base, epochs, next)
  dataKey.close()
  try {
    writeKeyslots(path, { storeId: file.storeId, slots, secrets }, next, { overwriteOld: true })
  } finally {
    next.close()
  }
}

function writeKeyslots(
  path: string,
  file: Omit<KeyslotFile, 'tag'>,
  master: Secret,
  options: { overwriteOld?: boolean } = {},
): void {
  replaceFile(path, encodeKeyslotFile({ ...file, tag: tagOf(file, master) }), options)
}

function readKeyslots(path: string): KeyslotFile {
  const bytes = readFileIfAny(path)
  if (bytes === undefined) throw new StoreError('KEYSLOT_MISSING', `there is no keyslot file at ${path}`)
  return decodeKeyslotFile(bytes)
}

function freeSlotId(file: KeyslotFile): number {
  const free = Array.from({ length: slotsMax }, (_, id) => id).find(
    (id) => !file.slots.some((slot) => slot.id === id),
  )
  if (free === undefined) throw new RangeError(`a keyslot file holds at most ${slotsMax} slots`)
  return free
}

/** Slots of machines are left out: a password never fits them. */
async function unwrapMaster(
  path: string,
  file: KeyslotFile,
  password: Uint8Array,
  options: OpenOptions,
): Promise<{ master: Secret; slot: Slot }> {
  const throttle = options.throttle ?? defaultThrottle(path)
  await throttle.wait()
  for (const slot of file.slots) {
    if (isUnattended(slot.kind)) continue
    if (slot.needsSecondSecret && options.secondSecret === undefined) continue
    const master = await openSlot(file, slot, password, options.secondSecret)
    if (master === undefined) continue
    throttle.succeeded()
    return { master, slot }
  }
  throttle.failed()
  throw new StoreError('KEYSLOT_REJECTED', 'no keyslot opens with this password')
}
