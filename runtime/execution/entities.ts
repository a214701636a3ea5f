// Who may sign: entities and their keys.
import { keyIdOf } from '../protocol/entity.js'
import type { Hash } from '../protocol/hash.js'
import { concatBytes } from '../protocol/bytes.js'
import { assert } from '../protocol/result.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { decodeRow, encodeRow, entityRow, store, type EntityRow } from './kernel-tables.js'

/** A key as admission needs it. Row: entity 32 ‖ kind u8 ‖ revoked u8 ‖ public key 32. */
export interface KeyRow {
  entity: Uint8Array
  /** Kind of its entity, repeated here: admission reads one row only. */
  kind: number
  revoked: boolean
  publicKey: Uint8Array
}

const keyRowBytes = 66

export function readKey(state: StateReader, keyId: Uint8Array): KeyRow | undefined {
  const row = state.get(store.key, keyId)
  if (row === undefined) return undefined
  assert(row.length === keyRowBytes, 'a key row has 66 bytes')
  return {
    entity: row.subarray(0, 32),
    kind: row[32],
    revoked: row[33] === 1,
    publicKey: row.subarray(34),
  }
}

function writeKey(overlay: Overlay, keyId: Uint8Array, key: KeyRow): void {
  const row = concatBytes(key.entity, new Uint8Array([key.kind, key.revoked ? 1 : 0]), key.publicKey)
  assert(row.length === keyRowBytes, 'a key row has 66 bytes')
  overlay.set(store.key, keyId, row)
}

export function readEntity(state: StateReader, entity: Uint8Array): EntityRow | undefined {
  const row = state.get(store.entity, entity)
  return row === undefined ? undefined : decodeRow<EntityRow>(entityRow, row)
}

/** Records a new entity; `publicKey` is left out for nodes and contracts, which sign no transactions. */
export function putEntity(
  overlay: Overlay,
  hash: Hash,
  entity: { id: Uint8Array; kind: number; label: string; publicKey?: Uint8Array },
): void {
  overlay.set(
    store.entity,
    entity.id,
    encodeRow(entityRow, { kind: entity.kind, label: entity.label, keys: [] }),
  )
  if (entity.publicKey) putKey(overlay, hash, entity.id, entity.publicKey)
}

/** Adds a key to an entity that exists. */
export function putKey(overlay: Overlay, hash: Hash, entity: Uint8Array, publicKey: Uint8Array): void {
  const row = readEntity(overlay, entity)
  assert(row !== undefined, 'a key belongs to a known entity')
  const keyId = keyIdOf(hash, publicKey)
  overlay.set(store.entity, entity, encodeRow(entityRow, { ...row, keys: [...row.keys, keyId] }))
  writeKey(overlay, keyId, { entity, kind: row.kind, revoked: false, publicKey })
}

export function revokeKey(overlay: Overlay, keyId: Uint8Array): void {
  const key = readKey(overlay, keyId)
  assert(key !== undefined, 'only a known key is revoked')
  writeKey(overlay, keyId, { ...key, revoked: true })
}
