// `ward wipe` and `ward certificate`: the end of a node on this machine, and the paper that proves it.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { ApplianceError } from '../../host/appliance/appliance-error.js'
import {
  checkCertificate,
  decodeCertificateFile,
  keysFate,
  methodReason,
  notStated,
  statementNames,
  statementsOf,
  type CertificateFile,
  type CertificateStatements,
  type SanitisationCertificate,
} from '../../host/appliance/sanitisation-certificate.js'
import { holdNode } from '../../host/appliance/node-hold.js'
import { readCertificate } from '../../host/appliance/wipe-papers.js'
import { wipeNode } from '../../host/appliance/wipe.js'
import { readCard } from '../../host/founding/cards.js'
import { nodeFiles, readNodeConfig } from '../../host/node/node-config.js'
import { ask } from './ask.js'
import { CommandError, exitStatus } from './command-error.js'
import { readSecret } from './keyslot.js'
import { readPassword } from './password.js'
import { createProgress } from './progress.js'
import { visibleText } from './visible-text.js'

interface WipeChoice {
  dir: string
  certificate?: string
  keyslotCopy: string[]
  otherCopy: string[]
  /** False with --no-copy-left. */
  copyLeft: boolean
  person: string[]
  place: string
  asset?: string
  source?: string
  destination?: string
  contact?: string
  verifier?: string
  verifierContact?: string
  secondSecret?: string
  unsigned?: boolean
  json?: boolean
}

const collect = (value: string, before: string[]): string[] => [...before, value]

export function addWipeCommands(program: Command): void {
  program
    .command('wipe')
    .description('destroy a node on this machine: keys first, then all files; cannot be undone')
    .requiredOption('--dir <folder>', "the node's folder; the node must be stopped")
    .option(
      '--certificate <file>',
      'where the certificate of sanitisation goes (default: beside the folder)',
    )
    .option('--keyslot-copy <file>', 'a copy of the keyslot file, destroyed as well (repeat)', collect, [])
    .option('--other-copy <where>', 'a copy that you know of and cannot reach now (repeat)', collect, [])
    .option('--no-copy-left', 'you state that no other copy of the keyslot file exists anywhere')
    .option('--person <role=name>', 'who does this, e.g. operator=R. Meyer (repeat)', collect, [])
    .option('--place <text>', 'where, for the certificate', '')
    .option('--asset <number>', "the organisation's own number of this medium or machine")
    .option('--source <text>', 'where the medium comes from: machine or person')
    .option('--destination <text>', 'where the medium goes from here')
    .option('--contact <text>', 'telephone or address of whoever does this')
    .option('--verifier <name>', 'who checks the wipe, if it is somebody else')
    .option('--verifier-contact <text>', 'telephone or address of the verifier')
    .option('--second-secret <file>', 'second secret of the slot that the password opens')
    .option('--unsigned', 'do not ask for the store password; the certificate will be unsigned')
    .option('--json', 'print the certificate')
    .addHelpText(
      'after',
      '\nAsks for a phrase, then for the store password (to sign the certificate). A wipe that was cut off leaves\n' +
        'nothing that opens; run the same command again to go on.',
    )
    .action(runWipe)
  program
    .command('certificate')
    .description('check a certificate of sanitisation')
    .argument('<file>', 'the certificate')
    .option('--card <file>', "the node's card: its key must have signed")
    .action(runCheck)
}

async function runWipe(options: WipeChoice): Promise<void> {
  const folder = path.resolve(options.dir)
  const certificatePath = path.resolve(options.certificate ?? `${folder}.sanitisation.json`)
  if (!path.relative(folder, certificatePath).startsWith('..')) {
    usage('--certificate must lie outside the folder that is wiped')
  }
  if (!options.copyLeft && options.otherCopy.length > 0)
    usage('--no-copy-left and --other-copy exclude each other')
  if (!existsSync(folder)) assertBegun(folder, certificatePath)
  // Before a phrase and a password are asked for.
  else holdNode(folder, { forWipe: true }).release()
  const second = options.secondSecret === undefined ? undefined : readSecret(options.secondSecret)
  const name = nameOf(folder, certificatePath)
  await confirm(name, folder)
  const password = options.unsigned ? undefined : await passwordFor(folder)
  const progress = createProgress()
  let unwritten: Error | undefined
  const noted = options.otherCopy.length > 0 ? options.otherCopy : undefined
  try {
    const file = await wipeNode({
      folder,
      certificatePath,
      password,
      secondSecret: second,
      keyslotCopies: options.keyslotCopy.map((copy) => path.resolve(copy)),
      otherCopies: options.copyLeft ? noted : 'none',
      persons: options.person.map(parsePerson),
      place: options.place,
      stated: options,
      version: ownVersion(),
      onUnwritten: (only, error) => {
        process.stdout.write(`${JSON.stringify(only)}\n`)
        unwritten = error
      },
      onProgress: (label, done, total) => progress.show(label, done, total),
    })
    progress.end()
    if (unwritten) throw new ApplianceError('CERTIFICATE_UNWRITTEN', unwritten.message, unwritten)
    process.stdout.write(options.json ? `${JSON.stringify(file)}\n` : describe(file, certificatePath))
    const { findings } = file.certificate.verification
    if (findings.length > 0) throw new ApplianceError('WIPE_INCOMPLETE', findings.join('; '))
  } finally {
    password?.fill(0)
    second?.fill(0)
  }
}

