// Bytes of the keyslot file.
//
//   file    magic "WARDKEYS" | version u8 = 2 | storeId 16 | slot count u8 | secret count u8 | slots
//           | secrets | tag 32 | SHA-256 of all before (tells damage; it protects nothing)
//   slot    id u8 | kind u8 | kdf u8 = 1 (argon2id) | passes u32 BE | memory KiB u32 BE | lanes u8 = 1
//           | second secret u8 | salt 16 | public key 32 | nonce 24 | wrapped slot seed 48 | sealed master 80
//   secret  epoch u8 (255: base secret) | nonce 24 | wrapped secret 48
//
// A password opens a slot's seed (XChaCha20-Poly1305 under argon2id), the seed gives an X25519 key pair, and
// that opens the master key (libsodium sealed box). A new master key can therefore be given to every slot
// without its password. Tag: keyed BLAKE2b under a key derived from the master key, over everything before
// it, so that a slot put in by somebody else is never given the next master key.
//
// Every wrap has magic, version, storeId and the fields before its nonce as associated data.
import { storeIdBytes } from './data-key.js'
import { StoreError } from './store-error.js'
import { keyBytes, nonceBytes, sha256, tagBytes } from './sodium.js'

const magic = Buffer.from('WARDKEYS', 'latin1')
const fileVersion = 2
const headBytes = magic.length + 1 + storeIdBytes
const slotHeadBytes = 13 + 16
const wrappedBytes = keyBytes + tagBytes
export const publicKeyBytes = 32
/** Ephemeral public key 32 | ciphertext | tag 16. */
export const sealedMasterBytes = publicKeyBytes + keyBytes + tagBytes
const slotBytes = slotHeadBytes + publicKeyBytes + nonceBytes + wrappedBytes + sealedMasterBytes
export const fileTagBytes = 32
const secretBytes = 1 + nonceBytes + wrappedBytes
const digestBytes = 32
export const slotsMax = 16
export const baseSecretId = 255

/** The last three open by a random secret that a machine brings: see `unattended.ts` of host/keys. */
export const slotKinds = ['operator', 'recovery', 'escrow', 'platform', 'peers', 'boot'] as const
export type SlotKind = (typeof slotKinds)[number]
export const unattendedKinds = ['platform', 'peers', 'boot'] as const
export type UnattendedKind = (typeof unattendedKinds)[number]
export const isUnattended = (kind: SlotKind): kind is UnattendedKind =>
  (unattendedKinds as readonly SlotKind[]).includes(kind)

/** Cost of a password guess. The default takes about 0.7 s on a quiet core. */
export interface KdfCost {
  passes: number
  memoryKiB: number
}
export const defaultKdfCost: KdfCost = { passes: 3, memoryKiB: 262_144 }
/** For small appliances; about 0.13 s. */
export const floorKdfCost: KdfCost = { passes: 3, memoryKiB: 65_536 }
/** For secrets of 32 random bytes only: nothing can be guessed there, so nothing needs stretching. */
export const randomSecretKdfCost: KdfCost = { passes: 1, memoryKiB: 8 }
const passesMax = 16
const memoryKiBMax = 2_097_152

export interface Slot {
  id: number
  kind: SlotKind
  cost: KdfCost
  needsSecondSecret: boolean
  salt: Uint8Array
  /** X25519; the master key is sealed to it. */
  publicKey: Uint8Array
  nonce: Uint8Array
  /** The seed of the slot's key pair. */
  wrapped: Uint8Array
  sealedMaster: Uint8Array
}

export interface WrappedSecret {
  id: number
  nonce: Uint8Array
  wrapped: Uint8Array
}

export interface KeyslotFile {
  storeId: Uint8Array
  slots: Slot[]
  secrets: WrappedSecret[]
  tag: Uint8Array
}

/** Magic, version, storeId: in front of all associated data of this file. */
function fileHead(storeId: Uint8Array): Buffer {
  return Buffer.concat([magic, new Uint8Array([fileVersion]), storeId])
}

function slotHead(slot: Slot): Buffer {
  const head = Buffer.alloc(slotHeadBytes)
  head[0] = slot.id
  head[1] = slotKinds.indexOf(slot.kind) + 1
  head[2] = 1
  head.writeUInt32BE(slot.cost.passes, 3)
  head.writeUInt32BE(slot.cost.memoryKiB, 7)
  head[11] = 1
  head[12] = slot.needsSecondSecret ? 1 : 0
  head.set(slot.salt, 13)
  return head
}

