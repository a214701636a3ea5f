// A ticket: what a fresh computer needs to become a node. It holds the secret key of an identity that an
// administrator put on chain by a signed transaction, for some admissions and some days: whoever has the file
// may use it, so it is handed over like a key and is worth nothing afterwards.
import { readFileSync } from 'node:fs'
import {
  bytesToHex,
  encodeBorsh,
  entityIdOf,
  hexToBytes,
  kernelCommandSchemas,
  kernelCommandTag,
  nodeProofBytes,
  type KeyQuorum,
  type NodeCardFields,
  type NodeRole,
  type Schema,
} from '../../runtime/protocol/index.js'
import { randomBytes, sha256, signDetached, signingKeyFromSeed, type SigningKey } from '../keys/crypto.js'
import type { BootstrapPeer } from '../node/network-book.js'
import { NodeError } from '../node/node-error.js'
import { draftCall, payloadOf, signBundle } from '../node/transaction-builder.js'

export interface Ticket {
  /** Hash of the founding document: the document itself is handed out after admission and checked by it. */
  chainId: Uint8Array
  chainName: string
  epoch: number
  role: NodeRole
  /** ms since 1970. */
  expires: number
  /** Seed of the ticket's key: the admission secret. */
  secret: Uint8Array
  /** Validators with pinned keys and addresses. */
  peers: BootstrapPeer[]
  /** Whose release images this network installs (`ward reflash`), as its founding document says. */
  release?: KeyQuorum
}

interface TicketJson {
  type: 'ward-ticket'
  version: 1
  chainId: string
  chainName: string
  epoch: number
  role: NodeRole
  expires: number
  secret: string
  peers: { entity: string; transportKey: string; host: string; port: number }[]
  release?: { threshold: number; keys: string[] }
}

/** JSON with byte fields in hex: readable, so that a person sees what it is and for how long. */
export function encodeTicket(ticket: Ticket): string {
  const json: TicketJson = {
    type: 'ward-ticket',
    version: 1,
    chainId: bytesToHex(ticket.chainId),
    chainName: ticket.chainName,
    epoch: ticket.epoch,
    role: ticket.role,
    expires: ticket.expires,
    secret: bytesToHex(ticket.secret),
    peers: ticket.peers.map(({ entity, transportKey, host, port }) => ({
      entity: bytesToHex(entity),
      transportKey: bytesToHex(transportKey),
      host,
      port,
    })),
    ...(ticket.release && {
      release: { threshold: ticket.release.threshold, keys: ticket.release.keys.map(bytesToHex) },
    }),
  }
  return `${JSON.stringify(json, null, 2)}\n`
}

/** Throws NodeError TICKET_MALFORMED. */
export function readTicketFile(file: string): Ticket {
  try {
    return ticketFromJson(JSON.parse(readFileSync(file, 'utf8')) as Partial<TicketJson>)
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new NodeError('TICKET_MALFORMED', isMissing ? `${file}: no such file` : file, error)
  }
}

function ticketFromJson(json: Partial<TicketJson>): Ticket {
  if (json.type !== 'ward-ticket' || json.version !== 1) throw new Error('not a ticket of this version')
  const role = json.role
  if (role !== 'validator' && role !== 'observer' && role !== 'gateway') throw new Error('role')
  const peers = (json.peers ?? []).map(({ entity, transportKey, host, port }) => {
    if (!/^[\d.]{7,15}$/.test(host) || !Number.isInteger(port) || port < 1 || port > 65_535)
      throw new Error('address')
    return { entity: bytesOf(entity), transportKey: bytesOf(transportKey), host, port }
  })
  if (peers.length === 0) throw new Error('no address to go to')
  return {
    chainId: bytesOf(json.chainId),
    chainName: String(json.chainName),
    epoch: wholeOf(json.epoch),
    role,
    expires: wholeOf(json.expires),
    secret: bytesOf(json.secret),
    peers,
    ...(json.release && { release: quorumOf(json.release) }),
  }
}

function quorumOf({ threshold, keys }: { threshold: number; keys: string[] }): KeyQuorum {
  const trusted = keys.map(bytesOf)
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > trusted.length)
    throw new Error('release')
  return { threshold, keys: trusted }
}

function bytesOf(value: unknown): Uint8Array {
  const bytes = typeof value === 'string' ? hexToBytes(value) : undefined
  if (bytes?.length !== 32) throw new Error('32 bytes in hex expected')
  return bytes
}

function wholeOf(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new Error('whole number expected')
  return value as number
}

/** Fuel that `redeemTicket` may use, by its manifest. */
const redeemFuel = 8_000_000
const admissionValidMs = 10 * 60_000

/**
 * The transaction by which a ticket's holder asks for the admission of a node, signed with the ticket's key;
 * the card inside is signed with the node's vote key. Drawn at random, because several computers may use one
 * ticket: place in the replay window.
 */
export function admissionBundle(parts: {
  ticket: Ticket
  key: SigningKey
  card: NodeCardFields
  vote: SigningKey
  now: number
}): Uint8Array {
  const { ticket, key, card, vote, now } = parts
  const proof = signDetached(vote, nodeProofBytes(ticket.chainId, card))
  const schema = kernelCommandSchemas.get(kernelCommandTag.redeemTicket) as Schema
  const args = encodeBorsh(schema, { ...card, proof })
  if (!args.ok) throw new NodeError('CARD_MALFORMED', args.detail ?? args.code)
  const draft = draftCall('ward/governance', 'redeemTicket', args.value, [])
  const entity = entityIdOf(sha256, key.publicKey)
  const sender = { chainId: ticket.chainId, entity, publicKey: key.publicKey }
  const [stream, high, low] = randomBytes(3)
  const validUntil = Math.min(now + admissionValidMs, ticket.expires)
  const terms = {
    stream: stream % 16,
    sequence: (high * 256 + low) % 512,
    validUntil,
    fuelLimit: redeemFuel,
  }
  return signBundle(payloadOf(sender, draft, terms), draft, key)
}

export const ticketKey = (ticket: Ticket): SigningKey => signingKeyFromSeed(ticket.secret)
