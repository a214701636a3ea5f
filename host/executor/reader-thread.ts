// The reader thread: one question at a time, in order. It holds no lock and writes nothing.
import { parentPort } from 'node:worker_threads'
import { withTakenKey } from './lent-key.js'
import { ReaderCore, type ReaderCalls, type ReaderMethod } from './reader-core.js'

export type ReaderRequest =
  | { id: number; method: 'open'; argument: { folder: string; dataKey: Uint8Array } }
  | { id: number; method: 'close'; argument: null }
  /** Not answered. */
  | { id: number; method: 'forget'; argument: null }
  | { id: number; method: ReaderMethod; argument: ReaderCalls[ReaderMethod][0] }

export type ReaderReply =
  { id: number; ok: true; value: unknown } | { id: number; ok: false; code: string; message: string }

const port = parentPort
if (!port) throw new Error('the reader runs as a thread of the daemon')
const core = new ReaderCore()

port.on('message', (request: ReaderRequest) => {
  if (request.method === 'forget') return core.forget()
  if (request.method !== 'close') return port.postMessage(answer(request))
  const done = (): void => port.postMessage({ id: request.id, ok: true, value: null })
  core.close().then(done, done)
})

function answer(request: Exclude<ReaderRequest, { method: 'close' | 'forget' }>): ReaderReply {
  const { id } = request
  try {
    if (request.method !== 'open')
      return { id, ok: true, value: core.handle(request.method, request.argument) }
    withTakenKey(request.argument, ({ folder, dataKey }) => core.open(folder, dataKey))
    return { id, ok: true, value: null }
  } catch (error) {
    const code = (error as { code?: unknown }).code
    const message = error instanceof Error ? error.message : String(error)
    return { id, ok: false, code: typeof code === 'string' ? code : 'INTERNAL', message }
  }
}