/** Nothing is there: a wipe that was begun may still have its papers to end. */
function assertBegun(folder: string, certificatePath: string): void {
  const certificate = readCertificate(certificatePath)?.certificate
  if (certificate?.state === 'begun') return
  const wiped = certificate ? `; ${certificatePath}: it was wiped, ended ${certificate.endedAt ?? ''}` : ''
  throw new ApplianceError('NODE_ABSENT', `${folder}${wiped}`)
}

async function confirm(name: string, folder: string): Promise<void> {
  const phrase = `wipe ${name}`
  process.stderr.write(`Everything in ${folder} will be destroyed and cannot be brought back.\n`)
  const typed = await ask(`Type "${phrase}" to go on`)
  if (typed.trim() !== phrase) throw new ApplianceError('PHRASE_WRONG', `"${phrase}" was asked for`)
}

/** After an interruption the keyslots are gone and there is nothing to sign with. */
async function passwordFor(folder: string): Promise<Uint8Array | undefined> {
  if (!existsSync(nodeFiles(folder).keyslots)) return undefined
  return readPassword('Store password, to sign the certificate (or start again with --unsigned)')
}

/**
 * The node's name; of a wipe that was cut off, as its certificate says; of a damaged folder, the
 * folder's.
 */
function nameOf(folder: string, certificatePath: string): string {
  try {
    return readNodeConfig(folder).name
  } catch {
    const begun = existsSync(certificatePath)
      ? decodeCertificateFile(readFileSync(certificatePath, 'utf8')).certificate.node.name
      : ''
    return begun === '' ? path.basename(folder) : begun
  }
}

function parsePerson(text: string): { role: string; name: string } {
  const match = /^([^=]{1,40})=(.{1,100})$/.exec(text)
  if (!match) usage(`--person ${text}: role=name expected`)
  return { role: match[1], name: match[2] }
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function describe(file: CertificateFile, certificatePath: string): string {
  const { certificate, signatures, begun } = file
  const unsigned = begun
    ? 'UNSIGNED: the key that signs is gone since the first run, whose signed beginning it holds'
    : 'UNSIGNED'
  const { keys, files, verification } = certificate
  const lines = [
    `keys: ${keysFate(certificate)}`,
    `files: ${files.filter((file) => file.outcome !== 'failed').length} of ${files.length} destroyed`,
    `verification: ${verification.result}`,
    ...describeMethod(certificate),
    `certificate: ${certificatePath}, ${signatures.length > 0 ? 'signed by the node' : unsigned}`,
  ]
  if (keys.copiesStatement === 'outstanding') {
    lines.push(
      `NOT complete: copies of the keyslot file are outstanding: ${keys.copiesOutstanding.join('; ')}`,
    )
  } else if (keys.copiesStatement === 'not stated') {
    lines.push(
      'NOT called complete: nobody stated that no copy of the keyslot file exists (--no-copy-left)',
    )
  } else lines.push(`result: ${certificate.result}`)
  return `${lines.join('\n')}\n`
}

/** Method, medium and what people said of it, in one order on both screens. */
function describeMethod(certificate: SanitisationCertificate): string[] {
  const { method, medium } = certificate
  const reason = methodReason(certificate)
  const stated = statementsOf(certificate.stated)
  const missing = statementNames.filter((name) => stated[name] === notStated)
  const lines = [
    `method: ${method} (NIST SP 800-88 Rev 2)${reason === '' ? '' : `; ${reason}`}`,
    `medium: ${[medium.make, medium.model, medium.serial].join(', ')} (${medium.type}, ${medium.device})`,
  ]
  for (const name of statementNames)
    if (stated[name] !== notStated) lines.push(`${statementWords[name]}: ${visibleText(stated[name])}`)
  if (missing.length > 0)
    lines.push(
      `not stated, to be written by hand: ${missing.map((name) => statementWords[name]).join(', ')}`,
    )
  return lines
}

const statementWords: CertificateStatements = {
  asset: 'asset number',
  source: 'source',
  destination: 'destination',
  contact: 'contact',
  verifier: 'verifier',
  verifierContact: "verifier's contact",
}

function runCheck(file: string, options: { card?: string }): void {
  const certificate = decodeCertificateFile(readFileSync(file, 'utf8'))
  const card = options.card === undefined ? undefined : readCard(options.card)
  const isSigned = checkCertificate(certificate, card?.type === 'node' ? card.voteKey : undefined)
  const { state, result, node } = certificate.certificate
  const words = isSigned ? `signed by ${node.name} (key ${node.voteKey.slice(0, 16)})` : 'UNSIGNED'
  const stands = state === 'ended' ? `ended, ${result}` : 'begun, NOT ended'
  process.stdout.write(`certificate ${certificate.certificate.id}: ${stands}, ${words}\n`)
  if (state === 'begun')
    process.stdout.write('its wipe was cut off: give the same `ward wipe` command again, and it goes on\n')
  if (state === 'ended') process.stdout.write(`${describeMethod(certificate.certificate).join('\n')}\n`)
  if (!isSigned && certificate.begun) process.stdout.write('its beginning is signed; the end is not\n')
  if (!isSigned && card) throw new ApplianceError('CERTIFICATE_INVALID', 'it is not signed')
}

function usage(message: string): never {
  throw new CommandError('USAGE', message, exitStatus.usage)
}
