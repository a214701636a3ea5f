// Founding: cards of nodes and persons become one genesis document. Its hash is the chain id; every node
// gets the same bytes. The founder holds public keys and wrapped keystores only.
import {
  chainIdOf,
  decodeManifest,
  encodeBorsh,
  encodeGenesis,
  entityIdOf,
  entityKind,
  type Genesis,
  type GenesisContract,
  type GenesisEntity,
  type GenesisNode,
  type KeyQuorum,
} from '../../runtime/protocol/index.js'
import { newestVersions } from '../../runtime/execution/index.js'
import { randomBytes, sha256 } from '../keys/crypto.js'
import { NodeError } from '../node/node-error.js'
import type { Card, NodeCard, PersonCard } from './cards.js'

export interface NetworkPlan {
  name: string
  /** ms since 1970. */
  time: number
  cards: Card[]
  /** System contracts: policy, governance, alerts, orders. */
  contracts: GenesisContract[]
  /** Keys that force validators and sign a recovery, and keys that sign release images. */
  institution?: KeyQuorum
  release?: KeyQuorum
}

/** Roles that a person may have from the start; anything else is granted later by transactions. */
export const foundingRoles = ['admin', 'nurse', 'doctor', 'vendor'] as const

/** Throws NodeError NETWORK_INVALID with what does not fit. */
export function initNetwork(plan: NetworkPlan): { genesis: Uint8Array; chainId: Uint8Array } {
  const nodes = plan.cards.filter((card): card is NodeCard => card.type === 'node')
  const persons = plan.cards.filter((card): card is PersonCard => card.type === 'person')
  checkPlan(nodes, persons)
  const entities = [...persons.map(personEntity), ...nodes.flatMap(sourceEntities)]
  const genesis: Genesis = {
    version: 1,
    name: plan.name,
    time: plan.time,
    leafSalt: randomBytes(32),
    nodes: nodes.map(genesisNode),
    entities,
    contracts: plan.contracts,
    calls: [policyCall(plan.contracts, [...entities, ...nodes.map(nodeRole)])],
    ...(plan.institution && { institution: plan.institution }),
    ...(plan.release && { release: plan.release }),
    ...newestVersions,
  }
  const bytes = encodeGenesis(genesis)
  return { genesis: bytes, chainId: chainIdOf(sha256, bytes) }
}

function checkPlan(nodes: NodeCard[], persons: PersonCard[]): void {
  const fail = (detail: string): never => {
    throw new NodeError('NETWORK_INVALID', detail)
  }
  if (!nodes.some((node) => node.role === 'validator')) fail('at least one validator card is needed')
  if (!persons.some((person) => person.roles.includes('admin')))
    fail('at least one person with role admin is needed')
  const names = nodes.map((node) => node.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) fail(`two nodes are called ${twice}`)
  for (const person of persons) {
    // Nothing else says at the founding that an entity is a person, and only persons become administrators.
    if (person.roles.length === 0) fail(`${person.label} has no role`)
    const unknown = person.roles.find((role) => !(foundingRoles as readonly string[]).includes(role))
    if (unknown !== undefined)
      fail(`role ${unknown} of ${person.label} is not one of ${foundingRoles.join(', ')}`)
  }
  const dialled = nodes.filter((node) => node.role === 'validator' && node.port === 0)
  if (dialled.length > 0) fail(`validator ${dialled[0].name} needs a fixed UDP port`)
}

function genesisNode(card: NodeCard): GenesisNode {
  return {
    entity: entityIdOf(sha256, card.voteKey),
    name: card.name,
    role: card.role,
    voteKey: card.voteKey,
    transportKey: card.transportKey,
    host: card.host,
    port: card.port,
  }
}

function personEntity(card: PersonCard): GenesisEntity {
  return {
    entity: entityIdOf(sha256, card.publicKey),
    kind: card.roles.includes('vendor') ? entityKind.vendor : entityKind.person,
    publicKey: card.publicKey,
    label: card.label,
    roles: card.roles,
    keystore: card.keystore,
  }
}

function sourceEntities(card: NodeCard): GenesisEntity[] {
  return card.sources.map((source) => ({
    entity: entityIdOf(sha256, source.publicKey),
    kind: entityKind.source,
    publicKey: source.publicKey,
    label: `${card.name}/${source.name}`,
    roles: ['source'],
    keystore: new Uint8Array(0),
  }))
}

type Holder = Pick<GenesisEntity, 'entity' | 'roles'>

/** A node signs what it reports of itself and its peers (`ward/appliance`) with the key of its votes. */
const nodeRole = (card: NodeCard): Holder => ({ entity: entityIdOf(sha256, card.voteKey), roles: ['node'] })

/** The founding roles, in the layout that the policy contract's own manifest declares for `genesis`. */
function policyCall(contracts: readonly GenesisContract[], entities: readonly Holder[]) {
  for (const contract of contracts) {
    const manifest = decodeManifest(contract.manifest)
    if (!manifest.ok || manifest.value.alias !== 'ward/policy') continue
    const method = manifest.value.methods.find((candidate) => candidate.name === 'genesis')
    if (!method) break
    const roles = entities.flatMap((item) => item.roles.map((role) => ({ entity: item.entity, role })))
    const args = encodeBorsh(method.input, { roles, grants: [] })
    if (!args.ok) throw new NodeError('NETWORK_INVALID', `ward/policy genesis: ${args.detail ?? args.code}`)
    return { alias: 'ward/policy', method: 'genesis', args: args.value }
  }
  throw new NodeError(
    'NETWORK_INVALID',
    'the system contracts do not include ward/policy with a genesis method',
  )
}
