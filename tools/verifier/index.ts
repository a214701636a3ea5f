// The standalone verifier: proofs of wardchain, checked anywhere, with @noble/hashes and nothing else. Built
// into one file for browsers and Node (`dist/verifier/wardchain-verifier.js`).
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import {
  bodyFits,
  checkDocument,
  checkFinal,
  decodeDocument,
  followChain,
  verifyEd25519,
  type CheckedProof,
  type LightPorts,
  type ProofFileCode,
} from '../../runtime/light/index.js'
import { store as tables } from '../../runtime/execution/kernel-tables.js'
import { decodeRecordRow, type RecordRow } from '../../runtime/execution/record-rows.js'
import { refused, ok, type Result } from '../../runtime/protocol/result.js'
import { verifyProof } from '../../runtime/state/tree-proof.js'

const ports: LightPorts = {
  hash: sha256,
  verify: (publicKey, message, signature) => verifyEd25519(publicKey, message, signature, sha512),
}

export interface VerifiedProof extends CheckedProof {
  /** The record that the first claim is about, when it is about one and the record exists. */
  record: RecordRow | undefined
}

/**
 * Checks the text of a proof file. `anchor`: 32 bytes that the hospital told; without it the result's own
 * anchor must be compared by whoever reads it.
 */
export function verifyProofFile(
  text: string,
  anchor?: Uint8Array,
): Result<VerifiedProof, ProofFileCode | 'PROOF_BODY_WRONG'> {
  const document = decodeDocument(text)
  if (!document.ok) return document
  const checked = checkDocument(document.value, anchor, ports)
  if (!checked.ok) return checked
  const { claims, body } = checked.value
  const first = claims.at(0)
  const row = first?.store === tables.record ? first.value : undefined
  const record = row && decodeRecordRow(row)
  if (body !== undefined && !(record && bodyFits(body, record.header.bodyHash, ports.hash)))
    return refused('PROOF_BODY_WRONG')
  return ok({ ...checked.value, record })
}

export { checkFinal, followChain, ports, verifyProof }
