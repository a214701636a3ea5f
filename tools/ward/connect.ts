// How commands find a node and sign in there.
import { readNodeConfig } from '../../host/node/node-config.js'
import { createApiClient, type ApiClient } from '../../host/api/client.js'
import type { Outcome, PersonView } from '../../host/api/node-port.js'
import { errorTable } from '../../runtime/protocol/index.js'
import { CommandError } from './command-error.js'
import { readPassword } from './password.js'
import { visibleText } from './visible-text.js'

export interface NodeChoice {
  dir?: string
  api?: string
}

/** `--api` URL, or the port in `--dir`'s node.json, or the default port. */
export function connect(choice: NodeChoice): ApiClient {
  if (choice.api !== undefined) return createApiClient(choice.api)
  const port = choice.dir === undefined ? 7300 : readNodeConfig(choice.dir).apiPort
  return createApiClient(`http://localhost:${port}`)
}

/** Signs in as the person whose label is, or starts with, the given text. */
export async function signIn(client: ApiClient, label: string): Promise<void> {
  const person = await findPerson(client, label)
  const password = await readPassword(`Second password of ${visibleText(person.label)}`)
  must(await client.signIn(person.entity, password))
  password.fill(0)
}

/** The person whose label is the given text, or the only one whose label starts with it. */
export async function findPerson(client: ApiClient, label: string): Promise<PersonView> {
  const people = must(await client.people())
  const wanted = label.toLowerCase()
  const exact = people.filter((person) => person.label.toLowerCase() === wanted)
  const matches =
    exact.length > 0 ? exact : people.filter((person) => person.label.toLowerCase().startsWith(wanted))
  if (matches.length !== 1) {
    const known = people.map((person) => visibleText(person.label)).join('; ')
    throw new CommandError('PERSON_UNKNOWN', `"${label}" names ${matches.length} persons. Known: ${known}`)
  }
  return matches[0]
}

/** The value, or the node's own code and sentence as a command's failure. */
export function must<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  const detail =
    outcome.detail === undefined || outcome.detail === '' ? '' : ` (${visibleText(outcome.detail)})`
  throw new CommandError(outcome.code, `${errorTable[outcome.code].sentence}${detail}`)
}
