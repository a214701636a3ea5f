// Client histories of a real network: `record` starts four validators as processes, lets clients send
// and send again while a validator is killed and comes back, and writes what they were told to a file;
// `check` reads such a file and says whether one order explains it (consensus/sim/history.ts). The order
// in the file comes from a node that gave no answer, and each outcome from executing its block again there.
import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { checkHistory, type HistoryEvent } from '../consensus/sim/history.js'
import { bytesToHex, decodeBundle } from '../runtime/protocol/index.js'
import { sha256 } from '../host/keys/crypto.js'
import type { ApiClient } from '../host/api/client.js'
import type { ReceiptView } from '../host/api/node-port.js'
import { createLoadNetwork, normalSet, type LoadNetwork } from './benches/load.js'
import { sleep } from './story/network.js'
import { must } from './ward/connect.js'

/** Nodes that answer clients; the last validator answers none and tells the order. */
const answering = ['validator-1', 'validator-2', 'validator-3']
const witness = 'validator-4'
const killed = 'validator-2'

/** Writes down what clients ask and are told. All times are of this process: one clock. */
class HistoryRecorder {
  readonly events: HistoryEvent[] = []

  invoked(operation: string, client: string): void {
    this.events.push({ event: 'invoked', operation, client, at: performance.now() })
  }

  returned(operation: string, client: string, receipt: ReceiptView): void {
    const told = { height: receipt.height, position: null, answer: answerOf(receipt) }
    this.events.push({ event: 'returned', operation, client, at: performance.now(), ...told })
  }

  save(path: string): void {
    writeFileSync(path, this.events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  }
}

const answerOf = ({ code, fuelUsed }: ReceiptView): string => `${code}/${fuelUsed}`

/** Sends at one node after another until one of them says that it is final: the same bytes, so once
 * only. */
async function submitUntilFinal(
  nodes: readonly ApiClient[],
  bundle: Uint8Array,
  first: number,
): Promise<ReceiptView> {
  const decoded = decodeBundle(bundle, sha256)
  if (!decoded.ok) throw new Error(decoded.code)
  const id = bytesToHex(decoded.value.signed.id)
  let last = 'UNREACHABLE'
  for (let attempt = 0; attempt < 60; attempt += 1) {
    const node = nodes[(first + attempt) % nodes.length]
    const outcome = await node.submitSigned(bundle).catch(() => null)
    if (outcome?.ok === true) return outcome.value
    // Final since an attempt that nobody answered: its sequence is used, by itself. Its receipt says so.
    const known = outcome?.code === 'SEQUENCE_REUSED' ? await node.transaction(id).catch(() => null) : null
    if (known?.ok === true) return known.value.receipt
    last = outcome?.code ?? 'UNREACHABLE'
    await sleep(250)
  }
  throw new Error(`a transaction was not final after sixty attempts: ${last}`)
}

async function runClients(load: LoadNetwork, recorder: HistoryRecorder, count: number): Promise<string[]> {
  const patient = await load.admit()
  const nodes = answering.map((name) => load.network.freshApi(name))
  const ids: string[] = []
  const client = async (device: (typeof load.devices)[number], name: string, offset: number) => {
    for (let number = 0; number < count; number += 1) {
      const bundle = device.bundle(patient, [normalSet[number % normalSet.length]], Date.now())
      const operation = device.lastTransactionId
      recorder.invoked(operation, name)
      const first = offset + number
      // Every fifth goes to two nodes at once: it must be executed once all the same.
      const twice = number % 5 === 0 ? submitUntilFinal(nodes, bundle, first + 1) : null
      recorder.returned(operation, name, await submitUntilFinal(nodes, bundle, first))
      await twice
      ids.push(operation)
    }
  }
  const outage = async () => {
    await sleep(1_500)
    await load.network.processes.kill(killed)
    await sleep(1_000)
    load.network.processes.start(load.network.node(killed))
    await load.network.unlock(killed)
  }
  await Promise.all([...load.devices.map((device, at) => client(device, `client ${at}`, at)), outage()])
  return ids
}

/** A node rests between replays; who has many to ask for waits. */
async function replayed(reader: ApiClient, id: string): ReturnType<ApiClient['replay']> {
  for (;;) {
    const outcome = await reader.replay(id)
    if (outcome.ok || outcome.code !== 'REPLAY_BUSY') return outcome
    await sleep(20)
  }
}

/** The order as the witness has it; each outcome is that of running its block again. */
async function noteOrder(
  load: LoadNetwork,
  recorder: HistoryRecorder,
  ids: readonly string[],
): Promise<void> {
  const reader = await load.network.signIn(witness, 'nurse')
  const byHeight = new Map<number, { operation: string; answer: string }[]>()
  await load.network.converge(30_000)
  for (const operation of ids) {
    const { replay } = must(await replayed(reader, operation))
    if (!replay.identical) throw new Error(`${operation}: ${replay.differences.join('; ')}`)
    const block = byHeight.get(replay.height) ?? []
    byHeight.set(replay.height, [...block, { operation, answer: answerOf(replay.replayed) }])
  }
  for (const [height, operations] of [...byHeight].sort(([left], [right]) => left - right)) {
    recorder.events.push({ event: 'block', height, operations, values: {} })
  }
}

async function record(path: string, options: { clients: number; transactions: number }): Promise<void> {
  const load = await createLoadNetwork(options.clients, { validators: 4, followers: false })
  try {
    const recorder = new HistoryRecorder()
    const ids = await runClients(load, recorder, options.transactions)
    await noteOrder(load, recorder, ids)
    recorder.save(path)
  } finally {
    await load.close()
  }
}

/** Prints the verdict; false when the history cannot be explained. */
function check(path: string): boolean {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  const events = lines.map((line) => JSON.parse(line) as HistoryEvent)
  const faults = checkHistory(events)
  const told = events.filter(({ event }) => event === 'returned').length
  const blocks = events.filter(({ event }) => event === 'block').length
  for (const fault of faults) process.stdout.write(`${fault}\n`)
  const verdict = faults.length === 0 ? 'one order explains all of it' : `${faults.length} faults`
  process.stdout.write(`${told} answers, ${blocks} blocks: ${verdict}\n`)
  return faults.length === 0
}

const program = new Command('history').description(
  'what clients of a real network were told, and whether it holds',
)
program
  .command('record <file>')
  .description('starts four validators, kills one on the way, writes the history and checks it')
  .option('--clients <n>', 'devices that send one after the other', '4')
  .option('--transactions <n>', 'transactions of each', '25')
  .action(async (file: string, options: { clients: string; transactions: string }) => {
    await record(file, { clients: Number(options.clients), transactions: Number(options.transactions) })
    process.exitCode = check(file) ? 0 : 1
  })
program
  .command('check <file>')
  .description('reads a history file; exit code 1 when no order explains it')
  .action((file: string) => {
    process.exitCode = check(file) ? 0 : 1
  })
await program.parseAsync()
