// Threads that really die: what is told, what is written down, and that nothing of a patient is in it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { NodeError } from '../node/node-error.js'
import { crashText, writeCrashDump } from './crash-dump.js'
import { ExecutorClient, type ExecutorFault } from './executor-client.js'
import { readNoteFile } from './execution-note.js'

const program = new URL('./dying-thread.fixture.js', import.meta.url)
const secret = /Lisa/

function folderOf(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-death-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

interface Death {
  fault: ExecutorFault
  /** How the request ended. */
  refusal: unknown
  later: unknown
}

/** Sends a deadly request and a harmless one behind it. */
async function die(how: string): Promise<Death> {
  let client: ExecutorClient | undefined
  const fault = new Promise<ExecutorFault>((resolve) => {
    // Only what hangs must meet the watchdog, and that after the thread has begun.
    const requestMsMax = how === 'hang' ? 4_000 : 60_000
    client = new ExecutorClient(resolve, { program, requestMsMax })
  })
  // The watchdog leaves this one alone: a busy machine may need long to start a thread.
  await client!.call('open', null as never)
  const settled = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error)
  const request = settled(client!.call('execute', how as never))
  const behind = settled(client!.call('pin', null))
  const death = { fault: await fault, refusal: await request, later: await behind }
  await client!.close()
  return death
}

const expected: [how: string, reason: string][] = [
  ['hang', 'STUCK'],
  ['overflow', 'RangeError'],
  ['exception', 'Error'],
]

for (const [how, reason] of expected) {
  t.test(`${how}: a fault of the node that names contract and transaction`, async (t) => {
    const { fault, refusal, later } = await die(how)
    t.equal(fault.reason, reason)
    t.equal(fault.request, 'execute')
    t.match(fault.running, { contract: 'acme/killer', method: 'onReading', height: 7, depth: 0 })
    t.equal(fault.running?.transaction, 'aa'.repeat(32))
    t.equal(fault.running?.address, 'bb'.repeat(32))
    for (const error of [refusal, later]) {
      t.ok(error instanceof NodeError && error.code === 'EXECUTOR_FAILED', 'nobody waits for ever')
      t.notMatch((error as Error).message, secret)
    }
    t.match(
      crashText({ ...fault, request: 'execute' }),
      /acme\/killer\.onReading, transaction aaaaaaaaaaaaaaaa/,
    )
  })
}

t.test('an exception that the thread outlives is a fault too, when a contract ran', async (t) => {
  const faults: ExecutorFault[] = []
  const client = new ExecutorClient((fault) => faults.push(fault), { program })
  t.teardown(() => client.close())
  await client.call('open', null as never)
  await t.rejects(client.call('pin', 'caught' as never), { code: 'EXECUTOR_FAILED' })
  t.same(faults, [], 'a question that fails stops nothing')
  await t.rejects(client.call('execute', 'caught' as never), { code: 'EXECUTOR_FAILED' })
  t.match(faults, [{ reason: 'EXECUTOR_FAULT', request: 'execute', running: { contract: 'acme/killer' } }])
  await t.rejects(client.call('execute', 'damaged' as never), { code: 'EXECUTOR_FAILED' })
  t.match(faults[1], { reason: 'NEIGHBOUR_ALTERED', request: 'execute' })
  t.equal(faults[1].running, undefined, 'a damaged store speaks against no contract')
  t.equal(client.isDead, false)
})

t.test('a thread that answers is left alone, however long the queue behind it', async (t) => {
  const client = new ExecutorClient(() => t.fail('no fault'), { program, requestMsMax: 5_000 })
  await client.call('open', null as never)
  const answers = await Promise.all([...Array(300).keys()].map(() => client.call('pin', null)))
  t.equal(answers.length, 300)
  await client.close()
})

t.test('a thread that does not close keeps nobody waiting, and is not taken for closed', async (t) => {
  const client = new ExecutorClient(() => t.fail('no fault'), { program, closeMsMax: 300 })
  await client.call('open', null as never)
  const opening = client.call('open', 'hang' as never)
  opening.catch(() => undefined)
  await t.rejects(client.close(), { code: 'EXECUTOR_FAILED' })
  await t.rejects(opening, { code: 'EXECUTOR_FAILED' })
  t.equal(client.isDead, true, 'its store is still taken')
})

/** The same in a process of its own, which the engine may end as a whole; prints the fault if it lives. */
function dieInProcess(
  t: Test,
  how: string,
): { signal: string | null; fault: ExecutorFault | undefined; notePath: string } {
  const folder = folderOf(t)
  const notePath = path.join(folder, 'executing-now')
  const client = new URL('./executor-client.js', import.meta.url).href
  const script = `
    import { ExecutorClient } from ${JSON.stringify(client)}
    const program = new URL(${JSON.stringify(program.href)})
    const options = { program, notePath: ${JSON.stringify(notePath)}, heapMiBMax: 64 }
    const tell = ({ error: _, ...fault }) => console.log(JSON.stringify(fault))
    new ExecutorClient(tell, options).call('execute', ${JSON.stringify(how)}).catch(() => undefined)`
  const file = path.join(folder, 'die.mjs')
  writeFileSync(file, script)
  const ended = spawnSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' })
  const [line = ''] = ended.stdout.split('\n')
  const fault = line.startsWith('{') ? (JSON.parse(line) as ExecutorFault) : undefined
  return { signal: ended.signal, fault, notePath }
}

const named = { contract: 'acme/killer', transaction: 'aa'.repeat(32), height: 7 }

t.test('the engine ends the whole process: the next start knows what ran', async (t) => {
  const { signal, fault, notePath } = dieInProcess(t, 'abort')
  t.equal(signal, 'SIGABRT', 'no thread survives it')
  t.equal(fault, undefined)
  t.match(readNoteFile(notePath), named)
  t.equal(readNoteFile(`${notePath}-not`), undefined)
})

t.test('out of memory: the thread ends, or the engine ends the process; named either way', async (t) => {
  const { signal, fault, notePath } = dieInProcess(t, 'memory')
  t.match(readNoteFile(notePath), named)
  if (fault === undefined) t.equal(signal, 'SIGABRT')
  else t.match(fault, { reason: 'ERR_WORKER_OUT_OF_MEMORY', running: named })
})

t.test('the dump names what ran and holds nothing of a patient', async (t) => {
  const folder = folderOf(t)
  const { fault } = await die('exception')
  const dump = {
    reason: fault.reason,
    request: 'execute',
    running: fault.running,
    bundles: [{ hash: 'cc'.repeat(32), transaction: 'aa'.repeat(32) }],
  }
  const name = writeCrashDump(folder, { ...dump, time: 1_000 })
  const text = readFileSync(path.join(folder, name ?? ''), 'utf8')
  t.match(JSON.parse(text), { reason: 'Error', running: { contract: 'acme/killer' } })
  t.same(Object.keys(JSON.parse(text) as object).sort(), [
    'bundles',
    'reason',
    'request',
    'running',
    'time',
    'versions',
  ])
  t.notMatch(text, secret)
  for (let time = 2_000; time < 2_015; time += 1) writeCrashDump(folder, { ...dump, time })
  t.equal(readdirSync(folder).length, 10, 'the newest are kept')
  t.equal(writeCrashDump(path.join(folder, 'no-folder'), { ...dump, time: 1 }), undefined)
})
