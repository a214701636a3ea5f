// Two administrators order the wipe of a running daemon; it obeys, and its certificate goes on chain.
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { freePorts } from '../../consensus/net/free-ports.js'
import type { NodeCard, PersonCard } from '../../host/founding/cards.js'
import { initNetwork } from '../../host/founding/init-network.js'
import { initNode } from '../../host/founding/init-node.js'
import { createApiClient, type ApiClient } from '../../host/api/client.js'
import { createPersonKeystore } from '../../host/keys/person-keystore.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { systemContracts } from '../../host/node/single-node.fixture.js'
import { patienceMs, storePassword, temporaryFolder, ward, type Ran } from './appliance.fixture.js'

// Some twenty commands, each a process of its own.
t.setTimeout(3 * patienceMs)
const password = (): Uint8Array => new TextEncoder().encode(storePassword)
const { folder, remove } = temporaryFolder()
const home = (name: string): string => path.join(folder, name)

interface Daemon {
  child: ChildProcess
  api: ApiClient
  url: string
  /** Exit code. */
  ended: Promise<number | null>
}

/** One validator, one observer, two administrators and a nurse. */
async function found(): Promise<Map<string, number>> {
  const cards: (NodeCard | PersonCard)[] = []
  const apiPorts = new Map<string, number>()
  for (const [name, role] of [
    ['v1', 'validator'],
    ['ward-3', 'observer'],
  ] as const) {
    const apiPort = (await freePorts(1, 'tcp'))[0]
    apiPorts.set(name, apiPort)
    const port = (await freePorts(1, 'udp'))[0]
    const config = { name, role, apiPort, host: '127.0.0.1', port, sources: [], environment: 'TEST' }
    const cost = { passes: 1, memoryKiB: 64 }
    cards.push(await initNode({ folder: home(name), config, password: password(), cost }))
  }
  for (const [label, role] of [
    ['First admin', 'admin'],
    ['Second admin', 'admin'],
    ['Nurse', 'nurse'],
  ]) {
    const { publicKey, keystore } = await createPersonKeystore(password(), { opsLimit: 1, memoryMiB: 8 })
    cards.push({ type: 'person', label, roles: [role], publicKey, keystore })
  }
  const contracts = systemContracts()
  const { genesis } = initNetwork({ name: 'Site', time: Date.now() - 1_000, cards, contracts })
  for (const name of apiPorts.keys()) writeFileSync(nodeFiles(home(name)).genesis, genesis)
  return apiPorts
}

async function start(name: string, port: number): Promise<Daemon> {
  const log = openSync(`${home(name)}.log`, 'a')
  const args = ['dist/tools/ward.js', 'node', '--dir', home(name), '--until-stdin-ends']
  const env = { ...process.env, RUNTIME_DIRECTORY: undefined }
  const child = spawn(process.execPath, args, { stdio: ['pipe', log, log], env })
  closeSync(log)
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const url = `http://localhost:${port}`
  const api = createApiClient(url)
  await until(`${name} answers`, () => answers(api))
  const unlocked = await api.unlock(password())
  if (!unlocked.ok) throw new Error(`${name}: ${unlocked.code}`)
  return { child, api, url, ended }
}

