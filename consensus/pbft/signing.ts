// What each message's signature covers. Integers big-endian; `‖` is concatenation.

import { blockHash, encodeHeader } from '../../runtime/protocol/block.js'
import { concatBytes, u32Bytes, u64Bytes, utf8 } from '../../runtime/protocol/bytes.js'
import {
  encodeCertificate,
  voteSigningBytes,
  type Certificate,
} from '../../runtime/protocol/certificate.js'
import { zeroHash, type Hash } from '../../runtime/protocol/hash.js'
import type { HeartbeatMessage, ProposalMessage, SignedMessage, ViewChangeMessage } from './types.js'

export const messageDomains = {
  proposal: utf8('wardchain/proposal/1'),
  viewChange: utf8('wardchain/view-change/1'),
  heartbeat: utf8('wardchain/heartbeat/1'),
} as const

export type Unsigned<M extends SignedMessage> = M extends SignedMessage ? Omit<M, 'signature'> : never

/**
 * The bytes that `message.signature` signs:
 * - prepare, commit: `voteSigningBytes` of runtime/protocol/certificate.ts;
 * - others: domain utf8 ‖ chainId 32 ‖ epoch u32 ‖ height u64 ‖ view u32 ‖ sender 32, then
 *   - proposal: block hash 32 ‖ hash of the justification's signed bodies and signatures (zero when empty);
 *   - viewChange: hash of the encoded prepared certificate ‖ hash of the encoded last certificate (zero
 * for none);
 *   - heartbeat: block hash 32 ‖ result hash 32 ‖ time u64.
 * The parent certificate of a proposal is covered by `header.parentCertificateHash`.
 */
export function signingBytes(
  message: Unsigned<SignedMessage>,
  chainId: Uint8Array,
  hash: Hash,
): Uint8Array {
  switch (message.type) {
    case 'prepare':
    case 'commit':
      return voteSigningBytes(message.type, { ...message, chainId })
    case 'proposal':
      return proposalBytes(message, chainId, hash)
    case 'viewChange':
      return concatBytes(
        headBytes(messageDomains.viewChange, message, chainId),
        certificateDigest(message.prepared, hash),
        certificateDigest(message.lastCertificate, hash),
      )
    case 'heartbeat':
      return heartbeatBytes(message, chainId)
  }
}

function headBytes(domain: Uint8Array, message: Unsigned<SignedMessage>, chainId: Uint8Array): Uint8Array {
  const { epoch, height, view, sender } = message
  return concatBytes(domain, chainId, u32Bytes(epoch), u64Bytes(height), u32Bytes(view), sender)
}

function proposalBytes(message: Unsigned<ProposalMessage>, chainId: Uint8Array, hash: Hash): Uint8Array {
  const parts = message.justification.map((item) => viewChangeDigest(item, chainId, hash))
  return concatBytes(
    headBytes(messageDomains.proposal, message, chainId),
    blockHash(hash, encodeHeader(message.block.header)),
    parts.length === 0 ? zeroHash : hash(concatBytes(...parts)),
  )
}

function viewChangeDigest(message: ViewChangeMessage, chainId: Uint8Array, hash: Hash): Uint8Array {
  return concatBytes(signingBytes(message, chainId, hash), message.signature)
}

function heartbeatBytes(message: Unsigned<HeartbeatMessage>, chainId: Uint8Array): Uint8Array {
  return concatBytes(
    headBytes(messageDomains.heartbeat, message, chainId),
    message.blockHash,
    message.resultHash,
    u64Bytes(message.time),
  )
}

function certificateDigest(certificate: Certificate | null, hash: Hash): Uint8Array {
  return certificate === null ? zeroHash : hash(encodeCertificate(certificate))
}
