// `ward/appliance` in the real runtime: two persons order a wipe, nodes report, administrators refuse shares.
import t from 'tap'
import { entityKind, nodeProofBytes } from '../runtime/protocol/index.js'
import { signDetached } from '../host/keys/crypto.js'
import { buildContracts } from './build-contracts.js'
import { ContractChain, createSigner, zeroId, type BlockView } from './contract-chain.fixture.js'

// Compiling on a busy machine takes longer than the default of 30 seconds.
t.setTimeout(600_000)
await buildContracts({ quiet: true })

const contracts = ['ward-policy', 'ward-governance', 'ward-appliance']
const alias = 'ward/appliance'

function found() {
  const admin = createSigner(entityKind.person, 'admin')
  const second = createSigner(entityKind.person, 'admin')
  const nurse = createSigner(entityKind.person, 'nurse')
  const node = createSigner(entityKind.node, 'node')
  const peer = createSigner(entityKind.node, 'node')
  return {
    chain: new ContractChain([admin, second, nurse, node, peer], [], contracts),
    ...{ admin, second, nurse, node, peer },
  }
}

const done = (view: BlockView): boolean => view.receipt.status === 0
const wipe = (chain: ContractChain, node: Uint8Array) =>
  chain.view<{ state: number; certificate: Uint8Array }>(alias, 'wipeOrder', { node })

t.test(
  'two different administrators order a wipe; the node begins, an administrator confirms',
  async (t) => {
    const { chain, admin, second, nurse, node, peer } = found()
    const order = { node: node.entity, reason: 'stolen from ward 3' }
    t.equal(wipe(chain, node.entity).state, 0)
    t.notOk(done(chain.call(nurse, alias, 'orderWipe', order)), 'no nurse')
    t.notOk(done(chain.call(node, alias, 'orderWipe', order)), 'no node')
    t.ok(done(chain.call(admin, alias, 'orderWipe', order)))
    t.equal(wipe(chain, node.entity).state, 1, 'requested')
    t.same(chain.view(alias, 'mayRelease', { node: node.entity }), { allowed: true })
    t.notOk(done(chain.call(admin, alias, 'orderWipe', order)), 'not twice the same person')
    const report = { node: node.entity, ended: false, certificate: new Uint8Array(32).fill(4) }
    t.notOk(done(chain.call(node, alias, 'reportWipe', report)), 'a request is no order')
    t.ok(done(chain.call(second, alias, 'orderWipe', order)))
    t.equal(wipe(chain, node.entity).state, 2, 'ordered')
    t.same(chain.view(alias, 'mayRelease', { node: node.entity }), { allowed: false }, 'no key any more')
    t.notOk(done(chain.call(second, alias, 'withdrawWipe', { node: node.entity })), 'too late')
    t.notOk(done(chain.call(peer, alias, 'reportWipe', report)), 'another node cannot begin it')
    const ended = { node: node.entity, ended: true, certificate: new Uint8Array(32).fill(5) }
    const confirmed = { node: node.entity, certificate: ended.certificate }
    t.notOk(done(chain.call(peer, alias, 'reportWipe', ended)), 'another node cannot cancel it')
    t.notOk(done(chain.call(node, alias, 'reportWipe', ended)), 'what has not begun does not end')
    t.ok(done(chain.call(admin, alias, 'confirmWipe', confirmed)), 'an administrator alone is noted')
    t.notOk(done(chain.call(admin, alias, 'confirmWipe', confirmed)), 'and does not count twice')
    t.equal(wipe(chain, node.entity).state, 2, 'still to be obeyed')
    chain.call(admin, alias, 'setRelease', { node: node.entity, allowed: true })
    t.same(chain.view(alias, 'mayRelease', { node: node.entity }), { allowed: false }, 'the order stands')
    t.ok(done(chain.call(node, alias, 'reportWipe', report)))
    t.equal(wipe(chain, node.entity).state, 3)
    t.same(chain.view(alias, 'mayRelease', { node: node.entity }), { allowed: false }, 'begun is not ended')
    t.notOk(done(chain.call(peer, alias, 'reportWipe', ended)), 'nor can it end it')
    t.notOk(done(chain.call(peer, alias, 'confirmWipe', confirmed)), 'which is an administrator')
    t.ok(done(chain.call(admin, alias, 'confirmWipe', confirmed)))
    t.match(wipe(chain, node.entity), { state: 4, certificate: confirmed.certificate })
  },
)

