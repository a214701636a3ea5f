// Peer unlock on a running node: it deals the shares of its own machine secret to the validators, keeps
// theirs, gives a share back to a sealed node in good standing, and reports each release on the chain.
import type { SecretStream } from 'hyperdht'
import { Reception } from '../../consensus/net/visit.js'
import { faultsTolerated } from '../../consensus/pbft/index.js'
import { bytesToHex, equalBytes, errorTable } from '../../runtime/protocol/index.js'
import { generateSigningKey, randomBytes, seedOf } from '../keys/crypto.js'
import {
  decodeAsk,
  decodeHostMessage,
  encodeDeal,
  encodeGiven,
  encodeHeld,
  encodeReady,
  encodeRefusal,
  splitSecret,
  thresholdOf,
  type Refusal,
} from '../keys/key-shares.js'
import { ShareKeeper, type OwedReport } from '../keys/share-keeper.js'
import type { DataKey } from '../store/index.js'
import { EvidenceOnChain } from './evidence-chain.js'
import type { NodeLogger } from './node-logger.js'
import { NodeReports, type ReportEnd } from './node-reports.js'
import type { NodeSequences } from './node-sequences.js'
import type { PeerUnlock } from './peer-unlock-file.js'
import { Rest } from './rest.js'
import type { RunningNode } from './running-node.js'

/** A peer answers a deal after one write to its disk. */
const dealMs = 5_000
const reportMs = 10_000
/** A crash loop comes back; a thief who asks again and again does not. */
const releasesMax = 6
const releaseWindowMs = 10 * 60_000

export interface DealOutcome {
  secret: Uint8Array
  unlock: PeerUnlock
}

/**
 * Opens the node's share keeper and attaches what reports on the chain; closes the node when the file does
 * not open.
 */
export async function attachReports(
  node: RunningNode,
  sequences: NodeSequences,
  file: string,
  dataKey: DataKey,
  logger: NodeLogger,
  now: () => number,
): Promise<NodeReports> {
  try {
    const reports = new NodeReports(node, sequences, now)
    const keeper = new ShareKeeper(file, dataKey, (damage) => {
      const { sentence } = errorTable.SHARES_SET_ASIDE
      logger.error({ code: 'SHARES_SET_ASIDE', file: damage.file, cause: damage.code, sentence }, 'alarm')
    })
    node.shares = new ShareService(node, keeper, reports, logger, now)
    node.proofs = new EvidenceOnChain(node, reports, logger, now)
    return reports
  } catch (error) {
    await node.close()
    throw error
  }
}

/** What the transport asks about keys that are no node's. */
export const visitorsOf = (shares: () => ShareService | undefined) => ({
  admits: (visitor: string): boolean => shares()?.admits(visitor) === true,
  connected: (connection: SecretStream): void => {
    const service = shares()
    if (service) service.connected(connection)
    else connection.destroy()
  },
})

export class ShareService {
  private readonly reception = new Reception()
  /** Peers that have said that they hold the newest generation. */
  private dealing: { generation: number; held: Set<string>; heard: () => void } | undefined
  private readonly released = new Map<string, number[]>()
  private reporting = false
  private readonly rest: Rest

  constructor(
    private readonly node: RunningNode,
    private readonly keeper: ShareKeeper,
    private readonly reports: NodeReports,
    private readonly logger: NodeLogger,
    private readonly now: () => number,
  ) {
    this.rest = new Rest(now)
  }

  /** See `ShareKeeper.setAside`. */
  get damagedFiles(): string[] {
    return this.keeper.setAside
  }

  // ----------------------------------------------------------------------------------------- dealing

  /**
   * Splits a fresh secret among the other validators. Undefined when fewer than `threshold` of them said that
   * the share is on their disk: what those hold opens nothing, for no keyslot is made of it.
   */
  async deal(generation: number): Promise<DealOutcome | undefined> {
    const nodes = this.node.book.listed
    const own = this.node.entity
    // Who votes, not who is listed as if: f counts by the set that the chain has.
    const { members } = (await this.node.executor.call('tip', null)).nextValidators
    const validators = nodes.filter((peer) => members.some(({ entity }) => equalBytes(entity, peer.entity)))
    const peers = validators.filter((peer) => !equalBytes(peer.entity, own))
    const threshold = thresholdOf(faultsTolerated(members.length))
    if (peers.length < threshold) return undefined
    const visiting = generateSigningKey()
    const secret = randomBytes(32)
    const shares = await splitSecret(secret, peers.length, threshold)
    const held = await this.hand(generation, peers, (index) =>
      encodeDeal({ generation, visitingKey: visiting.publicKey, share: shares[index] }),
    )
    for (const share of shares) share.fill(0)
    if (held < threshold) {
      secret.fill(0)
      return undefined
    }
    const self = nodes.find((peer) => equalBytes(peer.entity, own))
    const unlock: PeerUnlock = {
      ...{ generation, threshold, seed: seedOf(visiting).slice() },
      host: self?.host ?? '127.0.0.1',
      peers: peers.map(({ name, transportKey, host, port }) => {
        return { name, transportKey: bytesToHex(transportKey), host, port }
      }),
    }
    return { secret, unlock }
  }

