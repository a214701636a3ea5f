// Main-thread side of the executor: starts the thread, carries requests, turns its death into one error.
import { Worker } from 'node:worker_threads'
import { within } from '../../consensus/net/within.js'
import { isNodeErrorCode, NodeError } from '../node/node-error.js'
import { isStoreCode } from '../store/index.js'
import { lendKey } from './lent-key.js'
import { crashText } from './crash-dump.js'
import { createNoteMemory, readNote, type RunningFrame } from './execution-note.js'
import type { ExecutorCalls, ExecutorMethod, ExecutorReply } from './messages.js'

/** Fixed and large, so that metered stack height always ends a contract long before the native stack does. */
export const stackMiB = 64
/**
 * A contract's memory is bounded by its own limits; what the executor itself may hold on top is bounded
 * here.
 */
export const heapMiBMax = 2_048
/**
 * Room for what one block makes and drops again: with the engine's own 16 MiB most of a block's records would
 * be copied twice by the collector before they are dropped.
 */
export const youngHeapMiB = 96
/** No admitted block takes a tenth of this on the slowest supported machine: past it the thread is stuck. */
const requestMsMax = 60_000
/** Closing writes the outline of the tree; a disk that needs longer does not end it at all. */
const closeMsMax = 60_000

/** Faults of the engine inside a contract: the thread lives, and what it ran must not run again here. */
const engineFaults: readonly string[] = ['NATIVE_FAILURE', 'ENGINE_DISAGREES']

const isOfStore = (code: string): boolean => isStoreCode(code) || code.startsWith('TREE_PAGE_')

/**
 * Requests that run what others have written; opening, taking or switching a store may take as long as its
 * disk needs.
 */
const isWatched = (method: ExecutorMethod): boolean =>
  method !== 'open' && method !== 'close' && method !== 'careFinish' && !method.startsWith('sync')

/** An exception of ours while a contract runs speaks against that contract as much as one of the engine. */
const runsBlocks = (method: ExecutorMethod): boolean => method === 'execute' || method === 'tentative'

interface Waiting {
  method: ExecutorMethod
  resolve(value: never): void
  reject(error: Error): void
}

/** Why the executor stopped, and in the middle of what. */
export interface ExecutorFault {
  error: NodeError
  /** A code; never the engine's words. */
  reason: string
  /** The oldest unanswered request: the one that it was carrying out. */
  request: ExecutorMethod | undefined
  /** The contract that ran; undefined when none did. */
  running: RunningFrame | undefined
}

export interface ExecutorOptions {
  /** File that says, after the end of the whole process, what ran last. */
  notePath?: string
  /** Smaller in tests that let it run out. */
  requestMsMax?: number
  closeMsMax?: number
  heapMiBMax?: number
  stackMiB?: number
  /** The thread's program; another one in tests of its death. */
  program?: URL
}

export class ExecutorClient {
  private readonly worker: Worker
  private readonly note = createNoteMemory()
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 1
  private failure: NodeError | undefined
  private closing = false
  private hasEnded = false
  /** Runs while a request is carried out, not while it waits behind others. */
  private watchdog: NodeJS.Timeout | undefined

  /**
   * `onFault` is called when the thread dies by itself or the engine fails in a contract: the node must
   * stop voting.
   */
  constructor(
    private readonly onFault: (fault: ExecutorFault) => void,
    private readonly options: ExecutorOptions = {},
  ) {
    this.worker = new Worker(options.program ?? new URL('./executor-thread.js', import.meta.url), {
      workerData: { memory: this.note, path: options.notePath },
      resourceLimits: {
        stackSizeMb: options.stackMiB ?? stackMiB,
        maxOldGenerationSizeMb: options.heapMiBMax ?? heapMiBMax,
        maxYoungGenerationSizeMb: youngHeapMiB,
      },
    })
    this.worker.on('message', (reply: ExecutorReply) => this.onReply(reply))
    this.worker.on('error', (error) => this.fail(reasonOf(error), error))
    this.worker.on('exit', (code) => this.fail(`EXIT_${code}`))
  }

