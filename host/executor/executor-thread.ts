// The executor thread: one request at a time, in order. An exception here is a fault of this node and
// never becomes a transaction result.
import { parentPort } from 'node:worker_threads'
import { ExecutorCore } from './executor-core.js'
import type { ExecutorReply, ExecutorRequest } from './messages.js'

const port = parentPort
if (!port) throw new Error('the executor runs as a thread of the daemon')

const core = new ExecutorCore()

port.on('message', (request: ExecutorRequest) => {
  const reply = answer(request)
  if (request.method !== 'close') return port.postMessage(reply)
  void core.close().finally(() => port.postMessage(reply))
})

function answer(request: ExecutorRequest): ExecutorReply {
  try {
    return { id: request.id, ok: true, value: core.handle(request.method, request.argument) }
  } catch (error) {
    const code = (error as { code?: unknown }).code
    const message = error instanceof Error ? error.message : String(error)
    return { id: request.id, ok: false, code: typeof code === 'string' ? code : 'EXECUTOR_FAULT', message }
  }
}
