// Golden vectors of every wire format, and the totality of every decoder.
import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import * as p from './index.js'
import {
  appendSample,
  callSample,
  certificateSample,
  filled,
  hash,
  headerSample,
  manifestSample,
  receiptSample,
} from './samples.fixture.js'

const vectorFile = 'runtime/protocol/vectors/formats.json'
const hex = p.bytesToHex

const signedAppend = p.encodeSignedTransaction(p.encodeTransaction(appendSample), filled(12, 64))
const signedCall = p.encodeSignedTransaction(p.encodeTransaction(callSample), filled(13, 64))
const body = { salt: filled(1, 16), content: filled(2, 5) }
const genesisSample: p.Genesis = {
  version: 1,
  name: 'Sample',
  time: 1_700_000_000_000,
  leafSalt: filled(1, 32),
  nodes: [
    {
      entity: filled(2, 32),
      name: 'node-1',
      role: 'validator',
      voteKey: filled(3, 32),
      transportKey: filled(4, 32),
      host: '127.0.0.1',
      port: 40000,
    },
  ],
  entities: [
    {
      entity: filled(5, 32),
      kind: 1,
      publicKey: filled(6, 32),
      label: 'Nurse, ward 3',
      roles: ['nurse'],
      keystore: filled(7, 3),
    },
  ],
  contracts: [{ manifest: p.encodeManifest(manifestSample), code: filled(8, 4) }],
  calls: [{ alias: 'ward/policy', method: 'genesis', args: filled(9, 2) }],
}
const resultSample: p.BlockResult = {
  stateRoot: filled(1, 32),
  receiptsRoot: filled(2, 32),
  nextValidatorsHash: filled(3, 32),
  fuelUsed: 99,
  nextDueTime: 0,
}

function currentVectors(): Record<string, string> {
  return {
    transactionAppend: hex(signedAppend),
    transactionAppendId: hex(
      p.decodeSignedTransaction(signedAppend, hash).ok ? idOf(signedAppend) : filled(0, 0),
    ),
    transactionCall: hex(signedCall),
    bundle: hex(p.encodeBundle(signedAppend, [body, body], [])),
    bodyHash: hex(p.bodyHash(hash, body)),
    recordId: hex(p.recordId(hash, filled(1, 32), 3)),
    header: hex(p.encodeHeader(headerSample)),
    blockHash: hex(p.blockHash(hash, p.encodeHeader(headerSample))),
    payload: hex(p.encodePayload({ lanes: [[], [], [filled(1, 3)], [], [filled(2, 2), filled(3, 1)]] })),
    result: hex(p.encodeResult(resultSample)),
    resultHash: hex(p.resultHash(hash, p.encodeResult(resultSample))),
    certificate: hex(p.encodeCertificate(certificateSample)),
    commitVote: hex(
      p.voteSigningBytes('commit', { ...certificateSample, chainId: filled(1, 32), epoch: 3 }),
    ),
    prepareVote: hex(
      p.voteSigningBytes('prepare', { ...certificateSample, chainId: filled(1, 32), epoch: 3 }),
    ),
    receipt: hex(p.encodeReceipt(receiptSample)),
    manifest: hex(p.encodeManifest(manifestSample)),
    contractAddress: hex(
      p.contractAddress(hash, {
        chainId: filled(1, 32),
        alias: 'ward/x',
        manifestHash: filled(2, 32),
        codeHash: filled(3, 32),
      }),
    ),
    genesis: hex(p.encodeGenesis(genesisSample)),
    entityId: hex(p.entityIdOf(hash, filled(1, 32))),
    aliasEntityId: hex(p.aliasEntityId(hash, 'ward/policy')),
    keyId: hex(p.keyIdOf(hash, filled(1, 32))),
    validatorsHash: hex(p.validatorsHash(hash, [{ entity: filled(1, 32), voteKey: filled(2, 32) }])),
    listRootOf3: hex(p.listRoot(hash, [filled(1, 1), filled(2, 1), filled(3, 1)])),
  }
}

function idOf(bytes: Uint8Array): Uint8Array {
  const decoded = p.decodeSignedTransaction(bytes, hash)
  if (!decoded.ok) throw new Error(decoded.code)
  return decoded.value.id
}

t.test('golden vectors freeze each format', async (t) => {
  const current = currentVectors()
  if (process.env.WARDCHAIN_WRITE_VECTORS === '1')
    writeFileSync(vectorFile, `${JSON.stringify(current, null, 1)}\n`)
  t.same(current, JSON.parse(readFileSync(vectorFile, 'utf8')))
})

t.test('every format decodes to what was encoded', async (t) => {
  const append = p.decodeSignedTransaction(signedAppend, hash)
  t.same(append.ok && append.value.transaction, appendSample)
  const call = p.decodeSignedTransaction(signedCall, hash)
  t.same(call.ok && call.value.transaction, callSample)
  t.same(p.decodeHeader(p.encodeHeader(headerSample)), { ok: true, value: headerSample })
  t.same(p.decodeCertificate(p.encodeCertificate(certificateSample)), {
    ok: true,
    value: certificateSample,
  })
  t.same(p.decodeReceipt(p.encodeReceipt(receiptSample)), { ok: true, value: receiptSample })
  t.same(p.decodeManifest(p.encodeManifest(manifestSample)), { ok: true, value: manifestSample })
  for (const versions of [{}, { fuelSchedule: 2 }, { fuelSchedule: 3, instrumenter: 2 }]) {
    const value = { ...genesisSample, ...versions }
    t.same(p.decodeGenesis(p.encodeGenesis(value)), { ok: true, value })
  }
  t.same(p.decodeResult(p.encodeResult(resultSample)), { ok: true, value: resultSample })
})

