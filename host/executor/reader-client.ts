// Main-thread side of the reader: starts its thread when somebody asks first, carries questions, and ends a
// thread that does not answer, with the height that it pinned. A reader that fails is no fault of the node:
// blocks go on, the question is refused, and the next one gets a new thread.
import { Worker } from 'node:worker_threads'
import { within } from '../../consensus/net/within.js'
import { lendKey } from './lent-key.js'
import type { ReaderCalls, ReaderMethod } from './reader-core.js'
import type { ReaderReply, ReaderRequest } from './reader-thread.js'

/** As large as the executor's: a replay runs the same contracts. */
export const stackMiB = 64
export const heapMiBDefault = 1_024
/** No page, record or step of a replay takes a tenth of it on the slowest supported machine. */
const requestMsMax = 30_000
const waitingMax = 1_000
const endMsMax = 30_000
const notEnded = "the reader's thread does not end"

export interface ReaderOptions {
  folder: string
  /** The key in bytes that this client zeroes after it has handed them over. */
  dataKey: () => Uint8Array
  /** Something that a person may have to look at; no content. */
  onTrouble: (code: string, detail: string) => void
  requestMsMax?: number
  heapMiBMax?: number
  /** The thread's program; another one in tests of its death. */
  program?: URL
}

const besideAdvice =
  'NEIGHBOUR_ALTERED: what lies beside the rows asked for is damaged, so whether they are all of them cannot be ' +
  'shown here; another computer shows them'

export class ReadError extends Error {
  constructor(
    readonly code: 'READ_FAILED' | 'READ_TOO_LONG',
    readonly detail: string,
  ) {
    super(`${code}: ${detail}`)
  }

  /** What a person may be told: the engine opens no file where it cannot write. Else the code says all. */
  get advice(): string | undefined {
    if (this.detail.startsWith('NEIGHBOUR_ALTERED')) return besideAdvice
    return /STORE_READ_ONLY|STORE_FULL/.exec(this.detail) === null
      ? undefined
      : "this computer's disk is full or read only: free space, or make it writable (`mount -o remount,rw`)"
  }
}

interface Waiting {
  method: ReaderRequest['method']
  argument: unknown
  resolve: (value: never) => void
  reject: (error: Error) => void
}

export class ReaderClient {
  private worker: Worker | undefined
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 1
  private watchdog: NodeJS.Timeout | undefined
  private paused: Promise<unknown> = Promise.resolve()
  private isClosed = false

  constructor(private readonly options: ReaderOptions) {}

  /** Questions are answered in the order in which they were asked. */
  async call<M extends ReaderMethod>(method: M, argument: ReaderCalls[M][0]): Promise<ReaderCalls[M][1]> {
    await this.paused
    if (this.isClosed) throw new ReadError('READ_FAILED', 'the node is being sealed')
    if (this.waiting.size >= waitingMax) throw new ReadError('READ_FAILED', 'too many readings wait')
    if (this.worker === undefined) this.start()
    return (await this.ask(method, argument)) as ReaderCalls[M][1]
  }

  /** Runs `work` while no reader has the store open; questions wait meanwhile. */
  async without<T>(work: () => Promise<T>): Promise<T> {
    const before = this.paused
    const done = before.then(() => this.letGo()).then(work)
    this.paused = done.catch(() => undefined)
    return done
  }

  /** Bodies were erased: the thread forgets keys and heights before it answers anything else. */
  forget(): void {
    const request: ReaderRequest = { id: 0, method: 'forget', argument: null }
    this.worker?.postMessage(request)
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.paused
    await this.letGo()
  }

  private start(): void {
    const { folder, dataKey, program, onTrouble, heapMiBMax = heapMiBDefault } = this.options
    const worker = new Worker(program ?? new URL('./reader-thread.js', import.meta.url), {
      resourceLimits: { stackSizeMb: stackMiB, maxOldGenerationSizeMb: heapMiBMax },
    })
    this.worker = worker
    worker.on('message', (reply: ReaderReply) => this.onReply(reply))
    worker.on('error', (error) => this.onEnd(worker, error.name))
    worker.on('exit', () => this.onEnd(worker, 'EXIT'))
    const key = dataKey()
    const { lent, forget } = lendKey({ folder, dataKey: key })
    key.fill(0)
    this.ask('open', lent)
      .catch((error: unknown) => {
        onTrouble('READ_FAILED', String(error))
        this.drop(worker, error instanceof ReadError ? error.detail : undefined)
      })
      .finally(forget)
  }

