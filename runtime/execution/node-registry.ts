// The nodes of the network as state: `$node`. The transport's book, its allow-list and its dial list follow
// these rows.
//
//   point 0x00 ‖ entity 32          the row of a node, listed or removed
//   point 0x01 ‖ transport key 32   entity: no key is listed twice
//   point 0x02 ‖ name ascii         entity: no name is listed twice
//   point 0x03                      how many nodes there ever were, u32 BE
//   ordered table 0, by number      entity
import { concatBytes, equalBytes, u32Bytes, utf8 } from '../protocol/bytes.js'
import { entityKind, keyIdOf } from '../protocol/entity.js'
import type { Hash } from '../protocol/hash.js'
import { nodeRoles, type NodeCardFields, type NodeRole } from '../protocol/membership.js'
import { assert } from '../protocol/result.js'
import type { Schema } from '../protocol/borsh.js'
import type { Overlay } from '../state/overlay.js'
import { orderMax, type StateReader } from '../state/store-interface.js'
import { putEntity, putKey, readEntity, readKey, revokeKey } from './entities.js'
import { decodeRow, encodeRow, store } from './kernel-tables.js'

/** Nodes that one network lists, removed ones included. */
export const nodesMax = 4_096

const nodeRow: Schema = {
  struct: [
    ['number', 'u32'],
    ['name', 'string'],
    ['role', 'u8'],
    ['voteKey', { fixed: 32 }],
    ['transportKey', { fixed: 32 }],
    ['host', 'string'],
    ['port', 'u16'],
    ['listed', 'bool'],
    /** Height of the last change. */
    ['since', 'u64'],
  ],
}
export interface NodeRow extends NodeCardFields {
  number: number
  listed: boolean
  since: bigint
}

/** A node as the host sees it. */
export interface NodeEntry {
  entity: Uint8Array
  /** Place in the list of all nodes that there ever were; never given twice. */
  number: number
  name: string
  role: NodeRole
  voteKey: Uint8Array
  transportKey: Uint8Array
  host: string
  port: number
  listed: boolean
}

const rowTag = 0
const transportTag = 1
const nameTag = 2
const countKey = new Uint8Array([3])
const everywhere = new Uint8Array(0)
const listTable = 0

const tagged = (tag: number, bytes: Uint8Array): Uint8Array => concatBytes(new Uint8Array([tag]), bytes)

export function readNode(state: StateReader, entity: Uint8Array): NodeRow | undefined {
  const row = state.get(store.node, tagged(rowTag, entity))
  return row === undefined ? undefined : decodeRow<NodeRow>(nodeRow, row)
}

export const nodeOfTransportKey = (state: StateReader, key: Uint8Array): Uint8Array | undefined =>
  state.get(store.node, tagged(transportTag, key))

export const nodeOfName = (state: StateReader, name: string): Uint8Array | undefined =>
  state.get(store.node, tagged(nameTag, utf8(name)))

/** Every node that there ever was, by number. */
export function listNodes(state: StateReader): NodeEntry[] {
  const rows = state.scan(store.node, listTable, everywhere, 0n, orderMax, nodesMax)
  return rows.map(({ value: entity }) => {
    const row = readNode(state, entity)
    assert(row !== undefined, 'a numbered node has a row')
    const { number, name, role, voteKey, transportKey, host, port, listed } = row
    return { entity, number, name, role: nodeRoles[role], voteKey, transportKey, host, port, listed }
  })
}

export function nodeCount(state: StateReader): number {
  const row = state.get(store.node, countKey)
  return row === undefined ? 0 : new DataView(row.buffer, row.byteOffset, 4).getUint32(0)
}

/** Lists a new node; the caller has checked that key and name are free and that there is room. */
export function putNode(
  overlay: Overlay,
  hash: Hash,
  node: { entity: Uint8Array; card: NodeCardFields; height: number },
): void {
  const { entity, card, height } = node
  assert(readNode(overlay, entity) === undefined, 'a node is listed once')
  const number = nodeCount(overlay)
  overlay.set(store.node, countKey, u32Bytes(number + 1))
  overlay.orderedPut(store.node, listTable, everywhere, BigInt(number), entity)
  if (readEntity(overlay, entity) === undefined) {
    const { name: label, voteKey: publicKey } = card
    putEntity(overlay, hash, { id: entity, kind: entityKind.node, label, publicKey })
  }
  write(overlay, entity, { ...card, number, listed: true, since: BigInt(height) })
}

/**
 * New transport key, address, role or vote key of a listed node. With a new vote key it signs its own
 * transactions from now on, with the old one it signs nothing more.
 */
export function changeNode(
  overlay: Overlay,
  hash: Hash,
  entity: Uint8Array,
  change: Partial<Omit<NodeCardFields, 'name'>>,
  height: number,
): void {
  const row = readNode(overlay, entity)
  assert(row?.listed === true, 'only a listed node is changed')
  if (change.voteKey !== undefined && !equalBytes(change.voteKey, row.voteKey)) {
    endKey(overlay, hash, row.voteKey)
    if (readKey(overlay, keyIdOf(hash, change.voteKey)) === undefined)
      putKey(overlay, hash, entity, change.voteKey)
  }
  overlay.remove(store.node, tagged(transportTag, row.transportKey))
  write(overlay, entity, { ...row, ...change, since: BigInt(height) })
}

/** From the next block on nobody talks to it; name and keys are free again, its row tells that it was. */
export function delistNode(overlay: Overlay, hash: Hash, entity: Uint8Array, height: number): void {
  const row = readNode(overlay, entity)
  assert(row?.listed === true, 'only a listed node is removed')
  endKey(overlay, hash, row.voteKey)
  overlay.remove(store.node, tagged(transportTag, row.transportKey))
  overlay.remove(store.node, tagged(nameTag, utf8(row.name)))
  const gone: NodeRow = { ...row, listed: false, since: BigInt(height) }
  overlay.set(store.node, tagged(rowTag, entity), encodeRow(nodeRow, gone))
}

function endKey(overlay: Overlay, hash: Hash, publicKey: Uint8Array): void {
  const keyId = keyIdOf(hash, publicKey)
  if (readKey(overlay, keyId)?.revoked === false) revokeKey(overlay, keyId)
}

function write(overlay: Overlay, entity: Uint8Array, row: NodeRow): void {
  overlay.set(store.node, tagged(rowTag, entity), encodeRow(nodeRow, row))
  overlay.set(store.node, tagged(transportTag, row.transportKey), entity)
  overlay.set(store.node, tagged(nameTag, utf8(row.name)), entity)
}
