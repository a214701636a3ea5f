// Proof files that never change: a chain of three validator sets from fixed keys, a record that is there,
// others that are not, and each with every kind of tampering beside the code that it must meet. They
// are frozen in `vectors/proofs.json` (`WRITE_VECTORS=1 node dist/tools/verifier/browser.test.js` renews it).
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import {
  anchorOf,
  encodeDocument,
  type FinalEvidence,
  type ProofDocument,
} from '../../runtime/light/index.js'
import { store as tables } from '../../runtime/execution/index.js'
import { encodeRecordRow } from '../../runtime/execution/record-rows.js'
import {
  decodeResult,
  encodeCertificate,
  encodeHeader,
  encodeResult,
  quorumOf,
  resultHash,
  validatorsHash,
  voteSigningBytes,
  type Validator,
} from '../../runtime/protocol/index.js'
import { compareWrites, encodePointKey, MemoryPages, StateTree } from '../../runtime/state/index.js'

export interface GoldenCase {
  readonly name: string
  /** Which document, and what is put in which place. */
  readonly document: string
  readonly edits: readonly (readonly [place: readonly (string | number)[], value: unknown])[]
  /** Hex; checked against no anchor without it. */
  readonly anchor?: string
  /** OK, or what the check is refused with. */
  readonly code: string
}

export interface GoldenProofs {
  readonly anchor: string
  readonly documents: Record<string, string>
  readonly cases: readonly GoldenCase[]
}

const hash = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
const bytesOf = (value: number, length = 32): Uint8Array => new Uint8Array(length).fill(value)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const chainId = bytesOf(0xc1)
const leafSalt = bytesOf(0x5a)
const zero = bytesOf(0)

interface Member extends Validator {
  readonly key: KeyObject
}

function memberOf(number: number): Member {
  const seed = Buffer.from('302e020100300506032b657004220420', 'hex')
  const key = createPrivateKey({
    key: Buffer.concat([seed, bytesOf(number)]),
    format: 'der',
    type: 'pkcs8',
  })
  const voteKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12)
  return { entity: bytesOf(number), voteKey: new Uint8Array(voteKey), key }
}

const people = Array.from({ length: 6 }, (_, number) => memberOf(number + 1))
const sets = [people.slice(0, 4), people.slice(1, 5), people.slice(2, 6)] as const

function blockOf(
  height: number,
  set: readonly Member[],
  next: readonly Member[],
  stateRoot = zero,
  signerCount = quorumOf(set.length),
): FinalEvidence {
  const header = encodeHeader({
    ...{ version: 1, appVersion: 1, chainId, epoch: 0, height, view: 0, time: 1_000 + height },
    ...{ proposer: set[0].entity, parentHash: zero, parentResultHash: zero, parentCertificateHash: zero },
    ...{ transactionRoots: [zero, zero, zero, zero, zero], validatorsHash: validatorsHash(hash, set) },
  })
  const nextValidatorsHash = validatorsHash(hash, next)
  const result = encodeResult({
    stateRoot,
    receiptsRoot: zero,
    nextValidatorsHash,
    fuelUsed: 0,
    nextDueTime: 0,
  })
  const subject = {
    ...{
      chainId,
      epoch: 0,
      height,
      view: 0,
      blockHash: hash(header),
      resultHash: resultHash(hash, result),
    },
  }
  const signers = Array.from({ length: signerCount }, (_, index) => index)
  const message = voteSigningBytes('commit', subject)
  const signatures = signers.map((index) => new Uint8Array(sign(null, message, set[index].key)))
  const certificate = encodeCertificate({ ...subject, signers, signatures })
  return {
    header,
    result,
    certificate,
    validators: set.map(({ entity, voteKey }) => ({ entity, voteKey })),
  }
}

const recordId = bytesOf(0x11)
const body = { salt: bytesOf(0x77, 16), content: new Uint8Array(Buffer.from('a body that was signed')) }

