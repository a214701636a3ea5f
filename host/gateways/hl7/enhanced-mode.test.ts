// MSH-15 and MSH-16: CA, CE or CR first, then AA or AE, over real sockets.
import t from 'tap'

import { bytes, heartRate, openHarness, pause, unknownNumber } from './harness.fixture.js'
import { readAck } from './mllp-client.js'

t.test('enhanced mode', async (t) => {
  const enhanced = (controlId: string, modes: string, patient = 'P1'): Uint8Array =>
    bytes(heartRate(controlId, patient).replace('|2.5.1', `|2.5.1|||${modes}`))
  const harness = await openHarness()
  t.teardown(harness.close)
  const client = await harness.connect()

  await client.send(enhanced('E1', 'AL|AL'))
  t.match(await client.acks(2), [
    { code: 'CA', controlId: 'E1' },
    { code: 'AA', controlId: 'E1' },
  ])
  await client.send(enhanced('E2', 'NE|AL'))
  t.match(await client.acks(1), [{ code: 'AA', controlId: 'E2' }])
  await client.send(enhanced('E3', 'AL|AL', unknownNumber))
  t.match(await client.acks(2), [{ code: 'CA' }, { code: 'AE', reason: 'UNKNOWN_PATIENT' }])
  await client.send(bytes(heartRate('E4').replace('|P|2.5.1', '|P|1.0|||AL|AL')))
  t.match(await client.acks(1), [{ code: 'CR', reason: 'VERSION_UNSUPPORTED' }])
  await client.send(enhanced('E5', 'NE|NE'))
  await client.send(enhanced('E6', 'AL|NE'))
  t.match(await client.acks(1), [{ code: 'CA', controlId: 'E6' }], 'NE NE gets no answer')
  await client.send(enhanced('E1', 'AL|AL'))
  t.match(
    await client.acks(2),
    [{ code: 'CA', controlId: 'E1' }, { code: 'AA' }],
    'a repeated one gets both again',
  )

  await t.test('with an inbox CA leaves before the message is final', async (t) => {
    const kept = new Map<string, { source: string; receivedTimeMs: number; raw: Uint8Array }>()
    let release: () => void = () => undefined
    const early = await openHarness({
      inbox: {
        keep: async (key, message) => void kept.set(key, message),
        drop: async (key) => void kept.delete(key),
        pending: async () => [...kept.values()],
      },
      submit: () => new Promise((resolve) => (release = () => resolve({ kind: 'final', height: 3 }))),
    })
    t.teardown(early.close)
    const sender = await early.connect()
    await sender.send(enhanced('E7', 'AL|AL'))
    const ca = await sender.receive()
    t.match(readAck(ca), { code: 'CA', controlId: 'E7' })
    t.equal(kept.size, 1)
    release()
    const aa = await sender.receive()
    t.match(readAck(aa), { code: 'AA', controlId: 'E7', sentence: 'final in block 3' })
    await sender.send(enhanced('E7', 'AL|AL'))
    t.same([await sender.receive(), await sender.receive()], [ca, aa], 'byte for byte')
    t.equal(kept.size, 0)
  })

  await t.test('what was kept before a crash is submitted at the next start', async (t) => {
    const message = { source: 'monitor-1', receivedTimeMs: Date.now(), raw: enhanced('E8', 'AL|AL') }
    const dropped: string[] = []
    const later = await openHarness({
      inbox: {
        keep: async () => undefined,
        drop: async (key) => void dropped.push(key),
        pending: async () => [message],
      },
    })
    t.teardown(later.close)
    while (dropped.length === 0) await pause(5)
    t.match(later.submitted, [{ mapped: { controlId: 'E8' } }])
    const sender = await later.connect()
    await sender.send(message.raw)
    t.match(await sender.acks(2), [{ code: 'CA' }, { code: 'AA' }])
    t.equal(later.submitted.length, 1)
  })
})
