// Nodes and tickets as the main thread needs them, read from the state.
import { listNodes, liveTickets } from '../../runtime/execution/index.js'
import { store as tables } from '../../runtime/execution/kernel-tables.js'
import type { StateReader, WriteSet } from '../../runtime/state/index.js'
import type { NetworkView } from './messages.js'

export function networkView(state: StateReader, time: number): NetworkView {
  const tickets = liveTickets(state, time).map(({ row }) => ({
    publicKey: row.publicKey,
    expires: Number(row.expires),
  }))
  return { nodes: listNodes(state), tickets }
}

/** Did this block touch a node or a ticket? */
export const changesNetwork = (writes: WriteSet): boolean =>
  writes.state.some(({ store }) => store === tables.node || store === tables.ticket)
