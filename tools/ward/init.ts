// `ward init node | person | network`: founding, step by step. Keys are made where they stay.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { encodeCard, readCard, type Card, type PersonCard } from '../../host/founding/cards.js'
import { initNetwork } from '../../host/founding/init-network.js'
import { initNode } from '../../host/founding/init-node.js'
import { createPersonKeystore } from '../../host/keys/person-keystore.js'
import { nodeFiles, type NodeConfig, type SourceConfig } from '../../host/node/node-config.js'
import { defaultKdfCost, floorKdfCost } from '../../host/store/index.js'
import { releasePublicKey } from '../../host/appliance/release-key.js'
import { bytesToHex, type KeyQuorum } from '../../runtime/protocol/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { readNewPassword } from './password.js'
import { readContracts } from './system-contracts.js'

interface NodeOptions {
  dir: string
  name: string
  role: string
  host: string
  port: string
  apiPort: string
  source: string[]
  environment: string
  kdf: string
}

export function addInitCommands(program: Command): void {
  const init = program.command('init').description('found nodes, persons and a network')
  init
    .command('node')
    .description('make a node: keys stay in its folder, a public card is written beside them')
    .requiredOption('--dir <folder>', 'empty folder for the node')
    .requiredOption('--name <name>', 'name of the node, unique in the network')
    .option('--role <role>', 'validator, observer or gateway', 'observer')
    .option('--host <ipv4>', 'address of its transport', '127.0.0.1')
    .option('--port <port>', 'UDP port of its transport (0: any; validators need one)', '0')
    .option('--api-port <port>', 'loopback port of its local API', '7300')
    .option(
      '--source <name=types@port>',
      'HL7 source of a gateway, e.g. monitor-3=ORU@2575 (repeat)',
      collect,
      [],
    )
    .option('--environment <word>', 'shown loudly on every screen, e.g. TRAINING', '')
    .option('--kdf <cost>', 'cost of the store password: standard (256 MiB) or floor (64 MiB)', 'standard')
    .addHelpText('after', '\nThe store password is asked at the terminal, or read from standard input.')
    .action(runInitNode)
  init
    .command('person')
    .description('make a person: the signing key is wrapped under the second password')
    .requiredOption('--out <file>', 'where to write the card')
    .requiredOption('--label <text>', 'shown on screens, e.g. "Nurse, ward 3"')
    .requiredOption('--role <role>', 'admin, nurse, doctor or vendor (repeat)', collect, [])
    .action(runInitPerson)
  init
    .command('network')
    .description('turn cards into a genesis document')
    .argument('<cards...>', 'cards of nodes and persons')
    .requiredOption('--name <text>', 'name of the hospital')
    .requiredOption('--out <file>', 'where to write genesis.cbor')
    .option(
      '--institution-key <key>',
      'public key that may force validators and recover (repeat)',
      collect,
      [],
    )
    .option(
      '--institution-threshold <count>',
      'how many institution keys must sign (default: more than half)',
    )
    .option('--release-key <key>', 'public key of a release key, or its file (repeat)', collect, [])
    .option('--release-threshold <count>', 'how many release keys must sign an image (default: all)')
    .option('--install', "copy it into the folder of each node card's node")
    .action(runInitNetwork)
}

const collect = (value: string, before: string[]): string[] => [...before, value]

async function runInitNode(options: NodeOptions): Promise<void> {
  const roles = ['validator', 'observer', 'gateway']
  if (!roles.includes(options.role)) usage(`--role must be one of ${roles.join(', ')}`)
  if (options.role === 'validator' && portOf(options.port) === 0) usage('a validator needs a fixed --port')
  const config: NodeConfig = {
    name: options.name,
    role: options.role as NodeConfig['role'],
    apiPort: portOf(options.apiPort),
    host: options.host,
    port: portOf(options.port),
    sources: options.source.map(parseSource),
    environment: options.environment,
  }
  const password = await readNewPassword(`Store password of ${options.name}`)
  const cost = options.kdf === 'floor' ? floorKdfCost : defaultKdfCost
  await initNode({ folder: options.dir, config, password, cost })
  password.fill(0)
  process.stdout.write(
    `node ${options.name}: made in ${options.dir}; card: ${nodeFiles(options.dir).card}\n`,
  )
}

function parseSource(text: string): SourceConfig {
  const match = /^([a-z0-9-]{1,40})=([A-Z,]+)@(\d+)$/.exec(text)
  const accepts = match?.[2].split(',') ?? []
  if (!match || accepts.some((type) => type !== 'ADT' && type !== 'ORU')) {
    usage(`--source ${text}: name=types@port expected, e.g. monitor-3=ORU@2575`)
  }
  return {
    name: match[1],
    host: '127.0.0.1',
    port: portOf(match[3]),
    accepts: accepts as SourceConfig['accepts'],
  }
}

function portOf(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) usage(`${text} is not a port`)
  return port
}

function usage(message: string): never {
  throw new CommandError('USAGE', message, exitStatus.usage)
}

async function runInitPerson(options: { out: string; label: string; role: string[] }): Promise<void> {
  if (existsSync(options.out))
    throw new CommandError('FILE_EXISTS', `${options.out} exists. Nothing was changed.`)
  const password = await readNewPassword(`Second password of ${options.label}`)
  const { publicKey, keystore } = await createPersonKeystore(password)
  password.fill(0)
  const card: PersonCard = {
    type: 'person',
    label: options.label,
    roles: options.role,
    publicKey,
    keystore,
  }
  mkdirSync(path.dirname(path.resolve(options.out)), { recursive: true })
  writeFileSync(options.out, encodeCard(card), { mode: 0o600 })
  process.stdout.write(`person ${options.label}: card written to ${options.out}\n`)
}

interface NetworkOptions {
  name: string
  out: string
  install?: boolean
  institutionKey: string[]
  institutionThreshold?: string
  releaseKey: string[]
  releaseThreshold?: string
}

function keyQuorum(keys: string[], threshold: string | undefined, common: number): KeyQuorum | undefined {
  if (keys.length === 0) return undefined
  const count = threshold === undefined ? common : Number(threshold)
  if (!Number.isInteger(count) || count < 1 || count > keys.length)
    usage(`${threshold}: 1 to ${keys.length}`)
  return { threshold: count, keys: keys.map(releasePublicKey) }
}

function runInitNetwork(files: string[], options: NetworkOptions): void {
  const cards: Card[] = files.map(readCard)
  const contracts = readContracts([
    'ward-policy',
    'ward-governance',
    'ward-alerts',
    'ward-orders',
    'ward-appliance',
  ])
  const { institutionKey, releaseKey } = options
  const half = Math.floor(institutionKey.length / 2) + 1
  const institution = keyQuorum(institutionKey, options.institutionThreshold, half)
  const release = keyQuorum(releaseKey, options.releaseThreshold, releaseKey.length)
  const { genesis, chainId } = initNetwork({
    name: options.name,
    time: Date.now(),
    cards,
    contracts,
    ...(institution && { institution }),
    ...(release && { release }),
  })
  writeFileSync(options.out, genesis, { mode: 0o600 })
  process.stdout.write(`network ${options.name}: chain ${bytesToHex(chainId)}\n`)
  if (!options.install) return
  for (const [index, card] of cards.entries()) {
    if (card.type !== 'node') continue
    const target = nodeFiles(path.dirname(files[index])).genesis
    writeFileSync(target, readFileSync(options.out), { mode: 0o600 })
    process.stdout.write(`  installed for ${card.name}\n`)
  }
}
