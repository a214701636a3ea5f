// The sepsis rule's truth table, in the real runtime with real records, grants and orders.
import t from 'tap'
import { alertBody, entityKind, orderBody, recordKind } from '../runtime/protocol/index.js'
import { randomBytes } from '../host/keys/crypto.js'
import { buildContracts } from './build-contracts.js'
import {
  admission,
  ContractChain,
  createSigner,
  decodedAs,
  finding,
  hex,
  observation,
  type BlockView,
  type NewRecord,
} from './contract-chain.fixture.js'

// Compiling on a busy machine takes longer than the default of 30 seconds.
t.setTimeout(600_000)
await buildContracts({ quiet: true })
const rule = 'ward/sepsis-screen'
const admin = createSigner(entityKind.person, 'admin')
const nurse = createSigner(entityKind.person, 'nurse')
const doctor = createSigner(entityKind.person, 'doctor')
const monitor = createSigner(entityKind.source, 'source')
const laboratory = createSigner(entityKind.source, 'source')
const grantFor = (entity: Uint8Array): unknown => ({
  id: randomBytes(16),
  role: '',
  entity,
  action: 1,
  kind: recordKind.observation,
  target: '',
  names: [],
  patient: null,
  validUntil: 0n,
})
const chain = new ContractChain(
  [admin, nurse, doctor, monitor, laboratory],
  [grantFor(monitor.entity), grantFor(laboratory.entity)],
)

interface Alert {
  rule: string
  ruleVersion: string
  branch: string
  severity: number
  summary: string
  inputs: {
    label: string
    text: string
    points: number
    effectiveTime: bigint
    record: Uint8Array
    code: string
  }[]
  basis: string[]
  missing: string[]
  wouldChange: string[]
  citation: string
}

interface Order {
  item: string
  display: string
  category: string
  position: number
  detail: string
  needs: string[]
  alert: Uint8Array | null
  rule: string
  ruleVersion: string
  orderSet: string
}

/** A fresh patient with these admission fields. */
function patientOf(fields: Record<string, unknown> = {}): Uint8Array {
  const patient = randomBytes(16)
  chain.append(nurse, patient, [admission(fields)])
  return patient
}

const sepsisAlerts = (view: BlockView): Alert[] =>
  view
    .made(recordKind.alert)
    .filter(({ header }) => header.code === rule)
    .map(({ body }) => decodedAs<Alert>(alertBody, body.content))

const ordersOf = (view: BlockView): Order[] =>
  view.made(recordKind.order).map(({ body }) => decodedAs<Order>(orderBody, body.content))

const infection = finding('wound-assessment', ['redness', 'purulent-drainage'])
/** 101.5 °F and 80/60. */
const lisa = [observation('8310-5', '38.6'), observation('8480-6', '80'), observation('8462-4', '60')]
const normal = [
  observation('8310-5', '37.0'),
  observation('8480-6', '120'),
  observation('8462-4', '80'),
  observation('8867-4', '75'),
  observation('9279-1', '16'),
  observation('59408-5', '98'),
]

t.test("Lisa's two stated readings fire with the wound finding", async (t) => {
  const patient = patientOf()
  const noted = chain.append(nurse, patient, [infection])
  t.same(sepsisAlerts(noted), [], 'a finding alone does not')
  t.equal(noted.ruleReceipts(rule)[0].status, 0)
  const fired = chain.append(monitor, patient, lisa)
  const [alert] = sepsisAlerts(fired)
  t.ok(alert, 'one alert')
  t.equal(alert.branch, 'red-parameter', 'SIRS is 1, so the red parameter is the branch')
  t.equal(alert.severity, 3, 'systolic 80 is critical')
  t.ok(alert.summary.length <= 140)
  t.match(alert.summary, /suspected infection, systolic 80 mm\[Hg\] \(unvalidated\)/)
  t.equal(alert.rule, rule)
  t.equal(alert.ruleVersion, '1.0.0')
  t.ok(alert.basis.includes('wound with purulent drainage and redness'))
  t.ok(alert.basis.some((line) => line.startsWith('unvalidated')))
  t.notOk(
    alert.basis.some((line) => line.includes('mean pressure')),
    'mean pressure 66.7 is not below 65',
  )
  for (const label of ['suspected infection', 'systolic pressure', 'temperature']) {
    const line = alert.inputs.find((input) => input.label === label)
    t.ok(line && line.effectiveTime > 0n, `${label} is an input with its time`)
  }
  t.equal(alert.inputs.find(({ label }) => label === 'systolic pressure')?.points, 3)
  for (const label of ['respirations', 'pulse', 'lactate', 'weight'])
    t.ok(alert.missing.includes(label), label)
  t.not(alert.citation, '')
  t.equal(fired.verdict(rule).factor, 'fires')
})

