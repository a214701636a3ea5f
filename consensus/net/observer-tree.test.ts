// Twelve observers under four relays over real connections: a relay is killed, another one hangs, and a liar
// that all of them dial invents blocks. Everybody goes on, and nobody takes for final what no quorum signed.
// The bench `observers` does the same with a hundred.
import t from 'tap'
import { encodeMessage, type FinalBlock } from '../pbft/index.js'
import { encodeConsensusFrame, encodeTipFrame } from './frames.js'
import { freePorts } from './free-ports.js'
import { identity, startNode, testOptions, type TestNetwork } from './network.fixture.js'
import { ObserverTree } from './observer-tree.fixture.js'

t.setTimeout(600_000)

t.test('a tree of observers outlives its relays and believes certificates only', async (t) => {
  const own = identity(90)
  const [port] = await freePorts(1, 'udp')
  const tree = await ObserverTree.grow({ relays: 4, leaves: 12, liars: [{ peer: own.peer, port }] })
  t.teardown(() => tree.close())
  const lying = await startLiar(tree, own, port)
  t.teardown(() => lying.close())
  await tree.until('two relays and the liar each', () => tree.connections === 12 * 3)
  await tree.run(5, 50)

  // Opposite ones: no leaf dials both.
  const [first, , second] = tree.relays
  t.equal(tree.leavesUnder(first).length, 6)
  await tree.signal(first, 'SIGKILL')
  await tree.run(5, 50)
  t.pass('killed: the others are enough')

  lying.begin(tree.leaves[0].replica.chain.finals)
  await tree.signal(second, 'SIGSTOP')
  await tree.run(5, 50)
  lying.end()
  t.pass('frozen: it keeps its connections and gives nothing')
  await tree.signal(second, 'SIGCONT')
  await tree.run(2, 50)

  t.ok(lying.told > 0, `${lying.told} invented blocks`)
  const [reference, ...others] = tree.leaves.map((leaf) => tree.chainOf(leaf))
  for (const leaf of tree.leaves) {
    t.equal(leaf.uncertified, 0)
    t.same(leaf.replica.halts, [])
  }
  for (const chain of others) {
    const both = Math.min(chain.length, reference.length)
    t.same(chain.slice(0, both), reference.slice(0, both), 'one history')
  }
})

/** Claims to be far ahead and pushes blocks with a stranger's certificate to everybody that dials it. */
async function startLiar(tree: ObserverTree, own: ReturnType<typeof identity>, port: number) {
  const network: TestNetwork = tree.network
  const leaves = tree.leaves.map(({ replica }) => replica.identity.peer)
  const options = { ...testOptions(network, own, 'observer'), port, dial: [], allowed: leaves }
  const node = await startNode(options, own)
  let timer: NodeJS.Timeout | undefined
  const liar = {
    told: 0,
    begin(finals: readonly FinalBlock[]): void {
      timer = setInterval(() => {
        const real = finals[finals.length - 1]
        const height = real.block.header.height + 1
        const header = { ...real.block.header, height }
        const certificate = { ...real.certificate, height }
        const blocks = [{ ...real, block: { ...real.block, header }, certificate }]
        const bytes = encodeMessage({ type: 'blocks', epoch: 0, blocks }, network.chainId)
        for (const peer of node.up) {
          node.transport.send(peer, encodeTipFrame(height + 1_000, new Uint8Array(32)), 0)
          if (node.transport.send(peer, encodeConsensusFrame(bytes), 1)) liar.told += 1
        }
      }, 20)
    },
    end: () => clearInterval(timer),
    close: async () => {
      clearInterval(timer)
      await node.transport.close()
    },
  }
  return liar
}
