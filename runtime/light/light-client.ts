// The light client: is this block final on this chain? Header, result, certificate and validator set against
// a trusted anchor, over every change of the set. Pure; hash and signature verifier are handed in.
import {
  decodeHeader,
  decodeResult,
  resultHash,
  type BlockHeader,
  type BlockResult,
} from '../protocol/block.js'
import { concatBytes, equalBytes, utf8 } from '../protocol/bytes.js'
import {
  decodeCertificate,
  verifyCertificate,
  type Validator,
  type VerifySignature,
} from '../protocol/certificate.js'
import { validatorsHash } from '../protocol/entity.js'
import type { Hash } from '../protocol/hash.js'
import type { KeyQuorum } from '../protocol/membership.js'
import { checkRecoverySignatures, decodeRecovery } from '../protocol/recovery.js'
import { ok, refused, type Result } from '../protocol/result.js'

export interface LightPorts {
  hash: Hash
  verify: VerifySignature
}

/** One final block as its bytes, and the set that signed it. */
export interface FinalEvidence {
  header: Uint8Array
  result: Uint8Array
  certificate: Uint8Array
  validators: readonly Validator[]
}

/** What is believed before a block is looked at. */
export interface LightTrust {
  chainId: Uint8Array
  epoch: number
  /** Hash of the set that votes on the next blocks. */
  validatorsHash: Uint8Array
  /** The next block is higher than this. */
  height: number
}

export interface CheckedFinal {
  header: BlockHeader
  result: BlockResult
  /** What may be believed from this block on. */
  trust: LightTrust
}

export type LightCode =
  | 'HEADER_MALFORMED'
  | 'RESULT_MALFORMED'
  | 'CERTIFICATE_MALFORMED'
  | 'CERTIFICATE_WRONG_SUBJECT'
  | 'CERTIFICATE_NO_QUORUM'
  | 'CERTIFICATE_BAD_SIGNATURE'
  | 'CHAIN_WRONG'
  | 'EPOCH_WRONG'
  | 'HEIGHT_NOT_LATER'
  | 'VALIDATORS_WRONG'

/**
 * Checks one block against what is believed. A true answer means: a quorum of the believed set signed this
 * header with this result.
 */
export function checkFinal(
  evidence: FinalEvidence,
  trust: LightTrust,
  ports: LightPorts,
): Result<CheckedFinal, LightCode> {
  const header = decodeHeader(evidence.header)
  if (!header.ok) return header
  const result = decodeResult(evidence.result)
  if (!result.ok) return result
  const certificate = decodeCertificate(evidence.certificate)
  if (!certificate.ok) return certificate
  const { chainId, epoch, height } = header.value
  if (!equalBytes(chainId, trust.chainId)) return refused('CHAIN_WRONG')
  if (epoch !== trust.epoch) return refused('EPOCH_WRONG')
  if (height <= trust.height) return refused('HEIGHT_NOT_LATER')
  const { validators } = evidence
  const set = validatorsHash(ports.hash, validators)
  if (!equalBytes(set, trust.validatorsHash) || !equalBytes(set, header.value.validatorsHash))
    return refused('VALIDATORS_WRONG')
  const isOfBlock =
    certificate.value.height === height &&
    equalBytes(certificate.value.blockHash, ports.hash(evidence.header)) &&
    equalBytes(certificate.value.resultHash, resultHash(ports.hash, evidence.result))
  if (!isOfBlock) return refused('CERTIFICATE_WRONG_SUBJECT')
  const signed = verifyCertificate(certificate.value, { chainId, epoch, validators }, ports.verify)
  if (!signed.ok) return signed
  const next = { chainId, epoch, height, validatorsHash: result.value.nextValidatorsHash }
  return ok({ header: header.value, result: result.value, trust: next })
}

/** Manifests of recoveries, and the keys of the genesis document that must have signed them. */
export interface LightRecoveries {
  quorum: KeyQuorum
  manifests: readonly Uint8Array[]
}

/**
 * What may be believed in the epoch of this header: enough institution keys named its members. The base is
 * at or above everything believed before, so no recovery takes anything back.
 */
function trustInEpoch(
  trust: LightTrust,
  headerBytes: Uint8Array,
  recoveries: LightRecoveries | undefined,
  ports: LightPorts,
): LightTrust {
  const header = decodeHeader(headerBytes)
  if (!header.ok || recoveries === undefined || header.value.epoch <= trust.epoch) return trust
  for (const bytes of recoveries.manifests) {
    const manifest = decodeRecovery(bytes)
    if (!manifest.ok || manifest.value.fields.epoch !== header.value.epoch) continue
    const { chainId, epoch, baseHeight, validators } = manifest.value.fields
    if (!equalBytes(chainId, trust.chainId) || baseHeight < trust.height) continue
    if (!checkRecoverySignatures(manifest.value, recoveries.quorum, ports.verify).isEnough) continue
    return { chainId, epoch, height: baseHeight, validatorsHash: validatorsHash(ports.hash, validators) }
  }
  return trust
}

/**
 * Walks from the anchor to a block: `handovers` are the final blocks whose result names another set than the
 * one that signed them, ascending and all of them below `block`.
 */
export function followChain(
  anchor: LightTrust,
  handovers: readonly FinalEvidence[],
  block: FinalEvidence,
  ports: LightPorts,
  recoveries?: LightRecoveries,
): Result<CheckedFinal, LightCode> {
  let trust = anchor
  for (const handover of handovers) {
    const checked = checkFinal(handover, trustInEpoch(trust, handover.header, recoveries, ports), ports)
    if (!checked.ok) return checked
    trust = checked.value.trust
  }
  return checkFinal(block, trustInEpoch(trust, block.header, recoveries, ports), ports)
}

/**
 * What a person compares once, out of band: H("wardchain/anchor/1" ‖ chain id ‖ hash of the founding set).
 */
export function anchorOf(hash: Hash, chainId: Uint8Array, foundingSetHash: Uint8Array): Uint8Array {
  return hash(concatBytes(utf8('wardchain/anchor/1'), chainId, foundingSetHash))
}
