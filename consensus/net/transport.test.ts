// Real sockets on loopback: mesh, admission, replacement, bounds. network.md 11.

import t from 'tap'
import HyperDHT from 'hyperdht'
import Protomux from 'protomux'
import { raw } from 'compact-encoding'
import { createDhtNode, type AddressBook } from './pinned-dht.js'
import { createTransport } from './transport.js'
import { queueBytesMax, windowBytes } from './limits.js'
import { freePorts } from './free-ports.js'
import {
  host,
  identity,
  patienceMs,
  startNode,
  testNetwork,
  testOptions,
  until,
  type TestNode,
} from './network.fixture.js'

async function startMesh(count: number): Promise<{ nodes: TestNode[]; formedMs: number }> {
  const network = await testNetwork(count)
  const nodes = await Promise.all(
    network.validators.map((own) => startNode(testOptions(network, own), own)),
  )
  const formedMs = await until(
    () => nodes.every((node) => node.up.size === count - 1),
    patienceMs,
    'full mesh',
  )
  return { nodes, formedMs }
}

async function closeAll(nodes: TestNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.transport.close()))
}

t.test('four validators that start at once form a full mesh and exchange frames', async (t) => {
  const { nodes, formedMs } = await startMesh(4)
  t.ok(formedMs <= 5000, `mesh in ${Math.round(formedMs)} ms`)
  const large = new Uint8Array(3_000_000).map((_, index) => index % 251)
  for (const node of nodes) {
    for (const peer of node.up) {
      t.ok(node.transport.send(peer, large, 1))
      t.ok(node.transport.send(peer, Uint8Array.of(1, 2, 3), 0))
    }
  }
  await until(() => nodes.every((node) => node.frames.length === 6), patienceMs, 'six frames each')
  for (const node of nodes) {
    const whole = node.frames.filter((received) => received.queueClass === 1)
    t.equal(whole.length, 3)
    t.ok(
      whole.every((received) => Buffer.from(received.frame).equals(large)),
      'chunks are joined',
    )
    const votes = node.frames.findIndex((received) => received.queueClass === 0)
    t.ok(votes >= 0 && votes <= 3, 'a vote overtakes what is behind it in class 1')
    t.ok(
      node.frames.every((received) => received.frame.constructor === Uint8Array),
      'plain arrays, not Buffers',
    )
  }
  await closeAll(nodes)
})

t.test('an unlisted key gets nothing, leaves no trace and is admitted once it is listed', async (t) => {
  const network = await testNetwork(1)
  const own = network.validators[0]
  if (own === undefined) throw new Error('no validator')
  const validator = await startNode(testOptions(network, own), own)
  const strangers = [identity(20), identity(21), identity(22)]
  const nodes = await Promise.all(
    strangers.map((stranger) => startNode(testOptions(network, stranger, 'observer'), stranger)),
  )
  await new Promise((resolve) => setTimeout(resolve, 1500))
  t.equal(validator.up.size, 0)
  t.ok(
    nodes.every((node) => node.up.size === 0),
    'no stranger is up',
  )
  const listed = strangers[1]
  if (listed === undefined) throw new Error('no stranger')
  validator.transport.allow([listed.peer])
  await until(() => validator.up.has(listed.peer), patienceMs, 'the listed key is admitted')
  t.same([...validator.up], [listed.peer], 'and nobody else')
  t.equal(validator.transport.peers()[0]?.role, 'observer')

  validator.transport.allow([])
  await until(() => validator.up.size === 0, 2000, 'a removed key loses its connection')
  await until(() => nodes[1]?.closed.includes('PEER_NOT_ALLOWED') === true, patienceMs, 'and is told')
  await closeAll([validator, ...nodes])
})

t.test('a peer of another chain or with a wrong signature is refused with a code', async (t) => {
  const network = await testNetwork(2)
  const [first, second] = network.validators
  if (first === undefined || second === undefined) throw new Error('no validators')
  const good = await startNode(testOptions(network, first), first)
  const otherChain = testOptions({ ...network, chainId: new Uint8Array(32).fill(9) }, second)
  const foreign = await startNode(otherChain, second)
  await until(() => good.closed.includes('WRONG_CHAIN'), patienceMs, 'wrong chain')
  await foreign.transport.close()
  const forged = await startNode(
    { ...testOptions(network, second), sign: () => new Uint8Array(64) },
    second,
  )
  await until(() => good.closed.includes('HELLO_SIGNATURE'), patienceMs, 'wrong signature')
  t.equal(good.up.size, 0)
  await closeAll([good, forged])
})

