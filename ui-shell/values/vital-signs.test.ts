// Tiles: what stands large, what is said beside it, and what is never said.
import t from 'tap'
import type { RecordView } from '../channel/views.js'
import { latestOf, vitalSigns, vitalTile } from './vital-signs.js'

const now = 1_700_000_000_000
let count = 0

function reading(
  code: string,
  value: string,
  scale: number,
  unit: string,
  part: Partial<RecordView> & { body?: object } = {},
): RecordView {
  count += 1
  const { body, ...rest } = part
  return {
    id: `${count}`,
    kind: 'observation',
    patient: 'p',
    code,
    effectiveTime: now - 60_000,
    arrivalHeight: count,
    arrivalTime: now - 60_000,
    number: count,
    author: { entity: 'e', label: 'Monitor bed 12', roles: [] },
    supersedes: null,
    finality: 'final',
    ...rest,
    body: { value, scale, unit, text: '', status: 'F', validation: 0, device: '', ...body },
  }
}

const tileOf = (label: string, records: RecordView[]) => {
  const sign = vitalSigns.find((candidate) => candidate.label === label)
  if (sign === undefined) throw new Error(label)
  return vitalTile(sign, records, now)
}

t.test('Lisa’s readings', async (t) => {
  const records = [
    reading('8310-5', '386', 1, 'Cel'),
    reading('8480-6', '80', 0, 'mm[Hg]'),
    reading('8462-4', '60', 0, 'mm[Hg]'),
  ]
  t.match(tileOf('Temperature', records), {
    value: '38.6\u00a0°C',
    note: '101.5\u00a0°F',
    isUnvalidated: true,
    isStale: false,
    source: 'device',
    sourceName: 'Monitor bed 12',
  })
  t.match(tileOf('Blood pressure', records), { value: '80/60\u00a0mmHg', note: '' })
  t.match(tileOf('Heart rate', records), {
    value: '—',
    note: 'not measured',
    time: undefined,
    source: undefined,
  })
})

t.test('two measurements of different times are not one pressure', async (t) => {
  const systolic = reading('8480-6', '80', 0, 'mm[Hg]')
  const old = reading('8462-4', '60', 0, 'mm[Hg]', { effectiveTime: now - 600_000 })
  t.match(tileOf('Blood pressure', [systolic, old]), { value: '80/—\u00a0mmHg' })
  t.match(tileOf('Blood pressure', [systolic]), {
    value: '80/—\u00a0mmHg',
    note: 'incomplete: diastolic not measured',
  })
  t.match(tileOf('Blood pressure', [old]), {
    value: '—/60\u00a0mmHg',
    note: 'incomplete: systolic not measured',
  })
})

t.test('stale on the far side of four hours', async (t) => {
  const at = (age: number) =>
    tileOf('Heart rate', [reading('8867-4', '90', 0, '/min', { effectiveTime: now - age })])
  t.equal(at(4 * 3_600_000).isStale, false)
  t.equal(at(4 * 3_600_000 + 1).isStale, true)
})

t.test('the newest standing value: corrections win, what was taken back is gone', async (t) => {
  const first = reading('8867-4', '180', 0, '/min')
  const corrected = reading('8867-4', '80', 0, '/min', {
    supersedes: first.id,
    body: { status: 'C', validation: 1 },
  })
  t.match(tileOf('Heart rate', [corrected, first]), {
    value: '80\u00a0/min',
    corrected: '180\u00a0/min',
    isUnvalidated: false,
    source: 'validated',
  })
  const wrong = reading('8867-4', '999', 0, '/min', { body: { status: 'W' } })
  t.equal(latestOf([wrong, corrected, first], '8867-4'), corrected)
  const later = reading('8867-4', '85', 0, '/min', { effectiveTime: now })
  t.equal(latestOf([later, corrected], '8867-4'), later)
  t.equal(latestOf([{ ...later, body: null }], '8867-4'), undefined, 'erased')
  const deletion = reading('8867-4', '0', 0, '', {
    finality: 'tentative',
    supersedes: later.id,
    body: { status: 'D' },
  })
  t.equal(latestOf([deletion, later], '8867-4'), later, 'nothing tentative takes a final value away')
})

t.test('clocks: ahead is wrong, behind is late, a minute is neither', async (t) => {
  const at = (skew: number) =>
    tileOf('Heart rate', [
      reading('8867-4', '90', 0, '/min', { effectiveTime: now + skew, arrivalTime: now }),
    ])
  t.match(at(60_000), { clockNote: '', isClockWrong: false })
  t.match(at(-60_000), { clockNote: '', isClockWrong: false })
  t.match(at(60_001), { clockNote: 'the clock of the source is 1 min ahead', isClockWrong: true })
  t.match(at(-3_600_000), { clockNote: 'arrived 1 h after it was measured', isClockWrong: false })
})

t.test('coded and by hand', async (t) => {
  const record = reading('80288-4', '0', 0, '', { body: { text: 'Alert', validation: 2 } })
  t.match(tileOf('Consciousness (ACVPU)', [record]), {
    value: 'Alert',
    source: 'by hand',
    isUnvalidated: false,
  })
  t.match(tileOf('Temperature', [reading('8310-5', '370', 1, 'Cel', { finality: 'tentative' })]), {
    value: '37\u00a0°C',
    isTentative: true,
  })
})
