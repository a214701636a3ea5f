// Every message of ../shared/data/hl7, and three of our own, over a real socket: as the file is, and with CR.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

import { openHarness, pause } from './harness.fixture.js'
import { readAck } from './mllp-client.js'

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
        t.equal(harness.submitted.length - before, wasStored ? 1 : 0, `${name}: ${event.reason} ${acks.join(' ')}`)
        answered[event.reason] = (answered[event.reason] ?? 0) + 1
      }
    }
  }
  t.same(answered, {
    // Six files are final; with CR instead of LF they are the same messages.
    FINAL: 6,
    DUPLICATE: 6,
  })
})
