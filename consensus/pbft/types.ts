// The seam of the consensus core: what goes into `step`, what comes out, and what must survive a crash.
// The driver (consensus/net) and the simulator (consensus/sim) are the two hosts of this seam.

import type { BlockHeader, BlockResult } from '../../runtime/protocol/block.js'
import type { Certificate, Validator } from '../../runtime/protocol/certificate.js'

export type { BlockHeader, BlockResult, Certificate, Validator }

/** A block as the core sees it: a header it understands and a payload it does not. */
export interface Block {
  readonly header: BlockHeader
  /** Opaque: the header's transaction roots commit to it (`Ports.payloadMatches`). */
  readonly payload: Uint8Array
}

/**
 * A block as proposed: with the parent's certificate that its header names, so that any leader can re-
 * propose it.
 */
export interface ProposedBlock {
  readonly block: Block
  /** Null when the parent is genesis. */
  readonly parentCertificate: Certificate | null
}

/** A block with everything that makes it final: what catch-up, observers and the store exchange. */
export interface FinalBlock {
  readonly block: Block
  readonly result: BlockResult
  readonly certificate: Certificate
}

/** The members at one height, in the order that bitmaps and leader rotation use. */
export interface ValidatorSet {
  /** What `header.validatorsHash` and the parent's `result.nextValidatorsHash` must equal. 32 bytes. */
  readonly hash: Uint8Array
  readonly members: readonly Validator[]
}

// ---------------------------------------------------------------------------------------------- messages

interface MessageHead {
  readonly epoch: number
  readonly height: number
  readonly view: number
  /** Entity id of the validator that signed. */
  readonly sender: Uint8Array
  /** Ed25519 over `signingBytes(message)` of message-codec.ts, 64 bytes. */
  readonly signature: Uint8Array
}

/**
 * PRE-PREPARE; with a justification (view > 0) it is NEW-VIEW as well. `view` is the current view, not the
 * header's.
 */
export interface ProposalMessage extends MessageHead {
  readonly type: 'proposal'
  readonly block: Block
  /** The QC of the parent, in full (R9); null only when the parent is genesis. */
  readonly parentCertificate: Certificate | null
  /** R12: `q` VIEW-CHANGEs for `view`; empty in view 0. */
  readonly justification: readonly ViewChangeMessage[]
}
export interface VoteMessage extends MessageHead {
  readonly type: 'prepare' | 'commit'
  readonly blockHash: Uint8Array
  readonly resultHash: Uint8Array
}
/** `view` is the view asked for. */
export interface ViewChangeMessage extends MessageHead {
  readonly type: 'viewChange'
  /** The sender's highest prepared certificate at this height (q PREPAREs), or null. */
  readonly prepared: Certificate | null
  /** QC of the block before this height, or null at height 1. */
  readonly lastCertificate: Certificate | null
}
/**
 * Own tip and view, instead of empty blocks. `height` is the tip's, `view` the current view at the next
 * height.
 */
export interface HeartbeatMessage extends MessageHead {
  readonly type: 'heartbeat'
  readonly blockHash: Uint8Array
  readonly resultHash: Uint8Array
  /**
   * The sender's clock, milliseconds since 1970, strictly above that of its heartbeat before: a recorded one
   * cannot make a dead validator look alive.
   */
  readonly time: number
}
/**
 * Asks for the body of a block that is voted on or prepared but not final. Unsigned: `signature` is empty.
 */
export interface BodyRequestMessage {
  readonly type: 'bodyRequest'
  readonly epoch: number
  readonly height: number
  readonly blockHash: Uint8Array
}
export interface BodyMessage {
  readonly type: 'body'
  readonly epoch: number
  readonly block: Block
  readonly parentCertificate: Certificate | null
}
/** Asks for final blocks. Answered by the host from its store, never by the core. */
export interface BlockRequestMessage {
  readonly type: 'blockRequest'
  readonly epoch: number
  readonly fromHeight: number
  readonly count: number
}
/**
 * Final blocks in ascending order: the answer to a request, or a push to observers. Becomes
 * `blocksReceived`.
 */
