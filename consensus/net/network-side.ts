// Between the transport and the core: frames in and out, who gets what, gossip, block answers and
// subscriptions.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { decodeMessage, encodeMessage, senderKey, signingBytes } from '../pbft/index.js'
import type { CoreEvent, CoreMessage, SignedMessage, WireMessage } from '../pbft/index.js'
import { Asks } from './asks.js'
import { BlockExchange } from './block-exchange.js'
import type { BlockSource } from '../driver/catch-up.js'
import type { CoreRunner, RunnerEffects } from './core-runner.js'
import type { DriverOptions } from './driver.js'
import {
  decodeFrame,
  encodeConsensusFrame,
  encodeSubscribeFrame,
  encodeTipFrame,
  type Frame,
  type Subscription,
} from './frames.js'
import { Gossip, packBundles } from './gossip.js'
import { Inbox, type InboxItem } from './inbox.js'
import {
  blocksAnswerCountMax,
  gossipQueueBytesMax,
  relayHeartbeatMs,
  resendBytesMax,
  subscribersMax,
} from './limits.js'
import { PeerClocks } from './peer-clocks.js'
import { isForger, PeerTable, type PeerEntry } from './peer-table.js'
import type { DriverPorts, FinalBlock, Reception, Urgency, ValidatorSet } from './ports.js'
import { Services } from './services.js'
import { OtherEpochs } from './other-epochs.js'
import { TransactionIntake } from './transaction-intake.js'
import type { PeerId, Transport, TransportListener } from './transport.js'
import { UpstreamChoice } from '../driver/upstream.js'
import type { Hello, QueueClass } from './wire.js'

const nothing: Subscription = { blocks: false, transactions: false }
const everything: Subscription = { blocks: true, transactions: true }

/** Votes before bulk (network.md 5): which queue a message travels in. */
function queueClassOf(message: WireMessage): QueueClass {
  switch (message.type) {
    case 'prepare':
    case 'commit':
    case 'viewChange':
    case 'heartbeat':
    case 'bodyRequest':
    case 'blockRequest':
    case 'evidence':
      return 0
    case 'proposal':
    case 'body':
      return 1
    case 'blocks':
      return 2
  }
}

/** Of a bundle that was new here; null: nobody else needs it from this node. */
function urgencyOf(reception: Reception): Urgency | null {
  return reception === 'urgent' || reception === 'normal' || reception === 'low' ? reception : null
}

export class NetworkSide implements RunnerEffects, TransportListener {
  readonly peers = new PeerTable({ hash: new Uint8Array(32), members: [] })
  readonly clocks = new PeerClocks()
  readonly #options: DriverOptions
  readonly #ports: DriverPorts
  readonly #inbox = new Inbox()
  readonly #gossip: Gossip
  readonly #intake: TransactionIntake
  readonly #blocks: BlockExchange
  readonly #upstream: UpstreamChoice
  readonly #services: Services
  readonly asks: Asks
  readonly #epochs: OtherEpochs
  #runner: CoreRunner | null = null
  #transport: Transport | null = null
  #poolChangePending = false
  #dial: readonly PeerId[]
  /** When a member's heartbeat was last passed on, by sender. */
  readonly #relayedAt = new Map<string, number>()

