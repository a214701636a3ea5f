// Where a node stands, read from the core's state: for `ward status`, the API and the log. Decides nothing.

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { leaderIndex, quorumOf, type CoreState, type VoteMessage } from '../pbft/index.js'
import type { PeerClocks } from './peer-clocks.js'
import type { PeerTable } from './peer-table.js'
import type { DriverStatus, HaltReason } from './ports.js'
import { leaderSilenceMs, roundReasonOf } from './round-reason.js'
import type { PeerStatus } from './transport.js'
import type { Role } from './wire.js'

export interface StatusSources {
  readonly role: Role
  readonly core: CoreState
  readonly peers: PeerTable
  readonly clocks: PeerClocks
  /** Best height that peers claim, liars left out as far as possible. */
  readonly claimedHeight: number
  readonly links: readonly PeerStatus[]
  readonly now: number
  readonly halted: HaltReason | null
}

export function statusOf(sources: StatusSources): DriverStatus {
  const { core, peers, clocks, role, links, now, halted, claimedHeight } = sources
  const connected = new Set(peers.members().map((entry) => bytesToHex(entry.coreId)))
  const self = bytesToHex(core.config.self)
  const entities = core.validators.members.map((member) => bytesToHex(member.entity))
  const voters = votersOf(core)
  const phase = phaseOf(core, claimedHeight, halted)
  const present = entities.filter((entity) => entity === self || connected.has(entity)).length
  const leader = core.order.length === 0 ? undefined : entities[leaderIndex(core, core.view)]
  return {
    role,
    epoch: core.config.epoch,
    height: core.tip.height,
    view: core.view,
    leader: leader ?? '',
    phase,
    voted: entities.filter((_, index) => voters.has(index)),
    // At rest nobody owes a vote.
    missing: phase === 'idle' ? [] : entities.filter((_, index) => !voters.has(index)),
    validators: entities.map((entity) => ({
      entity,
      connected: entity === self || connected.has(entity),
      silentMs: silenceOf(core, entity, self, now),
      clockAheadMs: clocks.aheadMs(entity, now),
    })),
    peers: links.map((link) => ({ ...link, claimedHeight: peers.get(link.peer)?.tipHeight ?? null })),
    lag: Math.max(0, claimedHeight - core.tip.height),
    reason: roundReasonOf({ core, phase, present, now }),
    leaderSilentMs: leaderSilenceMs(core, now),
    hasQuorum: present >= quorumOf(entities.length),
    isSilent: core.selfIndex >= 0 && core.height < core.voteFloor,
    halted,
  }
}

function silenceOf(core: CoreState, entity: string, self: string, now: number): number {
  if (entity === self) return 0
  const heardAt = core.lastHeard.get(entity)
  return heardAt === undefined ? -1 : Math.max(0, now - heardAt)
}

/**
 * Member indexes seen in the furthest phase of the current view: COMMIT, else PREPARE, else VIEW-CHANGE.
 */
function votersOf(core: CoreState): Set<number> {
  const voted = (votes: Map<number, VoteMessage> | undefined) =>
    votes?.size ? new Set(votes.keys()) : null
  if (!core.started) return new Set(core.viewChanges.keys())
  return voted(core.commits.get(core.view)) ?? voted(core.prepares.get(core.view)) ?? new Set()
}

function phaseOf(core: CoreState, claimedHeight: number, halted: HaltReason | null): DriverStatus['phase'] {
  if (halted !== null || core.phase === 'halted') return 'halted'
  if (core.phase === 'created') return 'starting'
  if (core.applying) return 'applying'
  // One height more is in flight here too; two mean that something was missed.
  if (claimedHeight > core.tip.height + 1) return 'syncing'
  if (!core.started) return 'view-change'
  if (core.prepared !== null) return 'prepared'
  if (core.ballot === '') return 'idle'
  return core.candidates.get(core.ballot)?.execution === 'running' ? 'executing' : 'proposed'
}
