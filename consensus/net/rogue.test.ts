// Peers that misbehave behind the admission: the network goes on, memory stays bounded, nothing invented
// is believed.

import t, { type Test } from 'tap'
import { rmSync } from 'node:fs'
import { encodeMessage, type FinalBlock, type WireMessage } from '../pbft/index.js'
import { newBundle, startReplica, type TestReplica } from './chain.fixture.js'
import { encodeConsensusFrame, encodeTipFrame, encodeTransactionsFrame } from './frames.js'
import { identity, patienceMs, startNode, testNetwork, testOptions, until } from './network.fixture.js'

async function startWithRogue(t: Test, rogueRole: 'validator' | 'observer') {
  const network = await testNetwork(4)
  const honest = network.validators.slice(0, 3)
  const own = rogueRole === 'validator' ? network.validators[3] : identity(70)
  const replicas = await Promise.all(
    honest.map((validator) => {
      const others = network.validators
        .filter(({ peer }) => peer !== validator.peer)
        .map(({ peer }) => peer)
      return startReplica(network, validator, { network: { allowed: [...others, own.peer], dial: others } })
    }),
  )
  const dial = honest.map(({ peer }) => peer)
  const rogue = await startNode({ ...testOptions(network, own, rogueRole), dial, allowed: dial }, own)
  t.teardown(async () => {
    await Promise.all([...replicas.map(({ driver }) => driver.close()), rogue.transport.close()])
    for (const { votes } of replicas) rmSync(votes?.folder ?? '', { recursive: true, force: true })
  })
  await until(() => rogue.up.size === 3, patienceMs, 'the rogue is admitted')
  await until(() => replicas.every(({ driver }) => driver.status().peers.length === 3), patienceMs, 'mesh')
  const frameOf = (message: WireMessage) => encodeConsensusFrame(encodeMessage(message, network.chainId))
  return { network, replicas, rogue, dial, frameOf }
}

