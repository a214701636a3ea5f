// A contract ends the real executor: by a native stack overflow, with its thread, with the whole process.
// Each time the module and the transaction are named, nothing becomes a result, the daemon says so and
// answers reads, and the transaction is held back until it is final or an administrator lets it go.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bytesToHex, hexToBytes, statusOf } from '../../runtime/protocol/index.js'
import type { HeldBlockView } from '../api/held-port.js'
import type { Session } from '../api/node-port.js'
import { sha256 } from '../keys/crypto.js'
import { Device } from '../pool/device.fixture.js'
import { deadlyContracts } from './deadly-contracts.fixture.js'
import { nodeFiles } from './node-config.js'
import { during, patienceMs, until } from './patience.fixture.js'
import type { RunningNode } from './running-node.js'
import { createSingleNode, type SingleNode } from './single-node.fixture.js'

t.setTimeout(4 * patienceMs)

const child = fileURLToPath(new URL('./executor-fault-child.fixture.js', import.meta.url))
const secret = 'Wonderland'
const patient = '5a'.repeat(16)
const hashOf = (bundle: Uint8Array): string => bytesToHex(sha256(bundle))

const runningOf = (single: SingleNode): RunningNode =>
  (single.node as unknown as { unsealed: { node: RunningNode } }).unsealed.node

const heldAt = ({ node }: SingleNode): HeldBlockView[] => {
  const list = node.held.list()
  return list.ok ? list.value.held : []
}

async function deviceAt(single: SingleNode, admin: Session): Promise<Device> {
  const chainId = hexToBytes(single.node.status().chainId) ?? new Uint8Array(32)
  return new Device(chainId).enrol(single, admin)
}

async function admitLisa(single: SingleNode): Promise<void> {
  const body = {
    ...{ schema: 1, family: secret, given: 'Lisa', birthDate: 19970214, sex: 'F', pregnancy: 0 },
    ...{ identifiers: [], ward: '4', room: '12', bed: 'A', visitNumber: 'V1', reason: secret },
  }
  const records = [{ kind: 'admission' as const, patient, code: 'ADT^A01', body }]
  const receipt = await single.sign(await single.signIn('nurse'), { type: 'append', records })
  if (receipt.code !== 'OK') throw new Error(`${receipt.code} ${receipt.detail}`)
}

const dumpsOf = ({ folder }: SingleNode): Record<string, unknown>[] =>
  readdirSync(folder)
    .filter((name) => name.startsWith('crash-'))
    .sort()
    .map((name) => {
      const text = readFileSync(path.join(folder, name), 'utf8')
      t.notMatch(text, secret, 'nothing of a patient')
      return JSON.parse(text) as Record<string, unknown>
    })

