// What peers did that an honest one does not do, by name: who floods, lies or is broken is seen from outside.
import { Counter, type Registry } from 'prom-client'
import type { Metrics } from '../../consensus/net/ports.js'
import type { NetworkBook } from './network-book.js'

export class PeerMetrics {
  private readonly refused: Counter

  constructor(registry: Registry) {
    this.refused = new Counter({
      name: 'wardchain_peer_refused_total',
      help: 'What a peer brought that an honest one does not bring, by peer and code',
      labelNames: ['peer', 'code'],
      registers: [registry],
    })
  }

  /** The driver's counters that name a peer. Names are those of the chain's list, so that there are few. */
  of(book: Pick<NetworkBook, 'nameOfPeer'>): Metrics {
    return {
      count: (name, labels = {}, by = 1) => {
        if (name !== 'peer_refused') return
        const { peer, code } = labels
        this.refused.inc({ peer: book.nameOfPeer(peer) ?? 'not listed', code }, by)
      },
      observe: () => undefined,
    }
  }
}