t.test('scores alone stay silent', async (t) => {
  const patient = patientOf()
  const stated = chain.append(monitor, patient, lisa)
  t.same(sepsisAlerts(stated), [])
  t.same(stated.verdict(rule), {
    ...stated.verdict(rule),
    factor: 'silent',
    text: 'no suspected infection in the last 24 hours',
  })
  const worse = [
    ...lisa,
    observation('9279-1', '30'),
    observation('8867-4', '140'),
    observation('2524-7', '6.0'),
  ]
  const severe = chain.append(monitor, patient, worse)
  t.same(sepsisAlerts(severe), [], 'however bad the numbers are')
  t.equal(severe.made(recordKind.order).length, 0)
})

t.test('the order set', async (t) => {
  const patient = patientOf()
  chain.append(nurse, patient, [infection])
  const fired = chain.append(monitor, patient, lisa)
  const orders = ordersOf(fired)
  const alertRecord = fired.made(recordKind.alert).find(({ header }) => header.code === rule)
  t.same(
    orders.map(({ item }) => item),
    [
      '600-7',
      '600-7',
      '2524-7',
      '58410-2',
      '2160-0',
      '1975-2',
      'crystalloid-30-ml-kg',
      'antibiotic-broad-spectrum',
      'vital-signs-hourly',
      'source-control-imaging',
    ],
    'cultures first, the antibiotic after them',
  )
  t.same(
    orders.map(({ position }) => position),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  const fluid = orders.find(({ category }) => category === 'fluid')
  t.same(fluid?.needs, ['weight'], 'missing weight is asked for')
  t.notMatch(fluid?.detail, /\d+ ?mL(?!\/kg)/, 'and no volume is guessed')
  t.same(orders.find(({ category }) => category === 'medication')?.needs, ['allergy-check'])
  t.equal(orders.at(-1)?.category, 'suggestion')
  for (const order of orders) {
    t.equal(order.alert && hex(order.alert), hex(alertRecord!.id), 'each order names the alert')
    t.equal(order.rule, rule)
    t.equal(order.ruleVersion, '1.0.0', "the version is the kernel's word, through the alert")
  }
  const again = chain.append(monitor, patient, lisa)
  t.same(ordersOf(again), [], 'not proposed twice')
  const order = fired.made(recordKind.order)[0].id
  t.equal(chain.call(doctor, 'ward/orders', 'sign', { order, meaning: 'I order' }).receipt.status, 0)
})

t.test('what counts as suspected infection', async (t) => {
  const counts: [string, string[], boolean][] = [
    ['wound-assessment', ['purulent-drainage'], true],
    ['wound-assessment', ['redness'], false],
    ['wound-assessment', ['purulent-drainage', 'entered-in-error'], false],
    ['infection-diagnosis', ['pneumonia'], true],
    ['infection-diagnosis', ['ruled-out'], false],
    ['culture-ordered', [], true],
    ['antibiotic-started', [], true],
    ['positive-culture', [], true],
    ['spo2-scale-2', [], false],
  ]
  for (const [code, concepts, fires] of counts) {
    const patient = patientOf()
    chain.append(doctor, patient, [finding(code, concepts)])
    const alerts = sepsisAlerts(chain.append(monitor, patient, lisa))
    t.equal(alerts.length, fires ? 1 : 0, `${code} ${concepts.join()}`)
  }
})

t.test('the finding may come after the readings', async (t) => {
  const patient = patientOf()
  chain.append(monitor, patient, lisa)
  t.equal(sepsisAlerts(chain.append(nurse, patient, [infection], 10)).length, 1)
})

t.test('stale inputs are missing inputs', async (t) => {
  const old = patientOf()
  chain.append(nurse, old, [{ ...infection, minutesAgo: 24 * 60 + 1 }])
  t.same(sepsisAlerts(chain.append(monitor, old, lisa)), [], 'an infection of yesterday')
  const edge = patientOf()
  chain.append(nurse, edge, [{ ...infection, minutesAgo: 24 * 60 - 2 }])
  t.equal(sepsisAlerts(chain.append(monitor, edge, lisa)).length, 1, 'just within a day')

  const stale = patientOf()
  chain.append(monitor, stale, [{ ...lisa[1], minutesAgo: 60 }])
  t.same(sepsisAlerts(chain.append(nurse, stale, [infection], 1)), [], 'a pressure of 61 minutes ago')
  const fresh = patientOf()
  chain.append(monitor, fresh, [{ ...lisa[1], minutesAgo: 59 }])
  t.equal(sepsisAlerts(chain.append(nurse, fresh, [infection], 1)).length, 1, 'of 60 minutes ago')
  const future = patientOf()
  chain.append(nurse, future, [infection])
  t.same(
    sepsisAlerts(chain.append(monitor, future, [{ ...lisa[1], minutesAgo: -6 }])),
    [],
    'from the future',
  )
})

t.test('who is refused, by name', async (t) => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ birthDate: 20_110_203 }, /^age 15/],
    [{ pregnancy: 2 }, /^pregnancy/],
    [{ birthDate: 0 }, /^age is not recorded/],
  ]
  for (const [fields, words] of refused) {
    const patient = patientOf(fields)
    chain.append(nurse, patient, [infection])
    const view = chain.append(monitor, patient, lisa)
    t.same(sepsisAlerts(view), [])
    t.equal(view.verdict(rule).factor, 'refused')
    t.match(view.verdict(rule).text, words)
  }
  const sixteen = patientOf({ birthDate: 20_100_414 })
  chain.append(nurse, sixteen, [infection])
  t.equal(sepsisAlerts(chain.append(monitor, sixteen, lisa)).length, 1, '16 today')
})

