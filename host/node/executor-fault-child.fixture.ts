// One life of a real node, in a process of its own, that ends or loses its executor thread while a contract
// runs. Arguments: folder, "kill" or "thread", entity of a person who may read, then bundles as hex: they are
// handed in together. "kill": this process ends itself with SIGKILL as soon as acme/burn runs. "thread": the
// executor's thread is ended then, and the one line on standard output says what the daemon tells and still
// answers.
import { writeSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { readNote } from '../executor/execution-note.js'
import { createNodeLogger } from './node-logger.js'
import { patienceMs, until } from './patience.fixture.js'
import type { RunningNode } from './running-node.js'
import { personPassword, storePassword } from './single-node.fixture.js'
import { WardNode } from './ward-node.js'

const [folder, how, person, ...bundles] = process.argv.slice(2)

const node = new WardNode(folder, createNodeLogger('fault', 'silent'))
const unlocked = await node.unlock(storePassword.slice())
if (!unlocked.ok) throw new Error(`${unlocked.code} ${unlocked.detail ?? ''}`)
const { node: running } = (node as unknown as { unsealed: { node: RunningNode } }).unsealed
const { executor } = running
const { note, worker } = executor as unknown as { note: SharedArrayBuffer; worker: Worker }
const ends = running.submitMany(bundles.map((bundle) => Buffer.from(bundle, 'hex')))
ends.catch(() => undefined)
const runs = (): string | undefined => {
  const frame = readNote(note)
  return frame?.contract === 'acme/burn' ? frame.transaction : undefined
}
const deadline = Date.now() + patienceMs
const inTime = (what: string): void => {
  if (Date.now() > deadline) throw new Error(`waited ${patienceMs} ms in vain: ${what}`)
}
for (; runs() === undefined; await new Promise(setImmediate)) inTime('the contract runs')
if (how === 'kill') process.kill(process.pid, 'SIGKILL')
// The thread is to end inside a contract, and the note is empty between two: the next one has just begun.
const first = runs()
const turn = new Int32Array(new SharedArrayBuffer(4))
for (let next = first; next === undefined || next === first; next = runs()) {
  inTime('the next one runs')
  Atomics.wait(turn, 0, 0, 1)
}
await worker.terminate()
await until('the death is told', () => node.status().fault !== undefined)
const session = await node.signIn(person, personPassword.slice())
const via = { application: 'test' }
const patients = session.ok ? await node.patients(session.value, via) : session
const told = {
  status: node.status(),
  health: node.health(),
  metrics: (await node.metrics())
    .split('\n')
    .filter((line) => line.startsWith('wardchain_halts'))
    .join(),
  held: node.held.list(),
  session: session.ok,
  patients,
}
writeSync(1, JSON.stringify(told))
await node.close().catch(() => undefined)
process.exit(0)