t.test('a restarted peer replaces its old connection at once, also an idle one', async (t) => {
  const network = await testNetwork(2)
  const [first, second] = network.validators
  if (first === undefined || second === undefined) throw new Error('no validators')
  const stays = await startNode(testOptions(network, first), first)
  const leaves = await startNode(testOptions(network, second), second)
  await until(() => stays.up.size === 1 && leaves.up.size === 1, patienceMs, 'pair is up')
  await leaves.transport.close()
  await until(() => stays.up.size === 0, 1000, 'a polite close is noticed at once')
  const returns = await startNode(testOptions(network, second), second)
  const tookMs = await until(() => stays.up.size === 1 && returns.up.size === 1, 8000, 'pair is up again')
  t.ok(tookMs < 5000, `back in ${Math.round(tookMs)} ms`)
  t.same(
    stays.changes,
    ['+', '-', '+'].map((sign) => sign + second.peer),
  )
  await closeAll([stays, returns])
})

t.test('a node that moved to another address is found by its key', async (t) => {
  const network = await testNetwork(3)
  const [first, second, third] = network.validators
  const [freePort] = await freePorts(1, 'udp')
  // The others' books still have the old address of the first one, where nobody listens any more.
  const moved = new Map(network.book).set(first.peer, { host, port: freePort })
  const own = await startNode({ ...testOptions({ ...network, book: moved }, first), dial: [] }, first)
  const others = await Promise.all(
    [second, third].map((node) => startNode(testOptions(network, node), node)),
  )
  const tookMs = await until(
    () => others.every((node) => node.up.size === 2),
    18000,
    'found through the DHT',
  )
  t.comment(`found in ${Math.round(tookMs)} ms`)
  await until(() => own.up.size === 2, patienceMs, 'on its side too')
  await closeAll([own, ...others])
})

t.test('memory towards a peer that never gives credit is bounded, votes end the connection', async (t) => {
  const { nodes } = await startMesh(2)
  const [sender, reader] = nodes
  if (sender === undefined || reader === undefined) throw new Error('no nodes')
  reader.hold = true
  const to = reader.identity.peer
  const frame = new Uint8Array(50_000)
  let accepted = 0
  for (let turn = 0; turn < 200; turn++) {
    for (let count = 0; count < 10; count++)
      if (sender.transport.send(to, frame, 1)) accepted += frame.length
    await new Promise((resolve) => setImmediate(resolve))
  }
  await new Promise((resolve) => setTimeout(resolve, 300))
  const boundBytes = queueBytesMax[1] + windowBytes[1] + 2 * frame.length
  t.ok(accepted <= boundBytes, `${accepted} of ${2000 * frame.length} bytes accepted`)
  const arrived = reader.frames.reduce((sum, received) => sum + received.frame.length, 0)
  t.ok(arrived <= windowBytes[1] + frame.length, `${arrived} bytes in the hands of the reader`)
  t.equal(sender.up.size, 1, 'still connected')

  let votes = 0
  while (sender.transport.send(to, new Uint8Array(1000), 0)) votes += 1
  t.ok(votes * 1000 <= queueBytesMax[0] + windowBytes[0] + 1000, 'votes are bounded too')
  t.equal(sender.up.size, 0, 'a full vote queue disconnects')
  t.ok(sender.closed.includes('QUEUE_OVERFLOW'))
  await closeAll(nodes)
})

t.test('frames to and from a cut-off peer vanish, and come again after healing', async (t) => {
  const { nodes } = await startMesh(2)
  const [left, right] = nodes
  if (left === undefined || right === undefined) throw new Error('no nodes')
  left.transport.dropFramesForTest([right.identity.peer])
  left.transport.send(right.identity.peer, Uint8Array.of(1), 0)
  right.transport.send(left.identity.peer, Uint8Array.of(2), 0)
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal(left.frames.length + right.frames.length, 0)
  left.transport.dropFramesForTest([])
  left.transport.send(right.identity.peer, Uint8Array.of(3), 0)
  await until(() => right.frames.length === 1, patienceMs, 'frame after healing')
  await closeAll(nodes)
})

