// What an offer of a snapshot proves: that a quorum of the sets from the founding on vouches for its block,
// over every change of validators and every recovery.
import {
  chainIdOf,
  decodeGenesis,
  genesisValidators,
  validatorsHash,
} from '../../runtime/protocol/index.js'
import { followChain, type CheckedFinal } from '../../runtime/light/index.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import type { Offer } from './snapshot-format.js'

/** Undefined: nothing is proven. */
export function proveOffer(
  genesis: Uint8Array,
  { handovers, block, manifests }: Pick<Offer, 'handovers' | 'block' | 'manifests'>,
): CheckedFinal | undefined {
  const decoded = decodeGenesis(genesis)
  if (!decoded.ok) return undefined
  const anchor = {
    chainId: chainIdOf(sha256, genesis),
    epoch: 0,
    validatorsHash: validatorsHash(sha256, genesisValidators(decoded.value)),
    height: 0,
  }
  const { institution } = decoded.value
  const recoveries = institution && { quorum: institution, manifests }
  const ports = { hash: sha256, verify: verifySignature }
  const final = followChain(anchor, handovers, block, ports, recoveries)
  return final.ok ? final.value : undefined
}
