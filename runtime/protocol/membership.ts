// Who belongs to the network: a node's card as it is signed, what a candidate signs, and the statements of
// institution keys. Byte layouts only; the rules are in runtime/execution/membership-commands.ts.
import { encodeBorsh, type Schema } from './borsh.js'
import { concatBytes, u32Bytes, utf8 } from './bytes.js'
import { assert } from './result.js'

/** Position = number in cards and state. A `validator` is set up to vote; the validator set says who does. */
export const nodeRoles = ['validator', 'observer', 'gateway'] as const
export type NodeRole = (typeof nodeRoles)[number]

export interface NodeCardFields {
  /** 1..64 printable ASCII characters, unique among the nodes that are listed. */
  name: string
  /** Index into `nodeRoles`. */
  role: number
  voteKey: Uint8Array
  transportKey: Uint8Array
  /** IPv4 literal; with port 0 nobody dials this node. */
  host: string
  port: number
}

const fixed32: Schema = { fixed: 32 }
const fixed64: Schema = { fixed: 64 }

export const nodeCardFields: [string, Schema][] = [
  ['name', 'string'],
  ['role', 'u8'],
  ['voteKey', fixed32],
  ['transportKey', fixed32],
  ['host', 'string'],
  ['port', 'u16'],
]

/** A card with the signature of its own vote key: nobody enrols a key that it does not hold. */
export const signedCardFields: [string, Schema][] = [...nodeCardFields, ['proof', fixed64]]

/** "wardchain/node-card/1" ‖ chain id 32 ‖ Borsh card: signed by the card's vote key. */
export function nodeProofBytes(chainId: Uint8Array, card: NodeCardFields): Uint8Array {
  return concatBytes(utf8('wardchain/node-card/1'), chainId, borshOf({ struct: nodeCardFields }, card))
}

export const validatorAction = { add: 1, remove: 2, rotate: 3, replace: 4 } as const
export type ValidatorActionName = keyof typeof validatorAction

/** One change of the validator set. `height` and `resultHash` are the newest final block that the key saw. */
export interface ValidatorChangeFields {
  action: number
  /** The member that is added, removed or given another key; for `replace` the one that goes. */
  entity: Uint8Array
  /** The node that votes afterwards: `entity` itself, but for `replace` the one that comes. */
  successor: Uint8Array
  /** Key that votes afterwards; 32 zero bytes for `remove`. */
  voteKey: Uint8Array
  height: bigint
  resultHash: Uint8Array
  /** Signature of `voteKey`; 64 zero bytes for `remove`. */
  proof: Uint8Array
  /**
   * Signature of the key that the chain knows for `successor`, needed when `voteKey` is another one. Null:
   * two administrators say it instead.
   */
  consent: Uint8Array | null
}

export const validatorChangeFields: [string, Schema][] = [
  ['action', 'u8'],
  ['entity', fixed32],
  ['successor', fixed32],
  ['voteKey', fixed32],
  ['height', 'u64'],
  ['resultHash', fixed32],
  ['proof', fixed64],
  ['consent', { option: fixed64 }],
]

/** A change without the signatures under it. */
export type ValidatorStatement = Omit<ValidatorChangeFields, 'proof' | 'consent'>
const statementSchema: Schema = { struct: validatorChangeFields.slice(0, -2) }

/** "wardchain/validator-ready/1" ‖ chain id 32 ‖ Borsh statement: signed by the new key. */
export function readinessBytes(chainId: Uint8Array, statement: ValidatorStatement): Uint8Array {
  return concatBytes(utf8('wardchain/validator-ready/1'), chainId, borshOf(statementSchema, statement))
}

/** "wardchain/validator-consent/1" ‖ chain id 32 ‖ Borsh statement: signed by the key that votes before. */
export function consentBytes(chainId: Uint8Array, statement: ValidatorStatement): Uint8Array {
  return concatBytes(utf8('wardchain/validator-consent/1'), chainId, borshOf(statementSchema, statement))
}

/** M-of-N: this many different keys of the list must have signed. Without keys nothing can be signed. */
export interface KeyQuorum {
  threshold: number
  keys: Uint8Array[]
}

export interface KeySignature {
  key: Uint8Array
  signature: Uint8Array
}

export const keySignatures: Schema = {
  vec: {
    struct: [
      ['key', fixed32],
      ['signature', fixed64],
    ],
  },
}

/**
 * What institution keys sign to force a validator set: "wardchain/force-validators/1" ‖ chain id 32 ‖ epoch
 * u32 BE ‖ hash of the set in force 32 ‖ hash of the new set 32. Good once: only while that set is in force.
 */
export function forceValidatorsBytes(parts: {
  chainId: Uint8Array
  epoch: number
  currentHash: Uint8Array
  nextHash: Uint8Array
}): Uint8Array {
  const { chainId, epoch, currentHash, nextHash } = parts
  return concatBytes(utf8('wardchain/force-validators/1'), chainId, u32Bytes(epoch), currentHash, nextHash)
}

/** Different keys of the quorum that signed these bytes. */
export function countSignatures(
  quorum: KeyQuorum,
  bytes: Uint8Array,
  signatures: readonly KeySignature[],
  verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean,
): number {
  const known = new Set(quorum.keys.map((key) => key.join()))
  const good = new Set<string>()
  for (const { key, signature } of signatures) {
    const name = key.join()
    if (known.has(name) && !good.has(name) && verify(key, bytes, signature)) good.add(name)
  }
  return good.size
}

export const hasQuorum = (quorum: KeyQuorum, count: number): boolean =>
  quorum.threshold > 0 && count >= quorum.threshold

function borshOf(schema: Schema, value: unknown): Uint8Array {
  const encoded = encodeBorsh(schema, value)
  assert(encoded.ok, 'a membership statement fits its schema')
  return encoded.value
}
