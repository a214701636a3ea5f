// A running node that cannot go on by blocks: the others erased a patient meanwhile, or pruned, so that
// what the blocks in between held is nowhere any more. It looks whether somebody proves a higher block than
// it gets to, by a certificate, and whether more validators than may lie say that the blocks are gone, which
// nobody can prove; then the node starts anew from a snapshot above its own height, by itself.
import { faultsTolerated } from '../../consensus/pbft/index.js'
import { decodeCbor, encodeCbor, equalBytes, type Validator } from '../../runtime/protocol/index.js'
import { proveOffer } from '../executor/offer-proof.js'
import { decodeAnswer, encodeRequest, type Offer } from '../executor/snapshot-format.js'
import { readSealedFile, writeSealedFile, type DataKey } from '../store/index.js'
import type { BootstrapPeer } from './network-book.js'
import { nodeFiles } from './node-config.js'
import { epochOf } from './recovery-watch.js'
import type { RunningNode } from './running-node.js'
import { leaveWithKey, type Unsealed } from './unsealed.js'

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

  /** The height that is proven and that blocks do not lead to from here. */
  private async look(height: number): Promise<number | undefined> {
    const { driver, executor, book } = this.node
    const genesis = await executor.call('genesis', null)
    const request = encodeRequest({ kind: 'offer' })
    const dialled = new Set(book.lists().dial)
    const asked = driver.transport.peers().filter(({ peer }) => dialled.has(peer))
    const said = await Promise.all(
      asked.map(async ({ peer, nodeId: entity }): Promise<Said[]> => {
        const bytes = await driver.ask(peer, request, offerMs)
        const answer = bytes && decodeAnswer(bytes)
        return answer?.kind === 'offer' ? [{ entity, offer: answer.offer }] : []
      }),
    )
    const proven = provenBeyond(genesis, height, said.flat())
    // It may have moved meanwhile.
    return driver.status().height === height ? proven : undefined
  }
}

export interface Said {
  entity: Uint8Array
  offer: Offer
}

/**
 * The highest height that an offer proves, if more of the validators that signed it than may lie say that
 * there are no blocks from `height` on. Nobody can prove that something is gone: one liar with a true tip and
 * an invented floor would else make a node throw its blocks away.
 */
export function provenBeyond(
  genesis: Uint8Array,
  height: number,
  said: readonly Said[],
): number | undefined {
  let best: { height: number; validators: readonly Validator[] } = { height, validators: [] }
  for (const { offer } of said) {
    const proven = proveOffer(genesis, offer)?.header.height ?? 0
    if (proven > best.height) best = { height: proven, validators: offer.block.validators }
  }
  if (best.height === height) return undefined
  const sayGone = best.validators.filter((member) =>
    said.some(({ entity, offer }) => offer.floor > height && equalBytes(entity, member.entity)),
  )
  return sayGone.length > faultsTolerated(best.validators.length) ? best.height : undefined
}

export interface Resync {
  genesis: Uint8Array
  peers: BootstrapPeer[]
  /** Where the chain stands that is replaced: nothing at or below it takes its place. */
  height: number
  epoch: number
}

/** Leaves the network, and gives the key of the next start. Throws before, when the disk is full. */
export async function leaveForSnapshot(
  parts: Unsealed,
  folder: string,
  leave: () => Promise<void>,
): Promise<DataKey> {
  await writeResync(parts.node, folder, parts.dataKey)
  return leaveWithKey(parts, leave)
}

/** What the next start needs to take a snapshot in place of its chain. Durable when it returns. */
async function writeResync(node: RunningNode, folder: string, dataKey: DataKey): Promise<void> {
  const genesis = await node.executor.call('genesis', null)
  const point = await node.executor.call('tip', null)
  const peers = node.book.validators.map(({ entity, transportKey, host, port }) => {
    return [entity, transportKey, host, port]
  })
  writeSealedFile(
    nodeFiles(folder).resync,
    dataKey,
    encodeCbor([genesis, peers, point.tip.height, epochOf(point).epoch]),
  )
}

export function readResync(file: string, dataKey: DataKey): Resync | undefined {
  const bytes = readSealedFile(file, dataKey)
  const decoded = bytes && decodeCbor(bytes)
  if (!decoded?.ok) return undefined
  type Peer = [Uint8Array, Uint8Array, string, number]
  const [genesis, peers, height, epoch] = decoded.value as [Uint8Array, Peer[], number, number]
  return {
    ...{ genesis, height, epoch },
    peers: peers.map(([entity, transportKey, host, port]) => ({ entity, transportKey, host, port })),
  }
}
