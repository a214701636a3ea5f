// Nodes by the names that people give them, and what may become of the quorum without one of them.
import { faultsTolerated, quorumOf } from '../../runtime/protocol/certificate.js'
import type { NetworkJson, NetworkNodeJson } from '../../host/api/network-json.js'
import { CommandError, exitStatus } from './command-error.js'
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
  const members = network.validators.map(({ entity }) => entity).filter((entity) => entity !== leaving)
  const count = reachableOf(network, members) + (arriving === undefined ? 0 : 1)
  assertReachable(
    memberCount,
    count,
    'Nothing was changed. Bring the missing nodes back first. If they are lost for good, set the validators that ' +
      'are left with institution keys: `ward network validator force`.',
  )
}

/** Of these entities, whoever answers this node now. */
export const reachableOf = (network: NetworkJson, entities: readonly string[]): number =>
  entities.filter((entity) => network.nodes.some((node) => node.entity === entity && node.connected)).length

/** `advice` follows the sentence that says what is wrong. */
export function assertReachable(memberCount: number, count: number, advice: string): void {
  const needed = quorumOf(memberCount)
  if (count >= needed) return
  const text = `Of ${memberCount} validators ${needed} must agree (${faultsTolerated(memberCount)} may fail), and only ${count} would be reachable.`
  throw new CommandError('QUORUM_AT_RISK', `${text} ${advice}`)
}

/** A node's place in a set that is named by hand. */
export function seatOf(network: NetworkJson, name: string): { entity: string; voteKey: string } {
  const node = nodeCalled(network, name)
  if (node.port === 0)
    throw new CommandError('USAGE', `${name}: a validator needs a fixed port`, exitStatus.usage)
  // The set in force knows the key that votes now; the row of a node that never voted, the one it will use.
  return network.validators.find(({ entity }) => entity === node.entity) ?? node
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
