// A founded network of real daemons with cheap passwords, one folder for all.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { freePorts } from '../../consensus/net/free-ports.js'
import { createApiClient, type ApiClient } from '../../host/api/client.js'
import type { NodeCard, PersonCard } from '../../host/founding/cards.js'
import { initNetwork } from '../../host/founding/init-network.js'
import { initNode } from '../../host/founding/init-node.js'
import { createPersonKeystore } from '../../host/keys/person-keystore.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { systemContracts } from '../../host/node/single-node.fixture.js'
import type { KeyQuorum } from '../../runtime/protocol/index.js'
import { storePassword, temporaryFolder } from './appliance.fixture.js'

export interface Daemon {
  child: ChildProcess
  api: ApiClient
  url: string
  /** Exit code. */
  ended: Promise<number | null>
}

const password = (): Uint8Array => new TextEncoder().encode(storePassword)

/** The first node votes, the others observe. All passwords, of stores and people, are `storePassword`. */
export class Site {
  private readonly temporary = temporaryFolder()
  private readonly daemons: Pick<Daemon, 'child' | 'ended'>[] = []

  home = (name: string): string => path.join(this.temporary.folder, name)
  log = (name: string): string => readFileSync(`${this.home(name)}.log`, 'utf8')

  async found(
    nodes: string[],
    people: [label: string, role: string][],
    release?: KeyQuorum,
  ): Promise<void> {
    const cards: (NodeCard | PersonCard)[] = []
    for (const [index, name] of nodes.entries()) {
      const role = index === 0 ? ('validator' as const) : ('observer' as const)
      const [port] = index === 0 ? await freePorts(1, 'udp') : [0]
      const config = { name, role, apiPort: 0, host: '127.0.0.1', port, sources: [], environment: 'TEST' }
      const cost = { passes: 1, memoryKiB: 64 }
      cards.push(await initNode({ folder: this.home(name), config, password: password(), cost }))
    }
    for (const [label, role] of people) {
      const { publicKey, keystore } = await createPersonKeystore(password(), { opsLimit: 1, memoryMiB: 8 })
      cards.push({ type: 'person', label, roles: [role], publicKey, keystore })
    }
    const contracts = systemContracts()
    const time = Date.now() - 1_000
    const { genesis } = initNetwork({ name: 'Site', time, cards, contracts, ...(release && { release }) })
    for (const name of nodes) writeFileSync(nodeFiles(this.home(name)).genesis, genesis)
  }

  /** Starts the daemon of a folder, by an installation of one's own if asked, and opens its store. */
  async start(name: string, installation = ''): Promise<Daemon> {
    const log = openSync(`${this.home(name)}.log`, 'a')
    const from = this.log(name).length
    const args = [
      path.join(installation, 'dist/tools/ward.js'),
      'node',
      '--dir',
      this.home(name),
      '--until-stdin-ends',
    ]
    const env = { ...process.env, RUNTIME_DIRECTORY: undefined }
    const child = spawn(process.execPath, args, { stdio: ['pipe', log, log], env })
    closeSync(log)
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    const started = { child, ended }
    this.daemons.push(started)
    const url = await this.urlOf(name, from)
    const daemon = { ...started, url, api: createApiClient(url) }
    const unlocked = await daemon.api.unlock(password())
    if (!unlocked.ok) throw new Error(`${name}: ${unlocked.code}`)
    return daemon
  }

  /** As the daemon's log says it: a port that is free now may be taken by another test a moment later. */
  private async urlOf(name: string, from: number): Promise<string> {
    const find = (): string | undefined => /"url":"([^"]+)"/.exec(this.log(name).slice(from))?.[1]
    const tell = (): string => `${name} answers: ${this.log(name).slice(-1_000)}`
    await until(tell, () => Promise.resolve(find() !== undefined))
    return find() ?? ''
  }

  async close(): Promise<void> {
    for (const { child } of this.daemons) child.kill('SIGKILL')
    await Promise.all(this.daemons.map(({ ended }) => ended))
    this.temporary.remove()
  }
}

/** Waits for a condition; says in the end for which one it was in vain. */
export async function until(what: string | (() => string), holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 180_000; !(await holds());) {
    if (Date.now() > deadline) throw new Error(`in vain: ${typeof what === 'string' ? what : what()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
