// `peer-unlock.key`: what a sealed node needs to ask its peers for its shares. It opens nothing by itself: it
// names the peers and holds the key that they know this node by.
import { existsSync, readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '../../runtime/protocol/index.js'
import { replaceFile } from '../store/durable-file.js'
import { NodeError } from './node-error.js'

export interface PeerUnlock {
  generation: number
  threshold: number
  /** Seed of the visiting key. */
  seed: Uint8Array
  /** Own address towards the peers. */
  host: string
  peers: { name: string; transportKey: string; host: string; port: number }[]
}

/** Newest first; the one before it counts until the keyslot of the newest is written. */
const dealsKept = 2

/** On disk when this returns; the older file's bytes are overwritten. */
export function writePeerUnlock(path: string, unlocks: readonly PeerUnlock[]): void {
  const deals = unlocks.slice(0, dealsKept).map((unlock) => ({ ...unlock, seed: bytesToHex(unlock.seed) }))
  const text = JSON.stringify(deals, null, 2)
  replaceFile(path, Buffer.from(`${text}\n`), { overwriteOld: true })
}

/** Newest first; empty when this node has none. Throws NodeError CONFIG_MALFORMED. */
export function readPeerUnlock(path: string): PeerUnlock[] {
  if (!existsSync(path)) return []
  try {
    const deals = JSON.parse(readFileSync(path, 'utf8')) as (Omit<PeerUnlock, 'seed'> & { seed: string })[]
    return deals.slice(0, dealsKept).map((deal) => {
      const seed = hexToBytes(deal.seed)
      const isWhole =
        seed?.length === 32 &&
        Number.isInteger(deal.generation) &&
        deal.threshold >= 2 &&
        deal.peers.every(({ transportKey, port }) => hexToBytes(transportKey)?.length === 32 && port > 0)
      if (!isWhole) throw new Error('a field is missing')
      return { ...deal, seed }
    })
  } catch (error) {
    throw new NodeError('CONFIG_MALFORMED', 'peer-unlock.key', error)
  }
}