const answers = async (api: ApiClient): Promise<boolean> =>
  (await api.status().catch(() => undefined)) !== undefined

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await holds());) {
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

t.test('a daemon wipes itself when two administrators order it, and not before', async (t) => {
  const apiPorts = await found()
  const daemons: Daemon[] = []
  t.teardown(async () => {
    for (const { child } of daemons) child.kill('SIGKILL')
    await Promise.all(daemons.map(({ ended }) => ended))
    remove()
  })
  for (const [name, port] of apiPorts) daemons.push(await start(name, port))
  const [v1, observer] = daemons
  const run = (args: string[], lines: string[] = []): Promise<Ran> =>
    ward(['network', ...args, '--api', v1.url], lines)
  const signed = (as: string, args: string[], ...lines: string[]): Promise<Ran> =>
    run([...args, '--as', as], [storePassword, ...lines])
  const wipe = (as: string, reason: string[]): Promise<Ran> =>
    signed(as, ['wipe', 'ward-3', ...reason], 'wipe ward-3')
  const list = async (): Promise<string> => (await run(['list'])).stdout
  const because = ['--reason', 'returned to the lessor']
  await until('the observer is connected', async () => / at \d/.test((await list()).split('\n')[1]))

  t.match(await signed('Nurse', ['wipe', 'ward-3', ...because], 'wipe ward-3'), { status: 1 }, 'no nurse')
  t.match(await signed('First', ['wipe', 'ward-3', ...because], 'yes'), { stderr: /PHRASE_WRONG/ })
  t.match(await signed('First', ['wipe', 'v1', ...because], 'wipe v1'), { stderr: /QUORUM_AT_RISK/ })
  t.match(await wipe('First', []), { status: 2, stderr: /--reason/ })
  t.notMatch(await list(), /wipe/, 'nothing of this is on the chain')

  const asked = await wipe('First', because)
  t.match(asked, { status: 0, stdout: /Asked for; acts when a second/ }, asked.stderr)
  t.match(await list(), /ward-3 .*asks for its wipe: returned to the lessor/)
  t.match(
    await wipe('First', because),
    { status: 1, stderr: /a second administrator/ },
    'not twice one person',
  )
  const back = await signed('Second', ['wipe-withdraw', 'ward-3'])
  t.match(back, { status: 0, stdout: /taken back/ }, back.stderr)
  t.notMatch(await list(), /wipe/)
  t.match(await signed('Second', ['wipe-withdraw', 'ward-3']), { status: 1, stderr: /WIPE_STATE/ })
  const anew = await wipe('Second', ['--reason', 'stolen'])
  t.match(anew, { status: 0, stdout: /Asked for/ }, 'what was withdrawn counts for nothing')
  const standing = await observer.api.status()
  t.match(standing, { ok: true, value: { sealed: false } }, 'the daemon goes on')

  const second = await wipe('First', [])
  t.match(second, { status: 0, stdout: /Ordered by two/, stderr: /Asked for by Second admin: stolen/ })
  t.equal(await observer.ended, 0, 'a supervisor does not start it again')
  t.notOk(existsSync(home('ward-3')))
  const certificate = `${home('ward-3')}.sanitisation.json`
  t.match(await ward(['certificate', certificate]), { status: 0, stdout: /ended, .*signed by ward-3/ })
  t.match(await list(), /ward-3 .*wipes itself; its certificate is not confirmed yet/)

  const text = readFileSync(certificate, 'utf8')
  const altered = `${certificate}.altered`
  writeFileSync(altered, text.replace('"place": ""', '"place": "elsewhere"'))
  const unsigned = `${certificate}.unsigned`
  writeFileSync(unsigned, JSON.stringify({ ...(JSON.parse(text) as object), signatures: [] }))
  const end = (as: string, name: string, file: string): Promise<Ran> =>
    signed(as, ['wipe-confirm', name, '--certificate', file, '--yes'])
  for (const file of [altered, unsigned])
    t.match(await end('First', 'ward-3', file), { status: 1, stderr: /CERTIFICATE_INVALID/ }, file)
  t.match(await end('First', 'v1', certificate), { status: 1, stderr: /CERTIFICATE_INVALID/ })
  t.match(await end('Nurse', 'ward-3', certificate), { status: 1 }, 'no nurse')
  const confirmed = await end('First', 'ward-3', certificate)
  t.match(confirmed, { status: 0, stdout: /is on the chain/ }, confirmed.stderr)
  const hash = createHash('sha256').update(text).digest('hex')
  t.match(await list(), new RegExp(`ward-3 .*wiped; certificate ${hash}`))
})
