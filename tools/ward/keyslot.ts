// `ward keyslot list | add | change | remove`: the passwords that open a node's store. Only wrapped keys
// change; no data is encrypted again.
import type { Command } from 'commander'
import { existsSync } from 'node:fs'
import { ApplianceError } from '../../host/appliance/appliance-error.js'
import { nodeFiles } from '../../host/node/node-config.js'
import {
  addKeyslot,
  changeKeyslot,
  defaultKdfCost,
  floorKdfCost,
  listKeyslots,
  removeKeyslot,
  type SlotInfo,
  type SlotKind,
} from '../../host/store/index.js'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { readNewPassword, readPassword } from './password.js'

interface KeyslotChoice {
  dir: string
}

const kinds: readonly SlotKind[] = ['operator', 'recovery', 'escrow', 'unattended']

export function addKeyslotCommands(program: Command): void {
  const keyslot = program
    .command('keyslot')
    .description("the passwords that open a node's store; works while the node runs")
  const sub = (name: string, what: string): Command =>
    keyslot.command(name).description(what).requiredOption('--dir <folder>', "the node's folder")
  sub('list', 'slots, their kind and what a guess costs').option('--json', 'one JSON object').action(list)
  sub('add', 'add a password; asks for a present one, then for the new one')
    .option('--kind <kind>', kinds.join(', '), 'recovery')
    .option('--kdf <cost>', 'cost of a guess: standard (256 MiB) or floor (64 MiB)', 'standard')
    .action(add)
  sub('change', 'replace the password that is given first by the one that is given second').action(change)
  sub('remove', 'remove a slot by its number; asks for any present password')
    .argument('<slot>', 'number as `ward keyslot list` shows it')
    .action(remove)
}

function keyslotsOf(folder: string): string {
  const { keyslots } = nodeFiles(folder)
  if (!existsSync(keyslots)) throw new ApplianceError('NODE_ABSENT', folder)
  return keyslots
}

function list(options: KeyslotChoice & { json?: boolean }): void {
  const { storeId, slots } = listKeyslots(keyslotsOf(options.dir))
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ storeId: bytesToHex(storeId), slots })}\n`)
    return
  }
  process.stdout.write(`store ${bytesToHex(storeId)}\n${slots.map(describe).join('')}`)
}

function describe({ id, kind, cost, needsSecondSecret }: SlotInfo): string {
  const guess = `argon2id, ${cost.passes} passes over ${Math.round(cost.memoryKiB / 1_024)} MiB`
  return `slot ${id}  ${kind.padEnd(10)}  ${guess}${needsSecondSecret ? ', and a second secret' : ''}\n`
}

async function add(options: KeyslotChoice & { kind: string; kdf: string }): Promise<void> {
  const path = keyslotsOf(options.dir)
  const kind = kinds.find((known) => known === options.kind)
  if (!kind) usage(`--kind must be one of ${kinds.join(', ')}`)
  if (options.kdf !== 'standard' && options.kdf !== 'floor') usage('--kdf must be standard or floor')
  const present = await readPassword('A present password of this store')
  const added = await readNewPassword(`New ${kind} password`)
  const cost = options.kdf === 'floor' ? floorKdfCost : defaultKdfCost
  const id = await forgetting([present, added], () => addKeyslot(path, present, added, { kind, cost }))
  process.stdout.write(`slot ${id} (${kind}) was added. Every present password goes on to work.\n`)
}

async function change(options: KeyslotChoice): Promise<void> {
  const path = keyslotsOf(options.dir)
  const present = await readPassword('The password to replace')
  const changed = await readNewPassword('The new password')
  await forgetting([present, changed], () => changeKeyslot(path, present, changed))
  process.stdout.write(`the password was changed; other slots are as they were. ${oldCopies}\n`)
}

async function remove(slot: string, options: KeyslotChoice): Promise<void> {
  const path = keyslotsOf(options.dir)
  const id = /^\d{1,3}$/.test(slot) ? Number(slot) : usage(`${slot} is not the number of a slot`)
  if (!listKeyslots(path).slots.some((known) => known.id === id)) {
    throw new ApplianceError('SLOT_UNKNOWN', slot)
  }
  const present = await readPassword('A present password of this store')
  await forgetting([present], () => removeKeyslot(path, present, id))
  process.stdout.write(`slot ${id} was removed. ${oldCopies}\n`)
}

/** The honest limit of a change of password: store.md, section 8. */
const oldCopies = 'Older copies of the keyslot file, if anyone has one, still open with the old password.'

/** Zeroes the passwords when the work is done, however it ends. */
async function forgetting<T>(passwords: Uint8Array[], work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    for (const password of passwords) password.fill(0)
  }
}

function usage(message: string): never {
  throw new CommandError('USAGE', message, exitStatus.usage)
}
