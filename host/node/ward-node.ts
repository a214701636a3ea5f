// The daemon's node: sealed until its store password opens it, then running, and sealed again on demand.
// Implements what the local API needs; everything that works on state is in the parts it owns.
import { existsSync, readFileSync } from 'node:fs'
import { appVersion, ok, refused } from '../../runtime/protocol/index.js'
import type {
  ApiEvent,
  BatchView,
  NodePort,
  NodeStatus,
  Outcome,
  Pinned,
  Prepared,
  ProofOf,
  Proposal,
  ReadVia,
  ShareDealView,
  ReceiptView,
  RecordQuery,
  Session,
} from '../api/node-port.js'
import type { ExecutorOptions } from '../executor/executor-client.js'
import type { CommitReply } from '../executor/messages.js'
import { openKeyslot, type DataKey } from '../store/index.js'
import { startHl7Bridge } from '../gateways/hl7-bridge.js'
import { leaveForSnapshot } from './behind-watch.js'
import { heldPort } from './held-releases.js'
import { ComeBack } from './come-back.js'
import { DiskReturn } from './disk-return.js'
import { dropPlainDivergence } from './divergence-file.js'
import { nodeFiles, readNodeConfig, type NodeConfig } from './node-config.js'
import { NodeError } from './node-error.js'
import { NodeFeed } from './node-feed.js'
import type { NodeLogger } from './node-logger.js'
import { networkOf, readinessOf, readPeers } from './node-membership.js'
import { linearize } from './linear-read.js'
import { NodeMetrics } from './node-metrics.js'
import { readVersions } from './node-versions.js'
import { batchView, readReceipt } from './node-signing.js'
import { healthOf, nodeStatus, restartFirst, sealedStatus } from './node-status.js'
import { readPage, readPages } from './page-view.js'
import { changePassword, confirms } from './password-change.js'
import { RunningNode } from './running-node.js'
import type { TentativeRecord } from './tentative-records.js'
import { readerOf, Sessions, sessionView } from './sessions.js'
import { dealShares } from './share-deal.js'
import { unlockFailure } from './unlock-failure.js'
import type { WipeOrdered } from './wipe-watch.js'
import { closeParts, leaveWithKey, type Leaving, type Unsealed } from './unsealed.js'
import { isKeyValid, partsOf, tipAt } from './unsealed-parts.js'
import { UnattendedKeys, type UnattendedPlaces } from './unattended.js'

export interface WardNodeOptions {
  /** Where a supervisor keeps what opens the store by itself; none when run by hand. */
  places?: UnattendedPlaces
  /** File of the second secret that the password's slot needs. */
  secondSecret?: string
  /** Smaller limits, in tests of its death. */
  executor?: ExecutorOptions
  /** Governance ordered that this node be wiped; it still runs. */
  onWipeOrdered?: WipeOrdered
}

/** How often idle sessions are ended and subscribers hear the status. */
const upkeepMs = 1_000

export class WardNode implements NodePort {
  readonly config: NodeConfig
  readonly held: NodePort['held']
  private readonly feed = new NodeFeed()
  private readonly sessions: Sessions
  private readonly metricsOf = new NodeMetrics()
  private unsealed: Unsealed | undefined
  /** While the node joins: its parts, and the blocks that the bridge has to hear of when it is there. */
  private joining: { parts: Unsealed; missed: CommitReply[] } | undefined
  /** One life cycle change at a time: an unlock waits for a seal and the other way round. */
  private changing: Promise<unknown> = Promise.resolve()
  private stopping = new AbortController() // ends a start that waits for others
  private unlocking: { phase: string; percent: number } | null = null
  private fault: { code: string; detail: string } | undefined
  private hasDeadExecutor = false
  private isWiping = false
  /** Blocks are announced one after the other, in order. */
  private announcing: Promise<void> = Promise.resolve()
  private readonly upkeep: NodeJS.Timeout
  private readonly unattended: UnattendedKeys
  private readonly comingBack: ComeBack
  private readonly diskReturn: DiskReturn

