// What a node holds only while it is unsealed, and how it is given up.
import type { Hl7Bridge } from '../gateways/hl7-bridge.js'
import { DataKey } from '../store/index.js'
import type { NodeReads } from './node-reads.js'
import type { NodeSequences } from './node-sequences.js'
import type { NodeSigning } from './node-signing.js'
import type { RunningNode } from './running-node.js'
import type { WipeWatch } from './wipe-watch.js'

/** Everything that exists only while the node is unsealed. */
export interface Unsealed {
  node: RunningNode
  reads: NodeReads
  signing: NodeSigning
  sequences: NodeSequences
  bridge: Hl7Bridge | undefined
  wipeWatch: WipeWatch
  /** Zeroed when the node is sealed; stores derive sub-keys from it as they need them. */
  dataKey: DataKey
}

/** Closes what runs and gives the key of the next start. */
export type Leaving = (parts: Unsealed, leave: () => Promise<void>) => Promise<DataKey>

/** Gives up everything but the key, for the next start. */
export async function leaveWithKey(
  { dataKey }: Pick<Unsealed, 'dataKey'>,
  leave: () => Promise<void>,
): Promise<DataKey> {
  const bytes = dataKey.toBytes()
  try {
    await leave()
  } catch (error) {
    bytes.fill(0)
    throw error
  }
  return DataKey.fromBytes(bytes)
}

/**
 * Messages on their way are answered, then the node goes, then the key. Without the tree's outline the next
 * start reads the tree's pages, as after a crash.
 */
export async function closeParts(
  { bridge, node, dataKey }: Unsealed,
  keepsOutline: boolean,
): Promise<void> {
  try {
    await bridge?.close()
  } finally {
    node.shares?.close()
    await node.close(keepsOutline).finally(() => dataKey.close())
  }
}
