// The words of the signing dialog come from the bytes: what the bytes do not say, the dialog cannot say.
import { createHash } from 'node:crypto'
import t from 'tap'
import {
  bytesToHex,
  encodeTransaction,
  recordKind,
  type RecordBody,
  type Schema,
  type Transaction,
} from '../../runtime/protocol/index.js'
import { encodeJson, encodeRecordBody } from './borsh-json.js'
import type { RecordJson } from './node-port.js'
import { summarise, type SummaryContext } from './summary.js'

const hash = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
const alertId = 'ab'.repeat(32)
const patient = 'cd'.repeat(16)
const acknowledge: Schema = {
  struct: [
    ['alert', { fixed: 32 }],
    ['response', 'string'],
    ['reason', 'string'],
  ],
}
const context: SummaryContext = {
  hash,
  methodInput: (target, method) =>
    `${target}.${method}` === 'ward/alerts.acknowledge' ? acknowledge : undefined,
  record: (id) =>
    id === alertId
      ? ({
          id,
          kind: 'alert',
          patient,
          code: '',
          body: { summary: 'Suspected sepsis' },
        } as unknown as RecordJson)
      : undefined,
}
const common: Omit<Transaction, 'action'> = {
  chainId: new Uint8Array(32),
  sender: new Uint8Array(32),
  keyId: new Uint8Array(16),
  stream: 0,
  sequence: 1,
  fuelLimit: 1_000,
  validUntil: 5,
}

function callOf(method: string, args: Uint8Array): Uint8Array {
  return encodeTransaction({
    ...common,
    action: { type: 'call', target: 'ward/alerts', method, args, attachments: [] },
  })
}

t.test('a call names the record that it answers, and its patient', async (t) => {
  const args = encodeJson(acknowledge, { alert: alertId, response: 'disagree', reason: 'known baseline' })
  if (!args.ok) throw new Error('args')
  t.match(summarise(callOf('acknowledge', args.value), [], context), {
    ok: true,
    value: {
      meaning: 'I answer: disagree',
      patients: [patient],
      lane: 'clinical',
      lines: [
        { label: 'Action', text: 'Acknowledge (ward/alerts)' },
        { label: 'Alert', text: 'Suspected sepsis' },
        { label: 'Response', text: 'disagree' },
        { label: 'Reason', text: 'known baseline' },
      ],
    },
  })
})

t.test('an unknown record stays an id: nothing is guessed', async (t) => {
  const args = encodeJson(acknowledge, { alert: 'ee'.repeat(32), response: 'acknowledged', reason: '' })
  if (!args.ok) throw new Error('args')
  const summary = summarise(callOf('acknowledge', args.value), [], context)
  t.match(summary, {
    value: { meaning: 'I acknowledge', patients: [], lines: [{}, { text: 'ee'.repeat(32) }] },
  })
})

t.test('refusals', async (t) => {
  t.match(summarise(new Uint8Array([1, 2]), [], context), { code: 'TRANSACTION_MALFORMED' })
  t.match(summarise(callOf('raise', new Uint8Array()), [], context), { code: 'METHOD_UNKNOWN' })
  t.match(summarise(callOf('acknowledge', new Uint8Array([1])), [], context), { code: 'ARGUMENT_INVALID' })
})

t.test('an append shows the bodies that it commits to, and refuses others', async (t) => {
  const content = encodeRecordBody('finding', {
    concepts: ['redness', 'purulent-drainage'],
    site: 'abdomen',
    text: '',
  })
  if (!content.ok) throw new Error('body')
  const body: RecordBody = { salt: new Uint8Array(16), content: content.value }
  const payload = encodeTransaction({
    ...common,
    action: {
      type: 'append',
      records: [
        {
          kind: recordKind.finding,
          patient: new Uint8Array(16).fill(7),
          code: 'wound-assessment',
          effectiveTime: 1,
          bodyHash: hash(Buffer.concat([body.salt, body.content])),
        },
      ],
    },
  })
  t.match(summarise(payload, [body], context), {
    ok: true,
    value: {
      meaning: 'I found this',
      patients: [bytesToHex(new Uint8Array(16).fill(7))],
      lines: [
        { text: 'Finding wound-assessment' },
        { label: 'Concepts', text: 'redness, purulent-drainage' },
        { label: 'Site', text: 'abdomen' },
      ],
    },
  })
  t.match(summarise(payload, [{ ...body, salt: new Uint8Array(16).fill(1) }], context), {
    code: 'BODY_MISMATCH',
  })
  t.match(summarise(payload, [], context), { code: 'BODY_MISMATCH' })
})
