// Proofs against the state root: a key has this value, or a key is absent. The verifier is pure and small,
// the same in the node and in the browser; it trusts nothing but the root, which the caller took from a
// certified result.
//
//   proof        version u8 = 1 | kind u8 | depth u16 LE | bitmap ceil(depth / 8) | siblings 32 each
//                | kind 3: path 32, valueHash 32 of the leaf found instead
//   kind         1 inclusion, 2 absent: empty subtree, 3 absent: another leaf alone in the subtree
//   bitmap       bit j (lowest bit of the first byte first) = sibling j, counted bottom-up, is not empty
//   state proof  version u8 = 1 | top proof length u16 LE | top proof | proof in the store, absent when
// the store is
//
// The top proof shows the store's sub-root (its value) under the store's name, or that the store has no
// keys.
import type { Hash } from '../protocol/hash.js'
import { refused, type Refused } from '../protocol/result.js'
import type { Bucket, TreeNode } from './subtree.js'
import { comparePaths, hashBytes, pathBit, pathBits, sharedPathBits, TreeHasher } from './tree-hash.js'
import { cellOffset, pageLeafCount, RangeHasher, splitIndex, type LeafList } from './tree-page.js'

const proofVersion = 1
const kindInclusion = 1
const kindAbsentEmpty = 2
const kindAbsentOtherLeaf = 3

export interface ProofSource {
  top: TreeNode
  store(name: string): TreeNode | undefined
  hasher: TreeHasher
  load(bucket: Bucket): Uint8Array
}

export function proveStore(source: ProofSource, store: string, key: Uint8Array): Uint8Array {
  const top = prove(source, source.top, asciiBytes(store))
  const node = source.store(store)
  const sub = node === undefined ? new Uint8Array(0) : prove(source, node, key)
  const proof = new Uint8Array(3 + top.length + sub.length)
  proof.set([proofVersion, top.length & 0xff, top.length >>> 8])
  proof.set(top, 3)
  proof.set(sub, 3 + top.length)
  return proof
}

/** Walks from `node` (depth 0) to the key's place and collects what hangs off the path. */
function prove(source: ProofSource, root: TreeNode, key: Uint8Array): Uint8Array {
  const path = new Uint8Array(hashBytes)
  source.hasher.path(key, path, 0)
  const siblings: Uint8Array[] = []
  let node = root
  while (node.isFork) {
    const isRight = pathBit(path, 0, siblings.length) === 1
    siblings.push(isRight ? node.left.hash : node.right.hash)
    node = isRight ? node.right : node.left
  }
  if (node.leafCount === 0) return encodeProof(kindAbsentEmpty, siblings)
  return proveInPage(source, source.load(node), path, siblings)
}

function proveInPage(
  source: ProofSource,
  page: Uint8Array,
  path: Uint8Array,
  siblings: Uint8Array[],
): Uint8Array {
  const ranges = new RangeHasher(source.hasher)
  const count = pageLeafCount(page)
  const list: LeafList = { bytes: page, count, dirty: new Uint8Array(count) }
  let from = 0
  let to = count
  while (to - from > 1) {
    const depth = siblings.length
    const middle = splitIndex(list, from, to, depth)
    const isRight = pathBit(path, 0, depth) === 1
    const sibling = new Uint8Array(hashBytes)
    if (isRight) ranges.hash(list, from, middle, depth + 1, sibling, 0)
    else ranges.hash(list, middle, to, depth + 1, sibling, 0)
    siblings.push(sibling)
    if (isRight) from = middle
    else to = middle
  }
  if (from === to) return encodeProof(kindAbsentEmpty, siblings)
  const cell = cellOffset(from)
  if (comparePaths(page, cell, path, 0) === 0) return encodeProof(kindInclusion, siblings)
  return encodeProof(kindAbsentOtherLeaf, siblings, page.subarray(cell, cell + 2 * hashBytes))
}

/** `siblings` come top-down. */
function encodeProof(
  kind: number,
  siblings: Uint8Array[],
  otherLeaf: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const depth = siblings.length
  const bitmap = new Uint8Array(Math.ceil(depth / 8))
  const present: Uint8Array[] = []
  for (let index = 0; index < depth; index += 1) {
    const sibling = siblings[depth - 1 - index]
    if (isZero(sibling)) continue
    bitmap[index >>> 3] |= 1 << (index & 7)
    present.push(sibling)
  }
  const siblingsAt = 4 + bitmap.length
  const proof = new Uint8Array(siblingsAt + present.length * hashBytes + otherLeaf.length)
  proof.set([proofVersion, kind, depth & 0xff, depth >>> 8])
  proof.set(bitmap, 4)
  present.forEach((sibling, index) => proof.set(sibling, siblingsAt + index * hashBytes))
  proof.set(otherLeaf, siblingsAt + present.length * hashBytes)
  return proof
}

export type ProofCode =
  'PROOF_MALFORMED' | 'PROOF_WRONG_KIND' | 'PROOF_OTHER_LEAF_INVALID' | 'PROOF_ROOT_MISMATCH'

export interface ProofClaim {
  /** State root of a certified result. */
  root: Uint8Array
  leafSalt: Uint8Array
  store: string
  /** Encoded state key (`state-keys.ts`). */
  key: Uint8Array
  /** The value claimed, or undefined for "absent". */
  value: Uint8Array | undefined
}

