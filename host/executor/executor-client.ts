// Main-thread side of the executor: starts the thread, carries requests, turns its death into one error.
import { Worker } from 'node:worker_threads'
import { isNodeErrorCode, NodeError } from '../node/node-error.js'
import type { ExecutorCalls, ExecutorMethod, ExecutorReply } from './messages.js'

/** Fixed and large, so that metered stack height always ends a contract long before the native stack does. */
const stackMiB = 64
/**
 * A contract's memory is bounded by its own limits; what the executor itself may hold on top is bounded
 * here.
 */
const heapMiBMax = 2_048
/**
 * Room for what one block makes and drops again: with the engine's own 16 MiB most of a block's records would
 * be copied twice by the collector before they are dropped.
 */
const youngHeapMiB = 96
/** No admitted block takes a tenth of this on the slowest supported machine: past it the thread is stuck. */
const executeMsMax = 60_000

interface Waiting {
  method: ExecutorMethod
  resolve(value: never): void
  reject(error: Error): void
  timer: NodeJS.Timeout | undefined
}

export class ExecutorClient {
  private readonly worker: Worker
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 1
  private failure: Error | undefined
  private closing = false
  private readonly fail: (cause: unknown) => void

  /**
   * `onFault` is called once when the thread dies by itself: the node must stop voting. `running` is the
   * oldest unanswered request: the one that it was carrying out.
   */
  constructor(onFault: (error: Error, running: ExecutorMethod | undefined) => void) {
    this.worker = new Worker(new URL('./executor-thread.js', import.meta.url), {
      resourceLimits: {
        stackSizeMb: stackMiB,
        maxOldGenerationSizeMb: heapMiBMax,
        maxYoungGenerationSizeMb: youngHeapMiB,
      },
    })
    this.worker.on('message', (reply: ExecutorReply) => this.onReply(reply))
    this.fail = (cause: unknown): void => {
      if (this.failure) return
      this.failure = new NodeError(
        'EXECUTOR_FAILED',
        cause instanceof Error ? cause.message : String(cause),
        cause,
      )
      const [oldest] = this.waiting.values()
      for (const waiting of this.waiting.values()) waiting.reject(this.failure)
      this.waiting.clear()
      if (!this.closing) onFault(this.failure, oldest?.method)
    }
    this.worker.on('error', this.fail)
    this.worker.on('exit', (code) => this.fail(new Error(`exit ${code}`)))
  }

  /** Requests are carried out strictly in the order in which they were made. */
  call<M extends ExecutorMethod>(method: M, argument: ExecutorCalls[M][0]): Promise<ExecutorCalls[M][1]> {
    if (this.failure) return Promise.reject(this.failure)
    // A thread that is going away answers nobody: whoever still asks hears so at once.
    if (this.closing) return Promise.reject(new NodeError('EXECUTOR_FAILED', 'the node is being sealed'))
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      const runsRules = method === 'execute' || method === 'tentative'
      const timer = runsRules ? setTimeout(() => this.giveUp(), executeMsMax) : undefined
      timer?.unref()
      this.waiting.set(id, { method, resolve, reject, timer })
      this.worker.postMessage({ id, method, argument })
    })
  }

  private onReply(reply: ExecutorReply): void {
    const waiting = this.waiting.get(reply.id)
    if (!waiting) return
    this.waiting.delete(reply.id)
    clearTimeout(waiting.timer)
    if (reply.ok) waiting.resolve(reply.value as never)
    else if (isNodeErrorCode(reply.code)) waiting.reject(new NodeError(reply.code, reply.message))
    else waiting.reject(new NodeError('EXECUTOR_FAILED', `${reply.code}: ${reply.message}`))
  }

  /** The watchdog: a node fault, never a transaction's result. */
  private giveUp(): void {
    this.fail(new Error(`a block took longer than ${executeMsMax / 1_000} s`))
    void this.worker.terminate()
  }

  async close(): Promise<void> {
    if (this.failure || this.closing) return
    const closed = this.call('close', null)
    this.closing = true
    await closed.catch(() => undefined)
    await this.worker.terminate()
  }
}
