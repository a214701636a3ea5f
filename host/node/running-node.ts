// What exists while a node is unsealed: keys, executor thread, pool, driver and everyone who waits for them.
import { existsSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs'
import {
  appVersion,
  bytesToHex,
  chainIdOf,
  encodePayload,
  protocolVersion,
  codeOfStatus,
  type ErrorCode,
} from '../../runtime/protocol/index.js'
import { createDriver, type Driver } from '../../consensus/net/driver.js'
import type { DriverPorts } from '../../consensus/net/ports.js'
import type { FinalBlock, ValidatorSet } from '../../consensus/pbft/types.js'
import type { CrashJournal } from '../executor/crash-journal.js'
import { watchTestCuts } from './test-cuts.js'
import { TentativeRecords, type TentativeRecord } from './tentative-records.js'
import type { ExecutorClient, ExecutorOptions } from '../executor/executor-client.js'
import type { ReaderClient } from '../executor/reader-client.js'
import type { CommitReply, NetworkView, OpenReply } from '../executor/messages.js'
import { destroyIdentity, decodeIdentity, type NodeIdentity } from '../keys/node-identity.js'
import {
  generateSigningKey,
  sha256,
  signDetached,
  verifySignature,
  type SigningKey,
} from '../keys/crypto.js'
import { PoolPort, type SubmitOutcome } from '../pool/pool-port.js'
import { WakeTimer } from '../pool/wake-timer.js'
import { readSealedFile, type DataKey, type VotesStore } from '../store/index.js'
import { adoptNextVote, saveIdentity } from './vote-key.js'
import { BehindWatch, readResync } from './behind-watch.js'
import { keepDivergence } from './divergence-file.js'
import type { EvidenceOnChain } from './evidence-chain.js'
import { EvidenceFile } from './evidence-file.js'
import { startExecutor } from './executor-watch.js'
import { FinalWaiter } from './final-waiter.js'
import { answerRead } from './linear-read.js'
import { NetworkBook, readBootstrapPeers, writeBootstrapPeers } from './network-book.js'
import { nodeFiles, type NodeConfig } from './node-config.js'
import { NodeError } from './node-error.js'
import type { NodeMetrics } from './node-metrics.js'
import { checkFounding, nodesOf, openVotes } from './node-standing.js'
import type { NodeLogger } from './node-logger.js'
import { firstSync } from '../sync/first-sync.js'
import { SnapshotService } from '../sync/snapshot-service.js'
import { runAll } from './run-all.js'
import { Submission, type FinalOutcome } from './submission.js'
import { storeThreads, type StoreUpkeep } from './store-upkeep.js'
import { createNodeServices } from './node-services.js'
import { QuorumWatch } from './quorum-watch.js'
import { epochOf, namedBy, RecoveryWatch } from './recovery-watch.js'
import { openChain } from './open-chain.js'
import { streamOfNode } from './node-sequences.js'
import { visitorsOf, type ShareService } from './share-service.js'

/** Twice the view timeout and the longest queue of an ordinary load. */
const overdueMs = 10_000
/** Below what the gateway adds to the wait for finality. */
const blockOnItsWayMs = 400
const caughtUpCheckMs = 40
/** Tickets end by the clock too: how often that is looked at. */
const listsCheckMs = 2_000
/** A new node waits so long for the network to agree on its admission before it asks elsewhere. */
const admissionWaitMs = 10_000
/** How often this node looks whether the rules should speak before agreement (R31). */
const tentativeTickMs = 100

export interface RunningOptions {
  folder: string
  config: NodeConfig
  logger: NodeLogger
  now: () => number
  executor?: ExecutorOptions
  /** What a start waits for that may take long: a snapshot that is being taken. `stop` ends it. */
  onSync?: (phase: string, percent: number) => void
  stop?: AbortSignal
  onCommit: (commit: CommitReply) => void
  /** Rules have spoken on what is not agreed yet, or what they said is taken back. */
  onTentative: (records: readonly TentativeRecord[]) => void
  /** The node must stop voting: a fault of its executor, its store or a divergence. */
  onFault: (code: string, detail: string) => void
  /** Blocks lead no further, but somebody proves this height: the node has to start from a snapshot. */
  onBehind: (provenHeight: number) => void
  onFaultEnded: (code: string) => void
  /** Told of the core's alarms, and of what peers did. */
  metrics: Pick<NodeMetrics, 'round' | 'peersDid'>
}

export class RunningNode {
  constructor(
    private readonly options: RunningOptions,
    readonly open: OpenReply,
    readonly book: NetworkBook,
    readonly identity: NodeIdentity,
    readonly executor: ExecutorClient,
    readonly pool: PoolPort,
    readonly waiter: FinalWaiter,
    readonly tentative: TentativeRecords,
    private readonly votes: VotesStore | null,
    private readonly journal: CrashJournal,
    /** Validators caught with two contradicting signatures. */
    readonly evidence: EvidenceFile,
    private readonly dataKey: DataKey,
  ) {
    this.snapshots = new SnapshotService(executor)
    ;({ readers: this.readers, upkeep: this.upkeep } = storeThreads(options, executor, dataKey))
    const { readers } = this
    this.submission = new Submission({ pool, waiter, readers, executor, driver: () => this.driver })
    this.quorum = new QuorumWatch(options.logger, options.now)
    this.behind = new BehindWatch(this, options.now, options.onBehind)
    this.recovery = new RecoveryWatch({
      ...{ executor, entity: identity.entity, logger: options.logger },
      stop: (code, detail) => this.stop(code, detail),
      apart: (work) => this.apart(work),
    })
  }

  readonly upkeep: StoreUpkeep
  /** Answers what people read, beside the executor. */
  readonly readers: ReaderClient
  readonly recovery: RecoveryWatch
  private readonly submission: Submission

  private driverOrNone: Driver | undefined
  private runningRole: NodeConfig['role'] | undefined
  private restarting: Promise<unknown> = Promise.resolve()
  private isClosed = false
  readonly quorum: QuorumWatch
  private readonly snapshots: SnapshotService
  private readonly behind: BehindWatch
  private tentativeTimer: NodeJS.Timeout | undefined
  private listsTimer: NodeJS.Timeout | undefined
  private allowed = ''
  /** Who answers what is no consensus: key shares. Set before `join`. */
  shares: ShareService | undefined
  /** What the chain holds against vote keys, and what this node has to put there. Set before `join`. */
  proofs: EvidenceOnChain | undefined

  get driver(): Driver {
    if (!this.driverOrNone) throw new Error('the driver is not started')
    return this.driverOrNone
  }

  /**
   * Opens keys, store, executor and votes; nothing is sent or signed before `join`. What was opened is
   * closed again when a later step fails. Throws NodeError and StoreError.
   */
  static async open(options: RunningOptions, dataKey: DataKey): Promise<RunningNode> {
    const undo: (() => unknown)[] = []
    try {
      return await openParts(options, dataKey, undo)
    } catch (error) {
      await runAll(undo.reverse()).catch((cause: unknown) =>
        options.logger.error({ error: String(cause) }, 'closing after a failed start'),
      )
      throw error
    }
  }

  /** From here on blocks arrive, and a validator votes. */
  async join(): Promise<void> {
    const wake = new WakeTimer(() => this.driverOrNone?.transactionsWaiting())
    this.pool.later = (ms) => wake.in(ms)
    await this.startDriver()
    const tick = (): void => {
      const { hasQuorum } = this.driver.status()
      this.quorum.look(hasQuorum)
      // A failed executor has been reported already.
      this.tentative.tick(hasQuorum).catch(() => undefined)
    }
    this.tentativeTimer = setInterval(tick, tentativeTickMs)
    this.tentativeTimer.unref()
    watchTestCuts(this.options.config.environment, this.book, () => this.driverOrNone?.transport)
    this.listsTimer = setInterval(() => this.refreshLists(), listsCheckMs)
    this.listsTimer.unref()
    this.upkeep.start()
    void this.proofs?.read()
  }

  private async startDriver(): Promise<void> {
    const told = await this.recovery.load()
    const options = await this.driverOptions(this.options)
    this.runningRole = options.role
    // Told of a newer epoch: it connects to no one.
    const network = { ...options.network, ...(told && { dial: [], allowed: [] }) }
    this.driverOrNone = await createDriver({ ...options, network }, this.driverPorts(this.options))
    if (told) {
      this.options.onFault('OLD_EPOCH', `epoch ${told.epoch} began above height ${told.baseHeight}`)
      return this.driverOrNone.close()
    }
    // A block may have changed the list meanwhile.
    this.driverOrNone.setPeers(this.book.lists())
  }

  private refreshLists(): void {
    this.snapshots.upkeep()
    this.behind.tick()
    void this.proofs?.reportOwed()
    const lists = this.book.lists()
    const allowed = lists.allowed.join()
    if (allowed === this.allowed) return
    this.allowed = allowed
    this.driverOrNone?.setPeers(lists)
  }

  /** A vote key for later: made once, kept beside the present one until it votes. */
  nextVoteKey(): SigningKey {
    if (this.identity.nextVote) return this.identity.nextVote
    this.identity.nextVote = generateSigningKey()
    this.saveIdentity()
    return this.identity.nextVote
  }

  private saveIdentity(): void {
    saveIdentity(nodeFiles(this.options.folder).identity, this.identity, this.dataKey)
  }

  /** From this block on the chain may count another key of this node: the old one signs nothing more. */
  private followVoteKey(validators: ValidatorSet): void {
    if (!adoptNextVote(this.identity, validators)) return
    this.saveIdentity()
    this.restartDriver(this.role)
  }

  /** The list of nodes or tickets changed: transport follows at once, whether this node votes or not. */
  private followNetwork(view: NetworkView): void {
    const { logger, folder } = this.options
    this.book.update(view)
    this.driverOrNone?.setPeers(this.book.lists())
    const { peers } = nodeFiles(folder)
    if (existsSync(peers)) writeBootstrapPeers(peers, this.book.validators)
    const { self } = this.book
    if (self?.listed === false) {
      logger.error({ code: 'NODE_REMOVED' }, 'governance removed this node from the network')
      this.options.onFault('NODE_REMOVED', self.name)
      return
    }
    if (self && self.role !== this.runningRole && !this.book.isNamed) this.restartDriver(self.role)
  }

  /** The network went on without this node: it leaves, and what is final here can still be read. */
  private stop(code: string, detail: string): void {
    this.options.onFault(code, detail)
    this.restarting = this.restarting.then(() => this.driverOrNone?.close()).catch(() => undefined)
  }

  /** Nothing of this node is signed while this works; then it joins anew, or stays stopped if it was told. */
  private apart<T>(work: () => Promise<T>): Promise<T> {
    const done = this.restarting.then(() => this.driverOrNone?.close()).then(work)
    this.restarting = done
      .then(() => this.options.onFaultEnded('OLD_EPOCH'))
      .catch(() => undefined)
      .then(() => (this.isClosed ? undefined : this.startDriver()))
      .catch((error: unknown) => this.options.onFault('NETWORK_FAILED', String(error)))
    return done
  }

  /** Another role has other timers, another hello and other neighbours: the driver starts anew. */
  private restartDriver(role: NodeConfig['role']): void {
    this.options.logger.info({ role }, 'this node joins the network anew')
    this.runningRole = role
    // After the commit that brought the change: its block must be applied before the core starts again.
    setImmediate(() => {
      this.restarting = this.restarting
        .then(() => this.driverOrNone?.close())
        .then(() => (this.isClosed ? undefined : this.startDriver()))
        .catch((error: unknown) => this.options.onFault('NETWORK_FAILED', String(error)))
    })
  }

  /**
   * True when this node knows all that the others claim to have. Waits for the block that is just on its
   * way, no longer.
   */
  async caughtUp(): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < blockOnItsWayMs; waitedMs += caughtUpCheckMs) {
      if (this.isCaughtUp) return true
      await new Promise((resolve) => setTimeout(resolve, caughtUpCheckMs))
    }
    return this.isCaughtUp
  }

  /** Without a peer nobody says how far behind this node is, unless it is the only validator. */
  private get isCaughtUp(): boolean {
    const { lag, peers } = this.driver.status()
    const isAlone = this.book.validators.length === 0
    return lag === 0 && (isAlone || peers.length > 0)
  }

  get entity(): Uint8Array {
    return this.identity.entity
  }

  /** Where persons sign on this node: apart from the same person at another workstation. */
  get personStream(): number {
    return streamOfNode(this.book.self?.number ?? 0)
  }

  /** What this node is to the network now: its row says it, its configuration until it has one. */
  private get role(): NodeConfig['role'] {
    return this.book.isNamed ? 'validator' : (this.book.self?.role ?? this.options.config.role)
  }

  private async driverOptions({ config }: RunningOptions): Promise<Parameters<typeof createDriver>[0]> {
    const { transport, vote } = this.identity
    const point = await this.executor.call('tip', null)
    this.book.name(namedBy(point))
    const { allowed, dial, book } = this.book.lists()
    return {
      role: this.role,
      chainId: this.open.chainId,
      ...epochOf(point),
      nodeId: this.entity,
      nodeKey: vote.publicKey,
      version: protocolVersion,
      appVersion,
      network: {
        keyPair: { publicKey: Buffer.from(transport.publicKey), secretKey: transport.secretKey },
        host: config.host,
        port: config.port,
        bootstrap: [...book.values()],
        ...{ book, dial, allowed },
        refuse: (peer, hello) => this.book.refusal(peer, hello),
        visitors: visitorsOf(() => this.shares),
      },
    }
  }

  private driverPorts(options: RunningOptions): DriverPorts {
    const { executor, pool } = this
    return {
      chain: {
        tip: async () => (await executor.call('tip', null)).tip,
        validators: async () => (await executor.call('tip', null)).nextValidators,
        execute: (blockHash, block) =>
          this.journal.during(executor, { payload: block.payload, height: block.header.height }, () =>
            executor.call('execute', { blockHash, block }),
          ),
        commit: async (blockHash, resultHash, final, skipped) => {
          const commit = await executor.call('commit', { blockHash, resultHash, final, skipped })
          pool.becameFinal(final.block)
          this.settle(commit)
          options.onCommit(commit)
          return { validators: commit.validators }
        },
        // A failed executor has been reported already; a dropped overlay is no news.
        discard: (blockHash) => void executor.call('discard', { blockHash }).catch(() => undefined),
        finalBlocks: (fromHeight, count, bytesMax): Promise<readonly FinalBlock[]> =>
          executor.call('finalBlocks', { fromHeight, count, bytesMax }),
      },
      services: createNodeServices({
        isApplicant: (peer) => this.book.isApplicant(peer),
        isListed: (peer) => this.book.isListed(peer),
        submit: (bundle) => this.admission(bundle),
        chainId: this.open.chainId,
        read: () => answerRead(this.driverOrNone),
        genesis: async () => executor.call('genesis', null),
        snapshot: (request, peer) => this.snapshots.answer(request, peer),
      }),
      recovery: this.recovery.port,
      transactions: pool,
      votes: this.votes,
      signature: { sign: (bytes) => signDetached(this.identity.vote, bytes), verify: verifySignature },
      hash: sha256,
      // The executor compares the roots when it runs the block; twice would cost every block's bytes twice.
      payloadMatches: () => true,
      logger: options.logger,
      metrics: options.metrics.peersDid.of(this.book),
      events: {
        onHostMessage: (peer, nodeId, message) => this.shares?.heard(peer, nodeId, message),
        onAlarm: (code, detail) => {
          options.metrics.round.onAlarm(code)
          options.logger.warn({ code, ...detail }, 'alarm')
        },
        onEvidence: (evidence) =>
          this.evidence.report(evidence, this.open.chainId, options.now(), options.logger),
        onHalt: (code, detail) => {
          const ports = { ...options, executor, dataKey: this.dataKey }
          if (code === 'RESULT_DIVERGENCE') void keepDivergence(detail, ports)
          options.onFault(code, JSON.stringify(detail))
        },
      },
    }
  }

  /** A ticket's transaction, passed on by this node: what became of it. */
  private async admission(bundle: Uint8Array): Promise<{ code: ErrorCode; detail: string }> {
    const outcome = await this.submit(bundle, admissionWaitMs)
    if (!outcome.ok) return { code: outcome.code, detail: outcome.detail }
    const [receipt] = outcome.receipts
    return { code: codeOfStatus(receipt.status) ?? 'INTERNAL', detail: receipt.detail }
  }

  private settle(commit: CommitReply): void {
    if (commit.height > this.recovery.baseHeight) this.book.name([])
    if (commit.network) this.followNetwork(commit.network)
    this.followVoteKey(commit.validators)
    this.waiter.settle(commit.receipts)
    this.tentative.onCommit(commit)
    this.proofs?.onCommit(commit)
    this.pool.settle(commit)
    const complain = (): void => {
      // Blocks are made, yet something has been left out of them for long: the leader censors it (R20).
      if (this.pool.hasOverdue(overdueMs)) this.driverOrNone?.transactionOverdue()
    }
    // First make sure that what was left out could have been taken. A failed executor has been reported.
    this.pool.recheck().then(complain, () => undefined)
  }

  /** See submission.ts: a bundle that is final already is answered with its receipts. */
  submit(bundle: Uint8Array, timeoutMs: number): Promise<FinalOutcome> {
    return this.submission.one(bundle, timeoutMs)
  }

  submitMany(bundles: readonly Uint8Array[]): Promise<SubmitOutcome[]> {
    return this.submission.many(bundles)
  }

  /** Leaves the network, closes both environments, zeroes keys; every step runs, whatever another throws. */
  async close(keepsOutline = true): Promise<void> {
    clearInterval(this.tentativeTimer)
    clearInterval(this.listsTimer)
    this.isClosed = true
    this.recovery.close()
    await runAll([
      () => this.restarting,
      () => this.driverOrNone?.close(),
      () => this.waiter.close(),
      () => this.upkeep.close(),
      () => this.readers.close(),
      () => this.executor.close(keepsOutline),
      () => this.votes?.close(),
      () => this.pool.held.settled().finally(() => this.journal.close()),
      () => destroyIdentity(this.identity),
    ])
  }
}

