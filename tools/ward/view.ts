// `ward view`: asks a view of any version that was ever deployed, and says how old the answer is.
import type { Command } from 'commander'
import type { Json, Pinned, ViewView } from '../../host/api/node-port.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, must, signIn, type NodeChoice } from './connect.js'
import { timeText } from './rule-versions.js'
import { chooseVersion } from './rule-signing.js'
import { visibleText } from './visible-text.js'

const example = `
An alias asks its active version; alias@version or an address asks that very version, for ever. A former layout answers
from tables that nobody writes any more: the answer says since which block and time. You see it only if you may read all
that the view looked at. \`ward rule versions <alias> --json\` lists methods and layouts.

Examples:
  ward view ward/deterioration score '{"patient":"5f0c…"}' --as nurse
  ward view example/tally@1.0.0 count '{"patient":"5f0c…"}' --as nurse`

interface ViewOptions extends NodeChoice {
  as: string
  json?: boolean
}

export function addViewCommand(program: Command): void {
  program
    .command('view')
    .description('ask a view of a contract: its active version, or any former one')
    .argument('<target>', 'alias, alias@version, or the beginning of an address')
    .argument('<method>', 'name of the view')
    .argument('[args]', 'JSON by its input schema', '{}')
    .option('--dir <folder>', "the node's folder")
    .option('--api <url>', 'address of its local API')
    .requiredOption('--as <label>', 'person to sign in as; the second password is asked')
    .option('--json', 'one JSON object')
    .addHelpText('after', example)
    .action(runView)
}

async function runView(name: string, method: string, text: string, options: ViewOptions): Promise<void> {
  const args = argumentsOf(text)
  const client = connect(options)
  const isWhole = /^[a-z0-9-]+\/[a-z0-9-]+$/.test(name)
  const target = isWhole ? name : chooseVersion(must(await client.versions()), name).version.address
  await signIn(client, options.as)
  try {
    const answer = must(await client.view({ target, method, args }))
    process.stdout.write(options.json ? `${JSON.stringify(answer)}\n` : viewText(answer))
  } finally {
    await client.signOut().catch(() => undefined)
  }
}

function argumentsOf(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new CommandError(
      'INPUT_MALFORMED',
      `${visibleText(text)} is no JSON. Nothing was asked. See \`ward view --help\`.`,
      exitStatus.usage,
    )
  }
}

export function viewText(answer: Pinned & ViewView): string {
  const { alias, version, address, active, method, returned, height, blockTime } = answer
  const name = `${alias}@${version}`
  const standing = active ? 'the active version' : 'not the active version'
  const lines = [
    visibleText(JSON.stringify(returned)),
    `${method} of ${name} ${address.slice(0, 16)} (${standing}), asked at block ${height}, ${timeText(blockTime)}`,
    ...ageLines(answer),
  ]
  return `${lines.join('\n')}\n`
}

function ageLines({ address, frozenSince, frozen }: ViewView): string[] {
  if (frozenSince === null) return ['All tables that it rests on are written to this day.']
  return frozen.map((entry) => {
    const who = `${entry.alias}@${entry.version}${entry.address === address ? '' : ', which it asked,'}`
    return (
      `NOT CURRENT: ${who} answered from tables that are no longer written since block ${entry.height} ` +
      `(${timeText(entry.time)}), when a newer layout took over. What came later is not in this answer.`
    )
  })
}
