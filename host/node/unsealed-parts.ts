// What stands around a node that runs: reads, signing, reports and the watch for an ordered wipe.
import { bytesToHex, keyIdOf } from '../../runtime/protocol/index.js'
import type { Pinned } from '../api/node-port.js'
import { sha256 } from '../keys/crypto.js'
import type { DataKey } from '../store/index.js'
import { nodeFiles } from './node-config.js'
import type { NodeLogger } from './node-logger.js'
import { NodeReads } from './node-reads.js'
import { NodeSequences } from './node-sequences.js'
import { NodeSigning } from './node-signing.js'
import type { RunningNode } from './running-node.js'
import { askState } from './state-questions.js'
import { attachReports } from './share-service.js'
import type { Unsealed } from './unsealed.js'
import { WipeWatch, type WipeOrdered } from './wipe-watch.js'

export interface PartsOptions {
  folder: string
  logger: NodeLogger
  now: () => number
  onWipeOrdered: WipeOrdered
}

/** All of an unsealed node but the bridge, which comes last. */
export async function partsOf(
  node: RunningNode,
  dataKey: DataKey,
  { folder, logger, now, onWipeOrdered }: PartsOptions,
): Promise<Unsealed> {
  const reads = new NodeReads(node)
  const sequences = new NodeSequences(node.executor)
  const signing = new NodeSigning(node, reads, sequences, now)
  const reports = await attachReports(node, sequences, nodeFiles(folder).shares, dataKey, logger, now)
  const wipeWatch = new WipeWatch(node, reports, logger, onWipeOrdered)
  return { node, reads, signing, sequences, bridge: undefined, wipeWatch, dataKey }
}

/** Asks the chain. */
export async function isKeyValid({ node }: Unsealed, publicKey: Uint8Array): Promise<boolean> {
  const { state } = await askState(node, 'keyState', { keyId: keyIdOf(sha256, publicKey) })
  return state === 'valid'
}

export const tipAt = (height: number, blockTime: number, stateRoot: Uint8Array): Pinned => ({
  ...{ height, blockTime, stateRoot: bytesToHex(stateRoot) },
})
