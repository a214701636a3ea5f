// The chain of hashes and certificates, on blocks of four validators: which of several good certificates
// a node kept must not matter, everything else must.
import t from 'tap'
import {
  chainIdOf,
  encodeCbor,
  encodeCertificate,
  encodeHeader,
  encodeResult,
  resultHash,
  validatorsHash,
  voteSigningBytes,
  zeroHash,
  type BlockHeader,
  type Validator,
} from '../../runtime/protocol/index.js'
import { generateSigningKey, sha256, signDetached } from '../keys/crypto.js'
import type { StoredBlock } from '../store/index.js'
import { BlockCheck } from './block-check.js'

const genesis = new TextEncoder().encode('a founding document')
const chainId = chainIdOf(sha256, genesis)
const keys = [1, 2, 3, 4].map(() => generateSigningKey())
const validators: Validator[] = keys.map((key) => ({
  entity: sha256(key.publicKey),
  voteKey: key.publicKey,
}))
const setHash = validatorsHash(sha256, validators)
const result = encodeResult({
  stateRoot: zeroHash,
  receiptsRoot: zeroHash,
  nextValidatorsHash: setHash,
  fuelUsed: 0,
  nextDueTime: 0,
})
const ownResultHash = resultHash(sha256, result)
const none = new Uint8Array(0)
const genesisBlock: StoredBlock = {
  height: 0,
  header: none,
  payload: none,
  result,
  certificate: none,
  receipts: [],
}

function certify(header: BlockHeader, signers: number[]): Uint8Array {
  const { height, view, epoch } = header
  const subject = { height, view, blockHash: sha256(encodeHeader(header)), resultHash: ownResultHash }
  const bytes = voteSigningBytes('commit', { ...subject, chainId, epoch })
  const signatures = signers.map((signer) => signDetached(keys[signer], bytes))
  return encodeCertificate({ ...subject, signers, signatures })
}

/** An empty block on its parent's header, certified by three of four. */
function block(parent: BlockHeader | undefined, change: Partial<BlockHeader> = {}, signers = [0, 1, 2]) {
  const header: BlockHeader = {
    version: 1,
    appVersion: 1,
    chainId,
    epoch: 0,
    height: (parent?.height ?? 0) + 1,
    view: 0,
    time: (parent?.time ?? 1_000) + 10,
    proposer: validators[0].entity,
    parentHash: parent ? sha256(encodeHeader(parent)) : chainId,
    parentResultHash: ownResultHash,
    parentCertificateHash: parent ? sha256(certify(parent, [1, 2, 3])) : zeroHash,
    transactionRoots: Array.from({ length: 5 }, () => zeroHash),
    validatorsHash: setHash,
    ...change,
  }
  const certificate = certify(header, signers)
  const payload = encodeCbor([[], [], [], [], []])
  const stored: StoredBlock = {
    height: header.height,
    header: encodeHeader(header),
    payload,
    result,
    certificate,
    receipts: [],
  }
  return { header, stored }
}

const lookups = {
  transactionLocation: () => undefined,
  patientBody: () => ({ ok: false, code: 'BODY_ABSENT' }) as const,
  attachmentByHash: () => undefined,
}

/** What the check says of the last of these blocks; the ones before are sound. */
function lastOf(
  t: { ok(value: boolean): unknown },
  blocks: readonly StoredBlock[],
  sets = [validators],
): string | undefined {
  const check = new BlockCheck(lookups, genesis, sets)
  const said = [genesisBlock, ...blocks].map((stored) => check.check(stored))
  t.ok(said.slice(0, -1).every((words) => words === undefined))
  return said.at(-1)
}

t.test('any quorum of the same votes is as good as the one that the next header names', async (t) => {
  const first = block(undefined, {}, [0, 1, 2])
  const second = block(first.header, {}, [0, 2, 3])
  t.equal(lastOf(t, [first.stored, second.stored]), undefined)
})

t.test('a set that is not kept any more is counted, not judged', async (t) => {
  const check = new BlockCheck(lookups, genesis, [])
  check.check(genesisBlock)
  t.equal(check.check(block(undefined).stored), undefined)
  t.equal(check.certificatesUnknown, 1)
  t.equal(check.certificatesChecked, 0)
})

t.test('what does not follow, or nobody signed, is named', async (t) => {
  const first = block(undefined)
  const other = new Uint8Array(32).fill(9)
  const wrong = (change: Partial<BlockHeader>, signers?: number[]) =>
    lastOf(t, [first.stored, block(first.header, change, signers).stored])
  t.match(wrong({ parentHash: other }), /does not follow/)
  t.match(wrong({ parentResultHash: other }), /another result/)
  t.match(wrong({ validatorsHash: other }), /validators/)
  t.match(wrong({ chainId: other }), /another chain/)
  t.match(wrong({ time: first.header.time }), /time/)
  t.match(wrong({ transactionRoots: Array.from({ length: 5 }, () => other) }), /transactions/)
  t.match(wrong({}, [0, 1]), /CERTIFICATE_NO_QUORUM/)
  const second = block(first.header).stored
  t.match(
    lastOf(t, [first.stored, { ...second, certificate: first.stored.certificate }]),
    /of another block/,
  )
  t.match(lastOf(t, [first.stored, { ...second, payload: encodeCbor([[]]) }]), /transactions/)
  t.match(lastOf(t, [first.stored, { ...second, receipts: [other] }]), /receipts/)
  const forged = Buffer.from(second.certificate)
  forged[forged.length - 1] ^= 1
  t.match(lastOf(t, [first.stored, { ...second, certificate: forged }]), /CERTIFICATE_BAD_SIGNATURE/)
})