  constructor(
    private readonly folder: string,
    private readonly logger: NodeLogger,
    private readonly now: () => number = Date.now,
    private readonly options: WardNodeOptions = {},
  ) {
    this.unattended = new UnattendedKeys(folder, options.places ?? {}, logger)
    this.comingBack = new ComeBack(this.unattended, {
      isOpen: () => this.unsealed !== undefined,
      start: (key) => this.startUnattended(key),
    })
    this.diskReturn = new DiskReturn(folder, () => this.startAgain('going on after the disk', leaveWithKey))
    this.config = readNodeConfig(folder)
    this.held = heldPort(() => this.unsealed, logger)
    const onEnd = (token: string): void => {
      this.unsealed?.signing.forget(token)
      this.feed.signedOut(token)
    }
    this.sessions = new Sessions(now, onEnd, (publicKey) => this.keyHolds(publicKey))
    this.upkeep = setInterval(() => {
      this.sessions.sweep()
      if (this.unsealed) this.feed.status(this.status())
      void this.unsealed?.node.shares?.reportOwed()
    }, upkeepMs)
    this.upkeep.unref()
  }

  // ------------------------------------------------------------------------------------------ life cycle

  status(): NodeStatus {
    const initialised = existsSync(nodeFiles(this.folder).keyslots)
    const sealed = sealedStatus(this.config, initialised, this.unlocking, appVersion)
    if (!this.unsealed) return sealed
    const status = nodeStatus(sealed, this.unsealed.node, this.tip, this.fault)
    return { ...status, quarantined: this.quarantined }
  }

  async unlock(password: Uint8Array): Promise<Outcome<null>> {
    if (this.unsealed) return ok(null)
    if (this.unlocking) return refused('UNLOCK_UNDER_WAY', this.unlocking.phase)
    this.unlocking = { phase: 'checking the password', percent: 10 }
    const unlocked = this.changing.then(() => this.openAndStart(() => this.openByPassword(password)))
    this.changing = unlocked
    return unlocked
  }

  private async openByPassword(password: Uint8Array): Promise<DataKey> {
    const second = this.secondSecret()
    const dataKey = await openKeyslot(nodeFiles(this.folder).keyslots, password, { secondSecret: second })
    await this.unattended.rememberBoot(password, second).catch((error: unknown) => {
      this.logger.warn({ error: String(error) }, 'this boot cannot restart the node by itself')
    })
    return dataKey
  }

  /** Opens itself where a machine's secret or the peers' shares allow it: see `come-back.ts`. */
  comeBack(): Promise<void> {
    return this.comingBack.run()
  }

  private startUnattended(dataKey: DataKey): Promise<unknown> {
    if (this.unsealed || this.unlocking) return Promise.resolve(dataKey.close())
    this.unlocking = { phase: 'coming back by itself', percent: 10 }
    const unlocked = this.changing.then(() => this.openAndStart(() => Promise.resolve(dataKey)))
    this.changing = unlocked
    return unlocked
  }

  /**
   * Splits a machine secret of this node among the validators: from now on it comes back by itself while
   * f + 1 of them run. KEYSLOT_REJECTED, PEERS_TOO_FEW.
   */
  async dealShares(password: Uint8Array): Promise<Outcome<ShareDealView>> {
    const shares = this.unsealed?.node.shares
    if (!shares) return refused('NODE_SEALED')
    return dealShares(nodeFiles(this.folder), shares, password, this.secondSecret())
  }

  private secondSecret(): Uint8Array | undefined {
    return this.options.secondSecret === undefined ? undefined : readFileSync(this.options.secondSecret)
  }

  private async openAndStart(openKey: () => Promise<DataKey>): Promise<Outcome<null>> {
    try {
      const dataKey = await openKey()
      try {
        // A dead thread cannot give its store back.
        if (this.hasDeadExecutor) throw new NodeError('EXECUTOR_FAILED', restartFirst)
        await this.start(dataKey)
      } catch (error) {
        dataKey.close()
        void this.diskReturn.stop()
        throw error
      }
      this.logger.info({ height: this.tip?.height }, 'unsealed')
      return ok(null)
    } catch (error) {
      return unlockFailure(error, this.logger)
    } finally {
      this.unlocking = null
    }
  }

