// Votes and quorum certificates: who signed that one block with one result is final.
import { concatBytes, u32Bytes, u64Bytes, utf8 } from './bytes.js'
import { decodeCbor, encodeCbor, type CborValue } from './cbor.js'
import { asArray, asBytes, asMap, asUint, FieldError } from './fields.js'
import { validatorsMax } from './limits.js'
import { ok, refused, type Result } from './result.js'

export const voteDomains = {
  prepare: 'wardchain/prepare/1',
  commit: 'wardchain/commit/1',
} as const

export interface VoteSubject {
  chainId: Uint8Array
  epoch: number
  height: number
  view: number
  blockHash: Uint8Array
  resultHash: Uint8Array
}

/**
 * Bytes that a vote signs: domain utf8 ‖ chainId 32 ‖ epoch u32 BE ‖ height u64 BE ‖ view u32 BE ‖ block
 * hash 32 ‖ result hash 32.
 */
export function voteSigningBytes(phase: keyof typeof voteDomains, subject: VoteSubject): Uint8Array {
  return concatBytes(
    utf8(voteDomains[phase]),
    subject.chainId,
    u32Bytes(subject.epoch),
    u64Bytes(subject.height),
    u32Bytes(subject.view),
    subject.blockHash,
    subject.resultHash,
  )
}

/**
 * `quorum` signatures of one phase over one subject. `signers` are indexes into the validator set of that
 * height,
 * strictly ascending; `signatures[i]` belongs to `signers[i]`.
 */
export interface Certificate {
  height: number
  view: number
  blockHash: Uint8Array
  resultHash: Uint8Array
  signers: number[]
  signatures: Uint8Array[]
}

export function certificateToCbor(certificate: Certificate): CborValue {
  return new Map<number, CborValue>([
    [1, certificate.height],
    [2, certificate.view],
    [3, certificate.blockHash],
    [4, certificate.resultHash],
    [5, certificate.signers],
    [6, certificate.signatures],
  ])
}

/** Throws FieldError; for decoders of messages that embed a certificate. */
export function certificateFromCbor(value: CborValue): Certificate {
  const map = asMap(value, [1, 2, 3, 4, 5, 6], 6)
  const signers = asArray(map.get(5), 0, validatorsMax).map((signer) => asUint(signer, validatorsMax - 1))
  for (let index = 1; index < signers.length; index += 1) {
    if (signers[index] <= signers[index - 1]) throw new FieldError('signers must ascend')
  }
  const signatures = asArray(map.get(6), signers.length, signers.length)
  return {
    height: asUint(map.get(1)),
    view: asUint(map.get(2), 2 ** 32 - 1),
    blockHash: asBytes(map.get(3), 32),
    resultHash: asBytes(map.get(4), 32),
    signers,
    signatures: signatures.map((signature) => asBytes(signature, 64)),
  }
}

export function encodeCertificate(certificate: Certificate): Uint8Array {
  return encodeCbor(certificateToCbor(certificate))
}

export function decodeCertificate(bytes: Uint8Array): Result<Certificate, 'CERTIFICATE_MALFORMED'> {
  const decoded = decodeCbor(bytes)
  if (!decoded.ok) return refused('CERTIFICATE_MALFORMED', decoded.code)
  try {
    return ok(certificateFromCbor(decoded.value))
  } catch (error) {
    if (error instanceof FieldError) return refused('CERTIFICATE_MALFORMED', error.message)
    throw error
  }
}

/** f = floor((n-1)/3) faults tolerated. */
export const faultsTolerated = (validatorCount: number): number => Math.floor((validatorCount - 1) / 3)

/** q = floor((n+f)/2)+1 votes: two quorums share f+1 members (R1). */
export function quorumOf(validatorCount: number): number {
  return Math.floor((validatorCount + faultsTolerated(validatorCount)) / 2) + 1
}

export interface Validator {
  /** Entity id, 32 bytes. */
  entity: Uint8Array
  /** Ed25519 vote key, 32 bytes. */
  voteKey: Uint8Array
}

export type CertificateCode =
  'CERTIFICATE_WRONG_SUBJECT' | 'CERTIFICATE_NO_QUORUM' | 'CERTIFICATE_BAD_SIGNATURE'
export type VerifySignature = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

/**
 * Checks a commit certificate against the validator set of its height. The light client uses the same
 * function.
 */
export function verifyCertificate(
  certificate: Certificate,
  chain: { chainId: Uint8Array; epoch: number; validators: readonly Validator[] },
  verify: VerifySignature,
  phase: keyof typeof voteDomains = 'commit',
): Result<true, CertificateCode> {
  const { validators } = chain
  const { signers, signatures } = certificate
  // Nobody has no quorum: of an empty set the formula would ask for no signature at all.
  if (validators.length === 0) return refused('CERTIFICATE_NO_QUORUM')
  if (signers.length < quorumOf(validators.length)) return refused('CERTIFICATE_NO_QUORUM')
  // One signer counted as often as members are needed would be a quorum of one.
  const areDistinct = signers.every((signer, at) => at === 0 || signer > signers[at - 1])
  if (!areDistinct || signatures.length !== signers.length) return refused('CERTIFICATE_NO_QUORUM')
  const message = voteSigningBytes(phase, { ...certificate, chainId: chain.chainId, epoch: chain.epoch })
  for (let index = 0; index < certificate.signers.length; index += 1) {
    const signer = certificate.signers[index]
    if (signer >= validators.length) return refused('CERTIFICATE_WRONG_SUBJECT')
    if (!verify(validators[signer].voteKey, message, certificate.signatures[index])) {
      return refused('CERTIFICATE_BAD_SIGNATURE')
    }
  }
  return ok(true)
}
