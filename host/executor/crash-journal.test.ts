// Whose transactions are set aside after a crash: those that killed the executor, and nobody else's.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { bytesToHex, encodePayload } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import { CrashJournal } from './crash-journal.js'
import { ExecutorClient } from './executor-client.js'

const bundles = [new Uint8Array([1]), new Uint8Array([2, 3])]
const payload = encodePayload({ lanes: [[], [], bundles, [], []] })
const other = encodePayload({ lanes: [[], [], [new Uint8Array([9])], [], []] })
const hashes = bundles.map((bundle) => bytesToHex(sha256(bundle)))

function journalFile(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-journal-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return path.join(folder, 'executing')
}

/** A start that dies while it executes: nothing is closed. */
function start(file: string, run?: Uint8Array): readonly string[] {
  const journal = new CrashJournal(file)
  journal.taken()
  if (run) journal.begin(run, 7)
  return journal.suspect?.bundles ?? []
}

t.test('a finished block is forgotten', async (t) => {
  const file = journalFile(t)
  const first = new CrashJournal(file)
  t.equal(first.suspect, undefined)
  first.end(first.begin(payload))
  t.same(start(file), [])
})

t.test('a killed process blames nobody', async (t) => {
  const file = journalFile(t)
  const url = new URL('./crash-journal.js', import.meta.url).href
  const program = `
    import { CrashJournal } from ${JSON.stringify(url)}
    new CrashJournal(${JSON.stringify(file)}).begin(Buffer.from('${bytesToHex(payload)}', 'hex'))
    process.kill(process.pid, 'SIGKILL')`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program])
  t.equal(child.signal, 'SIGKILL')
  t.match(readFileSync(file, 'utf8'), hashes[0], 'the block was being executed')
  t.same(start(file), [])
})

t.test('the same block unfinished at two starts in a row is set aside, once', async (t) => {
  const file = journalFile(t)
  start(file, payload)
  t.same(start(file, payload), [], 'the first time')
  t.same(start(file), hashes, 'the second time')
  t.same(start(file), [], 'told once')
})

t.test('another block between, or a good run, clears it', async (t) => {
  const file = journalFile(t)
  start(file, payload)
  start(file, other)
  t.same(start(file, payload), [])
  const good = new CrashJournal(file)
  good.end(good.begin(payload))
  good.begin(payload)
  t.same(start(file), [], 'it ran to its end in between')
})

t.test('a block that killed the thread is set aside at once', async (t) => {
  const file = journalFile(t)
  const journal = new CrashJournal(file)
  journal.begin(payload)
  journal.begin(other)
  journal.executorDied()
  journal.close()
  t.same(start(file), hashes, 'the block that ran, and not the one behind it')
  const idle = new CrashJournal(file)
  idle.executorDied()
  idle.close()
  t.same(start(file), [], 'nothing ran')
  const due = new CrashJournal(file)
  const entry = due.begin(payload)
  due.diedOfDueWork()
  due.end(entry)
  due.executorDied()
  due.close()
  t.same(start(file), [], 'none of its transactions did it')
  t.equal(new CrashJournal(file).unfinished, undefined)
})

t.test('a start that fails takes nothing away', async (t) => {
  const file = journalFile(t)
  start(file, payload)
  const failed = new CrashJournal(file)
  t.match(failed.unfinished, { bundles: hashes, height: 7 })
  failed.close()
  start(file, payload)
  t.same(start(file), hashes, 'the same block at two starts that got so far')
})

t.test('a death is written where the disk has no room left', async (t) => {
  const file = journalFile(t)
  const journal = new CrashJournal(file)
  journal.begin(payload, 7)
  const { length } = readFileSync(file)
  journal.executorDied()
  t.equal(readFileSync(file).length, length, 'over what is there')
  t.match(readFileSync(file, 'utf8'), /^died +[0-9a-f]{64} 7\n/)
  // A file that can no longer be written stands for a disk that refuses everything.
  const refused = new CrashJournal(file)
  closeSync((refused as unknown as { file: number }).file)
  const entry = refused.begin(payload)
  refused.executorDied()
  refused.end(entry)
  t.match(new CrashJournal(file).suspect, { bundles: hashes, height: 7, reason: 'EXECUTOR_DIED' })
})

t.test('no tail of a longer block is left behind', async (t) => {
  const file = journalFile(t)
  const journal = new CrashJournal(file)
  const first = journal.begin(payload)
  journal.begin(other)
  journal.end(first)
  journal.executorDied()
  t.same(start(file), [bytesToHex(sha256(new Uint8Array([9])))])
})

t.test('a request that the thread refuses is over; one that it dies of is not', async (t) => {
  const file = journalFile(t)
  const journal = new CrashJournal(file)
  const living = { isDead: false }
  const refusal = new Error('a full disk')
  await t.rejects(
    journal.during(living, { payload, height: 7 }, () => Promise.reject(refusal)),
    refusal,
  )
  t.same(journal.running.bundles, [], 'refused, not running')
  // The one that began later is answered first: a refusal never takes another block from the list.
  let answer: () => void = () => undefined
  const slow = journal.during(
    living,
    { payload, height: 7 },
    () => new Promise<void>((resolve) => (answer = resolve)),
  )
  await t.rejects(
    journal.during(living, { payload: other, height: 7 }, () => Promise.reject(refusal)),
    refusal,
  )
  t.same(
    journal.running.bundles.map(({ hash }) => hash),
    hashes,
    'the one that runs is still known',
  )
  answer()
  await slow
  t.equal(readFileSync(file, 'utf8'), '')
  const dead = { isDead: true }
  await t.rejects(
    journal.during(dead, { payload, height: 7 }, () => {
      journal.executorDied()
      return Promise.reject(refusal)
    }),
  )
  journal.close()
  journal.close()
  t.same(start(file), hashes, 'what the thread died of stays in the file')
})

t.test('the client says what the thread was doing when it died', async (t) => {
  const running = await new Promise((resolve) => {
    const client = new ExecutorClient(({ request }) => resolve(request))
    const block = { header: {}, payload: new Uint8Array(0) } as never
    client.call('execute', { blockHash: new Uint8Array(32), block }).catch(() => undefined)
    client.call('pin', null).catch(() => undefined)
    void (client as unknown as { worker: Worker }).worker.terminate()
  })
  t.equal(running, 'execute')
})
