// What bad input gets, on a running node with its real store, runtime and consensus: a code, a sentence,
// and nothing stored.
import t from 'tap'
import {
  bodyHash,
  bytesToHex,
  decodeBundle,
  encodeBorsh,
  encodeBundle,
  encodeManifest,
  encodeSignedTransaction,
  encodeTransaction,
  entityIdOf,
  hexToBytes,
  keyIdOf,
  observationBody,
  recordKind,
  transactionSigningBytes,
  type Manifest,
  type RecordBody,
  type Transaction,
} from '../../runtime/protocol/index.js'
import type { Outcome, Proposal, ReceiptView, Session } from '../api/node-port.js'
import { generateSigningKey, sha256, signDetached, type SigningKey } from '../keys/crypto.js'
import { createSingleNode, personPassword, type SingleNode } from './single-node.fixture.js'
import { createNodeLogger } from './node-logger.js'
import { WardNode } from './ward-node.js'

const patient = new Uint8Array(16).fill(7)
const admission: Proposal = {
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient: bytesToHex(patient),
      code: 'ADT^A01',
      body: {
        family: 'Jones',
        given: 'Lisa',
        birthDate: 19970214,
        sex: 'F',
        pregnancy: 1,
        identifiers: [],
        ward: '4',
        room: '12',
        bed: 'A',
        visitNumber: '1',
        reason: '',
      },
    },
  ],
}

/** The same transaction, and so the same id, under a signature that is none. */
function withOtherSignature(bundle: Uint8Array): Uint8Array {
  const decoded = decodeBundle(bundle, sha256)
  if (!decoded.ok) throw new Error(decoded.code)
  const forged = Buffer.from(bundle)
  forged[forged.indexOf(decoded.value.signed.signature)] ^= 1
  return new Uint8Array(forged)
}

/** A device that signs for itself, outside of the node. */
class Device {
  readonly key: SigningKey = generateSigningKey()
  readonly entity = entityIdOf(sha256, this.key.publicKey)
  sequence = 0
  constructor(private readonly chainId: Uint8Array) {}

  bundle(
    change: Partial<Transaction> = {},
    options: { flip?: boolean; patient?: Uint8Array; code?: string } = {},
  ): Uint8Array {
    const content = encodeBorsh(observationBody, {
      schema: 1,
      value: 386n,
      scale: 1,
      unit: 'Cel',
      text: '',
      status: 'F',
      validation: 0,
      sourceText: '101.5 [degF]',
      device: 'test',
    })
    if (!content.ok) throw new Error(content.code)
    const body: RecordBody = { salt: new Uint8Array(16).fill(this.sequence), content: content.value }
    const record = {
      kind: recordKind.observation,
      patient: options.patient ?? patient,
      code: options.code ?? '8310-5',
      effectiveTime: Date.now(),
      bodyHash: bodyHash(sha256, body),
    }
    const payload = encodeTransaction({
      chainId: this.chainId,
      sender: this.entity,
      keyId: keyIdOf(sha256, this.key.publicKey),
      stream: 0,
      sequence: this.sequence++,
      fuelLimit: 10_000_000,
      action: { type: 'append', records: [record] },
      ...change,
    })
    const signature = signDetached(this.key, transactionSigningBytes(payload))
    if (options.flip) signature[20] ^= 1
    return encodeBundle(encodeSignedTransaction(payload, signature), [body], [])
  }
}

function codeOf(outcome: Outcome<ReceiptView>): string {
  return outcome.ok ? outcome.value.code : outcome.code
}

const grantProposal = (entity: Uint8Array, id: string): Proposal => ({
  type: 'call',
  target: 'ward/policy',
  method: 'grant',
  args: {
    id,
    role: '',
    entity: bytesToHex(entity),
    action: 1,
    kind: recordKind.observation,
    target: '',
    names: ['8310-5'],
    patient: bytesToHex(patient),
    validUntil: '0',
  },
})

async function enrol(single: SingleNode, admin: Session, device: Device): Promise<void> {
  const args = { kind: 2, publicKey: bytesToHex(device.key.publicKey) }
  const receipt = await single.sign(admin, {
    type: 'call',
    target: 'ward/governance',
    method: 'enrol',
    args,
  })
  if (receipt.code !== 'OK') throw new Error(`${receipt.code} ${receipt.detail}`)
}

