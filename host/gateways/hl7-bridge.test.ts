// The gateway on a running node: AA only for what is final, one key and grant for each source, nothing
// merged or doubled.
import t, { type Test } from 'tap'
import { freePorts } from '../../consensus/net/free-ports.js'
import { entityIdOf, keyIdOf, recordKind } from '../../runtime/protocol/index.js'
import type { Proposal, RecordJson } from '../api/node-port.js'
import { sha256 } from '../keys/crypto.js'
import type { RunningNode } from '../node/running-node.js'
import { createSingleNode, type SingleNode } from '../node/single-node.fixture.js'
import { draftAppend, payloadOf, signBundle } from '../node/transaction-builder.js'
import { submissionKey } from './hl7/answers.js'
import { openMllpClient, sendMllp } from './hl7/mllp-client.js'
import { recognise } from './hl7/recognise.js'
import {
  buildAdmission,
  buildObservations,
  lisaFirstReadings,
  lisaJones,
  type SampleObservation,
  type SamplePatient,
} from './hl7/sample-messages.js'
import { noteOf, submittedTable } from './hl7-notes.js'

const now = Date.now()
const lisa = lisaJones(now)
const envelope = (controlId: string) => ({
  controlId,
  sender: { application: 'MON', facility: 'WARD' },
  nowMs: now,
})

const grant = (entity: string, kind: number, codes: string[], id: string): Proposal => ({
  type: 'call',
  target: 'ward/policy',
  method: 'grant',
  args: {
    id: id.repeat(16),
    role: '',
    entity,
    action: 1,
    kind,
    target: '',
    names: codes,
    patient: null,
    validUntil: '0',
  },
})

async function send(port: number, message: Uint8Array): Promise<string> {
  return Buffer.from(await sendMllp('127.0.0.1', port, message)).toString('utf8')
}

async function countOf(single: SingleNode, kind: RecordJson['kind']): Promise<number> {
  const session = await single.signIn('nurse')
  const patients = await single.node.patients(session, { application: 'test' })
  if (!patients.ok || patients.value.patients.length === 0) return 0
  const { patient } = patients.value.patients[0]
  const query = { application: 'test', patient, kind, limit: 100, order: 'newest' } as const
  const records = await single.node.records(session, query)
  return records.ok ? records.value.records.length : -1
}

/** The running node behind the fixture: tests look at what it keeps. */
const runningOf = (single: SingleNode): RunningNode =>
  (single.node as unknown as { unsealed: { node: RunningNode } }).unsealed.node

