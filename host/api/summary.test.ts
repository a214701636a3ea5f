// The words of the signing dialog come from the bytes: what the bytes do not say, the dialog cannot say.
import { createHash } from 'node:crypto'
import t from 'tap'
import {
  bytesToHex,
  encodeTransaction,
  foundingLaneTable,
  recordKind,
  type RecordBody,
  type Schema,
  type Transaction,
} from '../../runtime/protocol/index.js'
import { encodeJson, encodeRecordBody } from './borsh-json.js'
import type { Json, RecordJson } from './node-port.js'
import { newestVersions } from '../../runtime/execution/index.js'
import { summarise, type SummaryContext, type TransactionSummary } from './summary.js'

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
  lanes: foundingLaneTable,
  patientName: (id) => (id === patient ? 'Jones, Lisa' : undefined),
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
    value: {
      meaning: 'I acknowledge',
      patients: [],
      unknownSubjects: ['ee'.repeat(32)],
      lines: [{}, { text: 'ee'.repeat(32) }],
    },
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
        { label: 'Patient', text: bytesToHex(new Uint8Array(16).fill(7)) },
        { label: 'Time', text: '1970-01-01 00:00:00.001 UTC' },
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

const sign: Schema = {
  struct: [
    ['order', { fixed: 32 }],
    ['meaning', 'string'],
  ],
}

/** What the dialog gets of a call of a method that takes `schema`. */
function summaryOf(target: string, method: string, schema: Schema, args: Json): TransactionSummary {
  const encoded = encodeJson(schema, args)
  if (!encoded.ok) throw new Error(encoded.detail)
  const action = { type: 'call' as const, target, method, args: encoded.value, attachments: [] }
  const summary = summarise(encodeTransaction({ ...common, action }), [], {
    ...context,
    methodInput: () => schema,
  })
  if (!summary.ok) throw new Error(summary.code)
  return summary.value
}

t.test('the page writes no word of the headline', async (t) => {
  const signed = summaryOf('ward/orders', 'sign', sign, { order: alertId, meaning: 'I merely looked' })
  t.equal(signed.meaning, 'I order')
  t.match(signed.lines[2], { label: 'Meaning', text: '“I merely looked”' })
  const answer = (response: string): string =>
    summaryOf('ward/alerts', 'acknowledge', acknowledge, { alert: alertId, response, reason: '' }).meaning
  t.equal(answer('will-review'), 'I answer: will review')
  t.equal(answer('nothing of note'), 'I answer')
  t.equal(answer('toString'), 'I answer')
  t.equal(summaryOf('vendor/x', 'sign', sign, { order: alertId, meaning: 'I order' }).meaning, 'I sign')
})

t.test('subjects are found in lists, in text and in bytes', async (t) => {
  const other = '12'.repeat(16)
  const lines: Schema = { vec: { struct: [['record', { option: { fixed: 32 } }]] } }
  const nested = summaryOf('vendor/x', 'm', lines, [{ record: null }, { record: alertId }])
  t.match(nested, { patients: [patient], unknownSubjects: [] })
  const foreign = summaryOf('vendor/x', 'm', lines, [{ record: alertId }, { record: 'ee'.repeat(32) }])
  t.match(foreign, { patients: [patient], unknownSubjects: ['ee'.repeat(32)] })
  const two = summaryOf(
    'vendor/x',
    'm',
    { struct: [['whom', { vec: { fixed: 16 } }]] },
    {
      whom: [patient, other],
    },
  )
  t.same(two.patients, [patient, other])
  const text: Schema = { struct: [['note', 'string']] }
  t.same(summaryOf('vendor/x', 'm', text, { note: `for ${other.toUpperCase()}.` }).patients, [other])
  t.same(summaryOf('vendor/x', 'm', text, { note: 'for nobody' }).patients, [])
  t.same(summaryOf('vendor/x', 'm', { vec: 'u8' }, Array<number>(16).fill(0x12)).patients, [other])
  const hidden = summaryOf('vendor/x', 'm', { struct: [['data', 'bytes']] }, { data: `00${other}` })
  t.same(hidden.unknownSubjects, ['data: 17 bytes'])
})

t.test('governance names keys and entities, and now and then a patient', async (t) => {
  const key: Schema = { struct: [['keyId', { fixed: 16 }]] }
  const entity: Schema = { struct: [['entity', { fixed: 32 }]] }
  const whom: Schema = { struct: [['patient', { option: { fixed: 16 } }]] }
  t.match(summaryOf('ward/governance', 'revokeKey', key, { keyId: '12'.repeat(16) }), {
    meaning: 'I revoke this key',
    patients: [],
    unknownSubjects: [],
  })
  t.match(summaryOf('ward/policy', 'assignRole', entity, { entity: 'ee'.repeat(32) }), {
    patients: [],
    unknownSubjects: [],
  })
  t.same(summaryOf('ward/policy', 'grant', whom, { patient }).patients, [patient])
  t.match(summaryOf('ward/policy', 'grant', whom, { patient }).lines[1], {
    label: 'Patient',
    text: `Jones, Lisa (${patient})`,
  })
})

t.test('an append concerns the patients of its records and of what they answer', async (t) => {
  const content = encodeRecordBody('alertResponse', { response: 'disagree', reason: '' })
  if (!content.ok) throw new Error('body')
  const body: RecordBody = { salt: new Uint8Array(16), content: content.value }
  const record = (subject: number, supersedes: string) => ({
    kind: recordKind.alertResponse,
    patient: new Uint8Array(16).fill(subject),
    code: '',
    effectiveTime: 1,
    bodyHash: hash(Buffer.concat([body.salt, body.content])),
    supersedes: new Uint8Array(Buffer.from(supersedes, 'hex')),
  })
  const records = [record(7, alertId), record(8, 'ee'.repeat(32))]
  const payload = encodeTransaction({ ...common, action: { type: 'append', records } })
  t.match(summarise(payload, [body, body], context), {
    value: {
      meaning: 'I answer: disagree',
      patients: ['07'.repeat(16), patient, '08'.repeat(16)],
      unknownSubjects: ['ee'.repeat(32)],
    },
  })
})

t.test('nobody signs a fuel schedule that this software does not know', async (t) => {
  const schema: Schema = {
    struct: [
      ['fuelSchedule', 'u32'],
      ['instrumenter', 'u32'],
      ['height', 'u64'],
    ],
  }
  const plan = (fuelSchedule: number, instrumenter = 1): ReturnType<typeof summarise> => {
    const args = encodeJson(schema, { fuelSchedule, instrumenter, height: '99' })
    if (!args.ok) throw new Error(args.detail)
    const call = { target: 'ward/governance', method: 'setFuelSchedule', args: args.value, attachments: [] }
    const payload = encodeTransaction({ ...common, action: { type: 'call', ...call } })
    return summarise(payload, [], { ...context, methodInput: () => schema })
  }
  const { fuelSchedule } = newestVersions
  t.ok(plan(fuelSchedule).ok)
  t.ok(plan(fuelSchedule - 1).ok, 'those in force withdraw a plan')
  const detail = /^not known here: schedule/
  t.match(plan(fuelSchedule + 1), { ok: false, code: 'SCHEDULE_REFUSED', detail })
  t.match(plan(fuelSchedule, 2), { ok: false, code: 'SCHEDULE_REFUSED', detail })
})