t.test('bad transactions', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { node } = single
  const chainId = hexToBytes(node.status().chainId) ?? new Uint8Array(32)
  const admin = await single.signIn('admin')
  const nurse = await single.signIn('nurse')
  const device = new Device(chainId)

  await t.test('the key is unknown until it is enrolled', async (t) => {
    t.equal(codeOf(await node.submitSigned(device.bundle())), 'KEY_UNKNOWN')
    await enrol(single, admin, device)
  })

  await t.test('no grant: a receipt that names what is missing, and nothing recorded', async (t) => {
    const admitted = await single.sign(nurse, admission)
    t.equal(admitted.code, 'OK', admitted.detail)
    const outcome = await node.submitSigned(device.bundle())
    t.equal(codeOf(outcome), 'APPEND_NOT_GRANTED')
    t.match(outcome.ok && outcome.value.detail, /8310-5/)
    t.same(outcome.ok && outcome.value.records, [])
    const granted = await single.sign(admin, grantProposal(device.entity, '11'.repeat(16)))
    t.equal(granted.code, 'OK', granted.detail)
    const accepted = await node.submitSigned(device.bundle())
    t.equal(codeOf(accepted), 'OK')
    t.match(accepted.ok && accepted.value.detail, /11111111/, 'the receipt names the grant')
    t.equal(codeOf(await node.submitSigned(device.bundle({}, { code: '8480-6' }))), 'APPEND_NOT_GRANTED')
  })

  await t.test('wrong chain, forged, altered, expired, replayed', async (t) => {
    t.equal(codeOf(await node.submitSigned(device.bundle({ chainId: new Uint8Array(32) }))), 'WRONG_CHAIN')
    t.equal(codeOf(await node.submitSigned(device.bundle({}, { flip: true }))), 'SIGNATURE_INVALID')
    t.equal(
      codeOf(await node.submitSigned(device.bundle({ sender: new Uint8Array(32) }))),
      'SENDER_MISMATCH',
    )
    t.equal(codeOf(await node.submitSigned(device.bundle({ validUntil: Date.now() - 60_000 }))), 'EXPIRED')
    t.equal(
      codeOf(await node.submitSigned(device.bundle({ validUntil: Date.now() + 48 * 3_600_000 }))),
      'VALID_TOO_LONG',
    )
    const terms = { sequence: 500 }
    const once = device.bundle(terms)
    const [first, again] = [await node.submitSigned(once), await node.submitSigned(once)]
    t.equal(codeOf(first), 'OK')
    t.same(again, first, 'the same bytes get the same answer')
    t.match(await node.submitMany([once]), { ok: true, value: { refused: [] } })
    const forged = withOtherSignature(once)
    t.equal(codeOf(await node.submitSigned(forged)), 'SIGNATURE_INVALID', 'no receipt for who did not sign')
    t.match(await node.submitMany([forged]), {
      ok: true,
      value: { accepted: [], refused: [{ position: 0, code: 'SIGNATURE_INVALID' }] },
    })
    const other = device.bundle(terms, { code: '8480-6' })
    t.equal(codeOf(await node.submitSigned(other)), 'SEQUENCE_REUSED')
    t.match(await node.submitMany([once, other]), {
      ok: true,
      value: { accepted: [/./], refused: [{ position: 1, code: 'SEQUENCE_REUSED' }] },
    })
    const failed = device.bundle({}, { code: '8480-6' })
    const [refused, still] = [await node.submitSigned(failed), await node.submitSigned(failed)]
    t.equal(codeOf(refused), 'APPEND_NOT_GRANTED')
    t.same(still, refused, 'also of one that failed')
    t.equal(codeOf(await node.submitSigned(device.bundle({ sequence: 2 ** 21 + 5 }))), 'SEQUENCE_JUMP')
    t.equal(codeOf(await node.submitSigned(device.bundle())), 'OK', 'a good one still passes')
  })

  await t.test('sizes, fuel and shape', async (t) => {
    t.equal(
      codeOf(await node.submitSigned(device.bundle({ fuelLimit: 2_000_000_001 }))),
      'FUEL_LIMIT_TOO_HIGH',
    )
    t.equal(codeOf(await node.submitSigned(new Uint8Array([0xff, 1, 2]))), 'BUNDLE_MALFORMED')
    t.equal(codeOf(await node.submitSigned(new Uint8Array(8_000_000))), 'TRANSACTION_TOO_LARGE')
    const stranger = new Uint8Array(16).fill(9)
    const ungranted = await node.submitSigned(device.bundle({}, { patient: stranger }))
    t.equal(codeOf(ungranted), 'APPEND_NOT_GRANTED', 'its grant is for one patient')
    const body = { concepts: ['redness'], site: '', text: '' }
    const finding = {
      kind: 'finding' as const,
      patient: bytesToHex(stranger),
      code: 'wound-assessment',
      body,
    }
    const unknown = await single.sign(nurse, { type: 'append', records: [finding] })
    t.equal(
      unknown.code,
      'PATIENT_UNKNOWN',
      'a nurse may write for any patient, but this one was never admitted',
    )
    t.same(unknown.records, [])
  })

  await t.test('a revoked grant and a revoked key', async (t) => {
    const revoke = {
      type: 'call',
      target: 'ward/policy',
      method: 'revoke',
      args: { id: '11'.repeat(16) },
    } as const
    t.equal((await single.sign(admin, revoke)).code, 'OK')
    t.equal(codeOf(await node.submitSigned(device.bundle())), 'APPEND_NOT_GRANTED')
    const keyId = bytesToHex(keyIdOf(sha256, device.key.publicKey))
    const revokeKey = {
      type: 'call',
      target: 'ward/governance',
      method: 'revokeKey',
      args: { keyId },
    } as const
    t.equal((await single.sign(admin, revokeKey)).code, 'OK')
    t.equal(codeOf(await node.submitSigned(device.bundle())), 'KEY_REVOKED')
  })

  await t.test('a module with a forbidden import is refused with words for its vendor', async (t) => {
    const vendor = await single.signIn('vendor')
    const receipt = await single.sign(vendor, deployment(randomImport))
    t.equal(receipt.code, 'MODULE_REFUSED')
    t.match(receipt.detail, /Math\.random|seed|IMPORT/)
    const noise = await single.sign(vendor, deployment(new Uint8Array([0, 1, 2, 3])))
    t.equal(noise.code, 'MODULE_REFUSED')
  })

  await t.test('what was recorded survives a restart', async (t) => {
    const before = node.status()
    await single.restart()
    t.equal(single.node.status().stateRoot, before.stateRoot)
    t.equal(single.node.status().height, before.height)
    const again = await single.signIn('nurse')
    const query = {
      application: 'test',
      patient: bytesToHex(patient),
      kind: 'observation',
      limit: 10,
      order: 'newest',
    } as const
    const records = await single.node.records(again, query)
    t.equal(records.ok && records.value.records.length, 3)
  })
})

