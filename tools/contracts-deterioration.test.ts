// `ward/deterioration` as records trigger it: sets, alerts, refusals; and what a manifest does not name.
import t from 'tap'
import {
  alertBody,
  contractAddress,
  encodeManifest,
  entityKind,
  recordKind,
} from '../runtime/protocol/index.js'
import { randomBytes, sha256 } from '../host/keys/crypto.js'
import { buildContracts } from './build-contracts.js'
import {
  admission,
  builtContract,
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

const rule = 'ward/deterioration'
const admin = createSigner(entityKind.person, 'admin')
const nurse = createSigner(entityKind.person, 'nurse')
const doctor = createSigner(entityKind.person, 'doctor')
const vendor = createSigner(entityKind.vendor, 'vendor')
const chain = new ContractChain([admin, nurse, doctor, vendor])

interface Alert {
  branch: string
  severity: number
  summary: string
  inputs: { code: string; label: string; points: number; threshold: string; effectiveTime: bigint }[]
  basis: string[]
  missing: string[]
  wouldChange: string[]
  citation: string
  ruleAddress: Uint8Array
}

function patientOf(fields: Record<string, unknown> = {}): Uint8Array {
  const patient = randomBytes(16)
  chain.append(nurse, patient, [admission(fields)])
  return patient
}

const alertsOf = (view: BlockView): Alert[] =>
  view
    .made(recordKind.alert)
    .filter(({ header }) => header.code === rule)
    .map(({ body }) => decodedAs<Alert>(alertBody, body.content))

interface Values {
  rr?: string
  spo2?: string
  flow?: string
  sbp?: string
  pulse?: string
  acvpu?: string
  temp?: string
}

const codes: Record<keyof Values, string> = {
  rr: '9279-1',
  spo2: '59408-5',
  flow: '3151-8',
  sbp: '8480-6',
  pulse: '8867-4',
  acvpu: '80288-4',
  temp: '8310-5',
}

const normal: Values = {
  rr: '16',
  spo2: '98',
  flow: '0',
  sbp: '120',
  pulse: '75',
  acvpu: 'A',
  temp: '37.0',
}

const setOf = (values: Values, extra: Partial<NewRecord> = {}): NewRecord[] =>
  Object.entries(values as Record<string, string>).map(([name, value]) =>
    observation(codes[name as keyof Values], value, extra),
  )

t.test('thresholds of a complete set', async (t) => {
  const table: [Values, Partial<Alert> | undefined][] = [
    [{}, undefined],
    [{ rr: '21', pulse: '95', temp: '38.5' }, undefined],
    [
      { rr: '21', pulse: '95', temp: '38.5', sbp: '105' },
      { branch: 'medium', severity: 2 },
    ],
    [
      { rr: '21', pulse: '115', temp: '38.5', sbp: '105' },
      { branch: 'medium', severity: 2 },
    ],
    [
      { rr: '21', pulse: '115', temp: '38.5', sbp: '95' },
      { branch: 'high', severity: 3 },
    ],
    [{ sbp: '90' }, { branch: 'red', severity: 2 }],
    [{ acvpu: 'V' }, { branch: 'red', severity: 2 }],
  ]
  for (const [change, expected] of table) {
    const alerts = alertsOf(chain.append(nurse, patientOf(), setOf({ ...normal, ...change })))
    if (expected === undefined) t.same(alerts, [], JSON.stringify(change))
    else t.match(alerts, [{ ...expected, missing: ['pregnancy status'] }], JSON.stringify(change))
  }
})

t.test('an alert says why', async (t) => {
  const view = chain.append(
    nurse,
    patientOf({ sex: 'M' }),
    setOf({ ...normal, rr: '24', sbp: '80', temp: '38.6' }),
  )
  const [alert] = alertsOf(view)
  t.equal(alert.inputs.length, 7)
  t.match(
    alert.inputs.find(({ code }) => code === '8480-6'),
    { points: 3, threshold: '<= 90' },
  )
  t.match(
    alert.inputs.find(({ code }) => code === '8310-5'),
    { points: 1, threshold: '38.1-39.0' },
  )
  t.ok(alert.inputs.every(({ effectiveTime }) => effectiveTime === BigInt(chain.time)))
  t.same(alert.missing, [])
  t.match(alert.citation, /Royal College of Physicians/)
  t.match(alert.summary, /^NEWS2 6: medium risk/)
  const [receipt] = view.ruleReceipts(rule)
  t.equal(hex(alert.ruleAddress), hex(receipt.target!.address))
})

t.test('incomplete sets', async (t) => {
  const red = alertsOf(chain.append(nurse, patientOf(), setOf({ sbp: '80', temp: '38.6' })))
  t.match(red, [{ branch: 'red', severity: 2 }])
  t.match(red[0].summary, /systolic pressure 80 mm\[Hg\] scores 3 \(NEWS2 incomplete\)/)
  t.equal(
    red[0].missing.filter((name) => name !== 'pregnancy status').length,
    5,
    'five parameters are named',
  )
  const quiet = chain.append(nurse, patientOf(), setOf({ pulse: '115', temp: '38.6' }))
  t.same(alertsOf(quiet), [], 'three points are no alert, and nothing is assumed about the rest')
  t.match(quiet.verdict(rule).text, /incomplete/)
  const certain = alertsOf(chain.append(nurse, patientOf(), setOf({ rr: '30', sbp: '80', pulse: '140' })))
  t.match(
    certain,
    [{ branch: 'high', severity: 3 }],
    'nine points of three parameters: more data takes none away',
  )
  t.match(certain[0].summary, /at least 9, incomplete/)
})

t.test('one set lies within 15 minutes of its newest value', async (t) => {
  const within = patientOf()
  chain.append(nurse, within, setOf({ pulse: '115', temp: '38.6' }))
  t.match(
    alertsOf(chain.append(nurse, within, setOf({ rr: '22' }), 15)),
    [{ branch: 'medium' }],
    '15 minutes',
  )
  const beyond = patientOf()
  chain.append(nurse, beyond, setOf({ pulse: '115', temp: '38.6' }))
  t.same(alertsOf(chain.append(nurse, beyond, setOf({ rr: '22' }), 16)), [], '16 minutes')
  const old = setOf({ ...normal, sbp: '80' }, { minutesAgo: 61 })
  t.same(alertsOf(chain.append(nurse, patientOf(), old)), [], 'a set of an hour ago says nothing about now')
})

t.test('SpO2 scale 2 only where a prescriber set it', async (t) => {
  const patient = patientOf()
  const values = { ...normal, spo2: '90' }
  t.match(alertsOf(chain.append(nurse, patient, setOf(values))), [{ branch: 'red' }], 'scale 1')
  const onScale2 = patientOf()
  const [setting] = chain.append(doctor, onScale2, [finding('spo2-scale-2', [])]).block.records
  t.same(alertsOf(chain.append(nurse, onScale2, setOf(values))), [], 'scale 2: 88-92 is the target')
  const oxygen = alertsOf(chain.append(nurse, onScale2, setOf({ ...normal, spo2: '97', flow: '2' })))
  t.match(oxygen, [{ branch: 'medium' }], 'scale 2: 97 on oxygen is 3, and oxygen 2')
  t.equal(oxygen[0].inputs.find(({ code }) => code === '59408-5')?.threshold, 'scale 2: >= 97 on oxygen')
  chain.append(doctor, onScale2, [{ ...finding('spo2-scale-2', ['withdrawn']), supersedes: setting.id }])
  t.match(alertsOf(chain.append(nurse, onScale2, setOf(values))), [{ branch: 'red' }], 'withdrawn')
})

t.test('refused by name', async (t) => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ birthDate: 20_110_203 }, /^age 15: NEWS2 is for 16 years and older/],
    [{ birthDate: 0 }, /^age is not recorded/],
    [{ birthDate: 20_261_301 }, /^age is not recorded/],
    [{ pregnancy: 2 }, /^pregnancy: NEWS2 does not apply/],
  ]
  for (const [fields, words] of refused) {
    const view = chain.append(nurse, patientOf(fields), setOf({ ...normal, sbp: '80' }))
    t.same(alertsOf(view), [])
    t.equal(view.verdict(rule).factor, 'refused')
    t.match(view.verdict(rule).text, words)
  }
})