  /** It was away while a patient was erased: it goes on from a snapshot, and by itself. */
  private onBehind(height: number): void {
    this.logger.warn({ code: 'BLOCKS_GONE', height }, 'blocks lead no further: taking a snapshot')
    this.startAgain('starting from a snapshot', (parts, leave) =>
      leaveForSnapshot(parts, this.folder, leave),
    )
  }

  /** Leaves and starts by itself, with its key or else unattended. False: not now, who asks looks again. */
  private startAgain(phase: string, leaving: Leaving): boolean {
    const { unsealed } = this
    const { signal } = this.stopping
    if (!unsealed || this.unlocking || this.isWiping) return false
    this.unlocking = { phase, percent: 10 }
    this.changing = this.changing
      .then(() => this.openAndStart(() => leaving(unsealed, () => this.leave())))
      .then(({ ok: isOpen }) => {
        if (!isOpen && !signal.aborted && !this.isWiping && !this.hasDeadExecutor) void this.comeBack()
      })
    return true
  }

  /** Whatever fails, everything that was opened is closed again: an unlock after it finds a sealed node. */
  private async start(dataKey: DataKey): Promise<void> {
    this.unlocking = { phase: 'opening the store', percent: 50 }
    this.fault = undefined
    this.diskReturn.reset()
    dropPlainDivergence(this.folder, this.logger)
    const { folder, config, logger, now, onWipeOrdered } = this
    const node = await RunningNode.open(
      {
        ...{ folder, config, logger, now, executor: this.options.executor },
        onSync: (phase, percent) => (this.unlocking = { phase, percent }),
        stop: this.stopping.signal,
        onCommit: (commit) => this.onCommit(commit),
        onTentative: (records) => this.onTentative(records),
        onFault: (code, detail) => this.onFault(code, detail),
        onBehind: (height) => this.onBehind(height),
        onFaultEnded: (code) => (this.fault = this.fault?.code === code ? undefined : this.fault),
        metrics: this.metricsOf,
      },
      dataKey,
    )
    const parts = await partsOf(node, dataKey, { folder, logger, now, onWipeOrdered })
    try {
      await this.join(parts)
    } catch (error) {
      this.tip = undefined
      this.fault = undefined
      await closeParts(parts, !this.diskReturn.hasFault).catch((cause: unknown) =>
        this.logger.error({ error: String(cause) }, 'closing after a failed unlock'),
      )
      throw error
    } finally {
      this.joining = undefined
    }
  }

  /** Reads stand before the first block comes; sources are heard last, when everything behind them runs. */
  private async join(parts: Unsealed): Promise<void> {
    const { node, sequences } = parts
    const { tip } = node.open
    this.tip = tipAt(tip.height, tip.time, tip.result.stateRoot)
    this.quarantined = node.open.quarantined
    this.joining = { parts, missed: [] }
    this.unlocking = { phase: 'joining the network', percent: 80 }
    await Promise.all([node.join(), parts.reads.people.refresh()])
    const { sources } = this.config
    parts.bridge = await startHl7Bridge(sources, node, sequences, this.logger, this.now, () =>
      node.caughtUp(),
    )
    for (const commit of this.joining.missed) parts.bridge?.onCommit(commit)
    this.unsealed = parts
    void parts.wipeWatch.look()
  }

  private tip: Pinned | undefined
  private quarantined: NodeStatus['quarantined'] = []

  private onCommit(commit: CommitReply): void {
    this.tip = tipAt(commit.height, commit.blockTime, commit.stateRoot)
    this.quarantined = commit.quarantined ?? this.quarantined
    this.metricsOf.onCommit(commit, this.now())
    const parts = this.unsealed ?? this.joining?.parts
    if (!parts) return
    if (this.unsealed) parts.bridge?.onCommit(commit)
    else this.joining?.missed.push(commit)
    parts.reads.onCommit(commit)
    parts.wipeWatch.onCommit(commit)
    // Asked at once, and before anybody is told of this block.
    const checked = commit.keyChanges.revoked.length > 0 ? this.sessions.endRevoked() : undefined
    this.announcing = Promise.all([this.announcing, checked])
      .then(() => this.feed.commit(commit, parts.reads))
      .catch((error: unknown) => this.logger.warn({ error: String(error) }, 'announcing a block failed'))
  }

