// Two of four validators are lost for good: the rest halts, institution keys sign a manifest, and the chain
// goes on in a new epoch with everything that was acknowledged. A lost one that comes back is told and
// stopped.
import t, { type Test } from 'tap'
import path from 'node:path'
import {
  decodeGenesis,
  encodeGenesis,
  encodeRecovery,
  encodeRecoveryFields,
  genesisValidators,
  hexToBytes,
  recoverySigningBytes,
  validatorsHash,
  type RecoveryFields,
} from '../../runtime/protocol/index.js'
import { anchorOf, checkDocument, decodeDocument, type ProofDocument } from '../../runtime/light/index.js'
import { examineNode } from '../appliance/doctor.js'
import { ExecutorClient } from '../executor/executor-client.js'
import { decodeAnswer, encodeRequest } from '../executor/snapshot-format.js'
import { joinNetwork } from '../founding/join.js'
import {
  generateSigningKey,
  sha256,
  signDetached,
  verifySignature,
  type SigningKey,
} from '../keys/crypto.js'
import type { Session } from '../api/node-port.js'
import { takeSnapshot } from '../sync/snapshot-sync.js'
import { provenBeyond } from './behind-watch.js'
import { createHospital, nodeConfig, until, type TestHospital, type TestNode } from './network.fixture.js'
import { giverOf, openOffer } from './offer.fixture.js'
import { epochOf } from './recovery-watch.js'
import { cheapKdf, storePassword } from './single-node.fixture.js'
import { govern, networkOf, ticketFor } from './ticket.fixture.js'

const patienceMs = 180_000
const bytes = (hex: string): Uint8Array => hexToBytes(hex) ?? new Uint8Array(0)

let enrolled = 0
async function write(hospital: TestHospital, at: TestNode, admin: Session): Promise<string> {
  enrolled += 1
  const args = { kind: 2, publicKey: enrolled.toString(16).padStart(8, '0').padStart(64, '3') }
  const proposal = { type: 'call', target: 'ward/governance', method: 'enrol', args } as const
  const receipt = await hospital.sign(at, admin, proposal)
  if (receipt.code !== 'OK') throw new Error(receipt.code)
  return receipt.transactionId
}

function manifestOf(fields: RecoveryFields, keys: readonly SigningKey[]): Uint8Array {
  const signedPart = encodeRecoveryFields(fields)
  const signatures = keys.map((key) => ({
    key: new Uint8Array(key.publicKey),
    signature: signDetached(key, recoverySigningBytes(signedPart)),
  }))
  return encodeRecovery({ signedPart, signatures })
}

async function fieldsAt(at: TestNode, named: readonly TestNode[], change = {}): Promise<RecoveryFields> {
  const network = await networkOf(at)
  const validators = named.map(({ name }) => {
    const node = network.nodes.find((entry) => entry.name === name)
    if (!node) throw new Error(name)
    return { entity: bytes(node.entity), voteKey: bytes(node.voteKey) }
  })
  return {
    chainId: bytes(network.chainId),
    epoch: network.epoch + 1,
    baseHeight: network.height,
    baseHash: bytes(network.blockHash),
    certificate: bytes(network.certificate),
    validators,
    reason: 'two machines burnt',
    ...change,
  }
}

t.setTimeout(600_000)

