// Tickets: an administrator's signed permission to admit nodes, bounded in number and time. A ticket is an
// identity with a key of its own; whoever holds the key may have one node admitted for each use.
//
//   point entity 32              the ticket's row
//   ordered table 0, by expiry   entity: the host lists those that may still be used
import { entityKind } from '../protocol/entity.js'
import type { Schema } from '../protocol/borsh.js'
import type { Hash } from '../protocol/hash.js'
import { assert } from '../protocol/result.js'
import { keyIdOf } from '../protocol/entity.js'
import type { Overlay } from '../state/overlay.js'
import { orderMax, type StateReader } from '../state/store-interface.js'
import { putEntity, revokeKey } from './entities.js'
import { decodeRow, encodeRow, store } from './kernel-tables.js'

/** Tickets that may be used at one time. */
export const ticketsLiveMax = 64
export const ticketUsesMax = 256
export const ticketLifeMsMax = 30 * 24 * 3_600_000

const ticketRow: Schema = {
  struct: [
    ['publicKey', { fixed: 32 }],
    ['role', 'u8'],
    ['usesLeft', 'u16'],
    ['expires', 'u64'],
    ['sequence', 'u32'],
    ['issuer', { fixed: 32 }],
    ['replaces', { option: { fixed: 32 } }],
  ],
}
export interface TicketRow {
  publicKey: Uint8Array
  /** Index into `nodeRoles`: what it admits. */
  role: number
  usesLeft: number
  /** ms since 1970: not used after this block time. */
  expires: bigint
  /** Of its row in the list by expiry. */
  sequence: number
  issuer: Uint8Array
  /** Node that is removed when the ticket is used; such a ticket has one use. */
  replaces: Uint8Array | null
}

export interface TicketIssue extends Pick<TicketRow, 'publicKey' | 'role' | 'expires' | 'replaces'> {
  uses: number
}

const listTable = 0
const everywhere = new Uint8Array(0)

export function readTicket(state: StateReader, entity: Uint8Array): TicketRow | undefined {
  const row = state.get(store.ticket, entity)
  return row === undefined ? undefined : decodeRow<TicketRow>(ticketRow, row)
}

/** Tickets that a block at this time would still take, soonest expiry first. */
export function liveTickets(state: StateReader, time: number): { entity: Uint8Array; row: TicketRow }[] {
  const listed = state.scan(store.ticket, listTable, everywhere, BigInt(time), orderMax, ticketsLiveMax)
  return listed.flatMap(({ value: entity }) => {
    const row = readTicket(state, entity)
    return row === undefined || row.usesLeft === 0 ? [] : [{ entity, row }]
  })
}

export function putTicket(
  overlay: Overlay,
  hash: Hash,
  ticket: { entity: Uint8Array; issuer: Uint8Array; issue: TicketIssue },
): void {
  const { entity, issuer, issue } = ticket
  const { publicKey, role, uses, expires, replaces } = issue
  putEntity(overlay, hash, { id: entity, kind: entityKind.service, label: 'ticket', publicKey })
  const sequence = overlay.orderedPut(store.ticket, listTable, everywhere, expires, entity)
  const row: TicketRow = { publicKey, role, usesLeft: uses, expires, sequence, issuer, replaces }
  overlay.set(store.ticket, entity, encodeRow(ticketRow, row))
}

/** One use less; with the last one the ticket's key is revoked. */
export function useTicket(overlay: Overlay, hash: Hash, entity: Uint8Array): void {
  const row = readTicket(overlay, entity)
  assert(row !== undefined && row.usesLeft > 0, 'only a ticket with uses left is used')
  if (row.usesLeft === 1) return endTicket(overlay, hash, entity)
  overlay.set(store.ticket, entity, encodeRow(ticketRow, { ...row, usesLeft: row.usesLeft - 1 }))
}

/** Used up or withdrawn: nothing signed with its key is taken any more. */
export function endTicket(overlay: Overlay, hash: Hash, entity: Uint8Array): void {
  const row = readTicket(overlay, entity)
  assert(row !== undefined, 'only a known ticket ends')
  overlay.set(store.ticket, entity, encodeRow(ticketRow, { ...row, usesLeft: 0 }))
  overlay.orderedRemove(store.ticket, listTable, everywhere, row.expires, row.sequence)
  revokeKey(overlay, keyIdOf(hash, row.publicKey))
}
