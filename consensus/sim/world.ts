// One simulated facility: nodes, links, disks, clocks and clients, driven by one queue and one seed.

import type { CoreState } from '../pbft/state.js'
import type { Action, CoreEvent, RecoveryBase, TimerId, WireMessage } from '../pbft/types.js'
import type { AppState, Outcome, SimMember, SimTransaction } from './app.js'
import type { Checker } from './checker.js'
import type { ClientLog } from './clients.js'
import type { Disk } from './disk.js'
import type { FaultId, FaultPlan } from './faults.js'
import type { LightClient } from './light-client.js'
import type { Network } from './network.js'
import type { ObserverTree } from './observer-tree.js'
import { push, type EventQueue } from './queue.js'
import type { Random } from './random.js'

/** 2026-01-01 in milliseconds: where simulated clocks start. */
export const clockOrigin = 1_767_225_600_000

export interface SimOptions {
  readonly seed: number
  readonly validators: number
  readonly observers: number
  /** Simulated time with faults, milliseconds. */
  readonly faultMs: number
  readonly only: readonly string[]
  readonly without: readonly string[]
  readonly byzantine: boolean
  readonly twins: boolean
  /** The run ends before its next event: prefixes of a failing run. */
  readonly eventsMax: number
  /** Called with every step for a trace; never changes the run. */
  readonly trace: ((line: string) => void) | null
}

/** How a run is looked at: a trace, or a prefix of it. */
export type Watch = Partial<Pick<SimOptions, 'trace' | 'eventsMax'>>

export interface SimNode {
  /** Position in `world.nodes`. */
  readonly slot: number
  /** Which entity it is: twins share one. */
  readonly index: number
  readonly entity: Uint8Array
  readonly disk: Disk
  /** False for nodes that may do anything: no invariant is asked of them. */
  isCorrect: boolean
  /** F37: gives other results for transactions divisible by this; 0 never. */
  divergesAt: number
  /** F34: gives another result at this height only: it switched versions one too late. 0 never. */
  missesActivationAt: number
  /** F34: the version that it runs. */
  appVersion: number
  epoch: number
  /** Manifests that it has taken, the newest last. */
  recoveries: readonly SimRecovery[]
  core: CoreState | null
  /** Raised at every start and crash; callbacks of an older life do nothing. */
  life: number
  inbox: CoreEvent[]
  actions: Action[]
  busy: boolean
  stalledUntil: number
  stalledBy: FaultId
  overlays: Map<string, Outcome | null>
  timers: Map<TimerId, number>
  pool: Map<number, SimTransaction>
  /** When each waiting transaction was first seen (the request timer of R20). */
  poolSince: Map<number, number>
  clockOffsetMs: number
  clockDrift: number
  /** F10: simulated time at which its clock stopped; 0 while it runs. */
  clockFrozenAt: number
  /** F10: what its clock showed at the last event. */
  clockSeen: number
  halted: string
  app: AppState
  /** F14, F16: an fsync failed or the disk is full: it stops as soon as it writes. */
  diskFails: FaultId | null
  /** F17: every write fails until then. */
  storeFullUntil: number
  /** F17: reads of final blocks fail until it is restarted. */
  readsFail: boolean
}

/** A recovery as a node keeps it (recovery.ts). */
export interface SimRecovery extends RecoveryBase {
  readonly members: readonly SimMember[]
}

export interface World {
  readonly options: SimOptions
  readonly random: Random
  readonly queue: EventQueue
  readonly plan: FaultPlan
  readonly network: Network
  readonly nodes: SimNode[]
  readonly checker: Checker
  /** Simulated milliseconds since the start. */
  now: number
  /** Events carried out: the length of the failing prefix. */
  eventCount: number
  /** False once faults have stopped and liveness is asked for. */
  isFaulty: boolean
  nextTransactionId: number
  /** Every transaction a client sent, and when. */
  readonly sent: Map<number, { readonly transaction: SimTransaction; readonly at: number }>
  /** Final on at least one correct node: acknowledged. */
  readonly acknowledged: Map<number, number>
  messagesSent: number
  /** Messages that attackers made up and no wire carries: dropped where they were made (wire.ts). */
  unsendable: number
  /** Set in runs with a tree of observers (observer-tree.ts). */
  tree: ObserverTree | null
  /** What clients asked and were told. */
  readonly clients: ClientLog
  /** Sees every final block that is sent to an observer. */
  readonly lightClient: LightClient
  /** L7: to this observer everybody but one upstream lies about blocks. */
  onlyHonestUpstream: { readonly observer: number; readonly upstream: number } | null
  /** Slots that each twin talks to at the moment. */
  readonly twinSides: Map<number, Set<number>>
  /** F30: which copy spoke first, by key, kind of message, height and view. */
  readonly twinVotes: Map<string, number>
  /** False when so many nodes are bad that a smaller set would have too many of them. */
  mayChangeMembers: boolean
  /** F22: slots of leaders that leave out work, to the end of the run. */
  readonly censors: Set<number>
  /** Byzantine senders by slot. */
  readonly attacks: Map<number, Attack>
  /** Sees what arrives: for replay attacks. */
  onCarried: ((from: SimNode, to: SimNode, message: WireMessage) => void) | null
}

/** What a Byzantine node sends to one target instead of a message. */
export type Attack = (
  world: World,
  from: SimNode,
  to: SimNode,
  message: WireMessage,
) => readonly WireMessage[]

export function after(world: World, delayMs: number, run: () => void): void {
  push(world.queue, world.now + Math.max(0, delayMs), run)
}

/** The node's own clock. */
export function clockOf(world: World, node: SimNode): number {
  const now = node.clockFrozenAt === 0 ? world.now : node.clockFrozenAt
  return Math.floor(clockOrigin + now * (1 + node.clockDrift) + node.clockOffsetMs)
}

export function trace(world: World, line: () => string): void {
  if (world.options.trace !== null) world.options.trace(`${world.now.toFixed(1).padStart(9)} ${line()}`)
}

/** As many events as were asked for have been carried out. Caught by `runSeed` only. */
export class PrefixEnd extends Error {
  readonly code = 'PREFIX_END'
}

/** A broken invariant: ends the run. Thrown by the checker only, caught by `runSeed` only. */
export class SimFailure extends Error {
  readonly code = 'INVARIANT_BROKEN'
  constructor(
    readonly invariant: string,
    readonly detail: string,
  ) {
    super(`${invariant}: ${detail}`)
  }
}
