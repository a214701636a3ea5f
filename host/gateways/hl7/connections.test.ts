// Ports and connections: binding, bounds, back-pressure, arbitrary bytes, TLS, closing. Real sockets on
// loopback.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

import { FS, frameMessage, VT } from './framer.js'
import { openGateway } from './gateway.js'
import { bytes, heartRate, openHarness, pause } from './harness.fixture.js'
import { readAck, sendMllp } from './mllp-client.js'

t.test('ports: bind address, bound connections, sources on one port, restart', async (t) => {
  const ports = {
    submit: async () => ({ kind: 'late' as const }),
    answers: { get: async () => undefined, put: async () => undefined },
  }
  const source = { name: 'a', host: '127.0.0.1', port: 0, accepts: ['ORU' as const] }
  await t.rejects(openGateway([{ ...source, host: '' }], ports), { code: 'BIND_ADDRESS_REQUIRED' })
  await t.rejects(openGateway([source, source], ports), { code: 'SOURCE_INVALID' })
  await t.rejects(openGateway([{ ...source, zone: 'Nowhere/Else' }], ports), { code: 'SOURCE_INVALID' })
  await t.rejects(openGateway([{ ...source, accepts: [] }], ports), { code: 'SOURCE_INVALID' })

  const harness = await openHarness({
    limits: { connectionsMax: 2 },
    source: { sendingApplication: 'MON', processingIds: ['P'] },
  })
  t.teardown(harness.close)
  await t.rejects(openGateway([{ ...source, port: harness.port }], ports), { code: 'LISTEN_FAILED' })
  const [first] = [await harness.connect(), await harness.connect()]
  const third = await harness.connect()
  await t.rejects(
    third.send(bytes(heartRate('P1'))).then(() => third.receive()),
    { code: 'MLLP_CLOSED' },
  )
  t.equal(harness.gateway.endpoints[0]?.counts.connectionsRefused, 1)
  await first.send(bytes(heartRate('P2').replace('MON|', 'OTHER|')))
  t.match(await first.acks(1), [{ code: 'AE', reason: 'SENDER_UNKNOWN', location: 'MSH^1^3^1' }])
  await first.send(bytes(heartRate('P3').replace('|P|', '|T|')))
  t.match(await first.acks(1), [{ code: 'AR', reason: 'PROCESSING_ID_UNSUPPORTED' }])
  await first.send(bytes(heartRate('P4')))
  t.match(await first.acks(1), [{ code: 'AA' }])
  await harness.gateway.close()
  await t.rejects(sendMllp('127.0.0.1', harness.port, bytes('MSH|')), { code: 'MLLP_CONNECT_FAILED' })

  const shared = await openGateway(
    [
      { ...source, port: harness.port, name: 'icu', sendingFacility: '4W' },
      { ...source, port: harness.port, name: 'er', sendingFacility: 'ER' },
    ],
    {
      ...ports,
      submit: async (message) => ({ kind: 'refused', code: message.source, sentence: 'who I am.' }),
    },
  )
  t.equal(shared.endpoints.length, 1, 'one listener')
  const who = async (facility: string) => {
    const message = bytes(heartRate('S').replace('MON|4W', `MON|${facility}`))
    return new TextDecoder().decode(await sendMllp('127.0.0.1', harness.port, message))
  }
  t.match(await who('4W'), /\|icu\|/)
  t.match(await who('ER'), /\|er\|/)
  await shared.close()
})

t.test('back-pressure: while a message is on its way, the port stops reading', async (t) => {
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  const harness = await openHarness({
    submit: async () => {
      await gate
      return { kind: 'final', height: 1 }
    },
  })
  t.teardown(harness.close)
  const client = await harness.connect()
  const note = `NTE|1||${'x'.repeat(1_000_000)}\r`
  const controlIds = Array.from({ length: 24 }, (_, n) => `Q${n}`)
  const sent = Promise.all(controlIds.map((id) => client.send(bytes(heartRate(id) + note))))
  while (harness.submitted.length === 0) await pause(5)
  const first = await Promise.race([sent.then(() => 'all sent'), pause(1_500).then(() => 'stalled')])
  t.equal(first, 'stalled', '24 MB do not fit into the buffers of a stopped port')
  t.equal(harness.submitted.length, 1)
  release()
  await sent
  t.same(
    (await client.acks(24)).map(({ code, controlId }) => `${code} ${controlId}`),
    controlIds.map((id) => `AA ${id}`),
  )
})