interface Row {
  readonly store: string
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** 40 records and one alias; the first record is the one that is proved. */
function rowsOf(): Row[] {
  const row = encodeRecordRow({
    header: {
      ...{ kind: 2, patient: bytesOf(0xa1, 16), code: '8480-6', effectiveTime: 1_000 },
      bodyHash: hash(Buffer.concat([body.salt, body.content])),
    },
    ...{
      author: bytesOf(0x21),
      transactionId: bytesOf(0x22),
      index: 0,
      height: 11,
      time: 1_011,
      number: 1,
    },
  })
  const others = Array.from({ length: 39 }, (_, index) => ({
    ...{ store: tables.record, key: encodePointKey(bytesOf(0x40 + index)), value: bytesOf(index, 8) },
  }))
  return [
    { store: tables.record, key: encodePointKey(recordId), value: row },
    { store: tables.alias, key: encodePointKey(bytesOf(0x31)), value: bytesOf(0x32) },
    ...others,
  ].sort(compareWrites)
}

function treeOf(rows: readonly Row[]): StateTree {
  const pages = new MemoryPages()
  const tree = StateTree.open(pages, hash, leafSalt)
  const update = tree.update([...rows])
  pages.apply(update.pageWrites)
  tree.accept(update)
  return tree
}

const twice = (text: string): string => text.repeat(32)
const flipped = (text: string, at = text.length - 1): string =>
  `${text.slice(0, at)}${text[at] === '0' ? '1' : '0'}${text.slice(at + 1)}`

type Claimed = readonly [store: string, fill: number]

export function goldenProofs(): GoldenProofs {
  const rows = rowsOf()
  const tree = treeOf(rows)
  const handovers = [blockOf(5, sets[0], sets[1]), blockOf(9, sets[1], sets[2])]
  const block = blockOf(12, sets[2], sets[2], tree.root)
  const documentOf = (asked: readonly Claimed[], part: Partial<ProofDocument> = {}): string =>
    encodeDocument({
      ...{ chainId, epoch: 0, leafSalt, handovers, block, body: undefined },
      claims: asked.map(([store, fill]) => {
        const key = encodePointKey(bytesOf(fill))
        const row = rows.find((one) => one.store === store && Buffer.compare(one.key, key) === 0)
        return { store, key, value: row?.value, proof: tree.prove(store, key) }
      }),
      ...part,
    })
  const lone = blockOf(4, sets[0], sets[0], tree.root)
  const documents = {
    inclusion: documentOf(
      [
        [tables.record, 0x11],
        [tables.alias, 0x31],
      ],
      { body },
    ),
    'absence among records': documentOf([
      [tables.record, 0x12],
      [tables.record, 0x13],
      [tables.record, 0x14],
    ]),
    'absence in a store of one': documentOf([[tables.alias, 0x11]]),
    'absence in an empty store': documentOf([[tables.timer, 0x11]]),
    'the founding set': documentOf([[tables.record, 0x11]], { handovers: [], block: lone, body }),
  }
  const anchor = hex(anchorOf(hash, chainId, validatorsHash(hash, sets[0])))
  const good = Object.keys(documents).flatMap((document): GoldenCase[] => [
    { name: document, document, edits: [], anchor, code: 'OK' },
    { name: `${document}, no anchor`, document, edits: [], code: 'OK' },
  ])
  return { anchor, documents, cases: [...good, ...tamperings(anchor, documents.inclusion, handovers)] }
}

/** Every part of a file changed, and what a check must say. */
function tamperings(anchor: string, text: string, handovers: readonly FinalEvidence[]): GoldenCase[] {
  const file = JSON.parse(text) as ProofFile
  const { block } = file
  const bare = blockOf(12, sets[2], sets[2], zero)
  const few = blockOf(12, sets[2], sets[2], rootOf(block.result), quorumOf(4) - 1)
  const absent = 'absence among records'
  const rows: (readonly [name: string, code: string, edits: GoldenCase['edits'], document?: string])[] = [
    ['header: no header', 'HEADER_MALFORMED', [[['block', 'header'], '01']]],
    ['header: of an earlier block', 'HEIGHT_NOT_LATER', [[['block', 'header'], hex(handovers[1].header)]]],
    ['header: a bit', 'CERTIFICATE_WRONG_SUBJECT', [[['block', 'header'], withTime(block.header)]]],
    [
      'header: another chain',
      'CHAIN_WRONG',
      [[['block', 'header'], block.header.replace(hex(chainId), twice('c2'))]],
    ],
    ['epoch', 'EPOCH_WRONG', [[['epoch'], 1]]],
    ['result: no result', 'RESULT_MALFORMED', [[['block', 'result'], '01']]],
    ['result: of another block', 'CERTIFICATE_WRONG_SUBJECT', [[['block', 'result'], hex(bare.result)]]],
    ['certificate: none', 'CERTIFICATE_MALFORMED', [[['block', 'certificate'], '']]],
    [
      'certificate: of another block',
      'CERTIFICATE_WRONG_SUBJECT',
      [[['block', 'certificate'], hex(bare.certificate)]],
    ],
    [
      'certificate: two of four',
      'CERTIFICATE_NO_QUORUM',
      [[['block', 'certificate'], hex(few.certificate)]],
    ],
    [
      'certificate: a signature',
      'CERTIFICATE_BAD_SIGNATURE',
      [[['block', 'certificate'], flipped(block.certificate)]],
    ],
    ['set: a key of nobody', 'VALIDATORS_WRONG', [[['block', 'validators', 0, 1], twice('99')]]],
    [
      "set: two in each other's place",
      'VALIDATORS_WRONG',
      [
        [['block', 'validators', 0], block.validators[1]],
        [['block', 'validators', 1], block.validators[0]],
      ],
    ],
    [
      'set: one that has gone',
      'VALIDATORS_WRONG',
      [[['block', 'validators'], file.handovers[0].validators]],
    ],
    ['handovers: the last is missing', 'VALIDATORS_WRONG', [[['handovers'], [file.handovers[0]]]]],
    [
      'handovers: turned round',
      'PROOF_ANCHOR_WRONG',
      [
        [['handovers', 0], file.handovers[1]],
        [['handovers', 1], file.handovers[0]],
      ],
    ],
    ['value: a byte', 'PROOF_ROOT_MISMATCH', [[['claims', 0, 'value'], flipped(file.claims[0].value)]]],
    ['value: said to be absent', 'PROOF_WRONG_KIND', [[['claims', 0, 'value'], null]]],
    ['key: another record', 'PROOF_ROOT_MISMATCH', [[['claims', 0, 'key'], file.claims[1].key]]],
    ['store: another one', 'PROOF_ROOT_MISMATCH', [[['claims', 0, 'store'], '$alias']]],
    ['proof: cut off', 'PROOF_MALFORMED', [[['claims', 0, 'proof'], file.claims[0].proof.slice(0, -2)]]],
    ['proof: a sibling', 'PROOF_ROOT_MISMATCH', [[['claims', 0, 'proof'], flipped(file.claims[0].proof)]]],
    ['salt', 'PROOF_ROOT_MISMATCH', [[['leafSalt'], twice('5b')]]],
    ['body: another one', 'PROOF_BODY_WRONG', [[['body', 'content'], flipped(file.body.content)]]],
    ['absence: said to be there', 'PROOF_WRONG_KIND', [[['claims', 0, 'value'], '00']], absent],
    [
      'absence: of a record that is there',
      'PROOF_WRONG_KIND',
      [
        [['claims', 0, 'key'], file.claims[0].key],
        [['claims', 0, 'proof'], file.claims[0].proof],
      ],
      absent,
    ],
    [
      'absence: beside itself',
      'PROOF_OTHER_LEAF_INVALID',
      [[['claims', 0, 'key'], file.claims[1].key]],
      'absence in a store of one',
    ],
    ['recovery: of another chain', 'RECOVERY_UNPROVEN', [[['recovery'], { genesis: '00', manifests: [] }]]],
    ['format', 'PROOF_FILE_MALFORMED', [[['format'], 'wardchain-proof/2']]],
    ['hexadecimal', 'PROOF_FILE_MALFORMED', [[['chainId'], 'xyz']]],
    ['no block', 'PROOF_FILE_MALFORMED', [[['block'], null]]],
  ]
  const wrongAnchor = { name: 'anchor', document: 'inclusion', edits: [], anchor: flipped(anchor) }
  return [
    ...rows.map(([name, code, edits, document = 'inclusion']) => ({ name, document, edits, anchor, code })),
    { ...wrongAnchor, code: 'PROOF_ANCHOR_WRONG' },
  ]
}

interface BlockFile {
  header: string
  result: string
  certificate: string
  validators: string[][]
}

interface ProofFile {
  block: BlockFile
  handovers: BlockFile[]
  claims: { key: string; value: string; proof: string }[]
  body: { content: string }
}

/** The block's time, 1,012, as another one. */
const withTime = (header: string): string => header.replace('1903f4', '1903f5')

function rootOf(result: string): Uint8Array {
  const decoded = decodeResult(Buffer.from(result, 'hex'))
  if (!decoded.ok) throw new Error(decoded.code)
  return decoded.value.stateRoot
}

/** The document of a case as its text. */
export function editedDocument({ documents }: GoldenProofs, { document, edits }: GoldenCase): string {
  const file = JSON.parse(documents[document]) as Record<string | number, unknown>
  for (const [place, value] of edits) {
    let holder = file
    for (const name of place.slice(0, -1)) holder = holder[name] as typeof holder
    const last = place[place.length - 1]
    holder[last] = value
  }
  return JSON.stringify(file)
}
