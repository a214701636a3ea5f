// Quorum arithmetic and certificate verification with real signatures.
import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import t from 'tap'
import {
  faultsTolerated,
  quorumOf,
  verifyCertificate,
  voteSigningBytes,
  type Certificate,
} from './index.js'
import { filled } from './samples.fixture.js'

const keys = Array.from({ length: 4 }, () => generateKeyPairSync('ed25519'))
const rawPublicKey = (key: KeyObject): Uint8Array =>
  key.export({ format: 'der', type: 'spki' }).subarray(12)
const validators = keys.map((pair, index) => ({
  entity: filled(index, 32),
  voteKey: rawPublicKey(pair.publicKey),
}))
const byKey = new Map(
  keys.map((pair) => [Buffer.from(rawPublicKey(pair.publicKey)).toString('hex'), pair.publicKey]),
)
const check = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  const key = byKey.get(Buffer.from(publicKey).toString('hex'))
  return key !== undefined && verify(null, message, key, signature)
}
const chain = { chainId: filled(1, 32), epoch: 0, validators }

function certify(signers: number[]): Certificate {
  const subject = { height: 3, view: 0, blockHash: filled(2, 32), resultHash: filled(3, 32) }
  const message = voteSigningBytes('commit', { ...subject, ...chain })
  return {
    ...subject,
    signers,
    signatures: signers.map((index) => sign(null, message, keys[index].privateKey)),
  }
}

t.test('quorum sizes follow R1', async (t) => {
  const table: [number, number][] = [
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 4],
    [6, 4],
    [7, 5],
    [10, 7],
    [13, 9],
    [16, 11],
    [19, 13],
    [31, 21],
  ]
  for (const [count, quorum] of table) t.equal(quorumOf(count), quorum, `n = ${count}`)
  t.equal(faultsTolerated(4), 1)
  for (let n = 1; n <= 31; n += 1)
    t.ok(2 * quorumOf(n) - n >= faultsTolerated(n) + 1, 'two quorums share f+1')
})

t.test('an empty set certifies nothing', async (t) => {
  const empty = { ...chain, validators: [] }
  t.match(verifyCertificate(certify([]), empty, check), { code: 'CERTIFICATE_NO_QUORUM' })
  t.match(verifyCertificate(certify([0, 1, 2]), empty, check), { code: 'CERTIFICATE_NO_QUORUM' })
})

t.test('a certificate needs a quorum of distinct, right signatures', async (t) => {
  t.same(verifyCertificate(certify([0, 1, 2]), chain, check), { ok: true, value: true })
  t.match(verifyCertificate(certify([0, 1]), chain, check), { code: 'CERTIFICATE_NO_QUORUM' })
  const altered = certify([0, 1, 2])
  const [signature] = certify([0, 1, 2]).signatures
  const one = { ...certify([0, 1, 2]), signers: [0, 0, 0], signatures: [signature, signature, signature] }
  t.match(verifyCertificate(one, chain, check), { code: 'CERTIFICATE_NO_QUORUM' }, 'one signer three times')
  const short = { ...certify([0, 1, 2]), signatures: [signature] }
  t.match(verifyCertificate(short, chain, check), { code: 'CERTIFICATE_NO_QUORUM' }, 'signatures missing')
  t.match(verifyCertificate({ ...altered, view: 1 }, chain, check), { code: 'CERTIFICATE_BAD_SIGNATURE' })
  t.match(verifyCertificate(altered, { ...chain, epoch: 1 }, check), { code: 'CERTIFICATE_BAD_SIGNATURE' })
  const stranger = { ...altered, signers: [0, 1, 7] }
  t.match(verifyCertificate(stranger, chain, check), { code: 'CERTIFICATE_WRONG_SUBJECT' })
})
