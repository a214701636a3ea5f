// The main job end to end: `npm start` as a process of its own, a network of real processes, a real
// browser on the workstation's page, and a look for anything readable on disk.
import { isUtf8 } from 'node:buffer'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { createApiClient } from '../host/api/client.js'
import { openMllpClient } from '../host/gateways/hl7/mllp-client.js'
import type { AlertView, OrderView } from '../host/api/node-port.js'
import { driveShell, findChromium } from '../ui-shell/drive.fixture.js'
import type { Verdict } from './story/verdict.js'

/**
 * Lisa's name, numbers and readings, as any part of the system might write them. None is shorter than five
 * bytes: four bytes turn up by chance in some megabytes of ciphertext.
 */
const secrets = [
  'JONES^',
  '\x65JONES',
  '\x65Jones',
  '^LISA',
  '10012877',
  'V3300417',
  '|101.5|',
  'purulent',
  'Possible sepsis',
  '\x654WEST',
  '4WEST^',
  'Blood culture',
]

/** The same in text, where words are whole; the seconds of a time (`:38.6`) are no temperature. */
const secretWords = /\bJONES\b|\bLISA\b|\b4WEST\b|(?<![:.\d])(101\.5|38\.6)(?!\d)/i

interface Told {
  verdict: Verdict
  folder: string
  pageUrl: string
  stop(): Promise<void>
}

/** Starts the story, waits for its verdict line, and leaves the network running until `stop`. */
function tellStory(args: string[]): Promise<Told> {
  const folder = path.join(mkdtempSync(path.join(tmpdir(), 'wardchain-story-')), 'network')
  // Beside the network's folder, so that what is left there is searched as well.
  const temporary = path.join(path.dirname(folder), 'temporary')
  mkdirSync(temporary)
  const child = spawn(process.execPath, ['dist/tools/story.js', '--json', '--dir', folder, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary },
  })
  let output = ''
  let story = ''
  child.stderr.on('data', (chunk: Buffer) => (story += chunk.toString('utf8')))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
    rmSync(path.dirname(folder), { recursive: true, force: true })
  }
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
      const line = output.split('\n').find((text) => text.startsWith('{'))
      if (line === undefined || !output.endsWith('\n')) return
      const verdict = JSON.parse(line) as Verdict
      if (verdict.nodes === undefined) return reject(new Error(`${line}\n${story}`))
      const config = JSON.parse(readFileSync(path.join(folder, 'workstation', 'node.json'), 'utf8')) as {
        apiPort: number
      }
      resolve({ verdict, folder, pageUrl: `http://localhost:${config.apiPort}`, stop })
    })
    child.once('exit', (status) => reject(new Error(`the story ended with ${status}:\n${story}`)))
  })
}

/**
 * What is refused is named in logs and answers: broken messages and requests that carry her name, to every
 * source and to the page's API.
 */
async function sendWhatIsRefused(folder: string, pageUrl: string): Promise<void> {
  const { sources } = JSON.parse(readFileSync(path.join(folder, 'gateway', 'node.json'), 'utf8')) as {
    sources: { port: number }[]
  }
  const pid = 'PID|1||10012877^^^MRN||JONES^LISA||19970214|F\r'
  for (const { port } of sources) {
    for (const message of [
      `MSH|^~\\&|X|Y|JONES^LISA|4WEST^412|JONES^LISA||ADT^A99|1|P|2.5\r${pid}`,
      `MSH|^~\\&|X|Y|Z|Z|20260230||ORU^R01|JONES^LISA|P|2.5\r${pid}OBX|1|NM|JONES^LISA||purulent\r`,
      pid,
    ]) {
      const client = await openMllpClient('127.0.0.1', port)
      await client.send(Buffer.from(message, 'latin1'))
      await client.receive().catch(() => undefined)
      client.close()
    }
  }
  const words = 'JONES^LISA, purulent drainage, 10012877'
  const json = { 'content-type': 'application/json' }
  const asked = [
    fetch(`${pageUrl}/v1/patients/${encodeURIComponent(words)}`),
    fetch(`${pageUrl}/v1/alerts?patient=${encodeURIComponent(words)}`),
    fetch(`${pageUrl}/${encodeURIComponent(words)}`),
    fetch(`${pageUrl}/v1/sign-in/${encodeURIComponent(words)}`, { method: 'POST', body: words }),
    fetch(`${pageUrl}/v1/prepare`, { method: 'POST', headers: json, body: `{"family":"${words}",` }),
    fetch(`${pageUrl}/v1/view`, { method: 'POST', headers: json, body: JSON.stringify({ words }) }),
    fetch(`${pageUrl}/v1/transactions`, { method: 'POST', body: words }),
  ]
  for (const answer of asked) t.ok((await answer).status >= 400)
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
}

/** As memory dumps, JSON, logs and browsers write text. */
function formsOf(secret: string): Buffer[] {
  const plain = Buffer.from(secret, 'latin1')
  const hex = plain.toString('hex')
  const forms = [plain, Buffer.from(hex), Buffer.from(hex.toUpperCase())]
  forms.push(Buffer.from(secret, 'utf16le'), Buffer.from(secret, 'utf16le').swap16())
  // In base64 it begins at one of three places; what other bytes share a character with is left out.
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), plain]).toString('base64')
    const whole = text.slice([0, 2, 3][before], Math.floor((8 * (before + plain.length)) / 6))
    forms.push(Buffer.from(whole), Buffer.from(whole.replaceAll('+', '-').replaceAll('/', '_')))
  }
  return forms
}

