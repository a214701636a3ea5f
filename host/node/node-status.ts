// `status` in one place: what a sealed node may say, and what a running one adds.
import { quorumOf } from '../../consensus/pbft/index.js'
import { bytesToHex, errorTable } from '../../runtime/protocol/index.js'
import type { NodeStatus, Pinned } from '../api/node-port.js'
import type { NodeConfig } from './node-config.js'
import { roundSentence } from './round-words.js'
import type { RunningNode } from './running-node.js'

export function sealedStatus(
  config: NodeConfig,
  initialised: boolean,
  progress: NodeStatus['progress'],
  version: number,
): NodeStatus {
  return {
    name: config.name,
    role: config.role,
    initialised,
    sealed: true,
    progress,
    chainId: '',
    chainName: '',
    environment: config.environment,
    height: 0,
    blockTime: 0,
    stateRoot: '',
    view: 0,
    leader: '',
    phase: 'sealed',
    voted: [],
    missing: [],
    reason: { code: 'SEALED', sentence: 'this node is sealed', sinceMs: 0 },
    peersConnected: 0,
    peersKnown: 0,
    lag: 0,
    equivocations: [],
    quarantined: [],
    setAside: 0,
    version: String(version),
  }
}

export function nodeStatus(
  sealed: NodeStatus,
  node: RunningNode,
  tip: Pinned | undefined,
  fault: NodeStatus['fault'],
): NodeStatus {
  const driver = node.driver.status()
  const nameOf = (entity: string): string => node.book.nameOf(entity) ?? entity.slice(0, 8)
  const away = driver.validators.filter(({ connected }) => !connected).map(({ entity }) => nameOf(entity))
  return {
    ...sealed,
    ...(tip ?? {}),
    sealed: false,
    chainId: bytesToHex(node.open.chainId),
    chainName: node.open.chainName,
    epoch: driver.epoch,
    view: driver.view,
    leader: nameOf(driver.leader),
    phase: fault?.code ?? (node.quorum.isLost ? 'QUORUM_LOST' : driver.phase),
    ...(fault === undefined ? {} : { fault }),
    ...(node.upkeep.view === undefined ? {} : { store: node.upkeep.view }),
    setAside: node.pool.held.count,
    damagedFiles: node.shares?.damagedFiles ?? [],
    voted: driver.voted.map(nameOf),
    missing: driver.missing.map(nameOf),
    reason: {
      code: driver.reason.code,
      sinceMs: driver.reason.code === 'NO_QUORUM' ? node.quorum.sinceMs : driver.reason.sinceMs,
      sentence: roundSentence(driver.reason, {
        leader: nameOf(driver.leader),
        leaderSilentMs: driver.leaderSilentMs,
        missing: driver.missing.map(nameOf),
        away,
        lag: driver.lag,
        halted: fault?.code ?? driver.halted ?? '',
      }),
    },
    clocks: driver.validators.flatMap(({ entity, clockAheadMs }) =>
      clockAheadMs === null ? [] : [{ node: nameOf(entity), aheadMs: clockAheadMs }],
    ),
    peersConnected: driver.peers.length,
    peersKnown: node.book.others.length,
    away,
    spare: driver.validators.length - away.length - quorumOf(driver.validators.length),
    votes: driver.validators.some(({ entity }) => entity === bytesToHex(node.entity)),
    lag: driver.lag,
    isSilent: driver.isSilent,
    equivocations: equivocationsOf(node, nameOf),
  }
}

/** What this node holds itself and what others put on the chain: one proof in both places counts once. */
function equivocationsOf(
  node: RunningNode,
  nameOf: (entity: string) => string,
): NodeStatus['equivocations'] {
  const byAccused = new Map<string, NodeStatus['equivocations'][number]>()
  const onChain = node.proofs?.all ?? []
  const held = node.evidence.all.filter((kept) => node.proofs?.isOnChain(kept) !== true)
  const note = ({ accused, height }: { accused: string; height: number }, proofs: number): void => {
    const entry = byAccused.get(accused) ?? { node: nameOf(accused), count: 0, lastHeight: 0, onChain: 0 }
    entry.count += 1
    entry.onChain += proofs
    entry.lastHeight = Math.max(entry.lastHeight, height)
    byAccused.set(accused, entry)
  }
  for (const proof of onChain) note(proof, 1)
  for (const kept of held) note(kept, 0)
  return [...byAccused.values()]
}

export const restartFirst =
  'its thread died in this process and still holds the store: restart it, then unlock'

/** One word for supervisors and `ward doctor`: may this node be relied on, and if not, why. */
export function healthOf(
  fault: { code: string; detail: string } | undefined,
  hasDeadExecutor: boolean,
  node: RunningNode | undefined,
  quarantined: NodeStatus['quarantined'],
): { healthy: boolean; detail: string } {
  if (fault) return { healthy: false, detail: `${fault.code}: ${fault.detail}` }
  if (hasDeadExecutor) return { healthy: false, detail: `EXECUTOR_FAILED: ${restartFirst}` }
  if (node?.quorum.isLost === true)
    return { healthy: false, detail: `QUORUM_LOST: ${errorTable.QUORUM_LOST.sentence}` }
  // The node does what it should: a supervisor that restarted it would mend nothing.
  const held = quarantined.map(({ alias }) => alias).join(', ')
  if (node && held !== '') return { healthy: true, detail: `running; RULE_QUARANTINED: ${held}` }
  return { healthy: true, detail: node ? 'running' : 'sealed' }
}