t.test('the SIRS branch', async (t) => {
  // T 38.6, pulse 95, respirations 22: three criteria, no red parameter.
  const sirs = [observation('8310-5', '38.6'), observation('8867-4', '95'), observation('9279-1', '22')]
  const screen = (fields: Record<string, unknown>, ...records: NewRecord[]): Alert[] => {
    const patient = patientOf(fields)
    chain.append(nurse, patient, [infection])
    return sepsisAlerts(chain.append(laboratory, patient, records))
  }
  t.same(screen({}, ...sirs), [], 'without organ dysfunction')
  const table: [string, string, boolean, number][] = [
    ['2524-7', '2.01', true, 2],
    ['2524-7', '2.0', false, 0],
    ['32693-4', '3.9', true, 2],
    ['2524-7', '4.00', true, 3],
    ['2160-0', '2.01', true, 2],
    ['2160-0', '2.00', false, 0],
    ['1975-2', '2.1', true, 2],
    ['1975-2', '2.0', false, 0],
    ['777-3', '99', true, 2],
    ['777-3', '100', false, 0],
    ['8478-0', '64', true, 3],
    ['8478-0', '65', false, 0],
    ['8478-0', '64.9', true, 3],
    ['8480-6', '89.6', true, 3],
  ]
  for (const [code, value, fires, severity] of table) {
    const alerts = screen({}, ...sirs, observation(code, value))
    t.equal(alerts.length, fires ? 1 : 0, `${code} ${value}`)
    if (fires) {
      t.match(alerts[0].branch, 'sirs-organ-dysfunction')
      t.equal(alerts[0].severity, severity, `${code} ${value}: severity`)
    }
  }
  const pressures = (systolic: string, diastolic: string): NewRecord[] => [
    observation('8480-6', systolic),
    observation('8462-4', diastolic),
  ]
  t.same(screen({}, ...sirs, ...pressures('101', '47')), [], '(101 + 94) / 3 is 65')
  t.match(screen({}, ...sirs, ...pressures('100', '47')), [{ severity: 3 }], '64.7 is below')
  t.same(screen({}, ...sirs, ...pressures('95', '96')), [], 'a diastolic above the systolic is no pair')
  const pulse = [sirs[0], observation('8867-4', '90.1'), observation('2524-7', '2.5')]
  t.equal(screen({}, ...pulse).length, 1, 'a pulse of 90.1 is above 90')
  const lactate = observation('2524-7', '2.5')
  t.same(screen({}, sirs[0], lactate), [], 'one criterion is not enough')
  t.equal(
    screen({}, sirs[0], observation('6690-2', '12.1'), lactate).length,
    1,
    'leukocytes count as a criterion',
  )
  t.same(screen({}, sirs[0], observation('6690-2', '12.0'), lactate), [], 'exactly 12 does not')
  t.equal(screen({}, observation('8310-5', '35.9'), sirs[1], lactate).length, 1, 'cold counts too')
  t.same(screen({}, observation('8310-5', '38.0'), sirs[1], lactate), [], 'exactly 38.0 does not')
  t.same(screen({ birthDate: 20_090_101 }, ...sirs, lactate), [], 'at 17 this branch does not apply')
  const unit = { ...lactate, body: { ...lactate.body, unit: 'mg/dL' } }
  t.same(screen({}, ...sirs, unit), [], 'an unknown unit is missing, never assumed')
})

