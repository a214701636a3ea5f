// What the driver needs of its host, and what it gives back. The host wires these; tests bring small real
// ones.

import type {
  AlarmCode,
  Block,
  BlockResult,
  Detail,
  Evidence,
  FinalBlock,
  HaltCode,
  SkippedLeaders,
  Tip,
  ValidatorSet,
  Waiting,
} from '../pbft/types.js'
import type { StoredBody, VoteStoreContent, VoteWrite } from '../driver/vote-store.js'
import type { RoundReason } from './round-reason.js'
import type { PeerId, PeerStatus } from './transport.js'
import type { Hello } from './wire.js'

export type {
  Block,
  FinalBlock,
  SkippedLeaders,
  StoredBody,
  Tip,
  ValidatorSet,
  VoteStoreContent,
  VoteWrite,
  Waiting,
}

// ------------------------------------------------------------------------------------------- safety record

/**
 * One per vote key, exclusively locked by the host (R16). Synchronous: a vote leaves only after `persist`
 * returned.
 */
export interface VoteStore {
  load(): VoteStoreContent
  /** Returns when everything is on disk (fsync). Throws when it is not: the driver then stops. */
  persist(write: VoteWrite): void
}

// --------------------------------------------------------------------------------------------------- chain

export type ExecuteOutcome =
  | { readonly ok: true; readonly result: BlockResult; readonly resultHash: Uint8Array }
  /** The block is invalid; the code is for the log only. */
  | { readonly ok: false; readonly code: string }

/**
 * The executor and the store behind it. A rejected promise is an IO failure of this node and stops the
 * driver.
 */
export interface ChainPort {
  /** The last final block; read once, at start. */
  tip(): Promise<Tip>
  /** Members at `tip.height + 1`; read once, at start. */
  validators(): Promise<ValidatorSet>
  /** Runs the block on an overlay above the tip. Several candidates of one height may be open at a time. */
  execute(blockHash: Uint8Array, block: Block): Promise<ExecuteOutcome>
  /**
   * Stores block, result, certificate, overlay and `skipped` in one durable transaction, idempotent by
   * height
   * (R10), and drops the other overlays. Gives the members of the next height.
   */
  commit(
    blockHash: Uint8Array,
    resultHash: Uint8Array,
    final: FinalBlock,
    skipped: readonly SkippedLeaders[],
  ): Promise<{ readonly validators: ValidatorSet }>
  discard(blockHash: Uint8Array): void
  /**
   * Final blocks from this height on, ascending, at most `count`, and at most `bytesMax` of payload
   * unless the
   * first alone is larger. Fewer or none when the store has no more (or has pruned them).
   */
  finalBlocks(fromHeight: number, count: number, bytesMax: number): Promise<readonly FinalBlock[]>
}

// -------------------------------------------------------------------------------------------- transactions

export interface PayloadRequest {
  readonly height: number
  readonly view: number
  /** Block time, ms since 1970. */
  readonly time: number
  /** A block is wanted although nothing waits: due work. */
  readonly due: boolean
  readonly emergency: boolean
  readonly bytesMax: number
}

/** How a transaction travels: with the votes, in the ordinary queue, or behind what is in it. */
export type Urgency = 'urgent' | 'normal' | 'low'

/**
 * What became of a bundle that a peer brought: new and valid, with its urgency; known; refused, for a reason
 * that an honest peer need not have seen (final already, no credit left); or forged: malformed, or with a
 * wrong signature, which an honest peer never forwards.
 */
export type Reception = Urgency | 'known' | 'refused' | 'forged'

/** The mempool. Bundles are opaque here: a signed transaction with its bodies and attachments. */
export interface TransactionPort {
  waiting(): Waiting
  /** Null: nothing to propose after all. `transactionRoots` as in the block header. */
  buildPayload(
    request: PayloadRequest,
  ): Promise<{ readonly payload: Uint8Array; readonly transactionRoots: readonly Uint8Array[] } | null>
  /**
   * Bundles that a peer gossiped, unchecked. Answers for each what became of it; only new ones travel on. The
   * peer's credit stays used until the promise settles: that is the back-pressure.
   */
  receive(bundles: readonly Uint8Array[], from: PeerId): Promise<readonly Reception[]>
  /** Oldest waiting bundles, for peers that may have missed them; at most `bytesMax` together. */
  resend(which: 'emergency' | 'all', bytesMax: number): readonly Uint8Array[]
  /** Keep this block's transactions out of fresh proposals until governance looks at them (R18). */
  setAside(block: Block): void
  /** Whether transactions of this block are kept out: then it is not sent again after a crash. */
  isHeld(block: Block): boolean
  /**
   * A block that this key voted on in an epoch that has ended: what of it is not final waits again, so that
   * no recovery loses it. Never rejects.
   */
  takeBack(block: Block): Promise<void>
}

// ------------------------------------------------------------------------------------------- small effects

export interface SignaturePort {
  /** Ed25519 with this node's key, 64 bytes. For a validator it is the vote key. */
  sign(bytes: Uint8Array): Uint8Array
  /** The one verifier of all replicas (network.md N8). Must not throw on odd lengths. */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean
}

