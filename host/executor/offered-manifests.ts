// Which of an offer's recovery manifests become this node's. Following the chain to the offered block reads
// some of them only; what nobody has checked is not stored, or one peer would choose the epoch that a node
// lives in for ever.
import {
  checkRecoverySignatures,
  decodeRecovery,
  equalBytes,
  type KeyQuorum,
} from '../../runtime/protocol/index.js'
import { recoveryKey } from '../../runtime/execution/index.js'
import { store as tables } from '../../runtime/execution/kernel-tables.js'
import type { StateReader } from '../../runtime/state/index.js'
import { verifySignature } from '../keys/crypto.js'

interface Chain {
  chainId: Uint8Array
  /** Of the founding document. */
  institution: KeyQuorum | undefined
  /** Of the block whose state this is. */
  height: number
  /** The certified state: it holds the signed part of every manifest that began an epoch of this chain. */
  state: Pick<StateReader, 'get'>
}

/**
 * Those that decode, are of this chain, begin below the block, ascend in epoch and base, stand in the state
 * word for word and bear enough institution signatures. One whose epoch has no block yet is left out: peers
 * hand it over once more.
 */
export function followedManifests(offered: readonly Uint8Array[], chain: Chain): Uint8Array[] {
  const { chainId, institution, height, state } = chain
  if (institution === undefined) return []
  const last = { epoch: 0, baseHeight: -1 }
  return offered.filter((bytes) => {
    const decoded = decodeRecovery(bytes)
    if (!decoded.ok) return false
    const { fields, signedPart } = decoded.value
    const { epoch, baseHeight } = fields
    if (!equalBytes(fields.chainId, chainId) || baseHeight >= height) return false
    if (epoch <= last.epoch || baseHeight <= last.baseHeight) return false
    const begun = state.get(tables.chain, recoveryKey(epoch))
    if (begun === undefined || !equalBytes(begun, signedPart)) return false
    if (!checkRecoverySignatures(decoded.value, institution, verifySignature).isEnough) return false
    Object.assign(last, { epoch, baseHeight })
    return true
  })
}
