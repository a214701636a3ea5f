// Proofs against the definition, byte for byte: random trees, keys whose paths share long prefixes, empty
// halves on the way, and nothing at all.
import fc from 'fast-check'
import t from 'tap'
import { bytesToHex } from '../protocol/bytes.js'
import {
  compareWrites,
  encodePointKey,
  MemoryPages,
  StateTree,
  verifyProof,
  type StateWrite,
} from './index.js'
import { naiveProof, naiveRoot, sha256, testSalt } from './naive-tree.fixture.js'

const store = '$record'
const storeKey = new Uint8Array(Buffer.from(store, 'latin1'))
const keyOf = (number: number): Uint8Array =>
  encodePointKey(new Uint8Array([number >>> 24, number >>> 16, number >>> 8, number]))
const valueOf = (number: number): Uint8Array => new Uint8Array([number, number >>> 8])

function treeOf(numbers: readonly number[]): StateTree {
  const pages = new MemoryPages()
  const tree = StateTree.open(pages, sha256, testSalt)
  const writes: StateWrite[] = [...new Set(numbers)]
    .map((number) => ({ store, key: keyOf(number), value: valueOf(number) }))
    .sort(compareWrites)
  const update = tree.update(writes)
  pages.apply(update.pageWrites)
  tree.accept(update)
  return tree
}

/** The definition's state proof: the store under its name, then the key in the store. */
function naiveStateProof(numbers: readonly number[], key: Uint8Array): Uint8Array {
  const entries = [...new Set(numbers)].map((number): [Uint8Array, Uint8Array] => [
    keyOf(number),
    valueOf(number),
  ])
  const stores: [Uint8Array, Uint8Array][] = entries.length === 0 ? [] : [[storeKey, naiveRoot(entries)]]
  const top = naiveProof(stores, storeKey)
  const sub = entries.length === 0 ? new Uint8Array(0) : naiveProof(entries, key)
  return new Uint8Array(Buffer.concat([new Uint8Array([1, top.length & 255, top.length >> 8]), top, sub]))
}

function failures(numbers: readonly number[], asked: readonly number[]): string[] {
  const tree = treeOf(numbers)
  return asked.flatMap((number) => {
    const key = keyOf(number)
    const proof = tree.prove(store, key)
    const value = numbers.includes(number) ? valueOf(number) : undefined
    const isDefinition = Buffer.compare(proof, naiveStateProof(numbers, key)) === 0
    const claim = { root: tree.root, leafSalt: testSalt, store, key, value }
    const holds = verifyProof(claim, proof, sha256).ok
    const other = value === undefined ? new Uint8Array([1]) : undefined
    const lies = verifyProof({ ...claim, value: other }, proof, sha256).ok
    return isDefinition && holds && !lies ? [] : [`${number}: ${isDefinition} ${holds} ${lies}`]
  })
}

t.test('random trees: each proof is the one of the definition', async (t) => {
  const numbers = fc.array(fc.nat(400), { maxLength: 90 })
  fc.assert(
    fc.property(numbers, fc.array(fc.nat(400), { maxLength: 8 }), (present, asked) => {
      t.same(failures(present, [...present.slice(0, 8), ...asked]), [])
    }),
    { numRuns: 40, seed: 20_261_122 },
  )
})

/** Numbers of keys whose paths begin with the same `bits` bits, found by trying. */
function withSharedPrefix(bits: number, count: number): number[] {
  const groups = new Map<number, number[]>()
  for (let number = 0; ; number += 1) {
    const path = sha256(keyOf(number))
    const prefix = ((path[0] << 16) | (path[1] << 8) | path[2]) >>> (24 - bits)
    const group = [...(groups.get(prefix) ?? []), number]
    if (group.length === count) return group
    groups.set(prefix, group)
  }
}

t.test('keys that share a long prefix: empty halves on the way, absent between present', async (t) => {
  const twins = withSharedPrefix(18, 4)
  for (const present of [twins.slice(0, 1), twins.slice(0, 2), twins.slice(0, 3)]) {
    t.same(failures(present, twins), [], `${present.length} of four twins are there`)
  }
  const depthOf = (numbers: number[], asked: number): number => {
    const proof = treeOf(numbers).prove(store, keyOf(asked))
    const topBytes = proof[1] + proof[2] * 256
    return proof[3 + topBytes + 2]
  }
  t.ok(depthOf(twins.slice(0, 2), twins[0]) > 18, 'the fork lies below the shared prefix')
  t.equal(depthOf(twins.slice(0, 1), twins[1]), 0, 'one key alone is the root, whoever asks')
  const crowd = [...twins.slice(0, 3), ...Array.from({ length: 200 }, (_, index) => 1_000_000 + index)]
  t.same(failures(crowd, [...twins, 1_000_000, 2_000_000]), [], 'among others, over several pages')
})

t.test('nothing at all, and a store that is not there', async (t) => {
  t.same(failures([], [1, 2]), [])
  const tree = treeOf([1])
  const key = keyOf(1)
  const proof = tree.prove('acme/none', key)
  const claim = { root: tree.root, leafSalt: testSalt, store: 'acme/none', key, value: undefined }
  t.ok(verifyProof(claim, proof, sha256).ok)
  t.notOk(verifyProof({ ...claim, store }, proof, sha256).ok, 'not of a store that is there')
  t.notOk(verifyProof({ ...claim, value: valueOf(1) }, proof, sha256).ok)
  const empty = treeOf([])
  t.equal(bytesToHex(empty.root), '00'.repeat(32))
  t.notOk(verifyProof({ ...claim, root: empty.root, store }, tree.prove(store, key), sha256).ok)
})
