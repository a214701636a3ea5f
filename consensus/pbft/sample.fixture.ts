// Deterministic sample values for tests of the core: a set of validators with fake keys, certificates and
// messages.

import { concatBytes } from '../../runtime/protocol/bytes.js'
import {
  blockHash,
  encodeHeader,
  type BlockHeader,
  type BlockResult,
} from '../../runtime/protocol/block.js'
import { voteSigningBytes, type Certificate } from '../../runtime/protocol/certificate.js'
import { entityOf, fakeHash, fakeSign, keyOf } from '../sim/fake-crypto.js'
import { signingBytes, type Unsigned } from './signing.js'
import type { Block, SignedMessage, ValidatorSet, ViewChangeMessage, WireMessage } from './types.js'

export const chainId = fakeHash(new Uint8Array([7]))

export function sampleSet(count: number): ValidatorSet {
  const members = Array.from({ length: count }, (_, index) => ({
    entity: entityOf(index),
    voteKey: keyOf(index, 0),
  }))
  return { hash: fakeHash(concatBytes(...members.map((member) => member.entity))), members }
}

export function sampleHeader(over: Partial<BlockHeader> = {}): BlockHeader {
  const zero = new Uint8Array(32)
  return {
    version: 1,
    appVersion: 1,
    chainId,
    epoch: 0,
    height: 5,
    view: 0,
    time: 1_767_225_600_000,
    proposer: entityOf(0),
    parentHash: fakeHash(new Uint8Array([1])),
    parentResultHash: fakeHash(new Uint8Array([2])),
    parentCertificateHash: fakeHash(new Uint8Array([3])),
    transactionRoots: [zero, zero, fakeHash(new Uint8Array([4])), zero, zero],
    validatorsHash: sampleSet(4).hash,
    ...over,
  }
}

export function sampleBlock(over: Partial<BlockHeader> = {}): Block {
  return { header: sampleHeader(over), payload: new Uint8Array([1, 2, 3, 4]) }
}

export const hashOf = (block: Block): Uint8Array => blockHash(fakeHash, encodeHeader(block.header))

export function sampleCertificate(
  subject: { height: number; view: number; blockHash: Uint8Array; resultHash: Uint8Array },
  signers: readonly number[],
  phase: 'prepare' | 'commit',
): Certificate {
  const bytes = voteSigningBytes(phase, { ...subject, chainId, epoch: 0 })
  return {
    ...subject,
    signers: [...signers],
    signatures: signers.map((signer) => fakeSign(keyOf(signer, 0), bytes)),
  }
}

export function signed<M extends Unsigned<SignedMessage>>(
  index: number,
  message: M,
): M & { signature: Uint8Array } {
  return { ...message, signature: fakeSign(keyOf(index, 0), signingBytes(message, chainId, fakeHash)) }
}

/** One message of each type, with every optional part once present and once absent. */
export function sampleMessages(): Record<string, WireMessage> {
  const block = sampleBlock()
  const hash = hashOf(block)
  const resultHash = fakeHash(new Uint8Array([9]))
  const head = { epoch: 0, height: 5, view: 1 }
  const parent = {
    height: 4,
    view: 0,
    blockHash: block.header.parentHash,
    resultHash: block.header.parentResultHash,
  }
  const parentCertificate = sampleCertificate(parent, [0, 1, 2], 'commit')
  const prepared = sampleCertificate(
    { height: 5, view: 0, blockHash: hash, resultHash },
    [1, 2, 3],
    'prepare',
  )
  const viewChange = (index: number, lock: Certificate | null): ViewChangeMessage =>
    signed(index, {
      type: 'viewChange',
      ...head,
      sender: entityOf(index),
      prepared: lock,
      lastCertificate: parentCertificate,
    })
  const result: BlockResult = {
    stateRoot: fakeHash(new Uint8Array([10])),
    receiptsRoot: fakeHash(new Uint8Array([11])),
    nextValidatorsHash: sampleSet(4).hash,
    fuelUsed: 12_345,
    nextDueTime: 0,
  }
  const certificate = sampleCertificate(
    { height: 5, view: 0, blockHash: hash, resultHash },
    [0, 2, 3],
    'commit',
  )
  const sender = entityOf(1)
  const pair = { sender, blockHash: hash, resultHash }
  return {
    proposal: signed(0, {
      type: 'proposal',
      ...head,
      view: 0,
      sender: entityOf(0),
      block,
      parentCertificate,
      justification: [],
    }),
    'proposal-justified': signed(1, {
      type: 'proposal',
      ...head,
      sender,
      block,
      parentCertificate: null,
      justification: [viewChange(0, null), viewChange(1, prepared), viewChange(3, null)],
    }),
    prepare: signed(1, { type: 'prepare', ...head, ...pair }),
    commit: signed(1, { type: 'commit', ...head, ...pair }),
    viewChange: viewChange(2, prepared),
    'viewChange-unlocked': { ...viewChange(2, null), lastCertificate: null },
    heartbeat: signed(1, { type: 'heartbeat', ...head, ...pair, time: 1_767_225_600_000 }),
    evidence: {
      type: 'evidence',
      epoch: 0,
      first: signed(1, { type: 'prepare', ...head, ...pair }),
      second: signed(1, { type: 'prepare', ...head, ...pair, resultHash: hash }),
    },
    bodyRequest: { type: 'bodyRequest', epoch: 0, height: 5, blockHash: hash },
    body: { type: 'body', epoch: 0, block, parentCertificate },
    blockRequest: { type: 'blockRequest', epoch: 0, fromHeight: 3, count: 8 },
    blocks: { type: 'blocks', epoch: 0, blocks: [{ block, result, certificate }] },
  }
}
