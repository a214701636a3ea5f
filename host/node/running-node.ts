// What exists while a node is unsealed: keys, executor thread, pool, driver and everyone who waits for them.
import { existsSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs'
import {
  appVersion,
  bytesToHex,
  entityIdOf,
  protocolVersion,
  type ErrorCode,
  type GenesisNode,
} from '../../runtime/protocol/index.js'
import { createDriver, type Driver } from '../../consensus/net/driver.js'
import type { DriverPorts } from '../../consensus/net/ports.js'
import type { FinalBlock } from '../../consensus/pbft/types.js'
import { CrashJournal } from '../executor/crash-journal.js'
import { ExecutorClient } from '../executor/executor-client.js'
import type { CommitReply, OpenReply, ReceiptEntry } from '../executor/messages.js'
import { destroyIdentity, decodeIdentity, type NodeIdentity } from '../keys/node-identity.js'
import { sha256, signDetached, verifySignature } from '../keys/crypto.js'
import { PoolPort, type SubmitOutcome } from '../pool/pool-port.js'
import { openVotesStore, readSealedFile, type DataKey, type VotesStore } from '../store/index.js'
import { FinalWaiter } from './final-waiter.js'
import { nodeFiles, type NodeConfig } from './node-config.js'
import { NodeError } from './node-error.js'
import type { NodeLogger } from './node-logger.js'

/** Twice the view timeout and the longest queue of an ordinary load. */
const overdueMs = 10_000

export interface RunningOptions {
  folder: string
  config: NodeConfig
  logger: NodeLogger
  now: () => number
  onCommit: (commit: CommitReply) => void
  /** The node must stop voting: a fault of its executor, its store or a divergence. */
  onFault: (code: string, detail: string) => void
}

export type FinalOutcome =
  { ok: true; receipts: ReceiptEntry[] } | { ok: false; id: string; code: ErrorCode; detail: string }

export class RunningNode {
  private constructor(
    readonly open: OpenReply,
    readonly identity: NodeIdentity,
    readonly executor: ExecutorClient,
    readonly pool: PoolPort,
    readonly waiter: FinalWaiter,
    private readonly votes: VotesStore | null,
    private readonly journal: CrashJournal,
    private driverOrNone: Driver | undefined,
  ) {}

  get driver(): Driver {
    if (!this.driverOrNone) throw new Error('the driver is not started')
    return this.driverOrNone
  }

  /** Opens the store with an opened data key, then joins the network. `progress` gets words for people. */
  static async start(
    options: RunningOptions,
    dataKey: DataKey,
    progress: (phase: string) => void,
  ): Promise<RunningNode> {
    const files = nodeFiles(options.folder)
    progress('opening the store')
    const identityBytes = readSealedFile(files.identity, dataKey)
    if (!identityBytes) throw new NodeError('CONFIG_MALFORMED', 'identity.sealed is missing')
    const identity = decodeIdentity(identityBytes)
    identityBytes.fill(0)
    const executor = new ExecutorClient((error) => options.onFault('EXECUTOR_FAILED', error.message))
    const genesis = existsSync(files.genesis) ? readFileSync(files.genesis) : null
    mkdirSync(files.chain, { recursive: true })
    const open = await executor.call('open', { folder: files.chain, dataKey: dataKey.toBytes(), genesis })
    // The founding document rests in the sealed store from now on; the carrier's copy is not needed.
    if (genesis) unlinkSync(files.genesis)
    checkMembership(open, identity, options.config)
    const votes = options.config.role === 'validator' ? openVotes(files.votes, dataKey, open) : null
    const pool = new PoolPort(executor, options.now)
    const journal = new CrashJournal(files.executing)
    if (journal.suspects.length > 0) {
      const fields = { code: 'EXECUTOR_CRASHED_ON', bundles: journal.suspects }
      options.logger.error(
        fields,
        'the last process died while it executed these; they stay out of fresh proposals',
      )
      pool.setAsideHashes(journal.suspects)
    }
    const node = new RunningNode(
      open,
      identity,
      executor,
      pool,
      new FinalWaiter(),
      votes,
      journal,
      undefined,
    )
    progress('joining the network')
    node.driverOrNone = await createDriver(node.driverOptions(options), node.driverPorts(options))
    return node
  }

  get entity(): Uint8Array {
    return entityIdOf(sha256, this.identity.vote.publicKey)
  }

  private driverOptions(options: RunningOptions): Parameters<typeof createDriver>[0] {
    const { config } = options
    const peers = this.open.nodes.filter((peer) => peer.name !== config.name)
    const validators = peers.filter((peer) => peer.role === 'validator')
    const addressOf = ({ host, port }: GenesisNode): { host: string; port: number } => ({ host, port })
    const { transport, vote } = this.identity
    return {
      role: config.role,
      chainId: this.open.chainId,
      epoch: this.open.tip.epoch,
      nodeId: this.entity,
      nodeKey: vote.publicKey,
      version: protocolVersion,
      appVersion,
      network: {
        keyPair: { publicKey: Buffer.from(transport.publicKey), secretKey: transport.secretKey },
        host: config.host,
        port: config.port,
        bootstrap: validators.map(addressOf),
        book: new Map(validators.map((peer) => [bytesToHex(peer.transportKey), addressOf(peer)])),
        dial: validators.map((peer) => bytesToHex(peer.transportKey)),
        allowed: peers.map((peer) => bytesToHex(peer.transportKey)),
        refuse: (peerId, hello) => {
          const peer = peers.find((known) => bytesToHex(known.transportKey) === peerId)
          return peer && bytesToHex(peer.entity) === bytesToHex(hello.nodeId) ? null : 'NODE_KEY_MISMATCH'
        },
      },
    }
  }

  private driverPorts(options: RunningOptions): DriverPorts {
    const { executor, pool } = this
    return {
      chain: {
        tip: () => Promise.resolve(this.open.tip),
        validators: () => Promise.resolve(this.open.nextValidators),
        execute: async (blockHash, block) => {
          this.journal.begin(block.payload)
          const outcome = await executor.call('execute', { blockHash, block })
          this.journal.end()
          return outcome
        },
        commit: async (blockHash, resultHash, final, skipped) => {
          const commit = await executor.call('commit', { blockHash, resultHash, final, skipped })
          this.settle(commit)
          options.onCommit(commit)
          return { validators: commit.validators }
        },
        // A failed executor has been reported already; a dropped overlay is no news.
        discard: (blockHash) => void executor.call('discard', { blockHash }).catch(() => undefined),
        finalBlocks: (fromHeight, count, bytesMax): Promise<readonly FinalBlock[]> =>
          executor.call('finalBlocks', { fromHeight, count, bytesMax }),
      },
      transactions: pool,
      votes: this.votes,
      signature: { sign: (bytes) => signDetached(this.identity.vote, bytes), verify: verifySignature },
      hash: sha256,
      // The executor compares the roots when it runs the block; checking twice would cost every block's
      // bytes twice.
      payloadMatches: () => true,
      logger: options.logger,
      events: {
        onAlarm: (code, detail) => options.logger.warn({ code, ...detail }, 'alarm'),
        onHalt: (code, detail) => options.onFault(code, JSON.stringify(detail)),
      },
    }
  }

  private settle(commit: CommitReply): void {
    this.pool.settle(commit.receipts)
    this.waiter.settle(commit.receipts)
    // Blocks are made, yet something has been left out of them for long: the leader censors it (R20).
    if (this.pool.hasOverdue(overdueMs)) this.driverOrNone?.transactionOverdue()
  }

  /** Admits a bundle here, tells the others, and waits until it is final or `timeoutMs` has passed. */
  async submit(bundle: Uint8Array, timeoutMs: number): Promise<FinalOutcome> {
    const [outcome] = await this.pool.admit([bundle])
    if (!outcome.ok) return outcome
    const final = this.waiter.wait(outcome.id, timeoutMs)
    if (!outcome.known) this.driver.gossip([bundle], this.pool.isUrgent(outcome.id))
    this.driver.transactionsWaiting()
    const receipts = await final
    if (!receipts) return { ok: false, id: outcome.id, code: 'NOT_FINAL_IN_TIME', detail: outcome.id }
    return { ok: true, receipts }
  }

  /** Admits many bundles and tells the others of those that are new; nobody waits. */
  async submitMany(bundles: readonly Uint8Array[]): Promise<SubmitOutcome[]> {
    const outcomes = await this.pool.admit(bundles)
    const fresh = bundles.filter((_, index) => {
      const outcome = outcomes[index]
      return outcome.ok && !outcome.known
    })
    if (fresh.length > 0) this.driver.gossip(fresh)
    this.driver.transactionsWaiting()
    return outcomes
  }

  /** Leaves the network, closes both environments, zeroes keys. */
  async close(): Promise<void> {
    await this.driverOrNone?.close()
    this.waiter.close()
    await this.executor.close()
    await this.votes?.close()
    this.journal.close()
    destroyIdentity(this.identity)
  }
}

function openVotes(folder: string, dataKey: DataKey, open: OpenReply): VotesStore {
  mkdirSync(folder, { recursive: true })
  return openVotesStore(folder, dataKey, { create: open.tip.height === 0 })
}

/** A node that genesis does not name, or that holds other keys than its card said, must not go on. */
function checkMembership(open: OpenReply, identity: NodeIdentity, config: NodeConfig): void {
  const own = open.nodes.find((node) => node.name === config.name)
  const voteKey = bytesToHex(identity.vote.publicKey)
  if (!own || bytesToHex(own.voteKey) !== voteKey) throw new NodeError('IDENTITY_UNKNOWN', config.name)
}
