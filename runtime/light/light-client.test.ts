// The light client over changes of the validator set: what it follows, and every way to lead it astray.
import { createHash, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import t from 'tap'
import {
  encodeCertificate,
  encodeHeader,
  encodeRecovery,
  encodeRecoveryFields,
  encodeResult,
  quorumOf,
  recoverySigningBytes,
  resultHash,
  validatorsHash,
  voteSigningBytes,
  type BlockHeader,
  type Validator,
} from '../protocol/index.js'
import {
  anchorOf,
  checkFinal,
  followChain,
  type FinalEvidence,
  type LightPorts,
  type LightTrust,
} from './index.js'

const hash = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
const keys = new Map<string, KeyObject>()
const spki = (publicKey: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey])
const ports: LightPorts = {
  hash,
  verify: (publicKey, message, signature) =>
    verify(null, message, { key: spki(publicKey), format: 'der', type: 'spki' }, signature),
}

function member(number: number): Validator {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const voteKey = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(12))
  keys.set(Buffer.from(voteKey).toString('hex'), privateKey)
  return { entity: new Uint8Array(32).fill(number), voteKey }
}

const chainId = new Uint8Array(32).fill(7)
const people = Array.from({ length: 6 }, (_, number) => member(number))
const founding = people.slice(0, 4)
const second = people.slice(1, 5)
const third = people.slice(2, 6)
const setHash = (set: readonly Validator[]): Uint8Array => validatorsHash(hash, set)

interface Change {
  header?: Partial<BlockHeader>
  signers?: number[]
  height?: number
}

/** A block of this height, signed by a quorum of `set`, after which `next` votes. */
function block(height: number, set: Validator[], next = set, change: Change = {}): FinalEvidence {
  const zero = new Uint8Array(32)
  const header = encodeHeader({
    version: 1,
    appVersion: 1,
    chainId,
    epoch: 0,
    height,
    view: 0,
    time: 1_000 + height,
    proposer: set.at(0)?.entity ?? zero,
    parentHash: zero,
    parentResultHash: zero,
    parentCertificateHash: zero,
    transactionRoots: [zero, zero, zero, zero, zero],
    validatorsHash: setHash(set),
    ...change.header,
  })
  const result = encodeResult({
    stateRoot: new Uint8Array(32).fill(height),
    receiptsRoot: zero,
    nextValidatorsHash: setHash(next),
    fuelUsed: 0,
    nextDueTime: 0,
  })
  const subject = {
    chainId,
    epoch: change.header?.epoch ?? 0,
    height: change.height ?? height,
    view: 0,
    blockHash: hash(header),
    resultHash: resultHash(hash, result),
  }
  const signers = change.signers ?? Array.from({ length: quorumOf(set.length) }, (_, index) => index)
  const signatures = signers.map((signer) => {
    const key = keys.get(Buffer.from(set[signer].voteKey).toString('hex'))
    if (key === undefined) throw new Error('no such member')
    return new Uint8Array(sign(null, voteSigningBytes('commit', subject), key))
  })
  return {
    header,
    result,
    certificate: encodeCertificate({ ...subject, signers, signatures }),
    validators: set,
  }
}

const trust: LightTrust = { chainId, epoch: 0, validatorsHash: setHash(founding), height: 0 }
const handovers = [block(5, founding, second), block(9, second, third)]

t.test('it follows every change of the set, and only whole chains of them', async (t) => {
  const tip = block(12, third)
  const followed = followChain(trust, handovers, tip, ports)
  t.ok(followed.ok && followed.value.header.height === 12)
  t.same(followed.ok && followed.value.trust.validatorsHash, setHash(third))
  t.ok(followChain(trust, [], block(5, founding, second), ports).ok, 'the block that hands over itself')
  t.match(followChain(trust, [], tip, ports), { code: 'VALIDATORS_WRONG' })
  t.match(followChain(trust, handovers.slice(1), tip, ports), { code: 'VALIDATORS_WRONG' })
  t.match(followChain(trust, handovers.slice(0, 1), tip, ports), { code: 'VALIDATORS_WRONG' })
  t.match(followChain(trust, [...handovers].reverse(), tip, ports), { code: 'VALIDATORS_WRONG' })
  t.match(followChain(trust, handovers, block(9, third), ports), { code: 'HEIGHT_NOT_LATER' })
  t.match(
    followChain(trust, handovers, block(12, founding), ports),
    { code: 'VALIDATORS_WRONG' },
    'a set that went',
  )
})

t.test('a set of nobody ends the chain: no block stands on no signature', async (t) => {
  const last = block(5, founding, [])
  t.match(followChain(trust, [last], block(9, []), ports), { code: 'CERTIFICATE_NO_QUORUM' })
})