t.test('from MLLP to final records, and what bad messages get', async (t) => {
  const [adtPort, monitorPort] = await freePorts(2, 'tcp')
  const single = await createSingleNode({
    sources: [
      { name: 'adt', port: adtPort, accepts: ['ADT'] },
      { name: 'monitor', port: monitorPort, accepts: ['ORU'] },
    ],
  })
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const vitals = (controlId: string) => buildObservations(envelope(controlId), lisa, lisaFirstReadings)

  await t.test('without a grant: AE that names what is missing', async (t) => {
    const answer = await send(adtPort, buildAdmission(envelope('A1'), lisa))
    t.match(answer, /MSA\|AE\|A1/)
    t.match(answer, /APPEND_NOT_GRANTED/)
    t.equal(await countOf(single, 'admission'), 0)
  })

  await t.test('an unknown patient: AE with ERR, nothing stored', async (t) => {
    const answer = await send(monitorPort, vitals('V0'))
    t.match(answer, /MSA\|AE\|V0/)
    t.match(answer, /ERR\|/)
    t.match(answer, /PID/)
  })

  await t.test('with grants: AA, and the records are there', async (t) => {
    const { adt, monitor } = single.sources
    for (const [entity, kind, codes, id] of [
      [adt, recordKind.admission, [], 'a1'],
      [adt, recordKind.sourceMessage, [], 'a2'],
      [monitor, recordKind.observation, ['8310-5', '8480-6', '8462-4'], 'b1'],
      [monitor, recordKind.sourceMessage, [], 'b2'],
    ] as [string, number, string[], string][]) {
      const receipt = await single.sign(admin, grant(entity, kind, codes, id))
      t.equal(receipt.code, 'OK', receipt.detail)
    }
    t.match(
      await send(adtPort, buildAdmission(envelope('A1'), lisa)),
      /MSA\|AA\|A1/,
      'the same message, now granted',
    )
    t.match(await send(monitorPort, vitals('V1')), /MSA\|AA\|V1/)
    t.equal(await countOf(single, 'observation'), 3)
    t.equal(await countOf(single, 'sourceMessage'), 2, 'the original bytes are kept')
  })

  await t.test('a duplicate control id: the same answer, no second record', async (t) => {
    const first = await send(monitorPort, vitals('V1'))
    t.match(first, /MSA\|AA\|V1/)
    t.equal(await send(monitorPort, vitals('V1')), first)
    t.equal(await countOf(single, 'observation'), 3)
  })

  await t.test('no MSH: AR; a truncated frame is never merged with the next one', async (t) => {
    t.match(await send(monitorPort, new TextEncoder().encode('PID|1||X\r')), /MSA\|AR/)
    const client = await openMllpClient('127.0.0.1', monitorPort)
    t.teardown(() => client.close())
    const whole = vitals('V3')
    await client.sendRaw(Buffer.concat([Buffer.from([0x0b]), vitals('V2').subarray(0, 80)]))
    await client.sendRaw(Buffer.concat([Buffer.from([0x0b]), whole, Buffer.from([0x1c, 0x0d])]))
    const answers = [await client.receive(), await client.receive()].map((answer) =>
      Buffer.from(answer).toString('utf8'),
    )
    t.match(answers[0], /MSA\|A[RE]/)
    t.match(answers[1], /MSA\|AA\|V3/)
    t.equal(await countOf(single, 'observation'), 6)
  })

  await t.test('a code outside the grant: refused, nothing of the message recorded', async (t) => {
    const pulse = buildObservations(envelope('V4'), lisa, [
      { code: '8867-4', value: '118', unit: '/min' },
      { code: '8310-5', value: '38.6', unit: 'Cel' },
    ])
    const puts = recordPuts(single)
    const answer = await send(monitorPort, pulse)
    await noSubmissionIsLeft(t, single, puts)
    t.match(answer, /MSA\|AE\|V4/)
    t.match(answer, /8867-4/)
    t.equal(await countOf(single, 'observation'), 6)
  })

  await t.test('after a restart the answers still stand', async (t) => {
    await single.restart()
    t.match(await send(monitorPort, vitals('V1')), /MSA\|AA\|V1/)
    t.equal(await countOf(single, 'observation'), 6)
    t.match(await send(monitorPort, vitals('V5')), /MSA\|AA\|V5/, 'the patient index was rebuilt')
  })
})

interface Put {
  table: string
  key: Uint8Array
  value?: Uint8Array
}

/** Every note that the node writes from now on. */
function recordPuts(single: SingleNode): Put[] {
  const puts: Put[] = []
  const { executor } = runningOf(single)
  const call = executor.call.bind(executor)
  executor.call = (method, argument) => {
    if (method === 'put') puts.push(argument as Put)
    return call(method, argument)
  }
  return puts
}

async function noSubmissionIsLeft(t: Test, single: SingleNode, puts: readonly Put[]): Promise<void> {
  const kept = puts.filter(({ table, value }) => table === submittedTable && value !== undefined)
  t.ok(kept.length > 0, 'the bundle was kept while it was under way')
  for (const { table, key } of kept)
    t.equal(await runningOf(single).executor.call('get', { table, key }), null)
}

/** A hospital of one node with both sources, their grants, and Lisa admitted. */
async function ward(t: Test) {
  const [adtPort, monitorPort] = await freePorts(2, 'tcp')
  const single = await createSingleNode({
    sources: [
      { name: 'adt', port: adtPort, accepts: ['ADT'] },
      { name: 'monitor', port: monitorPort, accepts: ['ORU'] },
    ],
  })
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const { adt, monitor } = single.sources
  for (const [entity, kind, codes, id] of [
    [adt, recordKind.admission, [], 'a1'],
    [adt, recordKind.sourceMessage, [], 'a2'],
    [monitor, recordKind.observation, [], 'b1'],
    [monitor, recordKind.sourceMessage, [], 'b2'],
    [single.persons.admin, recordKind.admission, [], 'c1'],
  ] as [string, number, string[], string][]) {
    const receipt = await single.sign(admin, grant(entity, kind, codes, id))
    t.equal(receipt.code, 'OK', receipt.detail)
  }
  const admit = (controlId: string, patient: SamplePatient) =>
    send(adtPort, buildAdmission(envelope(controlId), patient))
  const vitals = (controlId: string, observations: readonly SampleObservation[], patient = lisa) =>
    send(monitorPort, buildObservations(envelope(controlId), patient, observations))
  t.match(await admit('A1', lisa), /MSA\|AA\|A1/)
  return { single, admin, admit, vitals, monitorPort }
}

