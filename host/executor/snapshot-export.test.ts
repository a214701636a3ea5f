// How long, and for whom, a node keeps its state pinned for others: bounded by time and by peer.
import t from 'tap'
import { decodeGenesis } from '../../runtime/protocol/index.js'
import { StateTree } from '../../runtime/state/index.js'
import { sha256 } from '../keys/crypto.js'
import { nodeFiles } from '../node/node-config.js'
import { createSingleNode, storePassword } from '../node/single-node.fixture.js'
import { openChainStore, openKeyslot } from '../store/index.js'
import { ageMsMax, pinsPerPeerMax, pinsWindowMs, SnapshotExport } from './snapshot-export.js'
import { decodeAnswer, encodeRequest, type Offer } from './snapshot-format.js'

const offerRequest = encodeRequest({ kind: 'offer' })
const tip = new Uint8Array(1)

t.test('a pin ends by its age however busy it is, and a peer has only so many made', async (t) => {
  const single = await createSingleNode()
  await single.node.seal()
  const key = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
  const store = openChainStore(nodeFiles(single.folder).chain, key.toBytes())
  t.teardown(async () => {
    await store.close()
    key.close()
    await single.close()
  })
  const genesis = decodeGenesis(single.genesis)
  if (!genesis.ok) throw new Error(genesis.code)
  const tree = StateTree.open(store, sha256, genesis.value.leafSalt)
  let now = 1_000_000
  let made = 0
  const block = { header: tip, result: tip, certificate: tip, validators: [] }
  const evidence = (): Omit<Offer, 'stores'> => {
    made += 1
    return { block, handovers: [], manifests: [], floor: 0 }
  }
  const exported = new SnapshotExport(store, tree, evidence, () => now)
  t.teardown(() => exported.end())
  const offer = (peer: string): string => decodeAnswer(exported.answer(offerRequest, peer))?.kind ?? 'none'

  t.equal(offer('one'), 'offer')
  t.equal(offer('two'), 'offer', 'the same pin')
  t.equal(made, 1)
  const [{ store: name, hash }] = tree.stores().map((sub) => ({ store: sub, hash: new Uint8Array(32) }))
  const part = { store: name, depth: 0, path: new Uint8Array(32), hash }
  const request = encodeRequest({ kind: 'part', part })
  for (const begun = now; now < begun + ageMsMax; now += 10_000) {
    exported.answer(request, 'busy')
    exported.step(1)
  }
  now += 10_000
  exported.answer(request, 'busy')
  t.notOk(exported.step(1), 'let go in spite of it')
  t.equal(made, 1, 'and asking for parts makes no new one')

  for (let count = 0; count < pinsPerPeerMax; count += 1) {
    t.equal(offer('greedy'), 'offer')
    now += 61_000
    exported.step(1)
  }
  t.equal(offer('greedy'), 'other', 'no more for this peer')
  t.equal(offer('three'), 'offer', 'the others are served')
  t.equal(offer('greedy'), 'offer', 'what is there anyway it may have')
  now += pinsWindowMs
  exported.step(1)
  t.equal(offer('greedy'), 'offer', 'and later again')

  // A pin that is let go before its index is whole gives its place in the engine back: there are 126.
  for (let count = 0; count < 150; count += 1) {
    now += 61_000
    exported.step(0)
    store.putNote('newer', new Uint8Array([count]))
    if (offer(`peer ${count}`) !== 'offer') t.fail(`no pin ${count}`)
  }
  const reader = store.snapshotReader()
  t.equal(reader.height, store.applied()?.height)
  reader.close()
})
