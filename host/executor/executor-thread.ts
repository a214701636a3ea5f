// The executor thread: one request at a time, in order. An exception here is a fault of this node and
// never becomes a transaction result.
import { parentPort, workerData } from 'node:worker_threads'
import { ExecutionNote, readNote } from './execution-note.js'
import { ExecutorCore } from './executor-core.js'
import { withTakenKey } from './lent-key.js'
import type { ExecutorCalls, ExecutorReply, ExecutorRequest } from './messages.js'

const port = parentPort
if (!port) throw new Error('the executor runs as a thread of the daemon')

const { memory, path } = workerData as { memory: SharedArrayBuffer; path: string | undefined }
const note = new ExecutionNote(memory, path)
const core = new ExecutorCore((frame) => note.tell(frame))

port.on('message', (request: ExecutorRequest) => {
  const reply = answer(request)
  if (request.method !== 'close') return port.postMessage(reply)
  note.close()
  const { keepsOutline } = request.argument as ExecutorCalls['close'][0]
  void core.close(keepsOutline).finally(() => port.postMessage(reply))
})

function answer(request: ExecutorRequest): ExecutorReply {
  try {
    const value = withTakenKey(request.argument, (argument) => core.handle(request.method, argument))
    note.tell(undefined)
    return { id: request.id, ok: true, value }
  } catch (error) {
    const code = (error as { code?: unknown }).code
    const message = error instanceof Error ? error.message : String(error)
    const known = typeof code === 'string' ? code : 'EXECUTOR_FAULT'
    const reply = { id: request.id, ok: false as const, code: known, message, running: readNote(memory) }
    note.tell(undefined)
    return reply
  }
}
