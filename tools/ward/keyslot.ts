// `ward keyslot list | add | change | remove | rotate | drop-former | platform`: what opens a node's store.
// Only wrapped keys change; no data is encrypted again.
import type { Command } from 'commander'
import { existsSync, readFileSync } from 'node:fs'
import { ApplianceError } from '../../host/appliance/appliance-error.js'
import { holdNode } from '../../host/appliance/node-hold.js'
import { nodeFiles } from '../../host/node/node-config.js'
import {
  addKeyslot,
  changeKeyslot,
  defaultKdfCost,
  dropFormerEpochs,
  floorKdfCost,
  listKeyslots,
  putUnattendedSlot,
  removeKeyslot,
  rotateDataKey,
  type SlotInfo,
  type SlotKind,
} from '../../host/store/index.js'
import { createFile, overwriteAndUnlink } from '../../host/store/durable-file.js'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { randomBytes } from '../../host/keys/crypto.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, must } from './connect.js'
import { readNewPassword, readPassword } from './password.js'

interface KeyslotChoice {
  dir: string
  secondSecret?: string
}

const kinds: readonly SlotKind[] = ['operator', 'recovery', 'escrow']

export function addKeyslotCommands(program: Command): void {
  const keyslot = program
    .command('keyslot')
    .description("the passwords that open a node's store; works while the node runs")
  const sub = (name: string, what: string): Command =>
    keyslot.command(name).description(what).requiredOption('--dir <folder>', "the node's folder")
  const present = (command: Command): Command =>
    command.option('--second-secret <file>', 'second secret of the slot that the present password opens')
  sub('list', 'slots, their kind and what a guess costs').option('--json', 'one JSON object').action(list)
  present(sub('add', 'add a password; asks for a present one, then for the new one'))
    .option('--kind <kind>', kinds.join(', '), 'recovery')
    .option('--kdf <cost>', 'cost of a guess: standard (256 MiB) or floor (64 MiB)', 'standard')
    .option(
      '--with <file>',
      'the new slot also needs this file, kept outside the machine (32 bytes or more)',
    )
    .action(add)
  present(sub('change', 'replace the password that is given first by the second one')).action(change)
  present(sub('rotate', 'seal from the next unlock on under a fresh key; every slot stays')).action(rotate)
  present(
    sub('drop-former', 'of a stopped node, after re-sealing: forget the keys from before `rotate`'),
  ).action(dropFormer)
  present(sub('platform', "make a secret for the machine's own keeping: it opens the store at each start"))
    .requiredOption(
      '--out <file>',
      'where to write the 32 secret bytes, for systemd-creds or a TPM to seal',
    )
    .action(platform)
  sub(
    'peers',
    'split a machine secret among the validators: the node, running now, comes back while f + 1 run',
  ).action(peers)
  present(sub('remove', 'remove a slot by its number; asks for any present password'))
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

async function add(options: KeyslotChoice & { kind: string; kdf: string; with?: string }): Promise<void> {
  const path = keyslotsOf(options.dir)
  const kind = kinds.find((known) => known === options.kind)
  if (!kind) usage(`--kind must be one of ${kinds.join(', ')}`)
  if (options.kdf !== 'standard' && options.kdf !== 'floor') usage('--kdf must be standard or floor')
  const present = await readPassword('A present password of this store')
  const added = await readNewPassword(`New ${kind} password`)
  const cost = options.kdf === 'floor' ? floorKdfCost : defaultKdfCost
  const secondSecret = options.with === undefined ? undefined : readSecret(options.with)
  const slot = { kind, cost, secondSecret, open: openOf(options) }
  const id = await forgetting([present, added], () => addKeyslot(path, present, added, slot))
  process.stdout.write(`slot ${id} (${kind}) was added. Every present password goes on to work.\n`)
  if (options.with !== undefined)
    process.stdout.write(
      `This password opens nothing without ${options.with}: keep that file, and a copy, outside this machine.\n` +
        '`ward node`, `ward keyslot` and `ward wipe` take it with --second-secret <file>; the others need another password.\n',
    )
}

async function change(options: KeyslotChoice): Promise<void> {
  const path = keyslotsOf(options.dir)
  const present = await readPassword('The password to replace')
  const changed = await readNewPassword('The new password')
  await forgetting([present, changed], () => changeKeyslot(path, present, changed, openOf(options)))
  process.stdout.write(`the password was changed; other slots are as they were. ${oldCopies}\n`)
}

async function remove(slot: string, options: KeyslotChoice): Promise<void> {
  const path = keyslotsOf(options.dir)
  const id = /^\d{1,3}$/.test(slot) ? Number(slot) : usage(`${slot} is not the number of a slot`)
  if (!listKeyslots(path).slots.some((known) => known.id === id)) {
    throw new ApplianceError('SLOT_UNKNOWN', slot)
  }
  const present = await readPassword('A present password of this store')
  await forgetting([present], () => removeKeyslot(path, present, id, openOf(options)))
  process.stdout.write(`slot ${id} was removed. ${oldCopies}\n`)
}

async function dropFormer(options: KeyslotChoice): Promise<void> {
  const path = keyslotsOf(options.dir)
  const { chain, votes } = nodeFiles(options.dir)
  // Says how to stop a node that runs, before a password is asked for.
  holdNode(options.dir).release()
  const present = await readPassword('A present password of this store')
  const dropped = await forgetting([present], () =>
    dropFormerEpochs(path, present, { ...openOf(options), chain, votes }),
  )
  const words =
    dropped.length === 0
      ? 'there is no former key. Nothing was changed.'
      : `keys of epoch ${dropped.join(', ')} are forgotten; every slot goes on to work. ` +
        'A backup from before re-sealing opens only with a copy of the keyslot file of that time.'
  process.stdout.write(`${words}\n`)
}

async function rotate(options: KeyslotChoice): Promise<void> {
  const path = keyslotsOf(options.dir)
  const present = await readPassword('A present password of this store')
  const key = await forgetting([present], () => rotateDataKey(path, present, openOf(options)))
  const { epoch } = key
  key.close()
  process.stdout.write(
    `key epoch ${epoch} begins at the next unlock; every slot goes on to work. Older records are ` +
      'sealed anew while the node runs (`ward status`); then `ward keyslot drop-former` forgets the former key.\n',
  )
}

async function platform(options: KeyslotChoice & { out: string }): Promise<void> {
  const path = keyslotsOf(options.dir)
  if (existsSync(options.out))
    throw new CommandError('FILE_EXISTS', `${options.out} exists. Nothing was changed.`)
  const present = await readPassword('A present password of this store')
  const secret = randomBytes(32)
  await forgetting([present, secret], async () => {
    // On disk before the slot is replaced: a full disk must not leave a slot whose secret nobody has.
    createFile(options.out, secret)
    try {
      await putUnattendedSlot(path, present, 'platform', secret, openOf(options))
    } catch (error) {
      overwriteAndUnlink(options.out)
      throw error
    }
  })
  process.stdout.write(
    `the store opens with the secret in ${options.out}. Seal it to this machine and destroy the file:\n` +
      `  systemd-creds encrypt --name=ward-unlock ${options.out} /etc/credstore.encrypted/ward-unlock && shred -u ${options.out}\n` +
      'then `ward service install --credential`. An earlier platform secret opens nothing any more.\n',
  )
}

async function peers(options: KeyslotChoice): Promise<void> {
  const client = connect({ dir: options.dir })
  const present = await readPassword('A present password of this store')
  const dealt = await forgetting([present], async () => must(await client.dealShares(present)))
  const { generation, threshold } = dealt
  process.stdout.write(
    `deal ${generation}: ${threshold} of ${dealt.peers.join(', ')} open this store together. Every share that is ` +
      'given is recorded on the chain; an administrator can refuse it (ward/appliance setRelease).\n',
  )
}

const openOf = ({ secondSecret }: KeyslotChoice): { secondSecret?: Uint8Array } =>
  secondSecret === undefined ? {} : { secondSecret: readSecret(secondSecret) }

export function readSecret(file: string): Uint8Array {
  const bytes = existsSync(file) ? readFileSync(file) : usage(`there is no file ${file}`)
  return bytes.length >= 32 ? bytes : usage(`${file} is shorter than 32 bytes: anyone could guess it`)
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