t.test('whatever an admitted peer sends, the node only closes that connection', async (t) => {
  const network = await testNetwork(1)
  const own = network.validators[0]
  if (own === undefined) throw new Error('no validator')
  const rogue = identity(30)
  const options = { ...testOptions(network, own), allowed: [rogue.peer] }
  const node = await startNode(options, own)
  const address = network.book.get(own.peer)
  if (address === undefined) throw new Error('no address')
  const dht = new HyperDHT({ host, bootstrap: [address], ephemeral: true })
  const attacks: Uint8Array[] = [
    Buffer.alloc(0),
    Buffer.of(0),
    Buffer.of(9, 9, 9),
    Buffer.alloc(208, 255),
    Buffer.of(1, 0, 1, 2, 3),
    Buffer.of(4, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255),
    Buffer.alloc(2_000_000, 1),
  ]
  for (const attack of attacks) {
    const connection = dht.connect(own.keyPair.publicKey, {
      keyPair: {
        publicKey: Buffer.from(rogue.keyPair.publicKey),
        secretKey: Buffer.from(rogue.keyPair.secretKey),
      },
      relayAddresses: [address],
    })
    connection.on('error', () => undefined)
    const closed = new Promise<void>((resolve) => connection.once('close', () => resolve()))
    const channel = Protomux.from(connection).createChannel({ protocol: 'wardchain/1' })
    const message = channel?.addMessage({ encoding: raw, onmessage: () => undefined })
    channel?.open()
    message?.send(attack)
    await closed
  }
  t.equal(node.up.size, 0)
  t.ok(node.closed.length >= attacks.length, node.closed.join(' '))
  for (const code of ['UNIT_MALFORMED', 'UNIT_UNKNOWN', 'HELLO_EXPECTED', 'UNIT_TOO_LARGE']) {
    t.ok(node.closed.includes(code), code)
  }
  await dht.destroy({ force: true })
  await closeAll([node])
})

t.test('a hundred observers connect to one validator at once, and it hears each of them', async (t) => {
  const network = await testNetwork(1)
  const [own] = network.validators
  const observers = Array.from({ length: 100 }, (_, index) => identity(100 + index))
  const allowed = observers.map(({ peer }) => peer)
  const validator = await startNode({ ...testOptions(network, own), allowed }, own)
  const nodes = await Promise.all(
    observers.map((observer) => startNode(testOptions(network, observer, 'observer'), observer)),
  )
  const tookMs = await until(() => validator.up.size === 100, 18000, 'a hundred connections')
  t.comment(`100 connections in ${Math.round(tookMs)} ms`)
  await until(() => nodes.every((node) => node.up.size === 1), patienceMs, 'on their side too')
  for (const node of nodes) node.transport.send(own.peer, Uint8Array.of(1), 1)
  await until(() => validator.frames.length === 100, patienceMs, 'a frame from each')
  t.equal(new Set(validator.frames.map(({ from }) => from)).size, 100)
  await closeAll([validator, ...nodes])
})

t.test('public hosts, names and taken ports are refused at start', async (t) => {
  const [port] = await freePorts(1, 'udp')
  if (port === undefined) throw new Error('no port')
  const book: AddressBook = new Map()
  t.throws(() => createDhtNode({ host: '::', port, bootstrap: [], book }), { code: 'BAD_OPTIONS' })
  const named = [{ host: 'node1.dht.example', port: 49737 }]
  t.throws(() => createDhtNode({ host, port, bootstrap: named, book }), { code: 'BAD_OPTIONS' })
  const lone = createDhtNode({ host, port, bootstrap: [], book })
  t.same(lone.bootstrapNodes, [], 'an empty list does not fall back to the public nodes')
  await lone.bind()
  const network = await testNetwork(1)
  const own = network.validators[0]
  if (own === undefined) throw new Error('no validator')
  const taken = createTransport(
    { ...testOptions(network, own), port },
    { onPeer: () => undefined, onFrame: () => undefined, onWritable: () => undefined },
  )
  await t.rejects(taken, { code: 'PORT_UNAVAILABLE' })
  await lone.destroy({ force: true })
})
