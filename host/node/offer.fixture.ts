// What a node that is closed would offer to others: its store with an executor of its own.
import { ExecutorClient } from '../executor/executor-client.js'
import { decodeAnswer, encodeAnswer, encodeRequest, type Offer } from '../executor/snapshot-format.js'
import { openKeyslot, type DataKey } from '../store/index.js'
import { SnapshotService } from '../sync/snapshot-service.js'
import type { SyncOptions } from '../sync/snapshot-sync.js'
import { nodeFiles } from './node-config.js'
import { during } from './patience.fixture.js'
import { storePassword } from './single-node.fixture.js'

export interface OfferSource {
  executor: ExecutorClient
  dataKey: DataKey
  offer: Offer
  close(): Promise<void>
}

export async function openOffer(folder: string): Promise<OfferSource> {
  const dataKey = await openKeyslot(nodeFiles(folder).keyslots, storePassword.slice())
  const executor = new ExecutorClient(() => undefined)
  const chain = nodeFiles(folder).chain
  const opening = executor.call('open', { folder: chain, dataKey: dataKey.toBytes(), genesis: null })
  await during("opening a closed node's store", opening)
  const request = encodeRequest({ kind: 'offer' })
  const offered = executor.call('snapshot', { request, peer: '' })
  const answer = decodeAnswer(await during('asking for an offer', offered))
  if (answer?.kind !== 'offer') throw new Error('nothing is offered')
  const close = async (): Promise<void> => {
    await during('closing a store', executor.close())
    dataKey.close()
  }
  return { executor, dataKey, offer: answer.offer, close }
}

/** One peer that gives what the source has, with other manifests in its offer. */
export function giverOf(
  { executor }: Pick<OfferSource, 'executor'>,
  manifests: (own: Uint8Array[]) => Uint8Array[],
): SyncOptions['client'] {
  const service = new SnapshotService(executor)
  return {
    peers: () => [{ peer: 'giver', hello: { tipHeight: 0 } as never }],
    waitForPeer: () => Promise.resolve(true),
    request: async (_peer, request) => {
      const bytes = await service.answer(request, 'giver')
      const answer = decodeAnswer(bytes)
      if (answer?.kind !== 'offer') return bytes
      const { offer } = answer
      return encodeAnswer({ kind: 'offer', offer: { ...offer, manifests: manifests(offer.manifests) } })
    },
  }
}
