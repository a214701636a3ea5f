// What a scenario's `forge` and `equivocate` make of a letter.

import { equalBytes } from '../../runtime/protocol/bytes.js'
import { encodeCertificate } from '../../runtime/protocol/certificate.js'
import { signingBytes } from '../pbft/signing.js'
import type { Certificate, ProposalMessage, SignedMessage } from '../pbft/types.js'
import { entityOf, fakeHash, fakeSign, keyOf } from './fake-crypto.js'
import { simChainId } from './node.js'
import { ScenarioFailure, type Letter } from './scenario.js'

/** The letter as its own sender would lie in it. */
export function forged(letter: Letter): Letter {
  const { message, from } = letter
  const isOwn = (sender: Uint8Array) => equalBytes(sender, entityOf(from))
  switch (message.type) {
    case 'blocks': {
      const blocks = message.blocks.map((final) => ({
        ...final,
        block: { ...final.block, payload: new Uint8Array(8) },
      }))
      return { ...letter, message: { ...message, blocks } }
    }
    case 'viewChange': {
      if (message.lastCertificate === null || !isOwn(message.sender))
        throw new ScenarioFailure('it holds no certificate of the parent')
      const lastCertificate = withoutSignatures(message.lastCertificate)
      return { ...letter, message: signed({ ...message, lastCertificate }, from) }
    }
    case 'proposal': {
      if (message.parentCertificate === null || !isOwn(message.sender))
        throw new ScenarioFailure('it holds no certificate of the parent')
      const parentCertificate = withoutSignatures(message.parentCertificate)
      const parentCertificateHash = fakeHash(encodeCertificate(parentCertificate))
      const block = { ...message.block, header: { ...message.block.header, parentCertificateHash } }
      return { ...letter, message: signed({ ...message, block, parentCertificate }, from) }
    }
    case 'prepare':
    case 'commit':
      return { ...letter, message: { ...message, signature: new Uint8Array(message.signature.length) } }
    default:
      throw new ScenarioFailure(`nothing to forge in ${message.type}`)
  }
}

const withoutSignatures = (certificate: Certificate): Certificate => ({
  ...certificate,
  signatures: certificate.signatures.map((signature) => new Uint8Array(signature.length)),
})

const signed = <M extends SignedMessage>(message: M, from: number): M => ({
  ...message,
  signature: fakeSign(keyOf(from, 0), signingBytes(message, simChainId, fakeHash)),
})

/** Another valid block at the same place, signed by its sender. */
export function otherBlock(message: ProposalMessage, from: number): ProposalMessage {
  const block = {
    ...message.block,
    header: { ...message.block.header, time: message.block.header.time + 1 },
  }
  return signed({ ...message, block }, from)
}
