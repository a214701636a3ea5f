// Cards: the public half of a node or a person, in a small JSON file that its owner hands to the founder.
import { readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '../../runtime/protocol/index.js'
import { NodeError } from '../node/node-error.js'

export interface SourceCard {
  name: string
  publicKey: Uint8Array
}

export interface NodeCard {
  type: 'node'
  name: string
  role: 'validator' | 'observer' | 'gateway'
  voteKey: Uint8Array
  transportKey: Uint8Array
  host: string
  port: number
  sources: SourceCard[]
}

export interface PersonCard {
  type: 'person'
  label: string
  roles: string[]
  publicKey: Uint8Array
  /** Secret key under the person's password (host/keys/person-keystore.ts). */
  keystore: Uint8Array
}

export type Card = NodeCard | PersonCard

/** JSON with byte fields in hex. */
export function encodeCard(card: Card): string {
  const text = JSON.stringify(
    card,
    (_, value: unknown) => (value instanceof Uint8Array ? bytesToHex(value) : value),
    2,
  )
  return `${text}\n`
}

/** Throws NodeError CARD_MALFORMED. */
export function readCard(file: string): Card {
  try {
    return cardFromJson(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)
  } catch (error) {
    throw new NodeError('CARD_MALFORMED', file, error)
  }
}

function cardFromJson(json: Record<string, unknown>): Card {
  if (json.type === 'person') {
    return {
      type: 'person',
      label: textOf(json.label),
      roles: (json.roles as unknown[]).map(textOf),
      publicKey: bytesOf(json.publicKey, 32),
      keystore: bytesOf(json.keystore),
    }
  }
  if (json.type !== 'node' || !['validator', 'observer', 'gateway'].includes(textOf(json.role)))
    throw new Error('type')
  return {
    type: 'node',
    name: textOf(json.name),
    role: json.role as NodeCard['role'],
    voteKey: bytesOf(json.voteKey, 32),
    transportKey: bytesOf(json.transportKey, 32),
    host: textOf(json.host),
    port: Number(json.port),
    sources: (json.sources as Record<string, unknown>[]).map((source) => ({
      name: textOf(source.name),
      publicKey: bytesOf(source.publicKey, 32),
    })),
  }
}

function textOf(value: unknown): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > 100)
    throw new Error('text expected')
  return value
}

function bytesOf(value: unknown, length?: number): Uint8Array {
  const bytes = typeof value === 'string' ? hexToBytes(value) : undefined
  if (!bytes || (length !== undefined && bytes.length !== length)) throw new Error('hex expected')
  return bytes
}
