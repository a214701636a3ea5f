// What a node of a newer epoch hands to one of an older epoch: the manifest, and a block that shows that the
// epoch began. Without such a block a manifest is only paper: it may have been signed and given up.
import { decodeHeader } from './block.js'
import { equalBytes } from './bytes.js'
import { decodeCbor, encodeCbor } from './cbor.js'
import { decodeCertificate, verifyCertificate, type VerifySignature } from './certificate.js'
import { validatorsHash } from './entity.js'
import { asArray, asBytes, FieldError } from './fields.js'
import type { Hash } from './hash.js'
import { recoveryBytesMax, type RecoveryFields } from './recovery.js'
import { ok, refused, type Result } from './result.js'

const headerBytesMax = 8_192
const certificateBytesMax = 4_096
export const recoveryNoticeBytesMax = recoveryBytesMax + headerBytesMax + certificateBytesMax + 64

export interface RecoveryNotice {
  /** As `encodeRecovery` made it. */
  manifest: Uint8Array
  /** Header of a block above the base that the manifest's own set signed; empty: none is final yet. */
  header: Uint8Array
  /** Its certificate; empty like the header. */
  certificate: Uint8Array
}

/** CBOR [manifest, header, certificate]. */
export function encodeRecoveryNotice({ manifest, header, certificate }: RecoveryNotice): Uint8Array {
  return encodeCbor([manifest, header, certificate])
}

/** Total; nothing is verified here. */
export function decodeRecoveryNotice(bytes: Uint8Array): Result<RecoveryNotice, 'RECOVERY_MALFORMED'> {
  if (bytes.length > recoveryNoticeBytesMax) return refused('RECOVERY_MALFORMED', 'too large')
  const outer = decodeCbor(bytes)
  if (!outer.ok) return refused('RECOVERY_MALFORMED', outer.code)
  try {
    const [manifest, header, certificate] = asArray(outer.value, 3, 3)
    return ok({
      manifest: asBytes(manifest, 1, recoveryBytesMax),
      header: asBytes(header, 0, headerBytesMax),
      certificate: asBytes(certificate, 0, certificateBytesMax),
    })
  } catch (error) {
    if (error instanceof FieldError) return refused('RECOVERY_MALFORMED', error.message)
    throw error
  }
}

/** Did a quorum of the set that the manifest names make a block of its epoch final above its base? */
export function hasEpochBegun(
  { header, certificate }: Pick<RecoveryNotice, 'header' | 'certificate'>,
  { chainId, epoch, baseHeight, baseHash, validators }: RecoveryFields,
  ports: { hash: Hash; verify: VerifySignature },
): boolean {
  const block = decodeHeader(header)
  const votes = decodeCertificate(certificate)
  if (!block.ok || !votes.ok) return false
  const { value } = block
  if (!equalBytes(value.chainId, chainId) || value.epoch !== epoch || value.height <= baseHeight)
    return false
  if (value.height === baseHeight + 1 && !equalBytes(value.parentHash, baseHash)) return false
  if (!equalBytes(value.validatorsHash, validatorsHash(ports.hash, validators))) return false
  const isOfBlock =
    votes.value.height === value.height && equalBytes(votes.value.blockHash, ports.hash(header))
  return isOfBlock && verifyCertificate(votes.value, { chainId, epoch, validators }, ports.verify).ok
}
