// The transport: admits, dials and replaces peers, and hands frames to one listener. The seam of
// network.md 8.

import Hyperswarm from 'hyperswarm'
import type { KeyPair, NodeAddress, SecretStream } from 'hyperdht'
import { NetError } from './errors.js'
import {
  closePatienceMs,
  closeTriesMax,
  dialBackoffsMs,
  dialJitterMs,
  validatorTimeoutMs,
} from './limits.js'
import { PeerLink, type LinkEvents, type LinkOptions } from './peer-link.js'
import { assertPortFree, createDhtNode, peerIdOf, type AddressBook, type PinnedDHT } from './pinned-dht.js'
import type { Hello, QueueClass, Role } from './wire.js'
import { within } from './within.js'

/** Lower-case hex of a node's 32-byte transport key. */
export type PeerId = string

/** What the hello of this node says; protocol version is added. Asked for at every connection. */
export type OwnHello = Omit<Hello, 'protocolVersion'>

export interface TransportOptions {
  /** Ed25519 transport key pair, secret key 64 bytes (seed ‖ public key). */
  keyPair: KeyPair
  /** IPv4 literal of this node's own interface. */
  host: string
  /** UDP port of a validator; 0 for an observer or gateway. */
  port: number
  /** The other validators' DHT nodes. Checked; may be empty, never absent. */
  bootstrap: readonly NodeAddress[]
  book: ReadonlyMap<PeerId, NodeAddress>
  /** Peers to keep connected to. */
  dial: readonly PeerId[]
  /** Peers that may connect; `allow` replaces the list at run time. */
  allowed: readonly PeerId[]
  /** Further admission, asked at each handshake (an observer's ticket). It need not be stable. */
  accept?: (peer: PeerId) => boolean
  /** Keys that are no node's: a sealed node that asks for its key shares. They never get a `PeerLink`. */
  visitors?: {
    admits(peer: PeerId): boolean
    /** Owns the connection from now on; it must listen for its errors and close it. */
    connected(connection: SecretStream): void
  }
  hello: LinkOptions['hello'] extends () => Hello ? () => OwnHello : never
  sign(bytes: Uint8Array): Uint8Array
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean
  /** A code refuses a peer whose signed hello is otherwise right: a node id that does not fit its key. */
  refuse?: (peer: PeerId, hello: Hello) => string | null
}

export interface TransportListener {
  /** Down, then up, when a connection is replaced: frames in flight may be lost. */
  onPeer(peer: PeerId, up: boolean, hello: Hello): void
  /**
   * `release` gives the peer its credit back: call it when the frame has been dealt with, never forget
   * it.
   */
  onFrame(from: PeerId, frame: Uint8Array, queueClass: QueueClass, release: () => void): void
  /** There is room again after a `send` that returned false. */
  onWritable(peer: PeerId): void
  /** For metrics and log: why a connection ended. */
  onClosed?(peer: PeerId, reason: string): void
}

export interface PeerStatus {
  peer: PeerId
  role: Role
  nodeId: Uint8Array
  nodeKey: Uint8Array
  host: string
  queuedBytes: number
  /** Round-trip time as the transport sees it, milliseconds; 0 when unknown. */
  rttMs: number
}

/** At most once; in order per peer and class while the peer is up. */
export interface Transport {
  readonly own: PeerId
  /**
   * False: not connected, or no room; `onWritable` follows in the second case. Never throws, never
   * blocks, does
   * not copy: leave the frame alone. With `boundBytes` the frame is taken only while its class holds no
   * more than
   * that, so that what comes after it need not wait long.
   */
  send(to: PeerId, frame: Uint8Array, queueClass: QueueClass, boundBytes?: number): boolean
  peers(): PeerStatus[]
  isUp(peer: PeerId): boolean
  /** Replaces the list of admitted peers; connections of peers that fell out are closed. */
  allow(peers: readonly PeerId[]): void
  /** Replaces the list of peers to keep connected to, and adds addresses. */
  dial(peers: readonly PeerId[], book?: ReadonlyMap<PeerId, NodeAddress>): void
  disconnect(peer: PeerId, reason: string): void
  close(): Promise<void>
  /** FOR TESTS ONLY: frames to and from these peers vanish, connections stay: a partition that lies. */
  dropFramesForTest(peers: readonly PeerId[]): void
  /**
   * FOR TESTS ONLY: as if the cable to these peers, and to no others, were cut: frames vanish at once, the
   * connections die when their timeout says so, and no new ones come up. An empty list heals.
   */
  cutForTest(peers: readonly PeerId[]): void
}

