// Recovery as one node lives it (consensus/README.md, "Recovery"): it takes a manifest that its operator
// gives it; one that a peer of a newer epoch hands over stops it when it has a vote to lose, and moves it
// when it has none.
import { bytesToHex, equalBytes, ok, refused } from '../../runtime/protocol/index.js'
import type { RecoveryPort } from '../../consensus/net/ports.js'
import type { Outcome } from '../api/node-port.js'
import type { RecoveryJson } from '../api/network-json.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { ChainPoint } from '../executor/messages.js'
import type { NodeLogger } from './node-logger.js'

export interface RecoveryParts {
  executor: ExecutorClient
  entity: Uint8Array
  logger: NodeLogger
  /** Leaves the network for good; the store stays open. */
  stop: (code: 'OLD_EPOCH', detail: string) => void
  /** Joins the network anew, in the newest epoch. */
  restart: () => void
}

export class RecoveryWatch {
  private manifests: readonly Uint8Array[] = []
  /** Of the newest recovery; -1 without one. */
  baseHeight = -1
  private hearing: Promise<unknown> = Promise.resolve()
  /** Manifests that were refused or dealt with, hex: nobody makes this node check them for ever. */
  private readonly heard = new Set<string>()

  constructor(private readonly parts: RecoveryParts) {}

  async load(): Promise<void> {
    const { executor } = this.parts
    this.manifests = await executor.call('manifests', null)
    const { recoveries } = await executor.call('tip', null)
    this.baseHeight = recoveries.at(-1)?.baseHeight ?? -1
  }

  readonly port: RecoveryPort = {
    manifests: () => this.manifests,
    heard: (manifest) => {
      const name = bytesToHex(manifest)
      if (this.heard.has(name) || this.heard.size >= heardMax) return
      this.heard.add(name)
      // A failed executor has been reported already.
      this.hearing = this.hearing.then(() => this.hear(manifest)).catch(() => undefined)
    },
  }

  /** Only institution keys can stop or move a node: what peers merely claim does neither. */
  private async hear(manifest: Uint8Array): Promise<void> {
    const { executor, entity, logger, stop } = this.parts
    const { nextValidators } = await executor.call('tip', null)
    const hasVote = nextValidators.members.some((member) => equalBytes(member.entity, entity))
    const reply = await executor.call('recover', { manifest, isTrial: hasVote })
    if (!reply.ok) {
      logger.warn({ code: reply.code, detail: reply.detail }, 'a peer handed over a recovery manifest')
      if (reply.code === 'RECOVERY_BELOW_TIP' || reply.code === 'RECOVERY_OTHER_BRANCH')
        stop('OLD_EPOCH', `${reply.code}: ${reply.detail}`)
      return
    }
    if (!reply.isNew) return
    if (hasVote) return stop('OLD_EPOCH', `epoch ${reply.epoch} began above height ${reply.baseHeight}`)
    await this.moved()
  }

  /** From the operator: `ward network recover apply`. */
  async take(manifest: Uint8Array): Promise<Outcome<RecoveryJson>> {
    const reply = await this.parts.executor.call('recover', { manifest, isTrial: false })
    if (!reply.ok) return refused(reply.code, reply.detail)
    const { epoch, baseHeight, isNew } = reply
    if (isNew) await this.moved()
    return ok({ epoch, baseHeight, isNew })
  }

  private async moved(): Promise<void> {
    await this.load()
    this.parts.logger.warn({}, 'this node goes on in a new epoch')
    this.parts.restart()
  }
}

const heardMax = 256

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