export interface Clock {
  /** Milliseconds since 1970 UTC. */
  now(): number
}

/** Structured, without patient data: the driver knows none. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Hooks for Prometheus; names and labels are listed in README.md. */
export interface Metrics {
  /** `by` 1 unless given. A label `peer` is a transport key in hex. */
  count(name: string, labels?: Readonly<Record<string, string>>, by?: number): void
  observe(name: string, value: number, labels?: Readonly<Record<string, string>>): void
}

/** The core's own reasons, a vote store or chain port that failed, or a broken invariant of ours. */
export type HaltReason = HaltCode | 'VOTE_STORE' | 'CHAIN_PORT' | 'ASSERTION_FAILED'

export interface DriverEvents {
  /**
   * After the block is durable; `latencyMs` from first sight of the block here (0 for caught-up blocks).
   */
  onFinal?(final: FinalBlock, resultHash: Uint8Array, latencyMs: number): void
  onAlarm?(code: AlarmCode, detail: Detail): void
  onEvidence?(evidence: Evidence): void
  /** Divergence or another reason to stop: no vote leaves any more, reads may go on. */
  onHalt?(code: HaltReason, detail: Detail): void
  /** A peer's host said something to this one; `nodeId` is what its signed hello and the book agree on. */
  onHostMessage?(peer: PeerId, nodeId: Uint8Array, message: Uint8Array): void
  onPeers?(peers: readonly PeerStatus[]): void
}

/**
 * What this node does for single peers beside consensus: admission of new nodes, the founding document,
 * snapshots. Opaque here. A peer's requests are answered one after the other, and its credit comes back with
 * the answer. Null: no answer, the peer asks again or elsewhere. Must not reject.
 */
export interface ServicePort {
  request(
    from: { peer: PeerId; hello: Hello; isApplicant: boolean },
    body: Uint8Array,
  ): Promise<Uint8Array | null>
  /**
   * A peer that may ask for admission and for nothing else, whatever its hello says: it hears nothing and
   * says nothing more.
   */
  isApplicant(peer: PeerId): boolean
}

/** Epochs: what a peer of an older one is told, and what a newer one has to say. */
export interface RecoveryPort {
  /**
   * Manifests of this chain, oldest first, each with the proof that its epoch began as soon as there is one;
   * empty before any recovery.
   */
  notices(): Promise<readonly Uint8Array[]>
  /** A peer of a newer epoch hands over one, unchecked. */
  heard(notice: Uint8Array, from: PeerId): void
}

export interface DriverPorts {
  readonly services?: ServicePort
  readonly recovery?: RecoveryPort
  readonly chain: ChainPort
  readonly transactions: TransactionPort
  /** Null for an observer or gateway, which never votes. */
  readonly votes: VoteStore | null
  readonly signature: SignaturePort
  /** SHA-256. */
  readonly hash: (bytes: Uint8Array) => Uint8Array
  /**
   * Do the header's transaction roots commit to this payload? May return true and leave it to `execute`.
   */
  readonly payloadMatches: (header: Block['header'], payload: Uint8Array) => boolean
  readonly clock?: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
  readonly events?: DriverEvents
}

// -------------------------------------------------------------------------------------------------- status

export interface VoterStatus {
  /** Hex of the entity id. */
  readonly entity: string
  readonly connected: boolean
  /** Milliseconds since the last valid message, -1: never. */
  readonly silentMs: number
  /** Its clock minus this node's, milliseconds; null: this node, or no heartbeat lately. */
  readonly clockAheadMs: number | null
}

/** For `ward status`: where this node stands and whom it waits for. */
export interface DriverStatus {
  /** Raised by recoveries only. */
  readonly epoch: number
  readonly role: 'validator' | 'observer' | 'gateway'
  /** Last final height. */
  readonly height: number
  /** View at `height + 1`. */
  readonly view: number
  /** Hex of the leader's entity id at this view; empty when unknown. */
  readonly leader: string
  readonly phase:
    | 'starting'
    | 'idle'
    | 'proposed'
    | 'executing'
    | 'prepared'
    | 'view-change'
    | 'applying'
    | 'syncing'
    | 'halted'
  /**
   * Entity ids (hex) whose vote of the furthest phase has been seen at `height + 1`, and those without
   * one.
   */
  readonly voted: readonly string[]
  readonly missing: readonly string[]
  readonly validators: readonly VoterStatus[]
  /** `claimedHeight`: what the peer says its final height is; nobody has checked it. Null: not said yet. */
  readonly peers: readonly (PeerStatus & { readonly claimedHeight: number | null })[]
  /** Blocks behind the best height that any peer claims. */
  readonly lag: number
  /** Why the round is not done. */
  readonly reason: RoundReason
  /** Milliseconds since the leader of this view was heard; 0: it is this node, -1: never. */
  readonly leaderSilentMs: number
  /** Enough members are connected to decide anything (self included). False: why nothing moves. */
  readonly hasQuorum: boolean
  /** R17: a member whose record of votes was lost, until the chain has passed what it may have signed. */
  readonly isSilent: boolean
  /** `HaltReason`, or null. */
  readonly halted: string | null
}
