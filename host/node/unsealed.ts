// What a node holds only while it is unsealed, and how it is given up.
import type { Hl7Bridge } from '../gateways/hl7-bridge.js'
import type { DataKey } from '../store/index.js'
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

/** Messages on their way are answered, then the node goes, then the key. */
export async function closeParts({ bridge, node, dataKey }: Unsealed): Promise<void> {
  try {
    await bridge?.close()
  } finally {
    node.shares?.close()
    await node.close().finally(() => dataKey.close())
  }
}
