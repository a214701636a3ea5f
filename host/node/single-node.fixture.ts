// A whole hospital in one validator: real folder, real store, real consensus of one, in this process. For
// tests that need a running node and its API but not a network.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePorts } from '../../consensus/net/free-ports.js'
import {
  bytesToHex,
  decodeGenesis,
  encodeGenesis,
  entityIdOf,
  type GenesisContract,
} from '../../runtime/protocol/index.js'
import { readFileSync } from 'node:fs'
import type { NodeCard, PersonCard } from '../founding/cards.js'
import { initNetwork } from '../founding/init-network.js'
import { initNode } from '../founding/init-node.js'
import { sha256 } from '../keys/crypto.js'
import { createPersonKeystore } from '../keys/person-keystore.js'
import type { Proposal, ReceiptView, Session } from '../api/node-port.js'
import type { ExecutorOptions } from '../executor/executor-client.js'
import type { KdfCost } from '../store/index.js'
import { createNodeLogger } from './node-logger.js'
import { nodeFiles } from './node-config.js'
import { during } from './patience.fixture.js'
import { signAt } from './sign.fixture.js'
import { WardNode } from './ward-node.js'

/** Cheap on purpose: tests prove behaviour, not the cost of a guess. */
export const cheapKdf: KdfCost = { passes: 1, memoryKiB: 8_192 }
const cheapPersonKdf = { opsLimit: 1, memoryMiB: 8 }
export const storePassword = new TextEncoder().encode('store password of the test')
export const personPassword = new TextEncoder().encode('second password of the test')

const contract = (name: string): GenesisContract => ({
  manifest: readFileSync(`dist/contracts/${name}.manifest.cbor`),
  code: readFileSync(`dist/contracts/${name}.wasm`),
})
export const systemContracts = (): GenesisContract[] =>
  ['ward-policy', 'ward-governance', 'ward-alerts', 'ward-orders', 'ward-appliance'].map(contract)

export interface SingleNode {
  folder: string
  node: WardNode
  persons: Record<'admin' | 'nurse' | 'doctor' | 'vendor', string>
  signIn(role: keyof SingleNode['persons']): Promise<Session>
  /** Prepares and signs; throws on anything but a receipt. */
  sign(session: Session, proposal: Proposal): Promise<ReceiptView>
  /** Entity ids of the gateway sources, by name. */
  sources: Record<string, string>
  nodeCard: NodeCard
  personCards: PersonCard[]
  genesis: Uint8Array
  /** Of the next start. */
  executor: ExecutorOptions | undefined
  /** Closes the node and opens its folder again. */
  restart(): Promise<void>
  close(): Promise<void>
}

export async function createSingleNode(
  options: {
    sources?: { name: string; port: number; accepts: ('ADT' | 'ORU')[] }[]
    /** The folder gets no genesis and the node stays sealed: for tests of the founding. */
    unfounded?: boolean
    /** Where its folder is made. */
    under?: string
    /** The newest unless given. */
    fuelSchedule?: number
    /** Beside those of the system. */
    contracts?: GenesisContract[]
    executor?: ExecutorOptions
  } = {},
): Promise<SingleNode> {
  const folder = mkdtempSync(path.join(options.under ?? tmpdir(), 'wardchain-node-'))
  const home = path.join(folder, 'node')
  const sources = (options.sources ?? []).map((source) => ({ ...source, host: '127.0.0.1' }))
  const nodeCard = await initNode({
    folder: home,
    config: {
      name: 'only',
      role: 'validator',
      apiPort: 0,
      host: '127.0.0.1',
      port: (await freePorts(1, 'udp'))[0],
      sources,
      environment: 'TEST',
    },
    password: storePassword,
    cost: cheapKdf,
  })
  const roles = ['admin', 'nurse', 'doctor', 'vendor'] as const
  const cards = await Promise.all(roles.map((role) => personCard(role)))
  const founded = initNetwork({
    name: 'Test hospital',
    time: Date.now() - 1_000,
    cards: [nodeCard, ...cards],
    contracts: [...systemContracts(), ...(options.contracts ?? [])],
  })
  const genesis = underSchedule(founded.genesis, options.fuelSchedule)
  if (!options.unfounded) writeFileSync(nodeFiles(home).genesis, genesis)
  const open = async (executor: ExecutorOptions | undefined): Promise<WardNode> => {
    const node = new WardNode(home, createNodeLogger('test', 'silent'), undefined, { executor })
    if (options.unfounded) return node
    const unlocked = await during('opening the node', node.unlock(storePassword.slice()))
    if (!unlocked.ok) throw new Error(`${unlocked.code} ${unlocked.detail ?? ''}`)
    return node
  }
  const persons = Object.fromEntries(
    roles.map((role, index) => [role, bytesToHex(entityIdOf(sha256, cards[index].publicKey))]),
  ) as SingleNode['persons']
  const single: SingleNode = {
    folder: home,
    node: await open(options.executor),
    executor: options.executor,
    persons,
    nodeCard,
    personCards: cards,
    genesis,
    sources: Object.fromEntries(
      nodeCard.sources.map((source) => [source.name, bytesToHex(entityIdOf(sha256, source.publicKey))]),
    ),
    signIn: async (role) => {
      const session = await during('signing in', single.node.signIn(persons[role], personPassword.slice()))
      if (!session.ok) throw new Error(session.code)
      return session.value
    },
    sign: (session, proposal) => signAt(single.node, session, proposal, personPassword),
    restart: async () => {
      await during('closing the node', single.node.close())
      single.node = await open(single.executor)
    },
    close: async () => {
      await during('closing the node', single.node.close())
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return single
}

function underSchedule(genesis: Uint8Array, fuelSchedule: number | undefined): Uint8Array {
  const decoded = decodeGenesis(genesis)
  if (!decoded.ok) throw new Error(decoded.code)
  return fuelSchedule === undefined ? genesis : encodeGenesis({ ...decoded.value, fuelSchedule })
}

export async function personCard(role: string): Promise<PersonCard> {
  const { publicKey, keystore } = await createPersonKeystore(personPassword, cheapPersonKdf)
  return { type: 'person', label: `Test ${role}`, roles: [role], publicKey, keystore }
}
