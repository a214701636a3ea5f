// F36, S15: an observer that was wiped, or is new, takes a snapshot from any peer instead of every block. A
// lying peer offers a changed one; it is refused, and the next peer is asked.

import { equalBytes } from '../../runtime/protocol/bytes.js'
import { genesisState, stateRootOf, validatorSetOf } from './app.js'
import { fired } from './faults.js'
import { changedOffer, isSnapshotGenuine, type SnapshotOffer } from './light-client.js'
import { crashNode, simChainId, startNode } from './node.js'
import { after, SimFailure, trace, type SimNode, type World } from './world.js'

/** Wipes the observer's disk and lets it come back through a snapshot. */
export function rejoinBySnapshot(world: World, node: SimNode): void {
  fired(world.plan, 'F36')
  crashNode(world, node)
  const { disk } = node
  disk.blocks.length = 0
  disk.record = null
  disk.baseHeight = 0
  after(world, world.random.between(50, 500), () => {
    if (node.core !== null) return
    const offer = takeOffer(world, node)
    if (offer !== null) install(node, offer)
    startNode(world, node)
    if (offer !== null) checkInstalled(world, node)
  })
}

/** Asks peers in random order; some offers are changed, those of Byzantine peers mostly. */
function takeOffer(world: World, node: SimNode): SnapshotOffer | null {
  const genesis = validatorSetOf(genesisState(world.options.validators).next)
  for (const peer of world.random.shuffle(world.nodes)) {
    // Only who has every block can show the chain of certificates from genesis.
    if (peer === node || peer.core === null || peer.disk.baseHeight > 0 || peer.app.height < 2) continue
    const honest = { finals: peer.disk.blocks.map((stored) => stored.final), state: peer.app }
    const isLie = world.isFaulty && world.random.chance(peer.isCorrect ? 0.2 : 0.7)
    const offer = isLie ? changedOffer(world.random, honest) : honest
    if (isLie) fired(world.plan, 'F29')
    if (isSnapshotGenuine(offer, genesis, simChainId)) return offer
    trace(world, () => `n${node.slot} refuses the snapshot of n${peer.slot}`)
  }
  return null
}

function install({ disk }: SimNode, { finals, state }: SnapshotOffer): void {
  disk.baseHeight = finals.length - 1
  disk.blocks.push({ final: finals[finals.length - 1], skipped: [], app: state })
}

// S15: what was taken is the state that the correct nodes have at that height.
function checkInstalled(world: World, node: SimNode): void {
  const theirs = world.checker.chain.at(node.app.height - 1)?.outcome.state
  if (theirs === undefined) return
  const isSame =
    equalBytes(stateRootOf(node.app), stateRootOf(theirs)) &&
    [...theirs.executed].every((id) => node.app.executed.has(id))
  if (!isSame) throw new SimFailure('S15', `node ${node.slot} took a snapshot that is not the chain's`)
}
