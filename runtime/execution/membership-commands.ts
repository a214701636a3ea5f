// Commands that change who belongs to the network: nodes, tickets, validators. Each is validated at once,
// against the state and the commands accepted before it in this block, and applied at the block's end.
//
// One validator at a time: it votes (or votes no more) from the block after the next one on, so that every
// node knows the new set before the first vote that it must count.
import { equalBytes, compareBytes } from '../protocol/bytes.js'
import type { Validator } from '../protocol/certificate.js'
import { entityIdOf } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { nodeProofBytes, nodeRoles, type KeyQuorum, type NodeCardFields } from '../protocol/membership.js'
import { assert, ok, refused, type Result } from '../protocol/result.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { readValidators } from './block-validity.js'
import { readEntity, readKey } from './entities.js'
import { keyIdOf } from '../protocol/entity.js'
import type { Kernel, Run } from './kernel.js'
import {
  decodeRow,
  encodeRow,
  institutionKey,
  institutionRow,
  onlyKey,
  pendingKey,
  pendingRow,
  store,
  validatorRow,
} from './kernel-tables.js'
import type { KernelCommand } from './kernel-commands.js'
import {
  changeNode,
  delistNode,
  nodeCount,
  nodeOfName,
  nodeOfTransportKey,
  nodesMax,
  putNode,
  readNode,
} from './node-registry.js'
import {
  endTicket,
  liveTickets,
  putTicket,
  readTicket,
  ticketLifeMsMax,
  ticketsLiveMax,
  ticketUsesMax,
  useTicket,
  type TicketIssue,
} from './tickets.js'

import { dropValidatorsRequest, putValidatorsRequest, type ValidatorsRequest } from './validator-words.js'

export type MembershipCommand =
  | { type: 'admitNode'; entity: Uint8Array; card: NodeCardFields; ticket?: Uint8Array }
  | { type: 'removeNode'; entity: Uint8Array }
  | { type: 'rotateNode'; entity: Uint8Array; transportKey: Uint8Array; host: string; port: number }
  | { type: 'setValidators'; validators: Validator[]; roles: RoleChange[] }
  | ValidatorsRequest
  | { type: 'issueTicket'; entity: Uint8Array; issuer: Uint8Array; issue: TicketIssue }
  | { type: 'revokeTicket'; entity: Uint8Array }

/** What a change of validators says of a node's row. */
export interface RoleChange {
  entity: Uint8Array
  role: number
  voteKey: Uint8Array | null
}

export type Checked = Result<MembershipCommand, ErrorCode>

/** A change decided in block h acts in block h + 2. */
export const validatorDelay = 2

const validatorIndex = nodeRoles.indexOf('validator')

export function pendingOf(run: Run): KernelCommand[] {
  return [...run.kernel.commands, ...run.effects.commands]
}

// ---------------------------------------------------------------------------------------------------- nodes

/** The card fits its own key's signature, its name and keys are free, and there is room. */
export function checkAdmit(run: Run, body: NodeCardFields & { proof: Uint8Array }): Checked {
  const { kernel } = run
  const { proof, ...card } = body
  const shape = cardProblem(card)
  if (shape !== undefined) return refused('NODE_REFUSED', shape)
  if (!kernel.ports.verify(card.voteKey, nodeProofBytes(kernel.chain.chainId, card), proof)) {
    return refused('PROOF_INVALID', card.name)
  }
  const entity = entityIdOf(kernel.hash, card.voteKey)
  const free = freeProblem(run, entity, card, undefined)
  return free === undefined ? ok({ type: 'admitNode', entity, card }) : refused('NODE_REFUSED', free)
}

function cardProblem(card: Pick<NodeCardFields, 'name' | 'role' | 'host' | 'port'>): string | undefined {
  if (!/^[\x21-\x7e]{1,64}$/.test(card.name)) return 'name: 1 to 64 printable characters without spaces'
  if (card.role >= nodeRoles.length) return 'unknown role'
  if (!isIpv4(card.host)) return 'host: an IPv4 address'
  return card.role === validatorIndex && card.port === 0 ? 'a validator needs a fixed port' : undefined
}

