// `ward reflash`: a checked release image becomes an installation, and with a ticket its software makes a new
// node of this machine: new keys, admission, state from the other nodes.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { ApplianceError } from '../../host/appliance/appliance-error.js'
import { installedRelease, installImage, type Release } from '../../host/appliance/image-install.js'
import { releasePublicKey } from '../../host/appliance/release-key.js'
import { readTicketFile, type Ticket } from '../../host/founding/ticket.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { NodeError } from '../../host/node/node-error.js'
import type { KeyQuorum } from '../../runtime/protocol/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { collect, madeFrom, ownInstallation, wholeNumber } from './image.js'
import { addNewNodeOptions, type NewNodeOptions } from './join.js'
import { createProgress } from './progress.js'

interface ReflashOptions extends NewNodeOptions {
  image: string
  dir: string
  releaseKey: string[]
  threshold?: string
  installed: string
  force?: boolean
  ticket?: string
  node?: string
}

const help = `
Whose signatures count: the release keys that the network's founding document pins, which its ticket names;
or those of --release-key, which then count alone.
With --ticket and --node the installed software joins at once, as \`ward join\` does: new store, new identity,
admission, state from several nodes, every part checked. A ticket made with \`--replaces <name>\` removes the
old identity in the same moment. The password of the new store is asked at the terminal, or read from
standard input.

After \`ward wipe --dir node\`, on this machine:
  elsewhere  ward network ticket --out t.json --replaces ward-3 --as Admin
  here       ward reflash --image wardchain.image --dir wardchain-2 --ticket t.json --node node --name ward-3`

export function addReflashCommand(program: Command): void {
  const reflash = program
    .command('reflash')
    .description('check a release image, install it into a new folder, and make a new node with it')
    .requiredOption('--image <file>', 'the image')
    .requiredOption('--dir <folder>', 'new installation folder (programs, no data), absent or empty')
    .option('--release-key <key>', 'trusted key: file or 64 hex digits (repeat)', collect, [])
    .option('--threshold <number>', 'how many of the --release-key keys must have signed (default: 1)')
    .option('--installed <folder>', 'installation that must not be newer', ownInstallation)
    .option('--force', 'install an older image')
    .option('--ticket <file>', 'ticket made by `ward network ticket`')
    .option('--node <folder>', "the new node's folder, e.g. that of the wiped one")
    .addHelpText('after', help)
    .action(runReflash)
  addNewNodeOptions(reflash)
}

async function runReflash(options: ReflashOptions): Promise<void> {
  const { image, installed, force, node } = options
  const ticket = options.ticket === undefined ? undefined : readTicketFile(options.ticket)
  if ((ticket === undefined) !== (node === undefined)) usage('--ticket and --node belong together')
  if (ticket && node !== undefined) assertCanJoin(ticket, node)
  const { keys, threshold } = trustedKeys(options, ticket)
  const before = force ? undefined : releaseOf(installed)
  const progress = createProgress()
  const manifest = installImage({
    image,
    folder: path.resolve(options.dir),
    trusted: keys,
    threshold,
    installed: before,
    force,
    onProgress: progress.show.bind(progress),
  })
  progress.end()
  const name = `${manifest.name} ${manifest.version} build ${manifest.build}, ${madeFrom(manifest)}`
  process.stdout.write(`${name}: installed in ${options.dir}, read back, every file as signed.\n`)
  process.stdout.write(
    `\`ward\` of this installation: node ${path.resolve(options.dir, 'dist/tools/ward.js')}\n`,
  )
  if (manifest.platform === 'any' && ticket) {
    process.stdout.write(
      `It holds no npm packages: without them beside it, it cannot start (\`npm ci\`).\n`,
    )
  }
  if (ticket) return join(options)
  process.stdout.write('Next: there, `ward join <ticket> --dir <folder>` makes a new node.\n')
}

/** Before anything is installed: what would only come to light at the end. */
function assertCanJoin(ticket: Ticket, node: string): void {
  if (ticket.expires < Date.now()) {
    throw new NodeError('TICKET_EXPIRED', `it was good until ${new Date(ticket.expires).toISOString()}`)
  }
  if (isInterruptedJoin(node) || !existsSync(node) || readdirSync(node).length === 0) return
  const certificates = readdirSync(node).filter((name) => /\.sanitisation\.json(\.\d+)?$/.test(name))
  if (certificates.length === readdirSync(node).length) {
    const text = `${node}: it holds the certificate of its wipe: move ${certificates.join(', ')} away and keep it`
    throw new ApplianceError('FOLDER_NOT_EMPTY', text)
  }
  throw new ApplianceError(
    'FOLDER_NOT_EMPTY',
    `${node}: a node that was not wiped keeps its old identity. Nothing of it was lost. ` +
      `To replace it, first \`ward wipe --dir ${node}\``,
  )
}

/** Its keys are there and nobody admitted them yet: a node that was admitted has its founding document. */
function isInterruptedJoin(node: string): boolean {
  const { peers, keyslots, identity, genesis, chain, sync, wipeMark } = nodeFiles(node)
  return [peers, keyslots, identity].every(existsSync) && ![genesis, chain, sync, wipeMark].some(existsSync)
}

/** Without it nobody could tell whether the image is older. */
function releaseOf(folder: string): Release {
  return (
    installedRelease(folder) ??
    usage(`--installed ${folder}: no installation there says its version. Nothing was installed.`)
  )
}

function trustedKeys(options: ReflashOptions, ticket: Ticket | undefined): KeyQuorum {
  const { releaseKey, threshold = '1' } = options
  if (releaseKey.length > 0) {
    return { keys: releaseKey.map(releasePublicKey), threshold: wholeNumber(threshold, '--threshold') }
  }
  if (options.threshold !== undefined) usage('--threshold counts among the keys of --release-key')
  if (ticket?.release) return ticket.release
  const why = ticket ? 'the network of this ticket pins no release keys' : 'there is no --ticket'
  throw new ApplianceError('RELEASE_UNPINNED', why)
}

/** By the software that was installed, not by this one: the old one is what is replaced. */
async function join(options: ReflashOptions): Promise<void> {
  const { node = '', ticket = '', name, host, port, apiPort, environment, kdf, log } = options
  const command = path.join(path.resolve(options.dir), 'dist', 'tools', 'ward.js')
  const words = ['join', ticket, '--dir', node, '--name', name, '--host', host, '--port', port]
  words.push('--api-port', apiPort, '--environment', environment, '--kdf', kdf, '--log', log)
  if (!options.start) words.push('--no-start')
  if (options.untilStdinEnds) words.push('--until-stdin-ends')
  const child = spawn(process.execPath, [command, ...words], { stdio: 'inherit' })
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal)
  process.on('SIGTERM', pass)
  process.on('SIGINT', pass)
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (status === exitStatus.done) return
  throw new ApplianceError('NODE_NOT_STARTED', ['node', command, ...words].map(shellWord).join(' '))
}

/** As a shell reads it back: an empty word stays a word. */
const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`

function usage(message: string): never {
  throw new CommandError('USAGE', message, exitStatus.usage)
}
