// `node.json`: what a node must know before it is unlocked. No secrets, no names of people or patients.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { replaceFile } from '../store/durable-file.js'
import { NodeError } from './node-error.js'

export interface SourceConfig {
  /** Name of the attached source, e.g. `monitor-3`; its key and grants belong to it alone. */
  name: string
  /** Loopback or LAN address and TCP port on which this source may connect. */
  host: string
  port: number
  /** HL7 message types it may send. */
  accepts: ('ADT' | 'ORU')[]
}

export interface NodeConfig {
  name: string
  role: 'validator' | 'observer' | 'gateway'
  /** Loopback port of the local API. */
  apiPort: number
  /** IPv4 literal and UDP port of the transport; port 0: any (observers, gateways). */
  host: string
  port: number
  sources: SourceConfig[]
  /** Shown loudly on every screen unless empty: TRAINING, DEMONSTRATION. */
  environment: string
  /** How many of the newest blocks keep their signed transactions here; absent: all (an archive). */
  keepBlocks?: number
  /** Heap of the thread that executes, MiB; readings have half. Absent: 2,048. Read when a daemon starts. */
  heapMiB?: number
}

/** Below, a block of the largest size could end the thread; above, no machine of a ward has it. */
export const heapMiBMin = 512
export const heapMiBMax = 65_536

/** Enough for a node that was away for a moment to catch up by blocks. */
export const keepBlocksMin = 256

export const nodeFiles = (folder: string) => ({
  config: path.join(folder, 'node.json'),
  card: path.join(folder, 'card.json'),
  keyslots: path.join(folder, 'keyslots'),
  identity: path.join(folder, 'identity.sealed'),
  genesis: path.join(folder, 'genesis.cbor'),
  peers: path.join(folder, 'peers.json'),
  chain: path.join(folder, 'chain'),
  /** A snapshot that is being taken; becomes `chain` when it is whole. */
  sync: path.join(folder, 'chain.sync'),
  /** Take a snapshot at the next start, whatever `chain` holds; sealed: see behind-watch.ts. */
  resync: path.join(folder, 'resync.sealed'),
  votes: path.join(folder, 'votes'),
  executing: path.join(folder, 'executing'),
  executingNote: path.join(folder, 'executing-now'),
  held: path.join(folder, 'held-back.json'),
  evidence: path.join(folder, 'evidence'),
  peerUnlock: path.join(folder, 'peer-unlock.key'),
  shares: path.join(folder, 'shares.sealed'),
  /** Empty file: somebody asked for a compaction; removed when it is done. */
  compact: path.join(folder, 'compact'),
  /** A wipe by order was begun: the next start goes on with it. */
  wipeMark: path.join(folder, 'wipe-begun.json'),
})

/** Whole or not at all: a running node reads it again in every round of its store's upkeep. */
export function writeNodeConfig(folder: string, config: NodeConfig): void {
  replaceFile(nodeFiles(folder).config, Buffer.from(`${JSON.stringify(config, null, 2)}\n`))
}

/** Throws NodeError CONFIG_MISSING or CONFIG_MALFORMED. */
export function readNodeConfig(folder: string): NodeConfig {
  let parsed: Partial<NodeConfig>
  try {
    parsed = JSON.parse(readFileSync(nodeFiles(folder).config, 'utf8')) as Partial<NodeConfig>
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new NodeError(missing ? 'CONFIG_MISSING' : 'CONFIG_MALFORMED', folder, error)
  }
  const roles = ['validator', 'observer', 'gateway']
  const whole = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) < 65_536
  if (
    typeof parsed.name !== 'string' ||
    !roles.includes(String(parsed.role)) ||
    !whole(parsed.apiPort) ||
    !whole(parsed.port) ||
    typeof parsed.host !== 'string' ||
    !(parsed.keepBlocks === undefined || isKeepBlocks(parsed.keepBlocks)) ||
    !(parsed.heapMiB === undefined || isHeapMiB(parsed.heapMiB))
  ) {
    throw new NodeError('CONFIG_MALFORMED', folder)
  }
  return { environment: '', sources: [], ...parsed } as NodeConfig
}

const isHeapMiB = (value: unknown): boolean =>
  Number.isSafeInteger(value) && Number(value) >= heapMiBMin && Number(value) <= heapMiBMax

export const isKeepBlocks = (value: unknown): boolean =>
  Number.isSafeInteger(value) && Number(value) >= keepBlocksMin
