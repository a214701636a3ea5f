// `ward/appliance` in the real runtime: two persons order a wipe, nodes report, administrators refuse shares.
import t from 'tap'
import { entityKind, nodeProofBytes } from '../runtime/protocol/index.js'
import { signingBytes, type SignedMessage } from '../consensus/pbft/index.js'
import { generateSigningKey, sha256, signDetached, type SigningKey } from '../host/keys/crypto.js'
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

t.test('a first word lapses after seven days, and with the right of whoever gave it', async (t) => {
  const { chain, admin, second, nurse, node } = found()
  const order = { node: node.entity, reason: 'lost' }
  const end = { node: node.entity, certificate: new Uint8Array(32).fill(5) }
  const week = 7 * 24 * 3_600_000
  const refusal = (view: BlockView): string => view.receipt.detail ?? ''
  t.ok(done(chain.call(admin, alias, 'orderWipe', order)))
  t.match(refusal(chain.call(admin, alias, 'orderWipe', order)), /^1004\b/)
  chain.time += week
  t.ok(done(chain.call(second, alias, 'orderWipe', order)), 'too late: a request again')
  t.equal(wipe(chain, node.entity).state, 1)

  const asAdmin = (of: typeof nurse): object => ({ entity: of.entity, role: 'admin' })
  for (const signer of [admin, second]) chain.call(signer, 'ward/policy', 'assignRole', asAdmin(nurse))
  t.ok(done(chain.call(admin, 'ward/policy', 'removeRole', asAdmin(second))))
  t.ok(done(chain.call(admin, alias, 'orderWipe', order)), 'who asked is no administrator any more')
  t.equal(wipe(chain, node.entity).state, 1)
  t.ok(done(chain.call(nurse, alias, 'orderWipe', order)))
  t.equal(wipe(chain, node.entity).state, 2, 'two in one week')
  t.match(refusal(chain.call(admin, alias, 'orderWipe', order)), /^1000\b/)

  t.ok(done(chain.call(admin, alias, 'confirmWipe', end)))
  t.match(refusal(chain.call(admin, alias, 'confirmWipe', end)), /^1004\b/)
  chain.time += week
  t.ok(done(chain.call(nurse, alias, 'confirmWipe', end)), 'noted anew')
  t.equal(wipe(chain, node.entity).state, 2)
  t.ok(done(chain.call(admin, alias, 'confirmWipe', end)))
  t.equal(wipe(chain, node.entity).state, 4)
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

// --------------------------------------------------------------------------------------- equivocations (R30)

const kinds = ['', 'proposal', 'prepare', 'commit', 'viewChange', 'heartbeat']
const hash = (fill: number) => new Uint8Array(32).fill(fill)
const at = { epoch: 0, height: 7, view: 2, sender: hash(9), signature: new Uint8Array(0) }
const certificate = (height: number) => ({
  ...{ height, view: 0, blockHash: hash(1), resultHash: hash(2), signers: [], signatures: [] },
})
const vote = (result: number, over = {}): SignedMessage => ({
  ...{ ...at, type: 'prepare', blockHash: hash(1), resultHash: hash(result) },
  ...over,
})
const beat = (block: number, over = {}): SignedMessage => ({
  ...{ ...at, type: 'heartbeat', blockHash: hash(block), resultHash: hash(2), time: 5 },
  ...over,
})
const viewChange = (height: number): SignedMessage => ({
  ...{ ...at, type: 'viewChange', prepared: null, lastCertificate: certificate(height) },
})
function proposal(time: number): SignedMessage {
  const header = {
    ...{
      version: 1,
      appVersion: 1,
      chainId: hash(3),
      epoch: 0,
      height: 7,
      view: 2,
      time,
      proposer: hash(9),
    },
    ...{ parentHash: hash(4), parentResultHash: hash(5), parentCertificateHash: hash(6) },
    ...{ transactionRoots: [1, 2, 3, 4, 5].map(hash), validatorsHash: hash(7) },
  }
  const block = { header, payload: new Uint8Array(0) }
  return { ...at, type: 'proposal', block, parentCertificate: null, justification: [] }
}

function proofOf(chainId: Uint8Array, key: SigningKey, first: SignedMessage, second: SignedMessage) {
  const bytes = [first, second].map((message) => signingBytes(message, chainId, sha256))
  return {
    ...{ key: key.publicKey, kind: kinds.indexOf(first.type) },
    ...{ first: bytes[0], firstSignature: signDetached(key, bytes[0]) },
    ...{ second: bytes[1], secondSignature: signDetached(key, bytes[1]) },
  }
}

const listed = (chain: ContractChain, from = 0n) =>
  chain.view<{ proofs: { number: bigint; kind: number; key: Uint8Array; first: Uint8Array }[] }>(
    alias,
    'equivocations',
    { from },
  ).proofs

t.test('a key that contradicts itself is kept, once, whoever reports it', async (t) => {
  const { chain, admin, nurse, node, peer } = found()
  const { key } = createSigner(entityKind.node)
  const other = generateSigningKey()
  const report = (proof: object, by = node) => done(chain.call(by, alias, 'reportEquivocation', proof))
  const proof = (first: SignedMessage, second: SignedMessage) => proofOf(chain.chainId, key, first, second)

  const twice = proof(vote(1), vote(2))
  for (const signer of [nurse, admin]) t.notOk(report(twice, signer), 'nodes report')
  t.notOk(report({ ...twice, key: other.publicKey }), 'another key has not signed this')
  t.notOk(report({ ...twice, secondSignature: twice.firstSignature }), 'each has its signature')
  t.notOk(report({ ...twice, kind: 3 }), 'a PREPARE is no COMMIT')
  t.notOk(report({ ...twice, kind: 0 }) || report({ ...twice, kind: 6 }), 'no such kind')
  const longer = new Uint8Array([...twice.first, 0])
  t.notOk(report({ ...twice, first: longer, firstSignature: signDetached(key, longer) }), 'not its length')
  t.notOk(report(proof(vote(1), vote(1))), 'the same vote sent twice')
  for (const elsewhere of [{ height: 8 }, { view: 3 }, { epoch: 1 }])
    t.notOk(report(proof(vote(1), vote(2, elsewhere))), `no contradiction: ${JSON.stringify(elsewhere)}`)
  t.notOk(report(proof(beat(1), beat(1, { time: 6, view: 3 }))), 'a later heartbeat of the same block')
  t.notOk(report(proof(beat(1), beat(2, { sender: hash(8) }))), 'of two senders')
  t.notOk(report(proof(proposal(1), proposal(1))), 'one proposal')
  t.same(listed(chain), [], 'nothing of that is kept')

  t.ok(report(twice))
  t.ok(report(twice, peer), 'the next one who has it is not refused')
  t.ok(report(proof(vote(3), vote(4)), peer), 'nor a third vote at the same place')
  t.equal(listed(chain).length, 1)
  const more = [
    proof(vote(1, { type: 'commit' }), vote(2, { type: 'commit' })),
    proof(beat(1), beat(2, { view: 9 })),
    proof(viewChange(1), viewChange(2)),
    proof(proposal(1), proposal(2)),
  ]
  for (const next of more) t.ok(report(next))
  t.ok(report(proof(beat(3, { view: 4 }), beat(4, { view: 4 }))), 'a height of heartbeats is one place')
  t.same(
    listed(chain).map(({ kind }) => kind),
    [2, 3, 5, 4, 1],
  )
  const [, second] = listed(chain)
  t.match(second, { number: 1n, key: key.publicKey, first: more[0].first })
  t.equal(listed(chain, 4n).length, 1, 'what came since')
  for (let view = 3; view < 10; view += 1) t.ok(report(proof(vote(1, { view }), vote(2, { view }))))
  t.equal(listed(chain).length, 8, 'more prove nothing more')
})

t.test(
  'a key that contradicts itself on chains of its own does not hide what it did on this one',
  async (t) => {
    const { chain, node } = found()
    const { key } = createSigner(entityKind.node)
    const report = (chainId: Uint8Array, over = {}) =>
      done(
        chain.call(node, alias, 'reportEquivocation', proofOf(chainId, key, vote(1, over), vote(2, over))),
      )
    for (let other = 1; other < 12; other += 1) t.ok(report(hash(other)))
    const ahead = { height: Number.MAX_SAFE_INTEGER }
    t.notOk(report(chain.chainId, ahead), 'nor at heights that no node has reached')
    t.equal(listed(chain).length, 11)
    t.ok(report(chain.chainId))
    t.equal(listed(chain).length, 12)
  },
)

t.test('what one node may have kept is bounded', async (t) => {
  const { chain, node, peer } = found()
  const makeProof = (): object => proofOf(chain.chainId, generateSigningKey(), vote(1), vote(2))
  let taken = 0
  while (taken < 300 && done(chain.call(node, alias, 'reportEquivocation', makeProof()))) taken += 1
  t.equal(taken, 256)
  t.ok(done(chain.call(peer, alias, 'reportEquivocation', makeProof())), 'another node is heard')
  let count = 0
  for (let from = 0n; ; from = BigInt(count)) {
    const page = listed(chain, from)
    count += page.length
    if (page.length === 0) break
  }
  t.equal(count, 257, 'page by page')
})