t.test('a bundle with a missing or exchanged body is refused', async (t) => {
  const content = { salt: filled(3, 16), content: filled(4, 9) }
  const records = [
    { kind: 2, patient: filled(1, 16), code: 'x', effectiveTime: 1, bodyHash: p.bodyHash(hash, content) },
  ]
  const transaction = p.encodeTransaction({ ...appendSample, action: { type: 'append', records } })
  const bytes = p.encodeSignedTransaction(transaction, filled(1, 64))
  t.equal(p.decodeBundle(p.encodeBundle(bytes, [content], []), hash).ok, true)
  t.match(p.decodeBundle(p.encodeBundle(bytes, [], []), hash), { ok: false, code: 'BODY_MISMATCH' })
  t.match(p.decodeBundle(p.encodeBundle(bytes, [body], []), hash), { ok: false, code: 'BODY_MISMATCH' })
  t.match(p.decodeBundle(p.encodeBundle(signedCall, [], []), hash), {
    ok: false,
    code: 'ATTACHMENT_MISMATCH',
  })
  t.match(p.decodeBundle(p.encodeBundle(signedCall, [], [filled(1, 1)]), hash), {
    code: 'ATTACHMENT_MISMATCH',
  })
})

t.test('sizes are bounded on both sides of the edge', async (t) => {
  const withArgs = (length: number): Uint8Array => {
    const action = { ...callSample.action, attachments: [], args: filled(1, length) } as p.CallAction
    return p.encodeSignedTransaction(p.encodeTransaction({ ...callSample, action }), filled(1, 64))
  }
  t.equal(p.decodeSignedTransaction(withArgs(65_000), hash).ok, true)
  t.match(p.decodeSignedTransaction(withArgs(p.transactionBytesMax), hash), {
    code: 'TRANSACTION_TOO_LARGE',
  })
  const fuel = (fuelLimit: number): Uint8Array =>
    p.encodeSignedTransaction(p.encodeTransaction({ ...appendSample, fuelLimit }), filled(1, 64))
  t.equal(p.decodeSignedTransaction(fuel(p.fuelLimitMax), hash).ok, true)
  // 2^53 has no safe encoding of ours: the bytes of 2^53 - 1, one more.
  const unsafeBytes = Buffer.from(fuel(2 ** 53 - 1))
  unsafeBytes.set([0, 0x20, 0, 0, 0, 0, 0, 0], unsafeBytes.indexOf('001fffffffffffff', 'hex'))
  const unsafe = p.decodeSignedTransaction(unsafeBytes, hash)
  t.match(unsafe, { code: 'TRANSACTION_MALFORMED' }, 'only safe integers')
})

t.test('non-deterministic CBOR is refused', async (t) => {
  t.match(p.decodeCbor(new Uint8Array([0x18, 0x05])), { ok: false }, 'longer integer than needed')
  t.match(p.decodeCbor(new Uint8Array([0x9f, 0x01, 0xff])), { ok: false }, 'indefinite length')
  t.match(p.decodeCbor(new Uint8Array([0xa2, 0x02, 0x01, 0x01, 0x01])), { ok: false }, 'keys out of order')
  t.match(p.decodeCbor(new Uint8Array([0xa2, 0x01, 0x01, 0x01, 0x02])), { ok: false }, 'key twice')
  t.match(p.decodeCbor(new Uint8Array([0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0])), { ok: false }, 'float')
  t.match(p.decodeCbor(new Uint8Array([0xf7])), { ok: false }, 'undefined')
  t.match(p.decodeCbor(new Uint8Array([0x01, 0x01])), { ok: false }, 'bytes left over')
  t.match(p.decodeCbor(new Uint8Array(100_000).fill(0x81)), { ok: false }, 'nesting bomb')
})

t.test('decoders are total: any bytes give a value or a code', async (t) => {
  const decoders: [string, Uint8Array, (bytes: Uint8Array) => { ok: boolean }][] = [
    ['bundle', p.encodeBundle(signedAppend, [body, body], []), (bytes) => p.decodeBundle(bytes, hash)],
    ['transaction', signedCall, (bytes) => p.decodeSignedTransaction(bytes, hash)],
    ['header', p.encodeHeader(headerSample), p.decodeHeader],
    ['payload', p.encodePayload({ lanes: [[], [], [filled(1, 3)], [], []] }), p.decodePayload],
    ['certificate', p.encodeCertificate(certificateSample), p.decodeCertificate],
    ['receipt', p.encodeReceipt(receiptSample), p.decodeReceipt],
    ['manifest', p.encodeManifest(manifestSample), p.decodeManifest],
    ['genesis', p.encodeGenesis(genesisSample), p.decodeGenesis],
    ['result', p.encodeResult(resultSample), p.decodeResult],
  ]
  for (const [name, valid, decode] of decoders) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => typeof decode(bytes).ok === 'boolean'),
      { numRuns: 200 },
    )
    // Mutations of a valid encoding reach deeper than random bytes; one that decodes must encode the same
    // way back.
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), (offset, byte) => {
        const mutated = valid.slice()
        mutated[offset] = byte
        return typeof decode(mutated).ok === 'boolean'
      }),
      { numRuns: 300 },
    )
    t.pass(name)
  }
})
