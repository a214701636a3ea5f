// `ward service install | uninstall`: the node as a systemd service.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { installUnit, serviceUnit, uninstallUnit } from '../../host/appliance/service-unit.js'
import { readNodeConfig } from '../../host/node/node-config.js'
import { CommandError, exitStatus } from './command-error.js'
import { distFolder } from './system-contracts.js'

interface ServiceChoice {
  unitDir: string
  name: string
}

export function addServiceCommands(program: Command): void {
  const service = program.command('service').description('run the node as a hardened systemd service')
  const sub = (name: string, what: string): Command =>
    service
      .command(name)
      .description(what)
      .option('--unit-dir <folder>', 'where units are', '/etc/systemd/system')
      .option('--name <name>', 'name of the unit', 'wardchain')
  sub('install', 'write the unit, or replace the one that this command wrote')
    .requiredOption('--dir <folder>', "the node's folder; the account below must own it")
    .option('--user <account>', 'system account that the node runs as', 'wardchain')
    .option('--credential [file]', 'the store opens by this encrypted credential at each start')
    .option('--print', 'show the unit and write nothing')
    .action(install)
  sub('uninstall', "remove the unit; the node's folder is not touched").action(uninstall)
}

interface InstallChoice extends ServiceChoice {
  dir: string
  user: string
  credential?: string | true
  print?: boolean
}

const credentialDefault = '/etc/credstore.encrypted/ward-unlock'

function install(options: InstallChoice): void {
  const folder = path.resolve(options.dir)
  // Refuses a folder without a node before a unit points to it.
  readNodeConfig(folder)
  const unit = {
    name: nameOf(options),
    folder,
    installation: path.resolve(distFolder, '..'),
    node: process.execPath,
    user: options.user,
    credential: options.credential === true ? credentialDefault : options.credential,
  }
  if (options.print) {
    process.stdout.write(serviceUnit(unit))
    return
  }
  checkWritable(options.unitDir)
  const file = installUnit(unit, options.unitDir)
  const next = [...accountSteps(options.user, folder), 'systemctl daemon-reload']
  process.stdout.write(
    `${file} was written. Next:\n` +
      [...next, `systemctl enable --now ${options.name}`].map((step) => `  ${step}\n`).join('') +
      (options.credential === undefined
        ? 'The node starts sealed: unlock it on its page. After a crash it comes back by itself.\n'
        : 'The node opens its store by the credential at each start.\n') +
      `Its log, without patient data: journalctl -u ${options.name}. The journal rotates it (SystemMaxUse= in\n` +
      `journald.conf bounds it). How it is: ward status --dir ${folder}\n`,
  )
}

/** Without its account, or without its folder, the service ends at once with a number that says little. */
function accountSteps(user: string, folder: string): string[] {
  const uid = uidOf(user)
  const chown = `chown -R ${user}: ${folder}`
  if (uid === undefined)
    return [`useradd --system --user-group --no-create-home --shell /usr/sbin/nologin ${user}`, chown]
  return statSync(folder).uid === uid ? [] : [chown]
}

function uidOf(user: string): number | undefined {
  try {
    return Number(
      execFileSync('id', ['-u', user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    )
  } catch {
    return undefined
  }
}

function uninstall(options: ServiceChoice): void {
  checkWritable(options.unitDir)
  const file = uninstallUnit(nameOf(options), options.unitDir)
  process.stdout.write(
    `${file} was removed, it does not start with the machine any more. Next: systemctl stop ${options.name}; ` +
      "systemctl daemon-reload\nThe node's folder is as it was.\n",
  )
}

function nameOf({ name }: ServiceChoice): string {
  if (/^[a-z][a-z0-9-]{0,40}$/.test(name)) return name
  throw new CommandError('USAGE', '--name: letters, digits and - expected', exitStatus.usage)
}

function checkWritable(unitFolder: string): void {
  try {
    accessSync(unitFolder, constants.W_OK)
  } catch {
    const advice = 'Run it as root, or choose --unit-dir.'
    throw new CommandError(
      'UNIT_UNWRITABLE',
      `${unitFolder} cannot be written. Nothing was changed. ${advice}`,
    )
  }
}
