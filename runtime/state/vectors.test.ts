// Golden vectors: state roots and proofs are part of the protocol. A change here is a new protocol version.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { bytesToHex } from '../protocol/bytes.js'
import { MemoryPages, StateTree, verifyProof, type StateWrite } from './index.js'
import { naiveStateRoot, sha256, testSalt } from './naive-tree.fixture.js'

interface VectorFile {
  leafSalt: string
  cases: {
    name: string
    entries: { store: string; key: string; value: string }[]
    root: string
    proofs: { store: string; key: string; value: string | null; proof: string }[]
  }[]
}

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const file = JSON.parse(readFileSync('runtime/state/vectors/state-roots.json', 'utf8')) as VectorFile

for (const { name, entries, root, proofs } of file.cases) {
  t.test(name, async (t) => {
    t.equal(file.leafSalt, bytesToHex(testSalt))
    const writes: StateWrite[] = entries.map(({ store, key, value }) => ({
      store,
      key: bytes(key),
      value: bytes(value),
    }))
    const tree = StateTree.open(new MemoryPages(), sha256, testSalt)
    tree.accept(tree.update(writes))
    t.equal(bytesToHex(tree.root), root)
    const model = new Map<string, Map<string, Uint8Array>>()
    for (const { store, key, value } of entries) {
      const values = model.get(store) ?? new Map<string, Uint8Array>()
      model.set(store, values.set(key, bytes(value)))
    }
    t.equal(bytesToHex(naiveStateRoot(model)), root, 'the definition agrees')
    for (const { store, key, value, proof } of proofs) {
      t.equal(bytesToHex(tree.prove(store, bytes(key))), proof)
      const claim = { root: bytes(root), leafSalt: testSalt, store, key: bytes(key) }
      const claimed = value === null ? undefined : bytes(value)
      t.ok(verifyProof({ ...claim, value: claimed }, bytes(proof), sha256).ok)
    }
  })
}
