// What one replica knows: plain data, changed only inside `step`. Everything per height is made anew by
// `beginHeight`.

import { blockHash, encodeHeader } from '../../runtime/protocol/block.js'
import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { encodeCertificate } from '../../runtime/protocol/certificate.js'
import { zeroHash } from '../../runtime/protocol/hash.js'
import { alarmSubjectsMax, candidatesMax } from './config.js'
import { closedHeight, laterMember } from './epochs.js'
import type {
  Action,
  AlarmCode,
  Block,
  BlockResult,
  Certificate,
  CoreConfig,
  CoreMessage,
  Detail,
  FinalBlock,
  HaltCode,
  Ports,
  ProposalMessage,
  ProposedBlock,
  SafetyRecord,
  SignedMessage,
  TimerId,
  Tip,
  ValidatorSet,
  ViewChangeMessage,
  VoteMessage,
  Waiting,
} from './types.js'

/** A block that may be decided at this height, and what executing it gave. */
export interface Candidate {
  readonly key: string
  readonly hash: Uint8Array
  readonly block: Block
  /** The one that the header names, once seen; only a leader that re-proposes needs it. */
  parentCertificate: Certificate | null
  /** Entity id of who gave us the body, hex. */
  readonly source: string
  execution: 'none' | 'running' | 'valid' | 'refused'
  resultHash: Uint8Array | null
  result: BlockResult | null
}

export interface Timer {
  readonly token: number
  /** What it was started for; a changed purpose restarts it. */
  readonly purpose: string
  readonly deadline: number
}

/** Votes of one phase: view → member index → first vote seen. */
export type VoteLog = Map<number, Map<number, VoteMessage>>

export interface Sync {
  /** Final blocks above the tip, unverified, by height. */
  readonly blocks: Map<number, { readonly final: FinalBlock; readonly from: Uint8Array }>
  /** Tips that peers claim, hex id → height. Proves nothing (R27); only tells whom to ask. */
  readonly claims: Map<string, { readonly peer: Uint8Array; readonly height: number }>
  /** Whom we asked last. */
  asked: string
  /** Peers whose body for the decided block was refused by the executor. */
  readonly refused: Set<string>
}

/** R17: the key may have signed anything up to some height. Silent until the chain has passed it. */
export interface Amnesia {
  readonly since: number
  readonly heard: Map<string, number>
}

export interface HeightState {
  height: number
  view: number
  /** View 0, or `q` VIEW-CHANGEs for `view` or a justified proposal were seen. */
  started: boolean
  /** `finalize` was sent; waiting for `applied`. */
  applying: boolean
  order: number[]
  candidates: Map<string, Candidate>
  /** The proposal accepted in `view`, and the key of its block; the key alone survives a restart. */
  proposal: ProposalMessage | null
  ballot: string
  /** False when a fresh proposal's time is off by our clock: no PREPARE for it (R15). */
  ballotTimely: boolean
  prepares: VoteLog
  commits: VoteLog
  viewChanges: Map<number, ViewChangeMessage>
  /** The VIEW-CHANGEs that started `view`, frozen at the first `q`. */
  justification: readonly ViewChangeMessage[]
  prepared: Certificate | null
  preparedBlock: ProposedBlock | null
  own: {
    proposal: ProposalMessage | null
    prepare: VoteMessage | null
    commit: VoteMessage | null
    viewChange: ViewChangeMessage | null
  }
  /** The certificate that decides this height, and who showed it. */
  decided: Certificate | null
  /** buildPayload asked for in this view. */
  building: { readonly view: number; readonly time: number } | null
  /** Alarms already given at this height: code → subjects. */
  reported: Map<AlarmCode, Set<string>>
  /** Conflicts already reported at this height: accused, hex → which (R30). */
  conflicts: Map<string, Set<string>>
  /** When a missing body was last asked for, and how often. */
  bodyAskedAt: number
  bodyAttempts: number
  /** Not before this time is due work proposed again, after the host had nothing for it. */
  dueRetryAt: number
  /** When the current leader's term began here: its silence is measured from then. */
  viewSince: number
}