  constructor(options: DriverOptions, ports: DriverPorts) {
    this.#options = options
    this.#ports = ports
    this.#dial = options.network.dial
    this.#upstream = new UpstreamChoice(bytesToHex(options.network.keyPair.publicKey))
    this.#services = new Services(ports.services, (to, frame, queueClass) => {
      this.#transport?.send(to, frame, queueClass)
    })
    this.asks = new Asks((to, frame) => this.#transport?.send(to, frame, 0) === true)
    const { chainId, epoch } = options
    this.#epochs = new OtherEpochs(epoch, ports.recovery, (to, frame) => {
      this.#transport?.send(to, frame, 2)
    })
    this.#blocks = new BlockExchange({
      ...{ chainId, epoch, ports },
      send: (to, frame, queueClass) => void this.#transport?.send(to, frame, queueClass),
      sources: () => this.#blockSources(),
    })
    this.#intake = new TransactionIntake((bundles, from) => ports.transactions.receive(bundles, from))
    this.#gossip = new Gossip({
      peers: () =>
        this.peers.all().map((entry) => ({
          peer: entry.peer,
          isUpstream: this.#isUpstream(entry),
          isSubscriber: entry.subscription.transactions,
        })),
      send: (to, frame, queueClass, bound) => this.#transport?.send(to, frame, queueClass, bound) === true,
      resend: () => ports.transactions.resend('all', resendBytesMax),
    })
  }

  attachRunner(runner: CoreRunner): void {
    this.#runner = runner
  }

  setDial(dial: readonly PeerId[]): void {
    this.#dial = dial
  }

  attachTransport(transport: Transport): void {
    this.#transport = transport
  }

  /**
   * Whom transactions are told and blocks are taken from: members, and for a follower the relays that it
   * dials.
   */
  #isUpstream(entry: PeerEntry): boolean {
    return entry.isMember || this.#dial.includes(entry.peer)
  }

  get #isMember(): boolean {
    return (this.#runner?.core.selfIndex ?? -1) >= 0
  }

  // ------------------------------------------------------------------------------------ from the transport

  onPeer(peer: PeerId, up: boolean, hello: Hello): void {
    if (!up) this.asks.down(peer)
    // First: a ticket's holder may ask for admission and nothing else, whatever epoch its hello names.
    if (up ? this.#services.up(peer, hello) : this.#services.down(peer)) {
      this.#ports.logger?.info({ peer, up }, 'applicant')
      return
    }
    if (up ? this.#epochs.up(peer, hello) : this.#epochs.down(peer)) {
      this.#ports.logger?.info({ peer, up, epoch: hello.epoch }, 'peer of another epoch')
      return
    }
    if (up) this.#onUp(this.peers.up(peer, hello))
    else {
      this.peers.down(peer)
      this.#gossip.forget(peer)
    }
    this.upkeep()
    this.#ports.logger?.info({ peer, up, role: hello.role, tip: hello.tipHeight }, 'peer')
    this.#ports.events?.onPeers?.(this.#transport?.peers() ?? [])
  }

  #onUp(entry: PeerEntry): void {
    // It may have been away while transactions went round: show it the oldest ones (R20).
    if (this.#isUpstream(entry)) this.#resend(entry.peer, 'all')
  }

  onFrame(from: PeerId, frame: Uint8Array, queueClass: QueueClass, release: () => void): void {
    this.#inbox.put({ from, frame, queueClass, release })
    this.#runner?.wake()
  }

  onWritable(peer: PeerId): void {
    this.#gossip.writable(peer)
  }

  onClosed(peer: PeerId, reason: string): void {
    this.#ports.metrics?.count('link_closed', { reason })
    this.#ports.logger?.info({ peer, reason }, 'connection closed')
  }

  // ---------------------------------------------------------------------------------------- frames, events

  nextEvent(): CoreEvent | null | 'idle' {
    const item = this.#inbox.take()
    if (item === null) return 'idle'
    const decoded = decodeFrame(item.frame)
    const entry = this.peers.get(item.from)
    const stranger = this.#epochs.has(item.from)
    const hello = entry?.hello ?? this.#services.applicant(item.from) ?? this.#epochs.behind(item.from)
    if (hello !== undefined && decoded.ok && decoded.frame.kind === 'request') {
      const { id, body } = decoded.frame
      const request = { from: item.from, hello, id, body, release: item.release }
      if (!this.#services.serve(request)) this.#misbehaved(item, 'REQUESTS_TOO_MANY')
      return null
    }
    if (entry !== undefined && decoded.ok) return this.#onFrameOf(entry, decoded.frame, item)
    if (stranger && decoded.ok) {
      this.#epochs.onFrame(item.from, decoded.frame)
      item.release()
      return null
    }
    if (entry === undefined && hello !== undefined && decoded.ok) {
      this.#misbehaved(item, 'NOT_ADMITTED')
      return null
    }
    if (!decoded.ok) this.#misbehaved(item, decoded.code)
    item.release()
    return null
  }

  /** An honest peer of our version never sends this: the connection ends, the code says why. */
  #misbehaved(item: InboxItem, code: string): void {
    this.#ports.metrics?.count('peer_refused', { peer: item.from, code })
    this.#transport?.disconnect(item.from, code)
    item.release()
  }

  #onFrameOf(entry: PeerEntry, frame: Frame, item: InboxItem): CoreEvent | null {
    switch (frame.kind) {
      case 'transactions':
        // Releases the credit itself, when the pool has dealt with them.
        this.#onTransactions(entry, frame.bundles, item)
        return null
      case 'subscribe':
        this.#onSubscribe(entry, frame.subscription)
        break
      case 'host':
        this.#ports.events?.onHostMessage?.(entry.peer, entry.hello.nodeId, frame.body)
        break
      case 'tip':
        this.#claimed(entry, frame.height)
        break
      case 'answer':
        this.asks.answered(entry.peer, frame.id, frame.body)
        break
      case 'request':
      case 'recovery':
        // Taken before, or of another epoch.
        break
      case 'consensus': {
        const event = this.#onConsensus(entry, frame.body, item)
        item.release()
        return event
      }
    }
    item.release()
    return null
  }

  #onConsensus(entry: PeerEntry, body: Uint8Array, item: InboxItem): CoreEvent | null {
    const decoded = decodeMessage(body, this.#options.chainId)
    if (!decoded.ok) {
      this.#misbehaved(item, decoded.code)
      return null
    }
    const message = decoded.value
    const now = this.#runner?.clock.now() ?? 0
    this.#ports.metrics?.count('message', { type: message.type })
    switch (message.type) {
      case 'blockRequest':
        this.#blocks.serve(entry, message.fromHeight, message.count)
        return null
      case 'blocks': {
        if (!this.#areBlocksWelcome(entry)) {
          this.#ports.metrics?.count('blocks_unasked')
          return null
        }
        this.#blocks.received(message.blocks)
        this.#claimed(entry, Math.max(0, ...message.blocks.map(({ block }) => block.header.height)))
        return { type: 'blocksReceived', now, from: entry.coreId, blocks: message.blocks }
      }
      case 'bodyRequest':
      case 'body':
        return { type: 'message', now, from: entry.coreId, message }
      case 'evidence':
        if (!this.#isSigned(entry, message.first, item)) return null
        if (!this.#isSigned(entry, message.second, item)) return null
        return { type: 'message', now, from: entry.coreId, message }
      default:
        if (!this.#isSigned(entry, message, item)) return null
        this.#onSigned(entry, message, item)
        return { type: 'message', now, from: entry.coreId, message }
    }
  }

  /** Unverified votes never reach the core (network.md 8); strangers' are not even checked. */
  #isSigned(entry: PeerEntry, message: SignedMessage, item: InboxItem): boolean {
    const runner = this.#runner
    if (runner === null) return false
    // A member that is one height behind still signs with the key that it had there. A sender without a key
    // speaks against nobody: the bringer may know a set that this node does not know yet, or knew before.
    const key = senderKey(runner.core, message)
    if (key === null) return false
    const bytes = signingBytes(message, this.#options.chainId, this.#ports.hash)
    if (this.#ports.signature.verify(key, bytes, message.signature)) return true
    // Of another height it may be signed with a key that changed meanwhile: that accuses nobody either.
    const { peer } = entry
    if (message.height === runner.core.height)
      this.#ports.metrics?.count('peer_refused', { peer, code: 'BAD_SIGNATURE' })
    if (isForger(entry, performance.now())) this.#misbehaved(item, 'BAD_SIGNATURES')
    return false
  }

  #onSigned(entry: PeerEntry, message: SignedMessage, item: InboxItem): void {
    const isHeartbeat = message.type === 'heartbeat'
    if (isHeartbeat)
      this.clocks.onHeartbeat(bytesToHex(message.sender), message.time, this.#runner?.clock.now() ?? 0)
    if (entry.isMember && equalBytes(entry.coreId, message.sender)) {
      this.#claimed(entry, isHeartbeat ? message.height : message.height - 1)
    }
    if (isHeartbeat && !this.#isMember) this.#relay(entry, bytesToHex(message.sender), item.frame)
  }

  /** A follower passes members' heartbeats on to its own subscribers: freshness for the second level. */
  #relay(from: PeerEntry, sender: string, frame: Uint8Array): void {
    const now = performance.now()
    if (now - (this.#relayedAt.get(sender) ?? -Infinity) < relayHeartbeatMs) return
    this.#relayedAt.set(sender, now)
    for (const subscriber of this.peers.subscribers('blocks')) {
      if (subscriber !== from) this.#transport?.send(subscriber.peer, frame, 0)
    }
  }

  /** From members, who help those behind; from the upstream, which pushes; else only after a request. */
  #areBlocksWelcome(entry: PeerEntry): boolean {
    if (entry.isMember || entry.peer === this.#upstream.current) return true
    return performance.now() < entry.blocksWelcomeUntil
  }

  claimedHeight(): number {
    return this.peers.claimedHeight(this.peers.all().filter((entry) => this.#isUpstream(entry)))
  }

  #claimed(entry: PeerEntry, height: number): void {
    if (height <= entry.tipHeight) return
    entry.tipHeight = height
    this.#fetchBlocks()
  }

  // ------------------------------------------------------------------------------------------ transactions

  #onTransactions(entry: PeerEntry, bundles: readonly Uint8Array[], { release }: InboxItem): void {
    const fromUpstream = this.#isUpstream(entry)
    const { peer: from } = entry
    this.#intake
      .take(from, bundles)
      .then((intake) => {
        if (!intake.ok) return this.#onIntakeRefused(entry, bundles.length, intake.code)
        const forged = intake.receptions.filter((reception) => reception === 'forged').length
        if (forged > 0) this.#ports.metrics?.count('peer_refused', { peer: from, code: 'FORGED' }, forged)
        const accepted = bundles.flatMap((bundle, index) => {
          const urgency = urgencyOf(intake.receptions[index])
          return urgency === null ? [] : [{ bundle, urgency, from, fromUpstream }]
        })
        this.#ports.metrics?.observe('gossip_accepted', accepted.length)
        if (accepted.length === 0) return
        this.#gossip.add(accepted)
        this.poolChanged()
      })
      .catch((error: unknown) => {
        this.#ports.logger?.error({ error: String(error) }, 'the pool could not take gossip')
      })
      .finally(release)
  }

  /** Consensus needs its members' connections, whatever else they send: those are only not listened to. */
  #onIntakeRefused(entry: PeerEntry, count: number, code: string): void {
    this.#ports.metrics?.count('peer_refused', { peer: entry.peer, code }, count)
    if (code === 'FORGED_TRANSACTIONS' && !entry.isMember) this.#transport?.disconnect(entry.peer, code)
  }

  submitted(bundles: readonly Uint8Array[], urgency: Urgency): void {
    this.#gossip.add(bundles.map((bundle) => ({ bundle, urgency, from: null, fromUpstream: false })))
  }

  /** Told to the core once a turn, however many transactions came. */
  poolChanged(): void {
    if (this.#poolChangePending) return
    this.#poolChangePending = true
    setImmediate(() => {
      this.#poolChangePending = false
      const runner = this.#runner
      const waiting = this.#ports.transactions.waiting()
      runner?.push({ type: 'transactionsWaiting', now: runner.clock.now(), waiting })
    })
  }

  #resend(to: PeerId, which: 'emergency' | 'all'): void {
    const bundles = this.#ports.transactions.resend(which, resendBytesMax)
    // Whoever comes up has an empty queue, and emergency transactions are few and small: they go with the
    // votes.
    const queueClass = which === 'emergency' ? 0 : 1
    for (const { frame } of packBundles(bundles)) {
      this.#transport?.send(to, frame, queueClass, gossipQueueBytesMax + resendBytesMax)
    }
  }

  resendEmergency(): void {
    for (const entry of this.peers.members()) this.#resend(entry.peer, 'emergency')
  }

  // -------------------------------------------------------------------------------------- from the runner

  send(to: Uint8Array | null, message: CoreMessage): void {
    const queueClass = queueClassOf(message)
    const frame = encodeConsensusFrame(encodeMessage(message, this.#options.chainId))
    if (to !== null) {
      const entry = this.peers.byCoreId(to)
      if (entry !== undefined) this.#transport?.send(entry.peer, frame, queueClass)
      return
    }
    // Everybody hears heartbeats: observers learn from them that nothing is withheld.
    const receivers = message.type === 'heartbeat' ? this.peers.all() : this.peers.members()
    for (const entry of receivers) this.#transport?.send(entry.peer, frame, queueClass)
  }

  requestBlocks(to: Uint8Array, fromHeight: number, count: number): void {
    this.#blocks.request(this.peers.byCoreId(to), fromHeight, count)
  }

  sendBlocks(to: Uint8Array, fromHeight: number): void {
    const entry = this.peers.byCoreId(to)
    if (entry !== undefined) this.#blocks.serve(entry, fromHeight, blocksAnswerCountMax)
  }

  /** Own upstream first, then whoever is known; subscribers last, for they are behind by nature. */
  #blockSources(): BlockSource<PeerEntry>[] {
    const rank = (entry: PeerEntry) => {
      if (entry.peer === this.#upstream.current) return 0
      return this.#isUpstream(entry) ? 1 : 2
    }
    const entries = [...this.peers.all()].sort((left, right) => rank(left) - rank(right))
    return entries.map((entry) => ({ peer: entry, tipHeight: entry.tipHeight }))
  }

  #fetchBlocks(): void {
    const runner = this.#runner
    if (runner !== null && runner.halted === null) this.#blocks.fetch(runner.core.tip.height)
  }

  finalized(final: FinalBlock, resultHash: Uint8Array, latencyMs: number): void {
    const { height } = final.block.header
    const subscribers = this.peers.subscribers('blocks')
    if (subscribers.length > 0) {
      const frame = this.#blocks.frameOf([final])
      for (const entry of subscribers) this.#transport?.send(entry.peer, frame, 1)
    }
    // The others hear at least how far the chain is: that shows when their own upstream withholds blocks.
    const tip = encodeTipFrame(height, final.certificate.blockHash)
    for (const entry of this.peers.all()) {
      if (!entry.isMember && !entry.subscription.blocks) this.#transport?.send(entry.peer, tip, 0)
    }
    const base = this.#options.recoveries?.at(-1)?.baseHeight
    if (base !== undefined && height === base + 1) this.#epochs.announce()
    this.#fetchBlocks()
    this.#ports.events?.onFinal?.(final, resultHash, latencyMs)
  }

  validatorsChanged(validators: ValidatorSet): void {
    this.peers.setValidators(validators)
    this.clocks.keep(new Set(validators.members.map((member) => bytesToHex(member.entity))))
  }

  // -------------------------------------------------------------------------------------------
  // subscription

  #onSubscribe(entry: PeerEntry, subscription: Subscription): void {
    const isFull = this.peers.subscribers('blocks').length >= subscribersMax
    // Beyond the fan-out bound a follower gets tips only, falls behind, and turns to another upstream.
    entry.subscription = isFull && !entry.subscription.blocks ? nothing : subscription
    // What it missed between its last block and this subscription, it asks for when it sees the next one.
  }

  /** Followers: keep one full upstream. Called when peers change, and regularly. */
  upkeep(): void {
    const runner = this.#runner
    this.#fetchBlocks()
    if (runner === null || this.#isMember) return
    const sources = this.peers.all().filter((entry) => this.#isUpstream(entry))
    const candidates = sources.map(({ peer, tipHeight }) => ({ peer, tipHeight }))
    const before = this.#upstream.current
    const now = runner.clock.now()
    const chosen = this.#upstream.choose(candidates, runner.core.tip.height, now)
    if (chosen === before) return
    if (before !== null) this.#transport?.send(before, encodeSubscribeFrame(nothing), 0)
    if (chosen !== null) this.#transport?.send(chosen, encodeSubscribeFrame(everything), 0)
    this.#ports.logger?.info({ upstream: chosen, before }, 'upstream')
  }
}