export interface BlocksMessage {
  readonly type: 'blocks'
  readonly epoch: number
  readonly blocks: readonly FinalBlock[]
}

/**
 * R30: two signed messages of one validator that no correct one signs. Unsigned itself; both signatures are
 * checked by the core. Blocks inside travel without payload and parent certificate: neither is signed over.
 */
export interface EvidenceMessage {
  readonly type: 'evidence'
  readonly epoch: number
  readonly first: SignedMessage
  readonly second: SignedMessage
}

export type SignedMessage = ProposalMessage | VoteMessage | ViewChangeMessage | HeartbeatMessage
export type CoreMessage = SignedMessage | BodyRequestMessage | BodyMessage | EvidenceMessage
export type WireMessage = CoreMessage | BlockRequestMessage | BlocksMessage

// ------------------------------------------------------------------------------------- what must survive

/** How far this key has gone at one height: durable before anything it describes is sent (R16). */
export interface SafetyRecord {
  readonly epoch: number
  readonly height: number
  /** The highest view entered: no vote below it is ever signed again. */
  readonly view: number
  /** What was signed in that view, kept signed so that a restart re-sends the same bytes. */
  readonly proposal: ProposalMessage | null
  readonly prepare: VoteMessage | null
  readonly commit: VoteMessage | null
  readonly viewChange: ViewChangeMessage | null
  /** The lock (R7): the highest prepared certificate and the body of its block. */
  readonly prepared: Certificate | null
  readonly preparedBlock: ProposedBlock | null
  /** Body of the block voted on in `view`, when neither `proposal` nor `preparedBlock` has it. */
  readonly votedBlock: ProposedBlock | null
}

/** Leaders that the header of `height` shows as skipped (R3). */
export interface SkippedLeaders {
  readonly height: number
  readonly ids: readonly Uint8Array[]
}

/**
 * The last final block as the store knows it. Genesis has height 0, no certificate and its own hash as
 * blockHash.
 */
export interface Tip {
  /** Of the header; genesis: the epoch the chain began with. */
  readonly epoch: number
  readonly height: number
  readonly blockHash: Uint8Array
  readonly resultHash: Uint8Array
  readonly result: BlockResult
  /** The header's time; genesis: the genesis time. Milliseconds. */
  readonly time: number
  /** The header's proposer; at genesis 32 zero bytes. */
  readonly proposer: Uint8Array
  readonly certificate: Certificate | null
  /**
   * The members at this height (they signed `certificate`). At genesis: the same as the members of height
   * 1.
   */
  readonly validators: ValidatorSet
  /** As given by the `finalize` action of this height, stored beside the block; [] when unknown. */
  readonly skipped: readonly SkippedLeaders[]
}

// ------------------------------------------------------------------------------------------------ events

/** What the pool holds. `full`: a whole block's worth waits, so the batch window is pointless. */
export interface Waiting {
  readonly normal: boolean
  readonly emergency: boolean
  readonly full?: boolean
}

