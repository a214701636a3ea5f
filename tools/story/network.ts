// Founding and starting the demonstration's network, all through the `ward` command and the local API.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { createApiClient, ApiUnreachable, type ApiClient } from '../../host/api/client.js'
import type { NodeStatus, Outcome } from '../../host/api/node-port.js'
import { CommandError } from '../ward/command-error.js'
import { must } from '../ward/connect.js'
import {
  planStory,
  storyShape,
  type PlannedNode,
  type PlannedPerson,
  type StoryPlan,
  type StoryShape,
} from './plan.js'
import { NodeProcesses, runWard } from './processes.js'

/** For what must come: a machine may be busy with much else. */
export const patienceMs = 180_000

export const encodeText = (text: string): Uint8Array => new TextEncoder().encode(text)
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export class StoryNetwork {
  private readonly clients = new Map<string, ApiClient>()

  private constructor(
    readonly plan: StoryPlan,
    readonly processes: NodeProcesses,
  ) {}

  /** Makes nodes, persons and genesis in a fresh folder. `say` hears each step. */
  static async found(
    folder: string,
    say: (text: string) => void,
    shape: StoryShape = storyShape,
  ): Promise<StoryNetwork> {
    mkdirSync(folder, { recursive: true })
    const plan = await planStory(folder, shape)
    const processes = new NodeProcesses(folder)
    say('making keys: each node and each person makes its own')
    await inPairs(plan.nodes, (node) => initNode(folder, node, plan.storePassword))
    await inPairs(plan.persons, (person) => initPerson(folder, person))
    const cards = [
      ...plan.nodes.map((node) => path.join(folder, node.name, 'card.json')),
      ...plan.persons.map((person) => personCard(folder, person)),
    ]
    const genesis = path.join(folder, 'genesis.cbor')
    const network = [
      'init',
      'network',
      '--name',
      'Demonstration hospital',
      '--out',
      genesis,
      '--install',
      ...cards,
    ]
    say((await runWard(network)).split('\n')[0])
    return new StoryNetwork(plan, processes)
  }

  api(name: string): ApiClient {
    const known = this.clients.get(name)
    if (known) return known
    const client = createApiClient(this.urlOf(name))
    this.clients.set(name, client)
    return client
  }

  /** A client with a session of its own. */
  freshApi(name: string): ApiClient {
    return createApiClient(this.urlOf(name))
  }

  urlOf(name: string): string {
    return `http://localhost:${this.node(name).apiPort}`
  }

  node(name: string): PlannedNode {
    const node = this.plan.nodes.find((planned) => planned.name === name)
    if (!node) throw new CommandError('NODE_UNKNOWN', `no node is called ${name}`)
    return node
  }

  person(role: PlannedPerson['role']): PlannedPerson {
    const person = this.plan.persons.find((planned) => planned.role === role)
    if (!person) throw new CommandError('PERSON_UNKNOWN', `nobody has the role ${role}`)
    return person
  }

  /** Starts every node, unlocks it through its API and waits until all are connected. */
  async start(say: (text: string) => void): Promise<void> {
    for (const node of this.plan.nodes) this.processes.start(node)
    say('unlocking: the store password goes to each node over its local API')
    await inPairs(this.plan.nodes, (node) => this.unlock(node.name))
    await this.until('all nodes are connected', patienceMs, async () => {
      const statuses = await this.statuses()
      return statuses.every(({ status }) => status.peersConnected >= this.connectionsWanted(status.role))
    })
  }

  /** Validators hold connections to each other; followers to some validator. */
  private connectionsWanted(role: string): number {
    return role === 'validator' ? this.plan.nodes.filter((node) => node.role === 'validator').length - 1 : 1
  }

  async unlock(name: string): Promise<void> {
    await this.until(`${name} answers`, patienceMs, async () => {
      try {
        return (await this.api(name).status()).ok
      } catch (error) {
        if (error instanceof ApiUnreachable) return false
        throw error
      }
    })
    must(await this.api(name).unlock(encodeText(this.plan.storePassword)))
  }

  async signIn(node: string, role: PlannedPerson['role']): Promise<ApiClient> {
    const client = this.freshApi(node)
    const { label, password } = this.person(role)
    const person = must(await client.people()).find((known) => known.label === label)
    if (!person) throw new CommandError('PERSON_UNKNOWN', `${label} cannot sign in at ${node}`)
    must(await client.signIn(person.entity, encodeText(password)))
    return client
  }

  async statuses(): Promise<{ node: PlannedNode; status: NodeStatus }[]> {
    return Promise.all(
      this.plan.nodes.map(async (node) => {
        const status = must((await this.api(node.name).status()) as Outcome<NodeStatus>)
        return { node, status }
      }),
    )
  }

  /** Waits until all nodes stand at one height with one state root. */
  async converge(timeoutMs: number): Promise<{ node: PlannedNode; status: NodeStatus }[]> {
    let last: { node: PlannedNode; status: NodeStatus }[] = []
    await this.until('all nodes agree', timeoutMs, async () => {
      last = await this.statuses()
      return last.every(({ status }) => status.stateRoot === last[0].status.stateRoot && status.height > 0)
    })
    return last
  }

  async until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!(await holds())) {
      if (Date.now() > deadline) {
        throw new CommandError(
          'STORY_TIMEOUT',
          `Waited ${timeoutMs / 1_000} s in vain: ${what}. See ${this.plan.folder}/logs.\n${this.processes.lastWords()}`,
        )
      }
      await sleep(50)
    }
  }
}

const personCard = (folder: string, person: PlannedPerson): string =>
  path.join(folder, 'persons', `${person.file}.card.json`)

async function initNode(folder: string, node: PlannedNode, password: string): Promise<void> {
  const sources = node.sources.flatMap(({ name, accepts, port }) => [
    '--source',
    `${name}=${accepts}@${port}`,
  ])
  const args = [
    'init',
    'node',
    '--dir',
    path.join(folder, node.name),
    '--name',
    node.name,
    '--role',
    node.role,
  ]
  const ports = ['--port', String(node.port), '--api-port', String(node.apiPort)]
  await runWard([...args, ...ports, '--environment', 'DEMONSTRATION', ...sources], [password])
}

async function initPerson(folder: string, person: PlannedPerson): Promise<void> {
  const args = [
    'init',
    'person',
    '--out',
    personCard(folder, person),
    '--label',
    person.label,
    '--role',
    person.role,
  ]
  await runWard(args, [person.password])
}

/** Two at a time: each step derives a key from a password, which takes a core and a quarter of a GiB. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all([worker(), worker()])
}
