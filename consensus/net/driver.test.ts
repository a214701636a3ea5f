// Drivers with the real core over the real transport on loopback.

import t, { type Test } from 'tap'
import { rmSync } from 'node:fs'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { newBundle, startReplica, type ReplicaParts, type TestReplica } from './chain.fixture.js'
import { freePorts } from './free-ports.js'
import { host, identity, patienceMs, testNetwork, until, type TestNetwork } from './network.fixture.js'

/** `t.teardown` closes them, also those that a test adds to `running`. */
async function startValidators(t: Test, count: number, parts: ReplicaParts = {}) {
  const network = await testNetwork(count)
  const replicas = await Promise.all(network.validators.map((own) => startReplica(network, own, parts)))
  const running = [...replicas]
  t.teardown(() => stop(running))
  await until(
    () => replicas.every((replica) => replica.driver.status().peers.length === count - 1),
    patienceMs,
    'mesh',
  )
  return { network, replicas, running }
}

async function stop(replicas: readonly TestReplica[]): Promise<void> {
  await Promise.all(replicas.map((replica) => replica.driver.close()))
  for (const { votes } of replicas)
    if (votes !== null) rmSync(votes.folder, { recursive: true, force: true })
}

function heights(replicas: readonly TestReplica[]): number[] {
  return replicas.map((replica) => replica.chain.finals.length)
}

/** One history: equal blocks and results at every height that both have. */
function assertAgreement(t: Test, replicas: readonly TestReplica[]): void {
  const pairs = replicas.map(({ chain }) =>
    chain.finals.map(
      ({ certificate }) => bytesToHex(certificate.blockHash) + bytesToHex(certificate.resultHash),
    ),
  )
  const longest = pairs.reduce((left, right) => (right.length > left.length ? right : left))
  for (const own of pairs) t.same(own, longest.slice(0, own.length))
}

