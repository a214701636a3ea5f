// Every message of ../shared/data/hl7 over a real socket, as the file is and with CR, and three of our own.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

import { openHarness, pause } from './harness.fixture.js'
import { readAck } from './mllp-client.js'
import { latinAdmission, oldLaboratory, pcdMonitor } from './own-samples.fixture.js'

const read = (path: string): Uint8Array => new Uint8Array(readFileSync(path))
const withCr = (file: Uint8Array): Uint8Array =>
  new TextEncoder().encode(new TextDecoder().decode(file).replaceAll('\r\n', '\r').replaceAll('\n', '\r'))

t.test('the samples that nobody here wrote', async (t) => {
  const root = '../shared/data/hl7'
  if (!existsSync(root)) {
    t.comment(`${root} is not here: skipped`)
    return
  }
  const harness = await openHarness()
  t.teardown(harness.close)
  const client = await harness.connect()
  const answered: Record<string, number> = {}
  let finalAcks = 0
  for (const folder of ['cdc', 'simple-hl7']) {
    for (const name of readdirSync(join(root, folder)).filter((file) => file.endsWith('.hl7'))) {
      const file = read(join(root, folder, name))
      for (const message of [file, withCr(file)]) {
        const before = harness.submitted.length
        const seen = harness.events.length
        await client.send(message)
        while (harness.events.length === seen) await pause(2)
        const event = harness.events.at(-1)
        if (event?.kind !== 'answered') throw new Error(JSON.stringify(event))
        // MSH-15 and MSH-16 of some samples ask for two answers, or for none.
        const acks: string[] = []
        for (const code of event.acks) {
          const ack = readAck(await client.receive())
          t.equal(ack.code, code)
          acks.push(code)
          if (code.endsWith('E') || code.endsWith('R')) t.ok(ack.sentence.length > 20, `${name} says why`)
        }
        if (event.reason === 'FINAL') finalAcks = acks.length
        for (let n = 0; event.reason === 'DUPLICATE' && n < finalAcks; n += 1) await client.receive()
        const wasStored = event.reason === 'FINAL'
        t.equal(
          harness.submitted.length - before,
          wasStored ? 1 : 0,
          `${name}: ${event.reason} ${acks.join(' ')}`,
        )
        answered[event.reason] = (answered[event.reason] ?? 0) + 1
      }
    }
  }
  t.same(answered, {
    // With CR instead of LF they are the same messages again.
    FINAL: 6,
    DUPLICATE: 6,
    ACKNOWLEDGEMENT_IGNORED: 2,
    BATCH_REFUSED: 2,
    DELIMITERS_INVALID: 4,
    EVENT_UNSUPPORTED: 2,
    MESSAGE_TYPE_MISSING: 2,
    MESSAGE_TYPE_UNSUPPORTED: 26,
    PATIENT_IDENTIFIER_MISSING: 2,
    SEGMENT_MALFORMED: 2,
    STATUS_MISSING: 2,
    TIME_INVALID: 2,
    UNIT_UNKNOWN: 8,
    VALUE_TYPE_UNSUPPORTED: 2,
  })
})

t.test('samples of our own', async (t) => {
  const harness = await openHarness({ source: { zone: 'Europe/Vienna' } })
  t.teardown(harness.close)
  const client = await harness.connect()
  const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

  await client.send(latin1(pcdMonitor))
  t.match(await client.acks(1), [{ code: 'AA', controlId: 'PCD-7' }], 'NE|AL: AA alone')
  const monitor = harness.submitted[0]?.mapped
  if (monitor?.kind !== 'observations') throw new Error('observations')
  t.match(
    monitor.observations.map(({ code, value, unit, status, subId }) => ({
      code,
      value,
      unit,
      status,
      subId,
    })),
    [
      { code: '8480-6', value: { mantissa: 80n, scale: 0 }, unit: 'mm[Hg]', status: 'R', subId: '1.1.9.1' },
      { code: '8462-4', value: { mantissa: 60n, scale: 0 }, unit: 'mm[Hg]', status: 'R', subId: '1.1.9.2' },
      { code: '8310-5', value: { mantissa: 386n, scale: 1 }, unit: 'Cel', status: 'R' },
      { code: '59408-5', value: { kind: 'none' }, unit: '', status: 'X' },
    ],
  )
  t.same(new Set(monitor.observations.map(({ device }) => device)), new Set(['00AABB0000112233']))
  t.equal(monitor.observations[0]?.effectiveTimeMs, Date.UTC(2026, 10, 22, 10, 15, 2, 500))
  t.equal(
    monitor.observations[2]?.effectiveTimeMs,
    Date.UTC(2026, 10, 22, 10, 15),
    'OBR-7 where OBX-14 is empty',
  )

  await client.send(latin1(oldLaboratory))
  t.match(await client.acks(1), [{ code: 'AA', controlId: 'LAB000042' }])
  t.match(harness.submitted[1]?.mapped, {
    identifiers: [{ value: '4711', authority: '' }],
    birthDate: undefined,
    observations: [
      {
        code: '2524-7',
        system: 'LN',
        value: { mantissa: 204n, scale: 2 },
        unit: 'mmol/L',
        sourceText: '02.04 CD:289^mmol/L',
        order: { placer: 'ORD9', filler: 'F77', service: 'LAC' },
        effectiveTimeMs: Date.UTC(2026, 10, 22, 9, 15),
      },
    ],
  })

  await client.send(latin1(latinAdmission))
  t.match(await client.acks(1), [{ code: 'AA', controlId: 'A-1' }])
  t.match(harness.submitted[2]?.mapped, {
    name: { family: 'M\u00fcller', given: 'Ren\u00e9e' },
    birthDate: '19800229',
    visitNumber: 'V&1',
    eventTimeMs: Date.UTC(2026, 10, 22, 8),
    raw: latin1(latinAdmission),
  })
})
