// Identities: everything that signs or is named on chain.
import { utf8 } from './bytes.js'
import { encodeCbor } from './cbor.js'
import type { Validator } from './certificate.js'
import { hashWithDomain, type Hash } from './hash.js'

export const entityKind = {
  person: 1,
  source: 2,
  gateway: 3,
  node: 4,
  vendor: 5,
  service: 6,
  contract: 7,
} as const
export type EntityKindName = keyof typeof entityKind

/** Entity id = H("wardchain/entity/1" ‖ first public key). */
export const entityIdOf = (hash: Hash, publicKey: Uint8Array): Uint8Array =>
  hashWithDomain(hash, 'wardchain/entity/1', publicKey)

/** A contract's identity follows its alias, not its code: H("wardchain/alias/1" ‖ alias). */
export const aliasEntityId = (hash: Hash, alias: string): Uint8Array =>
  hashWithDomain(hash, 'wardchain/alias/1', utf8(alias))

/** Key id = first 16 bytes of SHA-256(public key). */
export const keyIdOf = (hash: Hash, publicKey: Uint8Array): Uint8Array => hash(publicKey).slice(0, 16)

/** Caller of kernel-made calls (alert_raise, policy questions, genesis). */
export const kernelEntity: Uint8Array = new Uint8Array(32)

/** Hash of an ordered validator set: H("wardchain/validators/1" ‖ CBOR [[entity, vote key]...]). */
export function validatorsHash(hash: Hash, validators: readonly Validator[]): Uint8Array {
  const list = encodeCbor(validators.map((validator) => [validator.entity, validator.voteKey]))
  return hashWithDomain(hash, 'wardchain/validators/1', list)
}
