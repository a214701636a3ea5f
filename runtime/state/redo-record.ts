// What one update changed, as a store keeps it beside pages that are written later: enough to bring an older
// page up to the update, and to any later one by the records after it.
//
//   record   store*
//   store    name length u8 | name | leaf count u32 BE | (path 32 | valueHash 32)*, in path order
//
// A removed leaf has 32 zero bytes for its value hash; no SHA-256 of a value is known to give them.
import { changeBytes, type Changes } from './tree-page.js'
import { hashBytes } from './tree-hash.js'

export interface StoreChanges {
  store: string
  changes: Changes
}

export function redoBytes(parts: readonly StoreChanges[]): number {
  return parts.reduce((sum, { store, changes }) => sum + 5 + store.length + changes.cells.length, 0)
}

export function encodeRedo(parts: readonly StoreChanges[]): Uint8Array {
  const bytes = new Uint8Array(redoBytes(parts))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { store, changes } of parts) {
    bytes[at++] = store.length
    for (let index = 0; index < store.length; index += 1) bytes[at++] = store.charCodeAt(index)
    view.setUint32(at, changes.count)
    at += 4
    bytes.set(changes.cells, at)
    for (let index = 0; index < changes.count; index += 1) {
      const valueHash = at + index * changeBytes + hashBytes
      if (changes.removed[index] === 1) bytes.fill(0, valueHash, valueHash + hashBytes)
    }
    at += changes.cells.length
  }
  return bytes
}

/** Undefined when the bytes are no record. */
export function decodeRedo(bytes: Uint8Array): StoreChanges[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: StoreChanges[] = []
  for (let at = 0; at < bytes.length;) {
    const nameEnd = at + 1 + bytes[at]
    if (nameEnd + 4 > bytes.length) return undefined
    const store = String.fromCharCode(...bytes.subarray(at + 1, nameEnd))
    const count = view.getUint32(nameEnd)
    at = nameEnd + 4 + count * changeBytes
    if (at > bytes.length) return undefined
    const cells = bytes.slice(nameEnd + 4, at)
    const removed = new Uint8Array(count)
    for (let index = 0; index < count; index += 1) {
      const valueHash = index * changeBytes + hashBytes
      if (cells.subarray(valueHash, valueHash + hashBytes).every((byte) => byte === 0)) removed[index] = 1
    }
    parts.push({ store, changes: { cells, removed, count } })
  }
  return parts
}