async function openParts(
  options: RunningOptions,
  dataKey: DataKey,
  undo: (() => unknown)[],
): Promise<RunningNode> {
  const files = nodeFiles(options.folder)
  const identityBytes = readSealedFile(files.identity, dataKey)
  if (!identityBytes) throw new NodeError('CONFIG_MALFORMED', 'identity.sealed is missing')
  const identity = decodeIdentity(identityBytes)
  identityBytes.fill(0)
  undo.push(() => destroyIdentity(identity))
  const genesis = existsSync(files.genesis) ? readFileSync(files.genesis) : null
  // Before the store is founded: a document of another network must not take the place of the right one.
  // A node that joined by a ticket is not in the founding document; its admission comes with the chain.
  const hasJoined = existsSync(files.peers)
  if (genesis && !hasJoined) checkFounding(nodesOf(genesis), identity, options.config)
  const { executor, journal, held } = startExecutor(options)
  undo.push(
    () => journal.close(),
    () => executor.close(),
  )
  const resync = readResync(files.resync, dataKey)
  const first = resync?.genesis ?? (hasJoined ? genesis : null)
  if (first) await firstSync({ ...options, files, identity, genesis: first, dataKey, instead: resync })
  mkdirSync(files.chain, { recursive: true })
  const open = await openChain(executor, files.chain, dataKey, genesis)
  journal.taken()
  if (genesis && bytesToHex(chainIdOf(sha256, genesis)) !== bytesToHex(open.chainId))
    throw new NodeError('GENESIS_MALFORMED', 'this node belongs to another network already')
  const book = new NetworkBook(identity.entity, readBootstrapPeers(files.peers), options.now, open.network)
  if (!book.self && !hasJoined) throw new NodeError('IDENTITY_UNKNOWN', options.config.name)
  if (adoptNextVote(identity, open.nextValidators)) saveIdentity(files.identity, identity, dataKey)
  if (book.self?.listed === false) options.onFault('NODE_REMOVED', options.config.name)
  // The founding document rests in the sealed store from now on; the carrier's copy is not needed.
  if (genesis) unlinkSync(files.genesis)
  // Whoever has a fixed port may become a validator one day, and must then be able to keep its votes.
  const mayVote = options.config.role !== 'gateway' && options.config.port !== 0
  const votes = mayVote ? openVotes(files.votes, dataKey, open, identity) : null
  undo.push(() => votes?.close())
  const waiter = new FinalWaiter()
  const onDropped = (id: string, code: ErrorCode): void => {
    options.logger.warn({ code, id }, 'a waiting transaction can no longer become final')
    waiter.refuse(id, code)
    tentative.onDropped(id)
  }
  const pool = new PoolPort(executor, options.now, onDropped, undefined, held)
  const tentative = new TentativeRecords({
    pool,
    run: (request) => {
      // A contract that kills the executor does so here first: it must be known at the next start (R18).
      const payload = encodePayload({ lanes: [[], [], request.bundles, [], []] })
      return journal.during(executor, { payload, height: 0 }, () => executor.call('tentative', request))
    },
    now: options.now,
    onChange: options.onTentative,
  })
  const evidence = new EvidenceFile(files.evidence)
  const parts = [executor, pool, waiter, tentative, votes, journal, evidence] as const
  return new RunningNode(options, open, book, identity, ...parts, dataKey)
}
