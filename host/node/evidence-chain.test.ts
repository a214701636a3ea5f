// A real node that holds a proof puts it on the chain, once, and status, metrics and the API tell of it.
import t from 'tap'
import { entityIdOf, equalBytes } from '../../runtime/protocol/index.js'
import { signingBytes, type SignedMessage } from '../../consensus/pbft/index.js'
import { generateSigningKey, sha256, signDetached, type SigningKey } from '../keys/crypto.js'
import { EvidenceOnChain } from './evidence-chain.js'
import { createNodeLogger } from './node-logger.js'
import { NodeReports } from './node-reports.js'
import { createSingleNode } from './single-node.fixture.js'
import type { Unsealed } from './unsealed.js'

const partsOf = (single: { node: unknown }): Unsealed => (single.node as { unsealed: Unsealed }).unsealed

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing reports')
  return value
}

function signedVote(
  key: SigningKey,
  chainId: Uint8Array,
  sender: Uint8Array,
  result: number,
): SignedMessage {
  const vote: SignedMessage = {
    ...{ type: 'prepare', epoch: 0, height: 7, view: 0, sender, signature: new Uint8Array(64) },
    ...{ blockHash: new Uint8Array(32), resultHash: new Uint8Array(32).fill(result) },
  }
  return { ...vote, signature: signDetached(key, signingBytes(vote, chainId, sha256)) }
}

t.test('what a node holds against a key of the network reaches the chain, once', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { node, sequences } = partsOf(single)
  const { chainId } = node.open
  const logger = createNodeLogger('test', 'silent')
  const proofs = must(node.proofs)
  const pairOf = (key: SigningKey, sender: Uint8Array) => ({
    first: signedVote(key, chainId, sender, 1),
    second: signedVote(key, chainId, sender, 2),
  })
  // The only validator contradicted itself; somebody else's votes say that they are its, and are not.
  const stranger = generateSigningKey()
  t.ok(node.evidence.keep(pairOf(node.identity.vote, node.entity), chainId, 1))
  t.ok(node.evidence.keep(pairOf(stranger, entityIdOf(sha256, stranger.publicKey)), chainId, 1))
  await proofs.reportOwed()
  t.match(proofs.all, [{ phase: 'prepare', height: 7, view: 0, epoch: 0 }])
  t.equal(proofs.all.length, 1, 'a key that no node has accuses nobody on the chain')
  const { height } = single.node.status()
  await proofs.reportOwed()
  const again = new EvidenceOnChain(node, new NodeReports(node, sequences, Date.now), logger, Date.now)
  await again.read()
  t.same(again.all, proofs.all, 'any node reads the same')
  await again.reportOwed()
  t.equal(single.node.status().height, height, 'nothing is reported a second time')

  const caught = single.node.status().equivocations
  t.match(
    caught.find(({ node: name }) => name === 'only'),
    { count: 1, lastHeight: 7, onChain: 1 },
  )
  t.equal(caught.length, 2, 'what this node alone holds is told too')
  t.match(await single.node.metrics(), /wardchain_equivocation_on_chain\{phase="prepare"\} 1\n/)
  const network = await single.node.network()
  t.ok(network.ok && network.value.equivocations[0].key === network.value.validators[0].voteKey)
  await single.restart()
  const restarted = partsOf(single).node
  await restarted.proofs?.read()
  t.equal(restarted.proofs?.all.length, 1, 'and after a restart')
})

t.test('a proof of a foreign chain, or by a key of nobody here, accuses nobody', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { node, sequences } = partsOf(single)
  const reports = new NodeReports(node, sequences, Date.now)
  const report = async (key: SigningKey, chainId: Uint8Array): Promise<string> => {
    const [first, second] = [1, 2].map((result) => signedVote(key, chainId, node.entity, result))
    const values = {
      ...{ key: key.publicKey, kind: 2 },
      ...{ first: signingBytes(first, chainId, sha256), firstSignature: first.signature },
      ...{ second: signingBytes(second, chainId, sha256), secondSignature: second.signature },
    }
    return reports.report('reportEquivocation', values, 60_000)
  }
  const { chainId } = node.open
  t.equal(await report(generateSigningKey(), chainId), 'taken')
  t.equal(await report(node.identity.vote, new Uint8Array(32).fill(7)), 'taken')
  await node.proofs?.read()
  t.same(node.proofs?.all, [])
  t.same(single.node.status().equivocations, [])
  t.equal(await report(node.identity.vote, chainId), 'taken')
  await node.proofs?.read()
  t.equal(node.proofs?.all.length, 1, 'nor do they hide one of this chain')
  t.notOk(equalBytes(chainId, new Uint8Array(32).fill(7)))
})
