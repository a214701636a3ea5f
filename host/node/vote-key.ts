// A vote key takes over from the one before it: on disk first, then in memory.
import { equalBytes } from '../../runtime/protocol/index.js'
import type { ValidatorSet } from '../../consensus/pbft/types.js'
import { destroyKey } from '../keys/crypto.js'
import { encodeIdentity, type NodeIdentity } from '../keys/node-identity.js'
import { writeSealedFile, type DataKey } from '../store/index.js'

export function saveIdentity(file: string, identity: NodeIdentity, dataKey: DataKey): void {
  const bytes = encodeIdentity(identity)
  writeSealedFile(file, dataKey, bytes)
  bytes.fill(0)
}

/** True when the chain counts the next vote key: it takes the place of the present one. */
export function adoptNextVote(identity: NodeIdentity, { members }: ValidatorSet): boolean {
  const own = members.find(({ entity }) => equalBytes(entity, identity.entity))
  const next = identity.nextVote
  if (!own || !next || !equalBytes(own.voteKey, next.publicKey)) return false
  destroyKey(identity.vote)
  identity.vote = next
  delete identity.nextVote
  return true
}