t.test('any bytes over a socket: the port lives and the next good frame is answered', async (t) => {
  const harness = await openHarness()
  t.teardown(harness.close)
  const pieces = [VT, FS, 13, 10, ...bytes('MSH|^~\\&PID'), 0xff, 0]
  for (let round = 0; round < 40; round += 1) {
    const client = await harness.connect()
    const noise = Uint8Array.from(
      { length: 200 },
      (_, n) => pieces[(n * n * 31 + n * 7 + round * 13) % pieces.length] ?? 0,
    )
    await client.sendRaw(noise)
    await client.send(bytes(heartRate(`N${round}`)))
    for (;;) {
      const ack = readAck(await client.receive())
      if (ack.code === 'AA') break
      t.equal(ack.code, 'AR')
    }
    client.close()
  }
  t.equal(harness.submitted.length, 40)
})

t.test('closing waits for the answer of what is on its way', async (t) => {
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  const harness = await openHarness({
    submit: async () => {
      await gate
      return { kind: 'final', height: 1 }
    },
  })
  const client = await harness.connect()
  await client.sendRaw(frameMessage(bytes(heartRate('Z1'))))
  while (harness.submitted.length === 0) await pause(5)
  const closing = harness.gateway.close()
  release()
  t.match(await client.acks(1), [{ code: 'AA', controlId: 'Z1' }])
  await closing
  await harness.close()
})

// Makes a certificate authority with one server and one client certificate; undefined where openssl is not
// installed.
function certificates(
  folder: string,
): Record<'ca' | 'server' | 'client' | 'stranger', { key: string; cert: string }> | undefined {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  const pair = (name: string) => ({
    key: readFileSync(join(folder, `${name}.key`), 'utf8'),
    cert: readFileSync(join(folder, `${name}.pem`), 'utf8'),
  })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  try {
    for (const name of ['ca', 'stranger']) {
      openssl(
        'req',
        '-x509',
        ...newKey,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
        '-subj',
        `/CN=${name}`,
      )
    }
  } catch {
    return undefined
  }
  for (const name of ['server', 'client']) {
    const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:gateway.test']
    openssl(
      'req',
      ...newKey.slice(0, 4),
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      ...subject,
    )
    const signed = [
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-copy_extensions',
      'copy',
    ]
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signed)
  }
  return { ca: pair('ca'), server: pair('server'), client: pair('client'), stranger: pair('stranger') }
}

t.test('TLS with client certificates', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wardchain-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const made = certificates(folder)
  if (made === undefined) {
    t.comment('openssl is not installed: skipped')
    return
  }
  const harness = await openHarness({ source: { tls: { ...made.server, ca: made.ca.cert } } })
  t.teardown(harness.close)
  const send = (tls: { key?: string; cert?: string }) =>
    sendMllp('127.0.0.1', harness.port, bytes(heartRate('T1')), {
      timeoutMs: 3_000,
      tls: { ca: made.ca.cert, servername: 'gateway.test', ...tls },
    })
  t.match(readAck(await send(made.client)), { code: 'AA', controlId: 'T1' })
  await t.rejects(send({}), { name: 'GatewayError' }, 'no certificate')
  await t.rejects(send(made.stranger), { name: 'GatewayError' }, 'a certificate of another authority')
  const plain = sendMllp('127.0.0.1', harness.port, bytes(heartRate('T2')), { timeoutMs: 3_000 })
  await t.rejects(plain, { code: 'MLLP_CLOSED' }, 'no TLS')
  t.equal(harness.submitted.length, 1)
})
