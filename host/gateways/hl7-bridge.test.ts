// The gateway on a running node: AA only for what is final, one key and grant for each source, nothing
// merged or doubled.
import { createServer } from 'node:net'
import t from 'tap'
import { recordKind } from '../../runtime/protocol/index.js'
import type { Proposal, RecordJson } from '../api/node-port.js'
import { createSingleNode, type SingleNode } from '../node/single-node.fixture.js'
import { openMllpClient, sendMllp } from './hl7/mllp-client.js'
import { buildAdmission, buildObservations, lisaFirstReadings, lisaJones } from './hl7/sample-messages.js'

const now = Date.now()
const lisa = lisaJones(now)
const envelope = (controlId: string) => ({
  controlId,
  sender: { application: 'MON', facility: 'WARD' },
  nowMs: now,
})

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
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

t.test('from MLLP to final records, and what bad messages get', async (t) => {
  const [adtPort, monitorPort] = [await freePort(), await freePort()]
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
    const answer = await send(monitorPort, pulse)
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
