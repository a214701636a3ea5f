// What every command that signs for rules needs: a session, one password for sign-in and signature, the
// version that was meant, a question before anything is signed, and an end that a script can read.
import { contractRefusal } from '../../host/api/contract-refusals.js'
import type { ApiClient } from '../../host/api/client.js'
import type {
  AliasView,
  Outcome,
  Proposal,
  ReceiptView,
  VersionsView,
  VersionView,
} from '../../host/api/node-port.js'
import { ask } from './ask.js'
import { CommandError } from './command-error.js'
import { connect, findPerson, must, type NodeChoice } from './connect.js'
import { readPassword } from './password.js'
import { visibleText } from './visible-text.js'

export interface SigningOptions extends NodeChoice {
  as: string
  yes?: boolean
  json?: boolean
}

export interface Signer {
  client: ApiClient
  label: string
  /** Signs, waits until final, and refuses anything but success of the call and of all that it caused. */
  sign: (proposal: Proposal) => Promise<ReceiptView>
}

/** Signs in, works, signs out; the password lives no longer than that. */
export async function withSigner(
  options: SigningOptions,
  work: (signer: Signer) => Promise<void>,
): Promise<void> {
  const client = connect(options)
  const person = await findPerson(client, options.as)
  const password = await readPassword(`Second password of ${visibleText(person.label)}`)
  try {
    must(await client.signIn(person.entity, password))
    const sign = async (proposal: Proposal): Promise<ReceiptView> => {
      const prepared = must(await client.prepare(proposal))
      const outcome = await client.sign(prepared.id, prepared.passwordNeeded ? password : undefined)
      return succeeded(outcome, proposal)
    }
    await work({ client, label: visibleText(person.label), sign })
  } finally {
    password.fill(0)
    await client.signOut().catch(() => undefined)
  }
}

/** The call itself may succeed and what it caused at the block's end fail: a migration that traps. */
export function succeeded(outcome: Outcome<ReceiptView>, proposal: Proposal): ReceiptView {
  if (!outcome.ok && outcome.code === 'CONTRACT_ABORTED' && proposal.type === 'call') {
    const { target, method } = proposal
    throw new CommandError(outcome.code, contractRefusal(`${target}.${method}`, outcome.detail ?? ''))
  }
  const receipt = must(outcome)
  const failed = [receipt, ...(receipt.derived ?? [])].find(({ code }) => code !== 'OK')
  if (failed === undefined) return receipt
  const detail = failed.detail === '' ? '' : ` (${visibleText(failed.detail)})`
  throw new CommandError(failed.code, `${failed.sentence}${detail} Block ${receipt.height}.`)
}

/** Asks unless `--yes`; anything but yes changes nothing. */
export async function confirm(question: string, options: { yes?: boolean }): Promise<void> {
  if (options.yes === true) return
  const answer = await ask(`${question} Type yes`)
  if (answer.trim().toLowerCase() !== 'yes') {
    throw new CommandError('CANCELLED', 'Not confirmed. Nothing was signed.')
  }
}

export interface Chosen {
  alias: AliasView
  version: VersionView
}

/**
 * A version by `vendor/name@version` or by the beginning of its address (8 digits and more). An alias may
 * have two deployments of one version text: then only the address tells them apart.
 */
export function chooseVersion({ aliases }: VersionsView, text: string): Chosen {
  const all = aliases.flatMap((alias) => alias.versions.map((version) => ({ alias, version })))
  const [name, number] = text.split('@')
  const matches = all.filter(({ alias, version }) =>
    number === undefined
      ? /^[0-9a-f]{8,64}$/.test(text) && version.address.startsWith(text)
      : alias.alias === name && version.version === number,
  )
  if (matches.length === 1) return matches[0]
  const known = all.filter(({ alias }) => matches.length > 1 || alias.alias === name)
  const list = (matches.length > 1 ? matches : known).map(describeChoice).join('; ')
  if (matches.length > 1) {
    throw new CommandError(
      'VERSION_AMBIGUOUS',
      `${text} names ${matches.length} versions: ${list}. Give the address.`,
    )
  }
  const hint = list === '' ? 'See `ward rule versions`.' : `Deployed: ${list}.`
  throw new CommandError('VERSION_UNKNOWN', `No deployed version is called ${text}. ${hint}`)
}

const describeChoice = ({ alias, version }: Chosen): string =>
  `${alias.alias}@${version.version} ${version.address.slice(0, 16)}`
