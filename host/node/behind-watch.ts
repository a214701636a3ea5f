// A running node that cannot go on by blocks: the others erased a patient meanwhile, or pruned, so that
// what the blocks in between held is nowhere any more. It looks whether somebody proves a higher block than
// it gets to; then the node starts anew from a snapshot, by itself. What peers claim moves nothing: only a
// certificate does.
import {
  chainIdOf,
  decodeCbor,
  decodeGenesis,
  encodeCbor,
  genesisValidators,
  validatorsHash,
} from '../../runtime/protocol/index.js'
import { followChain } from '../../runtime/light/index.js'
import { decodeAnswer, encodeRequest, type Offer } from '../executor/snapshot-format.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import { DataKey, readSealedFile, writeSealedFile } from '../store/index.js'
import type { BootstrapPeer } from './network-book.js'
import { nodeFiles } from './node-config.js'
import type { RunningNode } from './running-node.js'
import type { Unsealed } from './unsealed.js'

/** Longer than any catch-up by blocks rests between two of them. */
const standstillMs = 10_000
const offerMs = 5_000
/** After a look that found nothing; doubled each time. */
const restMsMin = 10_000
const restMsMax = 10 * 60_000

export class BehindWatch {
  private height = -1
  private since = 0
  private restMs = restMsMin
  private nextLook = 0
  private looking = false

  constructor(
    private readonly node: RunningNode,
    private readonly now: () => number,
    private readonly onBehind: (provenHeight: number) => void,
  ) {}

  /** Call every few seconds. Never throws. */
  tick(): void {
    const { height, lag } = this.node.driver.status()
    const now = this.now()
    if (height !== this.height || lag === 0) {
      this.height = height
      this.since = now
      this.restMs = restMsMin
      return
    }
    if (this.looking || now - this.since < standstillMs || now < this.nextLook) return
    this.looking = true
    this.look(height)
      .then((proven) => proven !== undefined && this.onBehind(proven))
      .catch(() => undefined)
      .finally(() => {
        this.looking = false
        this.nextLook = this.now() + this.restMs
        this.restMs = Math.min(restMsMax, this.restMs * 2)
      })
  }

  /** The height that some peer proves and that blocks do not lead to from here. */
  private async look(height: number): Promise<number | undefined> {
    const { driver, executor } = this.node
    const genesis = await executor.call('genesis', null)
    const request = encodeRequest({ kind: 'offer' })
    for (const { peer } of driver.transport.peers()) {
      const bytes = await driver.ask(peer, request, offerMs)
      const answer = bytes && decodeAnswer(bytes)
      if (!answer || answer.kind !== 'offer' || answer.offer.floor <= height) continue
      const proven = provenHeight(genesis, answer.offer)
      // It may have moved meanwhile.
      if (proven > driver.status().height && driver.status().height === height) return proven
    }
    return undefined
  }
}

/** 0 unless a quorum of the sets from the founding on vouches for the offer's block. */
function provenHeight(genesis: Uint8Array, { handovers, block }: Offer): number {
  const decoded = decodeGenesis(genesis)
  if (!decoded.ok) return 0
  const anchor = {
    chainId: chainIdOf(sha256, genesis),
    epoch: 0,
    validatorsHash: validatorsHash(sha256, genesisValidators(decoded.value)),
    height: 0,
  }
  const final = followChain(anchor, handovers, block, { hash: sha256, verify: verifySignature })
  return final.ok ? final.value.header.height : 0
}

export interface Resync {
  genesis: Uint8Array
  peers: BootstrapPeer[]
}

/** Leaves the network, and gives the key of the next start. Throws before, when the disk is full. */
export async function leaveForSnapshot(
  { node, dataKey }: Unsealed,
  folder: string,
  leave: () => Promise<void>,
): Promise<DataKey> {
  await writeResync(node, folder, dataKey)
  const bytes = dataKey.toBytes()
  await leave()
  return DataKey.fromBytes(bytes)
}

/** What the next start needs to take a snapshot in place of its chain. Durable when it returns. */
async function writeResync(node: RunningNode, folder: string, dataKey: DataKey): Promise<void> {
  const genesis = await node.executor.call('genesis', null)
  const peers = node.book.validators.map(({ entity, transportKey, host, port }) => {
    return [entity, transportKey, host, port]
  })
  writeSealedFile(nodeFiles(folder).resync, dataKey, encodeCbor([genesis, peers]))
}

export function readResync(file: string, dataKey: DataKey): Resync | undefined {
  const bytes = readSealedFile(file, dataKey)
  const decoded = bytes && decodeCbor(bytes)
  if (!decoded?.ok) return undefined
  const [genesis, peers] = decoded.value as [Uint8Array, [Uint8Array, Uint8Array, string, number][]]
  return {
    genesis,
    peers: peers.map(([entity, transportKey, host, port]) => ({ entity, transportKey, host, port })),
  }
}
