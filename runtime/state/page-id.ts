// Page ids: store name and path prefix. Inside the tree they are text (one char a byte), to key a Map.
//
//   id   store name length u8 | store name | depth u16 BE | first `depth` bits of the path, zero padded to
// a byte
import { bytesToText } from './state-keys.js'
import { pathBits } from './tree-hash.js'

export function pageId(store: string, path: Uint8Array, pathOffset: number, depth: number): string {
  const chars = [store.length]
  for (let index = 0; index < store.length; index += 1) chars.push(store.charCodeAt(index))
  chars.push(depth >>> 8, depth & 0xff)
  const wholeBytes = depth >>> 3
  for (let index = 0; index < wholeBytes; index += 1) chars.push(path[pathOffset + index])
  const rest = depth & 7
  if (rest !== 0) chars.push(path[pathOffset + wholeBytes] & (0xff00 >>> rest) & 0xff)
  // At once: text that is put together from parts stays in parts, which take several times the memory.
  return String.fromCharCode(...chars)
}

export function pageIdBytes(id: string): Uint8Array {
  const bytes = new Uint8Array(id.length)
  for (let index = 0; index < id.length; index += 1) bytes[index] = id.charCodeAt(index)
  return bytes
}

/** Where a page lies: below the first `depth` bits of its path. */
export interface PagePlace {
  store: string
  /** The id as text. */
  id: string
  depth: number
  /** The path's first 32 bits; zeros from `depth` on. */
  head: number
}

const pathStart = (store: string): number => 3 + store.length

/** A byte of the path that an id names, zero behind its end. */
export function pathByteOf({ store, id }: PagePlace, index: number): number {
  const at = pathStart(store) + index
  return at < id.length ? id.charCodeAt(at) : 0
}

/** Undefined when the bytes are not an id. */
export function parsePageId(bytes: Uint8Array): PagePlace | undefined {
  const id = bytesToText(bytes)
  const storeLength = bytes[0] ?? 0
  if (bytes.length < 1 + storeLength + 2) return undefined
  const store = id.slice(1, 1 + storeLength)
  const depth = bytes[1 + storeLength] * 256 + bytes[2 + storeLength]
  const from = pathStart(store)
  if (depth > pathBits || bytes.length - from !== Math.ceil(depth / 8)) return undefined
  const rest = depth & 7
  if (rest !== 0 && (bytes[bytes.length - 1] & (0xff >>> rest)) !== 0) return undefined
  let head = 0
  for (let index = 0; index < 4; index += 1) head = head * 256 + (bytes[from + index] ?? 0)
  return { store, id, depth, head }
}
