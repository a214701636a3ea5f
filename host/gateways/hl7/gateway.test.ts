// The fifteen cases of clinical.md section 7, and what else a port meets, over real sockets on loopback.
import t from 'tap'

import { FS, VT } from './framer.js'
import { bytes, framed, heartRate, openHarness, pause, unknownNumber } from './harness.fixture.js'
import { readAck } from './mllp-client.js'

const concat = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

t.test('the table of fifteen', async (t) => {
  const harness = await openHarness()
  t.teardown(harness.close)
  const { submitted } = harness
  const patients = (from: number) => submitted.slice(from).map(({ mapped }) => mapped.identifiers[0]?.value)

  await t.test('1 plain', async (t) => {
    const client = await harness.connect()
    await client.send(bytes(heartRate('C1')))
    t.match(await client.acks(1), [{ code: 'AA', controlId: 'C1' }])
  })
  await t.test('2 byte by byte', async (t) => {
    const client = await harness.connect()
    for (const byte of framed(heartRate('C2'))) await client.sendRaw(Uint8Array.of(byte))
    t.match(await client.acks(1), [{ code: 'AA', controlId: 'C2' }])
  })
  await t.test('3 two messages in one chunk: answered in order', async (t) => {
    const client = await harness.connect()
    const before = submitted.length
    await client.sendRaw(concat(framed(heartRate('C3a', 'PA')), framed(heartRate('C3b', 'PB'))))
    t.match(await client.acks(2), [
      { code: 'AA', controlId: 'C3a' },
      { code: 'AA', controlId: 'C3b' },
    ])
    t.same(patients(before), ['PA', 'PB'])
  })
  await t.test('4 FS ends a chunk, CR begins the next', async (t) => {
    const client = await harness.connect()
    const frame = framed(heartRate('C4'))
    await client.sendRaw(frame.subarray(0, -1))
    await pause(30)
    await client.sendRaw(concat(frame.subarray(-1), framed(heartRate('C4b'))))
    t.match(await client.acks(2), [{ controlId: 'C4' }, { code: 'AA', controlId: 'C4b' }])
  })
  await t.test('5 a UTF-8 character split over chunks', async (t) => {
    const client = await harness.connect()
    const frame = framed(heartRate('C5', 'Mü'))
    const at = frame.indexOf(0xc3)
    await client.sendRaw(frame.subarray(0, at + 1))
    await pause(30)
    await client.sendRaw(frame.subarray(at + 1))
    t.match(await client.acks(1), [{ code: 'AA' }])
    t.equal(submitted.at(-1)?.mapped.identifiers[0]?.value, 'Mü')
  })
  await t.test('6 and 7 LF and CRLF segment ends', async (t) => {
    const client = await harness.connect()
    await client.send(bytes(heartRate('C6').replaceAll('\r', '\n')))
    await client.send(bytes(heartRate('C7').replaceAll('\r', '\r\n')))
    t.match(await client.acks(2), [
      { code: 'AA', controlId: 'C6' },
      { code: 'AA', controlId: 'C7' },
    ])
    // Counted when the answer is out: one more exchange makes sure of that.
    await client.send(bytes(heartRate('C7b')))
    await client.receive()
    t.equal(harness.gateway.endpoints[0]?.counts.segmentEndDeviations, 8)
  })
  await t.test('8 empty frame, then a good one', async (t) => {
    const client = await harness.connect()
    await client.sendRaw(concat(Uint8Array.of(VT, FS, 13), framed(heartRate('C8'))))
    t.match(await client.acks(1), [{ code: 'AA', controlId: 'C8' }])
    t.equal(harness.gateway.endpoints[0]?.counts.emptyFrames, 1)
  })
  await t.test('9 2 MB in 64 KB chunks', async (t) => {
    const client = await harness.connect()
    const frame = framed(`${heartRate('C9')}${`NTE|1||${'x'.repeat(1000)}\r`.repeat(2000)}`)
    t.ok(frame.length > 2_000_000)
    for (let at = 0; at < frame.length; at += 65_536) await client.sendRaw(frame.subarray(at, at + 65_536))
    t.match(await client.acks(1), [{ code: 'AA', controlId: 'C9' }])
  })
  await t.test('9b beyond the cap: AR with the control id, then the connection closes', async (t) => {
    const client = await harness.connect()
    const frame = framed(`${heartRate('C9b')}${`NTE|1||${'x'.repeat(1000)}\r`.repeat(4200)}`)
    const before = submitted.length
    for (let at = 0; at < frame.length; at += 65_536) {
      await client.sendRaw(frame.subarray(at, at + 65_536)).catch(() => undefined)
    }
    t.match(await client.acks(1), [{ code: 'AR', controlId: 'C9b', reason: 'FRAME_TOO_LARGE' }])
    await t.rejects(client.receive(), { code: 'MLLP_CLOSED' })
    t.equal(submitted.length, before)
  })
  await t.test('10 noise before VT, then a good frame', async (t) => {
    const client = await harness.connect()
    await client.sendRaw(concat(bytes('\r\nMSH|noise\r'), framed(heartRate('C10'))))
    t.match(await client.acks(1), [{ code: 'AA', controlId: 'C10' }])
    t.ok((harness.gateway.endpoints[0]?.counts.noiseBytes ?? 0) >= 12)
  })
  await t.test('11 frame without MSH, then a good one in the same chunk', async (t) => {
    const client = await harness.connect()
    await client.sendRaw(concat(framed('PID|1||P1\rOBX|1\r'), framed(heartRate('C11'))))
    t.match(await client.acks(2), [
      { code: 'AR', controlId: '', reason: 'MSH_MISSING' },
      { code: 'AA', controlId: 'C11' },
    ])
  })
  await t.test('12 frame without MSH, then a good one later', async (t) => {
    const client = await harness.connect()
    await client.sendRaw(framed('garbage'))
    t.match(await client.acks(1), [{ code: 'AR', controlId: '', reason: 'MSH_MISSING' }])
    await pause(30)
    await client.send(bytes(heartRate('C12')))
    t.match(await client.acks(1), [{ code: 'AA', controlId: 'C12' }])
  })
  await t.test('13 truncated frame, then VT and a new one: never merged', async (t) => {
    const client = await harness.connect()
    const before = submitted.length
    const whole = bytes(heartRate('C13a', 'FIRST'))
    for (const [index, cut] of [whole.length, whole.length - 20, 90, 40, 0].entries()) {
      const good = framed(heartRate(`C13b${index}`, `SECOND${index}`))
      await client.sendRaw(concat(Uint8Array.of(VT), whole.subarray(0, cut), good))
      const [first, second] = await client.acks(2)
      t.match(first, { code: 'AR', reason: 'FRAME_TRUNCATED' }, `cut at ${cut}`)
      t.equal(first?.controlId, cut >= 90 ? 'C13a' : '', 'the control id only when MSH was complete')
      t.match(second, { code: 'AA', controlId: `C13b${index}` })
    }
    t.same(patients(before), ['SECOND0', 'SECOND1', 'SECOND2', 'SECOND3', 'SECOND4'])
  })
  await t.test('14 custom delimiters', async (t) => {
    const client = await harness.connect()
    const custom = heartRate('C14').replaceAll('|', '#').replaceAll('^', '@')
    await client.send(bytes(custom))
    const answer = await client.receive()
    t.match(readAck(answer), { code: 'AA', controlId: 'C14' })
    t.match(new TextDecoder().decode(answer), /^MSH#@~\\&#WARD#HOSP#MON#4W#/, "the sender's delimiters")
    t.equal(submitted.at(-1)?.mapped.identifiers[0]?.authority, 'H')
  })
  await t.test('15 escapes are decoded once, raw is kept', async (t) => {
    const client = await harness.connect()
    const raw = 'a\\T\\b\\F\\c\\S\\d\\R\\e\\E\\f\\.br\\g\\X41\\'
    const note = `OBX|2|TX|NOTE^Note^L||${raw}||||||F|||20261122101500+0000\r`
    await client.send(bytes(heartRate('C15') + note))
    t.match(await client.acks(1), [{ code: 'AA', controlId: 'C15' }])
    const mapped = submitted.at(-1)?.mapped
    t.match(mapped?.kind === 'observations' && mapped.observations[1], {
      value: { kind: 'text', text: 'a&b|c^d~e\\f\ngA' },
      sourceText: raw,
    })
    t.same(mapped?.raw, bytes(heartRate('C15') + note))
  })
})

t.test('what bad input gets', async (t) => {
  const harness = await openHarness({ source: { accepts: ['ORU'] } })
  t.teardown(harness.close)
  const client = await harness.connect()
  const good = heartRate('B')
  const cases: [
    name: string,
    message: string | Uint8Array,
    code: string,
    reason: string,
    location?: string,
  ][] = [
    ['unknown patient', heartRate('B', unknownNumber), 'AE', 'UNKNOWN_PATIENT', 'PID^1^3^1'],
    ['unknown unit', good.replace('/min', 'furlong'), 'AE', 'UNIT_UNKNOWN', 'OBX^1^6^1'],
    ['no unit', good.replace('/min', ''), 'AE', 'UNIT_MISSING', 'OBX^1^6^1'],
    ['other unit', good.replace('/min', 'mm[Hg]'), 'AE', 'UNIT_MISMATCH', 'OBX^1^6^1'],
    ['no number', good.replace('|72|', '|7e1|'), 'AE', 'VALUE_NOT_NUMERIC', 'OBX^1^5^1'],
    [
      'malformed time',
      good.replace('||20261122101500+0000\r', '||22 Nov 2026\r').replace('F|||2026', 'F|||x'),
      'AE',
      'TIME_INVALID',
      'OBX^1^14^1',
    ],
    ['batch', `FHS|^~\\&|A\rBHS|^~\\&|A\r${good}BTS|1\rFTS|1\r`, 'AR', 'BATCH_REFUSED', 'FHS^1'],
    [
      'wrong charset name',
      good.replace('|2.5.1', '|2.5.1||||||KLINGON'),
      'AR',
      'CHARSET_UNKNOWN',
      'MSH^1^18^1',
    ],
    [
      'bytes that are not UTF-8',
      Uint8Array.from(good.replace('JANE', 'J\xc4NE'), (c) => c.charCodeAt(0)),
      'AR',
      'CHARSET_INVALID',
      'MSH^1^18^1',
    ],
    [
      'type not taken here',
      good.replace('ORU^R01', 'ADT^A01'),
      'AR',
      'MESSAGE_TYPE_UNSUPPORTED',
      'MSH^1^9^1',
    ],
    [
      'type unknown',
      good.replace('ORU^R01^ORU_R01', 'SIU^S12'),
      'AR',
      'MESSAGE_TYPE_UNSUPPORTED',
      'MSH^1^9^1',
    ],
    ['event', good.replace('R01^ORU_R01', 'R32'), 'AR', 'EVENT_UNSUPPORTED', 'MSH^1^9^1^2'],
    ['no type', good.replace('ORU^R01^ORU_R01', ''), 'AR', 'MESSAGE_TYPE_MISSING', 'MSH^1^9^1'],
    ['no control id', good.replace('|B|', '||'), 'AR', 'CONTROL_ID_MISSING', 'MSH^1^10^1'],
    ['version', good.replace('2.5.1', '3.0'), 'AR', 'VERSION_UNSUPPORTED', 'MSH^1^12^1'],
    ['two messages run together', good + good, 'AR', 'MSH_REPEATED', 'MSH^2'],
    ['two patients', good.replace('OBR|', 'PID|2||P2^^^H^MR\rOBR|'), 'AE', 'PATIENT_REPEATED', 'PID^2'],
    ['no patient', good.replace(/PID[^\r]*\r/, ''), 'AE', 'PATIENT_SEGMENT_MISSING', 'PID^1'],
  ]
  for (const [name, message, code, reason, location] of cases) {
    const before = harness.submitted.length
    await client.send(typeof message === 'string' ? bytes(message) : message)
    const answer = await client.receive()
    const ack = readAck(answer)
    t.match(ack, { code, reason }, name)
    t.equal(ack.location, location, `${name}: location`)
    t.equal(
      ack.controlId,
      reason === 'CONTROL_ID_MISSING' || reason === 'BATCH_REFUSED' ? '' : 'B',
      `${name}: control id`,
    )
    t.match(ack.sentence, /[a-z]{3,}.*\.$/, `${name}: a sentence`)
    if (reason !== 'UNKNOWN_PATIENT')
      t.equal(harness.submitted.length, before, `${name}: nothing submitted`)
  }
  await client.send(bytes(good))
  t.match(
    await client.acks(1),
    [{ code: 'AA' }],
    'refusals are not stored: the corrected message goes through',
  )
})

t.test('repeated messages', async (t) => {
  let nowMs = Date.UTC(2026, 10, 22, 10, 15)
  const harness = await openHarness({ nowMs: () => nowMs })
  t.teardown(harness.close)
  const client = await harness.connect()
  await client.send(bytes(heartRate('R1')))
  const first = await client.receive()
  nowMs += 60_000

  await t.test('the stored answer, byte for byte, and no second submission', async (t) => {
    await client.send(bytes(heartRate('R1')))
    t.same(await client.receive(), first)
    const other = await harness.connect()
    await other.send(bytes(heartRate('R1').replace('|20261122101500||ORU', '|20261122101700||ORU')))
    t.same(await other.receive(), first, 'also from another connection, with another MSH-7')
    t.equal(harness.submitted.length, 1)
  })
  await t.test(
    'other content under the same control id is refused, not answered AA and lost',
    async (t) => {
      await client.send(bytes(heartRate('R1', 'P1', '180')))
      t.match(await client.acks(1), [{ code: 'AE', reason: 'CONTROL_ID_REUSED', location: 'MSH^1^10^1' }])
      t.equal(harness.submitted.length, 1)
    },
  )
  await t.test('another sender may use the same control id', async (t) => {
    await client.send(bytes(heartRate('R1').replace('MON|4W', 'MON|5E')))
    t.match(await client.acks(1), [{ code: 'AA' }])
    t.equal(harness.submitted.length, 2)
  })
  await t.test('after seven days it is a new message', async (t) => {
    nowMs += 7 * 24 * 3_600_000
    await client.send(bytes(heartRate('R1')))
    t.notSame(await client.receive(), first)
    t.equal(harness.submitted.length, 3)
    t.equal(
      harness.submitted[2]?.key,
      harness.submitted[0]?.key,
      'the host still knows it for the same message',
    )
  })
  await t.test('a key names content, too', async (t) => {
    nowMs += 7 * 24 * 3_600_000
    await client.send(bytes(heartRate('R1', 'P1', '181')))
    t.match(await client.acks(1), [{ code: 'AA' }])
    t.not(harness.submitted[3]?.key, harness.submitted[0]?.key)
  })
})

t.test('concurrent copies wait for the first', async (t) => {
  let release: (height: number) => void = () => undefined
  const harness = await openHarness({
    submit: () =>
      new Promise((resolve) => {
        release = (height) => resolve({ kind: 'final', height })
      }),
  })
  t.teardown(harness.close)
  const clients = await Promise.all([harness.connect(), harness.connect(), harness.connect()])
  for (const client of clients) await client.send(bytes(heartRate('D1')))
  const other = await harness.connect()
  await other.send(bytes(heartRate('D1', 'P2')))
  t.match(await other.acks(1), [{ code: 'AE', reason: 'CONTROL_ID_REUSED' }], 'other content does not wait')
  release(7)
  const answers = await Promise.all(clients.map((client) => client.receive()))
  t.match(readAck(answers[0] ?? new Uint8Array()), { code: 'AA', sentence: 'final in block 7' })
  t.same(answers[1], answers[0])
  t.same(answers[2], answers[0])
  t.equal(harness.submitted.length, 1)
})

t.test('not final in time: never AA; the resend gets the answer once it is final', async (t) => {
  let release: () => void = () => undefined
  const harness = await openHarness({
    limits: { finalMsMax: 100 },
    submit: () => new Promise((resolve) => (release = () => resolve({ kind: 'final', height: 9 }))),
  })
  t.teardown(harness.close)
  const client = await harness.connect()
  await client.send(bytes(heartRate('L1')))
  t.match(await client.acks(1), [{ code: 'AE', reason: 'NOT_FINAL_IN_TIME', controlId: 'L1' }])
  // Other content under the id of a message that may yet become final: a different submission, never a
  // resend of it.
  await client.send(bytes(heartRate('L1', 'P1', '180')))
  t.match(await client.acks(1), [{ code: 'AE', reason: 'CONTROL_ID_REUSED' }])
  release()
  await pause(20)
  await client.send(bytes(heartRate('L1')))
  t.match(await client.acks(1), [{ code: 'AA', sentence: 'final in block 9' }])
  t.equal(harness.submitted.length, 1)

  const silent = await openHarness({ source: { late: 'silence' }, submit: async () => ({ kind: 'late' }) })
  t.teardown(silent.close)
  const quiet = await silent.connect()
  await quiet.send(bytes(heartRate('L2')))
  await quiet.sendRaw(framed('garbage'))
  t.match(await quiet.acks(1), [{ code: 'AR', reason: 'MSH_MISSING' }], 'the late one got no answer')
})

t.test('failures of the ports', async (t) => {
  const broken = await openHarness({ submit: () => Promise.reject(new Error('disk')) })
  t.teardown(broken.close)
  const client = await broken.connect()
  await client.send(bytes(heartRate('F1')))
  t.match(await client.acks(1), [{ code: 'AE', reason: 'GATEWAY_FAILED', controlId: 'F1' }])

  const chain = await openHarness({
    submit: async () => ({
      kind: 'refused',
      code: 'GRANT_MISSING',
      sentence: 'The source may not append 8867-4.',
    }),
  })
  t.teardown(chain.close)
  const refused = await chain.connect()
  await refused.send(bytes(heartRate('F2')))
  const answer = await refused.receive()
  t.match(readAck(answer), {
    code: 'AE',
    reason: 'REFUSED_BY_CHAIN',
    sentence: 'The source may not append 8867-4.',
  })
  t.match(new TextDecoder().decode(answer), /\|GRANT_MISSING\|/)

  const forgetful = await openHarness({
    answers: { get: async () => undefined, put: () => Promise.reject(new Error('disk')) },
  })
  t.teardown(forgetful.close)
  const sender = await forgetful.connect()
  await sender.send(bytes(heartRate('F3')))
  t.match(await sender.acks(1), [{ code: 'AA' }], 'the record is final: AA is true')
  t.match(
    forgetful.events.filter(({ kind }) => kind === 'failed'),
    [{ step: 'answers.put' }],
  )

  const unreadable = await openHarness({
    answers: { get: () => Promise.reject(new Error('sealed')), put: async () => undefined },
  })
  t.teardown(unreadable.close)
  const asking = await unreadable.connect()
  await asking.send(bytes(heartRate('F4')))
  t.match(await asking.acks(1), [{ code: 'AE', reason: 'GATEWAY_FAILED' }])
  t.equal(unreadable.submitted.length, 0, 'without the answer store nothing is submitted')
})

t.test('idle inside a frame, and the end of a connection inside a frame', async (t) => {
  const harness = await openHarness({ limits: { frameIdleMsMax: 80 } })
  t.teardown(harness.close)
  const client = await harness.connect()
  const frame = framed(heartRate('I1'))
  await client.sendRaw(frame.subarray(0, 100))
  t.match(await client.acks(1), [{ code: 'AR', reason: 'FRAME_TIMEOUT', controlId: 'I1' }])
  await client.sendRaw(concat(frame.subarray(100), framed(heartRate('I2'))))
  t.match(await client.acks(1), [{ code: 'AA', controlId: 'I2' }], 'the late rest is noise')
  await pause(120)
  await client.send(bytes(heartRate('I3')))
  t.match(await client.acks(1), [{ code: 'AA', controlId: 'I3' }], 'between frames there is no timeout')

  const ending = await harness.connect()
  await ending.sendRaw(concat(framed(heartRate('I4')), frame.subarray(0, 100)))
  ending.end()
  t.match(await ending.acks(2), [
    { code: 'AA', controlId: 'I4' },
    { code: 'AR', reason: 'FRAME_TRUNCATED', controlId: 'I1' },
  ])
  t.same(
    harness.submitted.map(({ mapped }) => mapped.controlId),
    ['I2', 'I3', 'I4'],
  )
})

t.test('acknowledgements are not acknowledged', async (t) => {
  const harness = await openHarness()
  t.teardown(harness.close)
  const client = await harness.connect()
  await client.send(bytes('MSH|^~\\&|NBS|TN|OZNBS|FSR|||ACK|A0|D|2.5.1|\rMSA|AA|0|\r'))
  await client.send(bytes(heartRate('K1')))
  t.match(await client.acks(1), [{ code: 'AA', controlId: 'K1' }])
  t.match(
    harness.events.find((event) => event.kind === 'answered'),
    { reason: 'ACKNOWLEDGEMENT_IGNORED', acks: [] },
  )
})