t.test('a native stack overflow is a fault of the node, and what did it is held back', async (t) => {
  // Too little for the metered stack of any contract: the engine gives up before the meter does.
  const single = await createSingleNode({ contracts: deadlyContracts, executor: { stackMiB: 0.5 } })
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const device = await deviceAt(single, admin)
  await admitLisa(single)
  const deadly = device.call({ target: 'acme/deep', method: 'go' })
  const hash = hashOf(deadly.bundle)
  const { node } = single
  const ended = runningOf(single).submit(deadly.bundle, patienceMs)
  await until('the fault is told', () => node.status().fault !== undefined)
  const detail = new RegExp(
    `^NATIVE_FAILURE in acme/deep\\.go, transaction ${deadly.id}, height \\d+ \\(crash-`,
  )
  t.match(node.status(), {
    phase: 'EXECUTOR_FAILED',
    setAside: 1,
    fault: { code: 'EXECUTOR_FAILED', detail },
  })
  t.match(node.health(), { healthy: false, detail: /^EXECUTOR_FAILED: NATIVE_FAILURE in acme/ })
  t.match(await node.metrics(), /wardchain_halts_total\{code="EXECUTOR_FAILED"\} 1/)
  t.match(await node.metrics(), /wardchain_held_back_transactions 1/)
  t.match(dumpsOf(single), [
    {
      ...{ reason: 'NATIVE_FAILURE', request: 'execute' },
      running: { contract: 'acme/deep', method: 'go', transaction: deadly.id, cause: deadly.id, depth: 0 },
      bundles: [{ hash, transaction: deadly.id }],
    },
  ])
  const nurse = await single.signIn('nurse')
  const read = await node.patients(nurse, { application: 'test' })
  t.match(read, { ok: true, value: { patients: [{ patient }] } }, 'charts are read on')
  t.match(await node.transaction(deadly.id), { ok: false, code: 'TRANSACTION_UNKNOWN' }, 'no result')

  single.executor = undefined
  for (const start of ['first', 'second']) {
    await single.restart()
    t.match(await during('waiting for the submission', ended), { ok: false })
    const transactions = [{ bundle: hash, transaction: deadly.id, ran: true }]
    t.match(heldAt(single), [{ reason: 'EXECUTOR_DIED', transactions }], `held at the ${start} start`)
    await runningOf(single).submitMany([deadly.bundle])
    // This node leads, and proposes everything else.
    const other = await runningOf(single).submit(device.call().bundle, patienceMs)
    t.ok(other.ok)
    t.equal(runningOf(single).pool.size, 1, 'it waits')
  }

  const release = { which: 'named' as const, ids: [deadly.id], reason: 'a test' }
  t.match(await single.node.held.release(await single.signIn('nurse'), release), {
    ...{ ok: false, code: 'ADMINISTRATOR_REQUIRED' },
  })
  const administrator = await single.signIn('admin')
  t.match(await single.node.held.release(administrator, { ...release, ids: ['00'.repeat(32)] }), {
    ...{ ok: false, code: 'HELD_UNKNOWN' },
  })
  const final = runningOf(single).submit(deadly.bundle, patienceMs)
  t.match(await single.node.held.release(administrator, release), {
    ...{ ok: true, value: { released: 1, left: 0, saved: true } },
  })
  const [receipt] = await during('the released call', final).then((end) => (end.ok ? end.receipts : []))
  t.equal(receipt.status, statusOf('STACK_EXHAUSTED'), 'with the stack of a delivered node it is a result')
  await single.restart()
  t.same(heldAt(single), [], 'released for good')
})

t.test('what another leader proposes is executed, and held back no more', async (t) => {
  const single = await createSingleNode({ contracts: deadlyContracts })
  t.teardown(() => single.close())
  const device = await deviceAt(single, await single.signIn('admin'))
  const running = runningOf(single)
  const { pool } = running
  const [held, lost] = [device.call({ target: 'acme/deep', method: 'go' }), device.call()]
  const bundles = [held, lost].map(({ bundle }) => ({ hash: hashOf(bundle), transaction: '' }))
  pool.held.add({ since: 1, reason: 'UNFINISHED_TWICE', height: 3, bundles })
  const final = running.submit(held.bundle, patienceMs)
  await until('it waits', () => pool.size === 1)
  // The block is another's choice: this node takes part in it, as a follower does.
  const build = pool.buildPayload.bind(pool)
  pool.buildPayload = async ({ height, time }) =>
    running.executor.call('build', { bundles: [held.bundle], height, time })
  const waiting = pool.waiting.bind(pool)
  pool.waiting = () => ({ ...waiting(), normal: true })
  running.driver.transactionsWaiting()
  const end = await during('the block of another leader', final)
  Object.assign(pool, { buildPayload: build, waiting })
  t.ok(end.ok)
  t.match(heldAt(single), [{ transactions: [{ bundle: hashOf(lost.bundle) }] }], 'the other one still is')
  await pool.held.settled()
  t.match(JSON.parse(readFileSync(nodeFiles(single.folder).held, 'utf8')), {
    blocks: [{ bundles: [{ hash: hashOf(lost.bundle) }] }],
  })
  t.equal(single.node.status().setAside, 1)
})

