// A node's own keys: vote key, transport key, and one key for each source attached to its gateway. They
// are made on the node and never leave it; on disk they lie in a file sealed under the store key.
import { decodeCbor, encodeCbor, type CborValue } from '../../runtime/protocol/cbor.js'
import { entityIdOf } from '../../runtime/protocol/entity.js'
import { generateSigningKey, seedOf, sha256, takeSeed, destroyKey, type SigningKey } from './crypto.js'

export interface NodeIdentity {
  /** Entity id: follows from the first vote key and outlives it. */
  entity: Uint8Array
  vote: SigningKey
  /** A vote key that was made here and does not vote yet: a rotation that is under way. */
  nextVote?: SigningKey
  transport: SigningKey
  sources: Map<string, SigningKey>
}

export function generateNodeIdentity(sourceNames: readonly string[]): NodeIdentity {
  const vote = generateSigningKey()
  return {
    entity: entityIdOf(sha256, vote.publicKey),
    vote,
    transport: generateSigningKey(),
    sources: new Map(sourceNames.map((name) => [name, generateSigningKey()])),
  }
}

/**
 * CBOR [vote seed, transport seed, [[source name, seed]...], entity, next vote seed or null]: plaintext for
 * `sealedFile` only.
 */
export function encodeIdentity(identity: NodeIdentity): Uint8Array {
  const sources = [...identity.sources].map(([name, key]): CborValue => [name, seedOf(key)])
  const next = identity.nextVote ? seedOf(identity.nextVote) : null
  return encodeCbor([seedOf(identity.vote), seedOf(identity.transport), sources, identity.entity, next])
}

/**
 * Rebuilds the keys; throws on bytes that `encodeIdentity` did not make (they come from our own sealed
 * file).
 */
export function decodeIdentity(bytes: Uint8Array): NodeIdentity {
  const decoded = decodeCbor(bytes)
  if (!decoded.ok || !Array.isArray(decoded.value)) throw new Error('identity file: layout')
  const [seed, transport, sources, entity, next] = decoded.value as [
    Uint8Array,
    Uint8Array,
    [string, Uint8Array][],
    Uint8Array,
    Uint8Array | null,
  ]
  return {
    entity,
    vote: takeSeed(seed),
    ...(next && { nextVote: takeSeed(next) }),
    transport: takeSeed(transport),
    sources: new Map(sources.map(([name, own]) => [name, takeSeed(own)])),
  }
}

export function destroyIdentity(identity: NodeIdentity): void {
  const { vote, nextVote, transport, sources } = identity
  for (const key of [vote, transport, ...(nextVote ? [nextVote] : []), ...sources.values()]) destroyKey(key)
}