async function runBlocks(replicas: readonly TestReplica[], to: number): Promise<void> {
  const start = performance.now()
  let turn = 0
  while (replicas.some((replica) => replica.chain.finals.length < to)) {
    if (performance.now() - start > patienceMs)
      throw new Error(`heights ${heights(replicas).join()} below ${to}`)
    turn += 1
    replicas[turn % replicas.length].submit(newBundle())
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** The process is gone: nothing is said any more, to nobody. */
async function kill(replica: TestReplica): Promise<void> {
  await replica.driver.close()
}

function leaderOf(network: TestNetwork, replicas: readonly TestReplica[]): TestReplica {
  const { leader } = replicas[0].driver.status()
  const found = replicas.find((replica) => bytesToHex(replica.identity.nodeId) === leader)
  if (found === undefined) throw new Error(`no leader among ${network.validators.length}`)
  return found
}

t.test('four nodes agree on 20 blocks, votes are on disk before they leave', async (t) => {
  const { replicas } = await startValidators(t, 4)
  await runBlocks(replicas, 20)
  assertAgreement(t, replicas)
  // A slow replica may finish a block with the COMMITs of others and no vote of its own; a quorum never can.
  const writes = replicas.reduce((sum, { votes }) => sum + (votes?.writes ?? 0), 0)
  t.ok(writes >= 2 * 20 * 3, 'PREPARE and COMMIT of each block were persisted by a quorum')
  for (const { halts, chain } of replicas) {
    t.same(halts, [])
    t.equal(new Set(chain.bundles).size, chain.bundles.length, 'no transaction twice')
  }
  await until(() => replicas[0].driver.status().height >= 20, patienceMs, 'status follows')
  const status = replicas[0].driver.status()
  t.equal(status.role, 'validator')
  t.equal(status.validators.length, 4)
  t.ok(status.validators.every((validator) => validator.connected))
  const claimed = () => replicas[0].driver.status().peers.map(({ claimedHeight }) => claimedHeight ?? 0)
  await until(() => Math.min(...claimed()) >= 20, patienceMs, 'what each peer says of itself')
})

t.test('a dead leader is replaced; restarted from its vote store it catches up', async (t) => {
  const { network, replicas, running } = await startValidators(t, 4)
  await runBlocks(replicas, 3)
  const dead = leaderOf(network, replicas)
  const alive = replicas.filter((replica) => replica !== dead)
  await kill(dead)
  const height = Math.max(...heights(alive))
  const start = performance.now()
  alive[0].submit(newBundle())
  await until(() => alive.every((replica) => replica.chain.finals.length > height), 10000, 'next block')
  t.comment(`leader-failover ${Math.round(performance.now() - start)} ms`)
  await runBlocks(alive, height + 40)
  const { chain, pool, votes } = dead
  const back = await startReplica(network, dead.identity, { chain, pool, votes })
  running.push(back)
  const target = Math.max(...heights(alive))
  const tookMs = await until(() => chain.finals.length >= target, patienceMs, 'caught up')
  t.comment(`caught up in ${Math.round(tookMs)} ms`)
  const all = [...alive, back]
  await runBlocks(all, target + 5)
  assertAgreement(t, all)
  for (const replica of all) t.same(replica.halts, [])
})

t.test('an observer follows by certificates and hears transactions before they are final', async (t) => {
  const { network, replicas, running } = await startValidators(t, 4)
  await runBlocks(replicas, 5)
  const own = identity(50)
  for (const replica of replicas) {
    const others = network.validators.filter((other) => other !== replica.identity).map(({ peer }) => peer)
    replica.driver.setPeers({ allowed: [...others, own.peer], dial: others })
  }
  const dial = network.validators.slice(0, 2).map(({ peer }) => peer)
  const observer = await startReplica(network, own, { role: 'observer', network: { dial, allowed: dial } })
  running.push(observer)
  await until(() => observer.chain.finals.length >= 5, patienceMs, 'the observer caught up')
  await runBlocks([...replicas, observer], 25)
  assertAgreement(t, [...replicas, observer])
  t.equal(observer.chain.executions >= 25, true, 'it executes every block itself')
  const bundle = newBundle()
  observer.submit(bundle)
  const key = bytesToHex(bundle)
  await until(
    () => replicas.every(({ chain }) => chain.bundles.includes(key)),
    patienceMs,
    'submitted at an observer',
  )
  const early = newBundle()
  replicas[3].submit(early)
  await until(() => observer.pool.known.has(bytesToHex(early)), patienceMs, 'gossip to the observer')

  const upstream = replicas.find((replica) =>
    replica.driver.status().peers.some(({ role }) => role === 'observer'),
  )
  t.ok(upstream)
  await kill(replicas[0])
  const alive = replicas.slice(1)
  await runBlocks([...alive, observer], observer.chain.finals.length + 10)
  assertAgreement(t, [...alive, observer])
})

t.test('a tree of two levels: a relay feeds an observer that no validator knows', async (t) => {
  const { network, replicas, running } = await startValidators(t, 4)
  const [relayId, leafId] = [identity(51), identity(52)]
  for (const replica of replicas) {
    const others = network.validators.filter((other) => other !== replica.identity).map(({ peer }) => peer)
    replica.driver.setPeers({ allowed: [...others, relayId.peer], dial: others })
  }
  const [port] = await freePorts(1, 'udp')
  const dial = network.validators.slice(0, 2).map(({ peer }) => peer)
  const relay = await startReplica(network, relayId, {
    role: 'observer',
    // A relay has a fixed port, so that others can dial it.
    network: { dial, allowed: [...dial, leafId.peer], port },
  })
  const leaf = await startReplica(network, leafId, {
    role: 'observer',
    network: {
      dial: [relayId.peer],
      allowed: [relayId.peer],
      book: new Map([[relayId.peer, { host, port }]]),
      bootstrap: [{ host, port }],
    },
  })
  running.push(relay, leaf)
  await until(() => leaf.driver.status().peers.length === 1, patienceMs, 'the leaf is connected')
  await runBlocks([...replicas, relay, leaf], 10)
  const bundle = newBundle()
  leaf.submit(bundle)
  const key = bytesToHex(bundle)
  await until(
    () => leaf.chain.bundles.includes(key),
    patienceMs,
    'from the leaf to the validators and back',
  )
  const heard = () => leaf.driver.status().validators.filter(({ silentMs }) => silentMs >= 0).length
  await until(() => heard() === 2, patienceMs, 'heartbeats of the two validators above the relay')
  // One machine, one clock: who was heard through a relay is not ahead of it by more than rounding.
  const clocks = leaf.driver.status().validators.flatMap(({ clockAheadMs }) => clockAheadMs ?? [])
  t.equal(clocks.length, 2)
  t.ok(Math.max(...clocks) <= 1, `clocks: ${clocks.join()}`)
  assertAgreement(t, [...replicas, relay, leaf])
})

t.test('a replica that computes another result stops, says so, and the others go on', async (t) => {
  const { replicas } = await startValidators(t, 4)
  await runBlocks(replicas, 2)
  replicas[3].chain.fault = true
  await runBlocks(replicas.slice(0, 3), 10)
  await until(() => replicas[3].halts.includes('RESULT_DIVERGENCE'), patienceMs, 'halt')
  t.equal(replicas[3].driver.status().phase, 'halted')
  assertAgreement(t, replicas)
})