t.test('a node that never said that it began is confirmed by two, with one certificate', async (t) => {
  const { chain, admin, second, nurse, node } = found()
  const order = { node: node.entity, reason: 'cut off' }
  const end = { node: node.entity, certificate: new Uint8Array(32).fill(5) }
  t.notOk(done(chain.call(admin, alias, 'confirmWipe', end)), 'nothing is ordered')
  for (const signer of [admin, second]) t.ok(done(chain.call(signer, alias, 'orderWipe', order)))
  t.notOk(done(chain.call(nurse, alias, 'confirmWipe', end)))
  t.ok(done(chain.call(admin, alias, 'confirmWipe', end)))
  const other = { ...end, certificate: new Uint8Array(32).fill(6) }
  t.ok(done(chain.call(second, alias, 'confirmWipe', other)), 'another certificate is another claim')
  t.equal(wipe(chain, node.entity).state, 2)
  t.ok(done(chain.call(admin, alias, 'confirmWipe', other)))
  t.match(wipe(chain, node.entity), { state: 4, certificate: other.certificate })
  for (const signer of [admin, second]) t.ok(done(chain.call(signer, alias, 'orderWipe', order)))
  t.ok(done(chain.call(second, alias, 'confirmWipe', other)), 'an order of later begins at nothing')
  t.equal(wipe(chain, node.entity).state, 2)
})

t.test('a request can be taken back, once', async (t) => {
  const { chain, admin, second, node } = found()
  t.ok(done(chain.call(admin, alias, 'orderWipe', { node: node.entity, reason: '' })))
  t.ok(done(chain.call(second, alias, 'withdrawWipe', { node: node.entity })))
  t.notOk(done(chain.call(second, alias, 'withdrawWipe', { node: node.entity })))
  t.equal(wipe(chain, node.entity).state, 0)
  t.ok(done(chain.call(second, alias, 'orderWipe', { node: node.entity, reason: '' })))
  t.equal(wipe(chain, node.entity).state, 1, 'begins anew')
})

t.test('releases are kept once, and refused by an administrator', async (t) => {
  const { chain, admin, nurse, node, peer } = found()
  const release = { node: node.entity, generation: 3, releasedAt: 1_700_000_000_000n }
  t.ok(done(chain.call(peer, alias, 'recordRelease', release)))
  t.ok(done(chain.call(peer, alias, 'recordRelease', release)), 'reported again after a crash')
  t.notOk(done(chain.call(nurse, alias, 'recordRelease', release)))
  const { releases } = chain.view<{ releases: { peer: Uint8Array; generation: number }[] }>(
    alias,
    'releasesOf',
    { node: node.entity, fromHeight: 0n },
  )
  t.equal(releases.length, 1)
  t.match(releases[0], { generation: 3 })
  t.same(releases[0].peer, peer.entity)
  t.ok(done(chain.call(admin, alias, 'setRelease', { node: node.entity, allowed: false })))
  t.notOk(done(chain.call(admin, alias, 'setRelease', { node: node.entity, allowed: false })), 'already')
  t.same(chain.view(alias, 'mayRelease', { node: node.entity }), { allowed: false })
  t.ok(done(chain.call(admin, alias, 'setRelease', { node: node.entity, allowed: true })))
  t.same(chain.view(alias, 'mayRelease', { node: zeroId }), { allowed: true })
})

t.test('a node that is admitted has role node at once; nobody else gives it so', async (t) => {
  const { chain, admin, nurse } = found()
  const fresh = createSigner(entityKind.node)
  const release = { node: fresh.entity, generation: 1, releasedAt: 1_700_000_000_000n }
  const card = {
    name: 'ward-4',
    role: 1,
    voteKey: fresh.key.publicKey,
    transportKey: new Uint8Array(32).fill(7),
    host: '10.0.0.4',
    port: 0,
  }
  const proof = signDetached(fresh.key, nodeProofBytes(chain.chainId, card))
  const admission = { ...card, proof }
  const spoilt = { ...admission, proof: new Uint8Array(64) }
  t.notOk(done(chain.call(admin, 'ward/governance', 'admitNode', spoilt)))
  const rolesOf = (): string[] =>
    chain.view<string[]>('ward/policy', 'rolesOfEntity', { entity: fresh.entity })
  t.same(rolesOf(), [], 'a refused admission leaves no role')
  for (const signer of [admin, nurse])
    t.notOk(done(chain.call(signer, 'ward/policy', 'nodeAdmitted', { entity: nurse.entity })), 'by hand')
  t.ok(done(chain.call(admin, 'ward/governance', 'admitNode', admission)))
  t.same(rolesOf(), ['node'])
  t.ok(done(chain.call(fresh, alias, 'recordRelease', release)), 'it may report')
})
