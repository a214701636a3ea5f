import t from 'tap'
import { coreDefaults } from './config.js'
import { certificateOf, isCertificateValid, quorumSizes } from './quorum.js'
import { entityOf, fakeHash, fakeSign, fakeVerify, keyOf } from '../sim/fake-crypto.js'
import { createCore } from './state.js'
import { chainId, sampleCertificate, sampleSet, signed } from './sample.fixture.js'
import type { VoteMessage } from './types.js'

const state = createCore(
  { ...coreDefaults, chainId, epoch: 0, version: 1, appVersion: 1, self: entityOf(0) },
  {
    hash: fakeHash,
    sign: (bytes) => fakeSign(keyOf(0, 0), bytes),
    verify: fakeVerify,
    payloadMatches: () => true,
  },
)

t.test('quorums for every n: the table of the reference, and overlap in f+1', async (t) => {
  const table: Record<number, number> = {
    1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 10: 7, 13: 9, 16: 11, 19: 13, 22: 15, 25: 17, 28: 19, 31: 21,
  } // prettier-ignore
  for (const [members, quorum] of Object.entries(table))
    t.equal(quorumSizes(Number(members)).q, quorum, members)
  for (let count = 1; count <= 31; count += 1) {
    const { n, f, q } = quorumSizes(count)
    t.ok(2 * q - n >= f + 1, `two quorums of ${n} share a correct member`)
    t.ok(q <= n - f, `the correct members of ${n} are a quorum`)
  }
})

t.test('a certificate needs q distinct members, in order, each with a good signature', async (t) => {
  const set = sampleSet(4)
  const subject = {
    height: 3,
    view: 1,
    blockHash: fakeHash(new Uint8Array([1])),
    resultHash: fakeHash(new Uint8Array([2])),
  }
  const check = (
    certificate: ReturnType<typeof sampleCertificate>,
    phase: 'prepare' | 'commit' = 'commit',
  ) => isCertificateValid(state, certificate, { phase, set, epoch: 0 })
  const good = sampleCertificate(subject, [0, 1, 3], 'commit')
  t.ok(check(good))
  t.ok(check(good), 'remembered')
  t.notOk(check(good, 'prepare'), 'a COMMIT certificate is no lock')
  t.notOk(check(sampleCertificate(subject, [0, 1], 'commit')), 'one too few')
  t.notOk(check(sampleCertificate(subject, [0, 1, 1], 'commit')), 'a signer twice')
  t.notOk(check(sampleCertificate(subject, [1, 0, 3], 'commit')), 'out of order')
  t.notOk(check(sampleCertificate(subject, [0, 1, 4], 'commit')), 'no such member')
  t.notOk(check({ ...good, view: 2 }), 'another view')
  t.notOk(check({ ...good, height: 4 }), 'another height')
  t.notOk(check({ ...good, signatures: good.signatures.slice(1) }), 'a signature missing')
  t.notOk(isCertificateValid(state, good, { phase: 'commit', set, epoch: 1 }), 'another epoch')
})

t.test('a certificate is made of the lowest q members that agree', async (t) => {
  const pair = { blockHash: fakeHash(new Uint8Array([1])), resultHash: fakeHash(new Uint8Array([2])) }
  const votes = new Map<number, VoteMessage>()
  for (const index of [3, 0, 2, 1]) {
    const vote = { type: 'commit', epoch: 0, height: 1, view: 0, sender: entityOf(index), ...pair } as const
    votes.set(index, signed(index, vote))
  }
  const certificate = certificateOf(votes, 3)
  t.strictSame(certificate.signers, [0, 1, 2])
  t.ok(isCertificateValid(state, certificate, { phase: 'commit', set: sampleSet(4), epoch: 0 }))
})
