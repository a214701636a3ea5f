// `ward network`: who belongs to it, tickets for new nodes, validators. Everything that changes something is
// a transaction that an administrator signs.
import { existsSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { bytesToHex, hexToBytes, nodeRoles, validatorAction } from '../../runtime/protocol/index.js'
import { encodeTicket, type Ticket } from '../../host/founding/ticket.js'
import { destroyKey, generateSigningKey, seedOf } from '../../host/keys/crypto.js'
import type { Proposal } from '../../host/api/node-port.js'
import type { NetworkJson, NetworkNodeJson } from '../../host/api/network-json.js'
import type { ApiClient } from '../../host/api/client.js'
import { CommandError } from './command-error.js'
import { connect, must, signIn, type NodeChoice } from './connect.js'
import { addEvidenceCommand } from './evidence.js'
import { addForceCommands } from './force.js'
import { assertQuorum, nodeCalled } from './network-nodes.js'
import { addOrderWipeCommands, wipeWords } from './order-wipe.js'
import { addRecoverCommands } from './recover.js'
import { readPassword } from './password.js'
import { succeeded } from './rule-signing.js'
import { visibleText } from './visible-text.js'

interface AdminOptions extends NodeChoice {
  as: string
}

const passwordHelp = `
The administrator's password is asked at the terminal, or read from standard input (once to sign in, once to
sign).`

export function addNetworkCommands(program: Command): void {
  const network = program.command('network').description('nodes, tickets and validators of the network')
  withNode(network.command('list').description('every node: name, role, address, connected, height'))
    .option('--json', 'one JSON object')
    .action(runList)
  withAdmin(network.command('ticket').description('make a ticket for a new node (`ward join`)'))
    .requiredOption('--out <file>', 'file to write; hand it over like a key')
    .option('--role <role>', 'validator, observer or gateway', 'observer')
    .option('--uses <count>', 'nodes that it may admit', '1')
    .option('--hours <count>', 'how long it is good', '24')
    .option('--replaces <name>', 'node that is removed in the moment the new one is admitted')
    .addHelpText('after', passwordHelp)
    .action(runTicket)
  withAdmin(network.command('remove').description('remove a node: nobody talks to it any more'))
    .argument('<name>')
    .addHelpText('after', passwordHelp)
    .action(runRemove)
  const validator = network.command('validator').description('change who votes, one at a time')
  withAdmin(validator.command('add').description('the node of --dir or --api becomes a validator'))
    .addHelpText('after', passwordHelp)
    .action((options: AdminOptions) => changeHere('add', options))
  withAdmin(validator.command('rotate').description('the node of --dir or --api gets a new vote key'))
    .addHelpText('after', passwordHelp)
    .action((options: AdminOptions) => changeHere('rotate', options))
  withAdmin(
    validator.command('replace').description('the node of --dir or --api takes the place of another'),
  )
    .argument('<name>', 'validator that goes')
    .addHelpText('after', passwordHelp)
    .action((name: string, options: AdminOptions) => changeHere('replace', options, name))
  withAdmin(validator.command('remove').description('a validator becomes an observer'))
    .argument('<name>')
    .addHelpText('after', passwordHelp)
    .action(runRemoveValidator)
  addForceCommands(validator)
  addOrderWipeCommands(network)
  addRecoverCommands(network)
  addEvidenceCommand(network)
}

const withNode = (command: Command): Command =>
  command.option('--dir <folder>', "the node's folder").option('--api <url>', 'address of its local API')

const withAdmin = (command: Command): Command =>
  withNode(command).requiredOption('--as <person>', 'administrator who signs')

async function runList(options: NodeChoice & { json?: boolean }): Promise<void> {
  const network = must(await connect(options).network())
  if (options.json) return void process.stdout.write(`${JSON.stringify(network)}\n`)
  const voting = new Set(network.validators.map(({ entity }) => entity))
  const lines = network.nodes.map((node) => {
    const votes = voting.has(node.entity)
    const role = votes ? `${node.role}, votes` : node.role
    const state = !node.listed ? 'removed' : node.connected ? standing(node, votes) : 'not connected'
    return `${visibleText(node.name).padEnd(24)} ${role.padEnd(20)} ${`${node.host}:${node.port}`.padEnd(22)} ${state}${wipeWords(node.wipe)}\n`
  })
  process.stdout.write(lines.join(''))
}

/** Who does not vote says its height when it connects and not again: it may be far beyond it by now. */
const standing = ({ height }: NetworkNodeJson, votes: boolean): string =>
  votes && height !== null ? `at ${height}` : 'connected'

async function runTicket(
  options: AdminOptions & { out: string; role: string; uses: string; hours: string; replaces?: string },
): Promise<void> {
  if (existsSync(options.out))
    throw new CommandError('FILE_EXISTS', `${options.out} exists. Nothing was changed.`)
  const role = nodeRoles.find((name) => name === options.role)
  if (!role) usage(`--role ${options.role}: one of ${nodeRoles.join(', ')}`)
  const client = connect(options)
  const network = must(await client.network())
  const { replaces } = options
  const key = generateSigningKey()
  const ticket: Ticket = {
    chainId: hexToBytes(network.chainId) ?? new Uint8Array(32),
    chainName: network.chainName,
    epoch: network.epoch,
    role,
    expires: Date.now() + Math.round(numberOf(options.hours, '--hours') * 3_600_000),
    secret: new Uint8Array(seedOf(key)),
    peers: votingNodes(network).map(({ entity, transportKey, host, port }) => ({
      entity: hexToBytes(entity) ?? new Uint8Array(32),
      transportKey: hexToBytes(transportKey) ?? new Uint8Array(32),
      host,
      port,
    })),
    ...(network.release && {
      release: {
        threshold: network.release.threshold,
        keys: network.release.keys.map((key) => hexToBytes(key) ?? new Uint8Array(32)),
      },
    }),
  }
  const args = {
    publicKey: bytesToHex(key.publicKey),
    role: nodeRoles.indexOf(role),
    uses: Math.floor(numberOf(options.uses, '--uses')),
    expires: String(ticket.expires),
    replaces: replaces === undefined ? null : nodeCalled(network, replaces).entity,
  }
  destroyKey(key)
  await govern(client, options.as, { type: 'call', target: 'ward/governance', method: 'issueTicket', args })
  writeFileSync(options.out, encodeTicket(ticket), { mode: 0o600, flag: 'wx' })
  ticket.secret.fill(0)
  process.stdout.write(
    `ticket for ${args.uses} ${role}${args.uses > 1 ? 's' : ''}, good until ` +
      `${new Date(ticket.expires).toISOString()}: ${options.out}\n` +
      'Whoever has this file can use it. Hand it over like a key and delete it afterwards.\n' +
      'Next, on the new computer: ward join <this file> --dir <folder> --name <name>, or ward reflash --ticket.\n',
  )
}

async function runRemove(name: string, options: AdminOptions): Promise<void> {
  const client = connect(options)
  const node = nodeCalled(must(await client.network()), name)
  const args = { entity: node.entity }
  await govern(client, options.as, { type: 'call', target: 'ward/governance', method: 'removeNode', args })
  process.stdout.write(`${name}: removed; no node talks to it any more\n`)
}

/** The node that is asked signs that it is at the tip; then the administrator signs the change there. */
async function changeHere(
  action: 'add' | 'rotate' | 'replace',
  options: AdminOptions,
  replaced?: string,
): Promise<void> {
  const client = connect(options)
  const network = must(await client.network())
  const leaving = replaced === undefined ? undefined : nodeCalled(network, replaced)
  if (action === 'add') assertQuorum(network, network.validators.length + 1, network.self, undefined)
  if (leaving) assertQuorum(network, network.validators.length, network.self, leaving.entity)
  await signIn(client, options.as)
  const args = must(await client.readiness(action, leaving?.entity))
  const password = await signingPassword(options.as)
  const proposal: Proposal = { type: 'call', target: 'ward/governance', method: 'changeValidator', args }
  await finish(client, proposal, password)
  process.stdout.write(`${said(action)}: takes effect two blocks later\n`)
}

const said = (action: 'add' | 'rotate' | 'replace'): string =>
  action === 'rotate' ? 'new vote key' : action === 'add' ? 'new validator' : 'place handed over'

async function runRemoveValidator(name: string, options: AdminOptions): Promise<void> {
  const client = connect(options)
  const network = must(await client.network())
  const node = nodeCalled(network, name)
  assertQuorum(network, network.validators.length - 1, undefined, node.entity)
  const zero = '00'.repeat(32)
  const args = {
    action: validatorAction.remove,
    entity: node.entity,
    successor: node.entity,
    voteKey: zero,
    height: '0',
    resultHash: zero,
    proof: zero + zero,
    consent: null,
  }
  const proposal: Proposal = { type: 'call', target: 'ward/governance', method: 'changeValidator', args }
  await govern(client, options.as, proposal)
  process.stdout.write(`${name}: votes no more two blocks later; it goes on as an observer\n`)
}

const votingNodes = (network: NetworkJson): NetworkNodeJson[] =>
  network.nodes.filter(
    ({ entity, port }) => port > 0 && network.validators.some((validator) => validator.entity === entity),
  )

async function govern(client: ApiClient, as: string, proposal: Proposal): Promise<void> {
  await signIn(client, as)
  await finish(client, proposal, await signingPassword(as))
}

const signingPassword = (as: string): Promise<Uint8Array> =>
  readPassword(`Second password of ${as}, to sign`)

async function finish(client: ApiClient, proposal: Proposal, password: Uint8Array): Promise<void> {
  try {
    succeeded(await client.propose(proposal, password), proposal)
  } finally {
    password.fill(0)
    await client.signOut()
  }
}

function numberOf(text: string, option: string): number {
  const value = Number(text)
  return Number.isFinite(value) && value > 0 ? value : usage(`${option} ${text}: a number above 0 expected`)
}

function usage(message: string): never {
  throw new CommandError('USAGE', message, 2)
}
