// The standalone verifier: a bundle that imports nothing, run where there is no Node and no browser, against
// a real chain's proofs; every changed byte is refused. Its Ed25519 is compared with the nodes' own.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createContext, Script } from 'node:vm'
import { sha512 } from '@noble/hashes/sha2.js'
import t from 'tap'
import { bytesToHex, decodeBorsh, observationBody } from '../../runtime/protocol/index.js'
import { verifyEd25519 } from '../../runtime/light/index.js'
import { generateSigningKey, randomBytes, signDetached, verifySignature } from '../../host/keys/crypto.js'
import { createSingleNode, type SingleNode } from '../../host/node/single-node.fixture.js'
import type { ProofOf } from '../../host/api/node-port.js'
import { buildVerifier } from '../build-verifier.js'
import { verifyProofFile } from './index.js'

const lisa = 'a1'.repeat(16)
const systolic = {
  value: '80',
  scale: 0,
  unit: 'mm[Hg]',
  text: '',
  status: 'F',
  validation: 2,
  sourceText: '',
  device: '',
}

async function chartOf(
  single: SingleNode,
): Promise<{ record: string; prove: (asked: ProofOf) => Promise<string> }> {
  const nurse = await single.signIn('nurse')
  const admission = {
    family: 'Jones',
    given: 'Lisa',
    birthDate: 19970214,
    sex: 'F',
    pregnancy: 1,
    identifiers: [],
    ward: '4',
    room: '12',
    bed: 'A',
    visitNumber: 'V1',
    reason: '',
  }
  await single.sign(nurse, {
    type: 'append',
    records: [{ kind: 'admission', patient: lisa, code: 'ADT^A01', body: admission }],
  })
  const receipt = await single.sign(nurse, {
    type: 'append',
    records: [{ kind: 'observation', patient: lisa, code: '8480-6', body: systolic }],
  })
  const prove = async (asked: ProofOf): Promise<string> => {
    const outcome = await single.node.proof(nurse, asked)
    if (!outcome.ok) throw new Error(`${outcome.code} ${outcome.detail ?? ''}`)
    return outcome.value.document
  }
  return { record: receipt.records[0], prove }
}

t.test('proofs of a running node hold in a bundle that imports nothing', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-verifier-'))
  const single = await createSingleNode()
  t.teardown(async () => {
    await single.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const bundle = path.join(folder, 'verifier.js')
  const { inputs, outputs } = await buildVerifier(process.cwd(), bundle)
  t.same(
    Object.keys(inputs).filter(
      (file) =>
        !/^(runtime|tools\/verifier|node_modules\/@noble\/hashes)\//.test(
          file.replace(/^(\.\.\/)+\S*?node_modules/, 'node_modules'),
        ),
    ),
    [],
    'only ours and @noble/hashes',
  )
  t.same(
    Object.values(outputs).flatMap((output) => output.imports),
    [],
    'nothing is left to import',
  )

  const { record, prove } = await chartOf(single)
  const questions: ProofOf[] = [
    { about: 'record', name: record },
    { about: 'record', name: 'ab'.repeat(32) },
    { about: 'patient', name: lisa },
    { about: 'alias', name: 'ward/alerts' },
    { about: 'alias', name: 'acme/nothing' },
    { about: 'grant', name: 'ee'.repeat(16) },
  ]
  const text = readFileSync(bundle, 'utf8').replace(/export\s*\{([^}]*)\};?/, (_all, names: string) => {
    const fields = names.split(',').map(
      (name) =>
        name
          .trim()
          .split(/\s+as\s+/)
          .at(-1) ?? '',
    )
    return `Object.assign(globalThis, {${fields.join(',')}})`
  })
  // Only what the language has, and the text codec that every browser and Node has.
  const context = createContext({ TextEncoder, TextDecoder, document: '', anchor: undefined, result: '' })
  new Script(text).runInContext(context)
  const check = (document: string): { ok: boolean; code?: string; claims: boolean[] } => {
    context.document = document
    new Script(`{
      const outcome = verifyProofFile(document, anchor)
      result = JSON.stringify(outcome.ok
        ? { ok: true, claims: outcome.value.claims.map((claim) => claim.value !== undefined) }
        : outcome)
    }`).runInContext(context)
    return JSON.parse(context.result as string) as ReturnType<typeof check>
  }
  const verdicts = []
  for (const question of questions) verdicts.push(check(await prove(question)))
  t.same(verdicts, [
    { ok: true, claims: [true] },
    { ok: true, claims: [false] },
    { ok: true, claims: [true] },
    { ok: true, claims: [true, true] },
    { ok: true, claims: [false] },
    { ok: true, claims: [false] },
  ])
  t.match(check('{}'), { ok: false, code: 'PROOF_FILE_MALFORMED' })
  t.match(check('no json'), { ok: false, code: 'PROOF_FILE_MALFORMED' })
})

