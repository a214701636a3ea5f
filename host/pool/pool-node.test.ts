// The pool inside a running node, with its real executor, store and consensus of one: large and dear
// transactions, and those that can no longer become final.
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { bytesToHex, hexToBytes, type ErrorCode } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import { CrashJournal } from '../executor/crash-journal.js'
import { nodeFiles } from '../node/node-config.js'
import { patienceMs, until } from '../node/patience.fixture.js'
import type { RunningNode } from '../node/running-node.js'
import type { FinalOutcome } from '../node/submission.js'
import { createSingleNode, storePassword, type SingleNode } from '../node/single-node.fixture.js'
import { Device, type Signed } from './device.fixture.js'

const callsPerBlock = 16

const runningOf = (single: SingleNode): RunningNode =>
  (single.node as unknown as { unsealed: { node: RunningNode } }).unsealed.node

const codeOf = (outcome: FinalOutcome): ErrorCode | 'FINAL' => (outcome.ok ? 'FINAL' : outcome.code)

async function hospital(t: Test) {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const admin = await single.signIn('admin')
  const chainId = hexToBytes(single.node.status().chainId) ?? new Uint8Array(32)
  const device = (): Promise<Device> => new Device(chainId).enrol(single, admin)
  return { single, admin, device, running: runningOf(single) }
}

t.test(
  '17 calls of 100 M fuel: 16 fill the share of their lane, the last waits for the next',
  async (t) => {
    const { device, running } = await hospital(t)
    const source = await device()
    const calls = Array.from({ length: callsPerBlock + 1 }, () => source.call())
    const ends = calls.map(({ id }) => running.waiter.wait(id, patienceMs))
    const outcomes = await running.submitMany(calls.map(({ bundle }) => bundle))
    t.ok(outcomes.every((outcome) => outcome.ok))
    const heights = (await Promise.all(ends)).map((end) => (end?.ok ? end.receipts[0].height : 0))
    t.same(
      heights.slice(0, callsPerBlock),
      heights.slice(0, callsPerBlock).map(() => heights[0]),
    )
    t.equal(heights[callsPerBlock], heights[0] + 1)
    t.equal(running.pool.size, 0)
  },
)

t.test('a bundle larger than a block is aimed at becomes final, and stops nobody', async (t) => {
  const { device, running } = await hospital(t)
  const [large, small] = await Promise.all([device(), device()])
  const attachments = [1, 2, 3, 4].map((value) => new Uint8Array(524_288).fill(value))
  const outcomes = await Promise.all([
    running.submit(large.call({ attachments }).bundle, patienceMs),
    running.submit(small.call().bundle, patienceMs),
  ])
  t.same(outcomes.map(codeOf), ['FINAL', 'FINAL'])
})

t.test('what can no longer become final leaves, and whoever waits hears why at once', async (t) => {
  const { single, admin, device, running } = await hospital(t)
  /** Held back, as by a leader that leaves it out: only what others sign becomes final. */
  const held = (signed: Signed): Promise<FinalOutcome> => {
    running.pool.held.add({
      ...{ since: 0, reason: 'RESULT_SPLIT', height: 0 },
      bundles: [{ hash: bytesToHex(sha256(signed.bundle)), transaction: '' }],
    })
    return running.submit(signed.bundle, patienceMs)
  }
  const [old, gone, late] = [await device(), await device(), await device()]

  const tooOld = held(old.call({ sequence: 5 }))
  t.equal(codeOf(await running.submit(old.call({ sequence: 5 + 1_023 }).bundle, patienceMs)), 'FINAL')
  t.equal(running.pool.size, 1, 'still inside the window')
  t.equal(codeOf(await running.submit(old.call({ sequence: 5 + 1_024 }).bundle, patienceMs)), 'FINAL')
  t.equal(codeOf(await tooOld), 'SEQUENCE_TOO_OLD')

  const revoked = held(gone.call())
  const args = { keyId: bytesToHex(gone.keyId) }
  await single.sign(admin, { type: 'call', target: 'ward/governance', method: 'revokeKey', args })
  t.equal(codeOf(await revoked), 'KEY_REVOKED')

  // Long enough to be admitted before it has expired, on a busy machine too.
  const validUntil = Date.now() + 3_000
  const expired = held(late.call({ validUntil }))
  await until('its time is over', () => Date.now() > validUntil)
  t.equal(running.pool.size, 1)
  t.equal(codeOf(await running.submit(old.call({ sequence: 2_000 }).bundle, patienceMs)), 'FINAL')
  t.equal(codeOf(await expired), 'EXPIRED')
  t.equal(running.pool.size, 0)
})

t.test('a call that killed the executor thread is named to the next start', async (t) => {
  const { single, device, running } = await hospital(t)
  const source = await device()
  const deadly = source.call()
  const { executor } = running
  const { worker } = executor as unknown as { worker: Worker }
  const call = executor.call.bind(executor)
  executor.call = (method, argument) => {
    const answer = call(method, argument)
    if (method === 'execute') {
      // A quick thread could answer before it ends: what it says from here on is not heard.
      worker.removeAllListeners('message')
      void worker.terminate()
    }
    return answer
  }
  const outcome = running.submit(deadly.bundle, 2_000)
  await once(worker, 'exit')
  const { node } = single
  t.equal(node.status().phase, 'EXECUTOR_FAILED', 'the daemon goes on and says so')
  t.match(node.status().fault, { code: 'EXECUTOR_FAILED', detail: /EXIT_1.*\(crash-\d+\.json\)/ })
  t.match(node.health(), { healthy: false, detail: /^EXECUTOR_FAILED: / })
  const [dump] = readdirSync(single.folder).filter((name) => name.startsWith('crash-'))
  const told = JSON.parse(readFileSync(path.join(single.folder, dump), 'utf8')) as Record<string, unknown>
  t.match(told, {
    request: 'execute',
    bundles: [{ hash: bytesToHex(sha256(deadly.bundle)), transaction: deadly.id }],
  })
  await node.seal()
  const again = await node.unlock(storePassword.slice())
  t.match(again, { ok: false, code: 'UNLOCK_FAILED', detail: /restart it, then unlock/ })
  t.match(node.health(), { healthy: false }, 'not healthy until it is restarted')
  await node.close()
  t.equal(codeOf(await outcome), 'NOT_FINAL_IN_TIME')
  const { suspect } = new CrashJournal(nodeFiles(single.folder).executing)
  t.same(suspect?.bundles, [bytesToHex(sha256(deadly.bundle))], 'closed in good order, and not forgotten')
})
