// `ward rule deploy`, `approve`, `withdraw`: the vendor's signature and the hospital's, by two persons.
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { NodeStatus, Outcome, ReceiptView } from '../../host/api/node-port.js'
import { bytesToHex, hexToBytes, type GenesisContract } from '../../runtime/protocol/index.js'
import { CommandError } from './command-error.js'
import { must } from './connect.js'
import { approveCall, newVersion, withdrawCall } from './governance-calls.js'
import { chooseVersion, confirm, withSigner, type SigningOptions } from './rule-signing.js'
import { reviewText } from './rule-versions.js'
import { readContract } from './system-contracts.js'

const deployExample = `
The signer must be enrolled as a vendor; signing is the vendor's word for this very code. Nothing runs yet: a person of
the hospital approves it, then someone activates it. The address follows from manifest and code and never changes.

Examples:
  ward rule deploy ward/sepsis-screen --as vendor             as built in dist/contracts
  ward rule deploy --manifest rule.manifest.cbor --code rule.wasm --as vendor`

const approveExample = `
Two persons: the approver is a person of the hospital and never the vendor who deployed. Shown before signing: what the
version is for, what it reads and writes that the active one does not, and who calls it.

Example:
  ward rule approve ward/sepsis-screen@1.1.0 --as administrator`

const withdrawExample = `
Nothing switches to the version any more, a roll-back neither; where it is active it goes on.

Example:
  ward rule withdraw ward/sepsis-screen@1.0.0 --as administrator`

export const signingOptions = (command: Command): Command =>
  command
    .requiredOption('--as <person>', 'who signs: the label, or its beginning')
    .option('--dir <folder>', "the node's folder")
    .option('--api <url>', 'address of its local API')
    .option('--yes', 'do not ask before signing')
    .option('--json', 'one JSON object')

export function addShipCommands(rule: Command): void {
  signingOptions(rule.command('deploy'))
    .description('put a version on the chain, signed by its vendor; nothing runs yet')
    .argument('[alias]', 'a contract of this installation, e.g. ward/sepsis-screen')
    .option('--manifest <file>', 'encoded manifest (.cbor), instead of an alias')
    .option('--code <file>', 'module (.wasm) or page (.html) that it belongs to')
    .addHelpText('after', deployExample)
    .action(runDeploy)
  signingOptions(rule.command('approve'))
    .description('the hospital approves a deployed version; by another person than its vendor')
    .argument('<version>', 'alias@version, or the beginning of its address')
    .addHelpText('after', approveExample)
    .action(runApprove)
  signingOptions(rule.command('withdraw'))
    .description('take an approval back')
    .argument('<version>', 'alias@version, or the beginning of its address')
    .addHelpText('after', withdrawExample)
    .action(runWithdraw)
}

type DeployOptions = SigningOptions & { manifest?: string; code?: string }

async function runDeploy(alias: string | undefined, options: DeployOptions): Promise<void> {
  const contract = contractOf(alias, options)
  await withSigner(options, async ({ client, label, sign }) => {
    const status = must((await client.status()) as Outcome<NodeStatus>)
    const { manifest, address, deploy } = newVersion(
      contract,
      hexToBytes(status.chainId) ?? new Uint8Array(32),
    )
    const name = `${manifest.alias}@${manifest.version}`
    const bytes = contract.manifest.length + contract.code.length
    if (!options.json)
      process.stdout.write(`${name}: ${manifest.title}, ${bytes} bytes\n  ${bytesToHex(address)}\n`)
    await confirm(`Deploy ${name} as ${label}?`, options)
    const receipt = await sign(deploy)
    say(
      options,
      receipt,
      { address: bytesToHex(address), alias: manifest.alias, version: manifest.version },
      [
        `deployed in block ${receipt.height}, ${receipt.fuelUsed} fuel. Nothing runs yet.`,
        `next: another person approves it: ward rule approve ${name} --as <person>`,
      ],
    )
  })
}

function contractOf(alias: string | undefined, { manifest, code }: DeployOptions): GenesisContract {
  if (manifest !== undefined && code !== undefined && alias === undefined) {
    return { manifest: readBytes(manifest), code: readBytes(code) }
  }
  if (alias === undefined || manifest !== undefined || code !== undefined) {
    throw new CommandError('USAGE', 'Give an alias, or both --manifest and --code.', 2)
  }
  if (!/^[a-z0-9-]+\/[a-z0-9-]+$/.test(alias)) {
    throw new CommandError(
      'USAGE',
      `${alias}: an alias is vendor/name. Files go behind --manifest and --code.`,
      2,
    )
  }
  return readContract(alias.replace('/', '-'))
}

function readBytes(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const words = { ENOENT: 'there is no such file', EISDIR: 'that is a folder' }[code ?? '']
    throw new CommandError(
      'INPUT_MISSING',
      `${file}: ${words ?? 'it cannot be read'}. Nothing was deployed.`,
    )
  }
}

async function runApprove(text: string, options: SigningOptions): Promise<void> {
  await withSigner(options, async ({ client, label, sign }) => {
    const { alias, version } = chooseVersion(must(await client.versions()), text)
    if (!options.json) process.stdout.write(reviewText(alias, version))
    await confirm(`Approve ${alias.alias}@${version.version} as ${label}?`, options)
    const receipt = await sign(approveCall(version.address))
    say(options, receipt, { address: version.address }, [
      `approved in block ${receipt.height}. Nothing runs yet.`,
      `next: ward rule activate ${alias.alias}@${version.version} --as <person>`,
    ])
  })
}

async function runWithdraw(text: string, options: SigningOptions): Promise<void> {
  await withSigner(options, async ({ client, label, sign }) => {
    const { alias, version } = chooseVersion(must(await client.versions()), text)
    await confirm(`Withdraw the approval of ${alias.alias}@${version.version} as ${label}?`, options)
    const receipt = await sign(withdrawCall(version.address))
    const active = version.active ? ' It is active and goes on; activate another version to stop it.' : ''
    say(options, receipt, { address: version.address }, [
      `approval withdrawn in block ${receipt.height}.${active}`,
    ])
  })
}

/** One JSON object, or lines; the transaction's id is what `ward tx show` and `ward replay` want. */
export function say(
  options: { json?: boolean },
  { transactionId, height }: ReceiptView,
  json: object,
  lines: string[],
): void {
  const whole = { ...json, height, transaction: transactionId }
  const text = [...lines, `transaction ${transactionId}`].join('\n')
  process.stdout.write(`${options.json ? JSON.stringify(whole) : text}\n`)
}
