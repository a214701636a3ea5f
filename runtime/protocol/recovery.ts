// Recovery after the loss of more than f validators: a manifest that enough institution keys of the genesis
// document signed, off line. It raises the epoch and names who votes above its base, the highest certified
// block that is left. Formats only; what a node does with it: consensus/README.md, "Recovery".
import { concatBytes, equalBytes, u32Bytes, utf8 } from './bytes.js'
import { decodeCbor, encodeCbor, type CborValue } from './cbor.js'
import type { Validator } from './certificate.js'
import { asArray, asAscii, asBytes, asUint, FieldError } from './fields.js'
import { validatorsMax } from './limits.js'
import { countSignatures, hasQuorum, type KeyQuorum, type KeySignature } from './membership.js'
import { ok, refused, type Result } from './result.js'

const manifestVersion = 1
const reasonLengthMax = 200
/** A full set with a certificate of a full set and 31 signatures stays below it. */
export const recoveryBytesMax = 16_384
/** Recoveries of one chain: each of them is a catastrophe. */
export const recoveriesMax = 64

export interface RecoveryFields {
  chainId: Uint8Array
  /** The epoch that begins; above the one in force. */
  epoch: number
  /** Height of the last block of the epochs before. 0: genesis. */
  baseHeight: number
  /** Its hash; at genesis the chain id. */
  baseHash: Uint8Array
  /** Its encoded certificate, for people and other programs; empty at genesis. */
  certificate: Uint8Array
  /** Who votes above the base, in order. */
  validators: Validator[]
  /** Printable ASCII, for the record. */
  reason: string
}

export interface RecoveryManifest {
  fields: RecoveryFields
  /** The signed part as it was signed. */
  signedPart: Uint8Array
  signatures: KeySignature[]
}

/** CBOR [version, chainId, epoch, baseHeight, baseHash, certificate, [[entity, voteKey]...], reason]. */
export function encodeRecoveryFields(fields: RecoveryFields): Uint8Array {
  const { chainId, epoch, baseHeight, baseHash, certificate, validators, reason } = fields
  const set = validators.map(({ entity, voteKey }): CborValue => [entity, voteKey])
  return encodeCbor([
    manifestVersion,
    chainId,
    epoch,
    baseHeight,
    baseHash,
    certificate,
    set,
    reason,
  ] as CborValue)
}

/** What institution keys sign: "wardchain/recovery/1" ‖ u32 BE length ‖ signed part. */
export function recoverySigningBytes(signedPart: Uint8Array): Uint8Array {
  return concatBytes(utf8('wardchain/recovery/1'), u32Bytes(signedPart.length), signedPart)
}

/** CBOR [signed part bytes, [[key, signature]...]]. */
export function encodeRecovery({
  signedPart,
  signatures,
}: Pick<RecoveryManifest, 'signedPart' | 'signatures'>): Uint8Array {
  return encodeCbor([
    signedPart,
    signatures.map(({ key, signature }): CborValue => [key, signature]),
  ] as CborValue)
}

/** Total and strict; signatures are not checked here. */
export function decodeRecovery(bytes: Uint8Array): Result<RecoveryManifest, 'RECOVERY_MALFORMED'> {
  if (bytes.length > recoveryBytesMax) return refused('RECOVERY_MALFORMED', 'too large')
  const outer = decodeCbor(bytes)
  if (!outer.ok) return refused('RECOVERY_MALFORMED', outer.code)
  try {
    const [part, list] = asArray(outer.value, 2, 2)
    const signedPart = asBytes(part, 1, recoveryBytesMax)
    const signatures = asArray(list, 0, validatorsMax).map((item): KeySignature => {
      const [key, signature] = asArray(item, 2, 2)
      return { key: asBytes(key, 32), signature: asBytes(signature, 64) }
    })
    return ok({ fields: fieldsOf(signedPart), signedPart, signatures })
  } catch (error) {
    if (error instanceof FieldError) return refused('RECOVERY_MALFORMED', error.message)
    throw error
  }
}

function fieldsOf(signedPart: Uint8Array): RecoveryFields {
  const decoded = decodeCbor(signedPart)
  if (!decoded.ok) throw new FieldError(decoded.code)
  const parts = asArray(decoded.value, 8, 8)
  if (asUint(parts[0]) !== manifestVersion) throw new FieldError('version')
  const fields: RecoveryFields = {
    chainId: asBytes(parts[1], 32),
    epoch: asUint(parts[2], 2 ** 32 - 1),
    baseHeight: asUint(parts[3]),
    baseHash: asBytes(parts[4], 32),
    certificate: asBytes(parts[5], 0, 4_096),
    validators: asArray(parts[6], 1, validatorsMax).map(validatorFrom),
    reason: asAscii(parts[7], 1, reasonLengthMax),
  }
  // Every entity and key votes once: two seats of one key would count for two.
  const { validators } = fields
  const isTwice = validators.some(({ entity, voteKey }, at) =>
    validators
      .slice(0, at)
      .some((other) => equalBytes(other.entity, entity) || equalBytes(other.voteKey, voteKey)),
  )
  if (isTwice) throw new FieldError('an entity or key occurs twice')
  return fields
}

function validatorFrom(item: CborValue): Validator {
  const [entity, voteKey] = asArray(item, 2, 2)
  return { entity: asBytes(entity, 32), voteKey: asBytes(voteKey, 32) }
}

/** Different institution keys that signed it, and whether they are enough. */
export function checkRecoverySignatures(
  manifest: RecoveryManifest,
  quorum: KeyQuorum,
  verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean,
): { count: number; isEnough: boolean } {
  const bytes = recoverySigningBytes(manifest.signedPart)
  const count = countSignatures(quorum, bytes, manifest.signatures, verify)
  return { count, isEnough: hasQuorum(quorum, count) }
}
