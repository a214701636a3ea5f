// Nodes by the names that people give them, and what may become of the quorum without one of them.
import { faultsTolerated, quorumOf } from '../../runtime/protocol/certificate.js'
import type { NetworkJson, NetworkNodeJson } from '../../host/api/network-json.js'
import { CommandError } from './command-error.js'
import { visibleText } from './visible-text.js'

/**
 * The chain cannot know who is switched off, so this is asked here: of the new set a quorum must be reachable
 * from this node now.
 */
export function assertQuorum(
  network: NetworkJson,
  memberCount: number,
  arriving: string | undefined,
  leaving: string | undefined,
): void {
  const members = network.validators.filter(({ entity }) => entity !== leaving)
  const reachable = members.filter(({ entity }) =>
    network.nodes.some((node) => node.entity === entity && node.connected),
  ).length
  const count = reachable + (arriving === undefined ? 0 : 1)
  const needed = quorumOf(memberCount)
  if (count >= needed) return
  const text = `Of ${memberCount} validators ${needed} must agree (${faultsTolerated(memberCount)} may fail), and only ${count} would be reachable.`
  throw new CommandError(
    'QUORUM_AT_RISK',
    `${text} Nothing was changed. Bring the missing nodes back first, or force the set with institution keys.`,
  )
}

/** Of the listed nodes; two of one name are not told apart by it. */
export function nodeCalled(network: NetworkJson, name: string): NetworkNodeJson {
  const listed = network.nodes.filter((node) => node.listed)
  const matches = listed.filter((node) => node.name === name)
  if (matches.length === 1) return matches[0]
  const known = listed.map((node) => visibleText(node.name)).join(', ')
  const count = matches.length === 0 ? 'No node is' : `${matches.length} nodes are`
  throw new CommandError('NODE_UNKNOWN', `${count} called ${visibleText(name)}. Known: ${known}`)
}
