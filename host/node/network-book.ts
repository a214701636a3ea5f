// Who belongs to the network, as the transport needs it: whom to admit, whom to dial, at which address. It
// follows the chain's state; a node that has no state yet starts from the addresses of its ticket.
import { existsSync, readFileSync } from 'node:fs'
import { bytesToHex, entityIdOf, equalBytes, hexToBytes } from '../../runtime/protocol/index.js'
import type { NodeEntry } from '../../runtime/execution/index.js'
import type { Hello } from '../../consensus/net/wire.js'
import type { PeerId } from '../../consensus/net/transport.js'
import type { NetworkView } from '../executor/messages.js'
import { sha256 } from '../keys/crypto.js'
import { replaceFile } from '../store/durable-file.js'

/** A node that this one may dial before it knows the chain. */
export interface BootstrapPeer {
  entity: Uint8Array
  transportKey: Uint8Array
  host: string
  port: number
}

export interface PeerLists {
  allowed: PeerId[]
  dial: PeerId[]
  book: Map<PeerId, { host: string; port: number }>
}

const graceMs = 5_000
const endedMax = 64

export class NetworkBook {
  private nodes: NodeEntry[] = []
  /** Names of listed nodes by transport key. */
  private names = new Map<PeerId, string>()
  private named: readonly Uint8Array[] = []
  private tickets: NetworkView['tickets'] = []
  /** Tickets that ended a moment ago: their holders still wait for the answer to their last request. */
  private ended: (NetworkView['tickets'][number] & { until: number })[] = []

  constructor(
    readonly own: Uint8Array,
    private readonly bootstrap: readonly BootstrapPeer[],
    private readonly now: () => number,
    view: NetworkView,
  ) {
    this.update(view)
  }

  update({ nodes, tickets }: NetworkView): void {
    this.nodes = nodes
    this.names = new Map(this.listed.map(({ transportKey, name }) => [bytesToHex(transportKey), name]))
    const isIn = (list: readonly { publicKey: Uint8Array }[], key: Uint8Array): boolean =>
      list.some(({ publicKey }) => equalBytes(publicKey, key))
    const until = this.now() + graceMs
    const gone = this.tickets.filter(({ publicKey }) => !isIn(tickets, publicKey))
    this.ended = [...this.ended, ...gone.map((ticket) => ({ ...ticket, until }))].slice(-endedMax)
    this.tickets = tickets
  }

  /** Every node that there ever was. */
  get all(): readonly NodeEntry[] {
    return this.nodes
  }

  /** Listed nodes, this one included. */
  get listed(): NodeEntry[] {
    return this.nodes.filter((node) => node.listed)
  }

  get others(): NodeEntry[] {
    return this.listed.filter((node) => !equalBytes(node.entity, this.own))
  }

  /** This node's row, listed or removed; undefined while the chain does not know it. */
  get self(): NodeEntry | undefined {
    return this.nodes.find((node) => equalBytes(node.entity, this.own))
  }

  get validators(): NodeEntry[] {
    return this.others.filter((node) => node.role === 'validator' || this.isNamedBy(node.entity))
  }

  /** Who votes by a recovery manifest, until its first block says so in their rows. */
  name(entities: readonly Uint8Array[]): void {
    this.named = entities
  }

  get isNamed(): boolean {
    return this.isNamedBy(this.own)
  }

  private isNamedBy(entity: Uint8Array): boolean {
    return this.named.some((other) => equalBytes(other, entity))
  }

  nameOf(entity: string): string | undefined {
    return this.nodes.find((node) => bytesToHex(node.entity) === entity)?.name
  }

  /** Cheap: it is asked for each frame of a flood. */
  nameOfPeer(peer: PeerId): string | undefined {
    return this.names.get(peer)
  }

  /** Everybody dials every validator: a follower too, or it could not say whether a quorum is there. */
  lists(): PeerLists {
    const known: BootstrapPeer[] = this.validators
    // Until this node has caught up, what its ticket says may be newer than what its state says.
    const { fallback } = this
    const dial = unique([...known, ...fallback].map((peer) => bytesToHex(peer.transportKey)))
    const book = new Map(
      [...fallback, ...known].map(({ transportKey, host, port }) => [
        bytesToHex(transportKey),
        { host, port },
      ]),
    )
    const tickets = this.liveTickets
    const allowed = unique([
      ...this.others.map((node) => bytesToHex(node.transportKey)),
      ...tickets.map((ticket) => bytesToHex(ticket.publicKey)),
    ])
    return { allowed, dial, book }
  }

  private get liveTickets(): NetworkView['tickets'] {
    const now = this.now()
    const ended = this.ended.filter(({ until }) => until > now)
    return [...this.tickets.filter((ticket) => ticket.expires >= now), ...ended]
  }

  private get fallback(): BootstrapPeer[] {
    return this.bootstrap.filter((peer) => !this.isRemoved(peer))
  }

  private isRemoved(peer: BootstrapPeer): boolean {
    const row = this.nodes.find((node) => equalBytes(node.entity, peer.entity))
    return row !== undefined && (!row.listed || !equalBytes(row.transportKey, peer.transportKey))
  }

  /** The chain lists a node with this transport key: what a ticket or an address file says does not count. */
  isListed(peer: PeerId): boolean {
    return this.others.some((node) => bytesToHex(node.transportKey) === peer)
  }

  /** Whoever is admitted and no node: not by its ticket, which may end in the moment that it is asked. */
  isApplicant(peer: PeerId): boolean {
    return (
      !this.isListed(peer) && !this.fallback.some(({ transportKey }) => bytesToHex(transportKey) === peer)
    )
  }

  /** A code refuses a peer whose node id does not belong to the key that it connected with. */
  refusal(peer: PeerId, hello: Hello): string | null {
    const node =
      this.others.find((entry) => bytesToHex(entry.transportKey) === peer) ??
      this.fallback.find((entry) => bytesToHex(entry.transportKey) === peer)
    if (node) return equalBytes(node.entity, hello.nodeId) ? null : 'NODE_KEY_MISMATCH'
    const ticket = this.liveTickets.find((entry) => bytesToHex(entry.publicKey) === peer)
    if (!ticket) return 'NOT_ADMITTED'
    return equalBytes(entityIdOf(sha256, ticket.publicKey), hello.nodeId) ? null : 'NODE_KEY_MISMATCH'
  }
}

const unique = (list: string[]): string[] => [...new Set(list)]

interface PeerJson {
  entity: string
  transportKey: string
  host: string
  port: number
}

/** `peers.json` of a node that joined by a ticket; none for a founding node or a file that is not one. */
export function readBootstrapPeers(file: string): BootstrapPeer[] {
  if (!existsSync(file)) return []
  try {
    const list = JSON.parse(readFileSync(file, 'utf8')) as PeerJson[]
    return list.flatMap(({ entity, transportKey, host, port }) => {
      const [id, key] = [entity, transportKey].map(hexToBytes)
      return id?.length === 32 && key?.length === 32 ? [{ entity: id, transportKey: key, host, port }] : []
    })
  } catch {
    return []
  }
}

/** Kept up to date, so that a node that was away for long still finds somebody. */
export function writeBootstrapPeers(file: string, peers: readonly BootstrapPeer[]): void {
  const list = peers.map(({ entity, transportKey, host, port }): PeerJson => ({
    entity: bytesToHex(entity),
    transportKey: bytesToHex(transportKey),
    host,
    port,
  }))
  replaceFile(file, Buffer.from(`${JSON.stringify(list, null, 2)}\n`))
}
