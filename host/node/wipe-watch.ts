// A running node that is to be wiped by governance: it looks when the chain speaks of machines, hands what
// the wipe needs to whoever carries it out, and says on the chain that it begins when its keys are gone.
import { bytesToHex } from '../../runtime/protocol/index.js'
import { decodeIdentity, encodeIdentity, type NodeIdentity } from '../keys/node-identity.js'
import type { CommitReply } from '../executor/messages.js'
import type { NodeLogger } from './node-logger.js'
import type { NodeReports } from './node-reports.js'
import type { RunningNode } from './running-node.js'

export interface OrderedWipe {
  /** Height at which the second administrator ordered it. */
  height: number
  /** Entities, hex. */
  orderedBy: string[]
  reason: string
  /** A copy for the certificate's signature; whoever takes it destroys it. */
  identity: NodeIdentity
}

/**
 * Destroys the keys first, then calls `report`: the node says on the chain that it begins, with the identity
 * in memory. It takes ten seconds at most and never rejects: a courtesy, the order stands.
 */
export type WipeOrdered = (wipe: OrderedWipe, report: () => Promise<void>) => void

const reportMs = 10_000
const ordered = 2
const ended = 4
const alias = 'ward/appliance'

export class WipeWatch {
  private hasFired = false

  constructor(
    private readonly node: RunningNode,
    private readonly reports: NodeReports,
    private readonly logger: NodeLogger,
    private readonly onOrdered: WipeOrdered,
  ) {}

  onCommit(commit: CommitReply): void {
    if (commit.receipts.some((receipt) => receipt.target.startsWith(alias))) void this.look()
  }

  /** At the start as well: the order may have come while the node was down. Never throws. */
  async look(): Promise<void> {
    try {
      const { entity } = this.node
      const order = await this.reports.wipeOrder(entity)
      if (!order || order.state < ordered || order.state >= ended || this.hasFired) return
      this.hasFired = true
      this.logger.warn({ code: 'WIPE_ORDERED', height: Number(order.height) }, 'this node is to be wiped')
      const encoded = encodeIdentity(this.node.identity)
      const identity = decodeIdentity(encoded)
      encoded.fill(0)
      const orderedBy = [order.requestedBy, order.confirmedBy].map(bytesToHex)
      const wipe = { height: Number(order.height), orderedBy, reason: order.reason, identity }
      this.onOrdered(wipe, () => this.report())
    } catch (error) {
      this.logger.warn({ error: String(error) }, 'the wipe orders could not be read')
    }
  }

  private async report(): Promise<void> {
    const values = { node: this.node.entity, ended: false, certificate: new Uint8Array(32) }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, reportMs)))
    const said = this.reports.report('reportWipe', values, reportMs).catch(() => undefined)
    await Promise.race([said, late])
    clearTimeout(timer)
  }
}