export function slotAssociated(storeId: Uint8Array, slot: Slot): Buffer {
  return Buffer.concat([fileHead(storeId), Buffer.from('slot'), slotHead(slot), slot.publicKey])
}

export function secretAssociated(storeId: Uint8Array, id: number): Buffer {
  return Buffer.concat([fileHead(storeId), Buffer.from('secret'), new Uint8Array([id])])
}

/** Everything that the tag covers. */
export function taggedBytes(file: Omit<KeyslotFile, 'tag'>): Buffer {
  const parts: Uint8Array[] = [
    fileHead(file.storeId),
    new Uint8Array([file.slots.length, file.secrets.length]),
  ]
  for (const slot of file.slots) {
    parts.push(slotHead(slot), slot.publicKey, slot.nonce, slot.wrapped, slot.sealedMaster)
  }
  for (const { id, nonce, wrapped } of file.secrets) parts.push(new Uint8Array([id]), nonce, wrapped)
  return Buffer.concat(parts)
}

export function encodeKeyslotFile(file: KeyslotFile): Buffer {
  const content = Buffer.concat([taggedBytes(file), file.tag])
  return Buffer.concat([content, sha256(content)])
}

/** Throws FOREIGN_FILE, STORE_NEWER_VERSION or KEYSLOT_DAMAGED. */
export function decodeKeyslotFile(bytes: Buffer): KeyslotFile {
  if (bytes.length < magic.length || magic.compare(bytes, 0, magic.length) !== 0) {
    // A flip in the magic of a file of the right length is damage; anything else is not a keyslot file.
    throw new StoreError('FOREIGN_FILE', 'this is not a keyslot file')
  }
  const body = bytes.subarray(0, Math.max(0, bytes.length - digestBytes))
  const isWhole =
    bytes.length > headBytes + digestBytes &&
    Buffer.compare(sha256(body), bytes.subarray(body.length)) === 0
  if (!isWhole) throw damaged('its check sum does not match')
  if (body[magic.length] > fileVersion) {
    throw new StoreError('STORE_NEWER_VERSION', 'the keyslot file was written by a newer version')
  }
  if (body[magic.length] < fileVersion) {
    throw damaged('it has the layout of a version before the first release')
  }
  const slotCount = body[headBytes]
  const secretCount = body[headBytes + 1]
  if (body.length !== headBytes + 2 + slotCount * slotBytes + secretCount * secretBytes + fileTagBytes)
    throw damaged('its length is wrong')
  const slots = Array.from({ length: slotCount }, (_, index) =>
    decodeSlot(body, headBytes + 2 + index * slotBytes),
  )
  const secretsAt = headBytes + 2 + slotCount * slotBytes
  const secrets = Array.from({ length: secretCount }, (_, index) => {
    const at = secretsAt + index * secretBytes
    return {
      id: body[at],
      nonce: part(body, at + 1, nonceBytes),
      wrapped: part(body, at + 1 + nonceBytes, wrappedBytes),
    }
  })
  const tag = part(body, body.length - fileTagBytes, fileTagBytes)
  return { storeId: part(body, magic.length + 1, storeIdBytes), slots, secrets, tag }
}

function decodeSlot(body: Buffer, at: number): Slot {
  const cost = { passes: body.readUInt32BE(at + 3), memoryKiB: body.readUInt32BE(at + 7) }
  const kind = slotKinds[body[at + 1] - 1] as SlotKind | undefined
  const isKnown = kind !== undefined && body[at + 2] === 1 && body[at + 11] === 1
  const isBounded =
    cost.passes >= 1 && cost.passes <= passesMax && cost.memoryKiB >= 8 && cost.memoryKiB <= memoryKiBMax
  if (!isKnown || !isBounded) throw damaged('a slot has impossible parameters')
  const keyAt = at + slotHeadBytes
  const wrappedAt = keyAt + publicKeyBytes + nonceBytes
  return {
    id: body[at],
    kind,
    cost,
    needsSecondSecret: body[at + 12] === 1,
    salt: part(body, at + 13, 16),
    publicKey: part(body, keyAt, publicKeyBytes),
    nonce: part(body, keyAt + publicKeyBytes, nonceBytes),
    wrapped: part(body, wrappedAt, wrappedBytes),
    sealedMaster: part(body, wrappedAt + wrappedBytes, sealedMasterBytes),
  }
}

const part = (bytes: Buffer, start: number, byteCount: number): Uint8Array =>
  new Uint8Array(bytes.subarray(start, start + byteCount))

function damaged(why: string): StoreError {
  return new StoreError('KEYSLOT_DAMAGED', `the keyslot file is damaged: ${why}`)
}
