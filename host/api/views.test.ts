// Life cycles of alerts and orders, and the patient list, from ledger records in any order.
import t from 'tap'
import { recordKind } from '../../runtime/protocol/index.js'
import { encodeRecordBody } from './borsh-json.js'
import type { JsonObject, PersonView, RecordJson } from './node-port.js'
import { alertViews, orderViews, patientViews, recordToJson } from './views.js'

const person: PersonView = { entity: '11'.repeat(32), label: 'Ward nurse', roles: ['nurse'] }
const rule = { rule: 'ward/sepsis-screen', ruleVersion: '1', ruleAddress: '22'.repeat(32) }
let count = 0

function record(
  kind: RecordJson['kind'],
  body: JsonObject | null,
  part: Partial<RecordJson> = {},
): RecordJson {
  count += 1
  return {
    id: count.toString(16).padStart(64, '0'),
    kind,
    patient: 'aa'.repeat(16),
    code: '',
    effectiveTime: count,
    arrivalHeight: count,
    arrivalTime: count * 1_000,
    number: count,
    author: person,
    supersedes: null,
    body,
    finality: 'final',
    ...part,
  }
}

const alertBody = (severity: number, validation = 1): JsonObject => ({
  schema: 1,
  ...rule,
  branch: 'b',
  severity,
  summary: 'act',
  inputs: [
    { code: '8480-6', value: '80', scale: 0, effectiveTime: '1700000000000', points: 3, validation },
  ],
  basis: ['x'],
  missing: [],
  wouldChange: [],
  citation: '',
})

t.test('an alert is open, answered, replaced or retracted', async (t) => {
  const first = record('alert', alertBody(2))
  const second = record('alert', alertBody(3, 0), { supersedes: first.id })
  t.match(alertViews([second, first]), [
    {
      id: second.id,
      state: 'open',
      unvalidated: true,
      severity: 3,
      inputs: [{ effectiveTime: 1_700_000_000_000, points: 3 }],
    },
    { id: first.id, state: 'replaced', unvalidated: false },
  ])
  const seen = record('alertResponse', { response: 'acknowledged', reason: '' }, { supersedes: second.id })
  const [answered] = alertViews([seen, second])
  t.match(answered, {
    state: 'acknowledged',
    finality: 'final',
    responses: [{ response: 'acknowledged', author: person }],
  })
  const back = record(
    'alertResponse',
    { response: 'retracted', reason: 'corrected' },
    { supersedes: second.id },
  )
  t.match(alertViews([back, seen, second])[0], {
    state: 'retracted',
    finality: 'retracted',
    responses: [{ response: 'acknowledged' }, { response: 'retracted', reason: 'corrected' }],
  })
  t.match(alertViews([record('alert', alertBody(1), { finality: 'tentative' })]), [
    { finality: 'tentative' },
  ])
})

t.test('what is not final changes nothing that is final', async (t) => {
  const alert = record('alert', alertBody(3))
  const order = record('order', { ...rule, orderSet: 's', item: 'i', position: 1 })
  const name = { given: 'Lisa', birthDate: 19970314, sex: 'F', identifiers: [] }
  const admission = record('admission', { ...name, family: 'Jones', bed: 'A' })
  for (const finality of ['tentative', 'retracted'] as const) {
    const part = { finality, supersedes: alert.id }
    for (const response of ['acknowledged', 'retracted'])
      t.match(alertViews([alert, record('alertResponse', { response, reason: '' }, part)]), [
        { state: 'open', finality: 'final', responses: [{ response, finality }] },
      ])
    const [standing] = alertViews([record('alert', alertBody(2), part), alert]).filter(
      ({ id }) => id === alert.id,
    )
    t.match(standing, { state: 'open', finality: 'final' })
    const signed = record('orderEvent', { status: 'signed' }, { finality, supersedes: order.id })
    t.match(orderViews([order, signed]), [{ status: 'proposed', finality: 'final' }])
    const other = record('admission', { ...name, family: 'Brown', bed: 'Z' }, { finality })
    t.match(patientViews([admission, other], []), [{ family: 'Jones', bed: 'A' }])
    t.same(patientViews([other], []), [])
  }
})

t.test('an erased alert is not shown as an empty one', async (t) => {
  t.same(alertViews([record('alert', null)]), [])
})

t.test('orders keep the sequence of their set; the last event is the status', async (t) => {
  const order = (position: number, part: Partial<RecordJson> = {}) =>
    record(
      'order',
      {
        ...rule,
        alert: null,
        orderSet: 's',
        item: 'i',
        display: `${position}`,
        category: 'laboratory',
        position,
        detail: '',
        needs: ['weight'],
      },
      { arrivalTime: 5_000, ...part },
    )
  const second = order(2)
  const first = order(1)
  const signed = record(
    'orderEvent',
    { status: 'signed', meaning: 'I order', reason: '' },
    { supersedes: first.id },
  )
  const sent = record('orderEvent', { status: 'sent', meaning: '', reason: '' }, { supersedes: first.id })
  t.match(orderViews([sent, second, signed, first]), [
    { position: 1, status: 'sent', events: [{ status: 'signed', meaning: 'I order' }, { status: 'sent' }] },
    { position: 2, status: 'proposed', needs: ['weight'], events: [] },
  ])
})

t.test('patients: newest admission counts, worst open alert first', async (t) => {
  const admission = (family: string, part: Partial<RecordJson> = {}) =>
    record(
      'admission',
      {
        family,
        given: 'A',
        birthDate: 19970314,
        sex: 'F',
        identifiers: [{ value: '1', authority: 'H', type: 'MR' }],
      },
      part,
    )
  const other = { patient: 'bb'.repeat(16) }
  const alert = record('alert', alertBody(3), other)
  const patients = patientViews(
    [admission('Old'), admission('Jones', other), admission('Brown')],
    alertViews([alert]),
  )
  t.match(patients, [
    { family: 'Jones', openAlerts: 1, worstSeverity: 3, allergies: '' },
    { family: 'Brown', openAlerts: 0, worstSeverity: 0, identifiers: [{ value: '1', type: 'MR' }] },
  ])
  t.equal(patients.length, 2)
})

t.test('ledger records become JSON; unknown kinds and erased bodies are told apart', async (t) => {
  const body = encodeRecordBody('finding', { concepts: ['redness'], site: '', text: '' })
  if (!body.ok) throw new Error('body')
  const ledger = {
    id: new Uint8Array(32).fill(1),
    kind: recordKind.finding,
    patient: new Uint8Array(16).fill(2),
    code: 'wound-assessment',
    effectiveTime: 5n,
    arrivalHeight: 6n,
    arrivalTime: 7n,
    number: 1,
    author: new Uint8Array(32),
    supersedes: null,
    body: body.value,
  }
  t.match(recordToJson(ledger, person), {
    kind: 'finding',
    effectiveTime: 5,
    body: { concepts: ['redness'] },
  })
  t.match(recordToJson({ ...ledger, body: null }, person), { body: null })
  t.equal(recordToJson({ ...ledger, kind: 60 }, person), undefined)
})