/**
 * Checks a state proof. Total: any bytes give true or a code. A true answer means: under this root the key
 * has exactly this value, or has none.
 */
export function verifyProof(
  claim: ProofClaim,
  proof: Uint8Array,
  hash: Hash,
): { ok: true } | Refused<ProofCode> {
  const hasher = new TreeHasher(hash, claim.leafSalt)
  if (proof.length < 3 || proof[0] !== proofVersion) return refused('PROOF_MALFORMED')
  const topBytes = proof[1] + proof[2] * 256
  if (proof.length < 3 + topBytes) return refused('PROOF_MALFORMED')
  const top = decodeProof(proof.subarray(3, 3 + topBytes))
  if (top === undefined) return refused('PROOF_MALFORMED')
  const subBytes = proof.subarray(3 + topBytes)
  const storeKey = asciiBytes(claim.store)
  if (subBytes.length === 0) {
    if (claim.value !== undefined || top.kind === kindInclusion) return refused('PROOF_WRONG_KIND')
    return checkRoot(rootOf(top, storeKey, undefined, hasher), claim.root)
  }
  const sub = decodeProof(subBytes)
  if (sub === undefined) return refused('PROOF_MALFORMED')
  if (top.kind !== kindInclusion) return refused('PROOF_WRONG_KIND')
  if ((claim.value !== undefined) !== (sub.kind === kindInclusion)) return refused('PROOF_WRONG_KIND')
  const subRoot = rootOf(sub, claim.key, claim.value, hasher)
  if (subRoot === undefined) return refused('PROOF_OTHER_LEAF_INVALID')
  return checkRoot(rootOf(top, storeKey, subRoot, hasher), claim.root)
}

interface DecodedProof {
  kind: number
  /** Bottom-up; undefined is the empty subtree. */
  siblings: (Uint8Array | undefined)[]
  /** Path and valueHash, for kind 3. */
  otherLeaf: Uint8Array
}

/** Strict: every proof that decodes encodes back to the same bytes. */
function decodeProof(bytes: Uint8Array): DecodedProof | undefined {
  if (bytes.length < 4 || bytes[0] !== proofVersion) return undefined
  const kind = bytes[1]
  const depth = bytes[2] + bytes[3] * 256
  if (kind < kindInclusion || kind > kindAbsentOtherLeaf || depth > pathBits) return undefined
  const bitmapBytes = Math.ceil(depth / 8)
  if (bytes.length < 4 + bitmapBytes) return undefined
  const siblings: (Uint8Array | undefined)[] = []
  let offset = 4 + bitmapBytes
  for (let index = 0; index < bitmapBytes * 8; index += 1) {
    const isPresent = ((bytes[4 + (index >>> 3)] >>> (index & 7)) & 1) === 1
    if (index >= depth) {
      if (isPresent) return undefined
      continue
    }
    if (!isPresent) {
      // The bottom sibling of a canonical tree is never empty: the subtree would have been cut there.
      if (index === 0) return undefined
      siblings.push(undefined)
      continue
    }
    const sibling = bytes.subarray(offset, offset + hashBytes)
    if (sibling.length !== hashBytes || isZero(sibling)) return undefined
    siblings.push(sibling)
    offset += hashBytes
  }
  const otherLeaf = bytes.subarray(offset)
  if (otherLeaf.length !== (kind === kindAbsentOtherLeaf ? 2 * hashBytes : 0)) return undefined
  return { kind, siblings, otherLeaf }
}

/** The root that the proof leads to; undefined when the other leaf is not a witness of absence. */
function rootOf(
  proof: DecodedProof,
  key: Uint8Array,
  value: Uint8Array | undefined,
  hasher: TreeHasher,
): Uint8Array | undefined {
  const depth = proof.siblings.length
  const cell = new Uint8Array(2 * hashBytes)
  hasher.path(key, cell, 0)
  const node = new Uint8Array(hashBytes)
  if (proof.kind === kindInclusion) {
    if (value === undefined) return undefined
    hasher.valueHash(key, value, cell, hashBytes)
    hasher.leaf(cell, 0, node, 0)
  } else if (proof.kind === kindAbsentOtherLeaf) {
    const shared = sharedPathBits(proof.otherLeaf, 0, cell, 0, 0)
    if (shared < depth || shared === pathBits) return undefined
    hasher.leaf(proof.otherLeaf, 0, node, 0)
  }
  const empty = new Uint8Array(hashBytes)
  proof.siblings.forEach((sibling, index) => {
    const isRight = pathBit(cell, 0, depth - 1 - index) === 1
    const other = sibling ?? empty
    hasher.inner(isRight ? other : node, isRight ? node : other, node, 0)
  })
  return node
}

function checkRoot(root: Uint8Array | undefined, expected: Uint8Array): { ok: true } | Refused<ProofCode> {
  if (root === undefined) return refused('PROOF_OTHER_LEAF_INVALID')
  if (expected.length !== hashBytes || comparePaths(root, 0, expected, 0) !== 0) {
    return refused('PROOF_ROOT_MISMATCH')
  }
  return { ok: true }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

function asciiBytes(text: string): Uint8Array {
  return new Uint8Array(Array.from(text, (char) => char.charCodeAt(0)))
}
