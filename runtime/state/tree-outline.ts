// The outline of a tree: which pages there are and their hashes, without the leaves. A tree that was closed
// in order opens from it without reading a page. Whoever reads it compares the root: an outline of another
// state gives another root, and what a page really holds is checked when it is loaded.
//
//   outline   version u8 = 1 | store count u32 LE | (name length u8 | name | node)*, stores sorted
//   node      in preorder: 1 = fork (left, right follow) | 2 = empty | 3 = page: leaf count u16 LE | hash 32
import { assert } from '../protocol/result.js'
import { pageId } from './page-id.js'
import { Bucket, createFork, emptyBucket, type TreeNode } from './subtree.js'
import { hashBytes, hashText, pathBits, putHashText, type TreeHasher } from './tree-hash.js'

const outlineVersion = 1
const tagFork = 1
const tagEmpty = 2
const tagPage = 3
const pageNodeBytes = 3 + hashBytes

export function encodeOutline(stores: ReadonlyMap<string, TreeNode>): Uint8Array {
  const names = [...stores.keys()].sort()
  const writer = new OutlineWriter()
  writer.byte(outlineVersion)
  for (let shift = 0; shift < 32; shift += 8) writer.byte((names.length >>> shift) & 0xff)
  for (const name of names) {
    writer.byte(name.length)
    for (let index = 0; index < name.length; index += 1) writer.byte(name.charCodeAt(index))
    writer.node(stores.get(name) ?? emptyBucket)
  }
  return writer.finish()
}

class OutlineWriter {
  #bytes = new Uint8Array(65_536)
  #length = 0

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  node(node: TreeNode): void {
    if (node.isFork) {
      this.byte(tagFork)
      this.node(node.left)
      this.node(node.right)
      return
    }
    if (node.leafCount === 0) return this.byte(tagEmpty)
    this.#reserve(pageNodeBytes)
    const at = this.#length
    this.#bytes[at] = tagPage
    this.#bytes[at + 1] = node.leafCount & 0xff
    this.#bytes[at + 2] = node.leafCount >>> 8
    putHashText(node.hashText, this.#bytes, at + 3)
    this.#length += pageNodeBytes
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #reserve(byteCount: number): void {
    if (this.#length + byteCount <= this.#bytes.length) return
    const grown = new Uint8Array(2 * this.#bytes.length)
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

/** The stores' subtrees, every fork hashed anew; undefined when the bytes are no outline. */
export function decodeOutline(bytes: Uint8Array, hasher: TreeHasher): Map<string, TreeNode> | undefined {
  const reader = new OutlineReader(bytes, hasher)
  try {
    return reader.stores()
  } catch (error) {
    if (error instanceof NoOutline) return undefined
    throw error
  }
}

class NoOutline extends Error {}

class OutlineReader {
  readonly #bytes: Uint8Array
  readonly #hasher: TreeHasher
  readonly #path = new Uint8Array(hashBytes)
  #store = ''
  #at = 0

  constructor(bytes: Uint8Array, hasher: TreeHasher) {
    this.#bytes = bytes
    this.#hasher = hasher
  }

  stores(): Map<string, TreeNode> {
    if (this.#byte() !== outlineVersion) throw new NoOutline()
    let count = 0
    for (let shift = 0; shift < 32; shift += 8) count += this.#byte() * 2 ** shift
    const stores = new Map<string, TreeNode>()
    for (; count > 0; count -= 1) {
      let name = ''
      for (let left = this.#byte(); left > 0; left -= 1) name += String.fromCharCode(this.#byte())
      this.#store = name
      stores.set(name, this.#node(0))
    }
    if (this.#at !== this.#bytes.length) throw new NoOutline()
    return stores
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) throw new NoOutline()
    return this.#bytes[this.#at++]
  }

  #node(depth: number): TreeNode {
    const tag = this.#byte()
    if (tag === tagEmpty) return emptyBucket
    if (tag === tagPage) return this.#page(depth)
    if (tag !== tagFork || depth >= pathBits) throw new NoOutline()
    const left = this.#node(depth + 1)
    const bit = 0x80 >>> (depth & 7)
    this.#path[depth >>> 3] |= bit
    const right = this.#node(depth + 1)
    this.#path[depth >>> 3] &= ~bit
    return createFork(left, right, this.#hasher)
  }

  #page(depth: number): Bucket {
    const leafCount = this.#byte() + 256 * this.#byte()
    if (this.#at + hashBytes > this.#bytes.length || leafCount === 0) throw new NoOutline()
    const hash = hashText(this.#bytes, this.#at)
    this.#at += hashBytes
    const id = pageId(this.#store, this.#path, 0, depth)
    assert(depth <= pathBits, 'a page lies on a path')
    return new Bucket(id, leafCount, hash, undefined)
  }
}
