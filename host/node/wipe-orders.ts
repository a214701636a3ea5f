// What the chain says of the wipe of a machine (`ward/appliance`): who asked, who joined, how far it is.
import { bytesToHex, decodeBorsh, encodeBorsh, type Schema } from '../../runtime/protocol/index.js'
import type { WipeJson } from '../api/network-json.js'
import type { RunningNode } from './running-node.js'

const alias = 'ward/appliance'
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

/** 0 none, 1 requested, 2 ordered, 3 begun, 4 ended. */
export interface WipeOrderView {
  state: number
  requestedBy: Uint8Array
  confirmedBy: Uint8Array
  height: bigint
  reason: string
  certificate: Uint8Array
}

const stateNames = ['none', 'requested', 'ordered', 'begun', 'ended'] as const

/** A view that takes a node. Undefined on a chain without the contract; throws on any other failure. */
export async function applianceView(
  { executor, entity }: RunningNode,
  method: string,
  node: Uint8Array,
): Promise<Uint8Array | undefined> {
  const args = encodeBorsh(nodeArgument, { node })
  if (!args.ok) return undefined
  const question = { target: alias, method, args: args.value, caller: entity }
  const answer = await executor.call('view', question)
  if (answer.ok) return answer.returned
  if (answer.code === 'CONTRACT_UNKNOWN') return undefined
  throw new Error(`${alias} ${method}: ${answer.code}`)
}

/** Undefined on a chain without the contract. */
export async function wipeOrderOf(
  node: RunningNode,
  entity: Uint8Array,
): Promise<WipeOrderView | undefined> {
  const answer = await applianceView(node, 'wipeOrder', entity)
  const decoded = answer && decodeBorsh(wipeOrderSchema, answer)
  return decoded?.ok ? (decoded.value as unknown as WipeOrderView) : undefined
}

/** A contract that does not answer makes this `unknown` and hides nothing else of the network. */
export async function wipeJsonOf(node: RunningNode, entity: Uint8Array): Promise<WipeJson> {
  try {
    const order = await wipeOrderOf(node, entity)
    if (!order || order.state === 0) return { state: 'none' }
    return {
      state: stateNames.at(order.state) ?? 'unknown',
      requestedBy: bytesToHex(order.requestedBy),
      confirmedBy: bytesToHex(order.confirmedBy),
      height: Number(order.height),
      reason: order.reason,
      certificate: bytesToHex(order.certificate),
    }
  } catch {
    return { state: 'unknown' }
  }
}