const secretForms = secrets.map((secret) => ({ secret, forms: formsOf(secret) }))

function readableIn(folder: string): string[] {
  return filesUnder(folder).flatMap((file) => {
    const bytes = readFileSync(file)
    const found = secretForms
      .filter(({ forms }) => forms.some((form) => bytes.includes(form)))
      .map(({ secret }) => secret)
    if (isUtf8(bytes)) found.push(...(secretWords.exec(bytes.toString('utf8'))?.slice(0, 1) ?? []))
    return found.map((secret) => `${path.basename(file)}: ${secret}`)
  })
}

// Founding, unlocking (argon2id, six times) and the story itself take a minute on two cores.
t.setTimeout(600_000)

t.test('Lisa Jones on a real network, in a real browser, with nothing readable on disk', async (t) => {
  const told = await tellStory(['--kill-leader'])
  t.teardown(() => told.stop())
  const { verdict, folder, pageUrl } = told

  await t.test('all nodes agree; the alert and its orders are everywhere', async (t) => {
    t.same(verdict.problems, [])
    t.equal(verdict.ok, true)
    t.equal(verdict.nodes.length, 6)
    t.equal(new Set(verdict.nodes.map((node) => node.stateRoot)).size, 1)
    t.ok(verdict.alerts.some((alert) => alert.rule === 'ward/sepsis-screen' && alert.severity === 3))
    t.ok(verdict.alerts.some((alert) => alert.rule === 'ward/deterioration'))
    t.equal(verdict.orders[0].display, 'Blood culture, set 1 of 2', 'cultures before antibiotics')
    t.ok(verdict.orders.every((order) => order.status === 'proposed'))
    t.ok(verdict.latencyMs.final > 0 && verdict.latencyMs.alertOnObserver > 0)
    t.match(verdict.killed, /^validator-[1-4]$/, 'a leader was killed')
    const starts = readFileSync(path.join(folder, 'logs', `${verdict.killed}.log`), 'utf8').match(
      /node is up/g,
    )
    t.equal(starts?.length, 2, 'and came back')
  })

  const chromium = findChromium()
  const skip = chromium === undefined && 'no Chromium on this machine: the page was not driven'
  await t.test('the page: sign in, see, acknowledge and sign', { skip }, async (t) => {
    const executablePath = chromium ?? ''
    const shell = await driveShell(pageUrl, { executablePath })
    t.teardown(() => shell.close())
    await shell.signIn('Nurse, ward 4 West', 'demo nurse password')
    await shell.openPatient('JONES')
    const alert = await shell.waitForAlert('Possible sepsis')
    await shell.acknowledge('demo nurse password', alert)
    await shell.signOut()
    await shell.signIn('Surgeon on call', 'demo surgeon password')
    await shell.openPatient('JONES')
    await shell.signOrder('Blood culture, set 1', 'demo surgeon password')
    const { alerts, orders } = await chartOf(pageUrl)
    const sepsis = alerts.find((view) => view.id === alert)
    t.equal(sepsis?.state, 'acknowledged')
    t.equal(sepsis?.responses[0].author.label, 'Nurse, ward 4 West')
    const signed = orders.filter((order) => order.status === 'signed')
    t.equal(signed.length, 1)
    t.equal(signed[0].events[0].author.label, 'Surgeon on call')
  })

  await t.test('nothing readable on disk, and the search itself can find', async (t) => {
    await sendWhatIsRefused(folder, pageUrl)
    const all = path.dirname(folder)
    t.ok(filesUnder(all).length > 20)
    t.ok(filesUnder(path.join(folder, 'logs')).length >= 6, 'what the processes said is there')
    t.same(readableIn(all), [], 'while everything runs')
    const control = mkdtempSync(path.join(tmpdir(), 'wardchain-control-'))
    writeFileSync(path.join(control, 'note'), 'temperature 101.5 of Lisa at 2026-01-01T10:00:38.612Z')
    writeFileSync(path.join(control, 'time'), 'at 2026-01-01T10:00:38.612Z, serial 1101.53')
    writeFileSync(
      path.join(control, 'cbor'),
      Buffer.from('ff0065', 'hex').toString('latin1') + 'JONES\xff',
      'latin1',
    )
    const wound = 'Redness and purulent drainage'
    writeFileSync(path.join(control, 'base64'), Buffer.from(`{"text":"${wound}`).toString('base64'))
    writeFileSync(path.join(control, 'hex'), Buffer.from(wound).toString('hex'))
    writeFileSync(path.join(control, 'utf16'), Buffer.from(wound, 'utf16le'))
    t.same(readableIn(control).sort(), [
      'base64: purulent',
      'cbor: \x65JONES',
      'hex: purulent',
      'note: 101.5',
      'utf16: purulent',
    ])
    rmSync(control, { recursive: true })
  })
})

async function chartOf(url: string): Promise<{ alerts: AlertView[]; orders: OrderView[] }> {
  const client = createApiClient(url)
  const people = await client.people()
  const nurse = people.ok ? people.value.find((person) => person.label.startsWith('Nurse')) : undefined
  await client.signIn(nurse?.entity ?? '', new TextEncoder().encode('demo nurse password'))
  const alerts = await client.alerts()
  const orders = await client.orders()
  return { alerts: alerts.ok ? alerts.value.alerts : [], orders: orders.ok ? orders.value.orders : [] }
}
