// S6, judged from the outside: what a correct member may PREPARE above view 0. Own quorum, own signature
// bytes.

import {
  bytesToHex,
  concatBytes,
  equalBytes,
  u32Bytes,
  u64Bytes,
  utf8,
} from '../../runtime/protocol/bytes.js'
import { encodeCertificate, type Certificate, type Validator } from '../../runtime/protocol/certificate.js'
import type { ViewChangeMessage, VoteMessage } from '../pbft/types.js'
import { fail, independentQuorum } from './checker.js'
import { fakeHash, fakeVerify } from './fake-crypto.js'
import { simChainId } from './node.js'
import type { SimNode, World } from './world.js'

/**
 * S6: a PREPARE at view v > 0 stands on a proposal of v with q genuine VIEW-CHANGEs of distinct members
 * for v. The
 * highest prepared certificate among them names the block; if none holds one, nothing below v can have
 * been decided
 * and the leader was free. A lock of our own is then overruled only by a higher one or by that proof.
 */
export function checkJustified(_world: World, node: SimNode, message: VoteMessage): void {
  const core = node.core!
  const { proposal } = core
  // After a restart the own PREPARE is sent again; it was judged when it was first sent.
  if (message.view === 0 || proposal === null || proposal.view !== message.view) return
  const { members } = core.validators
  const quorum = independentQuorum(members.length)
  const senders = new Set<string>()
  let highest: Certificate[] = []
  for (const item of proposal.justification) {
    if (item.view !== message.view || item.height !== message.height)
      fail('S6', node, 'a view change of elsewhere')
    if (!isGenuine(item, members)) fail('S6', node, 'a forged view change in a justification')
    senders.add(bytesToHex(item.sender))
    const { prepared } = item
    if (prepared === null) continue
    if (prepared.view >= message.view || !isLock(prepared, members, { quorum, epoch: item.epoch }))
      fail('S6', node, 'a forged lock')
    if (highest.length === 0 || prepared.view > highest[0].view) highest = [prepared]
    else if (prepared.view === highest[0].view) highest.push(prepared)
  }
  if (senders.size < quorum) fail('S6', node, `only ${senders.size} members behind view ${message.view}`)
  if (highest.length === 0) return
  if (!highest.some((certificate) => equalBytes(certificate.blockHash, message.blockHash))) {
    fail(
      'S6',
      node,
      `PREPARE at ${message.view} for another block than the lock of view ${highest[0].view}`,
    )
  }
}

function isGenuine(item: ViewChangeMessage, members: readonly Validator[]): boolean {
  const member = members.find((candidate) => equalBytes(candidate.entity, item.sender))
  const digest = (certificate: Certificate | null) =>
    certificate === null ? new Uint8Array(32) : fakeHash(encodeCertificate(certificate))
  const bytes = concatBytes(
    utf8('wardchain/view-change/1'),
    simChainId,
    u32Bytes(item.epoch),
    u64Bytes(item.height),
    u32Bytes(item.view),
    item.sender,
    digest(item.prepared),
    digest(item.lastCertificate),
  )
  return member !== undefined && fakeVerify(member.voteKey, bytes, item.signature)
}

function isLock(
  certificate: Certificate,
  members: readonly Validator[],
  { quorum, epoch }: { quorum: number; epoch: number },
): boolean {
  const bytes = concatBytes(
    utf8('wardchain/prepare/1'),
    simChainId,
    u32Bytes(epoch),
    u64Bytes(certificate.height),
    u32Bytes(certificate.view),
    certificate.blockHash,
    certificate.resultHash,
  )
  const good = new Set(
    certificate.signers.filter((signer, at) => {
      const member = members.at(signer)
      return member !== undefined && fakeVerify(member.voteKey, bytes, certificate.signatures[at])
    }),
  )
  return good.size >= quorum
}
