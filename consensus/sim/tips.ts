// The tip that a simulated node starts from: genesis, or the last block on its disk.

import type { Tip } from '../pbft/types.js'
import { setOfHash, validatorSetOf, type AppState } from './app.js'
import type { Disk } from './disk.js'
import { clockOrigin } from './world.js'

const zero = new Uint8Array(32)

export function genesisTip(genesis: AppState): Tip {
  const set = validatorSetOf(genesis.next)
  return {
    epoch: 0,
    height: 0,
    blockHash: zero,
    resultHash: zero,
    result: {
      stateRoot: zero,
      receiptsRoot: zero,
      nextValidatorsHash: set.hash,
      fuelUsed: 0,
      nextDueTime: 0,
    },
    time: clockOrigin - 10_000,
    proposer: zero,
    certificate: null,
    validators: set,
    skipped: [],
  }
}

/** The last block of a disk that has one. */
export function tipFromDisk(disk: Disk): Tip {
  const stored = disk.blocks.at(-1)!
  const { block, result, certificate } = stored.final
  return {
    epoch: block.header.epoch,
    height: block.header.height,
    blockHash: certificate.blockHash,
    resultHash: certificate.resultHash,
    result,
    time: block.header.time,
    proposer: block.header.proposer,
    certificate,
    // The header names them by hash, so a node that came by snapshot knows them too.
    validators: setOfHash(block.header.validatorsHash)!,
    skipped: stored.skipped,
  }
}
