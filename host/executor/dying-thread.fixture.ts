// An executor thread that runs a contract and dies in it, by the request's argument: the real note, the real
// limits, a real death. Everything else is answered with the argument.
import { parentPort, workerData } from 'node:worker_threads'
import { ExecutionNote, readNote } from './execution-note.js'
import type { ExecutorRequest } from './messages.js'

const { memory, path } = workerData as { memory: SharedArrayBuffer; path: string | undefined }
const note = new ExecutionNote(memory, path)

const frame = {
  transactionId: new Uint8Array(32).fill(0xaa),
  cause: new Uint8Array(32).fill(0xcc),
  height: 7,
  alias: 'acme/killer',
  address: new Uint8Array(32).fill(0xbb),
  method: 'onReading',
  depth: 0,
}

/** The secret is what a patient's record might say: it must not reach a dump. */
export const secret = 'Lisa Jones is pregnant'

function recurse(depth: number): number {
  return recurse(depth + 1) + 1
}

const deaths: Record<string, () => unknown> = {
  hang: () => {
    for (;;);
  },
  memory: () => {
    const kept: unknown[] = []
    for (;;) kept.push(new Array(10_000).fill(secret))
  },
  overflow: () => recurse(0),
  exception: () => {
    throw new Error(secret)
  },
  abort: () => {
    process.kill(process.pid, 'SIGABRT')
    for (;;);
  },
}

parentPort?.on('message', ({ id, method, argument }: ExecutorRequest) => {
  const death = typeof argument === 'string' ? deaths[argument] : undefined
  if (argument === 'caught' || argument === 'damaged') {
    note.tell(frame)
    const running = readNote(memory)
    const code = argument === 'caught' ? 'EXECUTOR_FAULT' : 'NEIGHBOUR_ALTERED'
    return parentPort?.postMessage({ id, ok: false, code, message: 'TypeError', running })
  }
  if (death !== undefined) {
    note.tell(frame)
    death()
  }
  parentPort?.postMessage({ id, ok: true, value: method })
})
