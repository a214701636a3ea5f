// What a node says about itself and its peers on the chain (`ward/appliance`), signed with its own key, and
// what it asks there.
import { decodeBorsh, encodeBorsh, type Schema } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import type { NodeSequences } from './node-sequences.js'
import type { RunningNode } from './running-node.js'
import { draftCall, payloadOf, signBundle } from './transaction-builder.js'

const alias = 'ward/appliance'
/** Apart from any other stream that this key may sign on. */
const reportStream = 14
const fuelLimit = 20_000_000
const validMs = 10 * 60_000

const fixed32: Schema = { fixed: 32 }
const nodeArgument: Schema = { struct: [['node', fixed32]] }
const wipeOrderSchema: Schema = {
  struct: [
    ['state', 'u8'],
    ['requestedBy', fixed32],
    ['confirmedBy', fixed32],
    ['height', 'u64'],
    ['reason', 'string'],
    ['certificate', fixed32],
  ],
}
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
} satisfies Record<string, Schema>

/** 0 none, 1 requested, 2 ordered, 3 begun, 4 ended. */
export interface WipeOrderView {
  state: number
  requestedBy: Uint8Array
  confirmedBy: Uint8Array
  height: bigint
  reason: string
  certificate: Uint8Array
}

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
    const answer = await this.view('mayRelease', node)
    return answer === undefined || answer[0] === 1
  }

  /** Undefined on a chain without the contract. */
  async wipeOrder(node: Uint8Array): Promise<WipeOrderView | undefined> {
    const answer = await this.view('wipeOrder', node)
    const decoded = answer && decodeBorsh(wipeOrderSchema, answer)
    return decoded?.ok ? (decoded.value as unknown as WipeOrderView) : undefined
  }

  private async view(method: string, node: Uint8Array): Promise<Uint8Array | undefined> {
    const args = encodeBorsh(nodeArgument, { node })
    if (!args.ok) return undefined
    const caller = this.node.entity
    const answer = await this.node.executor.call('view', {
      target: alias,
      method,
      args: args.value,
      caller,
    })
    if (answer.ok) return answer.returned
    if (answer.code === 'CONTRACT_UNKNOWN') return undefined
    throw new Error(`${alias} ${method}: ${answer.code}`)
  }
}