async function patientsOf(single: SingleNode): Promise<number> {
  const patients = await single.node.patients(await single.signIn('nurse'), { application: 'test' })
  return patients.ok ? patients.value.patients.length : -1
}

/** Observations of the only patient, newest first. */
async function observationsOf(single: SingleNode): Promise<RecordJson[]> {
  const session = await single.signIn('nurse')
  const patients = await single.node.patients(session, { application: 'test' })
  if (!patients.ok) throw new Error(patients.code)
  const { patient } = patients.value.patients[0]
  const query = { application: 'test', patient, kind: 'observation', limit: 100, order: 'newest' } as const
  const records = await single.node.records(session, query)
  if (!records.ok) throw new Error(records.code)
  return [...records.value.records].sort((a, b) => b.number - a.number)
}

t.test('one hospital number is one patient', async (t) => {
  const { single, admin, admit, vitals } = await ward(t)
  t.match(await admit('A2', lisa), /MSA\|AE\|A2.*ERR\|.*PATIENT_EXISTS/s)
  t.equal(await patientsOf(single), 1)

  await t.test('two admissions in flight: the second waits, and is refused', async (t) => {
    const otto = { ...lisa, number: '10012999', family: 'BROWN', given: 'OTTO' }
    const answers = await Promise.all(['B1', 'B2', 'B3'].map((controlId) => admit(controlId, otto)))
    t.equal(answers.filter((answer) => answer.includes('MSA|AA')).length, 1)
    t.equal(answers.filter((answer) => /MSA\|AE.*PATIENT_EXISTS/s.test(answer)).length, 2)
    t.equal(await patientsOf(single), 2)
  })

  await t.test('a number given to a second subject by hand: readings go to neither', async (t) => {
    const admission: Proposal = {
      type: 'append',
      records: [
        {
          kind: 'admission',
          patient: '5a'.repeat(16),
          code: 'ADT^A01',
          body: {
            family: 'Jones',
            given: 'Liza',
            birthDate: 19970214,
            sex: 'F',
            pregnancy: 0,
            identifiers: [{ value: lisa.number, authority: lisa.authority, type: 'MR' }],
            ward: '4',
            room: '12',
            bed: 'A',
            visitNumber: '1',
            reason: '',
          },
        },
      ],
    }
    t.match(await vitals('V1', lisaFirstReadings), /MSA\|AA\|V1/)
    t.equal((await single.sign(admin, admission)).code, 'OK')
    const check = async (controlId: string) => {
      const answer = await vitals(controlId, lisaFirstReadings)
      t.match(answer, new RegExp(`MSA\\|AE\\|${controlId}`))
      t.match(answer, /PATIENT_AMBIGUOUS/)
      t.match(answer, /linked/)
    }
    await check('V2')
    t.match(await admit('A3', lisa), /PATIENT_AMBIGUOUS/)
    await single.restart()
    await check('V3')
    t.equal(await patientsOf(single), 3)
  })
})

t.test('what takes a value back, or corrects it', async (t) => {
  const { single, vitals } = await ward(t)
  const pulse = (status: string, value = '118', timeMs = now): SampleObservation => ({
    code: '8867-4',
    value,
    unit: '/min',
    status,
    timeMs,
  })
  for (const status of ['D', 'W', 'X']) {
    t.match(await vitals(`N${status}`, [pulse(status)]), /MSA\|AE.*EARLIER_VALUE_UNKNOWN/s)
  }
  t.equal((await observationsOf(single)).length, 0, 'nothing is stored for a deletion of nothing')

  for (const [index, status] of ['D', 'W', 'X'].entries()) {
    const time = now - index * 60_000
    t.match(await vitals(`F${status}`, [pulse('F', '118', time)]), /MSA\|AA/)
    const [value] = await observationsOf(single)
    t.match(await vitals(`T${status}`, [pulse(status, '118', time)]), /MSA\|AA/)
    const [taken] = await observationsOf(single)
    t.equal(taken.supersedes, value.id)
    t.match(taken.body, { status, value: '0', text: '', unit: '', sourceText: '' }, 'the value is kept out')
    t.match(await vitals(`U${status}`, [pulse(status, '118', time)]), /EARLIER_VALUE_UNKNOWN/, 'only once')
  }

  const time = now - 600_000
  t.match(await vitals('C1', [pulse('C', '81', time)]), /MSA\|AA/, 'nothing to correct: a plain value')
  const [first] = await observationsOf(single)
  t.equal(first.supersedes, null)
  t.match(await vitals('C2', [pulse('C', '82', time)]), /MSA\|AA/)
  const [corrected] = await observationsOf(single)
  t.match(corrected, { supersedes: first.id, body: { value: '82', status: 'C' } })
  t.match(await vitals('C3', [pulse('C', '""', time)]), /VALUE_MISSING/)
  t.match(await vitals('C4', [pulse('F', '90', time)]), /MSA\|AA/)
  const count = (await observationsOf(single)).length
  t.match(await vitals('C5', [pulse('D', '', time)]), /EARLIER_VALUE_AMBIGUOUS/, '82 or 90?')
  t.equal((await observationsOf(single)).length, count)
})

