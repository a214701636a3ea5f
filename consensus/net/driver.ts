// The driver: transport, pool, executor and store around the pure core. One for validators, observers and
// gateways;
// who is not in the validator set follows by certificates (R27) with the very same core and commit path
// (R10).

import type { CoreConfig } from '../pbft/index.js'
import { coreDefaults, heldBy } from '../pbft/index.js'
import type { HeldCertificate } from '../driver/read-index.js'
import { CoreRunner } from './core-runner.js'
import { encodeHostFrame } from './frames.js'
import { upstreamCheckMs } from './limits.js'
import { NetworkSide } from './network-side.js'
import type { DriverPorts, DriverStatus, Urgency } from './ports.js'
import { statusOf } from './status.js'
import {
  createTransport,
  type OwnHello,
  type PeerId,
  type Transport,
  type TransportOptions,
} from './transport.js'
import type { Role } from './wire.js'

export interface DriverOptions {
  readonly role: Role
  /** 32 bytes each. */
  readonly chainId: Uint8Array
  readonly epoch: number
  /** Recoveries that led to this epoch, as the host has checked them. */
  readonly recoveries?: CoreConfig['recoveries']
  /** Entity id of this node; a validator's is in the validator set. */
  readonly nodeId: Uint8Array
  /** Public key to `SignaturePort.sign`; for a validator its vote key. */
  readonly nodeKey: Uint8Array
  readonly version: number
  readonly appVersion: number
  /** Everything of the transport that the driver does not know itself. */
  readonly network: Omit<TransportOptions, 'hello' | 'sign' | 'verify'>
  /** Timers and bounds that differ from `coreDefaults`. */
  readonly timers?: Partial<
    Omit<CoreConfig, 'chainId' | 'epoch' | 'recoveries' | 'self' | 'version' | 'appVersion'>
  >
}

export interface Driver {
  readonly transport: Transport
  status(): DriverStatus
  /**
   * The pool's level changed: something waits now, an emergency does, or nothing more. Cheap; call it
   * freely.
   */
  transactionsWaiting(): void
  /** A transaction outlived its time although blocks were made: the leader leaves it out (R20). */
  transactionOverdue(): void
  /**
   * Bundles that were submitted at this node and passed its pool: tells all validators and subscribers.
   * Urgent ones (emergency lane) of up to 16 KiB travel with the votes. Default: normal.
   */
  gossip(bundles: readonly Uint8Array[], urgency?: Urgency): void
  /** Hands a message to the peer's host, at most 4 KiB. False: not connected, or no room. */
  sendToHost(peer: PeerId, message: Uint8Array): boolean
  /**
   * What this validator shows to a linearizable read: its highest certificate, null at genesis. Undefined: it
   * is none, or may have forgotten what it signed.
   */
  heldCertificate(): HeldCertificate | null | undefined
  /** Asks the services of one peer's host. Null: no answer in time, or the peer went away. */
  ask(peer: PeerId, body: Uint8Array, timeoutMs: number): Promise<Uint8Array | null>
  /** Governance changed the members or observers that may connect, and whom to dial. */
  setPeers(peers: {
    readonly allowed: readonly PeerId[]
    readonly dial: readonly PeerId[]
    readonly book?: TransportOptions['book']
  }): void
  /** Leaves the network and waits for calls into executor and store that are still open. */
  close(): Promise<void>
}

/**
 * Starts a node. Resolves when the socket is bound and the core has had its first event; peers come later.
 * Throws NetError (see errors.ts) and whatever `chain.tip`, `chain.validators` and `votes.load` reject
 * with.
 */
export async function createDriver(options: DriverOptions, ports: DriverPorts): Promise<Driver> {
  const network = new NetworkSide(options, ports)
  const runner = await CoreRunner.start(coreConfigOf(options), ports, network)
  network.attachRunner(runner)
  let transport: Transport
  try {
    transport = await createTransport(transportOptionsOf(options, ports, runner), network)
  } catch (error) {
    await runner.close()
    throw error
  }
  network.attachTransport(transport)
  const upkeep = setInterval(() => network.upkeep(), upstreamCheckMs)
  upkeep.unref()
  return driverOf(options, { network, runner, transport, upkeep })
}

interface Parts {
  readonly network: NetworkSide
  readonly runner: CoreRunner
  readonly transport: Transport
  readonly upkeep: NodeJS.Timeout
}

function driverOf(options: DriverOptions, parts: Parts): Driver {
  const { network, runner, transport, upkeep } = parts
  return {
    transport,
    status: () =>
      statusOf({
        role: options.role,
        core: runner.core,
        peers: network.peers,
        clocks: network.clocks,
        claimedHeight: network.claimedHeight(),
        links: transport.peers(),
        now: runner.clock.now(),
        halted: runner.halted?.code ?? null,
      }),
    transactionsWaiting: () => network.poolChanged(),
    transactionOverdue: () => runner.push({ type: 'transactionOverdue', now: runner.clock.now() }),
    gossip: (bundles, urgency = 'normal') => network.submitted(bundles, urgency),
    sendToHost: (peer, message) => transport.send(peer, encodeHostFrame(message), 0),
    heldCertificate: () => (runner.halted === null ? heldBy(runner.core) : undefined),
    ask: (peer, body, timeoutMs) => network.asks.ask(peer, body, timeoutMs),
    setPeers: ({ allowed, dial, book }) => {
      network.setDial(dial)
      transport.dial(dial, book)
      transport.allow(allowed)
    },
    close: async () => {
      clearInterval(upkeep)
      // The others need not wait for a timeout when the leader is restarted on purpose.
      runner.standDown()
      network.asks.close()
      // Consensus first: nothing may be signed for a network that this node is leaving.
      const stopped = runner.close()
      await transport.close()
      await stopped
    },
  }
}

/**
 * A node that only follows: observer workstation, gateway, backup. The same driver without a vote store.
 */
export function createFollower(
  options: Omit<DriverOptions, 'role'> & { readonly role?: 'observer' | 'gateway' },
  ports: Omit<DriverPorts, 'votes'>,
): Promise<Driver> {
  return createDriver({ role: 'observer', ...options }, { ...ports, votes: null })
}

function coreConfigOf(options: DriverOptions): CoreConfig {
  const { chainId, epoch, nodeId, version, appVersion } = options
  const { recoveries = [] } = options
  return {
    ...coreDefaults,
    ...options.timers,
    chainId,
    epoch,
    recoveries,
    self: nodeId,
    version,
    appVersion,
  }
}

function transportOptionsOf(
  options: DriverOptions,
  ports: DriverPorts,
  runner: CoreRunner,
): TransportOptions {
  const { chainId, epoch, nodeId, nodeKey, role } = options
  const hello = (): OwnHello => {
    const { height, blockHash } = runner.core.tip
    return { chainId, epoch, nodeId, nodeKey, role, tipHeight: height, tipHash: blockHash }
  }
  const { signature } = ports
  return {
    ...options.network,
    hello,
    sign: (bytes) => signature.sign(bytes),
    verify: (publicKey, bytes, signed) => signature.verify(publicKey, bytes, signed),
  }
}
