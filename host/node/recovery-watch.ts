// Recovery as one node lives it (consensus/README.md, "Recovery"): it takes a manifest that its operator
// gives it. One that a peer of a newer epoch hands over counts when a block shows that its epoch began: then
// it stops this node when it has a vote to lose, and moves it when it has none.
import { bytesToHex, ok, refused } from '../../runtime/protocol/index.js'
import type { RecoveryPort } from '../../consensus/net/ports.js'
import type { Outcome } from '../api/node-port.js'
import type { RecoveryJson } from '../api/network-json.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { ChainPoint, RecoverReply, Told } from '../executor/messages.js'
import { sha256 } from '../keys/crypto.js'
import type { NodeLogger } from './node-logger.js'

export interface RecoveryParts {
  executor: Pick<ExecutorClient, 'call'>
  entity: Uint8Array
  logger: Pick<NodeLogger, 'warn' | 'error'>
  /** Leaves the network for good; the store stays open. */
  stop: (code: 'OLD_EPOCH', detail: string) => void
  /** Leaves the network, does this while nothing here signs, and joins anew in the newest epoch. */
  apart: <T>(work: () => Promise<T>) => Promise<T>
  /** Until what failed here is tried again, ms. Default: 5 s. */
  laterMs?: number
}

/** What one peer handed over. */
interface Heard {
  waiting: number
  /** Digests of what led to nothing, oldest first: the same bytes again cost nothing. */
  refused: string[]
}

export class RecoveryWatch {
  /** Of the newest recovery; -1 without one. */
  baseHeight = -1
  private hearing: Promise<unknown> = Promise.resolve()
  private readonly peers = new Map<string, Heard>()
  private isClosed = false

  constructor(private readonly parts: RecoveryParts) {}

  /** Before this node joins. Not null: a newer epoch began without it, and it must stay outside. */
  async load(): Promise<Told | null> {
    const { recoveries } = await this.parts.executor.call('tip', null)
    this.baseHeight = recoveries.at(-1)?.baseHeight ?? -1
    return this.parts.executor.call('told', null)
  }

  readonly port: RecoveryPort = {
    notices: () => this.parts.executor.call('recoveryNotices', null),
    heard: (notice, from) => {
      const peer = this.peers.get(from) ?? { waiting: 0, refused: [] }
      this.peers.set(from, peer)
      const name = bytesToHex(sha256(notice))
      if (this.isClosed || peer.waiting >= waitingMax || peer.refused.includes(name)) return
      peer.waiting += 1
      this.hearing = this.hearing
        .then(() => this.hear(notice))
        .then((isNothing) => {
          if (isNothing) peer.refused = [...peer.refused, name].slice(-refusedMax)
        })
        .catch((error: unknown) => this.hearLater(notice, from, error))
        .finally(() => (peer.waiting -= 1))
    },
  }

  /** A full disk, for instance: the peer said it once and will not say it again. */
  private hearLater(notice: Uint8Array, from: string, error: unknown): void {
    if (this.isClosed) return
    this.parts.logger.error({ error: String(error) }, 'a recovery could not be dealt with; again soon')
    setTimeout(() => this.port.heard(notice, from), this.parts.laterMs ?? laterMs).unref()
  }

  /** True: it led to nothing. Only institution keys and their new set can stop or move a node. */
  private async hear(notice: Uint8Array): Promise<boolean> {
    const { executor, entity, logger, stop } = this.parts
    const reply = await executor.call('hear', { notice, entity })
    switch (reply.verdict) {
      case 'refused':
        logger.warn({ code: reply.code, detail: reply.detail }, 'a peer handed over a recovery manifest')
        return true
      case 'paper': {
        const { epoch, baseHeight } = reply
        logger.warn({ epoch, baseHeight }, 'a peer took a manifest whose epoch has no block yet')
        return true
      }
      case 'stop':
        stop('OLD_EPOCH', reply.detail)
        return false
      case 'move':
        await this.enter(reply.manifest)
        return false
    }
  }

  /** From the operator: `ward network recover apply`. */
  async take(manifest: Uint8Array): Promise<Outcome<RecoveryJson>> {
    const trial = await this.parts.executor.call('recover', { manifest, isTrial: true })
    const reply = trial.ok && trial.isNew ? await this.enter(manifest) : trial
    if (!reply.ok) return refused(reply.code, reply.detail)
    const { epoch, baseHeight, isNew } = reply
    return ok({ epoch, baseHeight, isNew })
  }

  /** No vote of the old epoch may leave once the manifest is durable. */
  private async enter(manifest: Uint8Array): Promise<RecoverReply> {
    const { apart, executor, logger } = this.parts
    const reply = await apart(() => executor.call('recover', { manifest, isTrial: false }))
    if (reply.ok) logger.warn({ epoch: reply.epoch }, 'this node goes on in a new epoch')
    return reply
  }

  close(): void {
    this.isClosed = true
  }
}

/** Of one peer, not dealt with yet: as many as one connection may bring. */
const waitingMax = 128
const refusedMax = 128
const laterMs = 5_000

/** Epoch, recoveries and whom they name, as a driver starts with them. */
export function epochOf({ tip, recoveries }: ChainPoint): {
  epoch: number
  recoveries: ChainPoint['recoveries']
} {
  return { epoch: Math.max(tip.epoch, recoveries.at(-1)?.epoch ?? 0), recoveries }
}

/** Who votes by a manifest whose first block this node does not have yet: their rows do not say so. */
export function namedBy({ tip, recoveries }: ChainPoint): Uint8Array[] {
  const last = recoveries.at(-1)
  if (last === undefined || tip.height > last.baseHeight) return []
  return last.validators.members.map(({ entity }) => entity)
}
