#!/usr/bin/env node
// The `ward` command: one file a group of commands in tools/ward/.
import { Command } from 'commander'
import { denyCoreDumps } from '../host/appliance/core-dumps.js'
import { ApplianceError } from '../host/appliance/appliance-error.js'
import { ApiUnreachable } from '../host/api/client.js'
import { NodeError } from '../host/node/node-error.js'
import { StoreError } from '../host/store/index.js'
import { CommandError, exitStatus } from './ward/command-error.js'
import { addBackupCommands } from './ward/backup.js'
import { addDoctorCommand } from './ward/doctor.js'
import { addStoreCommands } from './ward/store.js'
import { addImageCommands } from './ward/image.js'
import { addInitCommands } from './ward/init.js'
import { addKeyslotCommands } from './ward/keyslot.js'
import { addJoinCommand } from './ward/join.js'
import { addNetworkCommands } from './ward/network.js'
import { addNodeCommand } from './ward/node.js'
import { addQueryCommands } from './ward/query.js'
import { addPersonCommands } from './ward/person.js'
import { addReflashCommand } from './ward/reflash.js'
import { addRuleCommands } from './ward/rule.js'
import { addServiceCommands } from './ward/service.js'
import { addStatusCommand } from './ward/status.js'
import { storeSentence } from './ward/store-advice.js'
import { addProofCommands } from './ward/proof.js'
import { addTransactionCommands } from './ward/tx.js'
import { addViewCommand } from './ward/view.js'
import { addWipeCommands } from './ward/wipe.js'

const program = new Command()
  .name('ward')
  .description('wardchain: one private, sealed, replicated chain per hospital')
  .version('0.1.0')
  .showHelpAfterError('(see --help)')
  .addHelpText(
    'after',
    `
Exit status: 0 done, 1 refused, 2 wrong use, 3 no node answers, 4 a fault of ours.
Passwords are asked at the terminal or read from standard input, never taken from arguments or the environment.`,
  )
addInitCommands(program)
addNodeCommand(program)
addNetworkCommands(program)
addJoinCommand(program)
addPersonCommands(program)
addStatusCommand(program)
addQueryCommands(program)
addViewCommand(program)
addTransactionCommands(program)
addProofCommands(program)
addRuleCommands(program)
addKeyslotCommands(program)
addWipeCommands(program)
addServiceCommands(program)
addImageCommands(program)
addReflashCommand(program)
addDoctorCommand(program)
addStoreCommands(program)
addBackupCommands(program)
program.exitOverride()
// Most commands have a password or a key in memory for a moment.
denyCoreDumps()

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  if (error instanceof CommandError) {
    process.stderr.write(`${error.message}  [${error.code}]\n`)
    return error.status
  }
  if (error instanceof NodeError || error instanceof StoreError || error instanceof ApplianceError) {
    const said = error instanceof StoreError ? storeSentence(error) : error.message
    process.stderr.write(`${said}  [${error.code}]\n`)
    return exitStatus.refused
  }
  if (error instanceof ApiUnreachable) {
    process.stderr.write(
      `${error.message} Start the node with \`ward node --dir <folder>\`.  [${error.code}]\n`,
    )
    return exitStatus.unreachable
  }
  const file = fileSentence(error as NodeJS.ErrnoException)
  if (file !== undefined) {
    process.stderr.write(`${file}\n`)
    return exitStatus.refused
  }
  const commander = error as { code?: string; exitCode?: number }
  if (commander.code?.startsWith('commander.'))
    return commander.exitCode === 0 ? exitStatus.done : exitStatus.usage
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return exitStatus.fault
}

/** A path that was mistyped or may not be read is a person's slip, not a fault of ours. */
function fileSentence({ code, syscall, path }: NodeJS.ErrnoException): string | undefined {
  if (syscall === undefined || path === undefined) return undefined
  if (code === 'ENOENT') return `${path}: there is no such file or folder. Check the path.  [FILE_ABSENT]`
  if (code === 'EISDIR') return `${path} is a folder; a file is needed. Check the path.  [FILE_ABSENT]`
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return `${path} may not be read or written by this account (${code}). Check owner, rights and mount.  [FILE_REFUSED]`
  if (code === 'ENOSPC') return `The disk of ${path} is full. Free space there and try again.  [DISK_FULL]`
  return undefined
}
