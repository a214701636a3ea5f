import t from 'tap'
import { badSignaturesForgivenPerS, badSignaturesMax } from './limits.js'
import { isForger, PeerTable } from './peer-table.js'
import { identity } from './network.fixture.js'
import type { Hello } from './wire.js'

const member = (number: number) => {
  const { nodeId, key } = identity(number)
  return { entity: nodeId, voteKey: key.publicKey }
}
const setOf = (mark: number, ...numbers: number[]) => ({
  hash: new Uint8Array(32).fill(mark),
  members: numbers.map(member),
})
const helloOf = (number: number, tipHeight = 0): Hello => {
  const { nodeId, key } = identity(number)
  const common = { protocolVersion: 1, chainId: new Uint8Array(32), epoch: 0, tipHash: new Uint8Array(32) }
  return { ...common, nodeId, nodeKey: key.publicKey, role: 'validator', tipHeight }
}

t.test('a member is an id with its key; who has only the id is somebody else', async (t) => {
  const table = new PeerTable(setOf(1, 0, 1, 2, 3))
  const honest = table.up(identity(0).peer, helloOf(0))
  t.ok(honest.isMember)
  t.equal(table.byCoreId(identity(0).nodeId), honest)
  const impostor = table.up(identity(9).peer, { ...helloOf(9), nodeId: identity(1).nodeId })
  t.notOk(impostor.isMember)
  t.equal(table.byCoreId(identity(1).nodeId), undefined)
  t.equal(table.byCoreId(new Uint8Array(Buffer.from(identity(9).peer, 'hex'))), impostor)
})

t.test('membership follows the set of the height', async (t) => {
  const table = new PeerTable(setOf(1, 0, 1, 2, 3))
  const leaves = table.up(identity(3).peer, helloOf(3))
  const joins = table.up(identity(4).peer, helloOf(4))
  t.same([leaves.isMember, joins.isMember], [true, false])
  table.setValidators(setOf(2, 0, 1, 2, 4))
  t.same([leaves.isMember, joins.isMember], [false, true])
  t.equal(table.byCoreId(identity(4).nodeId), joins)
  t.same(table.members(), [joins])
  table.down(identity(4).peer)
  t.equal(table.byCoreId(identity(4).nodeId), undefined)
})

t.test('the claimed height leaves out as many of the highest claims as there may be liars', async (t) => {
  const table = new PeerTable(setOf(1, 0, 1, 2, 3))
  const entries = [50, 1_000_000, 49].map((tip, index) =>
    table.up(identity(index).peer, helloOf(index, tip)),
  )
  t.equal(table.claimedHeight(entries), 50)
  t.equal(table.claimedHeight(entries.slice(0, 1)), 50, 'a single source is all there is')
  t.equal(table.claimedHeight([]), 0)
})

t.test('wrong signatures: a flood ends the connection, a few a second never do', async (t) => {
  const table = new PeerTable(setOf(1, 0, 1, 2, 3))
  const steady = table.up(identity(0).peer, helloOf(0))
  const gapMs = 1_000 / badSignaturesForgivenPerS
  for (let count = 0; count < 4 * badSignaturesMax; count += 1)
    if (isForger(steady, count * gapMs)) t.fail(`the ${count}th one`)
  const flood = table.up(identity(1).peer, helloOf(1))
  for (let count = 0; count < badSignaturesMax; count += 1) t.notOk(isForger(flood, 5_000))
  t.ok(isForger(flood, 5_000))
})