t.test('sealed, wrong passwords, no session', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  await single.node.seal()
  t.equal(single.node.status().sealed, true)
  t.equal(single.node.status().chainId, '', 'a sealed node says nothing of its chain')
  const wrong = await single.node.unlock(new TextEncoder().encode('wrong'))
  t.match(wrong, { ok: false, code: 'KEYSLOT_REJECTED' })
  t.match(await single.node.submitSigned(new Uint8Array(1)), { code: 'NODE_SEALED' })
  const other = new WardNode(single.folder, createNodeLogger('test', 'silent'))
  t.teardown(() => other.close())
  t.match(await other.unlock(new TextEncoder().encode('wrong again')), { code: 'KEYSLOT_REJECTED' })
  await single.restart()
  const rejected = await single.node.signIn(single.persons.nurse, new TextEncoder().encode('wrong'))
  t.match(rejected, { ok: false, code: 'SIGN_IN_REJECTED' })
  const guesses = Array.from({ length: 5 }, () => new TextEncoder().encode('wrong'))
  const volley = await Promise.all(
    [...guesses, personPassword.slice()].map((guess) => single.node.signIn(single.persons.doctor, guess)),
  )
  t.ok(
    volley.every((end) => !end.ok),
    'a volley of guesses meets the wait that its first ones brought, the right one too',
  )
  t.match(await single.node.signIn('00'.repeat(32), personPassword.slice()), { code: 'SIGN_IN_REJECTED' })
  const session = await single.signIn('nurse')
  single.node.signOut(session.token)
  t.match(await single.node.prepare(session, admission), { code: 'SESSION_REQUIRED' })
})

/** (module (import "env" "seed" (func (result f64))) (memory (export "memory") 1)) */
const randomImport = new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7c, 2, 12, 1, 3, 0x65, 0x6e, 0x76, 4, 0x73, 0x65,
  0x65, 0x64, 0, 0, 5, 3, 1, 0, 1, 7, 10, 1, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0,
])

function deployment(code: Uint8Array): Proposal {
  const manifest: Manifest = {
    alias: 'vendor/dice',
    version: '1',
    type: 'contract',
    title: 'Dice',
    purpose: 'Guesses.',
    population: '',
    reviewer: '',
    evidence: [],
    compiler: '',
    migrateVersion: 0,
    reads: [],
    emits: [],
    calls: [],
    subscriptions: [],
    methods: [],
  }
  const manifestBytes = encodeManifest(manifest)
  return {
    type: 'call',
    target: 'ward/governance',
    method: 'deploy',
    args: { manifest: bytesToHex(sha256(manifestBytes)), code: bytesToHex(sha256(code)) },
    attachments: [manifestBytes, code].map((bytes) => Buffer.from(bytes).toString('base64')),
  }
}
