// `ward join`: a fresh computer and a ticket become a node that follows the chain.
import { hostname } from 'node:os'
import type { Command } from 'commander'
import { joinNetwork, type Joined } from '../../host/founding/join.js'
import { readTicketFile, type Ticket } from '../../host/founding/ticket.js'
import { readNodeConfig, type NodeConfig } from '../../host/node/node-config.js'
import { defaultKdfCost, floorKdfCost } from '../../host/store/index.js'
import { CommandError } from './command-error.js'
import { must } from './connect.js'
import { assertApiPortFree, startDaemon } from './node.js'
import { readNewPassword } from './password.js'
import { createProgress } from './progress.js'

export interface NewNodeOptions {
  name: string
  host: string
  port: string
  apiPort: string
  environment: string
  kdf: string
  log: string
  start: boolean
  untilStdinEnds?: boolean
}

interface JoinCommandOptions extends NewNodeOptions {
  dir: string
}

export function addJoinCommand(program: Command): void {
  const join = program
    .command('join')
    .description('make this computer a node of a network: keys, admission, sync, follow')
    .argument('<ticket>', 'file made by `ward network ticket`')
    .requiredOption('--dir <folder>', 'empty folder for the node, or one of an interrupted join')
    .addHelpText(
      'after',
      `
Makes the node's keys here, asks the network for admission with the ticket's key, fetches and checks the
founding document, takes the state from several nodes, checks every part against the certified root, and
follows. An interrupted join goes on when the same command is given again.
The store password is asked at the terminal, or read from standard input.`,
    )
    .action(runJoin)
  addNewNodeOptions(join)
}

/** What a new node needs to be told: also `ward reflash` asks for it, and passes it on. */
export function addNewNodeOptions(command: Command): Command {
  return command
    .option('--name <name>', 'name of the node, unique in the network', shortHostname())
    .option('--host <ipv4>', 'address of its transport', '127.0.0.1')
    .option('--port <port>', 'UDP port of its transport (0: any; validators need one)', '0')
    .option('--api-port <port>', 'loopback port of its local API', '7300')
    .option('--environment <word>', 'shown loudly on every screen, e.g. TRAINING', '')
    .option('--kdf <cost>', 'cost of the store password: standard (256 MiB) or floor (64 MiB)', 'standard')
    .option('--log <level>', 'debug, info, warn or error', 'warn')
    .option('--no-start', 'stop when admitted; start later with `ward node`')
    .option('--until-stdin-ends', 'also stop when standard input ends')
}

const shortHostname = (): string => hostname().split('.')[0]

async function runJoin(file: string, options: JoinCommandOptions): Promise<void> {
  const ticket = readTicketFile(file)
  const config: NodeConfig = {
    name: options.name,
    role: ticket.role,
    apiPort: portOf(options.apiPort),
    host: options.host,
    port: portOf(options.port),
    sources: [],
    environment: options.environment,
  }
  if (options.start) await assertApiPortFree(config.apiPort, 'Choose another one with --api-port.')
  const password = await readNewPassword(`Store password of ${options.name}`)
  try {
    const progress = createProgress()
    const cost = options.kdf === 'floor' ? floorKdfCost : defaultKdfCost
    const onProgress = (label: string, done: number, total: number): void =>
      progress.show(label, done, total)
    let joined: Joined
    try {
      joined = await joinNetwork({ folder: options.dir, ticket, config, password, cost, onProgress })
    } finally {
      progress.end()
    }
    process.stdout.write(admitted(joined, options.dir, ticket))
    if (options.start) await follow(options, password)
  } finally {
    password.fill(0)
  }
}

/** By the folder's own words: an interrupted join goes on under the name that it began with. */
function admitted(joined: Joined, folder: string, { chainName, role: asked }: Ticket): string {
  const { name, role } = readNodeConfig(folder)
  if (joined === 'now') return `${name}: admitted to ${chainName} as ${asked}\n`
  return (
    `${name}: this folder's node (${role}) was admitted to ${chainName} before. Nobody was asked, its identity ` +
    'is the old one, and the ticket was not used. For a new identity: `ward wipe`, then give this again.\n'
  )
}

/** Starts the node here and waits until it is at the newest block; then it goes on in the foreground. */
async function follow(options: JoinCommandOptions, password: Uint8Array): Promise<void> {
  const { dir, log, untilStdinEnds } = options
  const node = await startDaemon({ dir, log, ...(untilStdinEnds && { untilStdinEnds }) })
  const progress = createProgress()
  const unlocking = node.unlock(password.slice())
  let done = false
  void unlocking.finally(() => (done = true))
  while (!done) {
    const { progress: step } = node.status()
    if (step) progress.show(step.phase, step.percent, 100)
    await pause()
  }
  must(await unlocking)
  for (;;) {
    const { height, lag, peersConnected, phase } = node.status()
    if (peersConnected > 0 && lag === 0 && (await node.isCaughtUp())) break
    if (phase === 'NODE_REMOVED') throw new CommandError(phase, 'This node was removed from the network.')
    progress.show('catching up', height, height + lag)
    await pause()
  }
  progress.end()
  const { height, stateRoot } = node.status()
  process.stdout.write(`${options.name}: follows at height ${height}, state root ${stateRoot}\n`)
  if (node.status().role === 'validator' && node.status().votes === false)
    process.stdout.write(
      `it does not vote yet: an administrator says \`ward network validator add --dir ${dir} --as <name>\`\n`,
    )
  process.stdout.write(
    `its page: http://127.0.0.1:${options.apiPort}  It runs here until Ctrl-C. Later: ward node --dir ${dir},\n` +
      `or as a service that starts with the machine: ward service install --dir ${dir}\n`,
  )
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100))

function portOf(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new CommandError('USAGE', `${text} is not a port`, 2)
  }
  return port
}