  /** How many peers said within `dealMs` that they hold theirs. */
  private async hand(
    generation: number,
    peers: readonly { transportKey: Uint8Array }[],
    message: (index: number) => Uint8Array,
  ): Promise<number> {
    const held = new Set<string>()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, dealMs)
      const heard = (): void => {
        if (held.size < peers.length) return
        clearTimeout(timer)
        resolve()
      }
      this.dealing = { generation, held, heard }
      for (const [index, peer] of peers.entries()) {
        this.node.driver.sendToHost(bytesToHex(peer.transportKey), message(index))
      }
    })
    this.dealing = undefined
    return held.size
  }

  /** A message of a peer's host; `nodeId` is the entity that its signed hello proved. */
  heard(peer: string, nodeId: Uint8Array, bytes: Uint8Array): void {
    const message = decodeHostMessage(bytes)
    if (message?.kind === 'held') {
      if (this.dealing?.generation !== message.generation) return
      this.dealing.held.add(peer)
      this.dealing.heard()
      return
    }
    if (message?.kind !== 'deal' || !this.isNode(nodeId)) return
    const { generation, visitingKey, share } = message
    try {
      if (!this.keeper.keep({ node: nodeId, generation, visitingKey, share })) return
    } catch (error) {
      // No answer: the owner then counts this peer as one that holds nothing.
      this.logger.warn({ code: 'SHARE_NOT_KEPT', error: String(error) }, 'a key share could not be stored')
      return
    }
    this.logger.info({ node: bytesToHex(nodeId), generation }, 'keeps a key share')
    this.node.driver.sendToHost(peer, encodeHeld(generation))
  }

  private isNode(entity: Uint8Array): boolean {
    return this.node.book.listed.some((known) => equalBytes(known.entity, entity))
  }

  // --------------------------------------------------------------------------------------- releasing

  admits(visitor: string): boolean {
    return this.keeper.knows(visitor)
  }

  connected(connection: SecretStream): void {
    this.reception.receive(connection, async (visitor, question, host) => {
      const asked = decodeAsk(question)
      return asked && this.answer(visitor, asked, host)
    })
  }

  /** The release is on disk as owed before the share leaves; the chain hears of it as soon as it moves. */
  private async answer(
    visitor: string,
    { generation, isProbe }: NonNullable<ReturnType<typeof decodeAsk>>,
    host: string,
  ): Promise<Uint8Array> {
    const held = this.keeper.find(visitor, generation)
    const refusal = held ? await this.refusalFor(held.node, host) : 'unknown'
    const node = held ? bytesToHex(held.node) : ''
    if (held && refusal === undefined && isProbe) return encodeReady()
    if (held && refusal === undefined) {
      this.countRelease(node)
      const report = { node: held.node, generation, releasedAt: this.now() }
      if (this.keeper.owe(report)) {
        this.logger.warn({ node, generation, host }, 'gave a key share to a sealed node')
        return encodeGiven(held.share)
      }
    }
    this.logger.warn({ code: 'SHARE_REFUSED', node, why: refusal ?? 'throttled', host }, 'kept a key share')
    return encodeRefusal(refusal ?? 'throttled')
  }

  private async refusalFor(node: Uint8Array, host: string): Promise<Refusal | undefined> {
    const known = this.node.book.listed.find((peer) => equalBytes(peer.entity, node))
    if (!known) return 'unknown'
    // The address is pinned at the founding: a disk in another machine has to take that machine's place too.
    if (known.host !== host) return 'elsewhere'
    if (!(await this.reports.mayRelease(node))) return 'refused'
    return this.recentReleases(bytesToHex(node)).length >= releasesMax ? 'throttled' : undefined
  }

  private recentReleases(node: string): number[] {
    const since = this.now() - releaseWindowMs
    return (this.released.get(node) ?? []).filter((time) => time > since)
  }

  private countRelease(node: string): void {
    this.released.set(node, [...this.recentReleases(node), this.now()])
  }

  /**
   * Puts owed reports on the chain, oldest first, one at a time. Called now and then; never throws. After a
   * failure it waits, longer each time: a node that is refused must not fill the chain with refusals.
   */
  async reportOwed(): Promise<void> {
    if (this.reporting || this.rest.isOn) return
    this.reporting = true
    try {
      for (const owed of [...this.keeper.owed]) {
        const end = await this.report(owed)
        if (end !== 'taken') return this.rest.begin(end)
        this.rest.end()
        this.keeper.paid(owed)
        const { generation } = owed
        this.logger.info({ node: bytesToHex(owed.node), generation }, 'a release is on the chain')
      }
    } catch (error) {
      this.logger.warn({ error: String(error) }, 'a release could not be reported yet')
      this.rest.begin('failed')
    } finally {
      this.reporting = false
    }
  }

  private report({ node, generation, releasedAt }: OwedReport): Promise<ReportEnd> {
    const values = { node, generation, releasedAt: BigInt(releasedAt) }
    return this.reports.report('recordRelease', values, reportMs)
  }

  close(): void {
    this.keeper.close()
  }
}
