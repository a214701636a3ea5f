// What a node says about itself and its peers on the chain (`ward/appliance`), signed with its own key, and
// what it asks there.
import { encodeBorsh, type Schema } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import type { NodeSequences } from './node-sequences.js'
import type { RunningNode } from './running-node.js'
import { draftCall, payloadOf, signBundle } from './transaction-builder.js'
import { applianceView, wipeOrderOf, type WipeOrderView } from './wipe-orders.js'

const alias = 'ward/appliance'
/** Apart from any other stream that this key may sign on. */
const reportStream = 14
const fuelLimit = 20_000_000
const validMs = 10 * 60_000

const fixed32: Schema = { fixed: 32 }
const fixed64: Schema = { fixed: 64 }
const schemas = {
  recordRelease: {
    struct: [
      ['node', fixed32],
      ['generation', 'u32'],
      ['releasedAt', 'u64'],
    ],
  },
  reportWipe: {
    struct: [
      ['node', fixed32],
      ['ended', 'bool'],
      ['certificate', fixed32],
    ],
  },
  reportEquivocation: {
    struct: [
      ['key', fixed32],
      ['kind', 'u8'],
      ['first', 'bytes'],
      ['firstSignature', fixed64],
      ['second', 'bytes'],
      ['secondSignature', fixed64],
    ],
  },
} satisfies Record<string, Schema>

/** What became of a report. */
export type ReportEnd = 'taken' | 'refused' | 'failed'

export class NodeReports {
  constructor(
    private readonly node: RunningNode,
    private readonly sequences: NodeSequences,
    private readonly now: () => number,
  ) {}

  /** refused: final on the chain, and it did not want it. failed: not final in time, or never sent. */
  async report(
    method: keyof typeof schemas,
    values: Record<string, unknown>,
    waitMs: number,
  ): Promise<ReportEnd> {
    const args = encodeBorsh(schemas[method], values)
    if (!args.ok) throw new Error(`${alias} ${method}: ${args.detail ?? args.code}`)
    const { publicKey } = this.node.identity.vote
    // Its entity stays when its vote key is rotated.
    const { entity } = this.node
    const draft = draftCall(alias, method, args.value, [])
    const sender = {
      chainId: this.node.open.chainId,
      entity,
      publicKey,
    }
    const sequence = await this.sequences.next(sha256(publicKey).slice(0, 16), reportStream)
    const validUntil = this.now() + validMs
    const terms = { stream: reportStream, sequence, validUntil, fuelLimit }
    const bundle = signBundle(payloadOf(sender, draft, terms), draft, this.node.identity.vote)
    const outcome = await this.node.submit(bundle, waitMs)
    if (!outcome.ok) return 'failed'
    return outcome.receipts[0]?.status === 0 ? 'taken' : 'refused'
  }

  /** False when governance refuses this node its shares. A chain without the contract refuses nothing. */
  async mayRelease(node: Uint8Array): Promise<boolean> {
    const answer = await applianceView(this.node, 'mayRelease', node)
    return answer === undefined || answer[0] === 1
  }

  /** Undefined on a chain without the contract. */
  wipeOrder(node: Uint8Array): Promise<WipeOrderView | undefined> {
    return wipeOrderOf(this.node, node)
  }
}
