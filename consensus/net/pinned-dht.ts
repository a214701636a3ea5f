// A private DHT node that dials known peers at their configured addresses (network.md 3).

import { createSocket } from 'node:dgram'
import HyperDHT, { type ConnectOptions, type NodeAddress, type SecretStream } from 'hyperdht'
import { NetError } from './errors.js'
import { dialTimeoutMs, pinnedDialsPerQuery } from './limits.js'

/** Hex of the transport key -> address; may change while the node runs. */
export type AddressBook = Map<string, NodeAddress>

export function peerIdOf(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString('hex')
}

/** With the target's own address as relay a dial is one round trip and needs no DHT query. */
export class PinnedDHT extends HyperDHT {
  book: AddressBook = new Map()

  /** Dials since the last success, by key. */
  readonly #failures = new Map<string, number>()

  override connect(remotePublicKey: Uint8Array, options: ConnectOptions = {}): SecretStream {
    const peer = peerIdOf(remotePublicKey)
    const address = this.book.get(peer)
    const failures = this.#failures.get(peer) ?? 0
    const isQuery = failures % (pinnedDialsPerQuery + 1) === pinnedDialsPerQuery
    this.#failures.set(peer, failures + 1)
    const isPinned = address !== undefined && !isQuery
    const connection = super.connect(
      remotePublicKey,
      isPinned ? { ...options, relayAddresses: [address] } : options,
    )
    // A refused or dead address answers with silence for 4-16 s; the next dial must not wait for that.
    const timer = setTimeout(() => {
      if (!connection.connected) connection.destroy()
    }, dialTimeoutMs)
    timer.unref()
    connection.once('open', () => this.#failures.delete(peer))
    connection.once('close', () => clearTimeout(timer))
    return connection
  }
}

export interface DhtNodeOptions {
  /** IPv4 literal that others reach this node at, and that its sockets bind. */
  host: string
  /** Fixed UDP port; 0 makes an ephemeral node (observer, gateway) on a free port. */
  port: number
  bootstrap: readonly NodeAddress[]
  book: AddressBook
}

/**
 * Starts the DHT node: with a port a persistent bootstrapper (a plain node that reaches nobody at start
 * would
 * stay ephemeral for ever), else an ephemeral one. Throws BAD_OPTIONS or BOOTSTRAP_NOT_CONFIGURED.
 */
export function createDhtNode(options: DhtNodeOptions): PinnedDHT {
  const { host, port } = options
  if (!isIpv4(host)) throw new NetError('BAD_OPTIONS', `host must be an IPv4 address, not ${host}`)
  for (const node of [...options.bootstrap, ...options.book.values()]) {
    // A name would be asked of a DNS server outside of the facility.
    if (!isIpv4(node.host) || !isPort(node.port)) {
      throw new NetError('BAD_OPTIONS', `not an IPv4 address and port: ${node.host}:${node.port}`)
    }
  }
  const bootstrap = options.bootstrap.map((node) => ({ host: node.host, port: node.port }))
  const dht =
    port === 0
      ? new PinnedDHT({ host, bootstrap, ephemeral: true, anyPort: true })
      : PinnedDHT.bootstrapper(port, host, { host, bootstrap })
  const strangers = dht.bootstrapNodes.filter(
    (node) => !bootstrap.some((own) => own.host === node.host && own.port === node.port),
  )
  if (strangers.length > 0 || dht.bootstrapNodes.length !== bootstrap.length) {
    // Falling back to the public nodes would tell the Internet that this hospital exists (network.md 3).
    void dht.destroy({ force: true })
    throw new NetError('BOOTSTRAP_NOT_CONFIGURED', 'the DHT would contact hosts that are not configured')
  }
  dht.book = options.book
  return dht
}

/** Throws PORT_UNAVAILABLE. Asked first because a DHT node that could not bind cannot be closed either. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  const socket = createSocket('udp4')
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ port, address: host, exclusive: true }, resolve)
    })
  } catch (error) {
    throw new NetError('PORT_UNAVAILABLE', `cannot bind UDP ${host}:${port}`, error)
  } finally {
    socket.close()
  }
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65536
}

function isIpv4(host: string): boolean {
  const parts = host.split('.')
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)
}
