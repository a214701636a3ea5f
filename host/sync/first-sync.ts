// How a node without a chain gets one: by replaying blocks where they are few and all there, else by a
// snapshot. A snapshot is taken into a folder of its own and becomes the chain in one step, so that a crash
// leaves either nothing or a whole one; what an interrupted try has checked is kept.
import { existsSync, renameSync, rmSync } from 'node:fs'
import { bytesToHex, chainIdOf, equalBytes } from '../../runtime/protocol/index.js'
import { createServiceClient, type ServiceClient } from '../../consensus/net/service-client.js'
import { decodeAnswer, encodeRequest } from '../executor/snapshot-format.js'
import { ExecutorClient } from '../executor/executor-client.js'
import { sha256, signDetached, verifySignature } from '../keys/crypto.js'
import type { NodeIdentity } from '../keys/node-identity.js'
import type { Resync } from '../node/behind-watch.js'
import { readBootstrapPeers } from '../node/network-book.js'
import type { nodeFiles, NodeConfig } from '../node/node-config.js'
import type { NodeLogger } from '../node/node-logger.js'
import { syncFolder } from '../store/durable-file.js'
import type { DataKey } from '../store/index.js'
import { takeSnapshot, throwIfStopped } from './snapshot-sync.js'

export interface FirstSyncOptions {
  folder: string
  files: ReturnType<typeof nodeFiles>
  config: NodeConfig
  identity: NodeIdentity
  genesis: Uint8Array
  dataKey: DataKey
  logger: NodeLogger
  onSync?: (phase: string, percent: number) => void
  /** Take a snapshot in place of what `chain` holds: blocks lead no further (`behind-watch.ts`). */
  instead: Resync | undefined
  /** The node is sealed or ends: what was taken stays, the next start goes on with it. */
  stop?: AbortSignal
}

/** So many blocks are replayed sooner than a snapshot is taken. */
const replayMax = 200
const offerMs = 15_000
/** How soon a stop is noticed while nobody is there. */
const peerPatienceMs = 500

/** Nothing to do when there is a chain already. Throws SyncError when nobody helps. */
export async function firstSync(options: FirstSyncOptions): Promise<void> {
  const { files } = options
  const mustSync = existsSync(files.sync) || options.instead !== undefined
  if (existsSync(files.chain) && !mustSync) return
  const { stop } = options
  throwIfStopped(stop)
  const client = await connect(options)
  // Whoever waits for an answer hears at once that there is none.
  const leave = (): void => void client.close()
  stop?.addEventListener('abort', leave)
  try {
    if (!mustSync && !(await isSnapshotBetter(client, stop))) return
    await take(options, client)
  } catch (error) {
    // The chain that is there is better than none; `behind-watch.ts` will look again.
    if (!existsSync(files.chain) || stop?.aborted === true) throw error
    options.logger.warn(
      { error: String(error) },
      'no snapshot could be taken: going on with the chain as it is',
    )
    rmSync(files.resync, { force: true })
    rmSync(files.sync, { recursive: true, force: true })
    return
  } finally {
    stop?.removeEventListener('abort', leave)
    await client.close()
  }
  rmSync(files.chain, { recursive: true, force: true })
  renameSync(files.sync, files.chain)
  rmSync(files.resync, { force: true })
  syncFolder(options.folder)
}

async function isSnapshotBetter(client: ServiceClient, stop?: AbortSignal): Promise<boolean> {
  const end = Date.now() + offerMs
  while (!(await client.waitForPeer(peerPatienceMs))) {
    throwIfStopped(stop)
    if (Date.now() > end) return false
  }
  const request = encodeRequest({ kind: 'offer' })
  for (const { peer, hello } of client.peers()) {
    if (hello.tipHeight <= replayMax) {
      const bytes = await client.request(peer, request, offerMs)
      const answer = bytes ? decodeAnswer(bytes) : undefined
      if (answer?.kind !== 'offer' || answer.offer.floor === 0) continue
    }
    throwIfStopped(stop)
    return true
  }
  throwIfStopped(stop)
  return false
}

async function take(options: FirstSyncOptions, client: ServiceClient): Promise<void> {
  const { files, dataKey, genesis, logger, onSync, instead: above, stop } = options
  const executor = new ExecutorClient(({ error }) => logger.error({ error: error.message }, 'sync'))
  const keyBytes = dataKey.toBytes()
  try {
    await executor.call('syncOpen', {
      folder: files.sync,
      dataKey: keyBytes,
      genesis,
      ...(above && { above }),
    })
    await takeSnapshot({
      ...{ client, executor, ...(stop && { stop }) },
      onProgress: ({ phase, done, total }) =>
        onSync?.(`syncing ${phase}: ${done} of ${total}`, total === 0 ? 0 : (100 * done) / total),
      onLiar: (peer, what) =>
        logger.error(
          { code: 'SNAPSHOT_LIAR', peer, what },
          'a node lied about the state; it is not asked again',
        ),
    })
  } finally {
    keyBytes.fill(0)
    await executor.close()
  }
}

function connect(options: FirstSyncOptions): Promise<ServiceClient> {
  const { config, identity, genesis, files } = options
  const peers = options.instead?.peers ?? readBootstrapPeers(files.peers)
  const book = new Map(
    peers.map(({ transportKey, host, port }) => [bytesToHex(transportKey), { host, port }]),
  )
  const { transport, vote } = identity
  const zero = new Uint8Array(32)
  return createServiceClient({
    keyPair: { publicKey: Buffer.from(transport.publicKey), secretKey: transport.secretKey },
    host: config.host,
    port: 0,
    bootstrap: [...book.values()],
    book,
    dial: [...book.keys()],
    allowed: [],
    hello: () => ({
      chainId: chainIdOf(sha256, genesis),
      epoch: 0,
      nodeId: identity.entity,
      nodeKey: vote.publicKey,
      role: 'observer',
      tipHeight: 0,
      tipHash: zero,
    }),
    sign: (bytes) => signDetached(vote, bytes),
    verify: verifySignature,
    refuse: (peer, hello) => {
      const known = peers.find(({ transportKey }) => bytesToHex(transportKey) === peer)
      return known && equalBytes(known.entity, hello.nodeId) ? null : 'NODE_KEY_MISMATCH'
    },
  })
}
