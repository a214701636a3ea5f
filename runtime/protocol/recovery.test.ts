// The recovery manifest: one encoding, what is refused, and whose signatures count.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  bytesToHex,
  checkRecoverySignatures,
  decodeRecovery,
  encodeCbor,
  encodeRecovery,
  encodeRecoveryFields,
  recoveryBytesMax,
  recoverySigningBytes,
  type CborValue,
  type RecoveryFields,
} from './index.js'

const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value)
const seat = (value: number) => ({ entity: filled(value), voteKey: filled(value + 100) })
const sample: RecoveryFields = {
  chainId: filled(1),
  epoch: 1,
  baseHeight: 42,
  baseHash: filled(2),
  certificate: new Uint8Array([1, 2, 3]),
  validators: [seat(3), seat(4)],
  reason: 'flood in the machine room',
}
const fileOf = (fields: RecoveryFields): Uint8Array =>
  encodeRecovery({ signedPart: encodeRecoveryFields(fields), signatures: [] })

t.test('the signed part has one encoding', (t) => {
  const decoded = decodeRecovery(fileOf(sample))
  if (!decoded.ok) throw new Error(decoded.code)
  t.same(decoded.value.fields, sample)
  t.same(encodeRecoveryFields(decoded.value.fields), decoded.value.signedPart)
  const digest = createHash('sha256').update(recoverySigningBytes(decoded.value.signedPart)).digest('hex')
  t.equal(digest, '7f5c997f5e86e0d5657c335c6cfe229aa4e946899ea79568a43622b0ce28c9fa', 'frozen')
  t.end()
})

t.test('refused', (t) => {
  const seats = Array.from({ length: 32 }, (_, at) => seat(at))
  const wrong: [string, Partial<RecoveryFields>][] = [
    ['nobody votes', { validators: [] }],
    ['too many', { validators: seats }],
    ['an entity twice', { validators: [seat(3), { ...seat(4), entity: filled(3) }] }],
    ['a key twice', { validators: [seat(3), { ...seat(4), voteKey: filled(103) }] }],
    ['no reason', { reason: '' }],
    ['a long reason', { reason: 'x'.repeat(201) }],
    ['a reason that moves the cursor', { reason: 'a\u001b[2J' }],
    ['a short hash', { baseHash: new Uint8Array(31) }],
  ]
  for (const [what, change] of wrong)
    t.match(decodeRecovery(fileOf({ ...sample, ...change })), { code: 'RECOVERY_MALFORMED' }, what)
  t.equal(decodeRecovery(fileOf({ ...sample, validators: seats.slice(0, 31) })).ok, true, '31 may vote')
  t.equal(decodeRecovery(fileOf({ ...sample, reason: 'x'.repeat(200) })).ok, true, '200 letters')
  t.equal(decodeRecovery(new Uint8Array(recoveryBytesMax + 1)).ok, false)
  const other = encodeCbor([encodeCbor([2, ...new Array<CborValue>(7).fill(0)]), []])
  t.match(decodeRecovery(other), { code: 'RECOVERY_MALFORMED', detail: 'version' })
  t.end()
})

t.test('any bytes give a manifest or a code', (t) => {
  const good = fileOf(sample)
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(good.length - 1),
      fc.nat(255),
      (noise, at, value) => {
        decodeRecovery(noise)
        const damaged = Uint8Array.from(good)
        damaged[at] = value
        const decoded = decodeRecovery(damaged)
        return !decoded.ok || bytesToHex(encodeRecovery(decoded.value)) === bytesToHex(damaged)
      },
    ),
  )
  t.end()
})

t.test('different keys of the list count, each once, over the right bytes', (t) => {
  const signedPart = encodeRecoveryFields(sample)
  const quorum = { threshold: 2, keys: [filled(21), filled(22), filled(23)] }
  const signature = new Uint8Array(64)
  const count = (keys: number[], isGood = true) =>
    checkRecoverySignatures(
      { fields: sample, signedPart, signatures: keys.map((key) => ({ key: filled(key), signature })) },
      quorum,
      (_key, bytes) => isGood && bytesToHex(bytes) === bytesToHex(recoverySigningBytes(signedPart)),
    )
  t.same(count([21, 23]), { count: 2, isEnough: true })
  t.same(count([21, 21]), { count: 1, isEnough: false })
  t.same(count([21, 99]), { count: 1, isEnough: false })
  t.same(count([21, 22], false), { count: 0, isEnough: false })
  t.end()
})
