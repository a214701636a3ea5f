// The main job end to end: `npm start` as a process of its own, a network of real processes, a real
// browser on the workstation's page, and a look for anything readable on disk.
import { isUtf8 } from 'node:buffer'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { createApiClient } from '../host/api/client.js'
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
  const child = spawn(process.execPath, ['dist/tools/story.js', '--json', '--dir', folder, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
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

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
}

function readableIn(folder: string): string[] {
  return filesUnder(folder).flatMap((file) => {
    const bytes = readFileSync(file)
    const found = secrets.filter((secret) => bytes.includes(secret))
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

  await t.test('nothing readable on disk, and the search itself can find', async (t) => {
    t.ok(filesUnder(folder).length > 20)
    t.same(readableIn(folder), [])
    const control = mkdtempSync(path.join(tmpdir(), 'wardchain-control-'))
    writeFileSync(path.join(control, 'note'), 'temperature 101.5 of Lisa at 2026-01-01T10:00:38.612Z')
    writeFileSync(path.join(control, 'time'), 'at 2026-01-01T10:00:38.612Z, serial 1101.53')
    writeFileSync(
      path.join(control, 'cbor'),
      Buffer.from('ff0065', 'hex').toString('latin1') + 'JONES\xff',
      'latin1',
    )
    t.same(readableIn(control).sort(), ['cbor: \x65JONES', 'note: 101.5'])
    rmSync(control, { recursive: true })
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