  /** True once the thread has died by itself, was ended by the watchdog or could not be closed. */
  get isDead(): boolean {
    return this.failure !== undefined && !this.hasEnded
  }

  /** The thread answers nobody any more. */
  private fail(reason: string, cause?: unknown): void {
    if (this.failure) return
    clearTimeout(this.watchdog)
    const [oldest] = this.waiting.values()
    const running = readNote(this.note)
    const request = oldest?.method
    const text = crashText({ reason, request: request ?? 'nothing', running })
    this.failure = new NodeError('EXECUTOR_FAILED', text, cause)
    for (const waiting of this.waiting.values()) waiting.reject(this.failure)
    this.waiting.clear()
    if (!this.closing) this.onFault({ error: this.failure, reason, request, running })
  }

  /** Requests are carried out strictly in the order in which they were made. */
  call<M extends ExecutorMethod>(method: M, argument: ExecutorCalls[M][0]): Promise<ExecutorCalls[M][1]> {
    if (this.failure) return Promise.reject(this.failure)
    // A thread that is going away answers nobody: whoever still asks hears so at once.
    if (this.closing) return Promise.reject(new NodeError('EXECUTOR_FAILED', 'the node is being sealed'))
    const id = this.nextId++
    const { lent, forget } = lendKey(argument)
    const answered = new Promise<ExecutorCalls[M][1]>((resolve, reject) => {
      this.waiting.set(id, { method, resolve, reject })
      if (this.waiting.size === 1) this.watch()
      this.worker.postMessage({ id, method, argument: lent })
    })
    return lent === argument ? answered : answered.finally(forget)
  }

  private onReply(reply: ExecutorReply): void {
    const waiting = this.waiting.get(reply.id)
    if (!waiting) return
    this.waiting.delete(reply.id)
    this.watch()
    if (reply.ok) return waiting.resolve(reply.value as never)
    const { code, message, running } = reply
    if (isNodeErrorCode(code)) return waiting.reject(new NodeError(code, message))
    const error = new NodeError('EXECUTOR_FAILED', `${code}: ${message}`)
    const stops = running !== undefined && runsBlocks(waiting.method)
    // A damaged store speaks against no contract, whichever ran when it was read.
    const blamed = isOfStore(code) ? undefined : running
    if (stops || engineFaults.includes(code))
      this.onFault({ error, reason: code, request: waiting.method, running: blamed })
    waiting.reject(error)
  }

  /** Starts the watchdog for the request that is carried out now. */
  private watch(): void {
    clearTimeout(this.watchdog)
    const [oldest] = this.waiting.values()
    if (oldest === undefined || !isWatched(oldest.method) || this.failure) return
    this.watchdog = setTimeout(() => this.giveUp(), this.options.requestMsMax ?? requestMsMax)
    this.watchdog.unref()
  }

  /** The watchdog: a node fault, never a transaction's result. */
  private giveUp(): void {
    this.fail('STUCK')
    void this.worker.terminate()
  }

  /** Rejects when the thread does not end in time: whatever else has to be closed must not wait for it. */
  async close(keepsOutline = true): Promise<void> {
    if (this.failure || this.closing) return
    const closed = this.call('close', { keepsOutline })
    this.closing = true
    const limitMs = this.options.closeMsMax ?? closeMsMax
    const hasAnswered = await within(closed, limitMs)
    this.hasEnded = (await within(this.worker.terminate(), limitMs)) && hasAnswered
    if (this.hasEnded) return
    this.fail('NOT_CLOSED')
    throw new NodeError('EXECUTOR_FAILED', 'the thread does not close: its store stays taken')
  }
}

/** The engine's code of an error, or its name: its words may repeat what a contract was given. */
function reasonOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'UNKNOWN'
}