t.test('impossible values and units are missing, by name', async (t) => {
  const fahrenheit = observation('8310-5', '101.5')
  fahrenheit.body = { ...fahrenheit.body, unit: '[degF]' }
  const kelvin = observation('8310-5', '311.0')
  kelvin.body = { ...kelvin.body, unit: 'K' }
  const cases: [NewRecord, string | undefined][] = [
    [observation('8867-4', '351'), 'pulse 351 /min is not possible'],
    [observation('8310-5', '19.9'), 'temperature 19.9 Cel is not possible'],
    [kelvin, 'temperature: unit K is not understood'],
    [observation('80288-4', 'sleepy'), 'consciousness is not one of A C V P U'],
    [fahrenheit, undefined],
  ]
  for (const [record, problem] of cases) {
    const [alert] = alertsOf(chain.append(nurse, patientOf(), [...setOf({ sbp: '80' }), record]))
    t.ok(alert, 'the red pressure fires all the same')
    if (problem !== undefined) t.ok(alert.missing.includes(problem), problem)
    else
      t.match(
        alert.inputs.find(({ code }) => code === '8310-5'),
        { points: 1 },
        '101.5 F is 38.6 C',
      )
  }
})

t.test('rounding is half up, to the chart', async (t) => {
  const points = (code: string, value: string): number | undefined => {
    const records = [...setOf({ acvpu: 'U' }), observation(code, value)]
    const [alert] = alertsOf(chain.append(nurse, patientOf(), records))
    return alert.inputs.find((input) => input.code === code)?.points
  }
  t.equal(points('8310-5', '38.04'), 0, '38.04 is 38.0')
  t.equal(points('8310-5', '38.05'), 1, '38.05 is 38.1')
  t.equal(points('9279-1', '24.4'), 2)
  t.equal(points('9279-1', '24.5'), 3)
  t.equal(points('59408-5', '91.49'), 3)
  t.equal(points('59408-5', '91.5'), 2)
})

t.test('a rule reads what its manifest names, and nothing else', async (t) => {
  const { decoded, code } = builtContract('ward-deterioration')
  const patient = patientOf()
  const manifest = encodeManifest({ ...decoded, version: '1.0.1', reads: [] })
  const names = { manifest: sha256(manifest), code: sha256(code) }
  chain.call(vendor, 'ward/governance', 'deploy', names, [manifest, code])
  const address = contractAddress(sha256, {
    chainId: chain.chainId,
    alias: rule,
    manifestHash: names.manifest,
    codeHash: names.code,
  })
  chain.call(admin, 'ward/governance', 'approve', { address })
  chain.call(admin, 'ward/governance', 'activate', { addresses: [address], at: 0n })
  const view = chain.append(nurse, patient, setOf({ sbp: '80' }))
  t.equal(view.receipt.status, 0, 'the reading stands')
  t.equal(view.ruleReceipts(rule)[0].status, 115, 'the rule is refused')
  t.same(alertsOf(view), [])
})
