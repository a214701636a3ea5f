// The certificate of sanitisation: what was destroyed, how, by whom, and how that was checked. Fields of
// NIST SP 800-88 Rev 2 as listed in README.md. It holds no patient data and no key material.
//
// File: canonical JSON {certificate, signatures: [{by, publicKey, signature}], begun?}. A signature is
// Ed25519 by the node's vote key over "wardchain/sanitisation/1" ‖ canonical JSON of `certificate`.
import { bytesToHex, concatBytes, hexToBytes, utf8 } from '../../runtime/protocol/index.js'
import { signDetached, verifySignature, type SigningKey } from '../keys/crypto.js'
import { ApplianceError } from './appliance-error.js'
import { canonicalJson, type Json } from './canonical-json.js'
import type { Medium } from './medium.js'

export const certificateFormat = 'wardchain/sanitisation/1'

export interface SanitisedFile {
  /** Relative to the node's folder; absolute for copies that lay elsewhere. */
  path: string
  byteCount: number
  /** `overwritten` means: written over in place, synced, read back different. */
  outcome:
    'present' | 'overwritten and unlinked' | 'destroyed in an earlier run' | 'link removed' | 'failed'
  detail: string
}

/** Fields of the sample certificate of NIST SP 800-88 that no machine can know. */
export const statementNames = [
  'asset',
  'source',
  'destination',
  'contact',
  'verifier',
  'verifierContact',
] as const
export type CertificateStatements = Record<(typeof statementNames)[number], string>

export const notStated = 'not stated'

export const statementsOf = (
  given: Partial<CertificateStatements> = {},
  earlier: Partial<CertificateStatements> = {},
): CertificateStatements =>
  Object.fromEntries(
    statementNames.map((name) => [name, given[name]?.trim() || earlier[name] || notStated]),
  ) as CertificateStatements

/**
 * `Purge`: all copies of the keys are stated to be gone, every file was overwritten and read back, and it is
 * known what kind of device that was. `Clear`: every file was, and the rest is not known.
 * `Cryptographic erase`: keys are gone, all copies too, files are left. `none`: files are left, and a key or
 * maybe a copy of it.
 */
export type SanitisationMethod = 'Purge' | 'Clear' | 'Cryptographic erase' | 'none'

/** What the operator says of copies of the keys elsewhere. */
export type CopiesStatement = 'none exist' | 'outstanding' | 'not stated'

export function methodOf(wipe: {
  isKeyLeft: boolean
  findingCount: number
  copiesStatement: CopiesStatement
  mediumType: string
}): SanitisationMethod {
  const isCopyFree = wipe.copiesStatement === 'none exist'
  if (wipe.isKeyLeft) return 'none'
  // Without its keys a file is destroyed only if nobody has them.
  if (wipe.findingCount > 0) return isCopyFree ? 'Cryptographic erase' : 'none'
  return isCopyFree && isKnownKind(wipe.mediumType) ? 'Purge' : 'Clear'
}

const isKnownKind = (mediumType: string): boolean => ['solid state', 'rotating'].includes(mediumType)

/** What the verification says of a key that opens; its file's name stands before it. */
export const keyLeftFinding = 'is still a keyslot file'

/** Why a certificate does not say Purge, for whoever holds it in the hand; empty when it does. */
export function methodReason(certificate: SanitisationCertificate): string {
  const { method, keys, medium, files, verification } = certificate
  if (method === 'Purge') return ''
  const left = files.filter((file) => file.outcome === 'failed').length
  const whatIsLeft = left === 0 ? 'something was found left' : `${left} sealed file(s) are left`
  const isCopyFree = keys.copiesStatement === 'none exist'
  if (method === 'Clear')
    return isCopyFree
      ? `not Purge: what kind of device the folder lies on does not show (${medium.type})`
      : 'not Purge: a copy of the keys may exist elsewhere'
  const isKeyFound = verification.findings.some((finding) => finding.endsWith(keyLeftFinding))
  if (method === 'none' && (isCopyFree || isKeyFound))
    return 'a key is left, so the data can still be opened'
  return isCopyFree
    ? `the keys are gone; ${whatIsLeft}`
    : `${whatIsLeft}, and a copy of the keys, if there is one, opens what is left`
}

