// Who is enough (R1), and whether a certificate shows that many distinct members.

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import {
  encodeCertificate,
  faultsTolerated,
  quorumOf,
  verifyCertificate,
  type Certificate,
} from '../../runtime/protocol/certificate.js'
import { verifiedCertificatesMax } from './config.js'
import type { CoreState } from './state.js'
import type { ValidatorSet, VoteMessage } from './types.js'

export interface QuorumSizes {
  /** Members. */
  readonly n: number
  /** Faults tolerated. */
  readonly f: number
  /** Votes that decide. */
  readonly q: number
}

/**
 * Added to the quorum. Any value but 0 breaks agreement; the simulator's own check lowers it by one to see
 * that.
 */
const quorumOffset = 0

// R1: f = floor((n-1)/3), q = floor((n+f)/2)+1, for any n; 2f+1 is unsafe when n is not 3f+1.
export function quorumSizes(memberCount: number): QuorumSizes {
  return { n: memberCount, f: faultsTolerated(memberCount), q: quorumOf(memberCount) + quorumOffset }
}

/**
 * Does the certificate hold `q` valid signatures of distinct members of `set` over this phase, epoch and
 * subject?
 * Total over any certificate; remembers the ones found good, so that a justification costs each
 * certificate once.
 */
export function isCertificateValid(
  state: CoreState,
  certificate: Certificate,
  options: { phase: 'prepare' | 'commit'; set: ValidatorSet; epoch: number },
): boolean {
  const { phase, set, epoch } = options
  if (certificate.signers.length < quorumSizes(set.members.length).q) return false
  const key = `${phase}${epoch}${bytesToHex(set.hash)}${bytesToHex(state.ports.hash(encodeCertificate(certificate)))}`
  if (state.verifiedCertificates.has(key)) return true
  const chain = { chainId: state.config.chainId, epoch, validators: set.members }
  if (!verifyCertificate(certificate, chain, state.ports.verify, phase).ok) return false
  if (state.verifiedCertificates.size >= verifiedCertificatesMax) state.verifiedCertificates.clear()
  state.verifiedCertificates.add(key)
  return true
}

/** Builds the certificate of votes that all carry the same pair. `votes` by member index. */
export function certificateOf(votes: ReadonlyMap<number, VoteMessage>, quorum: number): Certificate {
  const chosen = [...votes.entries()].sort(([left], [right]) => left - right).slice(0, quorum)
  const [, first] = chosen[0]
  return {
    height: first.height,
    view: first.view,
    blockHash: first.blockHash,
    resultHash: first.resultHash,
    signers: chosen.map(([index]) => index),
    signatures: chosen.map(([, vote]) => vote.signature),
  }
}