const isIpv4 = (host: string): boolean =>
  /^(\d{1,3}\.){3}\d{1,3}$/.test(host) && host.split('.').every((part) => Number(part) <= 255)

/** Why this card cannot be listed now; `leaving` makes way in the same moment. */
function freeProblem(
  run: Run,
  entity: Uint8Array,
  card: NodeCardFields,
  leaving: Uint8Array | undefined,
): string | undefined {
  const { overlay } = run.kernel
  if (readNode(overlay, entity) !== undefined) return 'this node was listed before; make a new identity'
  if (readEntity(overlay, entity) !== undefined || readKey(overlay, keyIdOf(run.kernel.hash, card.voteKey)))
    return 'its key belongs to somebody else'
  const holds = (holder: Uint8Array | undefined): boolean =>
    holder !== undefined && (leaving === undefined || !equalBytes(holder, leaving))
  if (holds(nodeOfName(overlay, card.name))) return `another node is called ${card.name}`
  if (holds(nodeOfTransportKey(overlay, card.transportKey))) return 'another node has this transport key'
  let arriving = 0
  for (const command of pendingOf(run)) {
    if (command.type === 'rotateNode' && equalBytes(command.transportKey, card.transportKey))
      return 'another node has this transport key'
    const isEnrolment = command.type === 'addEntity' || command.type === 'addKey'
    if (isEnrolment && equalBytes(command.publicKey, card.voteKey))
      return 'its key belongs to somebody else'
    if (command.type !== 'admitNode') continue
    arriving += 1
    if (equalBytes(command.entity, entity) || command.card.name === card.name)
      return 'this block lists such a node already'
    if (equalBytes(command.card.transportKey, card.transportKey))
      return 'another node has this transport key'
  }
  return nodeCount(overlay) + arriving >= nodesMax ? 'the network lists as many nodes as it may' : undefined
}

export function checkRemoveNode(run: Run, entity: Uint8Array): Checked {
  const problem = removalProblem(run, entity)
  return problem === undefined ? ok({ type: 'removeNode', entity }) : refused('NODE_REFUSED', problem)
}

function removalProblem(run: Run, entity: Uint8Array): string | undefined {
  const { overlay } = run.kernel
  if (readNode(overlay, entity)?.listed !== true) return 'no such node is listed'
  if (isMember(overlay, entity)) return 'it is a validator: remove it from the validators first'
  const isChanged = pendingOf(run).some((command) => {
    if (command.type === 'setValidators')
      return command.validators.some((validator) => equalBytes(validator.entity, entity))
    const isNode = command.type === 'removeNode' || command.type === 'rotateNode'
    return isNode && equalBytes(command.entity, entity)
  })
  return isChanged ? 'this block changes it already' : undefined
}

/** In the set of the next block or in the one that waits. */
function isMember(state: StateReader, entity: Uint8Array): boolean {
  const sets = [readValidators(state), readPending(state)?.validators ?? []]
  return sets.flat().some((validator) => equalBytes(validator.entity, entity))
}

export function checkRotateNode(
  run: Run,
  body: { entity: Uint8Array; transportKey: Uint8Array; host: string; port: number },
): Checked {
  const { overlay } = run.kernel
  const row = readNode(overlay, body.entity)
  if (row?.listed !== true) return refused('NODE_REFUSED', 'no such node is listed')
  const shape = cardProblem({ ...row, ...body })
  if (shape !== undefined) return refused('NODE_REFUSED', shape)
  const holder = nodeOfTransportKey(overlay, body.transportKey)
  const isTaken =
    (holder !== undefined && !equalBytes(holder, body.entity)) ||
    pendingOf(run).some((command) => {
      if (command.type === 'admitNode') return equalBytes(command.card.transportKey, body.transportKey)
      return command.type === 'rotateNode' && equalBytes(command.transportKey, body.transportKey)
    })
  if (isTaken) return refused('NODE_REFUSED', 'another node has this transport key')
  const isChanged = pendingOf(run).some(
    (command) =>
      (command.type === 'removeNode' || command.type === 'rotateNode') &&
      equalBytes(command.entity, body.entity),
  )
  return isChanged
    ? refused('NODE_REFUSED', 'this block changes it already')
    : ok({ type: 'rotateNode', ...body })
}