t.test('two of four lost, a manifest, a new epoch, and who comes back', async (t) => {
  const keys = [1, 2, 3].map(() => generateSigningKey())
  const institution = { threshold: 2, keys: keys.map((key) => new Uint8Array(key.publicKey)) }
  const hospital = await createHospital({ validators: 4, institution })
  t.teardown(() => hospital.close())
  const [first, second, third, fourth] = hospital.validators
  const admin = await hospital.signIn(first, 'admin')
  const acknowledged = [await write(hospital, first, admin), await write(hospital, first, admin)]
  const ticket = await ticketFor(hospital, first, admin, 'observer')
  const base = (await networkOf(first)).height
  await until('all have it', () => hospital.validators.every(({ node }) => node.status().height === base))

  await third.node.close()
  await fourth.node.close()
  await until('the rest says that it halted', () => first.node.status().phase === 'QUORUM_LOST', patienceMs)
  t.match(first.node.health().detail, /QUORUM_LOST: .*ward network recover/)

  const good = await fieldsAt(first, [first, second])
  const refusals: [string, Uint8Array, string][] = [
    ['one key of two', manifestOf(good, keys.slice(0, 1)), 'INSTITUTION_KEYS_NEEDED'],
    ['one key twice', manifestOf(good, [keys[0], keys[0]]), 'INSTITUTION_KEYS_NEEDED'],
    [
      'strange keys',
      manifestOf(good, [generateSigningKey(), generateSigningKey()]),
      'INSTITUTION_KEYS_NEEDED',
    ],
    ['below the tip', manifestOf({ ...good, baseHeight: base - 1 }, keys), 'RECOVERY_BELOW_TIP'],
    ['another block', manifestOf({ ...good, baseHash: new Uint8Array(32) }, keys), 'RECOVERY_OTHER_BRANCH'],
    ['the same epoch', manifestOf({ ...good, epoch: 0 }, keys), 'RECOVERY_STALE'],
    ['another chain', manifestOf({ ...good, chainId: new Uint8Array(32) }, keys), 'RECOVERY_MALFORMED'],
    ['no manifest', new Uint8Array([1, 2, 3]), 'RECOVERY_MALFORMED'],
  ]
  for (const [what, manifest, code] of refusals) {
    t.match(await first.node.recover(manifest), { ok: false, code }, what)
  }
  t.equal(first.node.status().phase, 'QUORUM_LOST', 'nothing was changed')

  const manifest = manifestOf(good, keys.slice(1))
  t.match(await first.node.recover(manifest), { ok: true, value: { epoch: 1, baseHeight: base } })
  t.equal(second.node.status().fault, undefined, 'nobody is stopped by an epoch that has no block yet')
  t.match(await second.node.recover(manifest), { ok: true, value: { isNew: true } })
  t.equal(second.node.status().fault, undefined)
  t.match(await second.node.recover(manifest), { ok: true, value: { isNew: false } }, 'again is no news')
  await until('both are connected', () => first.node.status().peersConnected >= 1, patienceMs)
  acknowledged.push(await write(hospital, first, admin), await write(hospital, first, admin))
  for (const id of acknowledged) {
    t.match(await second.node.transaction(id), { ok: true }, 'what was acknowledged is there')
  }
  const after = await networkOf(second)
  t.equal(after.epoch, 1)
  t.equal(after.validators.length, 2)
  t.same(
    after.nodes.map(({ role }) => role),
    ['validator', 'validator', 'observer', 'observer'],
  )

  const back = await hospital.open('v3')
  await until('who comes back is told', () => back.node.status().fault?.code === 'OLD_EPOCH', patienceMs)
  t.equal(back.node.status().height, base, 'and went no further')
  await back.node.close()
  await first.node.close()
  await second.node.close()
  const alone = await hospital.open('v3')
  t.equal(alone.node.status().fault?.code, 'OLD_EPOCH', 'a restart does not forget it, told by nobody')
  await hospital.open('v1')
  const other = await hospital.open('v2')
  t.match(await alone.node.recover(manifest), { ok: true })
  await until('it follows across the base', () => alone.node.status().height >= base + 2, patienceMs)
  t.match(await alone.node.transaction(acknowledged[3]), { ok: true })

  await alone.node.close()
  const report = await examineNode({ folder: back.folder, password: storePassword.slice() })
  t.same(report.findings, [], 'the doctor finds nothing wrong with a chain across a recovery')

  await other.node.close()
  const again = await hospital.open('v2')
  const adminAgain = await hospital.signIn(again, 'admin')
  await until('v2 is back in the new epoch', () => again.node.status().peersConnected >= 1, patienceMs)
  t.ok(await write(hospital, again, adminAgain), 'a restart keeps the epoch')
  await checkProof(t, again, adminAgain, manifestOf(good, keys.slice(0, 1)))

  // By a ticket of the former epoch: it is an applicant first, not a stranger.
  await joinNetwork({
    folder: `${hospital.folder}/v9`,
    ticket,
    config: nodeConfig('v9', 'observer', 0),
    password: storePassword,
    cost: cheapKdf,
  })
  const fresh = await hospital.open('v9')
  const { height } = again.node.status()
  await until(
    'a new node follows from genesis across the base',
    () => fresh.node.status().height >= height,
    patienceMs,
  )
  t.match(await fresh.node.transaction(acknowledged[3]), { ok: true })

  await t.test('a snapshot across the recovery, behind an erasure', async (t) => {
    t.equal(await admitAndErase(hospital, again, adminAgain), 'OK')
    const tip = again.node.status().height
    await until('the new node has it', () => fresh.node.status().height >= tip, patienceMs)
    await fresh.node.close()
    const source = await openOffer(fresh.folder)
    t.teardown(() => source.close())
    const entity = good.validators[0].entity
    const said = [{ entity, offer: source.offer }]
    t.ok(source.offer.floor > base, 'blocks do not lead there')
    t.equal(provenBeyond(hospital.genesis, base, said), tip, 'a node below it may take a snapshot')

    const far = {
      ...good,
      epoch: 2 ** 32 - 1,
      baseHeight: tip,
      baseHash: sha256(source.offer.block.header),
    }
    const forged = [
      new Uint8Array([1, 2, 3]),
      manifestOf({ ...good, epoch: 2 }, keys.slice(0, 1)),
      manifestOf(far, []),
      // Signed once, followed never.
      manifestOf({ ...good, epoch: 3, baseHeight: base + 1 }, keys),
    ]
    const folder = path.join(hospital.folder, 'taken')
    const dataKey = source.dataKey.toBytes()
    const to = new ExecutorClient(() => undefined)
    await to.call('syncOpen', { folder, dataKey, genesis: hospital.genesis })
    const client = giverOf(source, (own) => [...forged, ...own, ...forged])
    await takeSnapshot({ client, executor: to, timeoutMs: patienceMs })
    await to.close()
    const taken = new ExecutorClient(() => undefined)
    t.teardown(() => taken.close())
    await taken.call('open', { folder, dataKey: source.dataKey.toBytes(), genesis: null })
    t.equal(epochOf(await taken.call('tip', null)).epoch, 1, 'not the epoch of a forged manifest')
    const request = encodeRequest({ kind: 'offer' })
    const answer = decodeAnswer(await taken.call('snapshot', { request, peer: '' }))
    const kept = answer?.kind === 'offer' ? answer.offer.manifests : []
    t.same(
      kept.map((bytes) => Buffer.from(bytes)),
      [Buffer.from(manifest)],
      'the one that the chain followed',
    )
  })
})

