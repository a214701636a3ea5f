// R29, pure: from what height on does a local read show everything that anybody was told before it began? A
// quorum of the members answers with the highest certificate that each of them holds. Whoever sent COMMIT for
// a block holds its prepared certificate, and two quorums share a correct member, so no acknowledged block is
// above what a quorum shows. A claim that cannot be checked yet counts for nothing, in either direction.

import { equalBytes } from '../../runtime/protocol/bytes.js'
import {
  quorumOf,
  verifyCertificate,
  type Certificate,
  type VerifySignature,
} from '../../runtime/protocol/certificate.js'
import type { ValidatorSet } from '../pbft/types.js'

/** What one member holds: a QC of its tip, or a lock or decision of the height in flight. */
export interface HeldCertificate {
  readonly phase: 'prepare' | 'commit'
  readonly certificate: Certificate
}

/** Null: it holds none, for it stands at genesis. */
export type ReadAnswer = HeldCertificate | null

export interface ReadQuestion {
  /** Own final height when the answers are judged; at least that of when they were asked for. */
  readonly tipHeight: number
  /** Answers that decide. */
  readonly quorum: number
  /** Does this certificate hold under the members of `tipHeight + 1`? */
  readonly isGenuine: (held: HeldCertificate) => boolean
}

/** One answer a member, each asked for after the read began. Undefined: too few count yet, ask again. */
export function readIndexOf(
  answers: readonly ReadAnswer[],
  { tipHeight, quorum, isGenuine }: ReadQuestion,
): number | undefined {
  let counted = 0
  let highest = tipHeight
  for (const held of answers) {
    const height = held?.certificate.height ?? 0
    // Further ahead its members are not known here: this node catches up first.
    if (height > tipHeight + 1) continue
    if (held !== null && height === tipHeight + 1) {
      if (!isGenuine(held)) continue
      highest = height
    }
    counted += 1
  }
  return counted >= quorum ? highest : undefined
}

/** One asking: the members of the height after the own tip, and what those who answered hold. */
export interface ReadRound {
  readonly asked: ValidatorSet
  readonly answers: readonly ReadAnswer[]
}

/** Where this node stands when it judges. */
export interface ReadPoint {
  readonly chainId: Uint8Array
  readonly epoch: number
  readonly tipHeight: number
  /** Of the height after the tip. */
  readonly validators: ValidatorSet
}

/** The height that the read needs; undefined: ask again. */
export function judgeRound(
  { asked, answers }: ReadRound,
  { chainId, epoch, tipHeight, validators }: ReadPoint,
  verify: VerifySignature,
): number | undefined {
  // Other members vote above this tip than were asked: they may have agreed on more.
  if (!equalBytes(asked.hash, validators.hash)) return undefined
  const chain = { chainId, epoch, validators: validators.members }
  return readIndexOf(answers, {
    tipHeight,
    quorum: quorumOf(asked.members.length),
    isGenuine: ({ phase, certificate }) => verifyCertificate(certificate, chain, verify, phase).ok,
  })
}

/** Has this node got what the read needs? 'again': it has, but other members vote above it. */
export function readStands(
  height: number,
  asked: ValidatorSet,
  { tipHeight, validators }: Pick<ReadPoint, 'tipHeight' | 'validators'>,
): 'waits' | 'good' | 'again' {
  if (tipHeight < height) return 'waits'
  return equalBytes(validators.hash, asked.hash) ? 'good' : 'again'
}
