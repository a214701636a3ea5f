// A validator list with the hash that headers and results carry.
import { validatorsHash, type Validator } from '../../runtime/protocol/index.js'
import type { ValidatorSet } from '../../consensus/pbft/types.js'
import { sha256 } from '../keys/crypto.js'

export function validatorSet(members: readonly Validator[]): ValidatorSet {
  return { hash: validatorsHash(sha256, members), members }
}
