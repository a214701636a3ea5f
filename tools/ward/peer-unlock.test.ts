// The power of the whole site fails: f + 1 passwords bring every node back. Then two nodes are lost for good,
// and a manifest of the institution key lets the others go on. Between them one burns and the institution key
// sets the three that are left. Four validators, each a process.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { freePorts } from '../../consensus/net/free-ports.js'
import { createApiClient, type ApiClient } from '../../host/api/client.js'
import { initNetwork } from '../../host/founding/init-network.js'
import { initNode } from '../../host/founding/init-node.js'
import type { NodeCard, PersonCard } from '../../host/founding/cards.js'
import { createReleaseKey } from '../../host/appliance/release-key.js'
import { createPersonKeystore } from '../../host/keys/person-keystore.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { systemContracts } from '../../host/node/single-node.fixture.js'
import { patienceMs, storePassword, ward } from './appliance.fixture.js'

t.setTimeout(patienceMs)
const names = ['v1', 'v2', 'v3', 'v4']
const password = (): Uint8Array => new TextEncoder().encode(storePassword)

class Site {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'wardchain-site-'))
  private readonly processes = new Map<string, ChildProcess>()
  private readonly apis = new Map<string, ApiClient>()

  async found(): Promise<void> {
    const udp = await freePorts(names.length, 'udp')
    const tcp = await freePorts(names.length, 'tcp')
    const cards: NodeCard[] = []
    for (const [index, name] of names.entries()) {
      const apiPort = tcp[index]
      const config = { name, role: 'validator' as const, apiPort, host: '127.0.0.1', sources: [] }
      cards.push(
        await initNode({
          folder: this.home(name),
          config: { ...config, port: udp[index], environment: 'TEST' },
          password: password(),
          cost: { passes: 1, memoryKiB: 64 },
        }),
      )
      this.apis.set(name, createApiClient(`http://localhost:${apiPort}`))
    }
    const { publicKey, keystore } = await createPersonKeystore(password(), { opsLimit: 1, memoryMiB: 8 })
    const admin: PersonCard = { type: 'person', label: 'Admin', roles: ['admin'], publicKey, keystore }
    const time = Date.now() - 1_000
    const key = await createReleaseKey(this.institutionKey, password(), { opsLimit: 1, memoryMiB: 8 })
    const institution = { threshold: 1, keys: [key] }
    const plan = { name: 'Site', time, cards: [...cards, admin], contracts: systemContracts(), institution }
    const { genesis } = initNetwork(plan)
    for (const name of names) writeFileSync(nodeFiles(this.home(name)).genesis, genesis)
  }

  get institutionKey(): string {
    return path.join(this.folder, 'institution.key')
  }

  home = (name: string): string => path.join(this.folder, name)
  runtime = (name: string): string => path.join(this.folder, `run-${name}`)
  log = (name: string): string => readFileSync(path.join(this.folder, `${name}.log`), 'utf8')

  private lastWords(): string {
    const ends = names.map((name) => [name, ...this.log(name).trimEnd().split('\n').slice(-6)].join('\n  '))
    return ends.join('\n')
  }

  /** As systemd would: with a runtime folder that lies in memory. */
  start(name: string): void {
    const log = openSync(path.join(this.folder, `${name}.log`), 'a')
    const args = ['dist/tools/ward.js', 'node', '--dir', this.home(name), '--until-stdin-ends']
    const env = { ...process.env, RUNTIME_DIRECTORY: this.runtime(name) }
    this.processes.set(name, spawn(process.execPath, args, { stdio: ['pipe', log, log], env }))
    closeSync(log)
  }

  async kill(name: string): Promise<void> {
    const child = this.processes.get(name)
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** What lies in memory is gone with the power. */
  async powerLoss(): Promise<void> {
    await Promise.all(names.map((name) => this.kill(name)))
    for (const name of names) rmSync(this.runtime(name), { recursive: true, force: true })
  }

  api(name: string): ApiClient {
    const client = this.apis.get(name)
    if (!client) throw new Error(name)
    return client
  }

  async status(name: string) {
    const status = await this.api(name)
      .status()
      .catch(() => undefined)
    return status?.ok ? status.value : undefined
  }

  async unlock(name: string): Promise<void> {
    await this.until(`${name} answers`, async () => (await this.status(name)) !== undefined)
    const unlocked = await this.api(name).unlock(password())
    if (!unlocked.ok) throw new Error(`${name}: ${unlocked.code} ${unlocked.detail ?? ''}`)
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 180_000; !(await holds());) {
      if (Date.now() > deadline) throw new Error(`in vain: ${what}\n${this.lastWords()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** All of them open, connected to one another, at one state. */
  whole(): Promise<void> {
    return this.until('all nodes run', async () => {
      const statuses = await Promise.all(names.map((name) => this.status(name)))
      const roots = new Set(statuses.map((status) => status?.stateRoot))
      return (
        statuses.every((status) => status?.sealed === false && status.peersConnected === 3) &&
        roots.size === 1
      )
    })
  }

  async close(): Promise<void> {
    await Promise.all(names.map((name) => this.kill(name)))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

t.test('after a power loss of the whole site two of four passwords bring all four back', async (t) => {
  const site = new Site()
  t.teardown(() => site.close())
  await site.found()
  for (const name of names) site.start(name)
  await Promise.all(names.map((name) => site.unlock(name)))
  await site.whole()

  const dealt = await ward(['keyslot', 'peers', '--dir', site.home('v1')], [storePassword])
  t.match(dealt, { status: 0, stdout: /deal 1: 2 of v2, v3, v4 open this store together/ }, dealt.stderr)
  t.match(await site.api('v2').dealShares(new Uint8Array([1])), { ok: false, code: 'KEYSLOT_REJECTED' })
  for (const name of names.slice(1)) {
    t.match(await site.api(name).dealShares(password()), { ok: true, value: { threshold: 2 } }, name)
  }
  const before = (await site.status('v1'))?.height ?? 0

  await t.test('a killed daemon comes back by what lies in memory', async (t) => {
    await site.kill('v1')
    site.start('v1')
    await site.whole()
    t.match(site.log('v1'), /"kind":"boot"/)
  })

  await t.test('the power fails', async (t) => {
    await site.powerLoss()
    for (const name of names) site.start(name)
    await site.unlock('v1')
    t.equal((await site.status('v3'))?.sealed, true, 'one password is not enough')
    await site.unlock('v2')
    await site.whole()
    for (const name of ['v3', 'v4']) t.match(site.log(name), /"kind":"peers"/, `${name} asked its peers`)
    const onChain = (name: string): number => site.log(name).split('a release is on the chain').length - 1
    await site.until('every release is on the chain', async () => {
      const given = names.reduce(
        (sum, name) => sum + site.log(name).split('gave a key share').length - 1,
        0,
      )
      return given >= 4 && names.reduce((sum, name) => sum + onChain(name), 0) === given
    })
    await site.whole()
    t.ok(((await site.status('v4'))?.height ?? 0) > before, 'and blocks were made of them')
    t.ok(existsSync(nodeFiles(site.home('v3')).shares))
  })

  await t.test('one of four burns, no spare: institution keys set the three that are left', async (t) => {
    const at = ['--dir', site.home('v1')]
    const admin = [...at, '--as', 'Admin']
    const run = (args: string[], lines: string[] = []) => ward(['network', 'validator', ...args], lines)
    const done = async (args: string[], lines: string[] = []): Promise<string> => {
      const ran = await run(args, lines)
      t.equal(ran.status, 0, `${args.join(' ')}: ${ran.stderr}`)
      return ran.stdout
    }
    const votes = async (): Promise<number> => {
      const network = await site.api('v1').network()
      return network.ok ? network.value.validators.length : 0
    }
    const seats = (...list: string[]): string[] => list.flatMap((name) => ['--validator', name])
    await site.kill('v4')
    const single = await run(['remove', 'v4', ...admin], [storePassword, storePassword])
    t.match(single, { status: 1, stderr: /ward network validator force/ }, 'the refusal names the way')

    const order = path.join(site.folder, 'order')
    const made = await done(['force', 'make', ...at, ...seats('v1', 'v2', 'v3'), '--out', order])
    t.match(made, /votes NO MORE: v4 [^]*2 of 3 must agree, 0 may fail/)
    const unsigned = await run(['force', 'apply', order, ...admin, '--yes'], [storePassword])
    t.match(unsigned, { status: 1, stderr: /\(0 of 1: [^]*INSTITUTION_KEYS_NEEDED/ }, 'paper is nothing')
    await done(['force', 'sign', order, '--key', site.institutionKey], [storePassword])
    t.match(await done(['force', 'show', order, ...at]), /good signatures 1 of 1 needed\nit holds/)
    await done(['force', 'apply', order, ...admin, '--yes'], [storePassword])
    await site.until('three vote', async () => (await votes()) === 3)
    const again = await run(['force', 'apply', order, ...admin, '--yes'], [storePassword])
    t.match(again, { status: 1, stderr: /FORCE_OUTDATED/ }, 'good once')

    site.start('v4')
    await site.whole()
    const back = path.join(site.folder, 'back')
    await done(['force', 'make', ...at, ...seats('v1', 'v2', 'v3', 'v4'), '--out', back])
    await done(['force', 'sign', back, '--key', site.institutionKey], [storePassword])
    await done(['force', 'apply', back, ...admin, '--yes'], [storePassword])
    await site.until('four vote', async () => (await votes()) === 4)
    await site.whole()
  })

  await t.test('two of four are lost for good: a signed manifest lets the others go on', async (t) => {
    const manifest = path.join(site.folder, 'manifest')
    const run = async (args: string[], lines: string[] = []): Promise<string> => {
      const ran = await ward(['network', ...args], lines)
      t.equal(ran.status, 0, `${args.join(' ')}: ${ran.stderr}`)
      return ran.stdout
    }
    const at = (name: string): string[] => ['--dir', site.home(name)]
    await Promise.all(['v3', 'v4'].map((name) => site.kill(name)))
    await site.until('v1 says so', async () => (await site.status('v1'))?.phase === 'QUORUM_LOST')
    const made = [
      '--validator',
      'v1',
      '--validator',
      'v2',
      '--lost',
      'v3',
      '--lost',
      'v4',
      '--reason',
      'fire',
    ]
    await run(['recover', 'make', ...at('v1'), ...made, '--out', manifest])
    const unsigned = await ward(['network', 'recover', 'apply', manifest, ...at('v1')])
    t.match(unsigned, { status: 1, stderr: /INSTITUTION_KEYS_NEEDED/ }, 'paper is nothing')
    await run(['recover', 'sign', manifest, '--key', site.institutionKey], [storePassword])
    for (const name of ['v1', 'v2'])
      t.match(await run(['recover', 'apply', manifest, ...at(name)]), /epoch 1 begins above block/)
    const { height = 0 } = (await site.status('v1')) ?? {}
    await site.until('v1 and v2 agree again', async () => {
      const statuses = await Promise.all(['v1', 'v2'].map((name) => site.status(name)))
      return statuses.every((status) => status?.epoch === 1 && status.reason?.code !== 'NO_QUORUM')
    })
    const ticket = ['ticket', ...at('v1'), '--as', 'Admin', '--out', path.join(site.folder, 'ticket')]
    await run(ticket, [storePassword, storePassword])
    t.ok(((await site.status('v1'))?.height ?? 0) > height, 'what an administrator signs is final again')
    t.match(await ward(['status', ...at('v2')]), { status: 0, stdout: /epoch +1, after a recovery/ })

    site.start('v3')
    await site.until('v3, which was not lost after all, is open', async () => {
      const status = await site.status('v3')
      if (status?.sealed === true && status.progress === null) await site.api('v3').unlock(password())
      return status?.sealed === false
    })
    await site.until('it is told and stops', async () => (await site.status('v3'))?.phase === 'OLD_EPOCH')
    await run(['recover', 'apply', manifest, ...at('v3')])
    await site.until('it follows', async () => {
      const [one, three] = await Promise.all(['v1', 'v3'].map((name) => site.status(name)))
      return three?.stateRoot === one?.stateRoot && three?.epoch === 1 && three.fault === undefined
    })
  })
})
