// Hashing seams. SHA-256 everywhere; the implementation is injected (native in the node, @noble/hashes in
// a browser).
import { utf8 } from './bytes.js'

/** SHA-256: any bytes to 32 bytes. */
export type Hash = (bytes: Uint8Array) => Uint8Array

export const hashBytes = 32
export const zeroHash: Uint8Array = new Uint8Array(hashBytes)

/** SHA-256(domain ‖ parts). Domains end in a version and are never reused for another meaning. */
export function hashWithDomain(hash: Hash, domain: string, ...parts: Uint8Array[]): Uint8Array {
  return hash(joined.join(domainBytes(domain), parts))
}

const domains = new Map<string, Uint8Array>()

/** Domains are constants of ours: a few dozen. */
function domainBytes(domain: string): Uint8Array {
  let bytes = domains.get(domain)
  if (bytes === undefined) {
    bytes = utf8(domain)
    domains.set(domain, bytes)
  }
  return bytes
}

/**
 * Messages of any length in one place, with the views kept by length. A native hash that is given a small
 * array of its own makes V8 move that array, which costs as much as hashing it, and a block hashes thousands.
 * A view is valid until the next call: `hash` never keeps what it is given.
 */
export class MessageBuffer {
  readonly #start: Uint8Array
  #bytes: Uint8Array
  readonly #views: (Uint8Array | undefined)[] = []

  /** `start`: bytes in front of every message. */
  constructor(start: Uint8Array) {
    this.#start = start
    this.#bytes = new Uint8Array(Math.max(1_024, 2 * start.length))
    this.#bytes.set(start)
  }

  /** A view of this length, the start included. */
  take(byteCount: number): Uint8Array {
    if (byteCount > this.#bytes.length) {
      this.#bytes = new Uint8Array(2 * byteCount)
      this.#bytes.set(this.#start)
      this.#views.length = 0
    }
    if (byteCount >= viewBytesMax) return this.#bytes.subarray(0, byteCount)
    return (this.#views[byteCount] ??= this.#bytes.subarray(0, byteCount))
  }

  /** `first` and `parts` behind the start. */
  join(first: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
    let byteCount = this.#start.length + first.length
    for (const part of parts) byteCount += part.length
    const view = this.take(byteCount)
    view.set(first, this.#start.length)
    let offset = this.#start.length + first.length
    for (const part of parts) {
      view.set(part, offset)
      offset += part.length
    }
    return view
  }
}

/** Longer messages are rare, and their views cheap beside hashing them. */
const viewBytesMax = 1_024

const joined = new MessageBuffer(new Uint8Array(0))

/**
 * Root of an ordered list: RFC 6962 (leaf prefix 0x00, inner prefix 0x01, left subtree the largest power
 * of two).
 * The root of an empty list is 32 zero bytes.
 */
export function listRoot(hash: Hash, items: readonly Uint8Array[]): Uint8Array {
  if (items.length === 0) return zeroHash
  return rootOf(
    hash,
    items.map((item) => hash(leafMessages.join(item, noParts))),
  )
}

const leafMessages = new MessageBuffer(new Uint8Array(1))
const noParts: readonly Uint8Array[] = []

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
