// Whether this node may go on with what it holds: the founding document must name it, and its votes must not
// have been lost.
import { mkdirSync } from 'node:fs'
import { bytesToHex, decodeGenesis, equalBytes, type GenesisNode } from '../../runtime/protocol/index.js'
import type { OpenReply } from '../executor/messages.js'
import type { NodeIdentity } from '../keys/node-identity.js'
import { openVotesStore, type DataKey, type VotesStore } from '../store/index.js'
import type { NodeConfig } from './node-config.js'
import { NodeError } from './node-error.js'

/** A missing store is made anew only where this node cannot have voted: else its votes are lost (R17). */
export function openVotes(
  folder: string,
  dataKey: DataKey,
  open: OpenReply,
  identity: NodeIdentity,
): VotesStore {
  mkdirSync(folder, { recursive: true })
  const members = [...open.tip.validators.members, ...open.nextValidators.members]
  const isMember = members.some(({ entity }) => equalBytes(entity, identity.entity))
  return openVotesStore(folder, dataKey, { create: open.tip.height === 0 || !isMember })
}

export function nodesOf(genesisBytes: Uint8Array): GenesisNode[] {
  const genesis = decodeGenesis(genesisBytes)
  if (!genesis.ok) throw new NodeError('GENESIS_MALFORMED', genesis.detail ?? genesis.code)
  return genesis.value.nodes
}

/** A node that genesis does not name, or that holds other keys than its card said, must not go on. */
export function checkFounding(
  nodes: readonly GenesisNode[],
  identity: NodeIdentity,
  config: NodeConfig,
): void {
  const own = nodes.find((node) => node.name === config.name)
  const voteKey = bytesToHex(identity.vote.publicKey)
  if (!own || bytesToHex(own.voteKey) !== voteKey) throw new NodeError('IDENTITY_UNKNOWN', config.name)
}
