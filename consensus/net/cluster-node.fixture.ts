// One node of the cluster test as a process of its own: everything on disk in its folder, told what to do
// by its
// parent over the process channel.

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { fileVoteStore, startReplica, TestChain, TestPool, validatorSet } from './chain.fixture.js'
import { identity, type TestNetwork } from './network.fixture.js'
import type { Role } from './wire.js'
import type { PeerId } from './transport.js'

export interface ClusterNodeOptions {
  number: number
  role: Role
  folder: string
  validatorCount: number
  book: [PeerId, { host: string; port: number }][]
  allowed: PeerId[]
  dial: PeerId[]
  /** A relay listens here; validators by the book, others anywhere. */
  port?: number
}

export type ToNode =
  { type: 'submit'; bundle: string } | { type: 'drop'; peers: PeerId[] } | { type: 'report' }

export type FromNode =
  | { type: 'ready' }
  /** `at`: ms since 1970 with fractions, one clock for all processes of a machine. */
  | { type: 'final'; height: number; blockHash: string; resultHash: string; at: number }
  | { type: 'alarm'; code: string }
  | { type: 'halt'; code: string }
  | {
      type: 'report'
      height: number
      peers: number
      view: number
      /** Hex of the leader's entity id. */
      leader: string
      rssBytes: number
      bundles: string[]
      pairs: string[]
      writes: number
    }

function tell(message: FromNode): void {
  process.send?.(message)
}

const options = JSON.parse(process.argv[2]) as ClusterNodeOptions
const network: TestNetwork = {
  chainId: new Uint8Array(32).fill(7),
  book: new Map(options.book),
  validators: Array.from({ length: options.validatorCount }, (_, index) => identity(index)),
}
const isValidator = options.role === 'validator'
const chain = new TestChain(validatorSet(network), network.chainId, `${options.folder}/chain`)
const pool = new TestPool()
const votes = isValidator ? fileVoteStore(options.folder) : null
const { allowed, dial } = options
const replica = await startReplica(network, identity(options.number), {
  ...{ role: options.role, chain, pool, votes },
  network: { allowed, dial, ...(options.port !== undefined && { port: options.port }) },
  events: {
    onFinal: ({ block, certificate: { blockHash, resultHash } }) => {
      tell({
        type: 'final',
        height: block.header.height,
        blockHash: bytesToHex(blockHash),
        resultHash: bytesToHex(resultHash),
        at: performance.timeOrigin + performance.now(),
      })
    },
    onAlarm: (code) => tell({ type: 'alarm', code }),
    onHalt: (code) => tell({ type: 'halt', code }),
  },
})

process.on('message', (message: ToNode) => {
  switch (message.type) {
    case 'submit':
      return replica.submit(new Uint8Array(Buffer.from(message.bundle, 'hex')))
    case 'drop':
      return replica.driver.transport.dropFramesForTest(message.peers)
    case 'report': {
      const status = replica.driver.status()
      return tell({
        type: 'report',
        height: chain.finals.length,
        peers: status.peers.length,
        view: status.view,
        leader: status.leader,
        rssBytes: process.memoryUsage().rss,
        bundles: chain.bundles,
        pairs: chain.finals.map(
          ({ certificate }) => bytesToHex(certificate.blockHash) + bytesToHex(certificate.resultHash),
        ),
        writes: votes?.writes ?? 0,
      })
    }
  }
})
process.on('disconnect', () => process.exit(0))
tell({ type: 'ready' })
