import { Registry } from 'prom-client'
import t from 'tap'
import { bytesToHex } from '../../runtime/protocol/index.js'
import type { NodeEntry } from '../../runtime/execution/index.js'
import { NetworkBook } from './network-book.js'
import { PeerMetrics } from './peer-metrics.js'

const key = (mark: number): Uint8Array => new Uint8Array(32).fill(mark)
const node = (number: number, transportKey: Uint8Array, listed: boolean): NodeEntry => ({
  ...{ entity: key(100 + number), number, name: `ward-${number}`, role: 'observer', voteKey: key(200) },
  ...{ transportKey, host: '127.0.0.1', port: 1, listed },
})

t.test('what a peer did is counted under its present name', async (t) => {
  const registry = new Registry()
  const book = new NetworkBook(key(100), [], () => 0, { nodes: [node(1, key(1), true)], tickets: [] })
  const metrics = new PeerMetrics(registry).of(book)
  const refuse = (mark: number): void =>
    metrics.count('peer_refused', { peer: bytesToHex(key(mark)), code: 'FORGED' })
  refuse(1)
  refuse(3)
  // The first is removed, the second has changed its key, the third has come.
  book.update({
    nodes: [node(1, key(1), false), node(2, key(2), true), node(3, key(3), true)],
    tickets: [],
  })
  refuse(1)
  refuse(2)
  refuse(3)
  metrics.count('message', { type: 'commit' })
  const [{ values }] = await registry.getMetricsAsJSON()
  const counted = values.map(({ labels, value }) => [labels.peer, value])
  t.same(counted, [
    ['ward-1', 1],
    ['not listed', 2],
    ['ward-2', 1],
    ['ward-3', 1],
  ])
})