/** Every event carries `now`: the host's clock in milliseconds since 1970 UTC. */
export type CoreEvent =
  | {
      /**
       * First event, once. `amnesia`: the safety record is lost or unclean (R17); a new node's empty
       * record is not.
       */
      readonly type: 'start'
      readonly now: number
      readonly safety: SafetyRecord | null
      readonly amnesia: boolean
      /** The record's own proposal holds transactions that ended the executor (R18). */
      readonly leavesProposal?: boolean
      readonly tip: Tip
      /** The members at `tip.height + 1`. */
      readonly validators: ValidatorSet
      readonly waiting: Waiting
    }
  | {
      /** A decoded message. Signed types arrive only after the host checked the signature over `signingBytes`
       *  with the public key that `senderKey(state, message)` gives; certificates and view changes inside
       * them
       *  are checked here. */
      readonly type: 'message'
      readonly now: number
      /** Who handed it over (a relay is allowed): entity id or observer's id; answers go there. */
      readonly from: Uint8Array
      readonly message: CoreMessage
    }
  | {
      /** Answer to `execute`. `ok` false: the block is invalid; then no result. */
      readonly type: 'executed'
      readonly now: number
      readonly blockHash: Uint8Array
      readonly ok: boolean
      readonly resultHash: Uint8Array | null
      readonly result: BlockResult | null
    }
  | {
      /**
       * Answer to `buildPayload`, same height, view and time; payload null: nothing to propose after all.
       */
      readonly type: 'payloadReady'
      readonly now: number
      readonly height: number
      readonly view: number
      readonly payload: Uint8Array | null
      readonly transactionRoots: readonly Uint8Array[]
    }
  /**
   * The pool's level changed. Send it also when a validator that does not lead sees a first transaction
   * (R20).
   */
  | { readonly type: 'transactionsWaiting'; readonly now: number; readonly waiting: Waiting }
  /**
   * A transaction outlived its request timer though blocks were made: the leader censors it (R20, R22 of
   * F22).
   */
  | { readonly type: 'transactionOverdue'; readonly now: number }
  /**
   * This validator is about to leave on purpose (restart, maintenance): if it leads, it hands over at once,
   * and nobody waits for a timeout.
   */
  | { readonly type: 'standDown'; readonly now: number }
  /** `token` as in `setTimer`; an expiry with a stale token is ignored, so late timers do no harm. */
  | { readonly type: 'timerExpired'; readonly now: number; readonly id: TimerId; readonly token: number }
  /** Final blocks from a peer, ascending, unchecked. */
  | {
      readonly type: 'blocksReceived'
      readonly now: number
      readonly from: Uint8Array
      readonly blocks: readonly FinalBlock[]
    }
  | {
      /**
       * The block of the `finalize` action is durable in the store. `validators`: members at `height + 1`.
       */
      readonly type: 'applied'
      readonly now: number
      readonly height: number
      readonly validators: ValidatorSet
      /** What the pool holds now that the block's transactions have left it. */
      readonly waiting: Waiting
    }
  /** Measured latencies for the adaptive view timeout (p99, milliseconds). */
  | {
      readonly type: 'measured'
      readonly now: number
      readonly commitP99Ms: number
      readonly loopLagP99Ms: number
    }

// ----------------------------------------------------------------------------------------------- actions

export type TimerId = 'view' | 'silence' | 'resend' | 'heartbeat' | 'batch' | 'due' | 'sync' | 'emergency'

export const alarmCodes = [
  'RESULT_SPLIT',
  'RESULT_MINORITY',
  'DIVERGENCE',
  'EXECUTION_REFUSED',
  'LEADER_INVALID',
  'EQUIVOCATION',
  'SAFETY_RECORD_LOST',
  'SAFETY_RECORD_AHEAD',
  'BAD_SYNC_PEER',
  'FOREIGN_TIP',
  'EMERGENCY_LATE',
  'VIEW_CHANGE',
  'CLOCK_SKEW',
] as const
export type AlarmCode = (typeof alarmCodes)[number]

export type HaltCode =
  | 'RESULT_DIVERGENCE'
  | 'CERTIFIED_BLOCK_REFUSED'
  | 'VALIDATORS_MISMATCH'
  | 'CONFLICTING_CERTIFICATE'
  | 'RECOVERY_OTHER_BRANCH'
  | 'RECOVERY_BELOW_TIP'

/** Numbers and hex strings only: for logs and status, never for decisions. */
export type Detail = Readonly<Record<string, string | number | readonly string[]>>

export type Evidence = {
  readonly first: SignedMessage
  readonly second: SignedMessage
}

/**
 * Carried out strictly in order, list after list: an event that an action causes is queued, and `step` is
 * called again
 * only when the whole list is done. A crash may fall between any two actions.
 */