export interface CoreState extends HeightState {
  readonly config: CoreConfig
  readonly ports: Ports
  phase: 'created' | 'running' | 'halted'
  now: number
  tip: Tip
  validators: ValidatorSet
  memberIndexes: Map<string, number>
  /** Own index in `validators`, or -1. */
  selfIndex: number
  /** No vote is signed below this height. */
  voteFloor: number
  amnesia: Amnesia | null
  /** A record of a height that the store has not reached yet, or of this height. */
  restored: SafetyRecord | null
  /** Its own proposal in that record ended the executor: it is not sent again (R18). */
  leavesProposal: boolean
  /** Body of the tip, for peers that miss only that. */
  tipBlock: ProposedBlock | null
  waiting: Waiting
  lastProposalAt: number
  lastBroadcastAt: number
  lastHeard: Map<string, number>
  /** Time in the last heartbeat of each member, and in the last own one: both only rise. */
  heartbeatTimes: Map<string, number>
  lastBeatTime: number
  /** The furthest that each member has signed, as a comparable number triple: what is older is no news. */
  furthest: Map<string, readonly [height: number, view: number, phase: number]>
  suspects: Set<string>
  /** Who leads, and since when, across heights. */
  term: { readonly leader: string; readonly since: number }
  helpedAt: Map<string, number>
  future: Map<string, { readonly from: Uint8Array; readonly message: CoreMessage; readonly at: number }>
  sync: Sync
  timers: Map<TimerId, Timer>
  nextToken: number
  viewTimeoutMs: number
  verifiedCertificates: Set<string>
  actions: Action[]
}

const noSet: ValidatorSet = { hash: new Uint8Array(32), members: [] }
const zero = new Uint8Array(32)

/** A replica that has not started. The first event must be `start`. */
export function createCore(config: CoreConfig, ports: Ports): CoreState {
  const result = {
    stateRoot: zero,
    receiptsRoot: zero,
    nextValidatorsHash: zero,
    fuelUsed: 0,
    nextDueTime: 0,
  }
  return {
    ...newHeightState(0),
    config,
    ports,
    phase: 'created',
    now: 0,
    tip: {
      epoch: 0,
      height: 0,
      blockHash: zero,
      resultHash: zero,
      result,
      time: 0,
      proposer: zero,
      certificate: null,
      validators: noSet,
      skipped: [],
    },
    validators: noSet,
    memberIndexes: new Map(),
    selfIndex: -1,
    voteFloor: 0,
    amnesia: null,
    restored: null,
    leavesProposal: false,
    tipBlock: null,
    waiting: { normal: false, emergency: false },
    lastProposalAt: 0,
    lastBroadcastAt: 0,
    lastHeard: new Map(),
    heartbeatTimes: new Map(),
    lastBeatTime: 0,
    furthest: new Map(),
    suspects: new Set(),
    term: { leader: '', since: 0 },
    helpedAt: new Map(),
    future: new Map(),
    sync: { blocks: new Map(), claims: new Map(), asked: '', refused: new Set() },
    timers: new Map(),
    nextToken: 1,
    viewTimeoutMs: config.viewTimeoutMs,
    verifiedCertificates: new Set(),
    actions: [],
  }
}

export function newHeightState(height: number): HeightState {
  return {
    height,
    view: 0,
    started: true,
    applying: false,
    order: [],
    candidates: new Map(),
    proposal: null,
    ballot: '',
    ballotTimely: true,
    prepares: new Map(),
    commits: new Map(),
    viewChanges: new Map(),
    justification: [],
    prepared: null,
    preparedBlock: null,
    own: { proposal: null, prepare: null, commit: null, viewChange: null },
    decided: null,
    building: null,
    reported: new Map(),
    conflicts: new Map(),
    bodyAskedAt: -1,
    bodyAttempts: 0,
    dueRetryAt: 0,
    viewSince: 0,
  }
}

/** A member that may sign at this height: not an observer, not silent after amnesia, not halted. */
export function canVote(state: CoreState): boolean {
  // Up to the base of a recovery everything is decided; a vote there could only fork the epochs.
  if (state.height <= closedHeight(state.config)) return false
  return state.selfIndex >= 0 && state.height >= state.voteFloor && !state.applying
}

export function leaderIndex(state: CoreState, view: number): number {
  return state.order[view % state.order.length]
}

export function isLeader(state: CoreState): boolean {
  return state.selfIndex >= 0 && leaderIndex(state, state.view) === state.selfIndex
}

