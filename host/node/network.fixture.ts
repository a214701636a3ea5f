// A hospital of several real nodes in this process: own folders, stores and executor threads, real transport
// on loopback. For tests of what nodes do to each other; `single-node.fixture.ts` is enough for the rest.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePorts } from '../../consensus/net/free-ports.js'
import { bytesToHex, entityIdOf, type Genesis } from '../../runtime/protocol/index.js'
import type { NodeCard } from '../founding/cards.js'
import { initNetwork } from '../founding/init-network.js'
import { initNode } from '../founding/init-node.js'
import type { Proposal, ReceiptView, Session } from '../api/node-port.js'
import { sha256 } from '../keys/crypto.js'
import { createNodeLogger } from './node-logger.js'
import { nodeFiles, type NodeConfig } from './node-config.js'
import {
  cheapKdf,
  personCard,
  personPassword,
  storePassword,
  systemContracts,
} from './single-node.fixture.js'
import { during, until } from './patience.fixture.js'
import { signAt } from './sign.fixture.js'
import { WardNode } from './ward-node.js'

export { until }

export interface TestNode {
  name: string
  folder: string
  node: WardNode
}

export interface TestHospital {
  folder: string
  genesis: Uint8Array
  validators: TestNode[]
  /** Opens a node of a folder that is there, and unlocks it. */
  open(name: string): Promise<TestNode>
  /** Entity id, hex. */
  personOf(role: 'admin' | 'nurse'): string
  signIn(node: TestNode, role: 'admin' | 'nurse'): Promise<Session>
  /** Prepares and signs at this node; throws on a refusal before the receipt. */
  sign(node: TestNode, session: Session, proposal: Proposal): Promise<ReceiptView>
  close(): Promise<void>
}

export async function createHospital(
  options: { validators: number } & Pick<Genesis, 'institution' | 'release'>,
): Promise<TestHospital> {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-hospital-'))
  const cards: NodeCard[] = []
  for (const [index, port] of (await freePorts(options.validators, 'udp')).entries())
    cards.push(await foundNode(folder, `v${index + 1}`, 'validator', port))
  const roles = ['admin', 'nurse'] as const
  const persons = await Promise.all(roles.map((role) => personCard(role)))
  const { institution, release } = options
  const { genesis } = initNetwork({
    name: 'Test hospital',
    time: Date.now() - 1_000,
    cards: [...cards, ...persons],
    contracts: systemContracts(),
    ...(institution && { institution }),
    ...(release && { release }),
  })
  for (const { name } of cards) writeFileSync(nodeFiles(path.join(folder, name)).genesis, genesis)
  const opened = new Set<TestNode>()
  const hospital: TestHospital = {
    folder,
    genesis,
    validators: [],
    open: async (name) => {
      const home = path.join(folder, name)
      const node = new WardNode(home, createNodeLogger(name, process.env.WARD_TEST_LOG ?? 'silent'))
      const entry = { name, folder: home, node: tellingClose(name, node) }
      opened.add(entry)
      const unlocked = await during(`opening ${name}`, node.unlock(storePassword.slice()))
      if (!unlocked.ok) throw new Error(`${name}: ${unlocked.code} ${unlocked.detail ?? ''}`)
      return entry
    },
    personOf: (role) => bytesToHex(entityIdOf(sha256, persons[roles.indexOf(role)].publicKey)),
    signIn: async ({ node, name }, role) => {
      const who = hospital.personOf(role)
      const session = await during(`signing in at ${name}`, node.signIn(who, personPassword.slice()))
      if (!session.ok) throw new Error(session.code)
      return session.value
    },
    sign: ({ node }, session, proposal) => signAt(node, session, proposal, personPassword),
    close: async () => {
      await Promise.all([...opened].map(({ node }) => node.close()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    hospital.validators = await Promise.all(cards.map(({ name }) => hospital.open(name)))
    await until('the mesh', () =>
      hospital.validators.every(({ node }) => node.status().peersConnected >= options.validators - 1),
    )
  } catch (error) {
    // Nobody else would close those that did open, and the test would never end.
    await hospital.close()
    throw error
  }
  return hospital
}

/** Tests close nodes themselves: also then a close that takes very long is told. */
function tellingClose(name: string, node: WardNode): WardNode {
  const close = node.close.bind(node)
  node.close = () => during(`closing ${name}`, close())
  return node
}

export const nodeConfig = (name: string, role: NodeConfig['role'], port: number): NodeConfig => ({
  name,
  role,
  apiPort: 0,
  host: '127.0.0.1',
  port,
  sources: [],
  environment: 'TEST',
})

function foundNode(
  folder: string,
  name: string,
  role: NodeConfig['role'],
  port: number,
): Promise<NodeCard> {
  const config = nodeConfig(name, role, port)
  return initNode({ folder: path.join(folder, name), config, password: storePassword, cost: cheapKdf })
}