/** Submits at the replicas in turn until all have reached the height. */
async function runTo(replicas: readonly TestReplica[], height: number): Promise<void> {
  const start = performance.now()
  for (let turn = 0; replicas.some(({ chain }) => chain.finals.length < height); turn++) {
    if (performance.now() - start > 2 * patienceMs) throw new Error(`below ${height}`)
    replicas[turn % replicas.length].submit(newBundle())
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

t.test('a flood of forged votes ends the connection that brings it; the others go on', async (t) => {
  const { network, replicas, rogue, dial, frameOf } = await startWithRogue(t, 'validator')
  await runTo(replicas, 2)
  const fakeHash = new Uint8Array(32).fill(66)
  let flooding = true
  const flood = (async () => {
    for (let turn = 1; flooding; turn++) {
      const { height } = replicas[0].driver.status()
      const vote = frameOf({
        ...({ type: 'commit', epoch: 0, height: height + 1, view: 0 } as const),
        // In another's name, and in the own name with a signature that does not fit.
        sender: turn % 2 === 0 ? network.validators[0].nodeId : rogue.identity.nodeId,
        ...{ signature: new Uint8Array(64), blockHash: fakeHash, resultHash: fakeHash },
      })
      for (const peer of dial) for (let count = 0; count < 50; count++) rogue.transport.send(peer, vote, 0)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  await runTo(replicas, 10)
  flooding = false
  await flood
  t.ok(replicas.some(({ closed }) => closed.includes('BAD_SIGNATURES')))
  for (const { halts, chain } of replicas) {
    t.same(halts, [])
    t.notOk(chain.finals.some(({ certificate }) => Buffer.from(certificate.blockHash).equals(fakeHash)))
  }
})

t.test('invented tips and blocks are seen through', async (t) => {
  const { replicas, rogue, dial, frameOf } = await startWithRogue(t, 'validator')
  await runTo(replicas, 2)
  const [real] = replicas[0].chain.finals
  const isSeenThrough = () => replicas[0].alarms.includes('BAD_SYNC_PEER')
  for (let turn = 0; turn < 100 && !isSeenThrough(); turn++) {
    const height = replicas[0].driver.status().height + 1
    const header = { ...real.block.header, height }
    const certificate = { ...real.certificate, height }
    const invented: FinalBlock = { ...real, block: { ...real.block, header }, certificate }
    for (const peer of dial) {
      rogue.transport.send(peer, encodeTipFrame(2 ** 40 + turn, new Uint8Array(32)), 0)
      rogue.transport.send(peer, frameOf({ type: 'blocks', epoch: 0, blocks: [invented] }), 1)
      rogue.transport.send(peer, frameOf({ type: 'blockRequest', epoch: 0, fromHeight: 1, count: 32 }), 0)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.ok(isSeenThrough())
  t.ok(replicas[0].driver.status().lag < 2 ** 20, 'one liar does not move the displayed lag')
  await runTo(replicas, 10)
  for (const { halts } of replicas) t.same(halts, [])
})

t.test('an observer that never gives credit back costs a bounded queue', async (t) => {
  const { replicas, rogue, dial } = await startWithRogue(t, 'observer')
  await runTo(replicas, 2)
  rogue.hold = true
  // It asks for everything and reads nothing.
  for (const peer of dial) rogue.transport.send(peer, Uint8Array.of(3, 3), 0)
  for (let turn = 0; turn < 30; turn++) {
    replicas[turn % 3].submit(newBundle(100_000))
    if (turn % 6 === 0) await runTo(replicas, replicas[0].chain.finals.length + 1)
  }
  await runTo(replicas, replicas[0].chain.finals.length + 3)
  for (const { driver, halts } of replicas) {
    const queued = driver.status().peers.find(({ role }) => role === 'observer')?.queuedBytes ?? 0
    t.ok(queued <= 10 * 1024 * 1024, `${queued} bytes`)
    t.same(halts, [])
  }
})

t.test('garbage of an observer costs its own connection, and it may come back', async (t) => {
  const { replicas, rogue, dial, frameOf } = await startWithRogue(t, 'observer')
  const [first, second, third] = dial
  rogue.transport.send(first, Uint8Array.of(99), 0)
  rogue.transport.send(second, encodeConsensusFrame(Uint8Array.of(1, 2, 3)), 0)
  rogue.transport.send(third, new Uint8Array(100_000).fill(1), 0)
  const reasons = ['FRAME_UNKNOWN', 'MESSAGE_MALFORMED', 'MESSAGE_TOO_LARGE']
  await until(
    () => reasons.every((reason, index) => replicas[index].closed.includes(reason)),
    patienceMs,
    'each is closed with its reason',
  )
  await until(() => rogue.up.size === 3, patienceMs, 'it may come back')
  // Votes of somebody whom the receiver does not know speak against nobody: there is more than it forgives.
  const ofStranger = frameOf({
    ...({ type: 'commit', epoch: 0, height: 1, view: 0, sender: new Uint8Array(32).fill(9) } as const),
    ...{ signature: new Uint8Array(64), blockHash: new Uint8Array(32), resultHash: new Uint8Array(32) },
  })
  for (let count = 0; count < 300; count++) rogue.transport.send(first, ofStranger, 0)
  const bundle = newBundle()
  rogue.transport.send(first, encodeTransactionsFrame([bundle]), 1)
  const key = Buffer.from(bundle).toString('hex')
  await until(
    () => replicas.every(({ chain }) => chain.bundles.includes(key)),
    patienceMs,
    'its transaction is final',
  )
  t.notOk(replicas[0].closed.includes('BAD_SIGNATURES'))
  const forged = encodeTransactionsFrame(Array.from({ length: 300 }, () => Uint8Array.of(1)))
  const isSentAway = () => replicas[0].closed.includes('FORGED_TRANSACTIONS')
  for (let turn = 0; turn < 1_000 && !isSentAway(); turn += 1) {
    rogue.transport.send(first, forged, 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.ok(isSentAway(), 'who forges transactions is sent away')
})
