// `ward tx held` and `ward tx release`: what a node keeps out of its proposals since its executor died, and
// how an administrator lets it go.
import type { Command } from 'commander'
import type { HeldBlockView, ReleaseRequest } from '../../host/api/held-port.js'
import { errorTable } from '../../runtime/protocol/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, must, signIn, type NodeChoice } from './connect.js'
import { visibleText } from './visible-text.js'

interface ReleaseOptions extends NodeChoice {
  as: string
  reason: string
  all?: boolean
  others?: boolean
  json?: boolean
}

const help = `
A node whose executor died in a block keeps the transactions of that block out of its own proposals (so does
one that saw a block's result split). It takes part in blocks of other leaders that hold them. They are let go
when they are final, when they expire while they wait or are brought again later, or by an administrator (what
nobody brings again stays in the list, and harms nothing), here:
  ward tx held --dir ./ward-1
  ward tx release --others --dir ./ward-1 --as "Test admin" --reason "only the rule's reading is bad"
  ward tx release 5f0c... --dir ./ward-1 --as "Test admin" --reason "acme/rule was rolled back"
Roll the rule back first (\`ward rule rollback\`), or what is let go ends the executor again.
Each node has a list of its own: look at every validator.`

export function addHeldCommands(tx: Command): void {
  withNode(tx.command('held').description('transactions that this node does not propose, and why'))
    .option('--json', 'one JSON object')
    .addHelpText('after', help)
    .action(async (options: NodeChoice & { json?: boolean }) => {
      const held = must(await connect(options).held())
      process.stdout.write(options.json ? `${JSON.stringify({ held })}\n` : heldText(held))
    })
  withNode(tx.command('release').description('let this node propose them again; administrators only'))
    .argument('[id...]', 'ids of transactions or bundles, or how they begin (8 hex digits and more)')
    .option('--all', 'everything that is held back here')
    .option('--others', 'all but the one that ran when the executor died, where that is known')
    .requiredOption('--as <label>', 'administrator to sign in as; the second password is asked')
    .requiredOption('--reason <text>', 'for the log, up to 200 letters')
    .option('--json', 'one JSON object')
    .addHelpText('after', help)
    .action(runRelease)
}

const withNode = (command: Command): Command =>
  command.option('--dir <folder>', "the node's folder").option('--api <url>', 'address of its local API')

async function runRelease(ids: string[], options: ReleaseOptions): Promise<void> {
  const { all = false, others = false, reason } = options
  if (Number(all) + Number(others) + Number(ids.length > 0) !== 1)
    throw new CommandError('USAGE', 'say which: ids, --others or --all', exitStatus.usage)
  const client = connect(options)
  const which = all ? 'all' : others ? 'others' : 'named'
  const request: ReleaseRequest = { which, reason }
  if (which === 'named') request.ids = wholeIds(ids, must(await client.held()))
  await signIn(client, options.as)
  try {
    const released = must(await client.release(request))
    if (options.json) return void process.stdout.write(`${JSON.stringify(released)}\n`)
    process.stdout.write(
      `${released.released} let go: this node may propose them again; ${released.left} held back\n`,
    )
    if (!released.saved) process.stdout.write(`${errorTable.HELD_NOT_SAVED.sentence}  [HELD_NOT_SAVED]\n`)
  } finally {
    await client.signOut()
  }
}

/** Each beginning names one transaction, or one bundle, and no more. */
function wholeIds(beginnings: readonly string[], held: readonly HeldBlockView[]): string[] {
  const known = held.flatMap(({ transactions }) =>
    transactions.flatMap(({ bundle, transaction }) => [bundle, transaction].filter((id) => id !== '')),
  )
  return beginnings.map((beginning) => {
    const wanted = beginning.toLowerCase()
    if (!/^[0-9a-f]{8,64}$/.test(wanted))
      throw new CommandError('USAGE', `"${visibleText(beginning)}" is not an id`, exitStatus.usage)
    const found = known.filter((id) => id.startsWith(wanted))
    if (found.length === 1) return found[0]
    const { sentence } = errorTable.HELD_UNKNOWN
    throw new CommandError('HELD_UNKNOWN', `${sentence} (${wanted} names ${found.length})`)
  })
}

const reasons: Record<HeldBlockView['reason'], string> = {
  EXECUTOR_DIED: 'the executor died while it ran them',
  UNFINISHED_TWICE: 'two starts in a row found this block unfinished',
  RESULT_SPLIT: 'validators computed different results for their block',
}

export function heldText(held: readonly HeldBlockView[]): string {
  if (held.length === 0) return 'nothing is held back here\n'
  const lines = held.flatMap(({ since, reason, height, running, transactions }) => [
    `${new Date(since).toISOString()}, height ${height === 0 ? 'unknown' : height}: ${reasons[reason]}`,
    ...(running === null
      ? []
      : [`  ran: ${visibleText(`${running.contract}.${running.method}`)} (${running.address})`]),
    ...transactions.map(
      ({ bundle, transaction, ran }) =>
        `  ${transaction === '' ? `bundle ${bundle}, not seen again` : transaction}${ran ? '  <- this one ran' : ''}`,
    ),
  ])
  return `${lines.join('\n')}\n`
}
