// `ward tx show` and `ward replay`: what a past transaction was and did, from running it again on the state
// before its block.
import type { Command } from 'commander'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Json, Outcome, ReplayView, ReceiptView, SignedView } from '../../host/api/node-port.js'
import { ExecutorClient } from '../../host/executor/executor-client.js'
import { ReaderClient } from '../../host/executor/reader-client.js'
import { replayFor } from '../../host/node/node-replay.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { openKeyslot } from '../../host/store/index.js'
import { errorTable } from '../../runtime/protocol/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, must, signIn, type NodeChoice } from './connect.js'
import { addHeldCommands } from './held.js'
import { readPassword } from './password.js'
import { stepLines } from './trace-text.js'
import { visibleText } from './visible-text.js'

interface TransactionOptions extends NodeChoice {
  as?: string
  offline?: boolean
  json?: boolean
}

export function addTransactionCommands(program: Command): void {
  const tx = program.command('tx').description('transactions')
  addHeldCommands(tx)
  const common = (command: Command, notes: string): Command =>
    command
      .argument(
        '<txid>',
        'id of a signed transaction, a rule run or a timer run, or of a record that it wrote: 64 hex digits',
      )
      .option('--dir <folder>', "the node's folder")
      .option('--api <url>', 'address of its local API')
      .option('--as <label>', 'person to sign in as; the second password is asked')
      .option('--offline', 'open the store of a stopped node instead; its store password is asked')
      .option('--json', 'one JSON object')
      .addHelpText('after', `\n${notes}`)
  common(
    tx.command('show').description('a transaction, its receipt and the frames it ran'),
    `Values of patients are shown, so the person needs a grant for every patient and kind of record in it.
With --offline the store password is enough: it opens everything anyway.`,
  ).action(showTransaction)
  common(
    program
      .command('replay')
      .description('run a past transaction again, with a trace, and compare receipts'),
    `Runs the transaction's block on the state before it and shows every frame, host call, argument and the
fuel of this transaction. The receipt must come out the same, byte for byte; if it does not, the command
says where and ends with status 1 [REPLAY_DIFFERS].
Raw bytes of contracts (rows, keys, returns, logs) may be of any patient: they are shown with --offline only.
A node keeps the way back for its last 65,536 blocks or 1 GiB, and not beyond an erasure.

  ward replay 5f0c... --dir ./ward-1 --as "Test nurse"
  ward replay 5f0c... --dir ./ward-1 --offline --json`,
  ).action(replayTransaction)
}

async function showTransaction(id: string, options: TransactionOptions): Promise<void> {
  const replay = await read(id, options)
  process.stdout.write(options.json ? `${JSON.stringify(replay)}\n` : transactionText(replay, 'frames'))
  failWhenDifferent(replay)
}

async function replayTransaction(id: string, options: TransactionOptions): Promise<void> {
  const replay = await read(id, options)
  process.stdout.write(options.json ? `${JSON.stringify(replay)}\n` : transactionText(replay, 'all'))
  failWhenDifferent(replay)
}

function failWhenDifferent({ identical, differences }: ReplayView): void {
  if (identical) return
  const { sentence } = errorTable.REPLAY_DIFFERS
  throw new CommandError('REPLAY_DIFFERS', `${sentence} Different: ${differences.join('; ')}.`)
}

async function read(id: string, options: TransactionOptions): Promise<ReplayView> {
  if (!/^[0-9a-f]{64}$/i.test(id)) {
    throw new CommandError('USAGE', 'a transaction id has 64 hex digits', exitStatus.usage)
  }
  const transaction = id.toLowerCase()
  if (options.offline) return readOffline(transaction, options)
  if (options.as === undefined) {
    throw new CommandError('USAGE', 'say --as <person>, or --offline for a stopped node', exitStatus.usage)
  }
  const client = connect(options)
  await signIn(client, options.as)
  try {
    return must(await patiently(() => client.replay(transaction))).replay
  } finally {
    await client.signOut()
  }
}

/** How often it is asked again, a second apart, while the node rests. */
const askedMax = 120

/** A node rests after each replay a few times as long as that took. */
async function patiently<T>(ask: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  for (let asked = 1; ; asked += 1) {
    const outcome = await ask()
    if (outcome.ok || outcome.code !== 'REPLAY_BUSY' || asked === askedMax) return outcome
    if (asked === 1)
      process.stderr.write('The node rests between replays; it is asked again each second.\n')
    await setTimeout(1_000)
  }
}

