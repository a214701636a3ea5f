// A reader that pins a height and never answers its first question; what comes in its place answers at once.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { ChainReader } from '../store/index.js'
import type { ReaderRequest } from './reader-thread.js'

let reader: ChainReader | undefined
let isFirst = false
let folder = ''

parentPort?.on('message', (request: ReaderRequest) => {
  const { id } = request
  if (request.method === 'open') {
    folder = request.argument.folder
    const mark = join(folder, 'has been asked')
    isFirst = !existsSync(mark)
    writeFileSync(mark, '')
    reader = new ChainReader(folder, request.argument.dataKey)
    return parentPort?.postMessage({ id, ok: true, value: null })
  }
  const answered = (value: unknown): void => parentPort?.postMessage({ id, ok: true, value })
  if (request.method === 'close') return void reader?.close().then(() => answered(null))
  const pinned = reader?.pin()
  pinned?.applied()
  if (isFirst) writeFileSync(join(folder, 'is pinned'), '')
  while (isFirst) pinned?.applied()
  pinned?.done()
  return answered({ pinnedBy: 'a new thread' })
})
