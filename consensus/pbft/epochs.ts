// Epochs: which one a height belongs to, and who votes above the base of a recovery. The host has checked the
// manifests (institution keys); here they only say where one epoch ends and the next begins.

import { equalBytes } from '../../runtime/protocol/bytes.js'
import type { CoreConfig, HaltCode, RecoveryBase, Tip, Validator } from './types.js'

type Epochs = Pick<CoreConfig, 'epoch' | 'recoveries'>

/** The recovery whose first block has this height. */
export function recoveryBefore({ recoveries }: Epochs, height: number): RecoveryBase | undefined {
  return recoveries.find(({ baseHeight }) => baseHeight === height - 1)
}

/** The only epoch in which a block of this height can be final on this branch. */
export function epochOf({ epoch, recoveries }: Epochs, height: number): number {
  if (recoveries.length === 0) return epoch
  return recoveries.filter(({ baseHeight }) => baseHeight < height).at(-1)?.epoch ?? 0
}

/** Up to this height everything was decided before the present epoch: nobody votes there any more. */
export const closedHeight = ({ recoveries }: Epochs): number => recoveries.at(-1)?.baseHeight ?? -1

/** What the members of the height after this tip must hash to. */
export function expectedValidators(config: Epochs, { height, result }: Tip): Uint8Array {
  return recoveryBefore(config, height + 1)?.validators.hash ?? result.nextValidatorsHash
}

/** A member of the present epoch, for one that is still below its base and knows only who voted there. */
export function laterMember({ recoveries }: Epochs, height: number, id: Uint8Array): Validator | undefined {
  const last = recoveries.at(-1)
  if (last === undefined || height > last.baseHeight) return undefined
  return last.validators.members.find(({ entity }) => equalBytes(entity, id))
}

/** False: a block at the base of a recovery, and not the one that the manifest names. */
export function isOnBranch({ recoveries }: Epochs, height: number, blockHash: Uint8Array): boolean {
  return recoveries.every((base) => base.baseHeight !== height || equalBytes(base.baseHash, blockHash))
}

/** Why a replica with this tip may not go on in its epoch, or null. */
export function faultOfTip(config: Epochs, tip: Tip): HaltCode | null {
  if (!isOnBranch(config, tip.height, tip.blockHash)) return 'RECOVERY_OTHER_BRANCH'
  // Something above the base became final in the old epoch, and this replica has it: never choose.
  return tip.height > 0 && tip.epoch !== epochOf(config, tip.height) ? 'RECOVERY_BELOW_TIP' : null
}