interface Ended {
  signal: string | null
  told: string
}

/** The child gives up before: it waits for two things in turn, each with the usual patience. */
const lifeMs = 3 * patienceMs

async function life(folder: string, ...args: string[]): Promise<Ended> {
  const process_ = spawn(process.execPath, [child, folder, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // Whatever ends this test, its processes end with it.
  const kill = (): void => void process_.kill('SIGKILL')
  t.teardown(kill)
  const limit = setTimeout(kill, lifeMs)
  let told = ''
  process_.stdout.on('data', (bytes: Buffer) => (told += bytes.toString()))
  const [, signal] = (await during(`a life of the node, ${args[0]}`, once(process_, 'close'))) as [
    number | null,
    string | null,
  ]
  clearTimeout(limit)
  return { signal, told }
}

t.test('the thread dies, the process dies: named, and the rest of the daemon goes on', async (t) => {
  const single = await createSingleNode({ contracts: deadlyContracts })
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  await admitLisa(single)
  const device = await deviceAt(single, admin)
  // Enough that the first still burns, or one behind it, when the child sees it; few enough for one block.
  const burning = () => Array.from({ length: 8 }, () => device.call({ target: 'acme/burn', method: 'go' }))
  const hexOf = (calls: ReturnType<typeof burning>): string[] =>
    calls.map(({ bundle }) => bytesToHex(bundle))
  const [killers, calls] = [burning(), burning()]
  await single.node.close()
  const { nurse } = single.persons

  const killed = await life(single.folder, 'kill', nurse, ...hexOf(killers))
  t.equal(killed.signal, 'SIGKILL')
  await single.restart()
  const dump = dumpsOf(single).at(-1) ?? {}
  const running = { contract: 'acme/burn', method: 'go' }
  t.match(dump, { reason: 'PROCESS_ENDED', request: 'execute', running })
  const { transaction } = dump.running as { transaction: string }
  t.ok(
    killers.some(({ id }) => id === transaction),
    'the very transaction',
  )
  t.same(heldAt(single), [], 'a process that somebody killed blames nobody the first time')
  // Left alone they end in good order.
  await runningOf(single).submitMany(killers.map(({ bundle }) => bundle))
  for (const { id } of killers)
    await until('it is final', async () => (await single.node.transaction(id)).ok)
  await single.node.close()

  const { told } = await life(single.folder, 'thread', nurse, ...hexOf(calls))
  const daemon = JSON.parse(told) as Record<string, unknown>
  t.match(daemon, {
    status: {
      ...{ sealed: false, phase: 'EXECUTOR_FAILED', setAside: 8 },
      fault: {
        code: 'EXECUTOR_FAILED',
        detail: /^EXIT_1 in acme\/burn\.go, transaction [0-9a-f]{64}, height/,
      },
    },
    health: { healthy: false, detail: /^EXECUTOR_FAILED: EXIT_1 in acme\/burn/ },
    metrics: /halts_total\{code="EXECUTOR_FAILED"\} 1/,
    session: true,
    patients: { ok: true, value: { patients: [{ patient }] } },
  })
  await single.restart()
  t.match(dumpsOf(single).at(-1), { reason: 'EXIT_1', running: { contract: 'acme/burn' } })
  const [block] = heldAt(single)
  t.same(
    block.transactions.map(({ transaction }) => transaction),
    calls.map(({ id }) => id),
  )
  t.equal(block.transactions.filter(({ ran }) => ran).length, 1, 'one of them ran')
  // The innocent go on; the one that ran waits for a person.
  const again = await single.signIn('admin')
  t.match(await single.node.held.release(again, { which: 'others', reason: 'innocent' }), {
    ...{ ok: true, value: { released: 7, left: 1 } },
  })
})
