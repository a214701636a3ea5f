import t from 'tap'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import type {
  BlockHeader,
  ProposedBlock,
  SafetyRecord,
  ViewChangeMessage,
  VoteMessage,
} from '../pbft/index.js'
import { sha256 } from './chain.fixture.js'
import type { StoredBody, VoteStoreContent } from './ports.js'
import { decodeSafety, SafetyWriter } from '../driver/safety-codec.js'

const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
const chainId = fill(1)
const header: BlockHeader = {
  version: 1,
  appVersion: 1,
  chainId,
  epoch: 2,
  height: 3,
  view: 0,
  time: 4,
  proposer: fill(5),
  parentHash: fill(6),
  parentResultHash: fill(7),
  parentCertificateHash: fill(8),
  transactionRoots: [fill(0), fill(0), fill(0), fill(0), fill(0)],
  validatorsHash: fill(9),
}
const certificate = {
  height: 2,
  view: 1,
  blockHash: fill(6),
  resultHash: fill(7),
  signers: [0, 2],
  signatures: [fill(1, 64), fill(2, 64)],
}
const proposedBlock = (payload: number): ProposedBlock => ({
  block: { header, payload: fill(payload, 5000) },
  parentCertificate: certificate,
})
const head = { epoch: 2, height: 3, view: 1, sender: fill(5), signature: fill(10, 64) }
const pair = { blockHash: fill(11), resultHash: fill(12) }
const viewChange: ViewChangeMessage = {
  type: 'viewChange',
  ...head,
  prepared: certificate,
  lastCertificate: null,
}
const vote = (type: 'prepare' | 'commit'): VoteMessage => ({ type, ...head, ...pair })

const record: SafetyRecord = {
  epoch: 2,
  height: 3,
  view: 1,
  proposal: { type: 'proposal', ...head, ...proposedBlock(20), justification: [viewChange] },
  prepare: vote('prepare'),
  commit: vote('commit'),
  viewChange,
  prepared: { ...certificate, height: 3 },
  preparedBlock: proposedBlock(20),
  votedBlock: proposedBlock(21),
}
const nothing: SafetyRecord = {
  ...{ epoch: 2, height: 4, view: 0, proposal: null, prepare: null, commit: null, viewChange: null },
  ...{ prepared: null, preparedBlock: null, votedBlock: null },
}

/** Applies writes as a store does. */
function storeOf() {
  const bodies = new Map<string, StoredBody>()
  let content: VoteStoreContent = { record: null, bodies: [], clean: true }
  const writer = new SafetyWriter(chainId, sha256, content)
  return {
    write(next: SafetyRecord) {
      const write = writer.writeOf(next)
      for (const body of write.put) bodies.set(bytesToHex(body.hash), body)
      for (const hash of write.drop) bodies.delete(bytesToHex(hash))
      content = { record: write.record, bodies: [...bodies.values()], clean: true }
      writer.written(write)
      return write
    },
    content: () => content,
  }
}

t.test(
  'a record comes back whole; a payload is written once and dropped when nobody names it',
  async (t) => {
    const store = storeOf()
    const first = store.write(record)
    t.equal(first.put.length, 2, 'the same payload is one body')
    t.ok(first.record.length < 4000, 'the record itself holds no payload')
    t.same(decodeSafety(store.content(), chainId), { safety: record, amnesia: false })
    const second = store.write({ ...record, votedBlock: null })
    t.same([second.put.length, second.drop.length], [0, 1])
    const third = store.write(nothing)
    t.same([third.put.length, third.drop.length], [0, 1])
    t.same(decodeSafety(store.content(), chainId), { safety: nothing, amnesia: false })
  },
)

t.test('lost, torn, foreign or incomplete: the key stays silent (R17); new: it does not', async (t) => {
  const lost = { safety: null, amnesia: true }
  const store = storeOf()
  store.write(record)
  const content = store.content()
  t.same(decodeSafety({ record: null, bodies: [], clean: true }, chainId), { safety: null, amnesia: false })
  t.same(decodeSafety({ ...content, clean: false }, chainId), lost, 'unclean')
  t.same(decodeSafety({ ...content, bodies: content.bodies.slice(1) }, chainId), lost, 'a body is missing')
  t.same(decodeSafety(content, fill(99)), lost, 'of another chain')
  const bytes = content.record ?? fill(0)
  for (let cut = 0; cut < bytes.length; cut += 97) {
    t.same(decodeSafety({ ...content, record: bytes.slice(0, cut) }, chainId), lost)
  }
})