t.test('both branches are named', async (t) => {
  const patient = patientOf()
  chain.append(nurse, patient, [infection])
  const full = [
    ...lisa,
    observation('9279-1', '24'),
    observation('8867-4', '118'),
    observation('59408-5', '95'),
  ]
  const [alert] = sepsisAlerts(chain.append(monitor, patient, full))
  t.equal(alert.branch, 'red-parameter+sirs-organ-dysfunction')
  const sirsLines = alert.basis.filter((line) => line.startsWith('SIRS'))
  t.equal(sirsLines.length, 3)
})

t.test('a new branch raises again, the same one does not', async (t) => {
  const patient = patientOf()
  chain.append(nurse, patient, [infection])
  t.equal(sepsisAlerts(chain.append(monitor, patient, lisa)).length, 1)
  t.equal(sepsisAlerts(chain.append(monitor, patient, lisa)).length, 0)
  const more = chain.append(monitor, patient, [observation('8867-4', '118'), observation('9279-1', '24')])
  t.match(sepsisAlerts(more), [{ branch: 'red-parameter+sirs-organ-dysfunction' }])
  t.same(ordersOf(more), [], 'the open order set is not proposed again')
})

t.test('a device pressure without a second reading is marked unvalidated', async (t) => {
  const isMarked = (alert: Alert): boolean => alert.basis.some((line) => line.startsWith('unvalidated'))
  const low = observation('8480-6', '80')
  const cases: [string, NewRecord[], boolean][] = [
    ['alone', [low], true],
    ['a second low one 4 minutes before', [{ ...observation('8480-6', '85'), minutesAgo: 4 }, low], false],
    ['a second one 6 minutes before', [{ ...observation('8480-6', '85'), minutesAgo: 6 }, low], true],
    ['a normal one 4 minutes before', [{ ...observation('8480-6', '120'), minutesAgo: 4 }, low], true],
    ['validated by a nurse', [observation('8480-6', '80', { validation: 1 })], false],
    ['entered by hand', [observation('8480-6', '80', { validation: 2 })], false],
  ]
  for (const [name, records, marked] of cases) {
    const patient = patientOf()
    chain.append(nurse, patient, [infection])
    const [alert] = sepsisAlerts(chain.append(monitor, patient, records))
    t.ok(alert, `${name}: raised at once`)
    t.equal(isMarked(alert), marked, name)
  }
})

t.test('other red parameters, and SpO2 scale 2', async (t) => {
  const reds = [
    observation('9279-1', '25'),
    observation('8867-4', '131'),
    observation('80288-4', 'C'),
    observation('8310-5', '35.0'),
    observation('59408-5', '91'),
  ]
  for (const red of reds) {
    const patient = patientOf()
    chain.append(nurse, patient, [infection])
    t.match(
      sepsisAlerts(chain.append(monitor, patient, [red])),
      [{ branch: 'red-parameter', severity: 2 }],
      red.code,
    )
  }
  const scale2 = patientOf()
  chain.append(doctor, scale2, [infection, finding('spo2-scale-2', [])])
  t.same(
    sepsisAlerts(chain.append(monitor, scale2, [observation('59408-5', '90')])),
    [],
    '90 % is the target',
  )
  t.equal(sepsisAlerts(chain.append(monitor, scale2, [observation('59408-5', '83')])).length, 1)
  const oxygen = patientOf()
  chain.append(doctor, oxygen, [infection, finding('spo2-scale-2', [])])
  const high = [observation('59408-5', '98'), observation('3151-8', '2.0')]
  t.equal(sepsisAlerts(chain.append(monitor, oxygen, high)).length, 1, 'too much oxygen on scale 2')
  const plain = patientOf()
  chain.append(doctor, plain, [infection])
  t.same(sepsisAlerts(chain.append(monitor, plain, high)), [], 'not on scale 1')
})

t.test('a correction retracts, an improvement does not', async (t) => {
  const patient = patientOf()
  chain.append(nurse, patient, [infection])
  const first = chain.append(monitor, patient, lisa)
  const pressure = first.block.records.find(({ header }) => header.code === '8480-6')!
  t.equal(sepsisAlerts(first).length, 1)
  const better = chain.append(monitor, patient, normal)
  t.same(better.made(recordKind.alertResponse), [], 'better values retract nothing')
  const corrected = {
    ...observation('8480-6', '118', { validation: 1 }),
    supersedes: pressure.id,
    minutesAgo: 2,
  }
  corrected.body = { ...corrected.body, status: 'C' }
  const after = chain.append(nurse, patient, [corrected])
  const retracted = after.made(recordKind.alertResponse).filter(({ header }) => header.code === rule)
  t.equal(retracted.length, 1, 'the correction does')
  t.equal(after.verdict(rule).factor, 'retracted')
})