/** Index of an entity among the members of the current height, or -1. */
export function memberIndex(state: CoreState, id: Uint8Array): number {
  return state.memberIndexes.get(bytesToHex(id)) ?? -1
}

export function hashOfBlock(state: CoreState, block: Block): Uint8Array {
  return blockHash(state.ports.hash, encodeHeader(block.header))
}

export function emit(state: CoreState, action: Action): void {
  state.actions.push(action)
}

/** Sends to one peer, or to all when `to` is null. */
export function send(state: CoreState, to: Uint8Array | null, message: CoreMessage): void {
  if (to === null) state.lastBroadcastAt = state.now
  emit(state, { type: 'send', to, message })
}

/** Alarms are levels, not streams: each (code, subject) once a height, and a bounded number of subjects. */
export function alarm(state: CoreState, code: AlarmCode, subject: string, detail: Detail): void {
  const subjects = state.reported.get(code) ?? new Set<string>()
  if (subjects.has(subject) || subjects.size >= alarmSubjectsMax) return
  state.reported.set(code, subjects.add(subject))
  emit(state, { type: 'alarm', code, detail: { height: state.height, view: state.view, ...detail } })
}

export function halt(state: CoreState, code: HaltCode, detail: Detail): void {
  if (state.phase === 'halted') return
  state.phase = 'halted'
  emit(state, { type: 'halt', code, detail: { height: state.height, view: state.view, ...detail } })
}

/**
 * Remembers a body; a refused one is replaced, for the hash does not cover record bodies beside the
 * payload.
 */
export function addCandidate(
  state: CoreState,
  hash: Uint8Array,
  proposed: ProposedBlock,
  source: Uint8Array,
): Candidate {
  const key = bytesToHex(hash)
  const known = state.candidates.get(key)
  if (known !== undefined && known.execution !== 'refused') {
    known.parentCertificate ??= namedCertificate(state, proposed)
    return known
  }
  const candidate: Candidate = {
    key,
    hash,
    block: proposed.block,
    parentCertificate: namedCertificate(state, proposed),
    source: bytesToHex(source),
    execution: 'none',
    resultHash: null,
    result: null,
  }
  state.candidates.set(key, candidate)
  evictCandidates(state, key)
  return candidate
}

/** R9: the parent certificate only if it is the one that the header names. */
function namedCertificate(
  state: CoreState,
  { block, parentCertificate }: ProposedBlock,
): Certificate | null {
  const hash = certificateHash(state, parentCertificate)
  return equalBytes(hash, block.header.parentCertificateHash) ? parentCertificate : null
}

export function certificateHash(state: CoreState, certificate: Certificate | null): Uint8Array {
  return certificate === null ? zeroHash : state.ports.hash(encodeCertificate(certificate))
}

/** R26: overlays are bounded; the ballot, the lock and the decision stay. */
function evictCandidates(state: CoreState, newest: string): void {
  const pinned = new Set([newest, state.ballot])
  if (state.prepared !== null) pinned.add(bytesToHex(state.prepared.blockHash))
  if (state.decided !== null) pinned.add(bytesToHex(state.decided.blockHash))
  for (const candidate of state.candidates.values()) {
    if (state.candidates.size <= candidatesMax) return
    if (pinned.has(candidate.key)) continue
    state.candidates.delete(candidate.key)
    emit(state, { type: 'discard', blockHash: candidate.hash })
  }
}

/** Asks the host to run the block unless that was done. */
export function ensureExecution(state: CoreState, candidate: Candidate): void {
  if (candidate.execution !== 'none') return
  candidate.execution = 'running'
  emit(state, { type: 'execute', blockHash: candidate.hash, block: candidate.block })
}

/**
 * The key that must have signed this message, or null when its sender is no member this replica knows:
 * then the host
 * drops it. Hosts check signatures before the core sees a message.
 */
export function senderKey(state: CoreState, message: SignedMessage): Uint8Array | null {
  const set =
    message.height < state.height && message.type !== 'heartbeat' ? state.tip.validators : state.validators
  const member = set.members.find((candidate) => equalBytes(candidate.entity, message.sender))
  if (member !== undefined) return member.voteKey
  // Below the base of a recovery only claims of its members help: they say how far there is to follow.
  if (message.type !== 'heartbeat') return null
  return laterMember(state.config, state.height, message.sender)?.voteKey ?? null
}
