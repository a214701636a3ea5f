// Final blocks from and to peers: what this node asks for while it is behind, and what it answers.

import { encodeMessage } from '../pbft/index.js'
import type { BlockRequestMessage } from '../pbft/index.js'
import { CatchUp, type BlockSource } from '../driver/catch-up.js'
import { encodeConsensusFrame } from './frames.js'
import { blocksAnswerBytesMax, blocksAnswerCountMax, blocksWelcomeMs } from './limits.js'
import type { PeerEntry } from './peer-table.js'
import type { DriverPorts, FinalBlock } from './ports.js'
import type { PeerId } from './transport.js'
import type { QueueClass } from './wire.js'

export interface BlockExchangeOptions {
  readonly chainId: Uint8Array
  readonly epoch: number
  readonly ports: DriverPorts
  send(to: PeerId, frame: Uint8Array, queueClass: QueueClass): void
  /** Whom to ask, best first. */
  sources(): readonly BlockSource<PeerEntry>[]
}

/** Believes nothing: the core verifies every block (R27). */
export class BlockExchange {
  readonly #options: BlockExchangeOptions
  readonly #catchUp = new CatchUp<PeerEntry>()

  constructor(options: BlockExchangeOptions) {
    this.#options = options
  }

  /** Asks for what this node lacks, if it lacks anything and has not just asked. Call it freely. */
  fetch(ownHeight: number): void {
    const wish = this.#catchUp.next(this.#options.sources(), ownHeight, performance.now())
    if (wish !== null) this.ask(wish.peer, wish.fromHeight, wish.count)
  }

  /**
   * A request of the core's. It may name a member that this node is not connected to: then anybody ahead
   * will do.
   */
  request(named: PeerEntry | undefined, fromHeight: number, count: number): void {
    const entry = named ?? this.#options.sources().find((source) => source.tipHeight >= fromHeight)?.peer
    if (entry !== undefined) this.ask(entry, fromHeight, count)
  }

  ask(entry: PeerEntry, fromHeight: number, count: number): void {
    const { epoch, chainId } = this.#options
    entry.blocksWelcomeUntil = performance.now() + blocksWelcomeMs
    const message: BlockRequestMessage = { type: 'blockRequest', epoch, fromHeight, count }
    this.#options.send(entry.peer, encodeConsensusFrame(encodeMessage(message, chainId)), 0)
  }

  received(blocks: readonly FinalBlock[]): void {
    this.#catchUp.received(blocks.map(({ block }) => block.header.height))
  }

  /** One answer at a time and peer; a peer that wants more asks again. */
  serve(entry: PeerEntry, fromHeight: number, wantedCount: number): void {
    const { ports } = this.#options
    const count = Math.min(wantedCount, blocksAnswerCountMax)
    if (entry.isServed || count === 0) return
    entry.isServed = true
    ports.chain
      .finalBlocks(fromHeight, count, blocksAnswerBytesMax)
      .then((blocks) => {
        if (blocks.length === 0) return
        this.#options.send(entry.peer, this.frameOf(blocks), 2)
        ports.metrics?.count('blocks_served')
      })
      .catch((error: unknown) => {
        ports.logger?.error({ error: String(error) }, 'final blocks could not be read')
      })
      .finally(() => {
        entry.isServed = false
      })
  }

  frameOf(blocks: readonly FinalBlock[]): Uint8Array {
    const { epoch, chainId } = this.#options
    return encodeConsensusFrame(encodeMessage({ type: 'blocks', epoch, blocks }, chainId))
  }
}