t.test('a corrected finding retracts too', async (t) => {
  const patient = patientOf()
  const [noted] = chain.append(nurse, patient, [infection]).block.records
  t.equal(sepsisAlerts(chain.append(monitor, patient, lisa)).length, 1)
  const corrected = { ...finding('wound-assessment', ['redness']), supersedes: noted.id }
  const after = chain.append(nurse, patient, [corrected])
  t.equal(after.made(recordKind.alertResponse).filter(({ header }) => header.code === rule).length, 1)
  t.same(sepsisAlerts(chain.append(monitor, patient, lisa)), [], 'the infection is not suspected any more')
})

t.test('malformed and oversized bodies are no values, and silence nothing', async (t) => {
  const raw = (code: string, bytes: Uint8Array): NewRecord => ({ ...observation(code, '80'), bytes })
  const whole = observation('8480-6', '80')
  const bad: [string, NewRecord][] = [
    ['empty', raw('8480-6', new Uint8Array(0))],
    ['cut short', raw('8480-6', new Uint8Array([1, 0, 80]))],
    ['another version', raw('8480-6', new Uint8Array(40).fill(7))],
    [
      'a length that lies',
      raw('8480-6', Uint8Array.from([1, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255])),
    ],
    ['a value that wraps', { ...whole, body: { ...whole.body, value: 2n ** 63n - 1n } }],
    ['too many decimals', { ...whole, body: { ...whole.body, scale: 10 } }],
  ]
  for (const [name, record] of bad) {
    const patient = patientOf()
    chain.append(nurse, patient, [infection])
    const view = chain.append(monitor, patient, [record])
    t.same(sepsisAlerts(view), [], name)
    t.equal(view.ruleReceipts(rule)[0].status, 0, `${name}: the rule stands`)
    t.equal(
      sepsisAlerts(chain.append(monitor, patient, lisa)).length,
      1,
      `${name}: and fires on the next reading`,
    )
  }
  const patient = patientOf()
  const long = 'x'.repeat(20_000)
  const wordy = finding('wound-assessment', ['purulent-drainage', long])
  chain.append(nurse, patient, [wordy])
  chain.append(nurse, patient, [
    { ...finding('wound-assessment', []), bytes: new Uint8Array([1, 0, 9, 9, 9, 9]) },
  ])
  const big = { ...whole, body: { ...whole.body, text: long, sourceText: long } }
  t.equal(
    sepsisAlerts(chain.append(monitor, patient, [big])).length,
    1,
    'long texts do not hide a pressure of 80',
  )
})

t.test('a reading marked wrong does not count', async (t) => {
  const patient = patientOf()
  chain.append(nurse, patient, [infection])
  const wrong = observation('8480-6', '80')
  wrong.body = { ...wrong.body, status: 'W' }
  t.same(sepsisAlerts(chain.append(monitor, patient, [wrong])), [])
})

t.test('why it fires, and why not: a view at any time', async (t) => {
  const patient = patientOf()
  const ask = (): { outcome: string; reason: string; alert: Alert | null } =>
    chain.view(rule, 'explain', { patient })
  t.match(ask(), { outcome: 'silent', alert: null })
  chain.append(nurse, patient, [infection])
  chain.append(monitor, patient, lisa)
  t.match(ask(), { outcome: 'fires', alert: { branch: 'red-parameter' } })
})

t.test('fuel of one evaluation', async (t) => {
  const patient = patientOf()
  const silent = chain.append(monitor, patient, normal).ruleReceipts(rule)[0].fuelUsed
  chain.append(nurse, patient, [infection])
  const infected = chain.append(monitor, patient, normal).ruleReceipts(rule)[0].fuelUsed
  const fires = chain.append(monitor, patient, lisa).ruleReceipts(rule)[0].fuelUsed
  const folds = chain.append(monitor, patient, lisa).ruleReceipts(rule)[0].fuelUsed
  t.comment(`silent ${silent}, infection ${infected}, fires with orders ${fires}, folds ${folds}`)
  t.ok(silent < 300_000, 'patients without an infection cost little')
  t.ok(fires < 4_000_000)
})
