// Nodes on loopback for the tests: keys, a recording listener, a bounded wait.

import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import HyperDHT, { type KeyPair, type NodeAddress } from 'hyperdht'
import { freePorts } from './free-ports.js'
import { peerIdOf } from './pinned-dht.js'
import { createTransport, type PeerId, type Transport, type TransportOptions } from './transport.js'
import type { QueueClass, Role } from './wire.js'

export const host = '127.0.0.1'

/** For what must come and is not about how soon: machines that run tests are busy. */
export const patienceMs = 120_000

const derPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** Ed25519 signer of a test node; deterministic from its number. */
export interface TestKey {
  publicKey: Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

export function testKey(number: number): TestKey {
  const seed = Buffer.from(`node key ${number}`.padEnd(32))
  const key = createPrivateKey({ key: Buffer.concat([derPrefix, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    publicKey: new Uint8Array(spki.subarray(spki.length - 32)),
    sign: (bytes) => new Uint8Array(sign(null, bytes, key)),
  }
}

const keyObjects = new Map<string, KeyObject>()

export function testVerify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  const id = Buffer.from(publicKey).toString('hex')
  let key = keyObjects.get(id)
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' })
    keyObjects.set(id, key)
  }
  return verify(null, bytes, key, signature)
}

export interface TestIdentity {
  number: number
  keyPair: KeyPair
  peer: PeerId
  nodeId: Uint8Array
  key: TestKey
}

export function identity(number: number): TestIdentity {
  const keyPair = HyperDHT.keyPair(Buffer.from(`transport ${number}`.padEnd(32)))
  const nodeId = new Uint8Array(Buffer.from(`node id ${number}`.padEnd(32)))
  return { number, keyPair, peer: peerIdOf(keyPair.publicKey), nodeId, key: testKey(number) }
}

export interface ReceivedFrame {
  from: PeerId
  frame: Uint8Array
  queueClass: QueueClass
}

export interface TestNode {
  identity: TestIdentity
  transport: Transport
  up: Set<PeerId>
  /** Every up and down in order: `+peer`, `-peer`. */
  changes: string[]
  frames: ReceivedFrame[]
  closed: string[]
  writable: number
  /** When true, frames are kept and their credit is not given back. */
  hold: boolean
}

export interface TestNetwork {
  chainId: Uint8Array
  book: Map<PeerId, NodeAddress>
  validators: TestIdentity[]
}

export async function testNetwork(count: number): Promise<TestNetwork> {
  const ports = await freePorts(count, 'udp')
  const validators = ports.map((_, index) => identity(index))
  const book = new Map(validators.map((node, index) => [node.peer, { host, port: ports[index] ?? 0 }]))
  return { chainId: new Uint8Array(32).fill(7), book, validators }
}

export function testOptions(
  network: TestNetwork,
  own: TestIdentity,
  role: Role = 'validator',
): TransportOptions {
  const others = network.validators.filter((node) => node.peer !== own.peer).map((node) => node.peer)
  const port = role === 'validator' ? (network.book.get(own.peer)?.port ?? 0) : 0
  return {
    keyPair: own.keyPair,
    host,
    port,
    bootstrap: others.flatMap((peer) => network.book.get(peer) ?? []),
    book: network.book,
    dial: others,
    allowed: others,
    hello: () => ({
      chainId: network.chainId,
      epoch: 0,
      nodeId: own.nodeId,
      nodeKey: own.key.publicKey,
      role,
      tipHeight: 0,
      tipHash: new Uint8Array(32),
    }),
    sign: (bytes) => own.key.sign(bytes),
    verify: testVerify,
  }
}

export async function startNode(options: TransportOptions, own: TestIdentity): Promise<TestNode> {
  const node: Omit<TestNode, 'transport'> & { transport?: Transport } = {
    identity: own,
    up: new Set(),
    changes: [],
    frames: [],
    closed: [],
    writable: 0,
    hold: false,
  }
  node.transport = await createTransport(options, {
    onPeer: (peer, up) => {
      node.changes.push((up ? '+' : '-') + peer)
      if (up) node.up.add(peer)
      else node.up.delete(peer)
    },
    onFrame: (from, frame, queueClass, release) => {
      node.frames.push({ from, frame, queueClass })
      if (!node.hold) release()
    },
    onWritable: () => {
      node.writable += 1
    },
    onClosed: (_peer, reason) => {
      node.closed.push(reason)
    },
  })
  return node as TestNode
}

/** Polls until `condition` holds; returns the milliseconds it took, or throws after `limitMs`. */
export async function until(condition: () => boolean, limitMs: number, what: string): Promise<number> {
  const start = performance.now()
  while (!condition()) {
    if (performance.now() - start > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - start
}