/** A proof of the new epoch holds from the founding document on; `weak`: a manifest that too few signed. */
async function checkProof(t: Test, at: TestNode, admin: Session, weak: Uint8Array): Promise<void> {
  const proved = await at.node.proof(admin, { about: 'alias', name: 'ward/alerts' })
  const document = decodeDocument(proved.ok ? proved.value.document : '')
  if (!document.ok || !document.value.recovery) throw new Error('a proof with its recovery expected')
  const { recovery } = document.value
  const genesis = decodeGenesis(recovery.genesis)
  if (!genesis.ok) throw new Error(genesis.code)
  const founding = validatorsHash(sha256, genesisValidators(genesis.value))
  const anchor = anchorOf(sha256, document.value.chainId, founding)
  const check = (change: Partial<ProofDocument>) =>
    checkDocument({ ...document.value, ...change }, anchor, { hash: sha256, verify: verifySignature })
  t.match(check({}), { ok: true, value: { final: { header: { epoch: 1 } } } })
  t.match(check({ recovery: { ...recovery, manifests: [weak] } }), { ok: false, code: 'EPOCH_WRONG' })
  const other = encodeGenesis({
    ...genesis.value,
    institution: { threshold: 1, keys: [new Uint8Array(32)] },
  })
  t.match(check({ recovery: { ...recovery, genesis: other } }), { ok: false, code: 'RECOVERY_UNPROVEN' })
  t.match(check({ recovery: undefined }), { ok: false, code: 'PROOF_ANCHOR_WRONG' })
}

const patient = '22'.repeat(16)
const body = {
  ...{ family: 'Jones', given: 'Lisa', birthDate: 0, sex: '', pregnancy: 0, identifiers: [] },
  ...{ ward: '', room: '', bed: '', visitNumber: '', reason: '' },
}

async function admitAndErase(hospital: TestHospital, at: TestNode, admin: Session): Promise<string> {
  const nurse = await hospital.signIn(at, 'nurse')
  const records = [{ kind: 'admission' as const, patient, code: '', body }]
  const admitted = await hospital.sign(at, nurse, { type: 'append', records })
  if (admitted.code !== 'OK') return admitted.code
  return govern(hospital, at, admin, 'erasePatient', { patient })
}
