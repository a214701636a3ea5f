// A node's own keys: vote key, transport key, and one key for each source attached to its gateway. They
// are made on the node and never leave it; on disk they lie in a file sealed under the store key.
import { decodeCbor, encodeCbor, type CborValue } from '../../runtime/protocol/cbor.js'
import { generateSigningKey, seedOf, signingKeyFromSeed, destroyKey, type SigningKey } from './crypto.js'

export interface NodeIdentity {
  vote: SigningKey
  transport: SigningKey
  sources: Map<string, SigningKey>
}

export function generateNodeIdentity(sourceNames: readonly string[]): NodeIdentity {
  return {
    vote: generateSigningKey(),
    transport: generateSigningKey(),
    sources: new Map(sourceNames.map((name) => [name, generateSigningKey()])),
  }
}

/** CBOR [vote seed, transport seed, [[source name, seed]...]]: plaintext for `sealedFile` only. */
export function encodeIdentity(identity: NodeIdentity): Uint8Array {
  const sources = [...identity.sources].map(([name, key]): CborValue => [name, seedOf(key)])
  return encodeCbor([seedOf(identity.vote), seedOf(identity.transport), sources])
}

/**
 * Rebuilds the keys; throws on bytes that `encodeIdentity` did not make (they come from our own sealed
 * file).
 */
export function decodeIdentity(bytes: Uint8Array): NodeIdentity {
  const decoded = decodeCbor(bytes)
  if (!decoded.ok || !Array.isArray(decoded.value)) throw new Error('identity file: layout')
  const [vote, transport, sources] = decoded.value as [Uint8Array, Uint8Array, [string, Uint8Array][]]
  return {
    vote: signingKeyFromSeed(vote),
    transport: signingKeyFromSeed(transport),
    sources: new Map(sources.map(([name, seed]) => [name, signingKeyFromSeed(seed)])),
  }
}

export function destroyIdentity(identity: NodeIdentity): void {
  for (const key of [identity.vote, identity.transport, ...identity.sources.values()]) destroyKey(key)
}
