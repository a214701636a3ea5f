// S3, R9, R13: the certificates inside what a correct member sends, or votes on, judged from the outside: the
// chain that the checker keeps says which block they must certify and who may sign.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { blockHash, encodeHeader } from '../../runtime/protocol/block.js'
import { encodeCertificate, type Certificate } from '../../runtime/protocol/certificate.js'
import type { ProposalMessage, SignedMessage } from '../pbft/types.js'
import { checkCertificate, fail } from './checker.js'
import { fakeHash } from './fake-crypto.js'
import type { SimNode, World } from './world.js'

/** Called for every signed message that a correct member sends. */
export function checkEmbedded(world: World, node: SimNode, message: SignedMessage): void {
  if (message.type === 'proposal') checkProposal(world, node, message)
  if (message.type === 'viewChange') checkParent(world, node, message.height, message.lastCertificate)
  if (message.type !== 'prepare') return
  const { proposal } = node.core!
  // After a restart the own PREPARE is sent again; it was judged when it was first sent.
  if (proposal === null || proposal.view !== message.view) return
  const hash = blockHash(fakeHash, encodeHeader(proposal.block.header))
  if (equalBytes(hash, message.blockHash)) checkProposal(world, node, proposal)
}

function checkProposal(world: World, node: SimNode, proposal: ProposalMessage): void {
  const { parentCertificate, justification, height, block } = proposal
  const named =
    parentCertificate === null ? new Uint8Array(32) : fakeHash(encodeCertificate(parentCertificate))
  if (!equalBytes(named, block.header.parentCertificateHash))
    fail('S3', node, `a proposal of height ${height} with another certificate than its header names`)
  checkParent(world, node, height, parentCertificate)
  for (const { lastCertificate } of justification) checkParent(world, node, height, lastCertificate)
}

/** Certificates that were judged good in this run: the same object travels in many messages. */
const judged = new WeakMap<World, WeakSet<Certificate>>()

// S3: it certifies the very block and result that are final below, under the set of that height.
function checkParent(world: World, node: SimNode, height: number, certificate: Certificate | null): void {
  if (certificate === null) {
    if (height > 1) fail('S3', node, `height ${height} without the certificate of its parent`)
    return
  }
  const good = judged.get(world) ?? new WeakSet()
  judged.set(world, good)
  if (certificate.height !== height - 1)
    fail('S3', node, `height ${height} with a certificate of height ${certificate.height}`)
  if (good.has(certificate)) return
  const parent = world.checker.chain.at(height - 2)
  if (
    parent?.blockHash !== bytesToHex(certificate.blockHash) ||
    parent.resultHash !== bytesToHex(certificate.resultHash)
  ) {
    fail('S3', node, `height ${height} with a certificate of another parent`)
  }
  checkCertificate(world, node, { certificate, epoch: parent.epoch }, 'S3')
  good.add(certificate)
}