  private ask(method: ReaderRequest['method'], argument: unknown): Promise<unknown> {
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { method, argument, resolve: resolve, reject })
      if (this.waiting.size === 1) this.watch()
      this.worker?.postMessage({ id, method, argument })
    })
  }

  private onReply(reply: ReaderReply): void {
    const waiting = this.waiting.get(reply.id)
    if (waiting === undefined) return
    this.waiting.delete(reply.id)
    this.watch()
    if (reply.ok) return waiting.resolve(reply.value as never)
    const error = new ReadError('READ_FAILED', `${reply.code}: ${reply.message}`)
    this.options.onTrouble('READ_FAILED', error.detail)
    waiting.reject(error)
  }

  /** Runs while a question is worked on, not while it waits behind others. */
  private watch(): void {
    clearTimeout(this.watchdog)
    if (this.waiting.size === 0) return
    this.watchdog = setTimeout(() => this.giveUp(), this.options.requestMsMax ?? requestMsMax)
    this.watchdog.unref()
  }

  /** The oldest question is the one that does not end; those behind it are asked again of a new thread. */
  private giveUp(): void {
    const [oldest] = this.waiting
    const { worker } = this
    if (oldest === undefined || worker === undefined) return
    const [id, { method, reject }] = oldest
    this.waiting.delete(id)
    this.options.onTrouble('READ_TOO_LONG', method)
    reject(new ReadError('READ_TOO_LONG', method))
    const rest = [...this.waiting.values()]
    const behind = rest.filter((each) => each.method !== 'open' && each.method !== 'close')
    this.waiting.clear()
    // The height that it pinned is let go with the thread; only then may another one open the store.
    const ended = this.end(worker)
    // Who let the thread go has what it waited for when the thread has ended. Asked again it would wait for
    // itself: `paused` is the promise of who asked.
    for (const { resolve } of rest.filter((each) => each.method === 'close'))
      void ended.then(() => resolve(null as never))
    const before = this.paused
    this.paused = Promise.all([before, ended]).then(() => this.again(behind))
  }

  private again(behind: readonly Waiting[]): void {
    if (behind.length === 0) return
    if (this.isClosed) {
      for (const { reject } of behind) reject(new ReadError('READ_FAILED', 'the node is being sealed'))
      return
    }
    if (this.worker === undefined) this.start()
    for (const { method, argument, resolve, reject } of behind)
      this.ask(method, argument).then((value) => resolve(value as never), reject)
  }

  /** The thread died by itself. */
  private onEnd(worker: Worker, reason: string): void {
    if (this.worker !== worker) return
    this.options.onTrouble('READ_FAILED', reason)
    this.drop(worker)
  }

  private drop(worker: Worker, why = 'the reader stopped'): void {
    if (this.worker !== worker) return
    const waiting = [...this.waiting.values()]
    this.waiting.clear()
    clearTimeout(this.watchdog)
    this.paused = Promise.all([this.paused, this.end(worker)])
    for (const { reject } of waiting) reject(new ReadError('READ_FAILED', why))
  }

  /** False when the thread does not end in time. */
  private async end(worker: Worker): Promise<boolean> {
    if (this.worker === worker) this.worker = undefined
    clearTimeout(this.watchdog)
    const hasEnded = await within(worker.terminate(), endMsMax)
    if (!hasEnded) this.options.onTrouble('READ_FAILED', notEnded)
    return hasEnded
  }

  /** Waits for what was asked, then closes the store in the thread and ends it. */
  private async letGo(): Promise<void> {
    const { worker } = this
    if (worker === undefined) return
    await this.ask('close', null).catch(() => undefined)
    // It may still have the file: nobody may put another one in its place.
    if (!(await this.end(worker))) throw new ReadError('READ_FAILED', notEnded)
  }
}