/** What has become of the keys, as far as it is known. */
export function keysFate({ keys }: SanitisationCertificate): string {
  const destroyed = `${keys.keyslotFilesDestroyed} keyslot file(s) destroyed`
  if (keys.copiesStatement === 'none exist')
    return `${destroyed}; the data cannot be opened with any password`
  const what = 'what is left of the data, or was copied earlier'
  return keys.copiesStatement === 'outstanding'
    ? `${destroyed}; the copies that are outstanding still open ${what}`
    : `${destroyed}; a copy of the keyslot file, if there is one, still opens ${what}`
}

export interface SanitisationCertificate {
  format: typeof certificateFormat
  /** 16 random bytes, hex. */
  id: string
  state: 'begun' | 'ended'
  /** ISO 8601, UTC. */
  begunAt: string
  endedAt: string | null
  node: { name: string; voteKey: string; storeId: string }
  medium: Medium
  method: SanitisationMethod
  /** What only people know, in their words; `not stated` where nobody said it. */
  stated: CertificateStatements
  technique: string
  keys: {
    slots: { id: number; kind: string }[]
    keyslotFilesDestroyed: number
    /** Copies that the operator knows of and that are not destroyed. */
    copiesOutstanding: string[]
    copiesStatement: CopiesStatement
  }
  files: SanitisedFile[]
  verification: { method: string; result: 'passed' | 'failed' | 'not yet'; findings: string[] }
  /**
   * `complete` only if the keys are gone, verification passed, and the operator states that no copy is
   * left.
   */
  result: 'complete' | 'incomplete' | 'begun'
  persons: { role: string; name: string }[]
  place: string
  /** Height of the governance transaction that revoked the node; null for a local wipe. */
  revocationHeight: number | null
  tool: { name: string; version: string }
}

export interface CertificateFile {
  certificate: SanitisationCertificate
  signatures: { by: 'node'; publicKey: string; signature: string }[]
  /**
   * The signed beginning, when the wipe was cut off and ended by a later run that had no key to sign
   * with.
   */
  begun?: CertificateFile
}

const signedBytes = (certificate: SanitisationCertificate): Uint8Array =>
  concatBytes(utf8(certificateFormat), utf8(canonicalJson(certificate as unknown as Json)))

/** Without a key the certificate is honest about being unsigned: no signatures. */
export function signCertificate(
  certificate: SanitisationCertificate,
  key: SigningKey | undefined,
): CertificateFile {
  if (!key) return { certificate, signatures: [] }
  const signature = bytesToHex(signDetached(key, signedBytes(certificate)))
  return { certificate, signatures: [{ by: 'node', publicKey: bytesToHex(key.publicKey), signature }] }
}

export const encodeCertificateFile = (file: CertificateFile): string =>
  canonicalJson(file as unknown as Json)

/** Throws CERTIFICATE_INVALID on text that is not a certificate. Signatures are not looked at. */
export function decodeCertificateFile(text: string): CertificateFile {
  try {
    const file = JSON.parse(text) as CertificateFile
    const { certificate, signatures } = file
    if (certificate.format !== certificateFormat || !Array.isArray(signatures)) throw new Error('format')
    if (!Array.isArray(certificate.files) || typeof certificate.id !== 'string') throw new Error('fields')
    if (typeof certificate.node.voteKey !== 'string' || typeof certificate.verification.result !== 'string')
      throw new Error('fields')
    return file
  } catch (error) {
    throw new ApplianceError('CERTIFICATE_INVALID', 'it is not a certificate', error)
  }
}

/**
 * True: signed, and by this node. False: unsigned. Throws CERTIFICATE_INVALID on a signature that does
 * not verify.
 */
export function checkCertificate(file: CertificateFile, voteKey?: Uint8Array): boolean {
  for (const { publicKey, signature } of file.signatures) {
    if (publicKey !== file.certificate.node.voteKey) throw invalid('signed by another key than its node')
    if (voteKey && publicKey !== bytesToHex(voteKey)) throw invalid('signed by another node than expected')
    const [key, bytes] = [hexToBytes(publicKey), hexToBytes(signature)]
    if (!key || !bytes || !verifySignature(key, signedBytes(file.certificate), bytes)) {
      throw invalid('its signature does not match its content')
    }
  }
  if (file.begun && file.begun.certificate.id !== file.certificate.id) throw invalid('two wipes are mixed')
  if (file.begun) checkCertificate(file.begun, voteKey)
  return file.signatures.length > 0
}

const invalid = (detail: string): ApplianceError => new ApplianceError('CERTIFICATE_INVALID', detail)