t.test('more records than a transaction takes', async (t) => {
  const { single, vitals } = await ward(t)
  const pulses = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      code: '8867-4',
      value: String(60 + index),
      unit: '/min',
      timeMs: now - index * 1_000,
    }))
  const refused = await vitals('M1', pulses(32))
  t.match(refused, /MSA\|AE\|M1/)
  t.match(refused, /RECORDS_TOO_MANY/)
  t.match(refused, /at most 32/)
  t.equal((await observationsOf(single)).length, 0)
  t.match(await vitals('M2', pulses(31)), /MSA\|AA\|M2/)
  t.equal((await observationsOf(single)).length, 31)
})

t.test('what is kept of a submission', async (t) => {
  const { single, vitals, monitorPort } = await ward(t)
  const { executor, identity, open } = runningOf(single)
  const call = executor.call.bind(executor)
  const puts = recordPuts(single)
  t.match(await vitals('K1', lisaFirstReadings), /MSA\|AA/)
  await noSubmissionIsLeft(t, single, puts)
  for (const { table, value } of puts) {
    if (table !== 'hl7-answers' || !value) continue
    t.notMatch(
      Buffer.from(value).toString('latin1'),
      /JONES|LISA|10012877|101\.5/,
      'answers hold no patient',
    )
  }

  await t.test('late, then out of credit, then final: one bundle, one record', async (t) => {
    const node = runningOf(single)
    const submit = node.submit.bind(node)
    const raw = buildObservations(envelope('K2'), lisa, lisaFirstReadings)
    const before = (await observationsOf(single)).length
    const sent: string[] = []
    for (const code of ['NOT_FINAL_IN_TIME', 'CREDIT_EXHAUSTED', undefined] as const) {
      node.submit = (bundle, timeoutMs) => {
        sent.push(Buffer.from(bundle).toString('hex'))
        if (code) return Promise.resolve({ ok: false, id: '', code, detail: '' })
        return submit(bundle, timeoutMs)
      }
      t.match(await send(monitorPort, raw), code ? /MSA\|AE\|K2/ : /MSA\|AA\|K2/)
    }
    node.submit = submit
    t.equal(new Set(sent).size, 1, 'byte for byte the same: other nodes may still hold it')
    t.equal((await observationsOf(single)).length, before + 3)
  })

  await t.test('a kept bundle whose sequence is used: signed afresh', async (t) => {
    const key = identity.sources.get('monitor')
    if (!key) throw new Error('no key')
    const raw = buildObservations(envelope('K3'), lisa, lisaFirstReadings)
    const source = { name: 'monitor', host: '', port: 0, accepts: ['ORU'] as const }
    const recognised = recognise(raw, [source], now)
    if (recognised.kind !== 'message') throw new Error(recognised.kind)
    const { arrival } = recognised
    const place = {
      table: submittedTable,
      key: new TextEncoder().encode(submissionKey(arrival.key, arrival.digest)),
    }
    const body = { schema: 1, contentType: 'text/plain', content: new Uint8Array(3) }
    const record = {
      kind: recordKind.sourceMessage,
      patient: new Uint8Array(16),
      code: 'x',
      effectiveTime: 1,
      body,
    }
    const draft = draftAppend([record])
    if (!draft.ok) throw new Error(draft.code)
    const entity = entityIdOf(sha256, key.publicKey)
    const used = await call('sequence', { keyId: keyIdOf(sha256, key.publicKey), stream: 1 })
    const payload = payloadOf({ chainId: open.chainId, entity, publicKey: key.publicKey }, draft.value, {
      stream: 1,
      sequence: used,
      fuelLimit: 50_000_000,
    })
    await call('put', { ...place, value: noteOf(0, signBundle(payload, draft.value, key)) })
    const before = (await observationsOf(single)).length
    t.match(await send(monitorPort, raw), /MSA\|AA\|K3/)
    t.equal((await observationsOf(single)).length, before + 3)
  })
})
