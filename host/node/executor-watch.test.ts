// What a start finds of the life before: whom the two small files blame, and whom they must not blame.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { bytesToHex, encodePayload } from '../../runtime/protocol/index.js'
import { CrashJournal } from '../executor/crash-journal.js'
import { createNoteMemory, ExecutionNote } from '../executor/execution-note.js'
import type { HeldBlock } from '../executor/held-back.js'
import { sha256 } from '../keys/crypto.js'
import { startExecutor } from './executor-watch.js'
import { nodeFiles } from './node-config.js'
import { createNodeLogger } from './node-logger.js'

const bundle = new Uint8Array([1])
const hash = bytesToHex(sha256(bundle))
const payload = encodePayload({ lanes: [[], [], [bundle], [], []] })
const transactionId = new Uint8Array(32).fill(7)
const none = new Uint8Array(32)

interface Before {
  /** The block that was unfinished, and whether the thread had died of it. */
  block?: { height: number; died: boolean }
  /** The contract that the note names, and its height; `id` zero: a view, or a module made ready. */
  note?: { height: number; id: Uint8Array }
}

/** Plants the files of an earlier life and starts: what is held back, and what the newest dump says ran. */
async function startAfter(t: Test, { block, note }: Before): Promise<{ held: HeldBlock[]; dump: unknown }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-watch-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const files = nodeFiles(folder)
  const journal = new CrashJournal(files.executing)
  if (block) {
    journal.begin(payload, block.height)
    if (block.died) journal.executorDied()
  }
  journal.close()
  const writer = new ExecutionNote(createNoteMemory(), files.executingNote)
  const names = { alias: 'acme/deep', method: 'go', address: new Uint8Array(32).fill(9), depth: 0 }
  if (note) writer.tell({ ...names, height: note.height, transactionId: note.id, cause: note.id })
  writer.close()

  const logger = createNodeLogger('test', 'silent')
  const onFault = (code: string, detail: string): void => void t.fail(`${code} ${detail}`)
  const watch = startExecutor({ folder, now: () => 1_000, logger, onFault, executor: undefined })
  const held = structuredClone([...watch.held.blocks])
  watch.journal.close()
  await watch.executor.close()
  const [name] = readdirSync(folder).filter((file) => file.startsWith('crash-'))
  const dump: unknown =
    name === undefined ? null : JSON.parse(readFileSync(path.join(folder, name), 'utf8'))
  return { held, dump }
}

const running = { contract: 'acme/deep', method: 'go', transaction: bytesToHex(transactionId) }

t.test('a note of the block that was unfinished names what ran', async (t) => {
  const note = { height: 7, id: transactionId }
  const killed = await startAfter(t, { block: { height: 7, died: false }, note })
  t.same(killed.held, [], 'somebody may have killed the process')
  t.match(killed.dump, { reason: 'PROCESS_ENDED', request: 'execute', running, bundles: [{ hash }] })
  const died = await startAfter(t, { block: { height: 7, died: true }, note })
  t.match(died.held, [{ reason: 'EXECUTOR_DIED', height: 7, running, bundles: [{ hash }] }])
})

t.test('a stale note blames nobody', async (t) => {
  // A full disk, or a loss of power, left the note of block 6, which had ended in good order.
  const note = { height: 6, id: transactionId }
  const killed = await startAfter(t, { block: { height: 7, died: false }, note })
  t.match(killed.dump, { request: 'execute', bundles: [{ hash }] })
  t.notMatch(JSON.stringify(killed.dump), /acme\/deep/)
  const died = await startAfter(t, { block: { height: 7, died: true }, note })
  t.match(died.held, [{ reason: 'EXECUTOR_DIED', height: 7, bundles: [{ hash }] }])
  t.equal(died.held[0].running, undefined, 'held back, but no contract is named')
  const idle = await startAfter(t, { note })
  t.same(idle, { held: [], dump: null }, 'no block was unfinished: nothing ended')
  t.same(await startAfter(t, {}), { held: [], dump: null })
})

t.test('what ran outside of any block is named when no block ran', async (t) => {
  const note = { height: 6, id: none }
  const view = await startAfter(t, { note })
  t.same(view.held, [])
  t.match(view.dump, { request: 'open or view', running: { contract: 'acme/deep', transaction: '' } })
})