  private onTentative(records: readonly TentativeRecord[]): void {
    const reads = this.unsealed?.reads
    if (!reads) return
    this.announcing = this.announcing
      .then(() => this.feed.tentative(records, reads))
      .catch((error: unknown) => this.logger.warn({ error: String(error) }, 'announcing failed'))
  }

  /** The first fault is the one to tell: what follows from it says less. */
  private onFault(code: string, detail: string): void {
    this.fault ??= { code, detail }
    if (!this.isWiping) this.diskReturn.onFault(detail)
    this.metricsOf.round.onHalt(code)
    this.logger.error({ code, detail }, 'this node has stopped taking part; reads may go on')
  }

  /** From now on nothing starts it by itself: its keys are about to be destroyed, and it has them. */
  private readonly onWipeOrdered: WipeOrdered = (...heard) => {
    if (!this.options.onWipeOrdered) return
    this.isWiping = true
    void this.diskReturn.stop()
    this.options.onWipeOrdered(...heard)
  }

  /**
   * On purpose: this process does not come back by itself, and the boot's secret is destroyed. The next
   * process does where a platform secret or peers' shares were set up: those are taken away, not sealed.
   */
  async seal(): Promise<void> {
    this.comingBack.stop()
    this.unattended.forgetBoot()
    return this.sealNow()
  }

  private async sealNow(): Promise<void> {
    const probed = this.diskReturn.stop()
    // At once, unless an unlock is under way: then as soon as that has ended.
    const before = this.changing
    this.stopping.abort()
    const sealed = this.unlocking
      ? Promise.all([before, probed]).then(() => this.leave())
      : Promise.all([this.leave(), before, probed]).then(() => undefined)
    this.changing = sealed.catch(() => undefined).then(() => (this.stopping = new AbortController()))
    return sealed
  }

  private async leave(): Promise<void> {
    const { unsealed } = this
    this.unsealed = undefined
    void this.diskReturn.stop()
    this.tip = undefined
    this.sessions.endAll()
    if (!unsealed) return
    const closed = closeParts(unsealed, !this.diskReturn.hasFault)
    await closed.finally(() => (this.hasDeadExecutor ||= unsealed.node.executor.isDead))
    this.logger.info({}, 'sealed')
  }

  async close(): Promise<void> {
    clearInterval(this.upkeep)
    this.comingBack.stop()
    await this.sealNow()
  }

  // ---------------------------------------------------------------------------------- sessions, signing

  async people() {
    return this.unsealed ? ok(await this.unsealed.reads.signers()) : refused('NODE_SEALED')
  }

  async signIn(person: string, password: Uint8Array): Promise<Outcome<Session>> {
    if (!this.unsealed) return refused('NODE_SEALED')
    const signed = await this.sessions.signIn(await this.unsealed.reads.people.entry(person), password)
    return signed.ok ? ok(sessionView(signed.value)) : signed
  }

  /** What genesis says of a person is the beginning only: the chain says whether the key still holds. */
  private async keyHolds(publicKey: Uint8Array): Promise<boolean> {
    const { unsealed } = this
    // The node may have been sealed meanwhile; nobody signs in to a sealed node.
    return unsealed ? (await isKeyValid(unsealed, publicKey)) && this.unsealed === unsealed : false
  }

  session(token: string): Session | undefined {
    const session = this.sessions.find(token)
    return session && sessionView(session)
  }

  extend(token: string): Outcome<Session> {
    const session = this.sessions.extend(token)
    return session ? ok(sessionView(session)) : refused('SESSION_REQUIRED')
  }

  signOut(token: string): void {
    this.sessions.end(token)
  }

  async prepare(session: Session, proposal: Proposal): Promise<Outcome<Prepared>> {
    const person = this.sessions.find(session.token)
    if (!this.unsealed) return refused('NODE_SEALED')
    if (!person) return refused('SESSION_REQUIRED')
    return this.unsealed.signing.prepare(person, proposal)
  }

  async sign(session: Session, preparedId: string, password?: Uint8Array): Promise<Outcome<ReceiptView>> {
    const person = this.sessions.find(session.token)
    if (!this.unsealed) return refused('NODE_SEALED')
    if (!person) return refused('SESSION_REQUIRED')
    const asks = password !== undefined || this.unsealed.signing.passwordNeeded(person, preparedId)
    const { people } = this.unsealed.reads
    if (asks && !(await confirms(people, this.sessions, person, password)))
      return refused('SIGN_IN_REJECTED')
    return this.unsealed?.signing.sign(person, preparedId) ?? refused('NODE_SEALED')
  }