t.test('one block: everything that does not fit has its code', async (t) => {
  const good = block(3, founding)
  const code = (evidence: FinalEvidence, believed = trust): string => {
    const checked = checkFinal(evidence, believed, ports)
    return checked.ok ? 'OK' : checked.code
  }
  t.equal(code(good), 'OK')
  t.equal(code({ ...good, header: new Uint8Array([1]) }), 'HEADER_MALFORMED')
  t.equal(code({ ...good, result: new Uint8Array([1]) }), 'RESULT_MALFORMED')
  t.equal(code({ ...good, certificate: new Uint8Array(0) }), 'CERTIFICATE_MALFORMED')
  t.equal(code(good, { ...trust, chainId: new Uint8Array(32) }), 'CHAIN_WRONG')
  t.equal(code(good, { ...trust, epoch: 1 }), 'EPOCH_WRONG')
  t.equal(code(good, { ...trust, height: 3 }), 'HEIGHT_NOT_LATER')
  t.equal(code({ ...good, validators: second }), 'VALIDATORS_WRONG')
  t.equal(
    code(block(3, founding, founding, { header: { validatorsHash: setHash(second) } })),
    'VALIDATORS_WRONG',
  )
  t.equal(code({ ...good, certificate: block(4, founding).certificate }), 'CERTIFICATE_WRONG_SUBJECT')
  t.equal(code(block(3, founding, founding, { height: 4 })), 'CERTIFICATE_WRONG_SUBJECT')
  t.equal(code({ ...good, result: block(3, founding, second).result }), 'CERTIFICATE_WRONG_SUBJECT')
  t.equal(code(block(3, founding, founding, { signers: [0, 3] })), 'CERTIFICATE_NO_QUORUM')
  const stolen = block(3, founding)
  const forged = { ...stolen, certificate: stolen.certificate.slice() }
  forged.certificate[forged.certificate.length - 1] ^= 1
  t.equal(code(forged), 'CERTIFICATE_BAD_SIGNATURE')
})

t.test('from epoch to epoch only by a manifest of enough institution keys', async (t) => {
  const institution = [member(91), member(92), member(93)]
  const quorum = { threshold: 2, keys: institution.map(({ voteKey }) => voteKey) }
  const manifest = (signers: readonly Validator[], change = {}): Uint8Array => {
    const signedPart = encodeRecoveryFields({
      ...{ chainId, epoch: 1, baseHeight: 6, baseHash: new Uint8Array(32), certificate: new Uint8Array(0) },
      ...{ validators: [...third], reason: 'fire', ...change },
    })
    const signatures = signers.map(({ voteKey }) => {
      const key = keys.get(Buffer.from(voteKey).toString('hex'))
      if (key === undefined) throw new Error('no such key')
      return { key: voteKey, signature: new Uint8Array(sign(null, recoverySigningBytes(signedPart), key)) }
    })
    return encodeRecovery({ signedPart, signatures })
  }
  const inEpoch = { header: { epoch: 1 } }
  const tip = block(12, third, third, inEpoch)
  const first = [block(5, founding, second)]
  const follow = (manifests: Uint8Array[], evidence = tip): string => {
    const followed = followChain(trust, first, evidence, ports, { quorum, manifests })
    return followed.ok ? 'OK' : followed.code
  }
  const good = manifest(institution.slice(1))
  t.equal(follow([good]), 'OK')
  t.equal(follow([]), 'EPOCH_WRONG')
  t.equal(follow([manifest(institution.slice(0, 1))]), 'EPOCH_WRONG', 'one key of two')
  t.equal(follow([manifest([institution[0], institution[0]])]), 'EPOCH_WRONG', 'one key twice')
  t.equal(follow([manifest(people.slice(0, 2))]), 'EPOCH_WRONG', 'keys of validators')
  t.equal(follow([manifest(institution, { chainId: new Uint8Array(32) })]), 'EPOCH_WRONG')
  t.equal(
    follow([manifest(institution, { baseHeight: 4 })]),
    'EPOCH_WRONG',
    'a base below what is believed',
  )
  t.equal(
    follow([good], block(12, second, second, inEpoch)),
    'VALIDATORS_WRONG',
    'the old set in the new epoch',
  )
  t.equal(
    follow([good], block(6, third, third, inEpoch)),
    'HEIGHT_NOT_LATER',
    'the base itself is not of it',
  )
  t.equal(followChain(trust, first, tip, ports).ok, false, 'without keys to check a manifest with')
})

t.test('the anchor names the chain and its founding set', async (t) => {
  const anchor = anchorOf(hash, chainId, setHash(founding))
  t.not(Buffer.compare(anchor, anchorOf(hash, chainId, setHash(second))), 0)
  t.not(Buffer.compare(anchor, anchorOf(hash, new Uint8Array(32), setHash(founding))), 0)
})
