// Hashing seams. SHA-256 everywhere; the implementation is injected (native in the node, @noble/hashes in
// a browser).
import { concatBytes, utf8 } from './bytes.js'

/** SHA-256: any bytes to 32 bytes. */
export type Hash = (bytes: Uint8Array) => Uint8Array

export const hashBytes = 32
export const zeroHash: Uint8Array = new Uint8Array(hashBytes)

/** SHA-256(domain ‖ parts). Domains end in a version and are never reused for another meaning. */
export function hashWithDomain(hash: Hash, domain: string, ...parts: Uint8Array[]): Uint8Array {
  return hash(concatBytes(utf8(domain), ...parts))
}

/**
 * Root of an ordered list: RFC 6962 (leaf prefix 0x00, inner prefix 0x01, left subtree the largest power
 * of two).
 * The root of an empty list is 32 zero bytes.
 */
export function listRoot(hash: Hash, items: readonly Uint8Array[]): Uint8Array {
  if (items.length === 0) return zeroHash
  return rootOf(
    hash,
    items.map((item) => hash(leafMessage(item))),
  )
}

/**
 * Messages are laid out in one buffer that every leaf uses again: a block has thousands of them, and memory
 * of their own costs as much as hashing them. `hash` never keeps what it is given.
 */
let leafBytes = new Uint8Array(4_096)

function leafMessage(item: Uint8Array): Uint8Array {
  if (item.length + 1 > leafBytes.length) leafBytes = new Uint8Array(2 * (item.length + 1))
  leafBytes.set(item, 1)
  return leafBytes.subarray(0, item.length + 1)
}

const innerMessage = new Uint8Array(1 + 2 * hashBytes)
innerMessage[0] = 1

function rootOf(hash: Hash, level: Uint8Array[]): Uint8Array {
  // Pairing level by level with an odd last node carried up gives exactly the RFC 6962 shape.
  let nodes = level
  while (nodes.length > 1) {
    const parents: Uint8Array[] = []
    for (let index = 0; index < nodes.length; index += 2) {
      const right = nodes[index + 1]
      if (right === undefined) {
        parents.push(nodes[index])
        continue
      }
      innerMessage.set(nodes[index], 1)
      innerMessage.set(right, 1 + hashBytes)
      parents.push(hash(innerMessage))
    }
    nodes = parents
  }
  return nodes[0]
}