  async changePassword({ token }: Session, present: Uint8Array, changed: Uint8Array) {
    const parts = this.unsealed
    return parts ? changePassword(parts, this.sessions, token, [present, changed]) : refused('NODE_SEALED')
  }

  async submitSigned(bundle: Uint8Array): Promise<Outcome<ReceiptView>> {
    return this.unsealed ? this.unsealed.signing.submitSigned(bundle) : refused('NODE_SEALED')
  }

  async submitMany(bundles: readonly Uint8Array[]): Promise<Outcome<BatchView>> {
    if (!this.unsealed) return refused('NODE_SEALED')
    return ok(batchView(await this.unsealed.node.submitMany(bundles)))
  }

  async transaction(id: string) {
    return this.unsealed ? readReceipt(this.unsealed, id) : refused('NODE_SEALED')
  }

  async replay(session: Session, id: string) {
    return this.unsealed ? this.unsealed.reads.replay(readerOf(session), id) : refused('NODE_SEALED')
  }

  async proof(session: Session, asked: ProofOf) {
    return this.unsealed ? this.unsealed.reads.proof(readerOf(session), asked) : refused('NODE_SEALED')
  }

  async patients(session: Session, _via: ReadVia) {
    return this.unsealed ? this.unsealed.reads.patients(readerOf(session)) : refused('NODE_SEALED')
  }

  async records(session: Session, query: RecordQuery) {
    return this.unsealed ? this.unsealed.reads.records(readerOf(session), query) : refused('NODE_SEALED')
  }

  async alerts(session: Session, query: ReadVia & { patient?: string }) {
    const reads = this.unsealed?.reads
    return reads ? reads.alerts(readerOf(session), query.patient) : refused('NODE_SEALED')
  }

  async orders(session: Session, query: ReadVia & { patient?: string }) {
    const reads = this.unsealed?.reads
    return reads ? reads.orders(readerOf(session), query.patient) : refused('NODE_SEALED')
  }

  peers = () => readPeers(this.unsealed?.node, this.tip)

  async view(...[session, question]: Parameters<NodePort['view']>) {
    return this.unsealed?.reads.view(readerOf(session), question) ?? refused('NODE_SEALED')
  }

  async versions(alias: string) {
    if (!this.unsealed) return refused('NODE_SEALED')
    return readVersions(this.unsealed.node, this.unsealed.reads, alias)
  }

  /** Knows all that others claim; false while sealed. */
  async isCaughtUp(): Promise<boolean> {
    return (await this.unsealed?.node.caughtUp()) === true
  }

  async network() {
    if (!this.unsealed || !this.tip) return refused('NODE_SEALED')
    return ok(await networkOf(this.unsealed.node, this.tip))
  }

  async recover(manifest: Uint8Array) {
    return this.unsealed ? this.unsealed.node.recovery.take(manifest) : refused('NODE_SEALED')
  }

  async linearize() {
    if (!this.unsealed) return refused('NODE_SEALED')
    return linearize(this.unsealed.node, this.unsealed.reads.rounds, this.now)
  }

  async readiness(...[, request]: Parameters<NodePort['readiness']>) {
    const node = this.unsealed?.node
    return node ? readinessOf(node, request.action, request.entity) : refused('NODE_SEALED')
  }

  async page(alias: string) {
    return this.unsealed ? readPage(this.unsealed, alias) : refused('NODE_SEALED')
  }

  async pages() {
    return this.unsealed ? readPages(this.unsealed) : refused('NODE_SEALED')
  }

  subscribe(session: Session | undefined, listener: (event: ApiEvent) => void): () => void {
    return this.feed.subscribe(session, listener)
  }

  metrics = (): Promise<string> => this.metricsOf.text(this.unsealed?.node, this.quarantined)

  health(): { healthy: boolean; detail: string } {
    return healthOf(this.fault, this.hasDeadExecutor, this.unsealed?.node, this.quarantined)
  }
}