t.test('what a proof file says is what was signed, and nothing in it can be changed', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { record, prove } = await chartOf(single)
  const document = await prove({ about: 'record', name: record })
  const verified = verifyProofFile(document)
  if (!verified.ok) throw new Error(verified.code)
  const { anchor, body, record: row } = verified.value
  t.equal(row?.header.code, '8480-6')
  const content = decodeBorsh(observationBody, body?.content ?? new Uint8Array(0))
  t.match(content, { ok: true, value: { value: 80n, unit: 'mm[Hg]' } })
  t.ok(verifyProofFile(document, anchor).ok)
  t.match(verifyProofFile(document, randomBytes(32)), { code: 'PROOF_ANCHOR_WRONG' })

  const places: (string | number)[][] = [
    ['chainId'],
    ['leafSalt'],
    ['block', 'header'],
    ['block', 'result'],
    ['block', 'certificate'],
    ['block', 'validators', 0, 0],
    ['block', 'validators', 0, 1],
    ['claims', 0, 'key'],
    ['claims', 0, 'value'],
    ['claims', 0, 'proof'],
    ['body', 'salt'],
    ['body', 'content'],
  ]
  for (const place of places) {
    const parent = JSON.parse(document) as Record<string | number, unknown>
    let holder = parent
    for (const name of place.slice(0, -1)) holder = holder[name] as typeof parent
    const last = place[place.length - 1]
    const hex = holder[last] as string
    for (const at of [0, Math.floor(hex.length / 2), hex.length - 1]) {
      holder[last] = `${hex.slice(0, at)}${hex[at] === '0' ? '1' : '0'}${hex.slice(at + 1)}`
      t.notOk(verifyProofFile(JSON.stringify(parent), anchor).ok, `${place.join('.')} at ${at}`)
    }
  }
  const claimGone = JSON.parse(document) as { claims: { value: string | null }[]; epoch: number }
  claimGone.claims[0].value = null
  t.match(verifyProofFile(JSON.stringify(claimGone)), { code: 'PROOF_WRONG_KIND' })
  const otherEpoch = JSON.parse(document) as { epoch: number }
  otherEpoch.epoch = 1
  t.match(verifyProofFile(JSON.stringify(otherEpoch)), { code: 'EPOCH_WRONG' })

  // Whoever may not read the patient gets no proof of the patient either.
  const vendor = await single.signIn('vendor')
  t.match(await single.node.proof(vendor, { about: 'record', name: record }), { code: 'READ_NOT_GRANTED' })
  t.match(await single.node.proof(vendor, { about: 'alias', name: 'ward/alerts' }), { ok: true })
  t.match(await single.node.proof(vendor, { about: 'grant', name: 'x' }), { code: 'REQUEST_MALFORMED' })
})

t.test('Ed25519 in plain integers decides as the nodes do', async (t) => {
  const own = (key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    verifyEd25519(key, message, signature, sha512)
  const same = (key: Uint8Array, message: Uint8Array, signature: Uint8Array, name: string): boolean => {
    const [expected, found] = [verifySignature(key, message, signature), own(key, message, signature)]
    if (expected !== found) t.fail(`${name}: ${bytesToHex(key)} ${bytesToHex(signature)}`)
    return found
  }
  const key = generateSigningKey()
  for (let round = 0; round < 12; round += 1) {
    const message = randomBytes(round * 7)
    const signature = signDetached(key, message)
    t.equal(same(key.publicKey, message, signature, 'good'), true)
    const bit = randomBytes(2)
    const changed = signature.slice()
    changed[bit[0] % 64] ^= 1 << (bit[1] % 8)
    t.equal(same(key.publicKey, message, changed, 'changed'), false)
  }
  const message = randomBytes(20)
  const signature = signDetached(key, message)
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const little = (value: bigint): Uint8Array =>
    Uint8Array.from({ length: 32 }, (_, index) => Number((value >> BigInt(8 * index)) & 255n))
  const integer = (bytes: Uint8Array): bigint =>
    bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
  const malleable = Uint8Array.from([
    ...signature.slice(0, 32),
    ...little(integer(signature.slice(32)) + order),
  ])
  t.equal(same(key.publicKey, message, malleable, 'S above the order'), false)
  // Points of small order, canonical and not, as keys and as R (with S = 0 many verifiers accept them).
  const small = [
    little(1n),
    little(2n ** 255n - 20n),
    little(0n),
    little(2n ** 255n - 19n),
    little(2n ** 255n - 18n),
    little(1n + 2n ** 255n),
    Uint8Array.from(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex')),
    Uint8Array.from(Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')),
  ]
  for (const point of small) {
    for (const r of [...small, signature.slice(0, 32)]) {
      const forged = Uint8Array.from([...r, ...new Uint8Array(32)])
      t.equal(same(point, message, forged, 'small order'), false)
      t.equal(same(key.publicKey, message, forged, 'small R'), false)
    }
  }
  t.equal(own(new Uint8Array(31), message, signature), false)
  t.equal(own(key.publicKey, message, new Uint8Array(63)), false)
})