// -------------------------------------------------------------------------------------------------- tickets

export function checkIssue(
  run: Run,
  body: { publicKey: Uint8Array; role: number; uses: number; expires: bigint; replaces: Uint8Array | null },
): Checked {
  const { kernel } = run
  const { publicKey, role, uses, expires, replaces } = body
  const entity = entityIdOf(kernel.hash, publicKey)
  if (role >= nodeRoles.length) return refused('ARGUMENT_INVALID', 'role')
  if (uses < 1 || uses > ticketUsesMax) return refused('ARGUMENT_INVALID', `1 to ${ticketUsesMax} uses`)
  const now = BigInt(kernel.time)
  if (expires <= now || expires > now + BigInt(ticketLifeMsMax))
    return refused('ARGUMENT_INVALID', 'a ticket ends within 30 days')
  if (replaces !== null) {
    if (uses !== 1) return refused('ARGUMENT_INVALID', 'a ticket that replaces a node has one use')
    const problem = removalProblem(run, replaces)
    if (problem !== undefined) return refused('NODE_REFUSED', problem)
  }
  const isKnown =
    readEntity(kernel.overlay, entity) !== undefined ||
    readKey(kernel.overlay, keyIdOf(kernel.hash, publicKey)) !== undefined ||
    pendingOf(run).some((command) => 'entity' in command && equalBytes(command.entity, entity))
  if (isKnown) return refused('ENTITY_EXISTS', 'ticket')
  const waiting = pendingOf(run).filter((command) => command.type === 'issueTicket').length
  if (liveTickets(kernel.overlay, kernel.time).length + waiting >= ticketsLiveMax) {
    return refused('LIMIT_EXCEEDED', `${ticketsLiveMax} tickets at a time`)
  }
  return ok({
    type: 'issueTicket',
    entity,
    issuer: run.origin,
    issue: { publicKey, role, uses, expires, replaces },
  })
}

export function checkRevokeTicket(run: Run, entity: Uint8Array): Checked {
  const row = readTicket(run.kernel.overlay, entity)
  if (row === undefined || row.usesLeft === 0) return refused('TICKET_REFUSED', 'it is not in use')
  const isEnding = pendingOf(run).some(
    (command) => command.type === 'revokeTicket' && equalBytes(command.entity, entity),
  )
  return isEnding ? refused('TICKET_REFUSED', 'withdrawn already') : ok({ type: 'revokeTicket', entity })
}

/** The signer of this transaction is the ticket; it admits one node of its role while it lasts. */
export function checkRedeem(run: Run, body: NodeCardFields & { proof: Uint8Array }): Checked {
  const { kernel, origin } = run
  const row = readTicket(kernel.overlay, origin)
  if (row === undefined) return refused('TICKET_REFUSED', 'the signer is no ticket')
  const spent = pendingOf(run).filter(
    (command) =>
      (command.type === 'admitNode' && command.ticket && equalBytes(command.ticket, origin)) ||
      (command.type === 'revokeTicket' && equalBytes(command.entity, origin)),
  ).length
  if (row.usesLeft - spent <= 0) return refused('TICKET_REFUSED', 'it is used up or withdrawn')
  if (BigInt(kernel.time) > row.expires) return refused('TICKET_REFUSED', 'it has expired')
  if (body.role !== row.role) {
    return refused('TICKET_REFUSED', `it admits a node with role ${nodeRoles[row.role]}`)
  }
  const { proof, ...card } = body
  const shape = cardProblem(card)
  if (shape !== undefined) return refused('NODE_REFUSED', shape)
  if (!kernel.ports.verify(card.voteKey, nodeProofBytes(kernel.chain.chainId, card), proof)) {
    return refused('PROOF_INVALID', card.name)
  }
  const entity = entityIdOf(kernel.hash, card.voteKey)
  const leaving = row.replaces ?? undefined
  if (leaving !== undefined && readNode(kernel.overlay, leaving)?.listed === true) {
    const problem = removalProblem(run, leaving)
    if (problem !== undefined) return refused('NODE_REFUSED', problem)
  }
  const free = freeProblem(run, entity, card, leaving)
  return free === undefined
    ? ok({ type: 'admitNode', entity, card, ticket: origin })
    : refused('NODE_REFUSED', free)
}

