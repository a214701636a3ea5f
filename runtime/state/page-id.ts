// Page ids: store name and path prefix. Inside the tree they are text (one char a byte), to key a Map.
//
//   id   store name length u8 | store name | depth u16 BE | first `depth` bits of the path, zero padded to
// a byte
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

/** `prefix` is text of '0' and '1', as long as the depth. Undefined when the bytes are not an id. */
export function parsePageId(id: Uint8Array): { store: string; prefix: string } | undefined {
  const storeLength = id[0] ?? 0
  if (id.length < 1 + storeLength + 2) return undefined
  const store = String.fromCharCode(...id.subarray(1, 1 + storeLength))
  const depth = id[1 + storeLength] * 256 + id[2 + storeLength]
  const path = id.subarray(3 + storeLength)
  if (depth > pathBits || path.length !== Math.ceil(depth / 8)) return undefined
  let prefix = ''
  for (const byte of path) prefix += byte.toString(2).padStart(8, '0')
  if (prefix.slice(depth).includes('1')) return undefined
  return { store, prefix: prefix.slice(0, depth) }
}