export type Action =
  /** Make durable (fsync) before any later action is carried out (R16). Replaces the previous record. */
  | { readonly type: 'persist'; readonly record: SafetyRecord }
  /** `to` null: all other validators of `state.validators`, and observers that asked for votes. */
  | { readonly type: 'send'; readonly to: Uint8Array | null; readonly message: CoreMessage }
  /** Run the block on an overlay above the tip; answer `executed`. May be asked again for the same hash. */
  | { readonly type: 'execute'; readonly blockHash: Uint8Array; readonly block: Block }
  /** The overlay of this block is not needed any more. */
  | { readonly type: 'discard'; readonly blockHash: Uint8Array }
  /** Store block, result, certificate and overlay in one durable transaction; then `applied`. */
  | {
      readonly type: 'finalize'
      readonly blockHash: Uint8Array
      readonly resultHash: Uint8Array
      readonly final: FinalBlock
      /** To be stored beside the block and given back in `Tip.skipped`. */
      readonly skipped: readonly SkippedLeaders[]
    }
  /**
   * Choose transactions for a block at this time; answer `payloadReady`. `due`: an empty payload is wanted
   * too.
   */
  | {
      readonly type: 'buildPayload'
      readonly height: number
      readonly view: number
      readonly time: number
      readonly due: boolean
      readonly emergency: boolean
    }
  | { readonly type: 'setTimer'; readonly id: TimerId; readonly token: number; readonly afterMs: number }
  | { readonly type: 'clearTimer'; readonly id: TimerId }
  /** Send BLOCK-REQUEST to this peer (entity id); answers come as `blocksReceived`. */
  | {
      readonly type: 'requestBlocks'
      readonly to: Uint8Array
      readonly fromHeight: number
      readonly count: number
    }
  /** This peer is behind: send it final blocks from the store. */
  | { readonly type: 'sendBlocks'; readonly to: Uint8Array; readonly fromHeight: number }
  /** Transactions of this block stay out of fresh proposals (R18). */
  | { readonly type: 'setAside'; readonly blockHash: Uint8Array; readonly block: Block }
  /** Two conflicting signed messages of one validator; keep and show (R30). */
  | { readonly type: 'evidence'; readonly evidence: Evidence }
  /** Re-send waiting emergency transactions to all validators (R20). */
  | { readonly type: 'resendEmergency' }
  | { readonly type: 'alarm'; readonly code: AlarmCode; readonly detail: Detail }
  /** Stop: a stopped node is safer than a wrong record. Every later event gives no action. */
  | { readonly type: 'halt'; readonly code: HaltCode; readonly detail: Detail }

// ------------------------------------------------------------------------------------ configuration, ports

/** Where a manifest of institution keys ended an epoch and began this one. */
export interface RecoveryBase {
  readonly epoch: number
  /** The last block of the epochs before. */
  readonly baseHeight: number
  readonly baseHash: Uint8Array
  /** Who votes above the base. */
  readonly validators: ValidatorSet
}

/** Milliseconds unless said. Defaults and reasons: config.ts. */
export interface CoreConfig {
  readonly chainId: Uint8Array
  readonly epoch: number
  /** Every recovery of the chain, ascending in epoch and base; the last one began `epoch`. */
  readonly recoveries: readonly RecoveryBase[]
  readonly version: number
  readonly appVersion: number
  /** Own entity id; also for observers (then in no validator set). */
  readonly self: Uint8Array
  readonly viewTimeoutMs: number
  readonly viewTimeoutMsMax: number
  readonly heartbeatMs: number
  readonly viewChangeResendMs: number
  readonly batchWindowMs: number
  readonly emergencyRequestMs: number
  readonly clockSkewMsMax: number
  readonly syncRetryMs: number
  /** Planned hand-over every so many heights; 0: never. */
  readonly handoverHeights: number
  /** Heights for which a skipped leader stays last in the order. */
  readonly skipMemoryHeights: number
  readonly payloadBytesMax: number
}

/** Synchronous effects that the host gives the core. All must be deterministic. */
export interface Ports {
  /** SHA-256 (the simulator: any function of the bytes). */
  readonly hash: (bytes: Uint8Array) => Uint8Array
  /** Signs with this validator's key, 64 bytes. The driver's key stays inside this closure. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  /** For certificates and view changes inside messages. */
  readonly verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean
  /**
   * Do the header's transaction roots commit to this payload? Hashing only; may return true and leave it
   * to `executed`.
   */
  readonly payloadMatches: (header: BlockHeader, payload: Uint8Array) => boolean
}
