// A person's transaction at a node of a test, from the proposal to its receipt.
import type { Proposal, ReceiptView, Session } from '../api/node-port.js'
import { during, until } from './patience.fixture.js'
import type { WardNode } from './ward-node.js'

/** Prepares and signs; throws on anything but a receipt. A late one is waited for: it is not lost. */
export async function signAt(
  node: WardNode,
  session: Session,
  proposal: Proposal,
  secondPassword: Uint8Array,
): Promise<ReceiptView> {
  const what = proposal.type === 'call' ? `${proposal.target} ${proposal.method}` : 'append'
  const prepared = await during(`preparing ${what}`, node.prepare(session, proposal))
  if (!prepared.ok) throw new Error(`${prepared.code} ${prepared.detail ?? ''}`)
  const password = prepared.value.passwordNeeded ? secondPassword.slice() : undefined
  const receipt = await during(`signing ${what}`, node.sign(session, prepared.value.id, password))
  if (receipt.ok) return receipt.value
  if (receipt.code !== 'NOT_FINAL_IN_TIME') throw new Error(`${receipt.code} ${receipt.detail ?? ''}`)
  let late: ReceiptView | undefined
  await until(`${what} is final`, async () => {
    const found = await node.transaction(receipt.detail ?? '')
    late = found.ok ? found.value.receipt : undefined
    return late !== undefined
  })
  if (late === undefined) throw new Error(receipt.code)
  return late
}