/** Whoever has the store password can read all of it: no grants are asked. */
async function readOffline(id: string, options: TransactionOptions): Promise<ReplayView> {
  if (options.dir === undefined)
    throw new CommandError('USAGE', '--offline needs --dir <folder>', exitStatus.usage)
  const files = nodeFiles(path.resolve(options.dir))
  const password = await readPassword('Store password')
  const dataKey = await openKeyslot(files.keyslots, password).finally(() => password.fill(0))
  // Its death is told by every call that waits.
  const executor = new ExecutorClient(() => undefined)
  const readers = new ReaderClient({
    folder: files.chain,
    dataKey: () => dataKey.toBytes(),
    onTrouble: () => undefined,
  })
  try {
    // Takes the store for this command, and compares its state with the certified root.
    const keyBytes = dataKey.toBytes()
    await executor.call('open', { folder: files.chain, dataKey: keyBytes, genesis: null })
    keyBytes.fill(0)
    const outcome = await replayFor(new Uint8Array(32), id, {
      step: (bytes) => readers.call('replay', { id: bytes }),
      showsRaw: true,
      mayRead: () => Promise.resolve({ allowed: true, validUntil: 0, missing: '' }),
    })
    return must(outcome).replay
  } finally {
    await readers.close()
    await executor.close()
    dataKey.close()
  }
}

export function transactionText(replay: ReplayView, detail: 'frames' | 'all'): string {
  const { height, blockTime, receipt, steps, stepCount } = replay
  const lines = [
    `transaction ${replay.transactionId}`,
    `  block ${height}, ${new Date(blockTime).toISOString()}, proposed by ${replay.proposer.slice(0, 16)}`,
    ...(replay.signed === null ? [causeLine(receipt)] : signedLines(replay.signed)),
    ...receiptLines('receipt', receipt),
    '',
    ...stepLines(steps, detail),
    ...(stepCount > steps.length ? [`  ... and ${stepCount - steps.length} more steps`] : []),
    ...(steps.length === 0 ? ['  no contract ran: the kernel alone decided'] : []),
    '',
  ]
  if (replay.identical) {
    lines.push(
      `run again under fuel schedule ${replay.fuelSchedule}, instrumenter ${replay.instrumenter}: ` +
        'the identical receipt, as certified',
    )
  } else {
    lines.push('RUN AGAIN IT GIVES ANOTHER RESULT:', ...replay.differences.map((text) => `  ${text}`))
    lines.push(...receiptLines('now', replay.replayed))
  }
  return `${lines.join('\n')}\n`
}

/** On one line, and all of it to be seen, whatever a person or a device wrote there. */
const shown = (value: Json): string => visibleText(JSON.stringify(value))

const causeLine = (receipt: ReceiptView): string =>
  `  nobody signed it: ${receipt.target ?? 'the kernel'}, because of ${receipt.cause ?? 'nothing'}`

function signedLines(signed: SignedView): string[] {
  const { action } = signed
  const head = `  signed by ${signed.sender.slice(0, 16)} (key ${signed.keyId}, stream ${signed.stream}, sequence ${signed.sequence})`
  if (action.type === 'call') {
    const call = `  calls ${action.target}.${action.method} with ${shown(action.arguments)}`
    return [head, call, ...action.attachments.map((hash) => `  attachment ${hash}`)]
  }
  const records = action.records.map(
    ({ kind, code, patient, effectiveTime, body }) =>
      `  appends ${kind} ${code} of ${patient}, ${new Date(effectiveTime).toISOString()}: ${shown(body)}`,
  )
  return [head, ...records]
}

function receiptLines(name: string, receipt: ReceiptView): string[] {
  const { code, detail, fuelUsed, records, derived = [] } = receipt
  const lines = [
    `  ${name}: ${code}${detail === '' ? '' : ` (${visibleText(detail)})`}, fuel ${fuelUsed.toLocaleString('en')}`,
    ...records.map((id) => `    record ${id}`),
  ]
  for (const caused of derived) {
    const what = `${caused.target ?? ''} ${caused.code}, fuel ${caused.fuelUsed.toLocaleString('en')}`
    lines.push(`    caused ${caused.transactionId}: ${what}`)
  }
  return lines
}