// ----------------------------------------------------------------------------------------------- validators

export interface PendingValidators {
  /** Height of the first block that they sign. */
  height: bigint
  validators: Validator[]
}

export function readPending(state: StateReader): PendingValidators | undefined {
  const row = state.get(store.validator, pendingKey)
  return row === undefined ? undefined : decodeRow<PendingValidators>(pendingRow, row)
}

export function readInstitution(state: StateReader): KeyQuorum | undefined {
  const row = state.get(store.chain, institutionKey)
  return row === undefined ? undefined : decodeRow<KeyQuorum>(institutionRow, row)
}

// -------------------------------------------------------------------------------------------- at block's end

export function applyMembership(kernel: Kernel, command: MembershipCommand): void {
  const { overlay, hash, height } = kernel
  switch (command.type) {
    case 'admitNode': {
      const ticket = command.ticket && readTicket(overlay, command.ticket)
      const leaving = ticket?.replaces ?? null
      if (leaving !== null && readNode(overlay, leaving)?.listed) delistNode(overlay, hash, leaving, height)
      putNode(overlay, hash, { entity: command.entity, card: command.card, height })
      if (command.ticket !== undefined) useTicket(overlay, hash, command.ticket)
      return
    }
    case 'removeNode':
      // A ticket that was used in this very block may have taken its place already.
      if (readNode(overlay, command.entity)?.listed) delistNode(overlay, hash, command.entity, height)
      return
    case 'rotateNode': {
      const { entity, transportKey, host, port } = command
      if (readNode(overlay, entity)?.listed)
        changeNode(overlay, hash, entity, { transportKey, host, port }, height)
      return
    }
    case 'setValidators':
      return setValidators(kernel, command)
    case 'requestValidators':
      return putValidatorsRequest(overlay, command)
    case 'issueTicket':
      return putTicket(overlay, hash, command)
    case 'revokeTicket': {
      const row = readTicket(overlay, command.entity)
      if (row !== undefined && row.usesLeft > 0) endTicket(overlay, hash, command.entity)
    }
  }
}

function setValidators(
  { overlay, hash, height }: Kernel,
  command: Extract<MembershipCommand, { type: 'setValidators' }>,
): void {
  const change = { current: readValidators(overlay), next: command.validators }
  dropValidatorsRequest(overlay, { hash }, change)
  const row = { height: BigInt(height + validatorDelay), validators: command.validators }
  overlay.set(store.validator, pendingKey, encodeRow(pendingRow, row))
  // Its transport and its neighbours follow at once: a member must be connected before it has to vote.
  for (const { entity, role, voteKey } of command.roles) {
    const node = readNode(overlay, entity)
    if (node?.listed !== true) continue
    const changed = node.role !== role || (voteKey !== null && compareBytes(voteKey, node.voteKey) !== 0)
    if (changed) changeNode(overlay, hash, entity, { role, ...(voteKey && { voteKey }) }, height)
  }
}

/** At the end of the block before the one that a waiting set signs first. */
export function promoteValidators(overlay: Overlay, height: number): void {
  const pending = readPending(overlay)
  if (pending === undefined || pending.height !== BigInt(height + 1)) return
  assert(pending.validators.length > 0, 'a set that waits has members')
  overlay.set(store.validator, onlyKey, encodeRow(validatorRow, pending.validators))
  overlay.remove(store.validator, pendingKey)
}
