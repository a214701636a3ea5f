import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { encodeCbor } from '../../runtime/protocol/cbor.js'
import { fakeHash } from '../sim/fake-crypto.js'
import {
  blocksPerMessageMax,
  decodeMessage,
  encodeMessage,
  messageBytesMax,
  messageVersion,
} from './message-codec.js'
import { decodeSafetyRecord, encodeSafetyRecord } from './safety-codec.js'
import { chainId, sampleMessages } from './sample.fixture.js'
import type { ProposalMessage, SafetyRecord, ViewChangeMessage, VoteMessage } from './types.js'

const vectorsPath = 'consensus/pbft/vectors/messages.json'

t.test('every message decodes to itself', async (t) => {
  for (const [name, message] of Object.entries(sampleMessages())) {
    const decoded = decodeMessage(encodeMessage(message, chainId), chainId)
    t.ok(decoded.ok, name)
    if (decoded.ok) t.strictSame(decoded.value, message, name)
  }
})

t.test('golden vectors: the bytes of each message are frozen', async (t) => {
  const bytes = Object.fromEntries(
    Object.entries(sampleMessages()).map(([name, message]) => [
      name,
      bytesToHex(encodeMessage(message, chainId)),
    ]),
  )
  // A new format is written once and then only compared: WARDCHAIN_WRITE_VECTORS=1 after a change of protocol
  // version.
  if (process.env.WARDCHAIN_WRITE_VECTORS === '1') {
    writeFileSync(vectorsPath, `${JSON.stringify(bytes, null, 2)}\n`)
  }
  t.strictSame(bytes, JSON.parse(readFileSync(vectorsPath, 'utf8')))
})

t.test('any bytes give a message or a code', async (t) => {
  const valid = Object.values(sampleMessages()).map((message) => encodeMessage(message, chainId))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const decoded = decodeMessage(bytes, chainId)
      return decoded.ok || decoded.code.startsWith('MESSAGE_')
    }),
    { numRuns: 300 },
  )
  // Near misses: one byte changed, or the end cut off. What still decodes must encode to the very same
  // bytes.
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: valid.length - 1 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      (which, position, flip, isCut) => {
        const bytes = Uint8Array.from(valid[which])
        const at = position % bytes.length
        bytes[at] ^= flip
        const input = isCut ? bytes.subarray(0, at) : bytes
        const decoded = decodeMessage(input, chainId)
        return !decoded.ok || bytesToHex(encodeMessage(decoded.value, chainId)) === bytesToHex(input)
      },
    ),
    { numRuns: 500 },
  )
  t.pass('total')
})

t.test('each refusal has its code', async (t) => {
  const { prepare, blockRequest } = sampleMessages()
  const codeOf = (bytes: Uint8Array, chain = chainId) => {
    const decoded = decodeMessage(bytes, chain)
    return decoded.ok ? 'ok' : decoded.code
  }
  t.equal(codeOf(encodeMessage(prepare, chainId), fakeHash(new Uint8Array([99]))), 'MESSAGE_WRONG_CHAIN')
  t.equal(codeOf(encodeCbor([messageVersion + 1, 2, chainId, 0])), 'MESSAGE_UNKNOWN_VERSION')
  t.equal(codeOf(encodeCbor([messageVersion, 99, chainId, 0])), 'MESSAGE_UNKNOWN_TYPE')
  t.equal(codeOf(encodeCbor([messageVersion, 2, chainId, 0])), 'MESSAGE_MALFORMED')
  t.equal(codeOf(new Uint8Array([0xff])), 'MESSAGE_MALFORMED')
  t.equal(codeOf(new Uint8Array(messageBytesMax + 1)), 'MESSAGE_TOO_LARGE')
  t.equal(codeOf(new Uint8Array(messageBytesMax)), 'MESSAGE_MALFORMED')
  const request = { ...blockRequest, count: blocksPerMessageMax } as typeof blockRequest
  t.equal(codeOf(encodeMessage(request, chainId)), 'ok')
  const tooMany = { ...blockRequest, count: blocksPerMessageMax + 1 } as typeof blockRequest
  t.equal(codeOf(encodeMessage(tooMany, chainId)), 'MESSAGE_MALFORMED')
})

t.test('a safety record survives its bytes; a damaged one is refused', async (t) => {
  const messages = sampleMessages()
  const proposal = messages['proposal-justified'] as ProposalMessage
  const proposed = { block: proposal.block, parentCertificate: proposal.parentCertificate }
  const record: SafetyRecord = {
    epoch: 0,
    height: 5,
    view: 1,
    proposal,
    prepare: messages.prepare as VoteMessage,
    commit: messages.commit as VoteMessage,
    viewChange: messages.viewChange as ViewChangeMessage,
    prepared: (messages.viewChange as ViewChangeMessage).prepared,
    preparedBlock: proposed,
    votedBlock: null,
  }
  const bytes = encodeSafetyRecord(record, chainId)
  const decoded = decodeSafetyRecord(bytes, chainId)
  t.ok(decoded.ok)
  if (decoded.ok) t.strictSame(decoded.value, record)
  for (let at = 0; at < bytes.length; at += 97) {
    const damaged = decodeSafetyRecord(bytes.subarray(0, at), chainId)
    t.notOk(damaged.ok, `cut at ${at}`)
  }
})