/**
 * Starts listening and dialling; resolves as soon as the socket is bound, which says nothing about peers.
 * Throws NetError: BAD_OPTIONS, BOOTSTRAP_NOT_CONFIGURED, PORT_UNAVAILABLE.
 */
export async function createTransport(
  options: TransportOptions,
  listener: TransportListener,
): Promise<Transport> {
  const book: AddressBook = new Map(options.book)
  if (options.port !== 0) await assertPortFree(options.host, options.port)
  const dht = createDhtNode({ host: options.host, port: options.port, bootstrap: options.bootstrap, book })
  try {
    await dht.bind()
  } catch (error) {
    await dht.destroy({ force: true }).catch(() => undefined)
    throw new NetError('PORT_UNAVAILABLE', `cannot bind UDP ${options.host}:${options.port}`, error)
  }
  return new SwarmTransport(options, listener, dht, book)
}

class SwarmTransport implements Transport {
  readonly own: PeerId
  readonly #options: TransportOptions
  readonly #listener: TransportListener
  readonly #book: AddressBook
  readonly #swarm: Hyperswarm
  readonly #links = new Map<PeerId, PeerLink>()
  #allowed: Set<PeerId>
  #dialled = new Set<PeerId>()
  #dropped = new Set<PeerId>()
  #cut = new Set<PeerId>()
  #closing: Promise<void> | null = null

  constructor(options: TransportOptions, listener: TransportListener, dht: PinnedDHT, book: AddressBook) {
    this.own = peerIdOf(options.keyPair.publicKey)
    this.#options = options
    this.#listener = listener
    this.#book = book
    this.#allowed = new Set(options.allowed)
    this.#swarm = new Hyperswarm({
      dht,
      keyPair: bufferKeys(options.keyPair),
      maxPeers: 2048,
      maxParallel: 32,
      backoffs: [...dialBackoffsMs],
      jitter: dialJitterMs,
      firewall: (publicKey) => !this.#admits(peerIdOf(publicKey)),
    })
    this.#swarm.on('ban', (info) => {
      // Neither sticky nor kept: a key may be listed later, and 1,000 strangers must leave no trace.
      info.ban(false)
      if (!info.explicit) this.#swarm.peers.delete(peerIdOf(info.publicKey))
    })
    this.#swarm.on('connection', (connection) => this.#connected(connection))
    // The first announce may take seconds while other nodes are down; nobody needs to wait for it.
    this.#swarm.listen().catch(() => undefined)
    this.dial(options.dial)
  }

  #admits(peer: PeerId): boolean {
    if (this.#cut.has(peer)) return false
    return this.#isPeer(peer) || this.#options.visitors?.admits(peer) === true
  }

  #isPeer(peer: PeerId): boolean {
    return this.#allowed.has(peer) || this.#dialled.has(peer) || this.#options.accept?.(peer) === true
  }

  #connected(connection: SecretStream): void {
    const peer = peerIdOf(connection.remotePublicKey)
    if (!this.#isPeer(peer) && this.#options.visitors) return this.#options.visitors.connected(connection)
    const options: LinkOptions = {
      transportKey: this.#options.keyPair.publicKey,
      ownRole: this.#options.hello().role,
      isListed: this.#book.has(peer) || this.#dialled.has(peer),
      hello: () => ({ protocolVersion: 1, ...this.#options.hello() }),
      sign: (bytes) => this.#options.sign(bytes),
      verify: (publicKey, bytes, signature) => this.#options.verify(publicKey, bytes, signature),
      refusal: (hello) => this.#refusal(peer, hello),
    }
    new PeerLink(connection, options, this.#linkEvents(peer))
  }

  #refusal(peer: PeerId, hello: Hello): string | null {
    const own = this.#options.hello()
    if (!equalBytes(hello.chainId, own.chainId)) return 'WRONG_CHAIN'
    if (equalBytes(hello.nodeId, own.nodeId)) return 'OWN_NODE_ID'
    return this.#options.refuse?.(peer, hello) ?? null
  }

  #linkEvents(peer: PeerId): LinkEvents {
    return {
      onOpen: (link, hello) => {
        // The newer connection replaces the older one: the peer has lost or restarted it (network.md 6).
        if (this.#cut.has(peer)) return link.connection.destroy()
        const older = this.#links.get(peer)
        if (older !== undefined) older.close('REPLACED')
        this.#links.set(peer, link)
        this.#listener.onPeer(peer, true, hello)
      },
      onFrame: (link, frame, queueClass, release) => {
        if (this.#links.get(peer) !== link || this.#dropped.has(peer)) return release()
        this.#listener.onFrame(peer, frame, queueClass, release)
      },
      onWritable: (link) => {
        if (this.#links.get(peer) === link) this.#listener.onWritable(peer)
      },
      onClose: (link, reason) => {
        this.#listener.onClosed?.(peer, reason)
        if (this.#links.get(peer) !== link || link.hello === null) return
        this.#links.delete(peer)
        this.#listener.onPeer(peer, false, link.hello)
      },
    }
  }

  send(to: PeerId, frame: Uint8Array, queueClass: QueueClass, boundBytes?: number): boolean {
    const link = this.#links.get(to)
    if (link === undefined) return false
    if (this.#dropped.has(to)) return true
    return link.send(frame, queueClass, boundBytes)
  }

  peers(): PeerStatus[] {
    const list: PeerStatus[] = []
    for (const [peer, link] of this.#links) {
      if (link.hello === null) continue
      const { role, nodeId, nodeKey } = link.hello
      const stream = link.connection.rawStream
      const host = stream?.remoteHost ?? ''
      const { queuedBytes } = link
      list.push({ peer, role, nodeId, nodeKey, host, queuedBytes, rttMs: stream?.rtt ?? 0 })
    }
    return list
  }

  isUp(peer: PeerId): boolean {
    return this.#links.has(peer)
  }

  allow(peers: readonly PeerId[]): void {
    this.#allowed = new Set(peers)
    for (const info of this.#swarm.peers.values()) info.ban(false)
    // The firewall gates new connections only, so live ones are closed here (network.md 4).
    for (const connection of [...this.#swarm.connections]) {
      const peer = peerIdOf(connection.remotePublicKey)
      if (this.#admits(peer)) continue
      const link = this.#links.get(peer)
      if (link === undefined) connection.destroy()
      else link.close('NOT_ALLOWED')
    }
  }

  dial(peers: readonly PeerId[], book?: ReadonlyMap<PeerId, NodeAddress>): void {
    for (const [peer, address] of book ?? []) this.#book.set(peer, address)
    const wanted = new Set(peers.filter((peer) => peer !== this.own))
    for (const peer of this.#dialled) {
      if (!wanted.has(peer)) this.#swarm.leavePeer(Buffer.from(peer, 'hex'))
    }
    this.#dialled = wanted
    for (const peer of wanted) if (!this.#cut.has(peer)) this.#swarm.joinPeer(Buffer.from(peer, 'hex'))
  }

  disconnect(peer: PeerId, reason: string): void {
    this.#links.get(peer)?.close(reason)
  }

  dropFramesForTest(peers: readonly PeerId[]): void {
    this.#dropped = new Set(peers)
  }

  cutForTest(peers: readonly PeerId[]): void {
    const before = this.#cut
    this.#cut = new Set(peers)
    this.#dropped = new Set(peers)
    for (const peer of before) {
      if (!this.#cut.has(peer) && this.#dialled.has(peer)) this.#swarm.joinPeer(Buffer.from(peer, 'hex'))
    }
    for (const peer of this.#cut) if (!before.has(peer)) this.#swarm.leavePeer(Buffer.from(peer, 'hex'))
    const die = (): void => {
      for (const peer of this.#cut) this.#links.get(peer)?.connection.destroy()
    }
    setTimeout(die, validatorTimeoutMs).unref()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const peer of this.#dialled) this.#swarm.leavePeer(Buffer.from(peer, 'hex'))
    for (const link of [...this.#links.values()]) link.close('NODE_CLOSING')
    await new Promise((resolve) => setTimeout(resolve, 20)) // lets the goodbyes leave the socket
    for (const connection of [...this.#swarm.connections]) connection.destroy()
    // A polite close un-announces at every DHT node and waits seconds for dead ones; leaving needs no
    // permission.
    const polite = this.#swarm.destroy({ force: true }).catch(() => undefined)
    await within(polite, closePatienceMs)
    await destroyDht(this.#swarm.dht)
  }
}

/** Throws NetError NOT_CLOSED. */
export async function destroyDht(dht: Pick<PinnedDHT, 'destroy' | 'rawStreams'>): Promise<void> {
  const destroyed = dht.destroy({ force: true }).catch(() => undefined)
  for (let tries = 0; tries < closeTriesMax; tries += 1) {
    if (await within(destroyed, closePatienceMs)) return
    // A stream that came up while the others were ended would keep its socket open for ever.
    void dht.rawStreams.clear()
  }
  throw new NetError('NOT_CLOSED', 'a connection does not end: its UDP port stays taken by this process')
}

/** The native code below insists on Buffers; the bytes are shared, so a locked secret key is not copied. */
export function bufferKeys(keyPair: KeyPair): KeyPair {
  const { publicKey, secretKey } = keyPair
  return {
    publicKey: Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length),
    secretKey: Buffer.from(secretKey.buffer, secretKey.byteOffset, secretKey.length),
  }
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}
